"""Writing a segment: one Parquet file of one partition and one day (UTC), sorted by (datastream, time).

A segment is written under a hidden name, synced, renamed, and its folder synced, before the catalogue may list it.
Encodings were chosen on real plant series (``docs/history.md``): values packed as whole numbers (``packing``) and
stored as differences, which takes less time than doubles under zstd and half the room.  A merged segment has row groups
so large that what the tags of a site have in common, the instants of arrival above all, is said once.
"""

import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fengsui.stores.durable import make_folder, sync_folder
from fengsui.stores.history import packing
from fengsui.stores.history.files import Hashing
from fengsui.stores.history.packing import STORED
from fengsui.stores.history.rows import Rows, order_of, to_table
from fengsui.stores.history.tierfiles import TierFiles, WrittenTier

DAY_MS = 86_400_000
ROW_GROUP = 1 << 17
MERGED_ROW_GROUP = 1 << 19
READINGS = "readings"
DIFFERENCES = "DELTA_BINARY_PACKED"
FORMAT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["divisor", "quality", "reason", "source"],
    "column_encoding": {
        "datastream": DIFFERENCES,
        "time": DIFFERENCES,
        "digits": DIFFERENCES,
        "received": DIFFERENCES,
    },
    # of the last four: where a row group has one value, or none, a reader need not decode it
    "write_statistics": ["datastream", "time", "received", "value", "quality", "reason", "divisor"],
    "store_schema": True,
    "version": "2.6",
    "write_page_checksum": True,
}
MERGED_FORMAT: dict[str, Any] = {
    **FORMAT,
    "column_encoding": {"datastream": DIFFERENCES, "time": DIFFERENCES, "digits": DIFFERENCES},
    "compression_level": 3,
    "data_page_size": 1 << 24,  # one page a row group: zstd sees what repeats from tag to tag
    "max_rows_per_page": MERGED_ROW_GROUP,
}


@dataclass(frozen=True, slots=True)
class Written:
    """A segment that is on disk and not yet in the catalogue.  ``path`` is relative to the history folder."""

    path: str
    partition: int
    day: date
    first_ms: int
    last_ms: int
    first_received_ms: int
    last_received_ms: int
    rows: int
    bytes: int
    level: int
    checksum: str
    tiers: tuple[WrittenTier, ...] = ()


def write_segments(folder: Path, partition: int, rows: Rows, names: Sequence[str]) -> list[Written]:
    """Write ``rows`` (any order, no two with the same datastream and time), one segment for each day they touch.

    Durable when it returns.  Raises OSError when the disk refuses; what was begun then is removed.
    """
    written: list[Written] = []
    try:
        for part in by_day(rows):
            written.append(write_segment(folder, partition, [to_table(part, names)]))
    except BaseException:
        remove(folder, [w.path for w in written])
        raise
    return written


def by_day(rows: Rows) -> Iterable[Rows]:
    """The rows of each day, UTC, sorted by (datastream, time)."""
    days = rows.time_ms // DAY_MS
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, -1)
    for day in [first] if first == last else np.unique(days):
        part = rows if first == last else rows.take(days == day)
        yield part.take(order_of(part.datastream, part.time_ms))


def write_segment(folder: Path, partition: int, tables: Iterable[pa.Table], level: int = 0) -> Written:
    """Write sorted ``tables`` (of rows.SCHEMA) of one day, each continuing the one before, as one segment.

    Level 0 is fresh, higher ones are merged and have their aggregates beside them.  Raises OSError.
    """
    draft: Path | None = None
    beside: TierFiles | None = None
    form, group = (MERGED_FORMAT, MERGED_ROW_GROUP) if level else (FORMAT, ROW_GROUP)
    span = _Span()
    try:
        for table in tables:
            if draft is None:
                day = datetime.fromtimestamp(table["time"][0].value / 1000, UTC).date()
                name = f"p{partition:04d}-l{level}-{uuid.uuid4().hex}.parquet"
                path = Path(READINGS) / f"date={day}" / name
                make_folder((folder / path).parent)
                draft = (folder / path).with_name(f".{name}.draft")
                file = draft.open("wb")
                sink = Hashing(file)
                # a fresh one is small: encoded in memory it waits for no other thread of Python between two writes
                memory = None if level else pa.BufferOutputStream()
                writer = pq.ParquetWriter(memory or sink, STORED, **form)
                beside = TierFiles(folder, str(path)) if level else None
            span.add(table)
            writer.write_table(packing.pack(table, steps=level > 0), row_group_size=group)
            if beside is not None:
                beside.add(table)
        if draft is None:
            raise ValueError("a segment needs at least one row")
        if beside is not None:
            beside.finish()
        writer.close()
        if memory is not None:
            sink.write(memoryview(memory.getvalue()))
        file.flush()
        os.fsync(file.fileno())
        file.close()
        draft.rename(folder / path)
        sync_folder((folder / path).parent)
    except BaseException:
        if beside is not None:
            beside.remove()
        if draft is not None:
            file.close()
            draft.unlink(missing_ok=True)
            (folder / path).unlink(missing_ok=True)
        raise
    return Written(
        path=str(path),
        partition=partition,
        day=day,
        first_ms=span.first_ms,
        last_ms=span.last_ms,
        first_received_ms=span.first_received_ms,
        last_received_ms=span.last_received_ms,
        rows=span.rows,
        bytes=sink.size,
        level=level,
        checksum=sink.digest.hexdigest(),
        tiers=beside.written if beside is not None else (),
    )


def remove(folder: Path, paths: Iterable[str]) -> None:
    """Delete segments; one that is gone already is no error."""
    for path in paths:
        (folder / path).unlink(missing_ok=True)


class _Span:
    """What the catalogue says about the rows of a segment, gathered table by table."""

    def __init__(self) -> None:
        self.rows = 0
        self.first_ms = self.first_received_ms = 2**63 - 1
        self.last_ms = self.last_received_ms = -(2**63)

    def add(self, table: pa.Table) -> None:
        self.rows += len(table)
        for column in table["time"].chunks:
            times = column.view(pa.int64()).to_numpy()
            self.first_ms, self.last_ms = (
                min(self.first_ms, int(times.min())),
                max(self.last_ms, int(times.max())),
            )
        for column in table["received"].chunks:
            received = column.view(pa.int64()).to_numpy()
            self.first_received_ms = min(self.first_received_ms, int(received.min()))
            self.last_received_ms = max(self.last_received_ms, int(received.max()))
