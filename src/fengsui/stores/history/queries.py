"""Answers from history: readings of a span of time, last values, and counts for the ledger.  By DuckDB, in process.

A merge may delete a segment between the moment a query looked it up and the moment it reads it: the query is then
asked again from the catalogue, so a reader sees every reading once, before or after the merge.
"""
# ruff: noqa: S608 - the fragments are our own

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.corrections import Corrections
from fengsui.stores.history.packing import VALUE_SQL
from fengsui.stores.history.recent import merged, within
from fengsui.stores.history.rows import SCHEMA

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
ATTEMPTS = 5
DAY_MS = 86_400_000
LOOK_BACK_MS = (600_000, DAY_MS, 31 * DAY_MS)

_database: "duckdb.DuckDBPyConnection | None" = None
_opening = threading.Lock()


def query(
    datastream_ids: Sequence[int] | np.ndarray,
    from_ms: int,
    to_ms: int,
    *,
    catalogue: Catalogue | None = None,
    recent: pa.Table | None = None,
) -> pa.Table:
    """The readings of [from_ms, to_ms) as a table of ``rows.SCHEMA``, sorted by (datastream, time).

    ``recent`` are readings that were not committed when the pipeline was asked, **before** this call
    (``recent.Recent.table``); one that is committed by now is there once.  Corrected ones are as corrected.
    """
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    found = measured(ids, from_ms, to_ms, catalogue=catalogue, recent=recent)
    return Corrections.of(ids, from_ms, to_ms).apply(found)


def measured(
    datastream_ids: Sequence[int] | np.ndarray,
    from_ms: int,
    to_ms: int,
    *,
    catalogue: Catalogue | None = None,
    recent: pa.Table | None = None,
) -> pa.Table:
    """The same as it was measured, whatever was corrected since."""
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    catalogue = catalogue or Catalogue.default()
    found = again_if_replaced(lambda: read(catalogue.between(from_ms, to_ms), ids, from_ms, to_ms))
    return found if recent is None else merged(found, within(recent, ids, from_ms, to_ms))


def read(files: Sequence[str], ids: np.ndarray, from_ms: int, to_ms: int) -> pa.Table:
    """The readings of ``ids`` (int32, rising) in segments, as ``query`` answers.  Raises duckdb.IOException."""
    if not files or not len(ids) or from_ms >= to_ms:
        return SCHEMA.empty_table()
    source, given, tables = these(files, ids, from_ms, to_ms)
    found = ask(
        f"""SELECT datastream, time, {VALUE_SQL} AS value, quality, reason, source, received
            FROM {source} ORDER BY datastream, time""",
        given,
        **tables,
    )
    return found.cast(SCHEMA)


def last_values(
    datastream_ids: Sequence[int] | np.ndarray, until_ms: int, *, catalogue: Catalogue | None = None
) -> pa.Table:
    """The newest reading of each datastream before ``until_ms``, at most 31 days back, sorted by datastream.

    Columns datastream, time, value, quality, reason.  Datastreams with none are left out.
    """
    catalogue = catalogue or Catalogue.default()
    wanted = np.unique(np.asarray(datastream_ids, np.int32))
    parts = [_NO_LAST]
    to_ms = until_ms
    for back_ms in LOOK_BACK_MS:
        if not len(wanted):
            break
        found = again_if_replaced(partial(_last, catalogue, wanted, until_ms - back_ms, to_ms))
        parts.append(found)
        wanted = np.setdiff1d(wanted, found["datastream"].to_numpy())
        to_ms = until_ms - back_ms
    return pa.concat_tables(parts).sort_by("datastream")


def count_received(from_ms: int, to_ms: int, *, catalogue: Catalogue | None = None) -> pa.Table:
    """How many stored readings arrived in [from_ms, to_ms): source, minute_ms (int64), rows (int64)."""
    catalogue = catalogue or Catalogue.default()

    def look() -> pa.Table:
        files = catalogue.received_between(from_ms, to_ms)
        if not files:
            return _NO_COUNTS
        found = ask(
            """SELECT source::VARCHAR AS source, epoch_ms(received) // 60000 * 60000 AS minute_ms, count(*) AS rows
               FROM read_parquet($files, hive_partitioning = false)
               WHERE received >= make_timestamptz($from * 1000) AND received < make_timestamptz($to * 1000)
               GROUP BY ALL""",
            {"files": files, "from": from_ms, "to": to_ms},
        )
        return found.cast(_NO_COUNTS.schema)

    return again_if_replaced(look)


_NO_LAST = SCHEMA.empty_table().select(["datastream", "time", "value", "quality", "reason"])
_NO_COUNTS = pa.schema(
    [("source", pa.string()), ("minute_ms", pa.int64()), ("rows", pa.int64())]
).empty_table()


def _last(catalogue: Catalogue, wanted: np.ndarray, from_ms: int, to_ms: int) -> pa.Table:
    files = catalogue.between(from_ms, to_ms)
    if not files:
        return _NO_LAST
    source, given, tables = these(files, wanted, from_ms, to_ms)
    found = ask(
        f"""SELECT datastream, max(time) AS time, arg_max({VALUE_SQL}, time) AS value,
                  arg_max(quality, time) AS quality,
                  arg_max(reason, time) AS reason
           FROM {source} GROUP BY datastream""",
        given,
        **tables,
    )
    return found.cast(_NO_LAST.schema)


def these(
    files: Sequence[str], ids: np.ndarray, from_ms: int, to_ms: int
) -> tuple[str, dict[str, object], dict[str, pa.Table]]:
    """The rows of datastreams (int32, rising) and a span as DuckDB names them, for ``ask``: FROM, values and tables.

    Ids without a gap, as those of one datastream and mostly those of a site, are a range: a fifth less work.
    """
    low, high = int(ids[0]), int(ids[-1])
    given: dict[str, object] = {"files": list(files), "low": low, "high": high, "from": from_ms, "to": to_ms}
    source = """read_parquet($files, hive_partitioning = false)
        WHERE datastream BETWEEN $low AND $high
          AND time >= make_timestamptz($from * 1000) AND time < make_timestamptz($to * 1000)"""
    if len(ids) == high - low + 1:
        return source, given, {}
    return f"{source} AND datastream IN (SELECT id FROM ids)", given, {"ids": pa.table({"id": ids})}


def ask(sql: str, parameters: dict[str, object], **tables: pa.Table) -> pa.Table:
    """The answer of DuckDB; ``tables`` are tables that ``sql`` names.  Raises duckdb.Error."""
    cursor = _open().cursor()  # one a call: cursors are what threads may not share
    try:
        for name, table in tables.items():
            cursor.register(name, table)
        return cursor.sql(sql, params=parameters).to_arrow_table()
    finally:
        cursor.close()


def _open() -> "duckdb.DuckDBPyConnection":
    global _database
    with _opening:
        if _database is None:
            import duckdb  # 40 MB that a process without questions does not need

            opened = duckdb.connect(
                config={"threads": 2, "memory_limit": "1GB", "autoinstall_known_extensions": False}
            )
            opened.execute("SET parquet_metadata_cache = true")
            _database = opened
        return _database


def again_if_replaced(look: Callable[[], T]) -> T:
    """What ``look`` answers; asked again when a merge deleted a file meanwhile.  Raises OSError when it stays away."""
    import duckdb

    for attempt in range(ATTEMPTS):
        try:
            return look()
        except (duckdb.IOException, FileNotFoundError) as error:
            if attempt == ATTEMPTS - 1:
                raise OSError(str(error)) from error
    raise AssertionError("unreachable")
