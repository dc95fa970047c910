/** The base map in the tokens of a theme: land, water, boundaries and their names.  No glyphs, no sprite, no tiles. */

import type { FeatureCollection } from "geojson";
import type { StyleSpecification } from "maplibre-gl";
import type { MapLayer } from "@/lib/api";
import { token } from "@/lib/theme";

const NOTHING = { type: "FeatureCollection" as const, features: [] };
export const FONT = ["Noto Sans CJK SC"];

/** `data` holds layers that were read already, so that they are not fetched twice. */
export function baseStyle(
  layers: readonly MapLayer[],
  language: "en" | "zh-Hans",
  scale = 1,
  data: Record<string, FeatureCollection> = {},
): StyleSpecification {
  const has = (name: string) => layers.some((layer) => layer.name === name);
  const sources: StyleSpecification["sources"] = {};
  for (const layer of layers) sources[layer.name] = { type: "geojson", data: data[layer.name] ?? layer.url };
  sources.fences = { type: "geojson", data: NOTHING };
  sources.track = { type: "geojson", data: NOTHING };
  sources.sites = { type: "geojson", data: NOTHING };
  sources.units = { type: "geojson", data: NOTHING };
  sources.warnings = { type: "geojson", data: NOTHING };
  sources.alarms = { type: "geojson", data: NOTHING };
  sources.chosen = { type: "geojson", data: NOTHING };
  const style: StyleSpecification = { version: 8, sources, layers: [] };
  const add = style.layers;
  const text = language === "en" ? ["coalesce", ["get", "name_en"], ["get", "name"]] : ["get", "name"];
  const halo = { "text-halo-color": token("land"), "text-halo-width": 1.6 };

  add.push({ id: "ground", type: "background", paint: { "background-color": token("bg-0") } });
  if (has("province")) {
    add.push({
      id: "province",
      type: "fill",
      source: "province",
      paint: { "fill-color": token("land-far") },
    });
  }
  if (has("city")) {
    add.push({ id: "city", type: "fill", source: "city", paint: { "fill-color": token("land") } });
  }
  if (has("county")) {
    add.push({ id: "county", type: "fill", source: "county", paint: { "fill-color": token("land") } });
    add.push({
      id: "county-line",
      type: "line",
      source: "county",
      layout: { "line-join": "round" },
      paint: { "line-color": token("border"), "line-width": 0.9, "line-dasharray": [4, 2] },
    });
  }
  for (const layer of layers) {
    if (["province", "city", "county", "labels"].includes(layer.name)) continue;
    add.push({
      id: layer.name,
      type: "line",
      source: layer.name,
      paint: { "line-color": token("line-strong"), "line-width": 1 },
    });
  }
  if (has("province")) {
    add.push({
      id: "province-line",
      type: "line",
      source: "province",
      layout: { "line-join": "round" },
      paint: { "line-color": token("border"), "line-width": 1.2 },
    });
  }
  if (has("city")) {
    add.push({
      id: "city-halo",
      type: "line",
      source: "city",
      layout: { "line-join": "round" },
      paint: { "line-color": token("accent"), "line-width": 9, "line-opacity": 0.16, "line-blur": 2 },
    });
    add.push({
      id: "city-line",
      type: "line",
      source: "city",
      layout: { "line-join": "round" },
      paint: { "line-color": token("accent"), "line-width": 1.6, "line-opacity": 0.75 },
    });
  }
  if (has("labels")) {
    add.push({
      id: "labels",
      type: "symbol",
      source: "labels",
      filter: ["!=", ["get", "level"], "city"],
      layout: {
        "text-field": text as never,
        "text-font": FONT,
        "text-size": ["interpolate", ["linear"], ["zoom"], 6, 12 * scale, 10, 16 * scale],
        "text-max-width": 8,
        "text-padding": 4,
      },
      paint: { "text-color": token("map-text"), ...halo },
    });
  }
  return style;
}
