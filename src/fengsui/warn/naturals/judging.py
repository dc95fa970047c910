"""Levels in force: from rows and readings of one moment, with hysteresis, under keys that a replay makes again.

``evaluate(at)`` depends on nothing but what is stored up to ``at`` and the statements in force; run at the same moments
over the same rows it writes the same statements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection, transaction

from fengsui.base import units
from fengsui.base.quality import Quality
from fengsui.sense.devices.models import Site
from fengsui.stores import clock, history, outbox
from fengsui.warn.natural import fire, hold, quake, rain, stage, storm, tailings, zones
from fengsui.warn.natural.thresholds import CALM, Thresholds
from fengsui.warn.naturals import services
from fengsui.warn.naturals.models import (
    FireDay,
    FireStation,
    Gauge,
    GaugeKind,
    Quake,
    Statement,
    StatementChange,
    Storm,
)
from fengsui.warn.naturals.taking import fix_of

LOCK = 0x4E415455  # pg_advisory: one judges at a time
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AHEAD_H = 48  # how far a storm's zone is kept
SILENT_H = 24  # a level of a gauge that was not heard for so long is no longer said
NOON = 12
NOON_SPAN_MS = HOUR_MS
REMEMBER = timedelta(days=3)  # codes of fire weather older than this are begun anew
ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Done:
    """How many were judged, raised, changed in level, and cleared."""

    judged: int = 0
    raised: int = 0
    changed: int = 0
    cleared: int = 0


@dataclass(frozen=True, slots=True)
class _Said:
    """What is found of one subject: levels by the thresholds and by lowered ones; ``hold_s`` before it may fall."""

    kind: str
    subject: str
    org_path: str
    name: str
    name_en: str
    source: str
    source_en: str
    up: int
    down: int
    why: dict[str, Any]
    zone: dict[str, Any]
    hold_s: int
    until_ms: int | None = None
    is_demo: bool = False
    reach_km: float = 0.0  # of a gauge: its zone follows the level that is held


@dataclass(frozen=True, slots=True)
class _Sites:
    lon: np.ndarray
    lat: np.ndarray
    paths: list[str]

    def under(self, org_path: str) -> tuple[np.ndarray, np.ndarray]:
        mine = np.array([path.startswith(org_path) for path in self.paths], bool)
        return self.lon[mine], self.lat[mine]


@transaction.atomic
def evaluate(at: datetime | None = None) -> Done:
    """Judge everything as of ``at`` (now): raise, change and clear statements.  One at a time, however many call."""
    at = at or clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    by, at_ms = services.in_force(), round(at.timestamp() * 1000)
    open_now = {row.subject: row for row in Statement.objects.in_force()}
    judged = raised = changed = cleared = 0
    seen: set[str] = set()
    for said in _everything(at, at_ms, by):
        judged += 1
        seen.add(said.subject)
        was, now = _keep(open_now.get(said.subject), said, at, at_ms, by)
        raised += was == CALM and now != CALM
        cleared += was != CALM and now == CALM
        changed += was != now and CALM not in (was, now)
    for subject, row in sorted(
        open_now.items()
    ):  # what is no longer spoken of: over, out of use, or long silent
        if subject not in seen and _is_over(row, at):
            _clear(row, at)
            cleared += 1
    if raised or changed or cleared:
        outbox.add("risk.stale")
    return Done(judged, raised, changed, cleared)


def _everything(at: datetime, at_ms: int, by: Thresholds) -> Iterator[_Said]:
    rows = Site.objects.filter(is_active=True).order_by("pk").values_list("longitude", "latitude", "org_path")
    listed = list(rows)
    sites = _Sites(
        np.array([row[0] for row in listed], float),
        np.array([row[1] for row in listed], float),
        [row[2] for row in listed],
    )
    yield from _gauges(at_ms, by)
    yield from _fires(at, at_ms, by)
    yield from _quakes(at, by, sites)
    yield from _storms(at, at_ms, by, sites)


# ---- gauges ------------------------------------------------------------------------------------------------------


def _gauges(at_ms: int, by: Thresholds) -> Iterator[_Said]:
    rows = Gauge.objects.filter(is_active=True, datastream__is_active=True, datastream__stopped_at=None)
    gauges = list(rows.select_related("datastream__site").order_by("pk"))
    values = _readings([one.datastream_id for one in gauges], at_ms - DAY_MS, at_ms)
    ponds: dict[int, list[tuple[Gauge, float]]] = {}
    for gauge in gauges:
        times, read = values.get(gauge.datastream_id, (np.zeros(0, np.int64), np.zeros(0)))
        if not len(times):
            continue
        if gauge.kind in (GaugeKind.RAIN, GaugeKind.RAIN_TOTAL):
            mm = _in(gauge, read, "mm")
            yield _rain(gauge, times, mm, at_ms, by)
        elif gauge.kind == GaugeKind.STAGE:
            yield _stage(gauge, times, _in(gauge, read, "m"), at_ms, by)
        else:
            ponds.setdefault(gauge.datastream.site_id, []).append((gauge, float(read[-1])))
    for _site, parts in sorted(ponds.items()):
        yield _pond(parts, by)


def _rain(gauge: Gauge, times: np.ndarray, mm: np.ndarray, at_ms: int, by: Thresholds) -> _Said:
    fell = rain.sums(times, rain.fallen(mm, gauge.kind == GaugeKind.RAIN_TOTAL), at_ms)
    up, hit = rain.signal(fell, by.rain)
    down, _hit = rain.signal(fell, by.rain, by.rain_lower)
    why = {"sums": {str(hours): value for hours, value in fell.items()}, "at_ms": int(times[-1])}
    if hit is not None:
        why |= {"hours": hit.hours, "mm": hit.mm}
    return _of_gauge("rain", gauge, up, down, why, by)


def _stage(gauge: Gauge, times: np.ndarray, metres: np.ndarray, at_ms: int, by: Thresholds) -> _Said:
    station = stage.Station(gauge.warning_m or 0.0, gauge.guarantee_m or 0.0)
    recent = times > at_ms - by.rise_window_h * HOUR_MS
    rise = stage.rise_m_h(times[recent], metres[recent])
    now = float(metres[-1])
    up = stage.judge(now, rise, station, by)
    down = stage.judge(now, rise, station, by, by.stage_deadband_m)
    why = {
        "stage_m": round(now, 3), "rise_m_h": rise, "warning_m": gauge.warning_m, "guarantee_m": gauge.guarantee_m,
        "datum": gauge.datum, "reached": up.reached or down.reached, "in_h": up.in_h, "at_ms": int(times[-1]),
    }  # fmt: skip
    return _of_gauge("stage", gauge, up.level, down.level, why, by)


def _pond(parts: list[tuple[Gauge, float]], by: Thresholds) -> _Said:
    ups, downs, told = [], [], []
    for gauge, value in parts:
        limits = tailings.Limits(
            *(float(one or 0) for one in (gauge.blue, gauge.yellow, gauge.orange, gauge.red))
        )
        ups.append(tailings.level(value, limits))
        downs.append(tailings.level(value, limits, by.tailings_lower))
        stream = gauge.datastream
        told.append(
            {"name": stream.name, "name_en": stream.name_en or stream.name, "value": round(value, 3),
             "unit": stream.unit, "level": ups[-1]}
        )  # fmt: skip
    why = {"parts": told, "together": by.together}
    return _of_gauge(
        "tailings",
        parts[0][0],
        tailings.together(ups, by),
        tailings.together(downs, by),
        why,
        by,
        whole_site=True,
    )


def _of_gauge(
    kind: str, gauge: Gauge, up: int, down: int, why: dict[str, Any], by: Thresholds, whole_site: bool = False
) -> _Said:
    stream, site = gauge.datastream, gauge.datastream.site
    name, name_en = site.name, site.name_en or site.name
    if not whole_site:
        name, name_en = f"{name} · {stream.name}", f"{name_en} · {stream.name_en or stream.name}"
    return _Said(
        kind, f"{kind}:{site.pk if whole_site else stream.pk}", site.org_path, name[:200], name_en[:240],
        site.name, site.name_en or site.name, up, down, why,
        zones.bands(site.longitude, site.latitude, [(up, gauge.reach_km)]), by.after_s, is_demo=site.is_demo,
        reach_km=gauge.reach_km,
    )  # fmt: skip


def _readings(ids: list[int], from_ms: int, to_ms: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Good readings of (from, to] by datastream, in order of time."""
    if not ids:
        return {}
    table = history.query(ids, from_ms + 1, to_ms + 1)
    stream = table["datastream"].to_numpy()
    time_ms = table["time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    value, quality = table["value"].to_numpy(), table["quality"].to_numpy()
    good = (quality != Quality.BAD) & np.isfinite(value)
    return {
        one: (time_ms[mine], value[mine])
        for one in np.unique(stream[good]).tolist()
        if (mine := good & (stream == one)).any()
    }


def _in(gauge: Gauge, values: np.ndarray, unit: str) -> np.ndarray:
    return _to(values, gauge.datastream.unit, unit)


def _to(values: Any, have: str, want: str) -> Any:
    return values if not have or have == want else units.convert(values, have, want)


# ---- fire weather ------------------------------------------------------------------------------------------------


def _fires(at: datetime, at_ms: int, by: Thresholds) -> Iterator[_Said]:
    local = at.astimezone(ZONE)
    noon = local.replace(hour=NOON, minute=0, second=0, microsecond=0)
    if at < noon + timedelta(milliseconds=NOON_SPAN_MS):
        noon -= timedelta(days=1)  # readings around noon are not all there yet
    rows = FireStation.objects.filter(is_active=True, site__is_active=True)
    for station in rows.select_related("site", "temperature", "humidity", "wind", "rain").order_by("pk"):
        day = station.days.filter(day=noon.date()).first() or _reckon(station, noon, by)
        if day is None:
            continue
        level = fire.level(day.fwi, by)
        why = {
            "day": day.day.isoformat(), "temperature_c": day.temperature_c, "humidity": day.humidity,
            "wind_km_h": day.wind_km_h, "rain_mm": day.rain_mm, "ffmc": round(day.ffmc, 1), "dmc": round(day.dmc, 1),
            "dc": round(day.dc, 1), "isi": round(day.isi, 1), "bui": round(day.bui, 1), "fwi": round(day.fwi, 1),
        }  # fmt: skip
        site = station.site
        yield _Said(
            "fire", f"fire:{station.pk}", site.org_path, site.name, site.name_en or site.name, site.name,
            site.name_en or site.name, level, fire.level(day.fwi, by, by.fire_deadband), why,
            zones.bands(site.longitude, site.latitude, [(level, station.reach_km)]), 0,
            round((noon + timedelta(days=1, hours=1)).timestamp() * 1000), site.is_demo, station.reach_km,
        )  # fmt: skip


def _reckon(station: FireStation, noon: datetime, by: Thresholds) -> FireDay | None:
    """The day's codes from readings around noon; None, with the reason on the station, where one is missing."""
    noon_ms = round(noon.timestamp() * 1000)
    streams = {name: getattr(station, name) for name in ("temperature", "humidity", "wind", "rain")}
    wanted = {"temperature": "°C", "humidity": "%", "wind": "km/h"}
    found = _readings([one.pk for one in streams.values()], noon_ms - DAY_MS, noon_ms + NOON_SPAN_MS)
    value, error = {}, ""
    for name, unit in wanted.items():
        times, read = found.get(streams[name].pk, (np.zeros(0, np.int64), np.zeros(0)))
        near = np.abs(times - noon_ms) <= NOON_SPAN_MS
        if not near.any():
            error = error or f"{name}: no reading around noon of {noon.date()}"
            continue
        closest = int(np.argmin(np.where(near, np.abs(times - noon_ms), DAY_MS)))
        value[name] = float(_to(read[closest], streams[name].unit, unit))
    times, read = found.get(station.rain_id, (np.zeros(0, np.int64), np.zeros(0)))
    if not len(times):
        error = error or f"rain: no reading in the day before noon of {noon.date()}"
    rain_mm = float(rain.fallen(_to(read, station.rain.unit, "mm"), False)[times <= noon_ms].sum())
    made = None
    if not error:
        before = station.days.filter(day__lt=noon.date(), day__gte=noon.date() - REMEMBER).first()
        codes = fire.Codes(before.ffmc, before.dmc, before.dc) if before else fire.Codes(*by.fire_start)
        try:
            told = fire.day(
                codes, value["temperature"], value["humidity"], value["wind"], rain_mm, noon.month,
                station.site.latitude,
            )  # fmt: skip
        except ValueError as bad:
            error = str(bad)
        else:
            made = _fire_day(station, noon.date(), value, rain_mm, told)
    if station.error != error[:200]:
        FireStation.objects.filter(pk=station.pk).update(error=error[:200])
    return made


def _fire_day(
    station: FireStation, day: date, value: dict[str, float], rain_mm: float, told: fire.Day
) -> FireDay:
    return FireDay.objects.create(
        station=station, day=day, temperature_c=value["temperature"], humidity=value["humidity"],
        wind_km_h=value["wind"], rain_mm=rain_mm, ffmc=told.codes.ffmc, dmc=told.codes.dmc, dc=told.codes.dc,
        isi=told.isi, bui=told.bui, fwi=told.fwi,
    )  # fmt: skip


# ---- earthquakes and storms --------------------------------------------------------------------------------------


def _quakes(at: datetime, by: Thresholds, sites: _Sites) -> Iterator[_Said]:
    rows = Quake.objects.filter(
        is_current=True, origin_at__lte=at, origin_at__gt=at - timedelta(hours=by.quake_hours),
        magnitude__gte=by.least_magnitude,
    ).exclude(status="deleted")  # fmt: skip
    told: list[Quake] = []
    for row in rows.select_related("source__org").order_by("source_id", "origin_at", "pk"):
        if any(_is_same(row, other) for other in told):
            continue  # the same earthquake by another feed: the one that stands first speaks
        told.append(row)
        org_path = row.source.org.path
        found = quake.bands(row.magnitude, row.longitude, by)
        zone = zones.bands(row.longitude, row.latitude, found)
        level = _worst(zone, *sites.under(org_path), [0])
        name = f"{row.place} {row.magnitude:g} 级地震".strip()
        name_en = f"M {row.magnitude:g} earthquake, {row.place}".strip(", ")
        why = {
            "magnitude": row.magnitude, "depth_km": row.depth_km, "longitude": row.longitude, "latitude": row.latitude,
            "origin_ms": round(row.origin_at.timestamp() * 1000), "status": row.status, "bands": zone["bands"],
        }  # fmt: skip
        until = row.origin_at + timedelta(hours=by.quake_hours)
        yield _Said(
            "quake", f"quake:{row.source_id}:{row.key}", org_path, name[:200], name_en[:240], row.source.name,
            row.source.name_en or row.source.name, level, level, why, zone, 0, round(until.timestamp() * 1000),
            row.source.is_demo,
        )  # fmt: skip


def _is_same(one: Quake, other: Quake) -> bool:
    if one.source_id == other.source_id or one.source.org_id != other.source.org_id:
        return False
    seconds = (one.origin_at - other.origin_at).total_seconds()
    km = storm.distance_km(
        one.longitude, one.latitude, np.array([other.longitude]), np.array([other.latitude])
    )
    return quake.is_same(seconds, float(km[0]))


def _storms(at: datetime, at_ms: int, by: Thresholds, sites: _Sites) -> Iterator[_Said]:
    for row, steps, by_whom in paths(at, by):
        zone = zones.track(steps, by)
        lon, lat = sites.under(row.source.org.path)
        level = _worst(zone, lon, lat, [at_ms])
        until = max(
            (one.at_ms for one in steps if len(lon) and storm.inside(one, 7, lon, lat).any()), default=None
        )
        name = row.name or row.name_en or row.key
        first = steps[0]
        why = {
            "number": row.key, "longitude": first.lon, "latitude": first.lat, "wind_m_s": first.wind_m_s,
            "estimated": any(one.is_estimated for one in steps), "forecast_by": by_whom, "at_ms": first.at_ms,
            "radius_km": [max(four) for four in first.circles],
        }  # fmt: skip
        yield _Said(
            "typhoon", f"typhoon:{row.source_id}:{row.key}", row.source.org.path, f"台风{name}"[:200],
            f"Typhoon {row.name_en or name}"[:240], row.source.name, row.source.name_en or row.source.name, level,
            level, why, zone, by.after_s, until, row.source.is_demo,
        )  # fmt: skip


def paths(at: datetime, by: Thresholds) -> Iterator[tuple[Storm, list[storm.Step], str]]:
    """Storms that were heard of lately, hour by hour from ``at`` on, and whose forecast it is ("": by its motion)."""
    since = at - timedelta(hours=by.silent_h)
    at_ms = round(at.timestamp() * 1000)
    live = Storm.objects.filter(fixes__at__gt=since, fixes__at__lte=at).distinct()
    for row in live.select_related("source__org").order_by("pk"):
        fixes = list(row.fixes.filter(at__lte=at).order_by("-at")[:2])[::-1]
        seen = [fix_of(one, round(one.at.timestamp() * 1000)) for one in fixes]
        said = row.forecasts.filter(issued_at__lte=at, issued_at__gt=since).first()
        ahead = [fix_of(one, one["at_ms"]) for one in said.points] if said else []
        steps = storm.path(seen, ahead, at_ms, AHEAD_H, by)
        if steps:
            yield row, steps, said.by if said else ""


def _worst(zone: dict[str, Any], lon: np.ndarray, lat: np.ndarray, times: list[int]) -> int:
    return int(zones.levels(zone, lon, lat, times).min()) if len(lon) else CALM


# ---- statements --------------------------------------------------------------------------------------------------


def _keep(row: Statement | None, said: _Said, at: datetime, at_ms: int, by: Thresholds) -> tuple[int, int]:
    """Level before and after."""
    before = hold.Held(row.level, row.below_ms, row.floor) if row else hold.Held()
    after = hold.step(before, said.up, said.down, at_ms, said.hold_s)
    if row is None and after.level == CALM:
        return CALM, CALM
    if row is not None and after.level == CALM:
        _clear(row, at)
        return before.level, CALM
    zone = said.zone
    if said.reach_km:
        zone = zone | {"bands": [[after.level, said.reach_km]]}
    until = None if said.until_ms is None else services.moment(said.until_ms)
    values = {
        "level": after.level, "below_ms": after.below_ms, "floor": after.floor, "zone": zone, "why": said.why,
        "until_at": until, "thresholds_sha256": by.sha256, "judged_at": at, "name": said.name, "name_en": said.name_en,
        "source_name": said.source, "source_name_en": said.source_en, "org_path": said.org_path,
    }  # fmt: skip
    if row is None:
        row = Statement.objects.create(
            key=f"{said.subject}:{at_ms}", kind=said.kind, subject=said.subject, raised_at=at, level_since=at,
            is_demo=said.is_demo, **values,
        )  # fmt: skip
        _note(row, at)
        return CALM, after.level
    if after.level != row.level:
        values["level_since"] = at
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    if after.level != before.level:
        _note(row, at)
    return before.level, after.level


def _is_over(row: Statement, at: datetime) -> bool:
    if row.until_at is not None and row.until_at <= at:
        return True
    if row.kind in ("quake", "typhoon"):
        return True  # withdrawn, or nothing more was heard of it
    return row.judged_at + timedelta(hours=SILENT_H) <= at  # silence is not safety, for a day


def _clear(row: Statement, at: datetime) -> None:
    row.cleared_at = row.judged_at = at
    row.save(update_fields=["cleared_at", "judged_at"])
    StatementChange.objects.create(statement=row, at=at, level=CALM, why=row.why)


def _note(row: Statement, at: datetime) -> None:
    StatementChange.objects.create(statement=row, at=at, level=row.level, why=row.why)
