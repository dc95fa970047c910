/**
 * The one map: boundaries below, sites from the server (cells when there are many), sites in alarm above them, always
 * one by one.  The only place that imports maplibre-gl.
 */

import * as ml from "maplibre-gl";
import type { Feature, FeatureCollection, Point as GeoPoint } from "geojson";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { Level, MapLayer, SiteFeatures, WarningAreas } from "@/lib/api";
import type { UnitMark } from "@/lib/units";
import { token } from "@/lib/theme";
import type { Bounds } from "./extent";
import { dress, knownKind } from "./icons";
import { baseStyle, FONT } from "./style";

ml.setWorkerUrl(workerUrl);

export type { Bounds } from "./extent";

/** A site with standing alarms: of the worst `level`; `count` are shown for themselves, `folded` into others. */
export interface AlarmSite {
  code: string;
  name: string;
  lon: number;
  lat: number;
  level: Level;
  isUnacked: boolean;
  count: number;
  folded: number;
}

export interface MapOptions {
  host: HTMLElement;
  layers: readonly MapLayer[];
  /** GeoJSON of layers that were read already, by name */
  data: Record<string, FeatureCollection>;
  language: "en" | "zh-Hans";
  bounds: Bounds | null;
  title: string;
  interactive: boolean;
  /** text size and marker size against the desk's */
  scale: number;
  character: (level: Level) => string;
  onView: (bounds: Bounds, zoom: number) => void;
  onPick: (siteCode: string) => void;
  onPickUnit?: (unit: number) => void;
  /** clicks are places, not things: something is being drawn */
  onPlace?: (lon: number, lat: number) => void;
  onLayerFailed: () => void;
}

/** Where a name may stand beside its marker, the best place first; in ems. */
const AROUND = ["top", [0, 1.75], "bottom", [0, -1.75], "left", [2.1, 0], "right", [-2.1, 0]];

export class NoWebgl extends Error {}

type Point = Feature<GeoPoint>;

function points(features: Point[]): FeatureCollection<GeoPoint> {
  return { type: "FeatureCollection", features };
}

export class OneMap {
  private map: ml.Map;
  private sites: SiteFeatures | null = null;
  private alarms: readonly AlarmSite[] = [];
  private warnings: WarningAreas | null = null;
  private chosen: [number, number] | null = null;
  private units: readonly UnitMark[] = [];
  private track: FeatureCollection | null = null;
  private fences: FeatureCollection | null = null;
  private isDressed = false;

  constructor(private readonly options: MapOptions) {
    const { host, bounds } = options;
    try {
      this.map = new ml.Map({
        container: host,
        style: this.style(),
        bounds: bounds ? padded(bounds) : [73, 18, 135, 54],
        fitBoundsOptions: { padding: 24 },
        minZoom: 2,
        maxZoom: 17,
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        touchPitch: false,
        interactive: options.interactive,
        fadeDuration: 0,
        locale: { "Map.Title": options.title },
        canvasContextAttributes: { preserveDrawingBuffer: false },
      });
    } catch (error) {
      throw new NoWebgl(String(error));
    }
    this.map.touchZoomRotate.disableRotation();
    this.map.on("style.load", () => this.dress());
    this.map.on("moveend", () => this.tellView());
    this.map.on("load", () => this.tellView());
    this.map.on("movestart", () => delete document.documentElement.dataset.mapIdle);
    this.map.on("idle", () => (document.documentElement.dataset.mapIdle = "1"));
    this.map.on("error", (event) => {
      if ((event as unknown as { sourceId?: string }).sourceId) this.options.onLayerFailed();
    });
    if (options.interactive) this.listen();
  }

  destroy(): void {
    delete document.documentElement.dataset.mapIdle;
    this.map.remove();
  }

  resize(): void {
    this.map.resize();
  }

  restyle(): void {
    this.isDressed = false;
    delete document.documentElement.dataset.mapIdle;
    this.map.setStyle(this.style(), { diff: false });
  }

  zoom(by: number): void {
    this.map.zoomTo(this.map.getZoom() + by, { duration: this.motion() });
  }

  fit(bounds: Bounds): void {
    this.map.fitBounds(padded(bounds), { padding: 24, maxZoom: 13, duration: this.motion() });
  }

  /** Look at a place; only when it is out of sight does the map move. */
  show(lon: number, lat: number, zoom?: number): void {
    this.chosen = [lon, lat];
    this.put("chosen", [point(lon, lat, {})]);
    const inSight = this.map.getBounds().contains([lon, lat]);
    if (!inSight || (zoom !== undefined && this.map.getZoom() < zoom)) {
      this.map.easeTo({ center: [lon, lat], zoom: Math.max(this.map.getZoom(), zoom ?? 9), duration: this.motion() });
    }
  }

  unshow(): void {
    this.chosen = null;
    this.put("chosen", []);
  }

  setSites(sites: SiteFeatures): void {
    this.sites = sites;
    const alarming = new Set(this.alarms.map((alarm) => alarm.code)); // drawn above, with their names
    this.put(
      "sites",
      sites.features
        .filter(({ properties: p }) => p.cluster || !alarming.has(p.code))
        .map(({ geometry, properties: p }) => {
          const [lon, lat] = geometry.coordinates;
          if (p.cluster) return point(lon, lat, { ...p, bounds: p.bounds.join(",") });
          const icon = `${knownKind(p.kind)}-${p.freshness}`;
          const name = (this.options.language === "en" && p.name_en) || p.name;
          return point(lon, lat, { code: p.code, name, icon });
        }),
    );
  }

  setAlarms(alarms: readonly AlarmSite[]): void {
    const before = this.alarms;
    this.alarms = alarms;
    if (this.sites && before.map((a) => a.code).join() !== alarms.map((a) => a.code).join()) this.setSites(this.sites);
    this.put(
      "alarms",
      alarms.map((a) =>
        point(a.lon, a.lat, {
          code: a.code,
          name: a.name,
          level: a.level,
          icon: `alarm-${a.level}-${a.isUnacked ? 1 : 0}`,
          // lower is drawn first: the worst and unacknowledged lies on top
          order: (4 - a.level) * 2 + (a.isUnacked ? 1 : 0),
          first: a.level * 2 - (a.isUnacked ? 1 : 0),
        }),
      ),
    );
  }

  /** What moves, with its heading; one whose data has stopped is drawn as such and where it was last. */
  setUnits(units: readonly UnitMark[]): void {
    this.units = units;
    this.put(
      "units",
      units
        .filter((unit) => unit.lon !== null && unit.lat !== null)
        .map((unit) =>
          point(unit.lon!, unit.lat!, {
            unit: unit.id,
            name: (this.options.language === "en" && unit.name_en) || unit.name,
            icon: `unit-${unit.freshness}-${unit.deg === null ? 0 : 1}`,
            deg: unit.deg ?? 0,
            level: unit.level ?? 0,
            alarm: unit.level ? `alarm-${unit.level}-1` : "",
            // lower is drawn first: what is in alarm lies on top
            order: unit.level ? 9 - unit.level : unit.freshness === "live" ? 1 : 0,
          }),
        ),
    );
  }

  /** The way of one unit with its stops; null: none. */
  setTrack(track: FeatureCollection | null): void {
    this.track = track;
    this.lay("track", track);
  }

  /** Fences as areas and lines. */
  setFences(fences: FeatureCollection | null): void {
    this.fences = fences;
    this.lay("fences", fences);
  }

  private lay(source: string, data: FeatureCollection | null): void {
    const held = this.map.getSource(source) as ml.GeoJSONSource | undefined;
    if (!held) return;
    delete document.documentElement.dataset.mapIdle;
    void held.setData(data ?? points([]));
  }

  /** Public warnings in force: areas under the sites, each in the colour of its level, with its headline. */
  setWarnings(warnings: WarningAreas): void {
    this.warnings = warnings;
    const held = this.map.getSource("warnings") as ml.GeoJSONSource | undefined;
    if (!held) return;
    delete document.documentElement.dataset.mapIdle;
    const english = this.options.language === "en";
    void held.setData({
      type: "FeatureCollection",
      features: warnings.features.map((one) => {
        const { level, headline, headline_en, origin } = one.properties;
        const said = english ? headline_en : headline;
        return { ...one, properties: { level: level ?? 0, headline: origin ? `${said} · ${origin}` : said } };
      }),
    });
  }

  private style(): ml.StyleSpecification {
    const { layers, language, scale, data } = this.options;
    return baseStyle(layers, language, scale, data);
  }

  private put(source: string, features: Point[]): void {
    const held = this.map.getSource(source) as ml.GeoJSONSource | undefined;
    if (!held) return; // the style is being read: dress() puts it again
    delete document.documentElement.dataset.mapIdle;
    void held.setData(points(features));
  }

  private motion(): number {
    return matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 240;
  }

  private tellView(): void {
    const b = this.map.getBounds();
    this.options.onView([b.getWest(), b.getSouth(), b.getEast(), b.getNorth()], this.map.getZoom());
  }

  private dress(): void {
    dress(this.map, this.options.character);
    if (!this.isDressed) this.layers();
    this.isDressed = true;
    if (this.sites) this.setSites(this.sites);
    this.setAlarms(this.alarms);
    if (this.units.length) this.setUnits(this.units);
    if (this.track) this.setTrack(this.track);
    if (this.fences) this.setFences(this.fences);
    if (this.warnings) this.setWarnings(this.warnings);
    if (this.chosen) this.put("chosen", [point(this.chosen[0], this.chosen[1], {})]);
  }

  private layers(): void {
    const { map } = this;
    const { scale } = this.options;
    const halo = { "text-halo-color": token("bg-1"), "text-halo-width": 1.8 };
    const colour = ["match", ["get", "level"], 1, token("l1-fill"), 2, token("l2-fill"), 3, token("l3-fill"), 4, token("l4-fill"), token("stale")];
    map.addLayer({
      id: "warning-areas",
      type: "fill",
      source: "warnings",
      paint: { "fill-color": colour as never, "fill-opacity": 0.14 },
    });
    map.addLayer({
      id: "warning-lines",
      type: "line",
      source: "warnings",
      paint: { "line-color": colour as never, "line-width": 2, "line-dasharray": [3, 1.5] },
    });
    map.addLayer({
      id: "fence-areas",
      type: "fill",
      source: "fences",
      filter: ["match", ["geometry-type"], ["Polygon", "MultiPolygon"], true, false],
      paint: { "fill-color": token("accent"), "fill-opacity": 0.08 },
    });
    map.addLayer({
      id: "fence-lines",
      type: "line",
      source: "fences",
      layout: { "line-join": "round" },
      paint: { "line-color": token("accent"), "line-width": 1.5, "line-dasharray": [4, 2] },
    });
    map.addLayer({
      id: "track",
      type: "line",
      source: "track",
      filter: ["==", ["get", "kind"], "track"],
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": token("accent"), "line-width": 3 * scale, "line-opacity": 0.75 },
    });
    map.addLayer({
      id: "track-stops",
      type: "circle",
      source: "track",
      filter: ["==", ["get", "kind"], "stop"],
      paint: {
        "circle-radius": 6 * scale,
        "circle-color": token("bg-1"),
        "circle-stroke-width": 2.5,
        "circle-stroke-color": token("accent"),
      },
    });
    map.addLayer({
      id: "cells",
      type: "circle",
      source: "sites",
      filter: ["==", ["get", "cluster"], true],
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["log10", ["max", ["get", "count"], 1]], 0, 9, 2, 18, 4, 30],
        "circle-color": token("bg-1"),
        "circle-opacity": 0.92,
        "circle-stroke-width": 2.5,
        "circle-stroke-color": [
          "case",
          [">", ["get", "live"], ["/", ["get", "count"], 2]],
          token("accent"),
          token("stale"),
        ],
      },
    });
    map.addLayer({
      id: "cell-counts",
      type: "symbol",
      source: "sites",
      filter: ["==", ["get", "cluster"], true],
      layout: {
        "text-field": ["to-string", ["get", "count"]],
        "text-font": FONT,
        "text-size": 12 * scale,
        "text-allow-overlap": true,
      },
      paint: { "text-color": token("fg-0") },
    });
    map.addLayer({
      id: "plate-names",
      type: "symbol",
      source: "sites",
      filter: ["!", ["has", "cluster"]],
      layout: {
        "text-field": ["step", ["zoom"], "", 7, ["get", "name"]],
        "text-font": FONT,
        "text-size": 12 * scale,
        "text-variable-anchor-offset": AROUND as never,
        "text-max-width": 9,
      },
      paint: { "text-color": token("fg-1"), ...halo },
    });
    map.addLayer({
      id: "warning-names",
      type: "symbol",
      source: "warnings",
      layout: {
        "text-field": ["get", "headline"],
        "text-font": FONT,
        "text-size": 12 * scale,
        "text-max-width": 12,
        "symbol-sort-key": ["get", "level"],
      },
      paint: { "text-color": token("fg-0"), ...halo },
    });
    map.addLayer({
      id: "plates",
      type: "symbol",
      source: "sites",
      filter: ["!", ["has", "cluster"]],
      layout: {
        "icon-image": ["get", "icon"],
        "icon-size": scale,
        "icon-allow-overlap": true, // and they keep their place: names go round them
        "icon-padding": 0,
      },
    });
    map.addLayer({
      id: "unit-names",
      type: "symbol",
      source: "units",
      layout: {
        "text-field": ["step", ["zoom"], "", 11, ["get", "name"]],
        "text-font": FONT,
        "text-size": 12 * scale,
        "text-variable-anchor-offset": AROUND as never,
        "text-max-width": 9,
      },
      paint: { "text-color": token("fg-1"), ...halo },
    });
    map.addLayer({
      id: "units",
      type: "symbol",
      source: "units",
      layout: {
        "icon-image": ["get", "icon"],
        "icon-size": scale,
        "icon-rotate": ["get", "deg"],
        "icon-rotation-alignment": "map",
        "icon-allow-overlap": true,
        "icon-ignore-placement": true, // a thousand of them must not be weighed against each other every second
        "symbol-sort-key": ["get", "order"],
      },
    });
    map.addLayer({
      id: "unit-alarms",
      type: "symbol",
      source: "units",
      filter: [">", ["get", "level"], 0],
      layout: {
        "icon-image": ["get", "alarm"],
        "icon-size": 0.7 * scale,
        "icon-offset": [22, -22],
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
        "symbol-sort-key": ["get", "order"],
      },
    });
    map.addLayer({
      id: "chosen",
      type: "symbol",
      source: "chosen",
      layout: { "icon-image": "ring", "icon-size": scale, "icon-allow-overlap": true, "icon-ignore-placement": true },
    });
    map.addLayer({
      id: "alarm-names",
      type: "symbol",
      source: "alarms",
      layout: {
        "text-field": ["step", ["zoom"], "", 7, ["get", "name"]],
        "text-font": FONT,
        "text-size": 13 * scale,
        "text-variable-anchor-offset": AROUND as never,
        "text-max-width": 9,
        "symbol-sort-key": ["get", "first"],
      },
      paint: { "text-color": token("fg-0"), ...halo, "text-halo-width": 2 },
    });
    map.addLayer({
      id: "alarm-marks",
      type: "symbol",
      source: "alarms",
      layout: {
        "icon-image": ["get", "icon"],
        "icon-size": scale,
        "icon-allow-overlap": true, // and they keep their place: names go round them
        "icon-padding": 0,
        "symbol-sort-key": ["get", "order"],
      },
    });
  }

  private listen(): void {
    const { map } = this;
    for (const layer of ["alarm-marks", "unit-alarms", "units", "plates", "cells"]) {
      map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
      map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
    }
    map.on("click", (event) => {
      if (this.options.onPlace) {
        this.options.onPlace(event.lngLat.lng, event.lngLat.lat);
        return;
      }
      const layers = ["alarm-marks", "unit-alarms", "units", "plates", "cells"].filter((id) => map.getLayer(id));
      const [hit] = map.queryRenderedFeatures(event.point, { layers });
      if (!hit) return;
      if (hit.properties.unit !== undefined) {
        this.options.onPickUnit?.(Number(hit.properties.unit));
        return;
      }
      if (hit.properties.bounds) this.fit(String(hit.properties.bounds).split(",").map(Number) as Bounds);
      else this.options.onPick(String(hit.properties.code));
    });
  }
}

function point(lon: number, lat: number, properties: Record<string, unknown>): Point {
  return { type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties };
}

/** A box of one point is no box: give it a few kilometres. */
export function padded([west, south, east, north]: Bounds): Bounds {
  const grow = (span: number) => Math.max(0.02 - span / 2, 0) + span * 0.02;
  const [x, y] = [grow(east - west), grow(north - south)];
  return [west - x, south - y, east + x, north + y];
}
