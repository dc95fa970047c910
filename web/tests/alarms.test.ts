import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchEffect } from "vue";
import { inOrder, isStanding, useAlarms } from "@/lib/alarms";
import type { Alarm, AlarmState, Level } from "@/lib/api";

function alarm(id: number, priority: Level, state: AlarmState, raised = id * 1000): Alarm {
  return {
    type: "alarm",
    what: "raised",
    id,
    key: `${id}:1`,
    version: 0,
    site: { id: 1, code: "s", name: "站", name_en: "Site", lon: 111, lat: 30 },
    org_path: "/1/",
    datastream: { id: 1, code: "d", name: "压力", name_en: "Pressure", unit: "kPa", decimals: 1 },
    kind: "h",
    priority,
    state,
    setpoint: 1,
    raised_at_ms: raised,
    raised_value: 2,
    peak_value: 2,
    cleared_at_ms: null,
    acked_at_ms: null,
    acked_by: null,
    shelved_until_ms: null,
    suppressed: false,
    received_at_ms: null,
    loop_id: null,
    by: null,
    fold: null,
    children: 0,
  };
}

const FOLD = { parent_id: 1, cause_id: 1, rule: "link", relation: "carries", hops: 1, lag_ms: 0, at_ms: 1 };

function answer(pages: Alarm[][]) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    const at = asked.length - 1;
    const next = at + 1 < pages.length ? `c${at + 1}` : null;
    return new Response(JSON.stringify({ items: pages[at] ?? [], next }));
  });
  return asked;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const rest = () => vi.advanceTimersByTime(100);

test("what nobody has acknowledged comes first, of that the worst, then what is still there, then the newest", () => {
  const rows = [
    alarm(1, 1, "active_acked"),
    alarm(2, 3, "active_unacked"),
    alarm(3, 1, "cleared_unacked"),
    alarm(4, 2, "active_unacked"),
    alarm(5, 2, "active_unacked"),
    alarm(6, 2, "cleared_unacked"),
  ];
  expect(rows.sort(inOrder).map((a) => a.id)).toEqual([3, 5, 4, 6, 2, 1]);
});

test("the queue is loaded page by page", async () => {
  const asked = answer([[alarm(1, 2, "active_unacked")], [alarm(2, 1, "active_unacked")]]);
  const alarms = useAlarms();
  await alarms.load();
  expect(asked).toHaveLength(2);
  expect(asked[1]).toContain("cursor=c1");
  expect(alarms.queue.value.map((a) => a.id)).toEqual([2, 1]);
  expect(alarms.isFlood.value).toBe(false);
});

test("what the stream says while the list is loading wins over the list", async () => {
  answer([[alarm(1, 2, "active_unacked"), alarm(2, 2, "active_unacked")]]);
  const alarms = useAlarms();
  const loading = alarms.load();
  alarms.apply(alarm(1, 2, "normal"));
  alarms.apply(alarm(3, 1, "active_unacked"));
  await loading;
  expect(alarms.queue.value.map((a) => a.id)).toEqual([3, 2]);
});

test("an alarm is announced once, when it is new", () => {
  const said: number[] = [];
  const alarms = useAlarms((a) => said.push(a.id));
  alarms.apply(alarm(1, 1, "active_unacked"));
  alarms.apply(alarm(1, 1, "active_unacked"));
  alarms.apply(alarm(1, 1, "active_acked"));
  alarms.apply(alarm(2, 1, "active_acked"));
  expect(said).toEqual([1]);
});

test("shelved and suppressed alarms are known but neither shown nor counted", () => {
  const alarms = useAlarms();
  alarms.apply(alarm(1, 1, "shelved"));
  alarms.apply(alarm(2, 1, "suppressed"));
  alarms.apply(alarm(3, 2, "active_unacked"));
  rest();
  expect(alarms.shown.value.map((a) => a.id)).toEqual([3]);
  expect(alarms.counts.value.all).toEqual([1, 0, 1, 0, 0]);
  expect(alarms.redUnacked.value).toEqual([]);
  expect(isStanding(alarm(1, 1, "shelved"))).toBe(true);
});

test("a level filters the queue but not the counts and not the red ones", () => {
  const alarms = useAlarms();
  alarms.apply(alarm(1, 1, "active_unacked"));
  alarms.apply(alarm(2, 3, "active_unacked"));
  rest();
  alarms.level.value = 3;
  expect(alarms.queue.value.map((a) => a.id)).toEqual([2]);
  expect(alarms.counts.value.all[0]).toBe(2);
  expect(alarms.redUnacked.value.map((a) => a.id)).toEqual([1]);
});

test("a list that cannot be loaded is said, and the stream's alarms still show", async () => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ code: "show.no_bus", message: "No" }), { status: 503 }));
  const alarms = useAlarms();
  await alarms.load();
  expect(alarms.failed.value).toMatchObject({ status: 503, code: "show.no_bus" });
  alarms.apply(alarm(1, 1, "active_unacked"));
  expect(alarms.queue.value).toHaveLength(1);
});

test("a flood is drawn ten times a second, not once an alarm", () => {
  const alarms = useAlarms();
  let drawn = 0;
  watchEffect(() => void (alarms.shown.value.length, drawn++), { flush: "sync" });
  for (let i = 1; i <= 500; i++) alarms.apply(alarm(i, 3, "active_unacked"));
  expect(drawn).toBeLessThan(4);
  rest();
  expect(alarms.shown.value).toHaveLength(500);
});

test("a message that comes late about an alarm that is over does not bring it back", async () => {
  answer([[{ ...alarm(1, 2, "active_unacked"), version: 1 }]]);
  const alarms = useAlarms();
  await alarms.load();
  alarms.apply({ ...alarm(1, 2, "normal"), version: 3 });
  alarms.apply({ ...alarm(1, 2, "active_acked"), version: 2 });
  expect(alarms.shown.value).toEqual([]);
  alarms.apply({ ...alarm(1, 2, "cleared_unacked"), version: 3 });
  expect([...alarms.known.value.values()].map((a) => a.state)).toEqual(["cleared_unacked"]);
});

test("an alarm that becomes a child leaves the queue, and only a newer message brings it back", async () => {
  answer([[]]);
  const rung: number[] = [];
  const alarms = useAlarms((a) => rung.push(a.id));
  await alarms.load();
  const child = alarm(2, 3, "active_unacked");
  alarms.apply({ ...alarm(1, 2, "active_unacked"), children: 1 });
  alarms.apply(child);
  vi.advanceTimersByTime(200);
  expect(alarms.shown.value.length).toBe(2);
  alarms.apply({ ...child, fold: FOLD, version: 1, what: "folded" });
  alarms.apply(child);
  vi.advanceTimersByTime(200);
  expect(alarms.shown.value.map((a) => a.id)).toEqual([1]);
  expect(alarms.folded.value).toBe(1);
  alarms.apply({ ...alarm(3, 3, "active_unacked"), fold: FOLD });
  expect(rung).toEqual([1, 2]);
  alarms.apply({ ...child, version: 2, what: "unfolded" });
  vi.advanceTimersByTime(200);
  expect(alarms.shown.value.map((a) => a.id)).toEqual([1, 2]);
  expect(rung).toEqual([1, 2, 2]);
});
