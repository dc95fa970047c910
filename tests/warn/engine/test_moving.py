"""Watches over positions: pure, the same however it is cut, and silent where nothing is known."""

import itertools
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base import place
from fengsui.base.place import FAR_M, M_PER_DEG
from fengsui.base.quality import Quality
from fengsui.warn.engine import moving
from fengsui.warn.engine.moving import (
    DWELL,
    ENTER,
    INSIDE,
    LEAVE,
    SPEED,
    Fence,
    Hours,
    Memory,
    Places,
    Watches,
)

LON, LAT = 111.29, 30.69
NIGHT = moving.minutes_of_week([(day, 22 * 60, 6 * 60) for day in range(1, 8)])
CIRCLE = Fence(place.circle([LON, LAT], 200), Hours())
AT_NIGHT = Fence(place.circle([LON, LAT], 200), Hours(minutes=NIGHT, offset_ms=8 * 3_600_000))
U = 3


def watches(*what: tuple[int, int], tells: bool = True) -> Watches:
    """``U`` units, each under the same watches ``(what, fence)``; streams 0-3 are unit 0's and so on."""
    stream = np.arange(4 * U, dtype=np.int32).reshape(U, 4)
    if not tells:
        stream[:, moving.KMH] = -1
    w = len(what)
    return Watches(
        np.arange(10, 10 + U), np.ones(U, np.int32), np.zeros(U, np.int32), ("/1/",), stream, np.ones(U),
        np.arange(U + 1) * w, (100 + np.arange(U * w)).astype(np.int32),
        np.array([a for a, _ in what] * U, np.uint8), np.array([b for _, b in what] * U, np.int32), (CIRCLE, AT_NIGHT),
    )  # fmt: skip


def places(of: Watches) -> Places:
    return Places.of(of, of.stream, 4 * U)


def rows(points):
    """Readings (slot, batch, time, value, quality) of positions (unit, time_ms, lon, lat, kmh), a message each."""
    out = []
    for message, (unit, time_ms, lon, lat, kmh) in enumerate(points):
        for role, value in enumerate((lon, lat, kmh, 90.0)):
            quality = Quality.GOOD if np.isfinite(value) else Quality.BAD
            out.append((4 * unit + role, message, time_ms, value, quality))
    columns = list(zip(*out, strict=True)) or [()] * 5
    kinds = (np.int64, np.int64, np.int64, np.float64, np.uint8)
    return [np.array(c, k) for c, k in zip(columns, kinds, strict=True)]


def run(of: Watches, points, memory: Memory | None = None):
    """What the watches read, as {(datastream, time): value}, and the memory after it."""
    memory = memory or Memory.fresh(U)
    slot, message, time_ms, value, quality = rows(points)
    seen = moving.positions(places(of), slot, message, time_ms, value, quality)
    if seen is None:
        return {}, memory
    memory, made = moving.derive(of, memory, seen)
    at = seen.time_ms[made.position]
    return dict(
        zip(zip(made.datastream.tolist(), at.tolist(), strict=True), made.value.tolist(), strict=True)
    ), memory


def north(metres: float) -> float:
    return LAT + metres / M_PER_DEG


def test_depth_is_metres_inside_for_who_must_not_enter_and_outside_for_who_must_not_leave():
    said, _ = run(
        watches((ENTER, 0), (LEAVE, 0)), [(0, 1000, LON, north(150), 30.0), (0, 2000, LON, north(260), 30.0)]
    )
    assert said == {(100, 1000): 50.0, (101, 1000): -50.0, (100, 2000): -60.0, (101, 2000): 60.0}


def test_outside_its_hours_a_fence_is_not_there_and_inside_then_is_what_must_not_be():
    day, night = 6 * 3_600_000, 16 * 3_600_000  # 14:00 and 00:00 by the clock of the fence
    points = [(0, day, LON, LAT, 5.0), (0, night, LON, LAT, 5.0)]
    said, _ = run(watches((ENTER, 1), (INSIDE, 1)), points)
    assert (said[100, day], said[100, night]) == (-FAR_M, 200.0)
    assert (said[101, day], said[101, night]) == (200.0, -FAR_M)


def test_speed_counts_in_the_fence_only_and_as_told():
    said, _ = run(
        watches((SPEED, 0), (SPEED, -1)), [(1, 1000, LON, LAT, 72.0), (1, 2000, LON, north(900), 72.0)]
    )
    assert said == {(102, 1000): 72.0, (103, 1000): 72.0, (102, 2000): 0.0, (103, 2000): 72.0}


def test_a_unit_that_never_tells_its_speed_has_that_of_its_positions():
    said, _ = run(
        watches((SPEED, -1), tells=False), [(0, 0, LON, LAT, np.nan), (0, 10_000, LON, north(100), np.nan)]
    )
    assert np.isnan(said[100, 0])
    assert said[100, 10_000] == pytest.approx(36.0, abs=0.1)


def test_jitter_does_not_end_a_stay_and_driving_on_does():
    wander = [(0, 1000 * t, LON, north(20 * (t % 2)), 0.0) for t in range(61)]
    said, _ = run(watches((DWELL, 0)), [*wander, (0, 61_000, LON, north(120), 30.0)])
    assert said[100, 60_000] == 60.0
    assert said[100, 61_000] == 0.0


def test_half_a_position_and_a_bad_one_make_no_reading():
    of = watches((ENTER, 0))
    assert run(of, [(0, 1000, np.nan, LAT, 1.0)])[0] == {}
    assert run(of, [(0, 1000, 181.0, LAT, 1.0)])[0] == {}
    slot, message, time_ms, value, quality = rows([(0, 1000, LON, LAT, 1.0)])
    apart = np.array([0, 1, 0, 0])  # longitude and latitude in two messages
    assert moving.positions(places(of), slot, apart, time_ms, value, quality) is None
    quality[0] = Quality.BAD
    assert moving.positions(places(of), slot, message, time_ms, value, quality) is None
    quality[0] = Quality.UNCERTAIN
    assert moving.positions(places(of), slot, message, time_ms, value, quality) is not None


def test_an_unknown_speed_is_no_slow_one():
    said, _ = run(watches((SPEED, 0)), [(0, 1000, LON, LAT, np.nan)])
    assert np.isnan(said[100, 1000])


def same(a: Memory, b: Memory) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(Memory)]
    return all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


drives = st.lists(
    st.tuples(
        st.integers(0, U - 1), st.integers(200, 900_000), st.floats(-400, 400), st.floats(-400, 400),
        st.one_of(st.just(float("nan")), st.floats(0, 130)),
    ),
    max_size=40,
)  # fmt: skip


def driven(steps):
    at = [0] * U
    out = []
    for unit, later, x, y, kmh in steps:
        at[unit] += later
        out.append((unit, at[unit], LON + x / 95_000, north(y), kmh))
    return out


ALL = watches((ENTER, 0), (LEAVE, 1), (INSIDE, 1), (SPEED, -1), (DWELL, 0), (DWELL, -1))


@settings(deadline=None)
@given(drives, st.lists(st.integers(0, 40), max_size=5), st.booleans())
def test_however_it_is_cut_and_wherever_it_stops_the_same_is_read(steps, cuts, kept):
    points = driven(steps)
    whole, last = run(ALL, points)
    pieces: dict = {}
    memory = Memory.fresh(U)
    edges = [0, *sorted(min(c, len(points)) for c in cuts), len(points)]
    for first, behind in itertools.pairwise(edges):
        said, memory = run(ALL, points[first:behind], memory)
        pieces |= said
        if kept:  # through a checkpoint, with units that come and go in between
            parts = memory.parts(ALL.unit)
            memory = Memory.of(parts, np.array([5, *ALL.unit.tolist()])).moved(
                np.array([5, *ALL.unit.tolist()]), ALL.unit
            )
    assert whole.keys() == pieces.keys()
    assert all(a == pieces[key] or (a != a and pieces[key] != pieces[key]) for key, a in whole.items())
    for f in fields(Memory):
        assert np.array_equal(
            getattr(last, f.name), getattr(memory, f.name), equal_nan=f.name not in ("last_ms", "since_ms")
        )


@settings(deadline=None)
@given(drives)
def test_what_it_is_given_stays_as_it_was(steps):
    memory = Memory.fresh(U)
    before = Memory(*(getattr(memory, f.name).copy() for f in fields(Memory)))
    run(ALL, driven(steps), memory)
    for f in fields(Memory):
        assert np.array_equal(
            getattr(before, f.name), getattr(memory, f.name), equal_nan=f.name not in ("last_ms", "since_ms")
        )


def test_an_older_position_changes_nothing():
    of = watches((DWELL, -1))
    _, memory = run(of, [(0, 5_000, LON, LAT, 0.0)])
    said, after = run(of, [(0, 4_000, LON, north(300), 0.0)], memory)
    assert np.isnan(said[100, 4_000])
    assert after.lon[0] == memory.lon[0]
    assert after.last_ms[0] == 5_000
