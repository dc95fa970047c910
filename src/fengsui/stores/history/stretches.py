"""All readings of many datastreams over a long span, as the pipeline's engine saw them, with little memory.

Days are read one after the other, segment by segment: a merged segment is sorted and needs no sorting again.  Readings
are as measured, and those that arrived behind a newer one of their datastream are left out, because the engine never
judged them.  Pieces are in no order of datastreams, but each datastream's readings come in order of time.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fengsui.base.quality import Reason
from fengsui.stores.history import queries
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import quotient, unpack

DAY_MS = 86_400_000
COLUMNS = ["datastream", "time", "value", "quality", "reason", "digits", "divisor"]
PIECE_ROWS = 1 << 20
SORTED_ROWS = 1 << 22  # of a day whose segments overlap: so many are sorted at a time
AHEAD_MS = 3_600_000  # more than the checks let a stamp be ahead of its arrival
READERS = 2  # threads that read and decode while the caller works
AHEAD = 2  # row groups that each of them may be ahead
IN_ORDER = (0, int(Reason.FROZEN))  # reasons that a reading behind a newer one never has


class Piece(NamedTuple):
    """Readings in columns [n]: datastream int32, time_ms int64, value float64, quality uint8."""

    datastream: np.ndarray
    time_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray


def stretches(
    datastream_ids: np.ndarray, from_ms: int, to_ms: int, *, catalogue: Catalogue | None = None
) -> Iterator[Piece]:
    """The readings of [from_ms, to_ms).  Raises OSError.

    Memory: a few row groups (READERS * AHEAD and one), and of a day that is still being merged SORTED_ROWS.
    """
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    if not len(ids) or from_ms >= to_ms:
        return
    catalogue = catalogue or Catalogue.default()
    for begin in range(from_ms // DAY_MS * DAY_MS, to_ms, DAY_MS):
        low, high = max(begin, from_ms), min(begin + DAY_MS, to_ms)
        for read in _day(ids, low, high, catalogue):
            judged = _as_judged(read, catalogue)
            kept = read if judged is None else read.take(judged)
            if len(kept.time_ms):
                yield Piece(kept.datastream, kept.time_ms, kept.value, kept.quality)


class _Read(NamedTuple):
    """Stored readings in columns; ``reason`` None where nothing has one."""

    datastream: np.ndarray
    time_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray
    reason: np.ndarray | None

    def take(self, which: np.ndarray | slice) -> "_Read":
        return _Read(
            self.datastream[which],
            self.time_ms[which],
            self.value[which],
            self.quality[which],
            None if self.reason is None else self.reason[which],
        )


def _day(ids: np.ndarray, low: int, high: int, catalogue: Catalogue) -> Iterator[_Read]:
    """The readings of a part of one day, late ones too, with their reasons."""
    found = queries.again_if_replaced(lambda: _opened(ids, low, high, catalogue))
    if isinstance(found, list):
        for handles in found:
            for read in _decoded(handles, ids, low, high):
                for begin in range(0, len(read.time_ms), PIECE_ROWS):
                    yield read.take(slice(begin, begin + PIECE_ROWS))
        return
    for some in np.array_split(ids, min(-(-found // SORTED_ROWS), len(ids))):
        table = queries.measured(some, low, high, catalogue=catalogue)
        yield _Read(*(_numbers(table[name]) for name in COLUMNS[:5]))


def _opened(ids: np.ndarray, low: int, high: int, catalogue: Catalogue) -> "list[list[pq.ParquetFile]] | int":
    """The day's segments, each open once a reader, in an order in which each datastream's times rise.

    How many rows where there is no such order.

    What is open can be read to its end, even when a merge deletes it.  Raises FileNotFoundError.
    """
    day = datetime.fromtimestamp(low / 1000, UTC).date()
    rows = Segment.objects.filter(day=day, first_ms__lt=high, last_ms__gte=low)
    segments = list(rows.order_by("partition", "first_ms", "id"))
    if any(a.partition == b.partition and b.first_ms <= a.last_ms for a, b in pairwise(segments)):
        return sum(s.rows for s in segments)
    return [
        [pq.ParquetFile(path) for _ in range(READERS)]
        for path in catalogue.absolute(s.path for s in segments)
    ]


def _decoded(handles: Sequence[pq.ParquetFile], ids: np.ndarray, low: int, high: int) -> Iterator[_Read]:
    """The readings of ``ids`` in [low, high) of one file in their order, decoded by READERS threads some way ahead.

    A handle is used by one thread only.
    """
    groups = [Group.of(handles[0], i) for i in range(handles[0].metadata.num_row_groups)]
    with ExitStack() as until:
        for file in handles:
            until.enter_context(file)
        threads = [until.enter_context(ThreadPoolExecutor(1, f"stretches-{i}")) for i in range(len(handles))]
        coming: deque[Future[_Read]] = deque()
        try:
            for turn, group in enumerate(group for group in groups if group.may_hold(ids)):
                own = turn % len(handles)
                coming.append(threads[own].submit(_read, handles[own], group, ids, low, high))
                if len(coming) > AHEAD * len(handles):
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


@dataclass(frozen=True, slots=True)
class Group:
    """A row group and what its statistics say; None where they say nothing (files before there were any)."""

    number: int
    rows: int
    names: tuple[str, ...]  # columns of the file
    ids: tuple[int, int] | None
    same: dict[str, Any]  # columns with one value in every row, and that value; None: all null

    @classmethod
    def of(cls, file: pq.ParquetFile, number: int) -> "Group":
        about, names = file.metadata.row_group(number), tuple(file.schema_arrow.names)
        known = {name: about.column(place).statistics for place, name in enumerate(names) if name in COLUMNS}
        same: dict[str, Any] = {}
        for name in ("value", "quality", "reason", "divisor"):
            found = known.get(name)
            if found is None or not found.has_null_count:
                continue
            if found.null_count == about.num_rows:
                same[name] = None
            elif found.null_count == 0 and found.has_min_max and found.min == found.max and name != "value":
                same[name] = found.min
        limits = known["datastream"]
        return cls(
            number,
            about.num_rows,
            names,
            (limits.min, limits.max) if limits is not None and limits.has_min_max else None,
            same,
        )

    def may_hold(self, ids: np.ndarray) -> bool:
        """Whether a reading of ``ids`` (sorted) may be in it."""
        return self.ids is None or bool(
            np.searchsorted(ids, self.ids[0]) < np.searchsorted(ids, self.ids[1], "right")
        )


def _read(file: pq.ParquetFile, group: Group, ids: np.ndarray, low: int, high: int) -> _Read:
    wanted = [name for name in COLUMNS if name in group.names and name not in group.same]
    table = file.read_row_group(group.number, wanted, use_threads=False)
    if group.same.get("value", 0) is None and group.same.get("divisor"):
        value = quotient(_numbers(table["digits"]), group.same["divisor"])
    else:
        for name, one in group.same.items():
            if name in ("value", "divisor"):
                table = table.append_column(name, pa.repeat(pa.scalar(one, pa.float64()), group.rows))
        value = _numbers(unpack(table)["value"])
    quality, reason = (
        np.full(group.rows, group.same[name], np.uint8) if name in group.same else _numbers(table[name])
        for name in ("quality", "reason")
    )
    found = _Read(
        _numbers(table["datastream"]),
        _numbers(table["time"]),
        value,
        quality,
        reason if reason.any() else None,
    )
    return _cut(found, ids, low, high)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy()


def _cut(read: _Read, ids: np.ndarray, low: int, high: int) -> _Read:
    """The rows of ``ids`` in [low, high); ``read`` itself when that is all of them."""
    datastream, time_ms = read.datastream, read.time_ms
    kept = None
    if time_ms.min() < low or time_ms.max() >= high:
        kept = (time_ms >= low) & (time_ms < high)
    starts = np.flatnonzero(np.r_[True, datastream[1:] != datastream[:-1]])
    each = datastream[starts]
    known = ids[np.minimum(np.searchsorted(ids, each), len(ids) - 1)] == each
    if not known.all():
        ours = np.repeat(known, np.diff(np.r_[starts, len(datastream)]))
        kept = ours if kept is None else kept & ours
    return read if kept is None else read.take(kept)


def _as_judged(read: _Read, catalogue: Catalogue) -> np.ndarray | None:
    """Which rows came in order (bool), None: all.  Only rows with a reason may not have: those are looked at again."""
    if read.reason is None:
        return None
    flagged = np.flatnonzero(~np.isin(read.reason, IN_ORDER))
    if not len(flagged):
        return None
    kept = np.ones(len(read.reason), bool)
    datastream, time_ms = read.datastream, read.time_ms
    mine = np.unique(datastream[flagged])
    first = int(time_ms[flagged].min())
    around = queries.measured(mine, first, int(time_ms[flagged].max()) + 1, catalogue=catalogue)
    arrived = around["received"].cast(pa.int64()).to_numpy()
    until = int(arrived.max()) + AHEAD_MS
    around = queries.measured(mine, first, until, catalogue=catalogue)
    behind = _behind(
        around["datastream"].to_numpy(),
        around["time"].cast(pa.int64()).to_numpy(),
        around["received"].cast(pa.int64()).to_numpy(),
    )
    kept[flagged] = [
        key not in behind for key in zip(datastream[flagged].tolist(), time_ms[flagged].tolist(), strict=True)
    ]
    return kept


def _behind(datastream: np.ndarray, time_ms: np.ndarray, received_ms: np.ndarray) -> set[tuple[int, int]]:
    """Datastream and time of the rows that arrived after a later one; sorted by (datastream, time)."""
    found: set[tuple[int, int]] = set()
    starts = np.flatnonzero(np.r_[True, datastream[1:] != datastream[:-1]])
    for begin, end in pairwise([*starts.tolist(), len(datastream)]):
        arrived = received_ms[begin:end]
        earliest = np.minimum.accumulate(arrived[::-1])[::-1]  # of this one and those after it
        late = begin + np.flatnonzero(arrived[:-1] > earliest[1:])
        found |= set(zip(datastream[late].tolist(), time_ms[late].tolist(), strict=True))
    return found
