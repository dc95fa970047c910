"""Aggregates beside the raw readings: a row for each datastream and minute, and for each datastream and hour.

A merged segment has a minute file and an hour file of exactly its readings, each where it saves room.  They are
*partial*: late readings lie in another segment with aggregates of their own, and who asks adds the parts up.  So
nothing that was written must be made anew when something arrives late, and no aggregate is ever stale.

The rules:

- ``count`` is every reading.  ``known`` and ``sum`` leave out NaN and bad quality; the mean is ``sum / known``.
- ``first``, ``last``, ``min`` and ``max`` are of every value that is not NaN, of any quality, each with its offset from
  ``time`` in ms: they are what a line chart shows.  NaN (offsets 0) when there was none.
- ``quality`` and ``reason`` are the highest of the stretch.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa

from fengsui.stores.history.rows import MS

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
WIDTH_MS = {"minute": MINUTE_MS, "hour": HOUR_MS}
FOLDER = {"minute": "minutes", "hour": "hours"}
ROW_GROUP = 1 << 15
WORTH = 4  # a file of aggregates is made when it has at most one row for so many readings
EXTREMES = ("first", "last", "min", "max")
SCHEMA = pa.schema(
    [
        pa.field("datastream", pa.int32(), nullable=False),
        pa.field("time", MS, nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("known", pa.int64(), nullable=False),
        pa.field("sum", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in EXTREMES),
        *(pa.field(f"{name}_at", pa.int32(), nullable=False) for name in EXTREMES),
        pa.field("quality", pa.uint8(), nullable=False),
        pa.field("reason", pa.uint8(), nullable=False),
    ]
)
FORMAT = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": ["count", "known", "first_at", "last_at", "quality", "reason"],
    "column_encoding": {"datastream": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED"},
    "write_statistics": ["datastream", "time"],
    "version": "2.6",
}


def summarise(table: pa.Table, width_ms: int) -> pa.Table:
    """Readings (rows.SCHEMA, sorted by datastream and time) as aggregates of ``width_ms``: a table of SCHEMA."""
    if len(table) == 0:
        return SCHEMA.empty_table()
    columns = _summarise(
        table["datastream"].to_numpy(),
        table["time"].combine_chunks().cast(MS).view(pa.int64()).to_numpy(),
        table["value"].to_numpy(),
        table["quality"].to_numpy(),
        table["reason"].to_numpy(),
        width_ms,
    )
    return _table(columns)


def combine(tables: Sequence[pa.Table], width_ms: int) -> pa.Table:
    """Partial aggregates as one of ``width_ms``, a row for each datastream and stretch, sorted."""
    parts = pa.concat_tables([SCHEMA.empty_table(), *(t.cast(SCHEMA) for t in tables)]).combine_chunks()
    if len(parts) == 0:
        return parts
    datastream, time_ms = parts["datastream"].to_numpy(), _ms(parts)
    order = np.lexsort((time_ms, datastream))
    values = np.stack([parts[name].to_numpy() for name in EXTREMES])[:, order]
    offsets = np.stack([parts[f"{name}_at"].to_numpy() for name in EXTREMES])[:, order]
    names = ("count", "known", "sum", "quality", "reason")
    count, known, total, quality, reason = (parts[name].to_numpy()[order] for name in names)
    return _table(
        _combine(
            datastream[order], time_ms[order], values, offsets, count, known, total, quality, reason, width_ms
        )
    )


def points_of(table: pa.Table) -> tuple[np.ndarray, ...]:
    """The readings that aggregates name: datastream, time_ms, value, quality, reason; in any order, some twice."""
    time_ms = _ms(table)
    drawn = ~np.isnan(table["first"].to_numpy())
    values = [table[name].to_numpy() for name in EXTREMES]
    times = [time_ms + table[f"{name}_at"].to_numpy() for name in EXTREMES]
    datastream, quality, reason = (table[name].to_numpy() for name in ("datastream", "quality", "reason"))
    return (
        np.concatenate([datastream[drawn]] * 4 + [datastream[~drawn]]),
        np.concatenate([t[drawn] for t in times] + [time_ms[~drawn]]),
        np.concatenate([v[drawn] for v in values] + [values[0][~drawn]]),
        np.concatenate([quality[drawn]] * 4 + [quality[~drawn]]),
        np.concatenate([reason[drawn]] * 4 + [reason[~drawn]]),
    )


def _ms(table: pa.Table) -> np.ndarray:
    return table["time"].combine_chunks().cast(MS).view(pa.int64()).to_numpy()


def _table(columns: Iterable[np.ndarray]) -> pa.Table:
    datastream, time_ms, count, known, total, values, offsets, quality, reason = columns
    return pa.Table.from_arrays(
        [
            pa.array(datastream),
            pa.array(time_ms).view(MS),
            *(pa.array(c) for c in (count, known, total)),
            *(pa.array(np.ascontiguousarray(v)) for v in values),
            *(pa.array(np.ascontiguousarray(o)) for o in offsets),
            pa.array(quality),
            pa.array(reason),
        ],
        schema=SCHEMA,
    )


def file_name(kind: str, raw: str) -> Path:
    """Where the aggregates of the segment ``raw`` (its path in the history folder) rest."""
    day, name = Path(raw).parts[-2:]
    return Path(FOLDER[kind]) / day / name


@numba.njit(cache=True, nogil=True)
def _stretches(datastream, time_ms, width_ms):  # type: ignore[no-untyped-def]
    """How many aggregates there will be: memory for one a reading would cost more than the work."""
    count, stream, start, stop = 0, np.int32(-1), np.int64(0), np.int64(0)
    for i in range(len(time_ms)):
        t = time_ms[i]
        if datastream[i] != stream or t < start or t >= stop:
            count += 1
            stream, start = datastream[i], t // width_ms * width_ms
            stop = start + width_ms
    return count


@numba.njit(cache=True, nogil=True)
def _summarise(datastream, time_ms, value, quality, reason, width_ms):  # type: ignore[no-untyped-def]
    m = _stretches(datastream, time_ms, width_ms)
    out_stream, out_time = np.empty(m, np.int32), np.empty(m, np.int64)
    count, known, total = np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m)
    values, offsets = np.full((4, m), np.nan), np.zeros((4, m), np.int32)
    worst, flag = np.zeros(m, np.uint8), np.zeros(m, np.uint8)
    row, stream, start, stop = -1, np.int32(-1), np.int64(0), np.int64(0)
    for i in range(len(value)):
        t = time_ms[i]
        if datastream[i] != stream or t < start or t >= stop:
            row += 1
            stream, start = datastream[i], t // width_ms * width_ms
            stop = start + width_ms
            out_stream[row], out_time[row] = stream, start
        count[row] += 1
        worst[row], flag[row] = max(worst[row], quality[i]), max(flag[row], reason[i])
        x, at = value[i], t - start
        if np.isnan(x):
            continue
        if quality[i] < 2:
            known[row] += 1
            total[row] += x
        if np.isnan(values[0, row]):
            for k in range(4):
                values[k, row], offsets[k, row] = x, at
        values[1, row], offsets[1, row] = x, at
        if x < values[2, row]:
            values[2, row], offsets[2, row] = x, at
        if x > values[3, row]:
            values[3, row], offsets[3, row] = x, at
    return out_stream, out_time, count, known, total, values, offsets, worst, flag


@numba.njit(cache=True, nogil=True)
def _combine(  # type: ignore[no-untyped-def]
    datastream, time_ms, values_in, offsets_in, counts, knowns, sums, quality, reason, width_ms
):
    n = len(time_ms)
    out_stream, out_time = np.empty(n, np.int32), np.empty(n, np.int64)
    count, known, total = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
    values, offsets = np.full((4, n), np.nan), np.zeros((4, n), np.int32)
    worst, flag = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    row = -1
    for i in range(n):
        start = time_ms[i] // width_ms * width_ms
        if row < 0 or out_stream[row] != datastream[i] or out_time[row] != start:
            row += 1
            out_stream[row], out_time[row] = datastream[i], start
        count[row] += counts[i]
        known[row] += knowns[i]
        total[row] += sums[i]
        worst[row], flag[row] = max(worst[row], quality[i]), max(flag[row], reason[i])
        if np.isnan(values_in[0, i]):
            continue
        shift = time_ms[i] - start
        for k in range(4):
            x, at = values_in[k, i], offsets_in[k, i] + shift
            y, old = values[k, row], offsets[k, row]
            if (
                np.isnan(y)
                or (k == 0 and at < old)
                or (k == 1 and at > old)
                or (k == 2 and (x < y or (x == y and at < old)))
                or (k == 3 and (x > y or (x == y and at < old)))
            ):
                values[k, row], offsets[k, row] = x, at
    m = row + 1
    return (
        out_stream[:m], out_time[:m], count[:m], known[:m], total[:m],
        values[:, :m], offsets[:, :m], worst[:m], flag[:m],
    )  # fmt: skip
