"""Places on the earth: distances, areas and how deep a point lies in one.  WGS 84, degrees, longitude first; metres.

A shape is measured on a plane that touches the earth at its middle (equirectangular, scaled by the cosine of the
latitude).  Within 50 km of the middle a distance is wrong by less than 0.5 % below 60° of latitude; shapes larger than
``MOST_DEG`` are refused.  Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fengsui.base.errors import BadInput

EARTH_M = 6_371_008.8  # mean radius, IUGG
M_PER_DEG = math.radians(1) * EARTH_M
MOST_DEG = 2.0  # width or height of a shape
MOST_POINTS = 2_000
FAR_M = 1_000.0  # beyond it a depth is not told apart: see ``Shape.depth_m``
POLYGON, CIRCLE, CORRIDOR = "polygon", "circle", "corridor"
Point = tuple[float, float]


class BadShape(BadInput):
    """A shape that encloses nothing, or that no plane can carry."""

    code = "base.bad_shape"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """An area: rings of a polygon (the first of each part is its edge, others are holes), or a line or point with a
    radius around it.  Columns are edges in metres on the plane of the middle (``lon0``, ``lat0``).
    """

    lon0: float
    lat0: float
    radius_m: float  # around the edges; 0: the edges enclose the area
    x1: np.ndarray  # float64 [edges]
    y1: np.ndarray
    x2: np.ndarray
    y2: np.ndarray

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        wide, high = M_PER_DEG * math.cos(math.radians(self.lat0)), M_PER_DEG
        x, y, r = np.append(self.x1, self.x2), np.append(self.y1, self.y2), self.radius_m
        return (
            self.lon0 + float(x.min() - r) / wide,
            self.lat0 + float(y.min() - r) / high,
            self.lon0 + float(x.max() + r) / wide,
            self.lat0 + float(y.max() + r) / high,
        )

    def depth_m(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """How far inside each point is: metres to the edge, negative outside, at most FAR_M either way; float64 [n].

        NaN where a coordinate is not finite.  A point's depth does not depend on the others asked with it.
        """
        x = (np.asarray(lon, float) - self.lon0) * (M_PER_DEG * math.cos(math.radians(self.lat0)))
        y = (np.asarray(lat, float) - self.lat0) * M_PER_DEG
        out = np.full(len(x), -FAR_M)
        out[~(np.isfinite(x) & np.isfinite(y))] = np.nan
        reach = FAR_M + self.radius_m
        with np.errstate(invalid="ignore"):
            near = np.flatnonzero(
                (x >= min(self.x1.min(), self.x2.min()) - reach)
                & (x <= max(self.x1.max(), self.x2.max()) + reach)
                & (y >= min(self.y1.min(), self.y2.min()) - reach)
                & (y <= max(self.y1.max(), self.y2.max()) + reach)
            )
        if len(near):
            out[near] = self._exact(x[near], y[near])
        return out

    def _exact(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Edge by edge, so that nothing of the size points × edges is held, and every point meets the same sums."""
        least = np.full(len(x), np.inf)
        inside = np.zeros(len(x), bool)
        edges = zip(self.x1.tolist(), self.y1.tolist(), self.x2.tolist(), self.y2.tolist(), strict=True)
        for x1, y1, x2, y2 in edges:
            dx, dy = x2 - x1, y2 - y1
            length = dx * dx + dy * dy
            t = ((x - x1) * dx + (y - y1) * dy) / length if length > 0 else np.zeros(len(x))
            t = np.minimum(np.maximum(t, 0.0), 1.0)
            ex, ey = x - (x1 + t * dx), y - (y1 + t * dy)
            least = np.minimum(least, ex * ex + ey * ey)
            if not self.radius_m and y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * dx / dy)
        away = np.sqrt(least)
        depth = self.radius_m - away if self.radius_m else np.where(inside, away, -away)
        return np.minimum(np.maximum(depth, -FAR_M), FAR_M)


def polygon(rings: Sequence[Sequence[Sequence[float]]]) -> Shape:
    """The area that rings enclose, by the even-odd rule: holes and several parts are only more rings.

    Raises BadShape.
    """
    parts = []
    for ring in rings:
        points = _points(ring)
        if points[0] == points[-1]:
            points = points[:-1]
        if len(points) < 3:
            raise BadShape("a ring needs three different points")
        parts.append([*points, points[0]])
    if not parts:
        raise BadShape("a polygon needs a ring")
    made = _shape(parts, 0.0)
    twice = abs(float((made.x1 * made.y2 - made.x2 * made.y1).sum()))
    if twice < 2.0:
        raise BadShape("the polygon encloses less than a square metre")
    return made


def circle(centre: Sequence[float], radius_m: float) -> Shape:
    """Everything within ``radius_m`` of a point.  Raises BadShape."""
    return _shape([_points([centre, centre])], _radius(radius_m))


def corridor(line: Sequence[Sequence[float]], radius_m: float) -> Shape:
    """Everything within ``radius_m`` of a line: a road, a route.  Raises BadShape."""
    points = _points(line)
    if len(set(points)) < 2:
        raise BadShape("a line needs two different points")
    return _shape([points], _radius(radius_m))


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Along the great circle (haversine)."""
    a, b = math.radians(lat1), math.radians(lat2)
    half = (
        math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


def is_on_earth(lon: float, lat: float) -> bool:
    """Whether it is a place at all."""
    return math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180 and abs(lat) <= 90


def _radius(radius_m: float) -> float:
    if not (math.isfinite(radius_m) and 1 <= radius_m <= 100_000):
        raise BadShape("a radius is 1 to 100,000 m")
    return float(radius_m)


def _points(line: Sequence[Sequence[float]]) -> list[Point]:
    points = []
    for place in line:
        try:
            lon, lat = float(place[0]), float(place[1])
        except (TypeError, ValueError, IndexError, KeyError):
            raise BadShape("a place is longitude and latitude in degrees") from None
        if not is_on_earth(lon, lat):
            raise BadShape(f"{lon}, {lat} is not longitude and latitude in degrees")
        points.append((lon, lat))
    if not points:
        raise BadShape("there is no place in it")
    if len(points) > MOST_POINTS:
        raise BadShape(f"more than {MOST_POINTS} places: draw it simpler")
    return points


def _shape(parts: list[list[Point]], radius_m: float) -> Shape:
    every = np.array([point for part in parts for point in part])
    west, south = every.min(axis=0)
    east, north = every.max(axis=0)
    if east - west > MOST_DEG or north - south > MOST_DEG or max(abs(south), abs(north)) > 85:
        raise BadShape(f"a shape is at most {MOST_DEG:g}° wide and high, and below 85° of latitude")
    lon0, lat0 = float(west + east) / 2, float(south + north) / 2
    scale = np.array([M_PER_DEG * math.cos(math.radians(lat0)), M_PER_DEG])
    begin, end = [], []
    for part in parts:
        flat = (np.array(part) - (lon0, lat0)) * scale
        begin.append(flat[:-1])
        end.append(flat[1:])
    a, b = np.concatenate(begin), np.concatenate(end)
    return Shape(lon0, lat0, radius_m, a[:, 0].copy(), a[:, 1].copy(), b[:, 0].copy(), b[:, 1].copy())
