/** The risk cloud: counties and a heat of sites by index (blue to violet), circles in the colour of each site's level. */

import * as ml from "maplibre-gl";
import type { FeatureCollection } from "geojson";
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
  index: number[];
  level: number[];
  counties: Record<string, number>;
}

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const RAMP = ["#2c7fb8", "#4f6fc4", "#6a51a3", "#7a1fa2"];

export class RiskMap {
  private readonly map: ml.Map;
  private shown: Moment | null = null;

  constructor(
    host: HTMLElement,
    layers: readonly MapLayer[],
    data: Record<string, FeatureCollection>,
    bounds: Bounds | null,
    language: "en" | "zh-Hans",
    title: string,
    onSite: (code: string) => void,
  ) {
    this.map = flatMap(host, layers, data, bounds, language, title);
    this.map.on("style.load", () => this.layers());
    this.map.on("click", "risk-sites", (event) => onSite(String(event.features?.[0]?.properties.code ?? "")));
  }

  /** Another moment; the map stays where it is. */
  show(moment: Moment): void {
    this.shown = moment;
    const source = this.map.getSource<ml.GeoJSONSource>("risk");
    if (!source) return;
    delete document.documentElement.dataset.mapIdle;
    source.setData({
      type: "FeatureCollection",
      features: moment.site.map((code, i) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [moment.lon[i], moment.lat[i]] },
        properties: { code, index: moment.index[i], level: moment.level[i] },
      })),
    });
    if (!this.map.getLayer("risk-county")) return;
    const codes = Object.entries(moment.counties).flatMap(([code, index]) => [code.slice(0, 6), index]);
    this.map.setPaintProperty(
      "risk-county",
      "fill-opacity",
      codes.length
        ? (["*", 0.005, ["match", ["to-string", ["get", "code"]], ...codes, 0]] as unknown as ml.ExpressionSpecification)
        : 0,
    );
  }

  private layers(): void {
    this.map.addSource("risk", { type: "geojson", data: NOTHING });
    if (this.map.getSource("county")) {
      this.map.addLayer({ id: "risk-county", type: "fill", source: "county", paint: { "fill-color": RAMP[2], "fill-opacity": 0 } });
    }
    this.map.addLayer({
      id: "risk-heat",
      type: "heatmap",
      source: "risk",
      paint: {
        "heatmap-weight": ["/", ["get", "index"], 100],
        "heatmap-radius": ["interpolate", ["linear"], ["zoom"], 4, 14, 12, 70],
        "heatmap-opacity": 0.65,
        "heatmap-color": [
          "interpolate", ["linear"], ["heatmap-density"],
          0, "rgba(44,127,184,0)", 0.2, RAMP[0], 0.5, RAMP[1], 0.8, RAMP[2], 1, RAMP[3],
        ],
      },
    });
    this.map.addLayer({
      id: "risk-sites",
      type: "circle",
      source: "risk",
      layout: { "circle-sort-key": ["-", 0, ["get", "level"]] },
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["get", "index"], 0, 5, 100, 14],
        "circle-color": ["match", ["get", "level"], 1, token("l1-fill"), 2, token("l2-fill"), 3, token("l3-fill"), token("l4-fill")],
        "circle-stroke-color": token("fg-0"),
        "circle-stroke-width": 1,
      },
    });
    if (this.shown) this.show(this.shown);
  }
}
