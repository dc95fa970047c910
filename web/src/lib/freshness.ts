/** How old is too old, as in `show/lists/freshness.py`: live ≤ 2 periods, late ≤ 10, stale beyond, never when nothing came. */

import type { Freshness } from "./api";

export const LEAST_PERIOD_MS = 5_000;

export function freshness(lastMs: number | null | undefined, periodMs: number, nowMs: number): Freshness {
  if (lastMs === null || lastMs === undefined) return "never";
  const period = Math.max(periodMs, LEAST_PERIOD_MS);
  const age = nowMs - lastMs;
  if (age <= 2 * period) return "live";
  return age <= 10 * period ? "late" : "stale";
}
