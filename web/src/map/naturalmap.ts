/** Natural hazards: areas and tracks by level, wind circles of the hour, gauges as squares, sites that are under something. */

import * as ml from "maplibre-gl";
import type { Feature, FeatureCollection } from "geojson";
import type { MapLayer } from "@/lib/api";
import { token } from "@/lib/theme";
import type { Bounds } from "./extent";
import { flatMap } from "./flat";

export interface Moment {
  at_ms: number;
  site: string[];
  name: string[];
  name_en: string[];
  lon: number[];
  lat: number[];
  level: number[];
  calm: number;
  features: FeatureCollection;
}

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const SQUARE = 14;

export class NaturalMap {
  private readonly map: ml.Map;
  private shown: Moment | null = null;

  constructor(
    host: HTMLElement,
    layers: readonly MapLayer[],
    data: Record<string, FeatureCollection>,
    bounds: Bounds | null,
    private readonly language: "en" | "zh-Hans",
    title: string,
    onSite: (code: string) => void,
  ) {
    this.map = flatMap(host, layers, data, bounds, language, title);
    this.map.on("style.load", () => this.layers());
    this.map.on("click", (event) => {
      const site = this.map.queryRenderedFeatures(event.point, { layers: ["natural-sites"] })[0];
      if (site) return onSite(String(site.properties.code ?? ""));
      this.tell(event);
    });
  }

  /** Another hour; the map stays where it is. */
  show(moment: Moment): void {
    this.shown = moment;
    const hazards = this.map.getSource<ml.GeoJSONSource>("natural");
    const sites = this.map.getSource<ml.GeoJSONSource>("natural-sites");
    if (!hazards || !sites) return;
    delete document.documentElement.dataset.mapIdle;
    hazards.setData(moment.features);
    sites.setData({
      type: "FeatureCollection",
      features: moment.site.map((code, i) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [moment.lon[i], moment.lat[i]] },
        properties: { code, level: moment.level[i] },
      })) as Feature[],
    });
  }

  private tell(event: ml.MapMouseEvent): void {
    const found = this.map.queryRenderedFeatures(event.point, { layers: ["natural-fill", "natural-gauges", "natural-centres", "natural-tracks"] });
    const names = [...new Set(found.map((one) => String((this.language === "en" ? one.properties.name_en : one.properties.name) ?? "")))];
    if (!names.length) return;
    const box = document.createElement("ul");
    box.className = "natural-names";
    box.append(
      ...names.slice(0, 8).map((name) => {
        const line = document.createElement("li");
        line.textContent = name;
        return line;
      }),
    );
    new ml.Popup({ closeButton: false, maxWidth: "18rem" }).setLngLat(event.lngLat).setDOMContent(box).addTo(this.map);
  }

  private square(): { width: number; height: number; data: Uint8Array } {
    const data = new Uint8Array(SQUARE * SQUARE * 4);
    for (let i = 0; i < SQUARE * SQUARE; i++) data.set([0, 0, 0, 255], i * 4);
    return { width: SQUARE, height: SQUARE, data };
  }

  private layers(): void {
    const colour = [
      "match", ["get", "level"],
      1, token("l1-fill"), 2, token("l2-fill"), 3, token("l3-fill"), 4, token("l4-fill"), token("fg-2"),
    ] as unknown as ml.ExpressionSpecification;
    const worstOnTop = ["-", 0, ["get", "level"]] as unknown as ml.ExpressionSpecification;
    const is = (what: string): ml.FilterSpecification => ["==", ["get", "what"], what];
    this.map.addImage("square", this.square(), { sdf: true });
    this.map.addSource("natural", { type: "geojson", data: NOTHING });
    this.map.addSource("natural-sites", { type: "geojson", data: NOTHING });
    this.map.addLayer({
      id: "natural-fill", type: "fill", source: "natural", filter: is("area"), layout: { "fill-sort-key": worstOnTop },
      paint: { "fill-color": colour, "fill-opacity": 0.16 },
    });
    this.map.addLayer({
      id: "natural-edge", type: "line", source: "natural", filter: is("area"), layout: { "line-sort-key": worstOnTop },
      paint: { "line-color": colour, "line-width": 1.5 },
    });
    this.map.addLayer({
      id: "natural-tracks", type: "line", source: "natural", filter: is("track"),
      paint: { "line-color": token("fg-0"), "line-width": 2, "line-dasharray": [2, 2] },
    });
    this.map.addLayer({
      id: "natural-centres", type: "circle", source: "natural", filter: is("centre"),
      paint: { "circle-radius": 4, "circle-color": token("fg-0") },
    });
    this.map.addLayer({
      id: "natural-gauges", type: "symbol", source: "natural", filter: is("gauge"),
      layout: { "icon-image": "square", "icon-allow-overlap": true, "symbol-sort-key": worstOnTop },
      paint: { "icon-color": colour, "icon-halo-color": token("fg-0"), "icon-halo-width": 1 },
    });
    this.map.addLayer({
      id: "natural-sites", type: "circle", source: "natural-sites", layout: { "circle-sort-key": worstOnTop },
      paint: { "circle-radius": 6, "circle-color": colour, "circle-stroke-color": token("fg-0"), "circle-stroke-width": 1 },
    });
    if (this.shown) this.show(this.shown);
  }
}
