"""Many small segments become few large ones, so that a query opens few files.

Size-tiered: when a day has ``FAN_IN`` segments of one level they are merged into one of the next, and when the day is
over, whatever is left of it.  A reading is rewritten about four times in all.  Merging streams: it holds a piece of
each segment at a time.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from fengsui.stores.history import segments
from fengsui.stores.history.catalogue import Catalogue, Replaced
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import unpack
from fengsui.stores.history.rows import SCHEMA, Rows, order_of, to_table
from fengsui.stores.history.segments import Written

log = structlog.get_logger()

FAN_IN = 16
PIECE = 1 << 16  # rows of a segment in hand while merging
MAX_ROWS = 32_000_000  # of a merged segment: about 100 MB, a few seconds to merge
GRACE_S = 60.0
QUIET = timedelta(minutes=10)


def plan(listed: Sequence[Segment], now: datetime) -> list[list[Segment]]:
    """Which segments of one partition to merge next, most useful first; empty when nothing is worth it.

    What is left of a day that is over waits until nothing was added for ``QUIET``, so that a site that sends
    yesterday's readings all day long does not have yesterday rewritten all day long.
    """
    days: dict[date, list[Segment]] = defaultdict(list)
    for segment in listed:
        days[segment.day].append(segment)
    groups = []
    for day in sorted(days, reverse=True):
        levels: dict[int, list[Segment]] = defaultdict(list)
        for segment in sorted(days[day], key=lambda s: s.id):
            levels[segment.level].append(segment)
        for level in sorted(levels):
            group = _bounded(levels[level][:FAN_IN])
            if len(levels[level]) >= FAN_IN and len(group) > FAN_IN // 2:
                groups.append(group)
        quiet = max(s.created_at for s in days[day]) < now - QUIET
        if day < now.date() and quiet and not any(len(levels[level]) >= FAN_IN for level in levels):
            rest = _bounded(sorted(days[day], key=lambda s: (s.rows, s.id)))
            if len(rest) > 1:
                groups.append(rest)
    return groups


def _bounded(group: Sequence[Segment]) -> list[Segment]:
    """The first of ``group`` that fit one segment together."""
    out: list[Segment] = []
    for segment in group:
        if sum(s.rows for s in out) + segment.rows > MAX_ROWS:
            break
        out.append(segment)
    return out


def merge(folder: Path, group: Sequence[Segment]) -> Written:
    """Write one segment with all rows of ``group`` (one partition and day).  Raises OSError."""
    level = max(s.level for s in group) + 1
    readers = [pq.ParquetFile(folder / s.path) for s in group]
    try:
        return segments.write_segment(folder, group[0].partition, _merged(readers), level)
    finally:
        for reader in readers:
            reader.close()


def _merged(readers: Sequence[pq.ParquetFile]) -> Iterator[pa.Table]:
    """All rows in order.  What is below the last row of every piece in hand cannot be preceded by anything unread."""
    names: dict[str, int] = {}
    streams = [_pieces(reader, names) for reader in readers]
    held = [next(stream, None) for stream in streams]
    waiting: list[Rows] = []
    while any(piece is not None for piece in held):
        cut = min((piece.datastream[-1], piece.time_ms[-1]) for piece in held if piece is not None)
        ready = []
        for i, piece in enumerate(held):
            if piece is None:
                continue
            n = _rows_up_to(piece, *cut)
            ready.append(piece.take(slice(0, n)))
            held[i] = piece.take(slice(n, None)) if n < len(piece) else next(streams[i], None)
        merged = Rows.join(ready)
        waiting.append(merged.take(order_of(merged.datastream, merged.time_ms)))
        if (count := sum(map(len, waiting))) >= segments.MERGED_ROW_GROUP:
            whole = count // segments.MERGED_ROW_GROUP * segments.MERGED_ROW_GROUP
            together = Rows.join(waiting)
            yield to_table(together.take(slice(0, whole)), list(names))
            waiting = [together.take(slice(whole, None))]
    if any(map(len, waiting)):
        yield to_table(Rows.join(waiting), list(names))


def _pieces(reader: pq.ParquetFile, names: dict[str, int]) -> Iterator[Rows]:
    """The rows of a segment, some at a time; sources by their index in ``names``, which grows by what is new."""
    for batch in reader.iter_batches(batch_size=PIECE):
        table = unpack(pa.Table.from_batches([batch])).cast(SCHEMA)
        source = table["source"].combine_chunks()
        place = [names.setdefault(name, len(names)) for name in source.dictionary.to_pylist()]
        yield Rows(
            table["datastream"].to_numpy(),
            _ms(table["time"]),
            table["value"].to_numpy(),
            table["quality"].to_numpy(),
            table["reason"].to_numpy(),
            np.array(place, np.int32)[source.indices.to_numpy()],
            _ms(table["received"]),
        )


def _ms(column: pa.ChunkedArray) -> np.ndarray:
    return column.combine_chunks().view(pa.int64()).to_numpy()


def _rows_up_to(rows: Rows, datastream: int, time_ms: int) -> int:
    """How many of ``rows`` are not above (datastream, time)."""
    low = np.searchsorted(rows.datastream, datastream, "left")
    high = np.searchsorted(rows.datastream, datastream, "right")
    return int(low + np.searchsorted(rows.time_ms[low:high], time_ms, "right"))


class Compactor:
    """Merges the segments of one partition, one group at a time, and deletes the replaced ones after a grace."""

    def __init__(self, catalogue: Catalogue, partition: int, grace_s: float = GRACE_S) -> None:
        self._catalogue = catalogue
        self._partition = partition
        self._grace_s = grace_s
        self._replaced: list[tuple[float, str]] = []

    def run_once(self, now: datetime) -> bool:
        """Do the most useful merge, if any, and delete what is due.  True when something was merged.

        Raises OSError and django.db.DatabaseError: nothing is lost then, and the next call begins again.
        """
        self.delete_due()
        groups = plan(list(Segment.objects.filter(partition=self._partition, rows__lt=MAX_ROWS)), now)
        for group in islice(groups, 1):
            written = merge(self._catalogue.folder, group)
            try:
                gone = self._catalogue.swap(group, written)
            except Replaced as error:
                log.warning("history.merge_dropped", partition=self._partition, error=str(error))
                segments.remove(
                    self._catalogue.folder, [written.path, *(tier.path for tier in written.tiers)]
                )
                return False
            due = time.monotonic() + self._grace_s
            self._replaced += [(due, path) for path in gone]
            log.debug("history.merged", partition=self._partition, segments=len(group), rows=written.rows)
        return bool(groups)

    def delete_due(self) -> None:
        """Delete the replaced segments whose grace is over."""
        now = time.monotonic()
        segments.remove(self._catalogue.folder, [path for due, path in self._replaced if due <= now])
        self._replaced = [(due, path) for due, path in self._replaced if due > now]
