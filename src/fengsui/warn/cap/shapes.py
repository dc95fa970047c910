"""Polygons and circles as CAP writes them: ``lat,lon lat,lon …`` and ``lat,lon radius`` with the radius in km.

Source: CAP 1.2, 3.3.1 (area).  The standard says nothing of winding, so neither direction is wrong here.
"""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from fengsui.warn.cap.message import Circle, Point

EARTH_KM = 6371.0088
FARTHEST_KM = 20_020.0  # half way round
LIKELY_METRES_KM = 1_000.0  # no warning is for a circle of 2,000 km: this was metres
CHINA = (3.0, 73.0, 54.0, 136.0)  # south, west, north, east: generous, seas included
MOST_POINTS = 10_000
MOST_COMPARED = 2_000  # points of a ring whose sides are compared with each other
NOTHING = 1e-14  # square degrees: a hundredth of a millimetre by a kilometre

_NUMBER = r"[-+]?(?:\d{1,6}(?:\.\d{0,20})?|\.\d{1,20})"
_PAIR = re.compile(rf"({_NUMBER}),({_NUMBER})\Z", re.ASCII)
_RADIUS = re.compile(r"[-+]?\d{1,12}(?:\.\d{0,20})?\Z", re.ASCII)


def read_polygon(text: str) -> tuple[tuple[Point, ...] | None, list[str]]:
    """The points, and the rules that the text breaks; None where they cannot be read.

    Swapped, open and crossing polygons are given back as they were written: what is certain about them is only that
    they are wrong.
    """
    parts = text.split()
    if len(parts) > MOST_POINTS:
        return None, ["polygon.form"]
    points = []
    for part in parts:
        pair = _PAIR.match(part)
        if pair is None:
            return None, ["polygon.form"]
        points.append((float(pair[1]), float(pair[2])))
    broken = []
    if not points:
        return None, ["polygon.form"]
    if any(not _is_place(p) for p in points):
        if all(_is_place((lon, lat)) for lat, lon in points):
            return tuple(points), ["polygon.swapped"]
        return None, ["polygon.range"]
    if not _in_china(points) and _in_china([(lon, lat) for lat, lon in points]):
        broken.append("polygon.swapped")
    if len(points) < 4:
        broken.append("polygon.few")
    if points[0] != points[-1]:
        broken.append("polygon.open")
    if any(a == b for a, b in itertools.pairwise(points)):
        broken.append("polygon.repeated")
    if max(lon for _, lon in points) - min(lon for _, lon in points) > 180:
        broken.append("polygon.dateline")
    elif len(points) >= 4:
        if len(points) > MOST_COMPARED:
            broken.append("polygon.long")
        elif crosses(points):
            broken.append("polygon.crossing")
        elif area(points) == 0:
            broken.append("polygon.flat")
    return tuple(points), broken


def read_circle(text: str) -> tuple[Circle | None, list[str]]:
    """The circle, and the rules that the text breaks.  A radius of 0 is a point, and allowed."""
    parts = text.split()
    if len(parts) != 2 or not (pair := _PAIR.match(parts[0])) or not _RADIUS.match(parts[1]):
        return None, ["circle.form"]
    centre, radius = (float(pair[1]), float(pair[2])), float(parts[1])
    if not _is_place(centre):
        swapped = _is_place((centre[1], centre[0]))
        return (Circle(centre, radius), ["circle.swapped"]) if swapped else (None, ["circle.range"])
    if radius < 0 or radius > LIKELY_METRES_KM:
        return Circle(centre, radius), ["circle.radius"]
    if not _in_china([centre]) and _in_china([(centre[1], centre[0])]):
        return Circle(centre, radius), ["circle.swapped"]
    return Circle(centre, radius), []


def write_number(value: float) -> str:
    """At most six decimals (a tenth of a metre), no trailing zeros, no exponent."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def write_polygon(points: Sequence[Point]) -> str:
    return " ".join(f"{write_number(lat)},{write_number(lon)}" for lat, lon in points)


def write_circle(circle: Circle) -> str:
    lat, lon = circle.centre
    return f"{write_number(lat)},{write_number(lon)} {write_number(circle.radius_km)}"


def area(points: Sequence[Point]) -> float:
    """Twice the area in square degrees, without sign: only whether there is any."""
    closed = [*points, points[0]]
    return abs(sum(a[1] * b[0] - b[1] * a[0] for a, b in itertools.pairwise(closed)))


def crosses(points: Sequence[Point]) -> bool:
    """Do two sides of the ring cross, or touch where they should not?  Compares those whose boxes meet."""
    ring = [p for p, q in zip(points, [*points[1:], None], strict=True) if p != q]
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    count = len(ring)
    if count < 3:
        return False
    begin = np.array(ring)
    end = np.roll(begin, -1, axis=0)
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    boxes = np.logical_and.reduce(
        [(low[:, None, k] <= high[None, :, k]) & (low[None, :, k] <= high[:, None, k]) for k in (0, 1)]
    )
    i, j = np.nonzero(np.triu(boxes, 1))
    beside = (j - i == 1) | (j - i == count - 1)
    sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    if any(_folds(sides[one], sides[other]) for one, other in zip(i[beside], j[beside], strict=True)):
        return True
    i, j = i[~beside], j[~beside]
    return bool(_meet_all(begin[i], end[i], begin[j], end[j]).any())


def contains(points: Sequence[Point], place: Point) -> bool:
    """Is ``place`` inside the ring (or on its western or southern side)?"""
    lat, lon = place
    inside = False
    closed = [*points, points[0]]
    for (lat_a, lon_a), (lat_b, lon_b) in itertools.pairwise(closed):
        if (lat_a > lat) != (lat_b > lat) and lon < (lon_b - lon_a) * (lat - lat_a) / (lat_b - lat_a) + lon_a:
            inside = not inside
    return inside


def distance_km(a: Point, b: Point) -> float:
    """Along the great circle."""
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def ring_of(circle: Circle, sides: int = 36) -> tuple[Point, ...]:
    """A circle as a closed polygon, for drawing and for comparing."""
    lat, lon = map(math.radians, circle.centre)
    angle = min(circle.radius_km, FARTHEST_KM) / EARTH_KM
    ring = []
    for i in range(sides):
        bearing = -2 * math.pi * i / sides
        north = math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing)
        at_lat = math.asin(max(-1.0, min(1.0, north)))
        at_lon = lon + math.atan2(
            math.sin(bearing) * math.sin(angle) * math.cos(lat),
            math.cos(angle) - math.sin(lat) * math.sin(at_lat),
        )
        ring.append((math.degrees(at_lat), (math.degrees(at_lon) + 540) % 360 - 180))
    return (*ring, ring[0])


def overlap(a: Sequence[Point], b: Sequence[Point]) -> bool:
    """Have two rings a place in common?"""
    if any(
        max(p[k] for p in a) < min(p[k] for p in b) or max(p[k] for p in b) < min(p[k] for p in a)
        for k in (0, 1)
    ):
        return False
    if contains(a, b[0]) or contains(b, a[0]):
        return True
    sides_a = list(itertools.pairwise(a))
    return any(_meet(p, q, r, s) for p, q in sides_a for r, s in itertools.pairwise(b))


def _is_place(point: Point) -> bool:
    return abs(point[0]) <= 90 and abs(point[1]) <= 180


def _in_china(points: Sequence[Point]) -> bool:
    south, west, north, east = CHINA
    return all(south <= lat <= north and west <= lon <= east for lat, lon in points)


def _turn(a: Point, b: Point, c: Point) -> float:
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(value) < NOTHING else value


def _meet_all(a: Any, b: Any, c: Any, d: Any) -> Any:
    """``_meet`` of many pairs of sides at once; arrays of shape (n, 2)."""

    def turn(p: Any, q: Any, r: Any) -> Any:
        value = (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])
        return np.where(np.abs(value) < NOTHING, 0.0, value)

    def between(p: Any, q: Any, r: Any) -> Any:
        return ((np.minimum(p, q) <= r) & (r <= np.maximum(p, q))).all(axis=1)

    one, two, three, four = turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
    across = (one * two < 0) & (three * four < 0)
    touch = (one == 0) & between(a, b, c) | (two == 0) & between(a, b, d)
    touch |= (three == 0) & between(c, d, a) | (four == 0) & between(c, d, b)
    return across | touch


def _between(a: Point, b: Point, c: Point) -> bool:
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    one, two, three, four = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if one * two < 0 and three * four < 0:
        return True
    return (
        (one == 0 and _between(a, b, c))
        or (two == 0 and _between(a, b, d))
        or (three == 0 and _between(c, d, a))
        or (four == 0 and _between(c, d, b))
    )


def _folds(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Does a side run back over its neighbour?"""
    shared = next((p for p in one if p in other), None)
    if shared is None:
        return False
    a = one[1] if one[0] == shared else one[0]
    b = other[1] if other[0] == shared else other[0]
    if a == b:
        return False
    towards = (a[0] - shared[0]) * (b[0] - shared[0]) + (a[1] - shared[1]) * (b[1] - shared[1])
    return _turn(shared, a, b) == 0 and towards > 0
