/** A map of one matter over the base map, seen straight from above: nothing turns, and a test may wait until it is idle. */

import * as ml from "maplibre-gl";
import type { FeatureCollection } from "geojson";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { MapLayer } from "@/lib/api";
import type { Bounds } from "./extent";
import { NoWebgl, padded } from "./onemap";
import { baseStyle } from "./style";

ml.setWorkerUrl(workerUrl);

const CHINA: [number, number, number, number] = [73, 18, 135, 54];

/** Throws NoWebgl where the browser cannot draw. */
export function flatMap(
  host: HTMLElement,
  layers: readonly MapLayer[],
  data: Record<string, FeatureCollection>,
  bounds: Bounds | null,
  language: "en" | "zh-Hans",
  title: string,
): ml.Map {
  let map: ml.Map;
  try {
    map = new ml.Map({
      container: host,
      style: baseStyle(layers, language, 1, data),
      bounds: bounds ? padded(bounds) : CHINA,
      fitBoundsOptions: { padding: 24 },
      minZoom: 2,
      maxZoom: 17,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      locale: { "Map.Title": title },
    });
  } catch (error) {
    throw new NoWebgl(String(error));
  }
  map.touchZoomRotate.disableRotation();
  map.addControl(new ml.NavigationControl({ showCompass: false }), "top-right");
  map.on("movestart", () => delete document.documentElement.dataset.mapIdle);
  map.on("idle", () => (document.documentElement.dataset.mapIdle = "1"));
  return map;
}
