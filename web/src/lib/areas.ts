/** Areas as they are typed in the form of a warning: longitude first, one polygon or circle a line. */

export type Place = [number, number];
export interface Circle {
  centre: Place;
  km: number;
}

const EARTH_KM = 6371.0088;

function pair(text: string): Place | null {
  const parts = text.split(",").map(Number);
  return parts.length === 2 && parts.every(Number.isFinite) && Math.abs(parts[1]) <= 90 ? (parts as Place) : null;
}

/** The rings of the lines that can be read; each closed. */
export function readPolygons(text: string): Place[][] {
  const rings: Place[][] = [];
  for (const line of text.split("\n")) {
    const ring = line.trim().split(/\s+/).filter(Boolean).map(pair);
    if (ring.length < 3 || ring.includes(null)) continue;
    const points = ring as Place[];
    const [first, last] = [points[0], points[points.length - 1]];
    rings.push(first[0] === last[0] && first[1] === last[1] ? points : [...points, first]);
  }
  return rings;
}

export function readCircles(text: string): Circle[] {
  const found: Circle[] = [];
  for (const line of text.split("\n")) {
    const [place, radius] = line.trim().split(/\s+/);
    const centre = pair(place ?? "");
    const km = Number(radius);
    if (centre && radius && km >= 0 && km <= 1000) found.push({ centre, km });
  }
  return found;
}

/** A line more at the end of what was typed. */
export function append(text: string, line: string): string {
  const before = text.replace(/\s+$/, "");
  return before ? `${before}\n${line}` : line;
}

export function writeRing(points: Place[]): string {
  return points.map(([lon, lat]) => `${round(lon)},${round(lat)}`).join(" ");
}

export function writeCircle({ centre, km }: Circle): string {
  return `${round(centre[0])},${round(centre[1])} ${Number(km.toFixed(2))}`;
}

export function distanceKm([lonA, latA]: Place, [lonB, latB]: Place): number {
  const rad = Math.PI / 180;
  const half =
    Math.sin(((latB - latA) * rad) / 2) ** 2 +
    Math.cos(latA * rad) * Math.cos(latB * rad) * Math.sin(((lonB - lonA) * rad) / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** A circle as a closed ring, for drawing. */
export function ringOf({ centre, km }: Circle, sides = 48): Place[] {
  const rad = Math.PI / 180;
  const [lon, lat] = [centre[0] * rad, centre[1] * rad];
  const angle = km / EARTH_KM;
  const ring: Place[] = [];
  for (let i = 0; i <= sides; i++) {
    const bearing = (2 * Math.PI * i) / sides;
    const north = Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(bearing);
    const at = Math.asin(Math.max(-1, Math.min(1, north)));
    const east = Math.atan2(
      Math.sin(bearing) * Math.sin(angle) * Math.cos(lat),
      Math.cos(angle) - Math.sin(lat) * Math.sin(at),
    );
    ring.push([(lon + east) / rad, at / rad]);
  }
  return ring;
}

function round(value: number): number {
  return Number(value.toFixed(5));
}
