"""Curves and aggregates from the tier that fits: raw readings, minutes or hours.

A curve from aggregates shows, in each of its stretches, the first, last, lowest and highest reading, at their own
instants: exactly what thinning the raw readings over the same stretches would show.  Stretches are whole minutes or
hours then; the ends of the span that are not whole, and segments that have no aggregates yet, are read raw.  The
quality of a point from a tier is the worst of its minute or hour.

Minutes and hours that a correction touches are made from their readings, see ``corrections``.  Where raw readings were
deleted by policy, the points are what minutes or hours still name, and the answer says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fengsui.stores.history import recent as recent_rows
from fengsui.stores.history import tiers
from fengsui.stores.history.catalogue import Catalogue, Part
from fengsui.stores.history.corrections import Corrections
from fengsui.stores.history.queries import again_if_replaced, ask, read, these
from fengsui.stores.history.rows import MS
from fengsui.stores.history.thinning import PER_BUCKET, thin

SCHEMA = pa.schema(
    [
        pa.field("datastream", pa.int32()),
        pa.field("time", MS),
        pa.field("value", pa.float64()),
        pa.field("quality", pa.uint8()),
        pa.field("reason", pa.uint8()),
    ]
)
RAW, MINUTE, HOUR = "raw", "minute", "hour"
Points = tuple[np.ndarray, ...]  # datastream, time_ms, value, quality, reason


@dataclass(frozen=True, slots=True)
class Curves:
    """``table`` (SCHEMA, sorted), from which ``tier``, and how many readings each datastream has in the span.

    ``only_aggregates`` is the span (from_ms, to_ms) in which readings of these datastreams were deleted by policy and
    only minutes or hours are left; None when there is none.
    """

    table: pa.Table
    tier: str
    rows: dict[int, int]
    only_aggregates: tuple[int, int] | None = None


def curve(
    datastream_ids: Sequence[int] | np.ndarray,
    from_ms: int,
    to_ms: int,
    points: int,
    *,
    catalogue: Catalogue | None = None,
    recent: pa.Table | None = None,
    as_measured: bool = False,
) -> Curves:
    """The readings of [from_ms, to_ms) as at most ``points`` (at least 4, ValueError) of each datastream.

    ``recent`` as in ``query``.  ``as_measured``: whatever was corrected since.
    """
    if points < PER_BUCKET:
        raise ValueError(f"{points} points cannot hold first, last, lowest and highest: ask for at least 4")
    catalogue = catalogue or Catalogue.default()
    tier = tier_for(to_ms - from_ms, points)
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    fixes = Corrections(()) if as_measured else Corrections.of(ids, from_ms, to_ms)
    found = again_if_replaced(lambda: _look(ids, from_ms, to_ms, tier, catalogue, recent, fixes))
    points_found = tuple(np.concatenate(column) for column in zip(*found.points, strict=True))
    table = _drawn(points_found, from_ms, to_ms, points, tier)
    return Curves(table, tier, _sums(ids, found.counts), found.only_aggregates)


def aggregate(
    datastream_ids: Sequence[int] | np.ndarray,
    from_ms: int,
    to_ms: int,
    tier: str,
    *,
    catalogue: Catalogue | None = None,
    recent: pa.Table | None = None,
) -> pa.Table:
    """A row for each datastream and ``tier`` ("minute" or "hour") of [from_ms, to_ms): ``tiers.SCHEMA``, sorted.

    Both ends are whole minutes or hours (ValueError).  Of what was deleted by policy there is what is left: no
    minutes where only hours are.  ``recent`` as in ``query``.
    """
    width = tiers.WIDTH_MS[tier]
    if from_ms % width or to_ms % width:
        raise ValueError(f"{from_ms} to {to_ms} does not begin and end with a whole {tier}")
    catalogue = catalogue or Catalogue.default()
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    order = (HOUR, RAW, MINUTE) if tier == HOUR else (MINUTE, RAW)

    def look() -> pa.Table:
        parts = catalogue.parts(from_ms, to_ms)
        fixes = Corrections.of(ids, from_ms, to_ms)
        chosen = [(part, part.at(*order)) for part in parts]
        beside = [(p, kind) for p, kind in chosen if kind != RAW and p.raw]
        tables, raw = _beside(beside, ids, from_ms, to_ms, fixes)
        for kind in (MINUTE, HOUR):
            left = [getattr(p, kind) for p, k in chosen if k == kind and not p.raw]
            tables.append(_read_tier(left, ids, from_ms, to_ms))
        raw.append(fixes.apply(read([p.raw for p, k in chosen if k == RAW], ids, from_ms, to_ms)))
        if (fresh := _not_at_rest(recent, parts, ids, from_ms, to_ms)) is not None:
            raw.append(fixes.apply(fresh))
        return tiers.combine([*tables, *(tiers.summarise(table, width) for table in raw)], width)

    return again_if_replaced(look)


def only_aggregates(
    datastream_ids: Sequence[int] | np.ndarray,
    from_ms: int,
    to_ms: int,
    *,
    catalogue: Catalogue | None = None,
) -> tuple[int, int] | None:
    """The span in [from_ms, to_ms) in which readings were deleted by policy and minutes or hours are left, or None."""
    catalogue = catalogue or Catalogue.default()
    ids = np.unique(np.asarray(datastream_ids, np.int32))

    def look() -> tuple[int, int] | None:
        found = _Found([], [])
        left = [p for p in catalogue.parts(from_ms, to_ms) if not p.raw]
        for kind in (HOUR, MINUTE):
            files = [getattr(p, kind) for p in left if p.at(HOUR, MINUTE) == kind]
            _add_left(found, files, ids, from_ms, to_ms, tiers.WIDTH_MS[kind])
        return found.only_aggregates

    return again_if_replaced(look)


def tier_for(span_ms: int, points: int) -> str:
    """The coarsest tier whose stretch is not longer than one of ``points`` // 4 stretches of the span."""
    stretch = span_ms // (points // PER_BUCKET)
    return next((kind for kind in ("hour", "minute") if stretch >= tiers.WIDTH_MS[kind]), RAW)


@dataclass(slots=True)
class _Found:
    """What was read of the parts of a span; ``points`` in any order, some twice."""

    points: list[Points]
    counts: list[tuple[np.ndarray, np.ndarray]]  # datastream, readings
    only_aggregates: tuple[int, int] | None = None

    def add(self, points: Points) -> None:
        self.points.append(points)
        self.counts.append((points[0], np.ones(len(points[0]), np.int64)))


ORDER = {RAW: (RAW, MINUTE, HOUR), MINUTE: (MINUTE, RAW, HOUR), HOUR: (HOUR, RAW, MINUTE)}


def _look(
    ids: np.ndarray,
    from_ms: int,
    to_ms: int,
    tier: str,
    catalogue: Catalogue,
    recent: pa.Table | None,
    fixes: Corrections,
) -> _Found:
    parts = catalogue.parts(from_ms, to_ms)
    width = tiers.WIDTH_MS.get(tier, 1)
    low, high = -(-from_ms // width) * width, to_ms // width * width
    chosen = [(part, part.at(*ORDER[tier])) for part in parts]
    raw = read([p.raw for p, kind in chosen if kind == RAW], ids, from_ms, to_ms)
    found = _Found([], [])
    found.add(_of(fixes.apply(raw)))
    beside = [(p, kind) for p, kind in chosen if kind != RAW and p.raw]
    tables, anew = _beside(beside, ids, low, high, fixes)
    for table in tables:
        found.points.append(tiers.points_of(table))
        found.counts.append((table["datastream"].to_numpy(), table["count"].to_numpy()))
    for table in anew:
        found.add(_of(table))
    for start, stop in ((from_ms, low), (max(low, high), to_ms)):
        at_end = [p.raw for p, _kind in beside if p.first_ms < stop and p.last_ms >= start]
        if start < stop and at_end:
            found.add(_of(fixes.apply(read(at_end, ids, start, stop))))
    for kind in (MINUTE, HOUR):
        left = [getattr(p, kind) for p, k in chosen if k == kind and not p.raw]
        if left:
            _add_left(found, left, ids, from_ms, to_ms, tiers.WIDTH_MS[kind])
    if (fresh := _not_at_rest(recent, parts, ids, from_ms, to_ms)) is not None:
        found.add(_of(fixes.apply(fresh)))
    return found


def _beside(
    beside: Sequence[tuple[Part, str]], ids: np.ndarray, low: int, high: int, fixes: Corrections
) -> tuple[list[pa.Table], list[pa.Table]]:
    """Aggregates of [low, high) whose readings are there too; and, as readings, what a correction touches of it."""
    tables, anew = [], []
    for kind in (MINUTE, HOUR):
        parts = [p for p, k in beside if k == kind]
        table = _read_tier([getattr(p, kind) for p in parts], ids, low, high)
        if fixes and parts and low < high:
            width = tiers.WIDTH_MS[kind]
            table = table.filter(pa.array(~fixes.touched(table, width)))
            start = max(low, min(row.from_ms for row in fixes.rows) // width * width)
            stop = min(high, -(-max(row.to_ms for row in fixes.rows) // width) * width)
            near = [p.raw for p in parts if p.first_ms < stop and p.last_ms >= start]
            raw = read(near, fixes.ids, start, stop)
            anew.append(fixes.apply(raw.filter(pa.array(fixes.touched(raw, width)))))
        tables.append(table)
    return tables, anew


def _add_left(found: _Found, files: list[str], ids: np.ndarray, from_ms: int, to_ms: int, width: int) -> None:
    """Aggregates whose readings are gone: their points in the span, and that there is no more."""
    table = _read_tier(files, ids, from_ms // width * width, to_ms)
    if not len(table):
        return
    points = tiers.points_of(table)
    inside = (points[1] >= from_ms) & (points[1] < to_ms)
    found.points.append(tuple(column[inside] for column in points))
    found.counts.append((table["datastream"].to_numpy(), table["count"].to_numpy()))
    first, behind = recent_rows.span_of(table)
    span = found.only_aggregates or (to_ms, from_ms)
    found.only_aggregates = (
        max(from_ms, min(span[0], first)),
        min(to_ms, max(span[1], behind - 1 + width)),
    )


def _not_at_rest(
    recent: pa.Table | None, parts: Sequence[Part], ids: np.ndarray, from_ms: int, to_ms: int
) -> pa.Table | None:
    """The uncommitted readings of the span that no part holds; None when there are none."""
    if recent is None or not len(fresh := recent_rows.within(recent, ids, from_ms, to_ms)):
        return None
    start, stop = recent_rows.span_of(fresh)
    near = [p.raw for p in parts if p.raw and p.first_ms < stop and p.last_ms >= start]
    fresh = recent_rows.not_among(fresh, read(near, ids, start, stop))
    return fresh if len(fresh) else None


def _read_tier(files: list[str], ids: np.ndarray, from_ms: int, to_ms: int) -> pa.Table:
    if not files or not len(ids) or from_ms >= to_ms:
        return tiers.SCHEMA.empty_table()
    source, given, tables = these(files, ids, from_ms, to_ms)
    return ask(f"SELECT * FROM {source}", given, **tables).cast(tiers.SCHEMA)  # noqa: S608 - our own words


def _of(table: pa.Table) -> Points:
    time_ms = table["time"].combine_chunks().cast(MS).view(pa.int64()).to_numpy()
    datastream, value, quality, reason = (
        table[name].to_numpy() for name in ("datastream", "value", "quality", "reason")
    )
    return datastream, time_ms, value, quality, reason


def _drawn(found: Points, from_ms: int, to_ms: int, points: int, tier: str) -> pa.Table:
    datastream, time_ms, value, quality, reason = found
    order = np.lexsort((-quality.astype(np.int16), time_ms, datastream))
    datastream, time_ms = datastream[order], time_ms[order]
    once = np.ones(len(order), bool)  # an aggregate names one reading up to four times
    once[1:] = (np.diff(datastream) != 0) | (np.diff(time_ms) != 0)
    order, datastream, time_ms = order[once], datastream[once], time_ms[once]
    value = value[order]
    numbers, counts = np.unique(datastream, return_counts=True)
    if (counts > points).any():
        unit = tiers.WIDTH_MS.get(tier, 1)
        origin = from_ms // unit * unit
        stretches = points // PER_BUCKET
        width = -(-(to_ms - origin) // stretches)
        width = -(-width // unit) * unit
        many = np.isin(datastream, numbers[counts > points])
        rows = np.flatnonzero(many)
        kept = rows[thin(datastream[rows], time_ms[rows], value[rows], origin, width)]
        kept = np.sort(np.concatenate((np.flatnonzero(~many), kept)))
        order, datastream, time_ms, value = order[kept], datastream[kept], time_ms[kept], value[kept]
    return pa.Table.from_arrays(
        [
            pa.array(datastream),
            pa.array(time_ms).view(MS),
            pa.array(value),
            pa.array(quality[order]),
            pa.array(reason[order]),
        ],
        schema=SCHEMA,
    )


def _sums(ids: np.ndarray, counts: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, int]:
    total = np.zeros(len(ids), np.int64)
    for datastream, number in counts:
        np.add.at(total, np.searchsorted(ids, datastream), number)
    return dict(zip(ids.tolist(), total.tolist(), strict=True))
