/**
 * The one stream of a page.  The browser's EventSource resumes with Last-Event-ID after a cut; when it gives up (a 502
 * while the platform restarts closes it for good) we open it again ourselves with what we saw last.
 *
 * `heardMs` is when anything last arrived while the server itself heard the bus: the age of everything that is live.
 */

import { onScopeDispose, ref, type Ref } from "vue";
import { correct, nowMs } from "./clock";
import { tell } from "./loops";

/** ended: the session is over, the server asked us not to come back by ourselves. */
export type LiveState = "connecting" | "open" | "cut" | "ended";
type Handler = (data: never) => void;

const BEATS = new Set(["hello", "beat", "reset"]);
/** Heard also when nobody handles them: each moves what we resume behind. */
const EVENTS = [...BEATS, "alarm", "loop", "site", "ledger", "warning", "readings", "units"];

/** The server says `beat` this often, also when nothing happens. */
export const BEAT_MS = 5_000;

/** What `hello`, `beat` and `reset` carry; `connected` false: the web process itself has lost the bus. */
export interface Beat {
  seq: number;
  at_ms: number;
  connected: boolean;
}

export interface Live {
  state: Ref<LiveState>;
  heardMs: Ref<number | null>;
  on<T>(event: string, handler: (data: T) => void): void;
  /** Topics and sites that are wanted now; opens the stream again when they changed. */
  want(topics: readonly string[], sites?: readonly string[]): void;
  close(): void;
}

export function useLive(path = "/api/v1/live"): Live {
  const state: Ref<LiveState> = ref("connecting");
  const heardMs: Ref<number | null> = ref(null);
  const handlers = new Map<string, Handler[]>(EVENTS.map((name) => [name, []]));
  let source: EventSource | null = null;
  let lastId = "";
  let url = "";
  let wait = 1000;
  let again: ReturnType<typeof setTimeout> | undefined;

  let connected = true;

  function heard(name: string, event: MessageEvent): unknown {
    const data = event.data ? JSON.parse(event.data) : null;
    if (BEATS.has(name) && data) {
      connected = data.connected;
      correct(data.at_ms);
    }
    if (connected) heardMs.value = nowMs();
    state.value = "open";
    wait = 1000;
    if (event.lastEventId) lastId = event.lastEventId;
    return data;
  }

  function listen(target: EventSource, name: string): void {
    target.addEventListener(name, (event) => {
      const data = heard(name, event as MessageEvent);
      if (name === "loop") tell("loop", data);
      else if (name === "hello" || name === "reset") tell("hello");
      for (const handler of handlers.get(name) ?? []) handler(data as never);
    });
  }

  function open(): void {
    clearTimeout(again);
    source?.close();
    const resume = lastId ? `${url.includes("?") ? "&" : "?"}last=${encodeURIComponent(lastId)}` : "";
    const mine = new EventSource(url + resume);
    source = mine;
    mine.onopen = () => {
      state.value = "open";
    };
    mine.onerror = () => {
      state.value = "cut";
      tell("cut");
      if (mine.readyState !== EventSource.CLOSED || mine !== source) return; // it tries again by itself
      again = setTimeout(open, wait);
      wait = Math.min(wait * 2, 15_000);
    };
    for (const name of handlers.keys()) listen(mine, name);
  }

  const live: Live = {
    state,
    heardMs,
    on(event, handler) {
      const known = handlers.get(event);
      if (known) {
        known.push(handler as Handler);
        return;
      }
      handlers.set(event, [handler as Handler]);
      if (source) listen(source, event);
    },
    want(topics, sites = []) {
      const query = new URLSearchParams({ topics: topics.join(",") });
      if (sites.length) query.set("sites", sites.join(","));
      const next = `${path}?${query}`;
      if (next === url) return;
      url = next;
      open();
    },
    close() {
      clearTimeout(again);
      source?.close();
      source = null;
    },
  };
  live.on("end", () => {
    live.close();
    state.value = "ended";
  });
  onScopeDispose(live.close);
  return live;
}
