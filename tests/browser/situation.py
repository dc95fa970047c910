"""A situation to look at: the demonstration region at one instant, as the API would answer it.

Pictures and tests of the screens are made with it, so that they do not change from run to run.  The shapes are those
of ``show/api/schemas.py``; ``test_situation.py`` holds them to it.
"""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

REGION = Path(__file__).resolve().parents[2] / "regions" / "yichang"
NOW = "2026-11-23T12:41:07Z"  # 20:41:07 in Shanghai
NOW_MS = 1_795_437_667_000
ORG = {
    "id": 2,
    "code": "420500",
    "name": "宜昌市应急管理局",
    "name_en": "Yichang Emergency Management Bureau",
}
MINUTE = 60_000

# Stubbed before any script of the page: a test says what arrives, as the server would.
EVENT_SOURCE = """
(() => {
  const sources = [];
  class Stub extends EventTarget {
    static CONNECTING = 0; static OPEN = 1; static CLOSED = 2;
    constructor(url) { super(); this.url = url; this.readyState = 0; sources.push(this);
      setTimeout(() => { if (this.readyState) return;
        this.readyState = 1; this.onopen && this.onopen(new Event("open"));
        this.beat("hello"); setInterval(() => this.beat("beat"), 5000); }, 0); }
    beat(name) { this.say(name, {seq: 1, at_ms: Date.now(), connected: window.__live.connected}, ""); }
    say(name, data, id) { if (this.readyState === 1)
      this.dispatchEvent(new MessageEvent(name, {data: JSON.stringify(data), lastEventId: id || ""})); }
    close() { this.readyState = 2; }
  }
  window.EventSource = Stub;
  window.__live = {
    connected: true,
    sources,
    now: () => sources.find((s) => s.readyState === 1),
    // A page that wants another topic opens its stream anew: what is said meanwhile waits for it.
    async say(name, data, id) {
      const opening = () => sources.at(-1).readyState === 0;
      for (let i = 0; i < 200 && opening(); i++) await new Promise((next) => setTimeout(next, 10));
      for (const s of sources) s.say(name, data, id); },
    cut(dead) { for (const s of sources) if (s.readyState === 1) { s.readyState = dead ? 2 : 0;
      s.onerror && s.onerror(new Event("error")); } },
  };
})();
"""


def _rows(name: str) -> list[dict[str, str]]:
    with (REGION / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str | None) -> float | None:
    return float(text) if text not in (None, "") else None


class Situation:
    """The answers.  ``alarms`` may be changed by a test; ``calm`` starts without any."""

    def __init__(self, calm: bool = False):
        self.now_ms = NOW_MS
        self.sites = self._sites()
        self.things, self.streams = self._streams()
        self.alarms = [] if calm else self._alarms()
        self.units: list[dict[str, Any]] = []  # none unless a test puts some there
        self.fences: list[dict[str, Any]] = []
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.warnings: list[dict[str, Any]] = []  # GeoJSON features of public warnings in force
        self.storms: list[dict[str, Any]] = []
        self.asked: list[str] = []

    # ---- what there is -----------------------------------------------------------------------------------------

    def _sites(self) -> list[dict[str, Any]]:
        fresh = ["live", "live", "live", "live", "late", "stale"]
        behind = [2_000, 1_000, 4_000, 60_000, 25 * MINUTE, 5 * 60 * MINUTE]
        out = []
        for i, row in enumerate(_rows("sites.csv")):
            out.append(
                {
                    "id": i + 1,
                    "code": row["code"],
                    "name": row["name"],
                    "name_en": row["name_en"],
                    "lon": float(row["longitude"]),
                    "lat": float(row["latitude"]),
                    "kind": row["kind"],
                    "org": ORG,
                    "org_path": "/1/2/",
                    "address": row["address"],
                    "demo": True,
                    "active": True,
                    "datastreams": 12,
                    "observed_at_ms": self.now_ms - behind[i % 6],
                    "received_at_ms": self.now_ms - behind[i % 6],
                    "period_ms": 3_000,
                    "freshness": fresh[i % 6],
                    "priority": None,
                    "standing": 0,
                    "folded": 0,
                }
            )
        return out

    def _streams(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        rules: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for i, row in enumerate(_rows("rules.csv")):
            key = (row["site"], row["datastream"])
            rules.setdefault(key, []).append(
                {
                    "id": i + 1,
                    "kind": row["kind"],
                    "setpoint": _number(row.get("setpoint")),
                    "deadband": _number(row.get("deadband")) or 0.0,
                    "on_delay_ms": int(row.get("on_delay_ms") or 0),
                    "off_delay_ms": int(row.get("off_delay_ms") or 0),
                    "window_ms": int(row.get("window_ms") or 0),
                    "priority": int(row["priority"]),
                    "enabled": True,
                    "shelved_until_ms": None,
                    "basis": row.get("basis") or "",
                    "version": 1,
                }
            )
        thing_ids: dict[tuple[str, str], int] = {}
        things = []
        for i, row in enumerate(_rows("things.csv")):
            thing_ids[row["site"], row["code"]] = i + 1
            things.append(
                {
                    "site": row["site"],
                    "id": i + 1,
                    "code": row["code"],
                    "name": row["name"],
                    "name_en": row["name_en"],
                    "description": "",
                }
            )
        streams = []
        for i, row in enumerate(_rows("datastreams.csv")):
            streams.append(
                {
                    "site": row["site"],
                    "id": i + 1,
                    "code": row["code"],
                    "name": row["name"],
                    "name_en": row["name_en"],
                    "unit": row["unit"],
                    "decimals": int(row["decimals"] or 2),
                    "thing_id": thing_ids[row["site"], row["thing"]],
                    "property": {"code": row["observed_property"], "name": "", "name_en": ""},
                    "range_min": _number(row["range_min"]),
                    "range_max": _number(row["range_max"]),
                    "period_ms": int(row["period_ms"] or 1000),
                    "active": True,
                    "stopped_at_ms": None,
                    "stopped_reason": "",
                    "rules": rules.get((row["site"], row["code"]), []),
                }
            )
        return things, streams

    def stream(self, site: str, code: str) -> dict[str, Any]:
        return next(s for s in self.streams if s["site"] == site and s["code"] == code)

    def alarm(
        self,
        pk: int,
        site: str,
        code: str,
        kind: str,
        priority: int,
        minutes: float,
        state: str,
        value: float,
    ) -> dict[str, Any]:
        """One episode that was raised ``minutes`` ago."""
        stream = self.stream(site, code)
        place = next(s for s in self.sites if s["code"] == site)
        raised = self.now_ms - int(minutes * MINUTE)
        rule = next((r for r in stream["rules"] if r["kind"] == kind), None)
        acked, cleared = state in ("active_acked", "normal"), state in ("cleared_unacked", "normal")
        return {
            "type": "alarm",
            "what": "raised",
            "id": pk,
            "key": f"{pk}:{raised}",
            "version": 1,
            "site": {k: place[k] for k in ("id", "code", "name", "name_en", "lon", "lat")},
            "org_path": "/1/2/",
            "datastream": {k: stream[k] for k in ("id", "code", "name", "name_en", "unit", "decimals")},
            "kind": kind,
            "priority": priority,
            "state": state,
            "setpoint": rule["setpoint"] if rule else None,
            "raised_at_ms": raised,
            "raised_value": value,
            "peak_value": value * 1.004,
            "cleared_at_ms": raised + 90_000 if cleared else None,
            "acked_at_ms": raised + 60_000 if acked else None,
            "acked_by": "李岚" if acked else None,
            "shelved_until_ms": None,
            "suppressed": False,
            "received_at_ms": raised + 40,
            "loop_id": pk,
            "by": None,
            "fold": None,
            "children": 0,
        }

    def _alarms(self) -> list[dict[str, Any]]:
        make = self.alarm
        nan = float("nan")
        return [
            make(101, "yc-chem", "XMEAS_7", "hh", 1, 3.2, "active_unacked", 3004.8),
            make(102, "yc-chem", "XMEAS_7", "h", 2, 7.5, "active_acked", 2896.2),
            make(103, "yc-chem", "XMEAS_9", "h", 2, 11, "active_unacked", 150.4),
            make(104, "yc-pump", "ACC2", "hh", 2, 16, "active_unacked", 0.661),
            make(105, "yc-water", "L_T1", "l", 2, 24, "active_acked", 0.29),
            make(106, "yc-water", "P_J269", "h", 3, 38, "cleared_unacked", 41.9),
            make(107, "yc-air-1", "PM25", "h", 3, 52, "active_acked", 262.0),
            make(108, "yc-air-3", "PM25", "silent", 4, 295, "active_unacked", nan),
            make(109, "yc-pump", "TEMP", "h", 3, 71, "active_acked", 93.2),
            make(110, "yc-pump", "VOLTAGE", "l", 4, 130, "cleared_unacked", 196.5),
        ]

    # ---- the API -----------------------------------------------------------------------------------------------

    def answer(self, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and body for a request below /api/v1/."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/api/v1/")
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.asked.append(path)
        if method == "POST":
            self.posts.append((path, body or {}))
        for pattern, view in (
            (r"me", self._me),
            (r"alarms", self._list),
            (r"alarms/timeline", self._timeline),
            (r"alarms/storms", self._storms),
            (r"alarms/(\d+)", self._detail),
            (r"alarms/(\d+)/children", self._children),
            (r"alarms/(\d+)/ack", self._ack),
            (r"loops", self._loops),
            (r"map/sites", self._map),
            (r"units/map", self._units),
            (r"units/(\d+)/track", self._track),
            (r"here(?:/\w+)?", self._here),
            (r"fences", self._fences),
            (r"map/warnings", self._warnings),
            (r"map/layers", self._layers),
            (r"map/layers/(\w+)", self._layer),
            (r"sites/([\w-]+)", self._site),
            (r"sites/([\w-]+)/latest", self._latest),
            (r"datastreams/(\d+)/readings", self._readings),
            (r"sites/([\w-]+)/readings", self._curves),
            (r"search", self._search),
            (r"risk/map", self._risk),
            (r"natural/map", self._natural),
        ):
            if found := re.fullmatch(pattern, path):
                answer = view(query, *found.groups())
                return (
                    (404, {"code": "show.not_found", "message": "Not found"})
                    if answer is None
                    else (200, clean(answer))
                )
        return 404, {"code": "show.not_found", "message": path}

    def _risk(self, query: dict[str, str]) -> dict[str, Any]:
        """Two sites: one that is red now and was yellow before, one that is always blue."""
        at_ms = int(query.get("at_ms", self.now_ms))
        is_now = "at_ms" not in query
        return {
            "at_ms": at_ms, "site": ["yc-chem", "yc-pump"], "name": ["演示化工厂", "演示循环水泵站"],
            "name_en": ["Demonstration chemical plant", "Demonstration pump station"], "lon": [111.436, 111.0],
            "lat": [30.5683, 30.9], "index": [81.5 if is_now else 30.0, 4.0], "level": [1 if is_now else 3, 4],
            "counties": {"420505": 81.5 if is_now else 30.0},
        }  # fmt: skip

    def _natural(self, query: dict[str, str]) -> dict[str, Any]:
        """A typhoon that comes nearer with the hours: the plant is under orange now and under red in 12 h."""
        from fengsui.warn.natural import zones

        hours = int(query.get("hours", 0))
        lon, lat = 113.0 - 0.1 * hours, 29.6 + 0.06 * hours
        words = {"kind": "typhoon", "name": "台风样本", "name_en": "Typhoon SAMPLE", "level": 1}

        def feature(kind: str, coordinates: Any, **more: Any) -> dict[str, Any]:
            geometry = {"type": kind, "coordinates": coordinates}
            return {"type": "Feature", "geometry": geometry, "properties": words | more}

        circles = [
            feature("Polygon", [zones.quarters(lon, lat, (km,) * 4)], what="area", grade=grade, level=level)
            for grade, level, km in ((7, 3, 160), (10, 2, 80), (12, 1, 40))
        ]
        track = feature("LineString", [[113.0, 29.6], [110.6, 31.04]], what="track")
        gauge = feature(
            "Point", [111.6, 30.3], what="gauge", level=3, name="枝城站 · 水位", name_en="Zhicheng · stage"
        )
        return {
            "at_ms": self.now_ms + hours * 3_600_000, "site": ["yc-chem"], "name": ["演示化工厂"],
            "name_en": ["Demonstration chemical plant"], "lon": [111.436], "lat": [30.5683],
            "level": [1 if hours >= 12 else 2], "calm": 5,
            "features": {"type": "FeatureCollection", "features": [
                *circles, track, feature("Point", [lon, lat], what="centre"), gauge]},
        }  # fmt: skip

    def _units(self, query: dict[str, str]) -> dict[str, Any]:
        names = ["code", "name", "name_en", "kind", "site", "period_ms", "time_ms", "lon", "lat"]
        names += ["kmh", "deg", "priority"]
        columns: dict[str, Any] = {name: [unit.get(name) for unit in self.units] for name in names}
        columns |= {
            "ids": [unit["id"] for unit in self.units],
            "streams": [unit["streams"] for unit in self.units],
        }
        return {"at_ms": self.now_ms, "more": False, **columns}

    def _track(self, query: dict[str, str], pk: str) -> dict[str, Any] | None:
        unit = next((u for u in self.units if u["id"] == int(pk)), None)
        if unit is None:
            return None
        line = [[unit["lon"] - 0.03 + 0.001 * i, unit["lat"] + 0.004 * math.sin(i / 3)] for i in range(31)]
        lines = {"type": "MultiLineString", "coordinates": [line]}
        way = {"type": "Feature", "geometry": lines, "properties": {"kind": "track"}}
        place = {"type": "Point", "coordinates": line[10]}
        stop = {"type": "Feature", "geometry": place, "properties": {"kind": "stop"}}
        return {
            "type": "FeatureCollection", "positions": 14_400, "points": 31, "length_m": 12_345, "fresh": True,
            "as_of_ms": self.now_ms, "features": [way, stop],
        }  # fmt: skip

    def _fences(self, query: dict[str, str]) -> dict[str, Any]:
        return {"type": "FeatureCollection", "features": self.fences}

    def _here(self, query: dict[str, str]) -> dict[str, Any]:
        rows = len(self.posts[-1][1].get("time_ms", ())) if self.posts else 0
        return {
            "unit": 1,
            "name": "",
            "shared_at_ms": 1,
            "rows": rows,
            "accepted": rows,
            "refused": 0,
            "bad": [],
        }

    def _warnings(self, query: dict[str, str]) -> dict[str, Any]:
        return {"type": "FeatureCollection", "at_ms": self.now_ms, "features": self.warnings}

    def _me(self, query: dict[str, str]) -> dict[str, Any]:
        lons, lats = [s["lon"] for s in self.sites], [s["lat"] for s in self.sites]
        return {
            "id": 1,
            "username": "duty",
            "name": "王建国",
            "language": "zh-hans",
            "must_change_password": False,
            "memberships": [{"org": ORG, "path": "/1/2/", "role": "duty_officer"}],
            "may": {
                "alarm.view": ["/1/2/"],
                "alarm.ack": ["/1/2/"],
                "alarm.shelve": ["/1/2/"],
                "loop.act": ["/1/2/"],
            },
            "bounds": [min(lons), min(lats), max(lons), max(lats)],
        }

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        items = [a for a in self.alarms if a["state"] != "normal" and not (query.get("folded") and a["fold"])]
        if "site" in query:
            items = [a for a in items if a["site"]["code"] == query["site"]]
        return {"items": items, "next": None}

    def _storms(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return self.storms

    def _children(self, query: dict[str, str], pk: str) -> dict[str, Any]:
        found = [a for a in self.alarms if a["fold"] and a["fold"]["parent_id"] == int(pk)]
        unacked = sum(a["acked_at_ms"] is None for a in found)
        items = [
            a | {"reason": "其数据经演示泵站 · 数据网关传输。“静默”已在其前 2 秒触发。"} for a in found[:30]
        ]
        return {"items": items, "next": None, "all": len(found), "seen": len(found), "unacked": unacked}

    def fold(self, child: dict[str, Any], parent: dict[str, Any]) -> dict[str, Any]:
        """``child`` as it is once it is folded into ``parent``; both are other versions."""
        fold = {
            "parent_id": parent["id"], "cause_id": parent["id"], "rule": "link", "relation": "carries", "hops": 1,
            "lag_ms": 2000, "at_ms": self.now_ms,
        }  # fmt: skip
        parent["children"] += 1
        parent["version"] += 1
        child.update(fold=fold, version=child["version"] + 1, what="folded")
        return child

    def _timeline(self, query: dict[str, str]) -> dict[str, Any]:
        n, hours = 96, int(query.get("hours", 24))
        bucket = hours * 3_600_000 // n
        start = self.now_ms - self.now_ms % bucket - (n - 1) * bucket
        levels = [[0] * n for _ in range(4)]
        if self.alarms:
            for i in range(n):
                wave = math.sin(i * 0.37) + math.sin(i * 0.11 + 2)
                levels[2][i] = max(0, round(1.6 * wave))
                levels[1][i] = max(0, round(wave * 1.1 - 0.6))
                levels[3][i] = 1 if i % 9 == 4 else 0
            levels[0][40], levels[0][41], levels[0][95] = 1, 2, 1
        return {"from_ms": start, "bucket_ms": bucket, "levels": levels}

    def _find(self, pk: str) -> dict[str, Any] | None:
        return next((a for a in self.alarms if a["id"] == int(pk)), None)

    def _detail(self, query: dict[str, str], pk: str) -> dict[str, Any] | None:
        alarm = self._find(pk)
        if alarm is None:
            return None
        stream = next(s for s in self.streams if s["id"] == alarm["datastream"]["id"])
        rule = next((r for r in stream["rules"] if r["kind"] == alarm["kind"]), None)
        deeds = [{"at_ms": alarm["raised_at_ms"], "what": "raised", "actor": "", "note": ""}]
        if alarm["acked_at_ms"]:
            deeds.append(
                {
                    "at_ms": alarm["acked_at_ms"],
                    "what": "acked",
                    "actor": alarm["acked_by"],
                    "note": "已电话通知厂区值班室，正在核实",
                }
            )
        return {
            "alarm": alarm,
            "peak_at_ms": alarm["raised_at_ms"] + 45_000,
            "cleared_value": None,
            "ack_note": "",
            "parent": self._find(str(alarm["fold"]["parent_id"])) if alarm["fold"] else None,
            "reason": "",
            "rule": rule,
            "deeds": deeds,
            "loop": self._loop(alarm),
            "may": {"alarm.ack": True, "alarm.shelve": True, "rule.edit": False},
        }

    def _loop(self, alarm: dict[str, Any]) -> dict[str, Any]:
        at = 1 if alarm["acked_at_ms"] else 0
        names = ["待签收", "已签收", "处置中", "待核查", "已销警"]
        codes = ["received", "acknowledged", "handling", "to_check", "closed"]
        minutes = {1: 5, 2: 15, 3: 60, 4: 240}[alarm["priority"]]
        return {
            "loop": self._loop_brief(alarm, codes[at], names[at], minutes),
            "steps": [
                {"code": c, "name": n, "state": "done" if i < at else "now" if i == at else "next"}
                for i, (c, n) in enumerate(zip(codes, names, strict=True))
            ],
            "deeds": [],
            "actions": [],
            "alarm_id": alarm["id"],
        }

    def _loop_brief(self, alarm: dict[str, Any], step: str, name: str, minutes: int) -> dict[str, Any]:
        return {
            "type": "loop",
            "id": alarm["id"],
            "kind": "alarm_disposal",
            "kind_name": "报警处置",
            "kind_name_en": "Alarm disposal",
            "key": f"alarm:{alarm['key']}",
            "title": f"{alarm['site']['name']} · {alarm['datastream']['name']}",
            "title_en": f"{alarm['site']['name_en']} · {alarm['datastream']['name_en']}",
            "org": ORG,
            "org_path": "/1/2/",
            "level": alarm["priority"],
            "step": step,
            "step_name": name,
            "step_name_en": step,
            "step_since_ms": alarm["raised_at_ms"],
            "due_at_ms": alarm["raised_at_ms"] + minutes * MINUTE,
            "overdue": False,
            "assignee": None,
            "escalation": 1 if alarm["priority"] == 2 and alarm["id"] == 103 else 0,
            "escalated_to": None,
            "opened_at_ms": alarm["raised_at_ms"],
            "closed_at_ms": None,
            "outcome": "",
        }

    def _ack(self, query: dict[str, str], pk: str) -> dict[str, Any] | None:
        alarm = self._find(pk)
        if alarm is None:
            return None
        alarm["acked_at_ms"], alarm["acked_by"] = self.now_ms, "王建国"
        alarm["state"] = "normal" if alarm["cleared_at_ms"] else "active_acked"
        alarm["version"] += 1
        return alarm

    def _loops(self, query: dict[str, str]) -> dict[str, Any]:
        found = sorted((self._loop(a)["loop"] for a in self.alarms), key=lambda loop: loop["due_at_ms"])
        return {"items": found[: int(query.get("size", 50))], "next": None}

    def _map(self, query: dict[str, str]) -> dict[str, Any]:
        features = []
        for site in self.sites:
            at = [a for a in self.alarms if a["site"]["code"] == site["code"]]
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [site["lon"], site["lat"]]},
                    "properties": {
                        "cluster": False,
                        **{
                            k: site[k]
                            for k in ("code", "name", "name_en", "kind", "demo", "period_ms", "freshness")
                        },
                        "last_ms": site["observed_at_ms"],
                        "priority": min((a["priority"] for a in at), default=None),
                        "standing": sum(not a["fold"] for a in at),
                        "folded": sum(bool(a["fold"]) for a in at),
                    },
                }
            )
        return {"type": "FeatureCollection", "at_ms": self.now_ms, "clustered": False, "features": features}

    def _layers(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "name": p.stem,
                "title": p.stem,
                "title_en": p.stem,
                "source": "行政区划：GB/T 2260，CGCS2000",
                "url": f"/api/v1/map/layers/{p.stem}",
                "bytes": p.stat().st_size,
            }
            for p in sorted((REGION / "layers").glob("*.geojson"))
        ]

    def _layer(self, query: dict[str, str], name: str) -> Any:
        return json.loads((REGION / "layers" / f"{name}.geojson").read_text())

    def _site(self, query: dict[str, str], code: str) -> dict[str, Any] | None:
        site = next((s for s in self.sites if s["code"] == code), None)
        if site is None:
            return None
        return {
            "site": site,
            "things": [{k: v for k, v in t.items() if k != "site"} for t in self.things if t["site"] == code],
            "streams": [
                {k: v for k, v in s.items() if k != "site"} for s in self.streams if s["site"] == code
            ],
            "may": {"alarm.ack": True, "alarm.shelve": True, "rule.edit": False, "site.edit": False},
        }

    def _latest(self, query: dict[str, str], code: str) -> dict[str, Any]:
        streams = [s for s in self.streams if s["site"] == code]
        site = next(s for s in self.sites if s["code"] == code)
        return {
            "site": site["id"],
            "at_ms": self.now_ms,
            "source": "pipeline",
            "ids": [s["id"] for s in streams],
            "time_ms": [self._end(s) for s in streams],
            "v": [self._value(s, self._end(s)) for s in streams],
            "q": [1 if i == 4 else 0 for i in range(len(streams))],
            "reason": [21 if i == 4 else 0 for i in range(len(streams))],
        }

    def _end(self, stream: dict[str, Any]) -> int:
        """When its last reading was: most go on, one is late and one has stopped."""
        behind = {5: 30_000, 9: 6 * MINUTE}.get(stream["id"] % 16, 1_500)
        return self.now_ms - behind - (self.now_ms % 1_000)

    def _value(self, stream: dict[str, Any], at_ms: int) -> float:
        """A smooth, lively, repeatable curve inside the datastream's range; an alarm's own goes over its limit."""
        i = stream["id"]
        minutes = (at_ms - self.now_ms) / MINUTE
        wobble = (
            math.sin(minutes * (0.9 + i % 5 * 0.13) + i)
            + 0.5 * math.sin(minutes * 3.1 + i * 2)
            + 0.28 * math.sin(minutes * 17.3 + i * 3)
            + 0.16 * math.sin(minutes * 61.7 + i)
        )
        alarm = next(
            (a for a in self.alarms if a["datastream"]["id"] == i and a["setpoint"] is not None), None
        )
        if alarm:
            setpoint, value = alarm["setpoint"], alarm["peak_value"]
            start = (alarm["raised_at_ms"] - self.now_ms) / MINUTE
            width = abs(value - setpoint) or abs(setpoint) * 0.02 or 1
            rise = 1 / (1 + math.exp(-(minutes - start) * 1.6))
            base = setpoint - math.copysign(width * 1.6, value - setpoint)
            return base + (value - base) * (0.35 + 0.65 * rise) + wobble * width * 0.1
        low, high = stream["range_min"], stream["range_max"]
        if low is None or high is None:
            low, high = 0.0, 100.0
        middle = low + (high - low) * (0.35 + (i % 7) * 0.05)
        return middle + wobble * (high - low) * 0.012

    def _readings(self, query: dict[str, str], pk: str) -> dict[str, Any]:
        stream = next(s for s in self.streams if s["id"] == int(pk))
        start, end = int(query["from"]), min(int(query["to"]), self._end(stream))
        n = int(query.get("points", 480))
        step = max(1_000, (end - start) // n)
        times = list(range(start - start % step + step, end + 1, step))
        return {
            "datastream": {k: stream[k] for k in ("id", "code", "name", "name_en", "unit", "decimals")},
            "from_ms": start,
            "to_ms": int(query["to"]),
            **self._shown(),
            "rows": max(0, (end - start) // stream["period_ms"]),
            "sampled": True,
            "time_ms": times,
            "v": [round(self._value(stream, t), 6) for t in times],
            "q": [0] * len(times),
            "reason": [0] * len(times),
        }

    def _curves(self, query: dict[str, str], code: str) -> dict[str, Any]:
        curves = [{"id": int(pk)} | self._readings(query, pk) for pk in query["ids"].split(",")]
        return {
            "site": next(s["id"] for s in self.sites if s["code"] == code),
            "from_ms": int(query["from"]),
            "to_ms": int(query["to"]),
            **self._shown(),
            "curves": [
                {k: v for k, v in c.items() if k not in ("datastream", "from_ms", "to_ms", *self._shown())}
                for c in curves
            ],
        }

    def _shown(self) -> dict[str, Any]:
        return {"fresh": True, "as_of_ms": self.now_ms, "only_aggregates": None}

    def frame(self, code: str, at_ms: int) -> dict[str, Any]:
        """A telemetry frame of a site at ``at_ms``."""
        streams = [s for s in self.streams if s["site"] == code]
        site = next(s for s in self.sites if s["code"] == code)
        return {
            "site": site["id"],
            "t_ms": at_ms,
            "ids": [s["id"] for s in streams],
            "time_ms": [at_ms] * len(streams),
            "v": [round(self._value(s, at_ms), 6) for s in streams],
            "q": [0] * len(streams),
        }

    def _search(self, query: dict[str, str]) -> dict[str, Any]:
        q = query.get("q", "").lower()
        hits = [
            {
                "kind": "site",
                "id": s["id"],
                "code": s["code"],
                "name": s["name"],
                "name_en": s["name_en"],
                "where": ORG["name"],
                "url": f"/sites/{s['code']}/",
                "priority": None,
            }
            for s in self.sites
            if q in s["code"] or q in s["name"] or q in s["name_en"].lower()
        ]
        return {"q": q, "hits": hits}


def clean(value: Any) -> Any:
    """What JSON can carry: NaN becomes null, as the API does."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: clean(v) for k, v in value.items()}
    return [clean(v) for v in value] if isinstance(value, list) else value
