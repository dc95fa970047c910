/** What desk and wall share: who is here, the stream, the alarms, the sites, and the bell. */

import { computed, ref, shallowRef } from "vue";
import type { FeatureCollection } from "geojson";
import { drawnFences } from "@/map/drawing";
import type { AlarmSite } from "@/map/onemap";
import { unitOf, useAlarms } from "@/lib/alarms";
import { get, type Alarm, type Frame, type Level, type Loop, type Me, type SiteMarker } from "@/lib/api";
import { causeOf, named, useWords } from "@/lib/i18n";
import { useLive } from "@/lib/live";
import { useUnits } from "@/lib/units";
import { number } from "@/lib/format";
import { listed, useSites } from "./useSites";
import { useStorms } from "./useStorms";
import { useWarnings } from "./useWarnings";
import { useTimeline, type SpanName } from "./useTimeline";

export const TOPICS = ["alarms", "loops", "sites", "units", "warnings"] as const;
/** The most readings of one burst that the map waits for. */
const MAP_SETTLES_MS = 1_500;

export interface DeskEvents {
  onAlarm?: (alarm: Alarm) => void;
  onLoop?: (loop: Loop) => void;
  onFrame?: (frame: Frame) => void;
}

export function useDesk(events: DeskEvents = {}, span?: SpanName) {
  const { t } = useWords();
  const me = shallowRef<Me | null>(null);
  const announced = ref("");
  const alarms = useAlarms((alarm) => {
    timeline.add(alarm);
    if (alarm.priority === 1) announced.value = sentence(alarm);
  });
  const sites = useSites();
  const warnings = useWarnings();
  const storms = useStorms();
  const timeline = useTimeline(span);
  const live = useLive();
  const fences = shallowRef<FeatureCollection | null>(null);
  const units = useUnits(live, alarms.shown);

  function sentence(alarm: Alarm): string {
    return t("desk.newRed", {
      site: named(alarm.site),
      stream: named(alarm.datastream),
      kind: t(`kind.${alarm.kind}`),
      value: causeOf(alarm) || `${number(alarm.raised_value, alarm.datastream.decimals)} ${unitOf(alarm)}`,
    });
  }

  async function loadMe(): Promise<void> {
    try {
      me.value = await get<Me>("me");
    } catch {
      /* the queue says what is wrong; without it nobody is refused anything the server would allow */
    }
  }

  async function loadFences(): Promise<void> {
    try {
      fences.value = drawnFences(await get<FeatureCollection>("fences"));
    } catch {
      /* the map goes on without them */
    }
  }

  function loadAll(): void {
    void loadFences();
    void alarms.load();
    void sites.load();
    void timeline.load();
    void warnings.load();
    void storms.load();
  }

  let isFirst = true;
  live.on("hello", () => {
    if (isFirst) void alarms.load(); // what was raised between the first load and the stream's start
    else sites.loadSoon(200);
    isFirst = false;
  });
  live.on("reset", loadAll);
  live.on<Alarm>("alarm", (alarm) => {
    alarms.apply(alarm);
    storms.loadSoon();
    sites.loadSoon(MAP_SETTLES_MS);
    events.onAlarm?.(alarm);
  });
  live.on<Loop>("loop", (loop) => {
    if (loop.kind === "call_confirm") document.body.dispatchEvent(new Event("calls"));
    events.onLoop?.(loop);
  });
  live.on("warning", () => void warnings.load());
  live.on("site", () => sites.loadSoon(MAP_SETTLES_MS));
  live.on<Frame>("readings", (frame) => events.onFrame?.(frame));

  const alarmSites = computed<AlarmSite[]>(() => {
    const bySite = new Map<string, AlarmSite>();
    for (const alarm of alarms.shown.value) {
      const isUnacked = alarm.state.endsWith("unacked");
      const held = bySite.get(alarm.site.code);
      if (!held) {
        const { code, lon, lat } = alarm.site;
        bySite.set(code, { code, name: named(alarm.site), lon, lat, level: alarm.priority, isUnacked, count: 1, folded: 0 });
        continue;
      }
      held.count++;
      if (alarm.priority < held.level) [held.level, held.isUnacked] = [alarm.priority, isUnacked];
      else if (alarm.priority === held.level) held.isUnacked ||= isUnacked;
    }
    for (const { site, lon, lat } of listed(sites.sites.value)) withFolded(bySite, site, lon, lat);
    return [...bySite.values()].map((site) => ({ ...site, name: labelled(site) }));
  });

  /** What is folded into others counts for the colour of its site, which may have nothing else. */
  function withFolded(bySite: Map<string, AlarmSite>, site: SiteMarker, lon: number, lat: number): void {
    if (!site.folded || !site.priority) return;
    const held = bySite.get(site.code);
    if (held) [held.level, held.folded] = [Math.min(held.level, site.priority) as Level, site.folded];
    else {
      const { code, priority: level, folded } = site;
      bySite.set(code, { code, name: named(site), lon, lat, level, isUnacked: false, count: 0, folded });
    }
  }

  function labelled({ name, count, folded }: AlarmSite): string {
    const shown = count > 1 ? ` ×${Math.min(count, 999)}` : "";
    return `${name}${shown}${folded ? ` · ${t("desk.siteFolded", { n: folded })}` : ""}`;
  }

  function may(action: string, orgPath: string): boolean {
    if (!me.value) return true; // unknown: let the server say
    return (me.value.may[action] ?? []).some((path) => orgPath.startsWith(path));
  }

  /** The state of the stream as a badge says it. */
  const instead = computed<"connecting" | "ended" | null>(() => {
    if (live.state.value === "ended") return "ended";
    return live.state.value === "connecting" && live.heardMs.value === null ? "connecting" : null;
  });

  void loadMe();
  loadAll();
  live.want(TOPICS);

  return { me, alarms, sites, warnings, storms: storms.storms, units, fences, timeline, live, alarmSites, announced, instead, may, loadAll };
}
