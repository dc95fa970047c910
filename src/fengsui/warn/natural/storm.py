"""A tropical cyclone now and as forecast: where its wind circles (风圈) of grades 7, 10 and 12 are, hour by hour.

Between fixes everything runs linearly.  A circle that nobody reports is estimated from the greatest wind: radius of the
greatest wind by Willoughby, Darling & Rahn (2006), R = 46.4·exp(−0.0155·V + 0.0169·φ) km, and outside it a modified
Rankine vortex, V(r) = Vmax·(R/r)^x with x = 0.5; both from memory, configurable, and said so beside the level.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fengsui.base.place import EARTH_M
from fengsui.warn.natural.thresholds import GRADES, Thresholds

HOUR_MS = 3_600_000
STEP_MS = HOUR_MS
Quadrants = tuple[float, float, float, float]  # km: north-east, south-east, south-west, north-west
NOWHERE: Quadrants = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fix:
    """Where its centre is or will be (WGS 84, degrees), greatest mean wind in m/s, circles by grade where reported."""

    at_ms: int
    lon: float
    lat: float
    wind_m_s: float | None
    pressure_hpa: float | None = None
    circles: tuple[Quadrants | None, Quadrants | None, Quadrants | None] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Step:
    """One hour: centre, circles of GRADES in km, and the error to be expected of the centre by then, km."""

    at_ms: int
    lon: float
    lat: float
    wind_m_s: float
    circles: tuple[Quadrants, Quadrants, Quadrants]
    error_km: float
    is_estimated: bool  # of its circles: not reported


def radius_km(wind_m_s: float, latitude: float, limit_m_s: float, by: Thresholds) -> float:
    """How far out the wind is at least ``limit_m_s``; 0 where it is nowhere."""
    if not math.isfinite(wind_m_s) or wind_m_s < limit_m_s:
        return 0.0
    a, b, c = by.rmax_km
    greatest = a * math.exp(b * wind_m_s + c * abs(latitude))
    return round(float(greatest * (wind_m_s / limit_m_s) ** (1 / by.exponent)), 3)


def path(
    observed: Sequence[Fix], forecast: Sequence[Fix], at_ms: int, hours: int, by: Thresholds
) -> list[Step]:
    """The storm from ``at_ms`` on, an hour a step, as far as forecast, at most ``hours``.

    ``observed`` and ``forecast`` in order of time; those observed after ``at_ms`` are not looked at.  Without forecast
    its last motion goes on for ``extrapolate_h``.  Empty where nothing was observed in the last ``silent_h`` hours.
    """
    seen = [one for one in observed if one.at_ms <= at_ms]
    if not seen or at_ms - seen[-1].at_ms > by.silent_h * HOUR_MS:
        return []
    last = seen[-1]
    ahead = [one for one in forecast if one.at_ms > last.at_ms]
    if not ahead and len(seen) > 1:
        ahead = [_onward(seen[-2], last, by)]
    known = [*seen[-2:], *ahead]
    steps = []
    for n in range(hours + 1):
        when = at_ms + n * STEP_MS
        if when > known[-1].at_ms and n:
            break
        here = _between(known, when)
        circles, is_estimated = _circles(here, by)
        error = by.error_km_h * max(when - last.at_ms, 0) / HOUR_MS
        steps.append(
            Step(when, round(here.lon, 4), round(here.lat, 4), round(here.wind_m_s or 0.0, 1), circles, round(error, 1),
                 is_estimated)
        )  # fmt: skip
    return steps


def inside(step: Step, grade: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Which places lie in the circle of ``grade``, grown by the error of the centre; bool [n]."""
    quadrants = step.circles[GRADES.index(grade)]
    out = np.zeros(len(lon), bool)
    if max(quadrants) <= 0:
        return out
    reach = max(quadrants) + step.error_km
    degrees = math.degrees(reach * 1000 / EARTH_M)
    wide = degrees / max(math.cos(math.radians(min(abs(step.lat) + degrees, 85))), 0.05)
    near = np.flatnonzero((np.abs(lat - step.lat) <= degrees) & (np.abs(lon - step.lon) <= wide))
    if len(near):
        km = distance_km(step.lon, step.lat, lon[near], lat[near])
        east, north = lon[near] >= step.lon, lat[near] >= step.lat
        limit = np.where(
            east, np.where(north, quadrants[0], quadrants[1]), np.where(north, quadrants[3], quadrants[2])
        )
        out[near] = (limit > 0) & (km <= limit + step.error_km)
    return out


def distance_km(lon0: float, lat0: float, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Along the great circle (haversine); float64 [n]."""
    a, b = math.radians(lat0), np.radians(lat)
    half = np.sin((b - a) / 2) ** 2 + math.cos(a) * np.cos(b) * np.sin(np.radians(lon - lon0) / 2) ** 2
    return 2 * EARTH_M / 1000 * np.arcsin(np.minimum(1.0, np.sqrt(half)))


def _onward(before: Fix, last: Fix, by: Thresholds) -> Fix:
    """The last motion for ``extrapolate_h`` more hours, with the last wind."""
    span = (last.at_ms - before.at_ms) / HOUR_MS
    times = by.extrapolate_h / span if span > 0 else 0.0
    return Fix(
        last.at_ms + int(by.extrapolate_h * HOUR_MS),
        last.lon + (last.lon - before.lon) * times,
        max(-89.0, min(89.0, last.lat + (last.lat - before.lat) * times)),
        last.wind_m_s,
        last.pressure_hpa,
        last.circles,
    )


def _between(known: Sequence[Fix], when: int) -> Fix:
    if when >= known[-1].at_ms:
        return known[-1]
    for a, b in itertools.pairwise(known):
        if a.at_ms <= when < b.at_ms:
            share = (when - a.at_ms) / (b.at_ms - a.at_ms)
            circles = [_mix(p, q, share) for p, q in zip(a.circles, b.circles, strict=True)]
            return Fix(
                when, a.lon + share * (b.lon - a.lon), a.lat + share * (b.lat - a.lat),
                _blend(a.wind_m_s, b.wind_m_s, share), _blend(a.pressure_hpa, b.pressure_hpa, share),
                (circles[0], circles[1], circles[2]),
            )  # fmt: skip
    return known[0]


def _blend(a: float | None, b: float | None, share: float) -> float | None:
    if a is None or b is None:
        return a if b is None else b
    return a + share * (b - a)


def _mix(a: Quadrants | None, b: Quadrants | None, share: float) -> Quadrants | None:
    if a is None or b is None:
        return None  # a forecast without circles: they follow from its wind
    four = [x + share * (y - x) for x, y in zip(a, b, strict=True)]
    return four[0], four[1], four[2], four[3]


def _circles(here: Fix, by: Thresholds) -> tuple[tuple[Quadrants, Quadrants, Quadrants], bool]:
    found: list[Quadrants] = []
    is_estimated = False
    for grade, said in zip(GRADES, here.circles, strict=True):
        if said is None:
            km = radius_km(here.wind_m_s or 0.0, here.lat, by.winds_m_s[grade], by)
            is_estimated = is_estimated or km > 0
            said = (km, km, km, km)
        found.append((round(said[0], 1), round(said[1], 1), round(said[2], 1), round(said[3], 1)))
    return (found[0], found[1], found[2]), is_estimated
