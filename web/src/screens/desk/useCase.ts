/** One alarm in detail: its record, its loop, and its datastream's readings, kept live while it is looked at. */

import { onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { extended, fromReadings } from "@/charts/ring";
import type { Series } from "@/charts/line";
import { get, type Alarm, type AlarmDetail, type Frame, type Readings } from "@/lib/api";
import { nowMs } from "@/lib/clock";

const BEFORE_MS = 20 * 60_000;
const AFTER_MS = 40 * 60_000;
const POINTS = 600;

export function useCase(chosen: Ref<Alarm | null>) {
  const detail = shallowRef<AlarmDetail | null>(null);
  const series = shallowRef<Series>({ t: [], v: [], q: [] });
  const isLoading = ref(false);
  const failed = shallowRef<unknown>(null);
  const fromMs = ref(0);
  const toMs = ref(1);
  const periodMs = ref(5_000);
  let asking: AbortController | null = null;
  let soon: ReturnType<typeof setTimeout> | undefined;

  /** An alarm of an hour ago is shown with its hour; a young one up to now. */
  function frame(alarm: Alarm): void {
    const end = alarm.raised_at_ms + AFTER_MS;
    toMs.value = Math.max(alarm.raised_at_ms, Math.min(end, nowMs()));
    fromMs.value = alarm.raised_at_ms - BEFORE_MS;
  }

  function isRunning(alarm: Alarm): boolean {
    return nowMs() < alarm.raised_at_ms + AFTER_MS;
  }

  async function record(): Promise<void> {
    const alarm = chosen.value;
    if (!alarm) return;
    try {
      const found = await get<AlarmDetail>(`alarms/${alarm.id}`, {}, asking?.signal);
      if (chosen.value?.id !== alarm.id) return;
      detail.value = found;
      failed.value = null;
    } catch (error) {
      if ((error as Error).name !== "AbortError") failed.value = error;
    }
  }

  async function readings(): Promise<void> {
    const alarm = chosen.value;
    if (!alarm) return;
    frame(alarm);
    try {
      const found = await get<Readings>(
        `datastreams/${alarm.datastream.id}/readings`,
        { from: fromMs.value, to: toMs.value, points: POINTS },
        asking?.signal,
      );
      if (chosen.value?.id === alarm.id) series.value = fromReadings(found);
    } catch (error) {
      if ((error as Error).name !== "AbortError") failed.value = error;
    }
  }

  async function load(): Promise<void> {
    asking?.abort();
    asking = new AbortController();
    isLoading.value = true;
    await Promise.all([record(), readings()]);
    isLoading.value = false;
  }

  /** The stream spoke of this alarm or its loop: read the record again, once for a burst. */
  function recordSoon(): void {
    clearTimeout(soon);
    soon = setTimeout(record, 250);
  }

  function takeFrame(data: Frame): void {
    const alarm = chosen.value;
    if (!alarm || data.site !== alarm.site.id || !isRunning(alarm)) return;
    series.value = extended(series.value, alarm.datastream.id, data, fromMs.value);
  }

  const timer = setInterval(() => {
    if (chosen.value && isRunning(chosen.value)) frame(chosen.value);
  }, 1000);

  watch(
    () => chosen.value?.id,
    (id) => {
      detail.value = null;
      series.value = { t: [], v: [], q: [] };
      failed.value = null;
      if (id) void load();
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(soon);
    asking?.abort();
  });

  return { detail, series, isLoading, failed, fromMs, toMs, periodMs, load, recordSoon, takeFrame };
}
