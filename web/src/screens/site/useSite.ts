/** One site: its record, the newest value of every datastream, and the readings of those that are in sight. */

import { computed, onScopeDispose, shallowRef, triggerRef, watch, type Ref } from "vue";
import { extended, fromReadings } from "@/charts/ring";
import type { Series } from "@/charts/line";
import { get, type Alarm, type Curves, type Frame, type Latest, type Page, type SiteDetail } from "@/lib/api";
import { isShown, isStanding, Versions } from "@/lib/alarms";
import { nowMs, useNow } from "@/lib/clock";
import { useLive } from "@/lib/live";

export const RANGES = { m15: 15, h1: 60, h6: 360, h24: 1_440, d7: 10_080 } as const;
export type RangeName = keyof typeof RANGES;
const POINTS = 480;
/** Up to an hour every reading is drawn as it comes; longer ranges are sampled anew each minute. */
const FOLLOW_MIN = 60;
const AGAIN_MS = 60_000;
/** Cards come into sight together: their curves are asked for together, so many at a time. */
const GATHER_MS = 40;
const AT_ONCE = 60;

export interface Value {
  time: number;
  v: number | null;
  q: number;
  reason: number;
}

/** How a curve was answered: how many readings, and where there is less than all of them. */
export interface Info {
  rows: number;
  sampled: boolean;
  /** False: the pipeline did not answer, the last seconds may be missing. */
  fresh: boolean;
  /** Before this instant readings were deleted by policy; minutes or hours are drawn. */
  left: number | null;
}

export function useSite(code: string, range: Ref<RangeName>) {
  const detail = shallowRef<SiteDetail | null>(null);
  const latest = shallowRef(new Map<number, Value>());
  const series = shallowRef(new Map<number, Series>());
  const rows = shallowRef(new Map<number, Info>());
  const alarms = shallowRef(new Map<string, Alarm>());
  const failed = shallowRef<unknown>(null);
  const now = useNow();
  const live = useLive();
  const versions = new Versions();
  const inSight = new Set<number>();
  const asked = new Map<number, AbortController>();
  const waiting = new Set<number>();
  let gathering: ReturnType<typeof setTimeout> | undefined;

  const spanMs = computed(() => RANGES[range.value] * 60_000);
  const toMs = computed(() => now.value);
  const fromMs = computed(() => now.value - spanMs.value);
  const isFollowing = computed(() => RANGES[range.value] <= FOLLOW_MIN);

  async function load(): Promise<void> {
    try {
      detail.value = await get<SiteDetail>(`sites/${encodeURIComponent(code)}`);
      failed.value = null;
    } catch (error) {
      failed.value = error;
      return;
    }
    await Promise.all([loadLatest(), loadAlarms()]);
  }

  async function loadLatest(): Promise<void> {
    try {
      const found = await get<Latest>(`sites/${encodeURIComponent(code)}/latest`);
      const next = new Map<number, Value>();
      found.ids.forEach((id, i) => {
        next.set(id, { time: found.time_ms[i], v: found.v[i], q: found.q[i], reason: found.reason[i] });
      });
      latest.value = next;
    } catch {
      /* the frames of the stream bring them too */
    }
  }

  async function loadAlarms(): Promise<void> {
    try {
      const page = await get<Page<Alarm>>("alarms", { standing: true, site: code, size: 500 });
      alarms.value = new Map(page.items.filter(isShown).map((alarm) => [alarm.key, alarm]));
    } catch {
      /* the stream tells of changes; the badge shows the age */
    }
  }

  function gather(): void {
    gathering ??= setTimeout(() => {
      gathering = undefined;
      const ids = [...waiting];
      waiting.clear();
      for (let i = 0; i < ids.length; i += AT_ONCE) void curves(ids.slice(i, i + AT_ONCE));
    }, GATHER_MS);
  }

  async function curves(ids: number[]): Promise<void> {
    const mine = new AbortController();
    for (const id of ids) asked.set(id, mine);
    try {
      const to = nowMs();
      const found = await get<Curves>(
        `sites/${encodeURIComponent(code)}/readings`,
        { ids: ids.join(","), from: to - spanMs.value, to, points: POINTS },
        mine.signal,
      );
      const left = found.only_aggregates?.to_ms ?? null;
      for (const curve of found.curves) {
        series.value.set(curve.id, fromReadings(curve));
        rows.value.set(curve.id, { rows: curve.rows, sampled: curve.sampled, fresh: found.fresh, left });
      }
      triggerRef(series);
      triggerRef(rows);
    } catch (error) {
      if ((error as Error).name === "AbortError") return;
      for (const id of ids) asked.delete(id); // asked again when next in sight
    }
  }

  function see(id: number, visible: boolean): void {
    if (!visible) {
      inSight.delete(id);
      waiting.delete(id);
      return;
    }
    inSight.add(id);
    if (asked.has(id)) return;
    waiting.add(id);
    gather();
  }

  function again(): void {
    for (const controller of asked.values()) controller.abort();
    asked.clear();
    for (const id of inSight) waiting.add(id);
    gather();
  }

  watch(range, () => {
    series.value = new Map();
    rows.value = new Map();
    again();
  });

  live.on<Frame>("readings", (frame) => {
    if (frame.site !== detail.value?.site.id) return;
    frame.ids.forEach((id, i) => {
      const held = latest.value.get(id);
      if (!held || frame.time_ms[i] >= held.time) {
        latest.value.set(id, { time: frame.time_ms[i], v: frame.v[i], q: frame.q[i], reason: 0 });
      }
    });
    triggerRef(latest);
    if (!isFollowing.value) return;
    let isNew = false;
    for (const id of new Set(frame.ids)) {
      const held = series.value.get(id);
      if (!held) continue;
      const grown = extended(held, id, frame, fromMs.value);
      if (grown === held) continue;
      series.value.set(id, grown);
      isNew = true;
    }
    if (isNew) triggerRef(series);
  });
  live.on<Alarm>("alarm", (alarm) => {
    if (alarm.site.code !== code || !versions.isNews(alarm)) return;
    if (isStanding(alarm) && isShown(alarm)) alarms.value.set(alarm.key, alarm);
    else alarms.value.delete(alarm.key);
    triggerRef(alarms);
  });
  live.on("reset", () => {
    void load();
    again();
  });
  let cut = false;
  watch(live.state, (state) => {
    if (state === "cut") cut = true;
    if (state !== "open" || !cut) return;
    cut = false; // frames have no number: what came meanwhile is read from the history
    void loadLatest();
    again();
  });

  const timer = setInterval(() => {
    if (!isFollowing.value) again();
  }, AGAIN_MS);
  live.want(["alarms", "loops"], [code]); // loops: for the strip of calls above (lib/loops.ts)
  void load();
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(gathering);
    for (const controller of asked.values()) controller.abort();
  });

  return { detail, latest, series, rows, alarms, failed, live, now, fromMs, toMs, isFollowing, see, load };
}
