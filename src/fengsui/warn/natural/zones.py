"""Where a level holds: the zone of a hazard as plain data, and the level at each of many places from now on.

A zone is a JSON object that is kept with the statement it belongs to, so that what was known can be asked again:

``{"form": "bands", "lon", "lat", "bands": [[level, km], …]}`` circles around a point, the worst first
``{"form": "rings", "level", "rings": [[[lon, lat], …], …]}`` outlines, each an area of its own
``{"form": "track", "signals": [[grade, within_h, level], …], "steps": [[ms, lon, lat, wind, circles, error_km], …]}``
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from fengsui.warn.natural import storm
from fengsui.warn.natural.thresholds import CALM, GRADES, Thresholds

HOUR_MS = 3_600_000


def bands(lon: float, lat: float, found: Sequence[tuple[int, float]]) -> dict[str, Any]:
    return {"form": "bands", "lon": lon, "lat": lat, "bands": [[level, km] for level, km in found]}


def track(steps: Sequence[storm.Step], by: Thresholds) -> dict[str, Any]:
    return {
        "form": "track",
        "signals": [[one.grade, one.within_h, one.level] for one in by.wind],
        "steps": [
            [one.at_ms, one.lon, one.lat, one.wind_m_s, [list(four) for four in one.circles], one.error_km]
            for one in steps
        ],
    }


def levels(zone: Mapping[str, Any], lon: np.ndarray, lat: np.ndarray, times_ms: Sequence[int]) -> np.ndarray:
    """The level of each place at each time: uint8 [times, n], 1 red … 4 blue, CALM none.

    Only a track changes with time; how long another zone holds is its statement's affair.
    """
    if zone["form"] == "track":
        return _track(zone, lon, lat, times_ms)
    one = np.full(len(lon), CALM, np.uint8)
    if zone["form"] == "bands":
        km = storm.distance_km(zone["lon"], zone["lat"], lon, lat)
        for level, reach in reversed(zone["bands"]):
            one[km <= reach] = level
    else:
        for ring in zone["rings"]:
            one[within(ring, lon, lat)] = zone["level"]
    return np.broadcast_to(one, (len(times_ms), len(lon)))


def within(ring: Sequence[Sequence[float]], lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Which places lie in an outline or on its edge; bool [n].  One that encloses nothing holds nobody."""
    points = np.asarray(ring, float)
    out = np.zeros(len(lon), bool)
    if points.ndim != 2 or len(points) < 4 or not np.isfinite(points).all():
        return out
    west, south = points[:, :2].min(axis=0)
    east, north = points[:, :2].max(axis=0)
    near = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
    if len(near):
        shape = shapely.Polygon(points[:, :2])
        shapely.prepare(shape)
        out[near] = shapely.intersects_xy(shape, lon[near], lat[near])
    return out


def _track(zone: Mapping[str, Any], lon: np.ndarray, lat: np.ndarray, times_ms: Sequence[int]) -> np.ndarray:
    out = np.full((len(times_ms), len(lon)), CALM, np.uint8)
    steps = [
        storm.Step(at, x, y, wind, tuple(tuple(four) for four in circles), error, False)  # type: ignore[arg-type]
        for at, x, y, wind, circles, error in zone["steps"]
    ]
    if not steps:
        return out
    when = np.array([one.at_ms for one in steps], np.int64)
    hit = {grade: np.stack([storm.inside(one, grade, lon, lat) for one in steps]) for grade in GRADES}
    for grade, within_h, level in sorted(zone["signals"], key=lambda one: -one[2]):
        for i, at in enumerate(times_ms):
            ahead = (when >= at - storm.STEP_MS // 2) & (when <= at + within_h * HOUR_MS)
            if ahead.any():
                row = out[i]
                row[hit[grade][ahead].any(axis=0) & (row > level)] = level
    return out


def ring(lon: float, lat: float, km: float, points: int = 48) -> list[list[float]]:
    """A circle as an outline, for maps."""
    return quarters(lon, lat, (km, km, km, km), points // 4)


def quarters(lon: float, lat: float, km: Sequence[float], points: int = 12) -> list[list[float]]:
    """A wind circle as an outline: north-east, south-east, south-west, north-west radii in km."""
    made = []
    for quarter, reach in enumerate(km):
        bearings = np.radians(90 * quarter + np.linspace(0, 90, points + 1))
        angle = reach * 1000 / storm.EARTH_M
        y0, x0 = np.radians(lat), np.radians(lon)
        y = np.arcsin(np.sin(y0) * np.cos(angle) + np.cos(y0) * np.sin(angle) * np.cos(bearings))
        x = x0 + np.arctan2(
            np.sin(bearings) * np.sin(angle) * np.cos(y0), np.cos(angle) - np.sin(y0) * np.sin(y)
        )
        made += [
            [round(float(a), 4), round(float(b), 4)]
            for a, b in zip(np.degrees(x), np.degrees(y), strict=True)
        ]
    return [*made, made[0]]
