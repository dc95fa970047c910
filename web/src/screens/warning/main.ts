/** The form of a warning: the map beside the typed area.  Without JavaScript or a map the form is whole all the same. */

import type { FeatureCollection } from "geojson";
import { get, read, type MapLayer } from "@/lib/api";
import { append, readCircles, readPolygons, ringOf, writeCircle, writeRing, type Place } from "@/lib/areas";
import { extent, type Bounds } from "@/map/extent";
import type { AreaMap, Mode } from "@/map/areamap";

const box = document.querySelector<HTMLElement>("#area-map");
const polygons = document.querySelector<HTMLTextAreaElement>("#id_polygons");
const circles = document.querySelector<HTMLTextAreaElement>("#id_circles");
const divisions = document.querySelector<HTMLSelectElement>("#id_divisions");
const codes = document.querySelector<HTMLInputElement>("#id_division_codes");
if (box && polygons && circles && divisions && codes) void start(box, polygons, circles, divisions, codes);

async function start(
  box: HTMLElement,
  polygons: HTMLTextAreaElement,
  circles: HTMLTextAreaElement,
  divisions: HTMLSelectElement,
  codes: HTMLInputElement,
): Promise<void> {
  const words = box.dataset;
  const host = document.createElement("div");
  host.className = "area-map-host";
  const bar = document.createElement("div");
  bar.className = "area-map-bar";
  box.append(host, bar);

  let layers: MapLayer[] = [];
  const data: Record<string, FeatureCollection> = {};
  let bounds: Bounds | null = null;
  try {
    layers = await get<MapLayer[]>("map/layers");
    const city = layers.find((layer) => layer.name === "city");
    if (city) {
      data.city = await read<FeatureCollection>(city.url);
      bounds = extent(data.city);
    }
  } catch {
    /* the map is drawn without its ground */
  }

  const typed = () => [...readPolygons(polygons.value), ...readCircles(circles.value).map((c) => ringOf(c))];
  const chosen = () => [
    ...[...divisions.selectedOptions].map((option) => option.value),
    ...codes.value.split(/[\s,，]+/).filter(Boolean),
  ];
  let map: AreaMap | null = null;
  const show = () => map?.show(readPolygons(polygons.value), readCircles(circles.value), chosen());

  const button = (text: string, deed: () => void) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "btn btn-small";
    made.textContent = text;
    made.addEventListener("click", deed);
    return made;
  };
  const hint = document.createElement("p");
  hint.setAttribute("role", "status");
  const starting = [
    button(words.draw ?? "", () => map?.draw("polygon")),
    button(words.drawCircle ?? "", () => map?.draw("circle")),
  ];
  const drawing = [button(words.finish ?? "", () => map?.finish()), button(words.undo ?? "", () => map?.undo())];
  const dress = (mode: Mode) => {
    hint.textContent = (mode === "circle" ? words.circle : words.hint) ?? "";
    bar.replaceChildren(...(mode ? [...drawing, hint] : starting));
  };

  const { AreaMap } = await import("@/map/areamap");
  const around = extent({
    type: "FeatureCollection",
    features: typed().map((ring: Place[]) => ({
      type: "Feature",
      geometry: { type: "Polygon", coordinates: [ring] },
      properties: {},
    })),
  });
  try {
    map = new AreaMap({
      host,
      layers,
      data,
      bounds: around ?? bounds,
      title: words.title ?? "",
      language: document.documentElement.lang === "en" ? "en" : "zh-Hans",
      onPolygon: (ring) => type(polygons, writeRing(ring)),
      onCircle: (circle) => type(circles, writeCircle(circle)),
      onDivision: choose,
      onDrawing: dress,
    });
  } catch {
    hint.textContent = words.failed ?? "";
    bar.replaceChildren(hint);
    return;
  }
  dress("");
  show();
  for (const field of [polygons, circles, divisions, codes]) field.addEventListener("input", show);

  function type(field: HTMLTextAreaElement, line: string): void {
    field.value = append(field.value, line);
    show();
  }

  /** A division that was clicked is chosen, or no longer: in the list where it stands there, else among the codes. */
  function choose(code: string): void {
    const option = [...divisions.options].find((one) => one.value === code);
    if (option) option.selected = !option.selected;
    else {
      const held = codes.value.split(/[\s,，]+/).filter(Boolean);
      codes.value = (held.includes(code) ? held.filter((one) => one !== code) : [...held, code]).join(" ");
    }
    show();
  }
}
