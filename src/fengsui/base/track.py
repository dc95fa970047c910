"""The way of something that moves: fewer points of the same shape, and where it stood.  Pure; WGS 84, metres, ms UTC.

``simplify`` keeps the points that a line cannot do without (Douglas & Peucker 1973), ``stops`` the stays within a small
circle.  Times are rising; there is no clock here.
"""

import heapq
import itertools
from typing import NamedTuple

import numpy as np

from fengsui.base.place import M_PER_DEG, distance_m

LEAST_OFF_M = 0.1  # what a sixth decimal of a degree is
GAP_MS = 600_000  # longer without a position: where it was meanwhile nobody knows


class Stop(NamedTuple):
    """A stay: the mean of its positions, first and last of its times."""

    lon: float
    lat: float
    from_ms: int
    to_ms: int


def simplify(lon: np.ndarray, lat: np.ndarray, points: int, keep: np.ndarray | None = None) -> np.ndarray:
    """Which of n points to keep (rising, int64), at most ``points`` (≥ 2): the ends and those farthest off the line.

    Points are taken in the order in which leaving them out would bend the line most, so asking for more points only
    adds to those of fewer.  ``keep`` (bool [n]) are kept whatever they bend, and count.
    """
    n = len(lon)
    points = max(2, points)
    if n <= points:
        return np.arange(n)
    middle = np.radians(float(lat[0] + lat[-1]) / 2)
    x, y = (lon - lon[0]) * (M_PER_DEG * np.cos(middle)), (lat - lat[0]) * M_PER_DEG
    chosen = {0, n - 1}
    if keep is not None:
        chosen |= set(np.flatnonzero(keep)[: points - 2].tolist())
    ends = sorted(chosen)
    waiting: list[tuple[float, int, int, int]] = []
    for first, last in itertools.pairwise(ends):
        _push(waiting, x, y, first, last)
    while waiting and len(chosen) < points:
        off, at, first, last = heapq.heappop(waiting)
        if -off <= LEAST_OFF_M**2:
            break  # all that is left lies on the line, as far as anybody can tell
        chosen.add(at)
        _push(waiting, x, y, first, at)
        _push(waiting, x, y, at, last)
    return np.array(sorted(chosen), np.int64)


def stops(
    lon: np.ndarray,
    lat: np.ndarray,
    time_ms: np.ndarray,
    radius_m: float = 50.0,
    least_ms: int = 300_000,
    gap_ms: int = GAP_MS,
) -> list[Stop]:
    """Stays of ``least_ms`` or longer within ``radius_m`` of where they began, in their order; a gap ends one."""
    found: list[Stop] = []
    n, first = len(lon), 0
    while first < n:
        last = first
        while (
            last + 1 < n
            and time_ms[last + 1] - time_ms[last] <= gap_ms
            and distance_m(lon[first], lat[first], lon[last + 1], lat[last + 1]) <= radius_m
        ):
            last += 1
        if time_ms[last] - time_ms[first] >= least_ms:
            here = slice(first, last + 1)
            found.append(
                Stop(
                    float(lon[here].mean()), float(lat[here].mean()), int(time_ms[first]), int(time_ms[last])
                )
            )
        first = last + 1
    return found


def length_m(lon: np.ndarray, lat: np.ndarray, time_ms: np.ndarray, gap_ms: int = GAP_MS) -> float:
    """How long the way is; what lies between two positions more than ``gap_ms`` apart does not count."""
    if len(lon) < 2:
        return 0.0
    a, b = np.radians(lat[:-1]), np.radians(lat[1:])
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(np.diff(lon)) / 2) ** 2
    steps = 2 * 6_371_008.8 * np.arcsin(np.minimum(1.0, np.sqrt(half)))
    return float(steps[np.diff(time_ms) <= gap_ms].sum())


def _push(
    waiting: list[tuple[float, int, int, int]], x: np.ndarray, y: np.ndarray, first: int, last: int
) -> None:
    """The point of the stretch that is farthest off the straight line between its ends."""
    if last - first < 2:
        return
    px, py = x[first + 1 : last] - x[first], y[first + 1 : last] - y[first]
    dx, dy = x[last] - x[first], y[last] - y[first]
    length = dx * dx + dy * dy
    t = np.clip((px * dx + py * dy) / length, 0.0, 1.0) if length > 0 else np.zeros(len(px))
    off = (px - t * dx) ** 2 + (py - t * dy) ** 2
    at = int(off.argmax())
    heapq.heappush(waiting, (-float(off[at]), first + 1 + at, first, last))
