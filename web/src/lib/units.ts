/**
 * Moving units: read once in columns, then followed by the stream's frames.  A frame changes arrays in place; the map is
 * told once a second at most, so that a thousand units cost one update, not a thousand.
 */

import { onScopeDispose, ref, shallowRef, type Ref } from "vue";
import { get, type Alarm, type Freshness, type Level } from "./api";
import { nowMs } from "./clock";
import { freshness } from "./freshness";
import type { Live } from "./live";
import type { components } from "./openapi";

export type UnitColumns = components["schemas"]["UnitsOnMap"];

/** What moved in a second, of one organisation's units. */
export interface UnitFrame {
  org_path: string;
  t_ms: number;
  ids: number[];
  time_ms: number[];
  lon: number[];
  lat: number[];
  kmh: (number | null)[];
  deg: (number | null)[];
}

export interface UnitMark {
  id: number;
  code: string;
  name: string;
  name_en: string;
  kind: string;
  site: string;
  periodMs: number;
  timeMs: number | null;
  lon: number | null;
  lat: number | null;
  kmh: number | null;
  deg: number | null;
  freshness: Freshness;
  level: Level | null;
}

const TELL_MS = 1_000;
const AGAIN_MS = 60_000;

/** The columns as marks. */
export function marks(found: UnitColumns, now: number): UnitMark[] {
  return found.ids.map((id, i) => ({
    id,
    code: found.code[i],
    name: found.name[i],
    name_en: found.name_en[i],
    kind: found.kind[i],
    site: found.site[i],
    periodMs: found.period_ms[i],
    timeMs: found.time_ms[i],
    lon: found.lon[i],
    lat: found.lat[i],
    kmh: found.kmh[i],
    deg: found.deg[i],
    freshness: freshness(found.time_ms[i], found.period_ms[i], now),
    level: (found.priority[i] as Level | null) ?? null,
  }));
}

/** Take a frame into `held` (in place); an older position never replaces a newer one.  True when somebody is unknown. */
export function applyFrame(held: ReadonlyMap<number, UnitMark>, frame: UnitFrame): boolean {
  let isUnknown = false;
  frame.ids.forEach((id, i) => {
    const mark = held.get(id);
    if (!mark) {
      isUnknown = true;
      return;
    }
    if (mark.timeMs !== null && frame.time_ms[i] < mark.timeMs) return;
    mark.timeMs = frame.time_ms[i];
    mark.lon = frame.lon[i];
    mark.lat = frame.lat[i];
    mark.kmh = frame.kmh[i];
    mark.deg = frame.deg[i];
  });
  return isUnknown;
}

/** The worst level of each unit, by the datastreams that its alarms are about. */
export function levelsOf(alarms: readonly Alarm[], unitOf: ReadonlyMap<number, number>): Map<number, Level> {
  const worst = new Map<number, Level>();
  for (const alarm of alarms) {
    const unit = unitOf.get(alarm.datastream.id);
    if (unit === undefined) continue;
    const held = worst.get(unit);
    if (held === undefined || alarm.priority < held) worst.set(unit, alarm.priority);
  }
  return worst;
}

export function useUnits(live: Live, alarms: Ref<readonly Alarm[]>) {
  const units = shallowRef<readonly UnitMark[]>([]);
  const hasMore = ref(false);
  const atMs = ref<number | null>(null);
  let held = new Map<number, UnitMark>();
  let unitOf = new Map<number, number>();
  let isOff = false;
  let askedMs = 0;

  async function load(): Promise<void> {
    if (isOff) return;
    askedMs = nowMs();
    try {
      const found = await get<UnitColumns>("units/map");
      const fresh = new Map(marks(found, nowMs()).map((mark) => [mark.id, mark]));
      for (const [id, mark] of fresh) {
        const before = held.get(id);
        if (before && (before.timeMs ?? 0) > (mark.timeMs ?? 0)) Object.assign(mark, before, { level: mark.level });
      }
      held = fresh;
      unitOf = new Map(found.ids.flatMap((id, i) => found.streams[i].map((stream) => [stream, id] as const)));
      hasMore.value = found.more;
      atMs.value = nowMs();
      tell();
    } catch (error) {
      const status = (error as { status?: number }).status;
      if (status === 403 || status === 404) isOff = true; // the list, the queue and the sites go on without them
    }
  }

  function tell(): void {
    const now = nowMs();
    const levels = levelsOf(alarms.value, unitOf);
    for (const mark of held.values()) {
      mark.freshness = freshness(mark.timeMs, mark.periodMs, now);
      mark.level = levels.get(mark.id) ?? null;
    }
    units.value = [...held.values()];
  }

  live.on<UnitFrame>("units", (frame) => {
    if (applyFrame(held, frame) && nowMs() - askedMs > AGAIN_MS / 6) void load();
    atMs.value = frame.t_ms;
  });
  live.on("reset", () => void load());
  const timer = setInterval(() => {
    if (held.size) tell();
    if (nowMs() - askedMs > AGAIN_MS) void load();
  }, TELL_MS);
  onScopeDispose(() => clearInterval(timer));
  void load();
  return { units, hasMore, atMs, load };
}
