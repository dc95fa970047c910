/** A small map for choosing an area: what is typed is drawn, what is drawn is typed, divisions are chosen by a click. */

import * as ml from "maplibre-gl";
import type { Feature, FeatureCollection } from "geojson";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { MapLayer } from "@/lib/api";
import { distanceKm, ringOf, type Circle, type Place } from "@/lib/areas";
import { token } from "@/lib/theme";
import type { Bounds } from "./extent";
import { NoWebgl, padded } from "./onemap";
import { baseStyle } from "./style";

ml.setWorkerUrl(workerUrl);

export interface AreaMapOptions {
  host: HTMLElement;
  layers: readonly MapLayer[];
  data: Record<string, FeatureCollection>;
  bounds: Bounds | null;
  title: string;
  language: "en" | "zh-Hans";
  onPolygon: (ring: Place[]) => void;
  onCircle: (circle: Circle) => void;
  onDivision: (code: string) => void;
  onDrawing: (mode: Mode) => void;
}

export type Mode = "" | "polygon" | "circle";

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const NEAR_PX = 10;

export class AreaMap {
  private map: ml.Map;
  private mode: Mode = "";
  private points: Place[] = [];
  private shown: FeatureCollection = NOTHING;
  private chosen: string[] = [];

  constructor(private readonly options: AreaMapOptions) {
    try {
      this.map = new ml.Map({
        container: options.host,
        style: baseStyle(options.layers, options.language, 1, options.data),
        bounds: options.bounds ? padded(options.bounds) : [73, 18, 135, 54],
        fitBoundsOptions: { padding: 24 },
        minZoom: 2,
        maxZoom: 17,
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        touchPitch: false,
        doubleClickZoom: false,
        cooperativeGestures: false,
        fadeDuration: 0,
        locale: { "Map.Title": options.title },
      });
    } catch (error) {
      throw new NoWebgl(String(error));
    }
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new ml.NavigationControl({ showCompass: false }), "top-right");
    this.map.on("style.load", () => this.layers());
    this.map.on("movestart", () => delete document.documentElement.dataset.mapIdle);
    this.map.on("idle", () => (document.documentElement.dataset.mapIdle = "1"));
    this.map.on("click", (event) => this.click(event));
    this.map.on("mousemove", (event) => this.move([event.lngLat.lng, event.lngLat.lat]));
  }

  /** What is typed, drawn. */
  show(polygons: Place[][], circles: Circle[], divisions: string[]): void {
    const rings = [...polygons, ...circles.map((circle) => ringOf(circle))];
    this.shown = { type: "FeatureCollection", features: rings.map((ring) => area(ring)) };
    this.chosen = divisions.map((code) => code.slice(0, 6));
    this.put("areas", this.shown);
    if (this.map.getLayer("picked")) this.map.setFilter("picked", ["in", ["get", "code"], ["literal", this.chosen]]);
  }

  draw(mode: Mode): void {
    this.mode = mode;
    this.points = [];
    this.map.getCanvas().style.cursor = mode ? "crosshair" : "";
    this.sketch();
    this.options.onDrawing(mode);
  }

  undo(): void {
    this.points.pop();
    this.sketch();
  }

  finish(): void {
    if (this.mode === "polygon" && this.points.length >= 3) this.options.onPolygon(this.points);
    this.draw("");
  }

  private click(event: ml.MapMouseEvent): void {
    const place: Place = [event.lngLat.lng, event.lngLat.lat];
    if (this.mode === "polygon") {
      const first = this.points[0] && this.map.project(this.points[0]);
      if (first && this.points.length >= 3 && first.dist(event.point) < NEAR_PX) return this.finish();
      this.points.push(place);
      return this.sketch();
    }
    if (this.mode === "circle") {
      this.points.push(place);
      if (this.points.length === 2) {
        this.options.onCircle({ centre: this.points[0], km: distanceKm(this.points[0], place) });
        return this.draw("");
      }
      return this.sketch();
    }
    if (!this.map.getLayer("county")) return;
    const [hit] = this.map.queryRenderedFeatures(event.point, { layers: ["county"] });
    if (hit?.properties.code) this.options.onDivision(String(hit.properties.code));
  }

  private move(place: Place): void {
    if (this.mode && this.points.length) this.sketch(place);
  }

  /** What is being drawn, up to where the pointer is. */
  private sketch(pointer?: Place): void {
    const features: Feature[] = this.points.map((point) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: point },
      properties: {},
    }));
    const line = pointer ? [...this.points, pointer] : this.points;
    if (this.mode === "circle" && line.length === 2) {
      features.push(area(ringOf({ centre: line[0], km: distanceKm(line[0], line[1]) })));
    } else if (line.length >= 2) {
      features.push({ type: "Feature", geometry: { type: "LineString", coordinates: line }, properties: {} });
    }
    this.put("sketch", { type: "FeatureCollection", features });
  }

  private put(source: string, data: FeatureCollection): void {
    const held = this.map.getSource(source) as ml.GeoJSONSource | undefined;
    if (held) void held.setData(data);
  }

  private layers(): void {
    const { map } = this;
    if (map.getSource("areas")) return;
    map.addSource("areas", { type: "geojson", data: this.shown });
    map.addSource("sketch", { type: "geojson", data: NOTHING });
    if (map.getSource("county")) {
      map.addLayer({
        id: "picked",
        type: "fill",
        source: "county",
        filter: ["in", ["get", "code"], ["literal", this.chosen]],
        paint: { "fill-color": token("accent"), "fill-opacity": 0.3 },
      });
    }
    map.addLayer({ id: "areas", type: "fill", source: "areas", paint: { "fill-color": token("accent"), "fill-opacity": 0.25 } });
    const line = { "line-color": token("accent"), "line-width": 2 };
    map.addLayer({ id: "area-lines", type: "line", source: "areas", paint: line });
    map.addLayer({ id: "sketch-lines", type: "line", source: "sketch", paint: { ...line, "line-dasharray": [2, 1] } });
    map.addLayer({
      id: "sketch-points",
      type: "circle",
      source: "sketch",
      filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 5, "circle-color": token("bg-1"), "circle-stroke-width": 2, "circle-stroke-color": token("accent") },
    });
  }
}

function area(ring: Place[]): Feature {
  return { type: "Feature", geometry: { type: "Polygon", coordinates: [ring] }, properties: {} };
}
