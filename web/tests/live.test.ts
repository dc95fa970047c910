import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { effectScope } from "vue";
import { useLive, type Live } from "@/lib/live";

class Stub extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  static all: Stub[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Stub.all.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(name: string, data: unknown, lastEventId = "") {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId }));
  }
  fail(dead: boolean) {
    this.readyState = dead ? 2 : 0;
    this.onerror?.();
  }
  close() {
    this.readyState = 2;
  }
}

let live: Live;
let scope: ReturnType<typeof effectScope>;
const beat = (seq: number, connected = true) => ({ seq, at_ms: Date.now(), connected });

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  Stub.all = [];
  vi.stubGlobal("EventSource", Stub);
  scope = effectScope();
  scope.run(() => (live = useLive()));
});
afterEach(() => {
  scope.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("one stream carries every topic, and an event reaches its handler", () => {
  const got: unknown[] = [];
  live.on("alarm", (data) => got.push(data));
  live.want(["alarms", "loops"], ["yc-chem"]);
  expect(Stub.all).toHaveLength(1);
  expect(Stub.all[0].url).toBe("/api/v1/live?topics=alarms%2Cloops&sites=yc-chem");
  Stub.all[0].open();
  Stub.all[0].say("alarm", { id: 7 }, "41");
  expect(got).toEqual([{ id: 7 }]);
  expect(live.state.value).toBe("open");
});

test("wanting the same again opens nothing; another site goes on behind the last event", () => {
  live.want(["alarms"]);
  Stub.all[0].open();
  Stub.all[0].say("alarm", {}, "41");
  live.want(["alarms"]);
  expect(Stub.all).toHaveLength(1);
  live.want(["alarms"], ["yc-pump"]);
  expect(Stub.all[1].url).toContain("&last=41");
  expect(Stub.all[0].readyState).toBe(2);
});

test("a stream that the browser gave up is opened again, behind the last event", () => {
  live.want(["alarms"]);
  Stub.all[0].open();
  Stub.all[0].say("beat", beat(9), "9");
  Stub.all[0].fail(true);
  expect(live.state.value).toBe("cut");
  vi.advanceTimersByTime(1_000);
  expect(Stub.all).toHaveLength(2);
  expect(Stub.all[1].url).toContain("last=9");
});

test("a stream that the browser still tries is left to it", () => {
  live.want(["alarms"]);
  Stub.all[0].open();
  Stub.all[0].fail(false);
  vi.advanceTimersByTime(60_000);
  expect(Stub.all).toHaveLength(1);
  expect(live.state.value).toBe("cut");
});

test("beats of a server that lost the bus do not make old data live", () => {
  live.want(["alarms"]);
  Stub.all[0].open();
  Stub.all[0].say("hello", beat(1));
  const heard = live.heardMs.value;
  vi.advanceTimersByTime(20_000);
  Stub.all[0].say("beat", beat(1, false));
  Stub.all[0].say("beat", beat(1, false));
  expect(live.heardMs.value).toBe(heard);
  Stub.all[0].say("beat", beat(2, true));
  expect(live.heardMs.value).toBeGreaterThan(heard!);
});

test("after the end of the session nobody comes back by himself", () => {
  live.want(["alarms"]);
  Stub.all[0].open();
  Stub.all[0].say("end", {});
  vi.advanceTimersByTime(600_000);
  expect(live.state.value).toBe("ended");
  expect(Stub.all).toHaveLength(1);
});
