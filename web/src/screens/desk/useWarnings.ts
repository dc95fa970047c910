/** Public warnings in force for the map: asked when the stream says so, and every 30 s, because they expire by themselves. */

import { onScopeDispose, shallowRef } from "vue";
import { get, type WarningAreas } from "@/lib/api";

const PERIOD_MS = 30_000;

export function useWarnings() {
  const areas = shallowRef<WarningAreas | null>(null);

  async function load(): Promise<void> {
    try {
      areas.value = await get<WarningAreas>("map/warnings");
    } catch {
      /* the next round tries again; what was in force stays until then */
    }
  }

  const timer = setInterval(load, PERIOD_MS);
  onScopeDispose(() => clearInterval(timer));
  return { areas, load };
}
