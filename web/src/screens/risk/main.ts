/** The risk cloud map: a slider over the past, the map and the table of the same moment. */

import type { FeatureCollection } from "geojson";
import { get, read, type MapLayer, type Me } from "@/lib/api";
import { language } from "@/lib/i18n";
import { extent, union } from "@/map/extent";
import type { Moment, RiskMap } from "@/map/riskmap";
import "@/styles/screen.css";

const STEPS = 96;
const REFRESH_MS = 15_000;
const PLAY_MS = 400;
const host = document.querySelector<HTMLElement>("#risk-map");
const span = document.querySelector<HTMLSelectElement>("#span");
const time = document.querySelector<HTMLInputElement>("#time");
const play = document.querySelector<HTMLButtonElement>("#play");
const said = document.querySelector<HTMLElement>("#risk-said");
const rows = document.querySelector<HTMLElement>("#risk-rows");
if (host && span && time && play && said && rows) void start(host, span, time, play, said, rows);

async function start(
  host: HTMLElement,
  span: HTMLSelectElement,
  time: HTMLInputElement,
  play: HTMLButtonElement,
  said: HTMLElement,
  rows: HTMLElement,
): Promise<void> {
  let map: RiskMap | null = null;
  let asked = 0;
  let playing = 0;
  const isNow = () => Number(time.value) === STEPS;

  const look = async (): Promise<void> => {
    const mine = ++asked;
    const back = ((STEPS - Number(time.value)) / STEPS) * Number(span.value) * 1000;
    const at = Date.now() - back;
    let moment: Moment;
    try {
      moment = await get<Moment>(isNow() ? "risk/map" : `risk/map?at_ms=${Math.round(at)}`);
    } catch {
      if (mine === asked) said.textContent = said.dataset.failed ?? "";
      return;
    }
    if (mine !== asked) return; // the slider has moved on
    const words = stamp(moment.at_ms);
    said.textContent = isNow() ? `${words} · ${said.dataset.now ?? ""}` : words;
    time.setAttribute("aria-valuetext", said.textContent);
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
    if (isNow()) time.value = "0";
    play.textContent = play.dataset.stop ?? "";
    playing = window.setInterval(() => {
      time.value = String(Number(time.value) + 1);
      void look();
      if (isNow()) stop();
    }, PLAY_MS);
  });
  time.addEventListener("input", () => void look());
  span.addEventListener("change", () => void look());
  window.setInterval(() => isNow() && void look(), REFRESH_MS);
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
    /* sites are drawn without their ground */
  }
  const { RiskMap } = await import("@/map/riskmap");
  const { NoWebgl } = await import("@/map/onemap");
  try {
    map = new RiskMap(host, layers, data, bounds, language, host.dataset.title ?? "", (code) => {
      if (code) location.assign(`/risk/sites/${encodeURIComponent(code)}/`);
    });
    void look();
  } catch (error) {
    if (!(error instanceof NoWebgl)) throw error;
    host.textContent = host.dataset.failed ?? "";
  }
}

function stamp(ms: number): string {
  const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium" });
  return parts.format(new Date(ms));
}

function table(rows: HTMLElement, moment: Moment): void {
  const levels = (rows.dataset.levels ?? "").split("|");
  const order = moment.site.map((_code, i) => i).sort((a, b) => moment.level[a] - moment.level[b] || moment.index[b] - moment.index[a]);
  rows.replaceChildren(
    ...order.slice(0, 100).map((i) => {
      const row = document.createElement("tr");
      const cell = (text: string) => {
        const made = document.createElement("td");
        made.textContent = text;
        return made;
      };
      const link = document.createElement("a");
      link.href = `/risk/sites/${encodeURIComponent(moment.site[i])}/`;
      link.textContent = language === "en" ? moment.name_en[i] : moment.name[i];
      const name = cell("");
      name.append(link);
      const index = cell(moment.index[i].toFixed(1));
      index.className = "num";
      row.append(cell(levels[moment.level[i] - 1] ?? ""), index, name);
      return row;
    }),
  );
}
