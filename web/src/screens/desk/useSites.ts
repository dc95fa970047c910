/** Sites in the view of the map, asked again when the view moves, when the stream says so, and every 15 s. */

import { onScopeDispose, ref, shallowRef } from "vue";
import { get, type SiteFeatures, type SiteMarker } from "@/lib/api";
import { nowMs } from "@/lib/clock";

export const SITES_PERIOD_MS = 15_000;
type Bounds = [number, number, number, number];

export function useSites() {
  const sites = shallowRef<SiteFeatures | null>(null);
  const atMs = ref<number | null>(null);
  const failed = shallowRef<unknown>(null);
  let view: { bounds: Bounds; zoom: number } = { bounds: [-180, -85, 180, 85], zoom: 4 };
  let asking: AbortController | null = null;
  let soon: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const bbox = view.bounds.map((d) => d.toFixed(5)).join(",");
      const found = await get<SiteFeatures>("map/sites", { bbox, zoom: view.zoom.toFixed(2) }, mine.signal);
      sites.value = found;
      atMs.value = nowMs();
      failed.value = null;
    } catch (error) {
      if ((error as Error).name !== "AbortError") failed.value = error;
    }
  }

  function loadSoon(ms: number): void {
    clearTimeout(soon);
    soon = setTimeout(load, ms);
  }

  function look(bounds: Bounds, zoom: number): void {
    view = {
      bounds: [
        Math.max(bounds[0], -180),
        Math.max(bounds[1], -85),
        Math.min(bounds[2], 180),
        Math.min(bounds[3], 85),
      ],
      zoom,
    };
    loadSoon(120);
  }

  const timer = setInterval(load, SITES_PERIOD_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(soon);
    asking?.abort();
  });

  return { sites, atMs, failed, load, loadSoon, look };
}

export interface SiteCounts {
  total: number;
  live: number;
  late: number;
  stale: number;
  never: number;
}

export function countSites(found: SiteFeatures | null): SiteCounts {
  const counts = { total: 0, live: 0, late: 0, stale: 0, never: 0 };
  for (const { properties: p } of found?.features ?? []) {
    if (p.cluster) {
      counts.total += p.count;
      counts.live += p.live;
      counts.late += p.late;
      counts.stale += p.stale;
      counts.never += p.never;
    } else {
      counts.total++;
      counts[p.freshness]++;
    }
  }
  return counts;
}

/** The single sites among them, worst first. */
export function listed(found: SiteFeatures | null): { site: SiteMarker; lon: number; lat: number }[] {
  const out: { site: SiteMarker; lon: number; lat: number }[] = [];
  for (const { geometry, properties } of found?.features ?? []) {
    if (!properties.cluster) out.push({ site: properties, lon: geometry.coordinates[0], lat: geometry.coordinates[1] });
  }
  return out.sort((a, b) => (a.site.priority ?? 9) - (b.site.priority ?? 9) || a.site.code.localeCompare(b.site.code));
}
