import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followLoops, PATIENCE_MS, SLOW_MS, tell } from "@/lib/loops";

class Stub extends EventTarget {
  static readonly CLOSED = 2;
  static all: Stub[] = [];
  readyState = 1;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Stub.all.push(this);
  }
  say(name: string, data: unknown = null) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
  close() {
    this.readyState = 2;
  }
}

let hidden = false;
let stop: () => void = () => {};
const heard = vi.fn();
const again = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Stub);
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  Stub.all = [];
  hidden = false;
  heard.mockClear();
  again.mockClear();
  document.body.innerHTML = "";
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

test("a page without a screen opens one stream, asks when it opens and then only hears", () => {
  stop = followLoops(heard, again);
  expect(Stub.all.map((one) => one.url)).toEqual(["/api/v1/live?topics=loops"]);
  Stub.all[0].say("hello");
  expect(again).toHaveBeenCalledTimes(1);
  Stub.all[0].say("loop", { kind: "call_confirm" });
  expect(heard).toHaveBeenCalledWith({ kind: "call_confirm" });
  vi.advanceTimersByTime(10 * SLOW_MS);
  expect(again).toHaveBeenCalledTimes(1);
});

test("without a stream it asks slowly", () => {
  stop = followLoops(heard, again);
  vi.advanceTimersByTime(PATIENCE_MS);
  expect(again).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(2 * SLOW_MS - PATIENCE_MS);
  expect(again).toHaveBeenCalledTimes(3);
});

test("a page that nobody looks at has no stream and asks nothing", () => {
  stop = followLoops(heard, again);
  Stub.all[0].say("hello");
  hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  expect(Stub.all[0].readyState).toBe(Stub.CLOSED);
  again.mockClear();
  vi.advanceTimersByTime(3 * SLOW_MS);
  expect(again).not.toHaveBeenCalled();
  hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  expect(Stub.all.filter((one) => one.readyState === 1)).toHaveLength(1);
});

test("the stream of a screen is the only one", () => {
  document.body.innerHTML = "<div data-stream></div>";
  stop = followLoops(heard, again);
  expect(Stub.all).toEqual([]);
  tell("hello");
  tell("loop", { kind: "call_confirm" });
  expect([again.mock.calls.length, heard.mock.calls.length]).toEqual([1, 1]);
});
