/** A fence as it is drawn: points in the order of the clicks, to GeoJSON and back, and what the map shows of it. */

import type { Feature, FeatureCollection, Geometry, Position } from "geojson";

export type FenceShape = "polygon" | "circle" | "corridor";

const M_PER_DEG = 111_195;
const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6;

/** The points of a geometry that a person can go on with; of a polygon its outer ring. */
export function pointsOf(geometry: Geometry | null): Position[] {
  switch (geometry?.type) {
    case "Point":
      return [geometry.coordinates];
    case "LineString":
      return geometry.coordinates;
    case "Polygon":
      return geometry.coordinates[0]?.slice(0, -1) ?? [];
    default:
      return [];
  }
}

/** GeoJSON of what was drawn so far; null while it is not a fence yet. */
export function geometryOf(shape: FenceShape, points: readonly Position[]): Geometry | null {
  const at = points.map(([lon, lat]) => [round(lon), round(lat)]);
  if (shape === "circle") return at.length ? { type: "Point", coordinates: at[at.length - 1] } : null;
  if (shape === "corridor") return at.length > 1 ? { type: "LineString", coordinates: at } : null;
  return at.length > 2 ? { type: "Polygon", coordinates: [[...at, at[0]]] } : null;
}

/** What the map shows: the area or line, and a dot of each point while it is no fence yet. */
export function shown(shape: FenceShape, geometry: Geometry | null, points: readonly Position[], radiusM: number): FeatureCollection {
  const features: Feature[] = [];
  const add = (made: Geometry, kind = "") => features.push({ type: "Feature", geometry: made, properties: { kind } });
  if (geometry?.type === "Point" && shape === "circle") add({ type: "Polygon", coordinates: [ring(geometry.coordinates, radiusM)] });
  else if (geometry?.type === "LineString" && shape === "corridor") {
    add(geometry);
    for (const side of [-1, 1]) add({ type: "LineString", coordinates: beside(geometry.coordinates, side * radiusM) });
  } else if (geometry) add(geometry);
  else if (points.length > 1) add({ type: "LineString", coordinates: [...points] });
  for (const place of points) add({ type: "Point", coordinates: place }, "stop");
  return { type: "FeatureCollection", features };
}

/** What `GET fences` gives, as areas and lines of a map. */
export function drawnFences(found: FeatureCollection): FeatureCollection {
  const features = found.features
    .filter((fence) => fence.properties?.active)
    .flatMap((fence) => shown(fence.properties!.shape as FenceShape, fence.geometry, [], Number(fence.properties!.radius_m) || 0).features);
  return { type: "FeatureCollection", features };
}

/** A circle as 64 corners. */
export function ring([lon, lat]: Position, radiusM: number): Position[] {
  const wide = radiusM / (M_PER_DEG * Math.cos((lat * Math.PI) / 180));
  const high = radiusM / M_PER_DEG;
  return Array.from({ length: 65 }, (_, i) => {
    const angle = (i % 64) * ((2 * Math.PI) / 64);
    return [lon + wide * Math.cos(angle), lat + high * Math.sin(angle)];
  });
}

/** A line beside a line, `offM` metres to its left. */
export function beside(line: readonly Position[], offM: number): Position[] {
  return line.map(([lon, lat], i) => {
    const [a, b] = [line[Math.max(0, i - 1)], line[Math.min(line.length - 1, i + 1)]];
    const scale = Math.cos((lat * Math.PI) / 180);
    const [dx, dy] = [(b[0] - a[0]) * scale, b[1] - a[1]];
    const length = Math.hypot(dx, dy) || 1;
    return [lon - ((dy / length) * offM) / (M_PER_DEG * scale), lat + ((dx / length) * offM) / M_PER_DEG];
  });
}
