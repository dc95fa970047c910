/** A growing and forgetting series: history first, live readings behind it, what is too old cut away in front. */

import type { Curve, Frame } from "@/lib/api";
import type { Series } from "./line";

export function fromReadings(readings: Curve): Series {
  return { t: [...readings.time_ms], v: [...readings.v], q: [...readings.q] };
}

/**
 * The series with the readings of one datastream in a frame added, and everything before `sinceMs` dropped except the
 * last point before it (the line enters from the left).  A reading not newer than the last one is a repetition.
 * The same object comes back when nothing changed; otherwise a new one (charts watch identity).
 */
export function extended(series: Series, id: number, frame: Frame, sinceMs: number): Series {
  let { t, v, q } = series;
  let isNew = false;
  for (let i = 0; i < frame.ids.length; i++) {
    if (frame.ids[i] !== id || frame.time_ms[i] <= (t[t.length - 1] ?? -Infinity)) continue;
    if (!isNew) [t, v, q, isNew] = [t.slice(), v.slice(), q.slice(), true];
    t.push(frame.time_ms[i]);
    v.push(frame.v[i]);
    q.push(frame.q[i]);
  }
  if (!isNew) return series;
  let drop = 0;
  while (drop + 1 < t.length && t[drop + 1] < sinceMs) drop++;
  return drop ? { t: t.slice(drop), v: v.slice(drop), q: q.slice(drop) } : { t, v, q };
}
