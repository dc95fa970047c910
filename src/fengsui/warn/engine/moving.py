"""From positions to what rules can look at: how deep in a fence, how fast in it, how long stopped.

A *watch* is one rule of a fence over one moving unit.  It has a datastream of its own, whose readings are made here
out of the unit's positions; the ordinary engine judges them.  So a deadband is in metres, a delay holds back what GPS
jitter does, an episode has the key of any other, and a replay says the same again.

A position is a longitude and a latitude of one time out of one message, both good.  What is missing or not finite makes
no reading: silence neither raises nor clears.  Pure; ``derive`` leaves the memory it is given as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from fengsui.base.place import FAR_M, Shape
from fengsui.base.quality import Quality
from fengsui.warn.rules.memory import NEVER

ENTER, LEAVE, INSIDE, SPEED, DWELL = range(5)
CODES = ("enter", "leave", "inside", "speed", "dwell")  # a watch's ``what`` is its place here
STILL_M = 50.0  # within it of where it stopped a unit stands: parked receivers wander by tens of metres
GAP_MS = 600_000  # positions further apart say nothing about a speed between them
LEAST_MS = 500
LON, LAT, KMH, DEG = range(4)
WEEK_MIN, DAY_MIN = 7 * 24 * 60, 24 * 60


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """When a fence is in force: from one instant to another, and at the minutes of the week in ``minutes``.

    ``minutes`` bool [10,080], Monday 00:00 first, by the clock that is ``offset_ms`` ahead of UTC; None: always.
    """

    from_ms: int = NEVER
    until_ms: int = int(np.iinfo(np.int64).max)
    minutes: np.ndarray | None = None
    offset_ms: int = 0

    def at(self, time_ms: np.ndarray) -> np.ndarray:
        """Whether it is in force at each time; bool [n]."""
        out = (time_ms >= self.from_ms) & (time_ms < self.until_ms)
        if self.minutes is not None:
            minute = (time_ms + self.offset_ms) // 60_000 + 3 * DAY_MIN  # 1970 began with a Thursday
            out &= self.minutes[minute % WEEK_MIN]
        return out


class Fence(NamedTuple):
    """An area and when it is in force."""

    shape: Shape
    hours: Hours


@dataclass(frozen=True, slots=True, eq=False)
class Watches:
    """``u`` units by rising id, and ``w`` watches, those of a unit side by side: ``first[i]`` to ``first[i + 1]``."""

    unit: np.ndarray  # int64 [u], rising
    site: np.ndarray  # int32 [u]
    org: np.ndarray  # int32 [u]: place in ``org_path``
    org_path: tuple[str, ...]
    stream: (
        np.ndarray
    )  # int32 [u, 4]: datastreams of longitude, latitude, speed, course; -1 where there is none
    factor: np.ndarray  # float64 [u]: km/h = value of the speed × factor
    first: np.ndarray  # int64 [u + 1]
    watch: np.ndarray  # int32 [w]: its datastream
    what: np.ndarray  # uint8 [w]: ENTER …
    fence: np.ndarray  # int32 [w]: place in ``fences``, -1 for everywhere
    fences: tuple[Fence, ...]

    def __len__(self) -> int:
        return len(self.unit)


NOBODY = Watches(
    np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32), (), np.empty((0, 4), np.int32), np.empty(0),
    np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int32), (),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the datastreams of units are among the slots of a partition, for one look per reading."""

    watches: Watches
    mask: np.ndarray  # bool [slots]: it belongs to a unit
    slot: np.ndarray  # int64 [m], rising
    unit: np.ndarray  # int32 [m]: place in ``watches.unit``
    role: np.ndarray  # uint8 [m]: LON …
    of_unit: np.ndarray  # int64 [u, 4]: slots, -1 where there is none

    @classmethod
    def of(cls, watches: Watches, slots: np.ndarray, n_slots: int) -> "Places":
        """``slots`` int [u, 4]: the slot of each of ``watches.stream``, -1 where there is none."""
        unit, role = np.nonzero(slots >= 0)
        at = slots[unit, role].astype(np.int64)
        order = np.argsort(at, kind="stable")
        mask = np.zeros(n_slots, bool)
        mask[at] = True
        return cls(
            watches,
            mask,
            at[order],
            unit[order].astype(np.int32),
            role[order].astype(np.uint8),
            slots.astype(np.int64),
        )


class Positions(NamedTuple):
    """Columns [p] by unit, then time: each unit's own strictly rising."""

    unit: np.ndarray  # int32: place in ``watches.unit``
    batch: np.ndarray  # int64: which message it came in
    time_ms: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    kmh: np.ndarray  # NaN where the unit did not say
    deg: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of each unit, by ``watches.unit``: its last position, and where it stands since when."""

    last_ms: np.ndarray  # int64 [u], NEVER before the first
    lon: np.ndarray  # float64 [u]
    lat: np.ndarray
    since_ms: np.ndarray  # int64 [u]
    still_lon: np.ndarray  # float64 [u]
    still_lat: np.ndarray

    @classmethod
    def fresh(cls, u: int) -> "Memory":
        """Of units that were never heard."""
        lon, lat, still_lon, still_lat = (np.full(u, np.nan) for _ in range(4))
        last_ms, since_ms = (np.full(u, NEVER, np.int64) for _ in range(2))
        return cls(last_ms, lon, lat, since_ms, still_lon, still_lat)

    def moved(self, before: np.ndarray, now: np.ndarray) -> "Memory":
        """The same for the units ``now`` (ids, rising), of those that were ``before`` (the same way)."""
        made = Memory.fresh(len(now))
        if len(before) and len(now):
            at = np.minimum(np.searchsorted(before, now), len(before) - 1)
            known = before[at] == now
            for f in fields(Memory):
                getattr(made, f.name)[known] = getattr(self, f.name)[at[known]]
        return made

    def parts(self, unit: np.ndarray) -> dict[str, np.ndarray]:
        """Columns for a checkpoint."""
        return {"unit": unit, **{f.name: getattr(self, f.name) for f in fields(Memory)}}

    @staticmethod
    def of(parts: Mapping[str, np.ndarray], now: np.ndarray) -> "Memory":
        """What ``parts`` gave, for the units ``now``; fresh when it is from before there were any."""
        if "unit" not in parts:
            return Memory.fresh(len(now))
        return Memory(*(parts[f.name] for f in fields(Memory))).moved(parts["unit"], now)


class Derived(NamedTuple):
    """Readings of watches, columns [d] in order of ``position``."""

    position: np.ndarray  # int64: the row of ``Positions`` it follows from
    datastream: np.ndarray  # int32
    value: np.ndarray  # float64


def positions(
    places: Places,
    slot: np.ndarray,
    batch: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
) -> Positions | None:
    """The positions among readings that are new, each datastream's in order of time; None when there is none."""
    if not len(places.slot):
        return None
    mine = np.flatnonzero(places.mask[slot])
    if not len(mine):
        return None
    at = np.searchsorted(places.slot, slot[mine])
    unit, role = places.unit[at], places.role[at]
    batch, time_ms, value = batch[mine].astype(np.int64), time_ms[mine], value[mine]
    good = (quality[mine] != Quality.BAD) & np.isfinite(value)
    order = np.lexsort((role, batch, time_ms, unit))
    unit, role, batch, time_ms, value, good = (c[order] for c in (unit, role, batch, time_ms, value, good))
    begins = np.ones(len(unit), bool)
    begins[1:] = (np.diff(unit) != 0) | (np.diff(time_ms) != 0) | (np.diff(batch) != 0)
    group = np.cumsum(begins) - 1
    told = np.full((int(group[-1]) + 1, 4), np.nan)
    told[group[good], role[good]] = value[good]
    first = np.flatnonzero(begins)
    lon, lat = told[:, LON], told[:, LAT]
    with np.errstate(invalid="ignore"):
        whole = np.flatnonzero((np.abs(lon) <= 180) & (np.abs(lat) <= 90))
    if not len(whole):
        return None
    first = first[whole]
    of = unit[first]
    return Positions(
        of, batch[first], time_ms[first], lon[whole], lat[whole], told[whole, KMH] * places.watches.factor[of],
        told[whole, DEG],
    )  # fmt: skip


def derive(watches: Watches, memory: Memory, seen: Positions) -> tuple[Memory, Derived]:
    """What the watches of the units seen read now, and what is remembered after it."""
    from fengsui.warn.engine.moving_kernel import follow

    after = Memory(*(getattr(memory, f.name).copy() for f in fields(Memory)))
    kmh, stood_s = np.empty(len(seen.unit)), np.empty(len(seen.unit))
    follow(
        seen.unit, seen.time_ms, seen.lon, seen.lat, seen.kmh, watches.stream[:, KMH] >= 0, after.last_ms, after.lon,
        after.lat, after.since_ms, after.still_lon, after.still_lat, kmh, stood_s, STILL_M, LEAST_MS, GAP_MS,
    )  # fmt: skip
    begin = watches.first[seen.unit]
    count = watches.first[seen.unit + 1] - begin
    total = int(count.sum())
    position = np.repeat(np.arange(len(seen.unit)), count)
    at = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(total)
    what, fence = watches.what[at], watches.fence[at]
    depth, rules = np.full(total, FAR_M), np.ones(total, bool)  # everywhere, always
    for one in np.unique(fence[fence >= 0]).tolist():
        rows = np.flatnonzero(fence == one)
        shape, hours = watches.fences[one]
        depth[rows] = shape.depth_m(seen.lon[position[rows]], seen.lat[position[rows]])
        rules[rows] = hours.at(seen.time_ms[position[rows]])
    away = -FAR_M
    value = np.select(
        [what == ENTER, what == INSIDE, what == LEAVE, what == SPEED],
        [
            np.where(rules, depth, away),
            np.where(rules, away, depth),
            np.where(rules, -depth, away),
            np.where(rules & (depth >= 0), kmh[position], 0.0),
        ],
        np.where(rules & (depth >= 0), stood_s[position], 0.0),
    )
    return after, Derived(position, watches.watch[at], np.round(value, 1))


def minutes_of_week(spans: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Hours as ``Hours.minutes``: (day 1 Monday … 7 Sunday, first minute, end); past midnight it goes on."""
    out = np.zeros(WEEK_MIN, bool)
    for day, begin, end in spans:
        length = end - begin if end > begin else end - begin + DAY_MIN
        out[((day - 1) * DAY_MIN + begin + np.arange(length)) % WEEK_MIN] = True
    return out


def warm_up() -> None:
    """Compile now, or load what an earlier process compiled."""
    from fengsui.warn.engine.moving_kernel import follow

    i32, i64, one = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0)
    follow(
        i32,
        i64,
        one,
        one,
        one,
        np.zeros(0, bool),
        i64,
        one,
        one,
        i64,
        one,
        one,
        one,
        one,
        STILL_M,
        LEAST_MS,
        GAP_MS,
    )
