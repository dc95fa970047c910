/**
 * The JSON API, typed.  The shapes come from `openapi.d.ts`, made by `npm run api` from the golden `openapi.json`:
 * vue-tsc fails when a field goes.  Here they are only narrowed where the code of a screen relies on it.
 * Times are ms UTC, longitude before latitude, WGS 84.
 */

import { ref } from "vue";
import { background } from "./background";
import type { components } from "./openapi";

type Schemas = components["schemas"];
type Narrow<T, By extends Partial<Record<keyof T, unknown>>> = Omit<T, keyof By> & By;

export type Level = 1 | 2 | 3 | 4;
export type Kind = "hh" | "h" | "l" | "ll" | "rate" | "frozen" | "silent" | "detector" | "truth" | "scenario";
export type AlarmState = Schemas["AlarmOut"]["state"];
export type Freshness = Schemas["SiteOut"]["freshness"];
type Box = [west: number, south: number, east: number, north: number];

export type OrgRef = Schemas["OrgRef"];
export type Me = Narrow<Schemas["MeOut"], { bounds: Box | null }>;
export type SiteRef = Schemas["SiteRef"];
export type Site = Narrow<Schemas["SiteOut"], { priority: Level | null }>;
export type DatastreamRef = Schemas["DatastreamRef"];
export type Rule = Narrow<Schemas["RuleOut"], { kind: Kind; priority: Level }>;
export type Datastream = Narrow<Schemas["DatastreamOut"], { rules: Rule[] }>;
export type Thing = Schemas["ThingOut"];
export type SiteDetail = Narrow<Schemas["SiteDetail"], { site: Site; streams: Datastream[] }>;
/** Columns of equal length, one row a datastream. */
export type Latest = Schemas["LatestOut"];
/** Columns of one datastream's readings; when `sampled`, the least and largest of each bucket are kept. */
export type Readings = Schemas["ReadingsOut"];
export type Curve = Omit<Schemas["CurveOf"], "id">;
/** Curves of several datastreams of one site, by one question. */
export type Curves = Schemas["CurvesOut"];
export type Alarm = Narrow<Schemas["AlarmOut"], { kind: Kind; priority: Level }>;
export type Child = Narrow<Schemas["ChildOut"], { kind: Kind; priority: Level }>;
/** What is folded into an alarm. */
export type Children = Narrow<Schemas["ChildPage"], { items: Child[] }>;
export type Storm = Schemas["StormOut"];
export type Loop = Narrow<Schemas["LoopOut"], { level: Level }>;
export type LoopDetail = Narrow<Schemas["LoopDetail"], { loop: Loop }>;
export type AlarmDetail = Narrow<
  Schemas["AlarmDetail"],
  { alarm: Alarm; parent: Alarm | null; rule: Rule | null; loop: LoopDetail | null }
>;
/** Alarms raised: levels[priority - 1][bucket]. */
export type Timeline = Schemas["TimelineOut"];
export type MapLayer = Schemas["LayerOut"];
/** Public warnings in force, as areas. */
export type WarningAreas = Schemas["WarningCollection"];
export type Hit = Schemas["HitOut"];

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** One telemetry frame of the live stream: what came in during a second. */
export interface Frame {
  site: number;
  t_ms: number;
  ids: number[];
  time_ms: number[];
  v: (number | null)[];
  q: number[];
}

/** Properties of a feature of `map/sites`: one site … */
export interface SiteMarker {
  cluster: false;
  code: string;
  name: string;
  name_en: string;
  kind: string;
  demo: boolean;
  last_ms: number | null;
  period_ms: number;
  freshness: Freshness;
  priority: Level | null;
  standing: number;
  folded: number;
}

/** … or a cell of the grid, when there are too many sites in view. */
export interface SiteCell {
  cluster: true;
  count: number;
  priority: Level | null;
  standing: number;
  live: number;
  late: number;
  stale: number;
  never: number;
  levels: [number, number, number, number];
  bounds: Box;
}

export type SiteFeatures = Narrow<
  Schemas["FeatureCollection"],
  {
    features: {
      type: "Feature";
      geometry: { type: "Point"; coordinates: [number, number] };
      properties: SiteMarker | SiteCell;
    }[];
  }
>;

/** True after the server said that nobody is logged in: what is shown from then on is old. */
export const isLoggedOut = ref(false);

/** What went wrong, with the stable code of `base/errors`; `status` 0 when no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | boolean | undefined | null>;

function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

async function call<T>(url: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    const headers = { ...background(), ...(init.headers as Record<string, string> | undefined) };
    answer = await fetch(url, { credentials: "same-origin", ...init, headers });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "network", String(error));
  }
  if (answer.ok) return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
  let code = `http.${answer.status}`;
  let message = answer.statusText;
  try {
    const body = await answer.json();
    code = body.code ?? code;
    message = body.message ?? body.detail ?? message;
  } catch {
    /* the body was not ours; the status says enough */
  }
  if (answer.status === 401) isLoggedOut.value = true;
  throw new ApiError(answer.status, code, message);
}

export function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return call<T>(address(path, query), { signal, headers: { Accept: "application/json" } });
}

/** The JSON at an address that the API itself gave. */
export function read<T>(url: string): Promise<T> {
  return call<T>(url, { headers: { Accept: "application/json" } });
}

export function post<T>(path: string, body: unknown = {}): Promise<T> {
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  return call<T>(address(path), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
}

/** Where a browser fetches the readings of a datastream as a file. */
export function readingsFile(id: number, fromMs: number, toMs: number, format: "csv" | "parquet"): string {
  return address(`datastreams/${id}/readings`, {
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    format,
  });
}
