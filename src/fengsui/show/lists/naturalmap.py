"""Natural hazards as GeoJSON for one hour of the next day: outlines, tracks, wind circles, gauges."""

from datetime import timedelta
from typing import Any

import numpy as np

from fengsui.show.lists import naturals as lists
from fengsui.show.lists.naturals import Look
from fengsui.warn.natural import zones
from fengsui.warn.natural.thresholds import CALM, GRADES
from fengsui.warn.naturals import judging, services
from fengsui.warn.naturals.exposure import Hazard
from fengsui.warn.naturals.models import Gauge, Statement

HOUR_MS = 3_600_000
MOST_QUAKES = 500


def moment(user: Any, seen: Look, hours: int, kind: str = "") -> dict[str, Any]:
    """What holds ``hours`` after the look: sites that are under something in columns, hazards as features."""
    wanted = seen.times_ms[0] + hours * HOUR_MS
    step = int(np.argmin(np.abs(np.array(seen.times_ms, np.int64) - wanted)))
    at_ms = seen.times_ms[step]
    levels = seen.levels[:, step, :].min(axis=0) if len(seen.hazards) else np.full(len(seen.where.ids), CALM)
    under = np.flatnonzero(levels < CALM)
    features = [one for hazard in seen.hazards for one in _features(hazard, at_ms)]
    features += _elsewhere(user, seen, at_ms, kind)
    return {
        "at_ms": at_ms,
        "ids": seen.where.ids[under].tolist(),
        "lon": seen.where.lon[under].tolist(),
        "lat": seen.where.lat[under].tolist(),
        "level": levels[under].tolist(),
        "calm": len(levels) - len(under),
        "features": {"type": "FeatureCollection", "features": features + _gauges(user)},
    }


def _features(one: Hazard, at_ms: int) -> list[dict[str, Any]]:
    words = {"kind": one.kind, "level": one.level, "name": one.name, "name_en": one.name_en}
    if at_ms < one.begins_ms or (
        one.until_ms is not None and at_ms >= one.until_ms and one.zone["form"] != "track"
    ):
        return []
    if one.zone["form"] == "track":
        return _track(one.zone["steps"], words, at_ms)
    made = []
    if one.zone["form"] == "bands":
        lon, lat = one.zone["lon"], one.zone["lat"]
        for level, km in reversed(one.zone["bands"]):
            if level < CALM:
                made.append(
                    _polygon([zones.ring(lon, lat, km)], words | {"level": level, "km": round(km, 1)})
                )
        made.append(_feature({"type": "Point", "coordinates": [lon, lat]}, words | {"what": "centre"}))
    elif one.zone["form"] == "rings":
        made += [_polygon([ring], words) for ring in one.zone["rings"] if len(ring) >= 4]
    return made


def _track(steps: list[Any], words: dict[str, Any], at_ms: int) -> list[dict[str, Any]]:
    line = [[step[1], step[2]] for step in steps]
    made = []
    if len(line) > 1:
        made.append(_feature({"type": "LineString", "coordinates": line}, words | {"what": "track"}))
    here = min(steps, key=lambda step: abs(step[0] - at_ms))
    if abs(here[0] - at_ms) <= HOUR_MS:
        for grade, km in zip(GRADES, here[4], strict=True):
            if max(km) > 0:
                ring = zones.quarters(here[1], here[2], km)
                made.append(_polygon([ring], words | {"grade": grade, "level": {7: 3, 10: 2, 12: 1}[grade]}))
        made.append(
            _feature({"type": "Point", "coordinates": [here[1], here[2]]}, words | {"what": "centre"})
        )
    return made


def _elsewhere(user: Any, seen: Look, at_ms: int, kind: str) -> list[dict[str, Any]]:
    """Storms under way and earthquakes of the last days that no site is under."""
    by = services.in_force()
    told = {one.key.rpartition(":")[0] for one in seen.hazards}
    made: list[dict[str, Any]] = []
    if kind in ("", "typhoon"):
        mine = set(lists.storms(user).values_list("pk", flat=True))
        for row, steps, _by_whom in judging.paths(seen.at, by):
            if row.pk in mine and f"typhoon:{row.source_id}:{row.key}" not in told:
                name = row.name or row.name_en or row.key
                words = {
                    "kind": "typhoon",
                    "level": CALM,
                    "name": f"台风{name}",
                    "name_en": f"Typhoon {row.name_en or name}",
                }
                made += _track(zones.track(steps, by)["steps"], words, at_ms)
    if kind in ("", "quake"):
        since = seen.at - timedelta(hours=by.quake_hours)
        for quake in lists.quakes(user).filter(
            origin_at__gt=since, origin_at__lte=seen.at, magnitude__gte=by.least_magnitude
        )[:MOST_QUAKES]:
            if f"quake:{quake.source_id}:{quake.key}" not in told:
                words = {
                    "kind": "quake",
                    "level": CALM,
                    "what": "centre",
                    "name": str(quake),
                    "name_en": str(quake),
                }
                made.append(
                    _feature({"type": "Point", "coordinates": [quake.longitude, quake.latitude]}, words)
                )
    return made


def _gauges(user: Any) -> list[dict[str, Any]]:
    rows = Gauge.objects.concerning(user).filter(is_active=True).select_related("datastream__site")[:5000]
    level = dict(
        Statement.objects.concerning(user).filter(cleared_at=None, kind__in=("rain", "stage", "tailings"))
        .values_list("subject", "level")
    )  # fmt: skip
    made = []
    for row in rows:
        kind = {"rain_total": "rain", "pond": "tailings"}.get(row.kind, row.kind)
        site = row.datastream.site
        about = site.pk if kind == "tailings" else row.datastream_id
        made.append(
            _feature(
                {"type": "Point", "coordinates": [site.longitude, site.latitude]},
                {"what": "gauge", "kind": kind, "level": level.get(f"{kind}:{about}", CALM),
                 "name": f"{site.name} · {row.datastream.name}",
                 "name_en": f"{site.name_en or site.name} · {row.datastream.name_en or row.datastream.name}"},
            )
        )  # fmt: skip
    return made


def _polygon(rings: Any, words: dict[str, Any]) -> dict[str, Any]:
    return _feature({"type": "Polygon", "coordinates": rings}, words | {"what": "area"})


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}
