/**
 * Loops as the one stream of a page tells them: that of its screen (`[data-stream]`, lib/live.ts), else one of our own
 * that is open only while somebody looks at the page, for a browser has few connections to a server.
 *
 * `again` is asked for at each opening, and slowly while there is no stream.
 */

export const SLOW_MS = 60_000;
export const PATIENCE_MS = 3_000;
const WAIT_MS = 15_000;

export interface LoopHeard {
  kind?: string;
  about?: { message_id?: number };
}

/** What pages hear of whatever stream there is. */
export function tell(what: "hello" | "loop" | "cut", detail: unknown = null): void {
  globalThis.document?.dispatchEvent(new CustomEvent(`live:${what}`, { detail }));
}

/** Returns what ends it. */
export function followLoops(heard: (loop: LoopHeard) => void, again: () => void): () => void {
  const over = new AbortController();
  const { signal } = over;
  let isOpen = false;
  const on = (what: string, deed: (event: Event) => void) => document.addEventListener(what, deed, { signal });
  on("live:hello", () => {
    isOpen = true;
    again();
  });
  on("live:cut", () => {
    isOpen = false;
  });
  on("live:loop", (event) => heard((event as CustomEvent<LoopHeard>).detail));
  const slowly = () => {
    if (!isOpen && !document.hidden) again();
  };
  const timers = [setTimeout(slowly, PATIENCE_MS), setInterval(slowly, SLOW_MS)];
  signal.addEventListener("abort", () => timers.forEach(clearTimeout));
  if (!document.querySelector("[data-stream]")) ownStream(signal);
  return () => over.abort();
}

function ownStream(signal: AbortSignal): void {
  let source: EventSource | null = null;
  let later: ReturnType<typeof setTimeout> | undefined;

  function close(): void {
    clearTimeout(later);
    source?.close();
    source = null;
    tell("cut");
  }

  function open(): void {
    close();
    const mine = new EventSource("/api/v1/live?topics=loops");
    source = mine;
    mine.addEventListener("hello", () => tell("hello"));
    mine.addEventListener("reset", () => tell("hello"));
    mine.addEventListener("loop", (event) => tell("loop", JSON.parse((event as MessageEvent).data)));
    mine.addEventListener("end", close); // logged out: not again by itself
    mine.onerror = () => {
      tell("cut");
      if (mine.readyState === EventSource.CLOSED && mine === source) later = setTimeout(open, WAIT_MS);
    };
  }

  const look = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", close);
  if (!document.hidden) open();
}
