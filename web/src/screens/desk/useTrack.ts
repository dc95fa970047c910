/** The unit that is looked at, and its way of the last hours; asked again every minute while it is open. */

import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import type { FeatureCollection } from "geojson";
import { get } from "@/lib/api";
import { nowMs } from "@/lib/clock";
import type { UnitMark } from "@/lib/units";

const HOUR_MS = 3_600_000;
const AGAIN_MS = 60_000;
const POINTS = 1_000;

export interface TrackFacts {
  positions: number;
  length_m: number;
  stops: number;
  fresh: boolean;
}

type Answer = FeatureCollection & { positions: number; length_m: number; fresh: boolean };

export function useTrack(units: Ref<readonly UnitMark[]>) {
  const chosenId = ref<number | null>(null);
  const hours = ref(4);
  const track = shallowRef<FeatureCollection | null>(null);
  const facts = shallowRef<TrackFacts | null>(null);
  const failed = shallowRef<unknown>(null);
  const unit = computed(() => units.value.find((one) => one.id === chosenId.value) ?? null);
  const place = shallowRef<{ lon: number; lat: number } | null>(null);
  let asking: AbortController | null = null;

  async function load(): Promise<void> {
    const id = chosenId.value;
    asking?.abort();
    if (id === null) return;
    const mine = (asking = new AbortController());
    const to = Math.round(nowMs());
    try {
      const span = { from: to - hours.value * HOUR_MS, to, points: POINTS };
      const found = await get<Answer>(`units/${id}/track`, span, mine.signal);
      if (chosenId.value !== id) return;
      track.value = found;
      const stops = found.features.filter((f) => f.properties?.kind === "stop").length;
      facts.value = { positions: found.positions, length_m: found.length_m, stops, fresh: found.fresh };
      failed.value = null;
    } catch (error) {
      if ((error as Error).name !== "AbortError") failed.value = error;
    }
  }

  function choose(id: number | null): void {
    chosenId.value = id;
  }

  watch([chosenId, hours], () => {
    track.value = null;
    facts.value = null;
    failed.value = null;
    void load();
  });
  /** Look at it once when it is chosen and known; then the map is the reader's. */
  watch([chosenId, () => unit.value !== null], () => {
    const one = unit.value;
    place.value = one && one.lon !== null && one.lat !== null ? { lon: one.lon, lat: one.lat } : null;
  });
  const timer = setInterval(() => void load(), AGAIN_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    asking?.abort();
  });
  return { chosenId, hours, unit, place, track, facts, failed, choose };
}
