/** What a page asks by itself is no use of the session; what somebody asked for is. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { get, post } from "@/lib/api";

const asked: Record<string, string>[] = [];
let now = 1_000_000;

function touch(): void {
  const event = new Event("pointerdown", { bubbles: true });
  Object.defineProperty(event, "isTrusted", { value: true });
  document.dispatchEvent(event);
}

describe("requests of screens", () => {
  beforeEach(() => {
    asked.length = 0;
    now += 60_000;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
      asked.push(init.headers as Record<string, string>);
      return new Response("{}", { status: 200 });
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it("carry the header when nobody did anything", async () => {
    await get("alarms");
    await post("alarms/ack", { ids: [] });
    expect(asked.map((headers) => headers["X-Fengsui-Background"])).toEqual(["1", "1"]);
    expect(asked[0].Accept).toBe("application/json");
  });

  it("do not carry it right after somebody touched the page, and carry it again later", async () => {
    touch();
    await get("alarms");
    now += 10_000;
    await get("alarms");
    expect(asked.map((headers) => headers["X-Fengsui-Background"])).toEqual([undefined, "1"]);
  });

  it("are not made to count by events that a script makes", async () => {
    document.dispatchEvent(new Event("pointerdown"));
    await get("alarms");
    expect(asked[0]["X-Fengsui-Background"]).toBe("1");
  });
});
