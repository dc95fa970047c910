"""Readings as a file to take away, streamed: CSV or Parquet, a day at a time, so that size is no matter."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from fengsui.stores.history import segments
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.queries import DAY_MS, measured, query
from fengsui.stores.history.rows import SCHEMA

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def export(
    datastream_ids: Sequence[int],
    from_ms: int,
    to_ms: int,
    form: str,
    *,
    catalogue: Catalogue | None = None,
    recent: pa.Table | None = None,
    as_measured: bool = False,
) -> Iterator[bytes]:
    """The readings of [from_ms, to_ms) as the bytes of a file, piece by piece.  ``form`` is a key of MEDIA_TYPES.

    Parquet holds the columns of ``rows.SCHEMA``.  CSV has the same names, times in ISO 8601 UTC, an empty value where
    there is none.  Sorted by day, then (datastream, time).  ``recent`` as in ``query``.
    ``as_measured``: whatever was corrected since.
    """
    if form not in MEDIA_TYPES:
        raise ValueError(f"form {form!r} is not one of {', '.join(MEDIA_TYPES)}")
    tables = _days(
        datastream_ids,
        from_ms,
        to_ms,
        catalogue or Catalogue.default(),
        recent,
        measured if as_measured else query,
    )
    return _csv(tables) if form == "csv" else _parquet(tables)


def _days(
    ids: Sequence[int],
    from_ms: int,
    to_ms: int,
    catalogue: Catalogue,
    recent: pa.Table | None,
    ask: Callable[..., pa.Table],
) -> Iterator[pa.Table]:
    start = from_ms
    while start < to_ms:
        end = min((start // DAY_MS + 1) * DAY_MS, to_ms)
        table = ask(ids, start, end, catalogue=catalogue, recent=recent)
        if len(table):
            yield table
        start = end


def _csv(tables: Iterator[pa.Table]) -> Iterator[bytes]:
    yield (",".join(SCHEMA.names) + "\n").encode()
    options = pc.WriteOptions(include_header=False, quoting_style="needed")
    for table in tables:
        value = table["value"].combine_chunks()
        table = table.set_column(2, "value", pa.compute.if_else(pa.compute.is_nan(value), None, value))
        table = table.set_column(5, "source", table["source"].cast(pa.string()))
        for place in (1, 6):
            text = pa.compute.strftime(table.column(place), "%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(place, SCHEMA.names[place], text)
        sink = io.BytesIO()
        pc.write_csv(table, sink, options)
        yield sink.getvalue()


def _parquet(tables: Iterator[pa.Table]) -> Iterator[bytes]:
    sink = _Passing()
    with pq.ParquetWriter(sink, SCHEMA, **segments.FORMAT) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=segments.ROW_GROUP)
            yield sink.take()
    yield sink.take()


class _Passing(io.RawIOBase):
    """A file whose bytes are taken away as they are written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
