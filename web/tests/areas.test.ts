import { describe, expect, it } from "vitest";
import { append, distanceKm, readCircles, readPolygons, ringOf, writeCircle, writeRing, type Place } from "@/lib/areas";

describe("areas as they are typed", () => {
  it("are read longitude first, each ring closed once", () => {
    const ring: Place[] = [[111.2, 30.6], [111.3, 30.6], [111.3, 30.8]];
    expect(readPolygons("111.2,30.6 111.3,30.6 111.3,30.8")).toEqual([[...ring, ring[0]]]);
    expect(readPolygons(writeRing([...ring, ring[0]]))).toEqual([[...ring, ring[0]]]);
  });

  it("leave out a line that cannot be read, and keep the others", () => {
    expect(readPolygons("x,y\n1,1 2,2\n1,1 2,1 2,2\n1,91 2,91 2,92")).toHaveLength(1);
    expect(readCircles("111.3,30.7 2.5\n111.3 30.7\n111.3,30.7\n1,1 -5\n1,1 5000")).toEqual([
      { centre: [111.3, 30.7], km: 2.5 },
    ]);
  });

  it("grow by a line, whatever blanks stand at the end", () => {
    expect(append("", "a")).toBe("a");
    expect(append("a\n\n ", "b")).toBe("a\nb");
  });

  it("draw a circle as far away as its radius says", () => {
    const circle = { centre: [111.3, 30.7] as Place, km: 25 };
    const ring = ringOf(circle);
    expect(ring[0][0]).toBeCloseTo(ring[ring.length - 1][0], 9);
    for (const place of ring) expect(distanceKm(circle.centre, place)).toBeCloseTo(25, 6);
    expect(readCircles(writeCircle(circle))).toEqual([circle]);
  });
});
