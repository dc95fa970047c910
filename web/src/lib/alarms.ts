/**
 * The standing alarms in memory: loaded once, kept by the stream, ordered for the queue.  No DOM here.
 *
 * Order: what nobody has acknowledged first; within that the worst level, then what is still there, then the newest.  Shelved and suppressed alarms are known but not shown.
 */

import { computed, ref, shallowRef, triggerRef } from "vue";
import { get, type Alarm, type Level, type Page } from "./api";
import { unit } from "./format";

/** More than this is a flood: the queue shows the worst and says how to see the rest. */
export const QUEUE_MAX = 2_000;
const PAGE = 500;
const REST_MS = 100;

export function rank(alarm: Alarm): number {
  switch (alarm.state) {
    case "active_unacked":
      return 0;
    case "cleared_unacked":
      return 1;
    case "active_acked":
      return 2;
    default:
      return 9;
  }
}

export function inOrder(a: Alarm, b: Alarm): number {
  return (
    Number(isUnacked(b)) - Number(isUnacked(a)) ||
    a.priority - b.priority ||
    rank(a) - rank(b) ||
    b.raised_at_ms - a.raised_at_ms ||
    b.id - a.id
  );
}

export function isStanding(alarm: Alarm): boolean {
  return alarm.state !== "normal";
}

export function isShown(alarm: Alarm): boolean {
  return rank(alarm) < 9;
}

export function isUnacked(alarm: Alarm): boolean {
  return alarm.state === "active_unacked" || alarm.state === "cleared_unacked";
}

/** The unit of an alarm's values: a rate of change is per second. */
export function unitOf(alarm: Alarm): string {
  const { unit: code } = alarm.datastream;
  return alarm.kind === "rate" && code ? `${unit(code)}/s` : unit(code);
}

/** Whether its values say something by themselves: a scenario's are 1 and 0. */
export function hasValues(alarm: Pick<Alarm, "kind">): boolean {
  return alarm.kind !== "scenario";
}

/** How many alarms that ended are remembered, so that an older message about one does not bring it back. */
const REMEMBERED = 5_000;

/** Which of two messages about an alarm is the newer one: they may come by different ways. */
export class Versions {
  private readonly seen = new Map<string, number>();

  /** False for a message that is older than one before it. */
  isNews(alarm: Pick<Alarm, "key" | "version">): boolean {
    const before = this.seen.get(alarm.key);
    if (before !== undefined && alarm.version < before) return false;
    this.seen.delete(alarm.key); // to the end: the oldest are forgotten first
    this.seen.set(alarm.key, alarm.version);
    if (this.seen.size > REMEMBERED + QUEUE_MAX) this.seen.delete(this.seen.keys().next().value as string);
    return true;
  }
}

export function useAlarms(onRaised: (alarm: Alarm) => void = () => undefined) {
  const known = shallowRef(new Map<string, Alarm>());
  const level = ref<0 | Level>(0);
  const isLoaded = ref(false);
  const isFlood = ref(false);
  const failed = shallowRef<unknown>(null);
  const versions = new Versions();
  let loading: AbortController | null = null;

  async function load(): Promise<void> {
    loading?.abort();
    const mine = (loading = new AbortController());
    const duringLoad = new Map<string, Alarm>();
    held = duringLoad;
    try {
      const next = new Map<string, Alarm>();
      let cursor: string | null = null;
      do {
        const page: Page<Alarm> = await get<Page<Alarm>>(
          "alarms",
          { standing: true, folded: false, size: PAGE, cursor },
          mine.signal,
        );
        for (const alarm of page.items) {
          const newest = versions.isNews(alarm) ? alarm : known.value.get(alarm.key);
          if (newest) put(next, newest);
        }
        cursor = page.next;
      } while (cursor && next.size < QUEUE_MAX);
      isFlood.value = cursor !== null;
      // What the stream said while the pages came is newer than the pages.
      for (const alarm of duringLoad.values()) put(next, alarm);
      known.value = next;
      isLoaded.value = true;
      failed.value = null;
    } catch (error) {
      if ((error as Error).name !== "AbortError") failed.value = error;
    } finally {
      if (loading === mine) held = null;
    }
  }

  let held: Map<string, Alarm> | null = null;

  function put(into: Map<string, Alarm>, alarm: Alarm): void {
    if ((into.get(alarm.key)?.version ?? 0) > alarm.version) return;
    // What is folded into another alarm is shown with that one.
    if (isStanding(alarm) && !alarm.fold) into.set(alarm.key, alarm);
    else into.delete(alarm.key);
  }

  let isResting = false;
  let isDue = false;
  /** Redraw at once, but in a flood only each REST_MS. */
  function tell(): void {
    if (isResting) {
      isDue = true;
      return;
    }
    triggerRef(known);
    isResting = true;
    setTimeout(() => {
      isResting = false;
      if (!isDue) return;
      isDue = false;
      tell();
    }, REST_MS);
  }

  /** Take one alarm as the stream or an answer says it is now. */
  function apply(alarm: Alarm): void {
    if (!versions.isNews(alarm)) return;
    held?.set(alarm.key, alarm);
    const before = known.value.get(alarm.key);
    put(known.value, alarm);
    tell();
    if (!before && !alarm.fold && alarm.state === "active_unacked") onRaised(alarm);
  }

  const shown = computed(() => [...known.value.values()].filter(isShown).sort(inOrder));
  const queue = computed(() => (level.value ? shown.value.filter((a) => a.priority === level.value) : shown.value));
  const counts = computed(() => {
    const all = [0, 0, 0, 0, 0];
    const unacked = [0, 0, 0, 0, 0];
    for (const alarm of shown.value) {
      all[0]++;
      all[alarm.priority]++;
      if (isUnacked(alarm)) {
        unacked[0]++;
        unacked[alarm.priority]++;
      }
    }
    return { all, unacked };
  });
  const folded = computed(() => shown.value.reduce((sum, alarm) => sum + alarm.children, 0));
  const redUnacked = computed(() =>
    shown.value.filter((a) => a.priority === 1 && isUnacked(a)).sort((a, b) => b.raised_at_ms - a.raised_at_ms),
  );

  return { known, level, isLoaded, isFlood, failed, load, apply, shown, queue, counts, folded, redUnacked };
}
