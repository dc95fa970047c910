import { describe, expect, test } from "vitest";
import { columns, digitsOf, scaleOf } from "@/charts/line";
import { extended } from "@/charts/ring";
import { countdown, dateTime, number, shortTime, span, unit } from "@/lib/format";
import { freshness } from "@/lib/freshness";
import { isTyping } from "@/lib/keys";
import { extent, union } from "@/map/extent";

describe("time and numbers", () => {
  test("time is Shanghai's, 24 hours, whatever the browser's zone", () => {
    const at = Date.UTC(2026, 10, 23, 16, 1, 7);
    expect(dateTime(at)).toBe("2026-11-24 00:01:07");
    expect(shortTime(at, at + 1000)).toBe("00:01:07");
    expect(shortTime(at, at + 90_000_000)).toBe("11-24 00:01");
  });
  test("no value is a dash, never a zero", () => {
    expect(number(null)).toBe("—");
    expect(number(NaN)).toBe("—");
    expect(number(-0.001, 2)).toBe("0.00");
    expect(number(-1.5, 1)).toBe("−1.5");
  });
  test("a countdown shows hours only when there are any", () => {
    expect(countdown(65_000)).toBe("1:05");
    expect(countdown(-3_725_000)).toBe("1:02:05");
  });
  test("an age takes the largest unit that is at least one", () => {
    expect([0, 59_999, 60_000, 3_600_000, 86_400_000].map((ms) => span(ms).unit)).toEqual(["s", "s", "min", "h", "d"]);
    expect(span(-5).n).toBe(0);
  });
  test("unit codes are written as people write them", () => {
    expect(["ug/m3", "kPa", "mH2O", "kgf/cm2", "L/s", "m3/h", "gn", "kscmh", "°C"].map(unit)).toEqual([
      "µg/m³", "kPa", "mH₂O", "kgf/cm²", "L/s", "m³/h", "g", "kscmh", "°C",
    ]);
  });
});

describe("freshness", () => {
  test("two periods are live, ten are late, more is a cut", () => {
    const at = (age: number) => freshness(1_000_000 - age, 10_000, 1_000_000);
    expect([20_000, 20_001, 100_000, 100_001].map(at)).toEqual(["live", "late", "late", "stale"]);
    expect(freshness(null, 1000, 0)).toBe("never");
  });
  test("a period shorter than the platform's own is taken as that", () => {
    expect(freshness(0, 100, 10_000)).toBe("live");
  });
});

describe("charts", () => {
  const limit = (setpoint: number) => ({ kind: "h" as const, setpoint, priority: 2 as const, words: "" });
  test("a bad or missing value is a gap", () => {
    const [x, y] = columns({ t: [1000, 2000, 3000], v: [1, 2, null], q: [0, 2, 0] });
    expect(x).toEqual([1, 2, 3]);
    expect(y).toEqual([1, null, null]);
  });
  test("a near setpoint is drawn inside, a far one does not flatten the curve", () => {
    const [low, high] = scaleOf([10, 12], [limit(14), limit(500)]);
    expect(high).toBeGreaterThan(14);
    expect(high).toBeLessThan(20);
    expect(low).toBeLessThan(10);
  });
  test("without data the setpoints make the scale, without either it is 0 to 1", () => {
    const [low, high] = scaleOf([], [limit(5), limit(9)]);
    expect(low).toBeLessThan(5);
    expect(high).toBeGreaterThan(9);
    expect(scaleOf([null], [])).toEqual([0, 1]);
  });
  test("two ticks never read the same", () => {
    expect([100, 5, 2.5, 0.5, 0.25, 0.05, 0.001].map(digitsOf)).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });
  test("a frame adds what is newer, drops what is older than the window, and repeats nothing", () => {
    const series = { t: [1000, 2000, 3000], v: [1, 2, 3], q: [0, 0, 0] };
    const frame = { site: 1, t_ms: 0, ids: [7, 8, 7], time_ms: [3000, 4000, 4000], v: [9, 9, 4], q: [0, 0, 1] };
    expect(extended(series, 7, frame, 2500)).toEqual({ t: [2000, 3000, 4000], v: [2, 3, 4], q: [0, 0, 1] });
    expect(series.t).toHaveLength(3);
    expect(extended(series, 99, frame, 0)).toBe(series);
  });
});

test("the extent of a layer is its least box; a union with nothing is the other", () => {
  const ring = [[[110, 30], [112, 30], [112, 31], [110, 30]]];
  const layer = {
    type: "FeatureCollection" as const,
    features: [{ type: "Feature" as const, properties: {}, geometry: { type: "Polygon" as const, coordinates: ring } }],
  };
  expect(extent(layer)).toEqual([110, 30, 112, 31]);
  expect(extent({ type: "FeatureCollection", features: [] })).toBeNull();
  expect(union([1, 2, 3, 4], [0, 3, 2, 9])).toEqual([0, 2, 3, 9]);
  expect(union(null, [1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
});

test("somebody types in a field, not in a checkbox", () => {
  const field = (type: string) => Object.assign(document.createElement("input"), { type });
  expect(isTyping(field("text"))).toBe(true);
  expect(isTyping(field("search"))).toBe(true);
  expect(isTyping(field("checkbox"))).toBe(false);
  expect(isTyping(document.createElement("textarea"))).toBe(true);
  expect(isTyping(document.body)).toBe(false);
});
