/** Markers, drawn on a canvas at twice the size: no sprite file, nothing to fetch. */

import type { Map as MapLibre } from "maplibre-gl";
import icons from "@static/icons/icons.json";
import type { Freshness, Level } from "@/lib/api";
import { LEVELS, SHAPES } from "@/lib/marks";
import { token } from "@/lib/theme";

const RATIO = 2;
const FRESH: readonly Freshness[] = ["live", "late", "stale", "never"];
const KIND_ICON: Record<string, keyof typeof icons> = {
  chemical_plant: "site",
  pump_station: "pump",
  water_network: "drop",
  air_station: "air",
  other: "pin",
};

function canvas(size: number): CanvasRenderingContext2D {
  const element = document.createElement("canvas");
  element.width = element.height = size * RATIO;
  const context = element.getContext("2d", { willReadFrequently: true })!;
  context.scale(RATIO, RATIO);
  return context;
}

function put(map: MapLibre, id: string, context: CanvasRenderingContext2D): void {
  const { width, height } = context.canvas;
  const image = context.getImageData(0, 0, width, height);
  if (map.hasImage(id)) map.updateImage(id, image);
  else map.addImage(id, image, { pixelRatio: RATIO });
}

/** A site by kind and freshness: a plate with its icon; dashed and hollow when its data has stopped. */
function plate(kind: string, fresh: Freshness): CanvasRenderingContext2D {
  const size = 28;
  const c = canvas(size);
  const live = fresh === "live";
  const late = fresh === "late";
  const colour = live ? token("accent") : late ? token("l2-text") : token("stale");
  c.beginPath();
  c.roundRect(3, 3, size - 6, size - 6, 4);
  c.fillStyle = live ? colour : token("bg-1");
  c.fill();
  c.lineWidth = live ? 1.5 : 2;
  c.strokeStyle = live ? token("bg-1") : colour;
  if (!live && !late) c.setLineDash([3, 2]);
  c.stroke();
  c.setLineDash([]);
  c.translate(6, 6);
  c.scale(16 / 24, 16 / 24);
  c.lineWidth = 2.2;
  c.lineCap = c.lineJoin = "round";
  c.strokeStyle = live ? token("accent-fg") : colour;
  for (const d of icons[KIND_ICON[kind] ?? "pin"]) c.stroke(new Path2D(d));
  return c;
}

/** A site in alarm: the mark of its level, filled while somebody has to acknowledge, hollow when that is done. */
function alarm(level: Level, unacked: boolean, character: string): CanvasRenderingContext2D {
  const size = 40;
  const c = canvas(size);
  const shape = new Path2D(SHAPES[level]);
  c.translate(5, 5);
  c.scale(30 / 24, 30 / 24);
  c.lineJoin = "round";
  c.lineWidth = 5;
  c.strokeStyle = token("bg-1");
  c.stroke(shape);
  c.fillStyle = unacked ? token(`l${level}-fill`) : token("bg-1");
  c.fill(shape);
  c.lineWidth = unacked ? 1.2 : 2.6;
  c.strokeStyle = unacked ? token(`l${level}-text`) : token(`l${level}-text`);
  c.stroke(shape);
  c.fillStyle = unacked ? token(`l${level}-ink`) : token(`l${level}-text`);
  c.font = `700 12.5px ${token("font")}`;
  c.textAlign = "center";
  c.fillText(character, 12, 16.5);
  return c;
}

/** A unit: an arrow to the north that the map turns, or a disc where no course is known; hollow when its data has stopped. */
function arrow(fresh: Freshness, hasCourse: boolean): CanvasRenderingContext2D {
  const size = 24;
  const c = canvas(size);
  const live = fresh === "live";
  const colour = live ? token("accent") : fresh === "late" ? token("l2-text") : token("stale");
  const path = new Path2D(hasCourse ? "M12 2.5 19.5 20 12 16.2 4.5 20z" : "M12 5.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z");
  c.lineJoin = "round";
  c.lineWidth = 4.5;
  c.strokeStyle = token("bg-1");
  c.stroke(path);
  c.fillStyle = live ? colour : token("bg-1");
  c.fill(path);
  c.lineWidth = live ? 1.2 : 2;
  c.strokeStyle = live ? token("accent-fg") : colour;
  if (!live && fresh !== "late") c.setLineDash([3, 2]);
  c.stroke(path);
  return c;
}

/** The ring around the site that is looked at. */
function ring(): CanvasRenderingContext2D {
  const c = canvas(56);
  c.lineWidth = 6;
  c.strokeStyle = token("bg-1");
  c.beginPath();
  c.arc(28, 28, 23, 0, 2 * Math.PI);
  c.stroke();
  c.lineWidth = 3;
  c.strokeStyle = token("accent");
  c.stroke();
  return c;
}

/** Draw every marker of the theme in force; again after a change of theme. */
export function dress(map: MapLibre, character: (level: Level) => string): void {
  for (const kind of Object.keys(KIND_ICON)) for (const fresh of FRESH) put(map, `${kind}-${fresh}`, plate(kind, fresh));
  for (const level of LEVELS) {
    put(map, `alarm-${level}-1`, alarm(level, true, character(level)));
    put(map, `alarm-${level}-0`, alarm(level, false, character(level)));
  }
  put(map, "ring", ring());
  for (const fresh of FRESH) {
    put(map, `unit-${fresh}-1`, arrow(fresh, true));
    put(map, `unit-${fresh}-0`, arrow(fresh, false));
  }
}

export function knownKind(kind: string): string {
  return kind in KIND_ICON ? kind : "other";
}
