/** The map of natural hazards: a slider over the next 24 hours, the map and the table of the same hour. */

import type { FeatureCollection } from "geojson";
import { get, read, type MapLayer, type Me } from "@/lib/api";
import { language } from "@/lib/i18n";
import { extent, union } from "@/map/extent";
import type { Moment, NaturalMap } from "@/map/naturalmap";
import "@/styles/screen.css";

const REFRESH_MS = 60_000;
const PLAY_MS = 900;
const host = document.querySelector<HTMLElement>("#natural-map");
const hours = document.querySelector<HTMLInputElement>("#hours");
const kind = document.querySelector<HTMLSelectElement>("#kind");
const play = document.querySelector<HTMLButtonElement>("#play");
const said = document.querySelector<HTMLElement>("#natural-said");
const rows = document.querySelector<HTMLElement>("#natural-rows");
if (host && hours && kind && play && said && rows) void start(host, hours, kind, play, said, rows);

async function start(
  host: HTMLElement,
  hours: HTMLInputElement,
  kind: HTMLSelectElement,
  play: HTMLButtonElement,
  said: HTMLElement,
  rows: HTMLElement,
): Promise<void> {
  let map: NaturalMap | null = null;
  let asked = 0;
  let playing = 0;

  const look = async (): Promise<void> => {
    const mine = ++asked;
    let moment: Moment;
    try {
      moment = await get<Moment>(`natural/map?hours=${hours.value}&kind=${encodeURIComponent(kind.value)}`);
    } catch {
      if (mine === asked) said.textContent = said.dataset.failed ?? "";
      return;
    }
    if (mine !== asked) return; // the slider has moved on
    const ahead = hours.value === "0" ? said.dataset.now : `${hours.value} ${said.dataset.ahead ?? ""}`;
    said.textContent = `${stamp(moment.at_ms)} · ${ahead ?? ""}`;
    hours.setAttribute("aria-valuetext", said.textContent);
    table(rows, moment);
    map?.show(moment);
  };
  const stop = (): void => {
    window.clearInterval(playing);
    playing = 0;
    play.textContent = play.dataset.play ?? "";
  };
  play.addEventListener("click", () => {
    if (playing) return stop();
    if (hours.value === hours.max) hours.value = "0";
    play.textContent = play.dataset.stop ?? "";
    playing = window.setInterval(() => {
      hours.value = String(Number(hours.value) + Number(hours.step));
      void look();
      if (hours.value === hours.max) stop();
    }, PLAY_MS);
  });
  hours.addEventListener("input", () => void look());
  kind.addEventListener("change", () => void look());
  window.setInterval(() => !playing && void look(), REFRESH_MS);
  void look();

  let layers: MapLayer[] = [];
  const data: Record<string, FeatureCollection> = {};
  let bounds = null;
  try {
    layers = await get<MapLayer[]>("map/layers");
    const city = layers.find((layer) => layer.name === "city");
    if (city) data.city = await read<FeatureCollection>(city.url);
    bounds = union((await get<Me>("me")).bounds, data.city ? extent(data.city) : null);
  } catch {
    /* hazards are drawn without their ground */
  }
  const { NaturalMap } = await import("@/map/naturalmap");
  const { NoWebgl } = await import("@/map/onemap");
  try {
    map = new NaturalMap(host, layers, data, bounds, language, host.dataset.title ?? "", (code) => {
      if (code) location.assign(`/natural/sites/${encodeURIComponent(code)}/`);
    });
    void look();
  } catch (error) {
    if (!(error instanceof NoWebgl)) throw error;
    host.textContent = host.dataset.failed ?? "";
  }
}

function stamp(ms: number): string {
  const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short" });
  return parts.format(new Date(ms));
}

function table(rows: HTMLElement, moment: Moment): void {
  const levels = (rows.dataset.levels ?? "").split("|");
  const order = moment.site.map((_code, i) => i).sort((a, b) => moment.level[a] - moment.level[b]);
  const cell = (text: string): HTMLTableCellElement => {
    const made = document.createElement("td");
    made.textContent = text;
    return made;
  };
  const lines = order.slice(0, 100).map((i) => {
    const row = document.createElement("tr");
    const link = document.createElement("a");
    link.href = `/natural/sites/${encodeURIComponent(moment.site[i])}/`;
    link.textContent = language === "en" ? moment.name_en[i] : moment.name[i];
    const name = cell("");
    name.append(link);
    row.append(cell(levels[moment.level[i] - 1] ?? ""), name);
    return row;
  });
  if (!lines.length) {
    const none = cell(rows.dataset.none ?? "");
    none.colSpan = 2;
    const row = document.createElement("tr");
    row.append(none);
    lines.push(row);
  }
  rows.replaceChildren(...lines);
}
