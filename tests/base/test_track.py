"""A way with fewer points keeps its shape, its ends and its stops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base import track
from fengsui.base.place import M_PER_DEG

walks = st.lists(st.tuples(st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3)), min_size=2, max_size=60)


def way(steps):
    at = np.cumsum(np.array(steps), axis=0) + np.array([111.3, 30.7])
    return at[:, 0], at[:, 1]


@given(walks, st.integers(2, 60))
def test_ends_stay_and_more_points_only_add(steps, points):
    lon, lat = way(steps)
    few, more = track.simplify(lon, lat, points), track.simplify(lon, lat, points + 5)
    assert few[0] == 0
    assert few[-1] == len(lon) - 1
    assert len(few) <= max(2, points)
    assert (np.diff(few) > 0).all()
    assert set(few.tolist()) <= set(more.tolist())


def off_m(lon, lat, kept):
    """The farthest that a left-out point lies from the line of those that were kept."""
    scale = math.cos(math.radians(lat.mean())) * M_PER_DEG
    x, y = lon * scale, lat * M_PER_DEG
    worst = 0.0
    for a, b in itertools.pairwise(kept):
        for i in range(a + 1, b):
            dx, dy = x[b] - x[a], y[b] - y[a]
            length = dx * dx + dy * dy
            t = 0 if length == 0 else min(1, max(0, ((x[i] - x[a]) * dx + (y[i] - y[a]) * dy) / length))
            worst = max(worst, math.hypot(x[i] - x[a] - t * dx, y[i] - y[a] - t * dy))
    return worst


def test_a_corner_is_kept_and_a_straight_line_is_two_points():
    lon = np.concatenate([np.linspace(111.3, 111.4, 500), np.full(500, 111.4)])
    lat = np.concatenate([np.full(500, 30.7), np.linspace(30.7, 30.8, 500)])
    kept = track.simplify(lon, lat, 3)
    assert len(kept) == 3
    assert abs(kept[1] - 500) <= 1
    assert off_m(lon, lat, kept.tolist()) < 0.01 * M_PER_DEG / 50
    assert len(track.simplify(lon[:500], lat[:500], 50)) == 2


def test_what_must_be_kept_is_kept():
    lon, lat = np.linspace(111.3, 111.4, 100), np.full(100, 30.7)
    keep = np.zeros(100, bool)
    keep[[40, 41]] = True
    assert track.simplify(lon, lat, 10, keep).tolist() == [0, 40, 41, 99]


def test_a_stay_is_found_with_its_beginning_and_end():
    n = 1_200
    time_ms = np.arange(n) * 1_000
    lon = np.full(n, 111.3)
    lon[:300] += np.linspace(0.03, 0.0008, 300)
    lon[800:] += np.linspace(0.0008, 0.03, 400)
    lon[300:800] += np.where(np.arange(500) % 2, 1e-4, 0)  # jitter of ten metres
    [stop] = track.stops(lon, np.full(n, 30.7), time_ms)
    assert stop.from_ms == pytest.approx(300_000, abs=15_000)
    assert stop.to_ms == pytest.approx(799_000, abs=15_000)


def test_a_gap_ends_a_stay_and_counts_no_metres():
    time_ms = np.array([0, 200_000, 2_000_000, 2_200_000])
    lon, lat = np.array([111.3, 111.3, 111.4, 111.4]), np.full(4, 30.7)
    assert track.stops(lon, lat, time_ms) == []
    assert track.length_m(lon, lat, time_ms) == 0
