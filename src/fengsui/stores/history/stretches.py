"""All readings of many datastreams over a long span, as the pipeline's engine saw them, with little memory.

Days are read one after the other, segment by segment: a merged segment is sorted and needs no sorting again.  Readings
are as measured, and those that arrived behind a newer one of their datastream are left out, because the engine never
judged them.  Pieces are in no order of datastreams, but each datastream's readings come in order of time.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fengsui.base.quality import Reason
from fengsui.stores.history import queries
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import unpack

DAY_MS = 86_400_000
COLUMNS = ["datastream", "time", "value", "quality", "reason", "digits", "divisor"]
PIECE_ROWS = 1 << 20
SORTED_ROWS = 1 << 22  # of a day whose segments overlap: so many are sorted at a time
AHEAD_MS = 3_600_000  # more than the checks let a stamp be ahead of its arrival
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

    Memory: three pieces (a row group or so), and of a day that is still being merged SORTED_ROWS.
    """
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    if not len(ids) or from_ms >= to_ms:
        return
    catalogue = catalogue or Catalogue.default()
    for begin in range(from_ms // DAY_MS * DAY_MS, to_ms, DAY_MS):
        low, high = max(begin, from_ms), min(begin + DAY_MS, to_ms)
        for table in _day(ids, low, high, catalogue):
            judged = _as_judged(table, catalogue)
            kept = table if judged is None else table.filter(judged)
            if len(kept):
                yield Piece(
                    kept["datastream"].to_numpy(),
                    kept["time"].cast(pa.int64()).to_numpy(),
                    kept["value"].to_numpy(),
                    kept["quality"].to_numpy(),
                )


def _day(ids: np.ndarray, low: int, high: int, catalogue: Catalogue) -> Iterator[pa.Table]:
    """The readings of a part of one day, late ones too, with their reasons."""
    found = queries.again_if_replaced(lambda: _opened(ids, low, high, catalogue))
    if isinstance(found, list):
        tables = (t for file in found for t in _ahead(_batches(file, ids)))
        for table in tables:
            yield _cut(table, ids, low, high)
        return
    for some in np.array_split(ids, min(-(-found // SORTED_ROWS), len(ids))):
        yield queries.measured(some, low, high, catalogue=catalogue).drop_columns(["source", "received"])


def _opened(ids: np.ndarray, low: int, high: int, catalogue: Catalogue) -> "list[pq.ParquetFile] | int":
    """The day's segments, open, in an order in which each datastream's times rise; how many rows where there is none.

    What is open can be read to its end, even when a merge deletes it.  Raises FileNotFoundError.
    """
    day = datetime.fromtimestamp(low / 1000, UTC).date()
    rows = Segment.objects.filter(day=day, first_ms__lt=high, last_ms__gte=low)
    segments = list(rows.order_by("partition", "first_ms", "id"))
    if any(a.partition == b.partition and b.first_ms <= a.last_ms for a, b in pairwise(segments)):
        return sum(s.rows for s in segments)
    return [pq.ParquetFile(path) for path in catalogue.absolute(s.path for s in segments)]


def _batches(file: pq.ParquetFile, ids: np.ndarray) -> Iterator[pa.Table]:
    with file:
        about = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        place = file.schema_arrow.names.index("datastream")
        limits = [group.column(place).statistics for group in about]
        wanted = [
            i
            for i, x in enumerate(limits)
            if x is None or np.searchsorted(ids, x.min) < np.searchsorted(ids, x.max, "right")
        ]
        columns = [name for name in COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(PIECE_ROWS, wanted, columns):
            yield unpack(pa.Table.from_batches([batch]))


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same, the next one read while the caller works."""
    with ThreadPoolExecutor(1, thread_name_prefix="stretches") as reader:
        coming = reader.submit(next, tables, None)
        while (table := coming.result()) is not None:
            coming = reader.submit(next, tables, None)
            yield table


def _cut(table: pa.Table, ids: np.ndarray, low: int, high: int) -> pa.Table:
    time_ms = table["time"].cast(pa.int64()).to_numpy()
    datastream = table["datastream"].to_numpy()
    kept = (time_ms >= low) & (time_ms < high)
    if len(ids) != int(ids[-1]) - int(ids[0]) + 1 or datastream[0] < ids[0] or datastream[-1] > ids[-1]:
        place = np.minimum(np.searchsorted(ids, datastream), len(ids) - 1)
        kept &= ids[place] == datastream
    return table if kept.all() else table.filter(pa.array(kept))


def _as_judged(table: pa.Table, catalogue: Catalogue) -> pa.Array | None:
    """Which rows came in order (bool), None: all.  Only rows with a reason may not have: those are looked at again."""
    reason = table["reason"].to_numpy()
    if not reason.any():
        return None
    flagged = np.flatnonzero(~np.isin(reason, IN_ORDER))
    if not len(flagged):
        return None
    kept = np.ones(len(reason), bool)
    datastream, time_ms = table["datastream"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()
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
    return pa.array(kept)


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
