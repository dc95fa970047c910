/** West, south, east, north of what is drawn. */

import type { FeatureCollection, Position } from "geojson";

export type Bounds = [number, number, number, number];

export function extent(collection: FeatureCollection): Bounds | null {
  const box: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] !== "number") {
      part.forEach(walk);
      return;
    }
    const [lon, lat] = part as Position;
    box[0] = Math.min(box[0], lon);
    box[1] = Math.min(box[1], lat);
    box[2] = Math.max(box[2], lon);
    box[3] = Math.max(box[3], lat);
  };
  for (const { geometry } of collection.features) if (geometry && "coordinates" in geometry) walk(geometry.coordinates);
  return box[0] <= box[2] ? box : null;
}

export function union(a: Bounds | null, b: Bounds | null): Bounds | null {
  if (!a || !b) return a ?? b;
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}
