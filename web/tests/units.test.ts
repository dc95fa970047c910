import { expect, test } from "vitest";
import { drawnFences, geometryOf, pointsOf, ring, shown } from "@/map/drawing";
import { applyFrame, levelsOf, marks, type UnitColumns, type UnitFrame } from "@/lib/units";
import { AT_ONCE, MOST_KEPT, Queue, type Place, type Shelf } from "@/screens/here/queue";

const COLUMNS: UnitColumns = {
  at_ms: 100_000, more: false, ids: [1, 2], code: ["a", "b"], name: ["甲", "乙"], name_en: ["A", ""], kind: ["vehicle", "person"],
  site: ["s", "s"], period_ms: [1000, 1000], time_ms: [99_000, null], lon: [111.2, null], lat: [30.6, null], kmh: [40, null],
  deg: [90, null], priority: [null, null], streams: [[10, 11], [20]],
};
const frame = (ids: number[], time: number): UnitFrame => ({
  org_path: "/1/", t_ms: time, ids, time_ms: ids.map(() => time), lon: ids.map(() => 112), lat: ids.map(() => 31),
  kmh: ids.map(() => null), deg: ids.map(() => 5),
});

test("a frame moves who is known, an older position moves nobody back, and a stranger is told of", () => {
  const held = new Map(marks(COLUMNS, 100_000).map((mark) => [mark.id, mark]));
  expect(held.get(1)?.freshness).toBe("live");
  expect(held.get(2)?.freshness).toBe("never");
  expect(applyFrame(held, frame([1, 2], 100_000))).toBe(false);
  expect(held.get(1)).toMatchObject({ lon: 112, timeMs: 100_000, kmh: null });
  applyFrame(held, frame([1], 50_000));
  expect(held.get(1)?.timeMs).toBe(100_000);
  expect(applyFrame(held, frame([9], 100_000))).toBe(true);
});

test("a unit has the worst level of its alarms", () => {
  const alarm = (id: number, priority: number) => ({ datastream: { id }, priority }) as never;
  const levels = levelsOf([alarm(10, 3), alarm(11, 2), alarm(99, 1)], new Map([[10, 1], [11, 1], [20, 2]]));
  expect([...levels]).toEqual([[1, 2]]);
});

test("what is drawn is GeoJSON as soon as it encloses something", () => {
  const corners = [[111, 30], [112, 30], [112, 31]];
  expect(geometryOf("polygon", corners.slice(0, 2))).toBeNull();
  const area = geometryOf("polygon", corners);
  expect(area).toEqual({ type: "Polygon", coordinates: [[...corners, corners[0]]] });
  expect(pointsOf(area)).toEqual(corners);
  expect(geometryOf("circle", corners)).toEqual({ type: "Point", coordinates: [112, 31] });
  expect(geometryOf("corridor", corners)).toEqual({ type: "LineString", coordinates: corners });
  expect(ring([0, 0], 111_195)[0][0]).toBeCloseTo(1, 3);
  expect(shown("corridor", geometryOf("corridor", corners), corners, 100).features).toHaveLength(6);
});

test("fences in force are drawn with their radius", () => {
  const fence = (active: boolean, shape: string, geometry: object) => ({ type: "Feature" as const, geometry, properties: { active, shape, radius_m: 100 } });
  const features = [
    fence(true, "circle", { type: "Point", coordinates: [111, 30] }),
    fence(false, "circle", { type: "Point", coordinates: [111, 30] }),
    fence(true, "corridor", { type: "LineString", coordinates: [[111, 30], [111, 31]] }),
  ];
  const drawn = drawnFences({ type: "FeatureCollection", features: features as never });
  expect(drawn.features.map((f) => f.geometry.type)).toEqual(["Polygon", "LineString", "LineString", "LineString"]);
});

test("the queue outlives the page, is bounded, and is sent oldest first", () => {
  const kept = new Map<string, string>();
  const shelf: Shelf = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
  const place = (timeMs: number): Place => ({ timeMs, lon: 1, lat: 2, kmh: null, deg: null, accuracyM: 5 });
  const queue = new Queue(shelf, "k");
  queue.add(place(1_000));
  queue.add(place(1_500)); // too soon
  queue.add(place(2_000));
  expect(new Queue(shelf, "k").next()?.time_ms).toEqual([1_000, 2_000]);
  queue.done(1);
  expect(new Queue(shelf, "k").next()?.time_ms).toEqual([2_000]);
  queue.clear();
  expect(kept.size).toBe(0);
  expect(queue.next()).toBeNull();
  expect(AT_ONCE).toBeLessThan(MOST_KEPT);
});
