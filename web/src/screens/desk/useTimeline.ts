/** How many alarms were raised, by level, in equal spans of the last hours. */

import { onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { get, type Alarm, type Timeline } from "@/lib/api";
import { nowMs } from "@/lib/clock";
import { remembered } from "@/lib/remember";

export const TIMELINE_PERIOD_MS = 60_000;
export const SPANS = { h1: 1, h6: 6, h24: 24, d7: 168 } as const;
export type SpanName = keyof typeof SPANS;

export function useTimeline(fixed?: SpanName) {
  const span: Ref<SpanName> = fixed ? ref(fixed) : remembered<SpanName>("strip", "h24");
  const timeline = shallowRef<Timeline | null>(null);
  const atMs = ref<number | null>(null);
  const failed = shallowRef<unknown>(null);

  async function load(): Promise<void> {
    try {
      timeline.value = await get<Timeline>("alarms/timeline", { hours: SPANS[span.value] ?? 24 });
      atMs.value = nowMs();
      failed.value = null;
    } catch (error) {
      failed.value = error;
    }
  }

  /** Count one that was raised just now; the next load brings the truth. */
  function add(alarm: Alarm): void {
    const held = timeline.value;
    if (!held) return;
    const n = held.levels[0].length;
    const bucket = Math.min(n - 1, Math.floor((alarm.raised_at_ms - held.from_ms) / held.bucket_ms));
    if (bucket < 0) return;
    const levels = held.levels.map((row) => row.slice());
    levels[alarm.priority - 1][bucket]++;
    timeline.value = { ...held, levels };
  }

  const timer = setInterval(load, TIMELINE_PERIOD_MS);
  watch(span, load);
  onScopeDispose(() => clearInterval(timer));
  return { span, timeline, atMs, failed, load, add };
}
