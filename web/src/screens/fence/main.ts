/** A fence drawn on the map over the form's own fields: what is drawn is written there, what is typed is drawn. */

import type { FeatureCollection, Geometry, Position } from "geojson";
import { get, read, type MapLayer, type Me } from "@/lib/api";
import { extent, union } from "@/map/extent";
import { geometryOf, pointsOf, shown, type FenceShape } from "@/map/drawing";
import { language } from "@/lib/i18n";
import "@/styles/screen.css";

const host = document.querySelector<HTMLElement>("#fence-map");
const field = (name: string) => document.querySelector<HTMLInputElement & HTMLTextAreaElement>(`#id_${name}`);

async function start(root: HTMLElement): Promise<void> {
  const [shapeField, geometryField, radiusField] = [field("shape"), field("geometry"), field("radius_m")];
  if (!shapeField || !geometryField || !radiusField) return;
  const said = root.querySelector<HTMLElement>(".fence-tools")!;
  const canvas = document.createElement("div");
  canvas.className = "map-host";
  root.append(canvas);
  const mayEdit = root.dataset.edit === "1";
  let points: Position[] = [];
  let geometry: Geometry | null = null;

  const typed = (): void => {
    try {
      geometry = geometryField.value.trim() ? (JSON.parse(geometryField.value) as Geometry) : null;
    } catch {
      return; // not whole yet: what was drawn stays
    }
    points = pointsOf(geometry);
  };
  const shape = () => shapeField.value as FenceShape;
  const radius = () => Number(radiusField.value) || 100;
  typed();

  const { NoWebgl, OneMap } = await import("@/map/onemap");
  let layers: MapLayer[] = [];
  const data: Record<string, FeatureCollection> = {};
  let bounds = extent(shown(shape(), geometry, points, radius()));
  try {
    layers = await get<MapLayer[]>("map/layers");
    const city = layers.find((layer) => layer.name === "city");
    if (city) data.city = await read<FeatureCollection>(city.url);
    bounds ??= union((await get<Me>("me")).bounds, data.city ? extent(data.city) : null);
  } catch {
    /* without boundaries one can still draw */
  }
  let map: InstanceType<typeof OneMap>;
  try {
    map = new OneMap({
      host: canvas,
      layers,
      data,
      language,
      bounds,
      title: root.dataset.title ?? "",
      interactive: true,
      scale: 1,
      character: String,
      onView: () => undefined,
      onPick: () => undefined,
      onPlace: (lon, lat) => {
        if (!mayEdit) return;
        points = shape() === "circle" ? [[lon, lat]] : [...points, [lon, lat]];
        drawn();
      },
      onLayerFailed: () => undefined,
    });
  } catch (error) {
    if (!(error instanceof NoWebgl)) throw error;
    said.textContent = root.dataset.failed ?? "";
    return;
  }

  const show = (): void => {
    const all = shown(shape(), geometry, points, radius());
    map.setFences({ ...all, features: all.features.filter((f) => f.properties?.kind !== "stop") });
    map.setTrack({ ...all, features: all.features.filter((f) => f.properties?.kind === "stop") });
  };
  const drawn = (): void => {
    geometry = geometryOf(shape(), points);
    geometryField.value = geometry ? JSON.stringify(geometry) : "";
    show();
  };
  geometryField.addEventListener("input", () => {
    typed();
    show();
  });
  shapeField.addEventListener("change", drawn);
  radiusField.addEventListener("input", show);
  if (mayEdit) {
    said.textContent = root.dataset.hint ?? "";
    const button = (words: string, deed: () => void): void => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "btn btn-small";
      made.textContent = words;
      made.addEventListener("click", deed);
      said.append(" ", made);
    };
    button(root.dataset.undo ?? "", () => {
      points = points.slice(0, -1);
      drawn();
    });
    button(root.dataset.clear ?? "", () => {
      points = [];
      drawn();
    });
  }
  show();
}

if (host) void start(host);
