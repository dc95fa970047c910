"""Stored readings as the rows that a detector sees, and which of them are closed.

A row is an interval since 1970: row k holds [k·every, (k + 1)·every) and a column for each datastream: its last value,
bad ones left out, held until it should have spoken again.

When is a row closed?  When the unit has spoken of a time ``grace`` behind its end: the reading that was received first
with such a time closes it, and what was received after that one does not count for it.  All of this stands in history,
so what a row held does not depend on when somebody looked, or how often.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fengsui.base.quality import Quality

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """``cells`` (n, datastreams) of the closed rows, ``received_ms`` (n,) when each was closed.

    ``late`` readings were received after their row was closed.
    """

    cells: np.ndarray
    received_ms: np.ndarray
    late: int


def columns(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Datastream, time and value (NaN where bad) of a table of ``rows.SCHEMA``."""
    at = table["time"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()
    value = table["value"].to_numpy().astype(np.float64)
    value = np.where(table["quality"].to_numpy() == Quality.BAD, np.nan, value)
    return table["datastream"].to_numpy(), at, value


def closed(
    table: pa.Table, ids: Sequence[int], hold: Sequence[int], every_ms: int, first: int, most: int, grace_ms: int,
    until_ms: int, at_last: bool = False,
) -> Closed:  # fmt: skip
    """The closed rows from ``first`` on, at most ``most``, of those whose closing was received by ``until_ms``.

    ``table`` is sorted by datastream and time, and begins ``max(hold)`` rows before ``first``.  ``at_last``: nothing
    more is waited for; what is not closed is closed at ``until_ms``.
    """
    datastream, at, value = columns(table)
    received = table["received"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()
    back = max(hold, default=0)
    ends = (np.arange(first - back, first + most, dtype=np.int64) + 1) * every_ms + grace_ms
    order = np.lexsort((at, received))
    furthest = np.maximum.accumulate(at[order]) if len(at) else at
    by = np.searchsorted(furthest, ends)
    closing = np.full(len(ends), NEVER)
    there = by < len(at)
    closing[there] = received[order][by[there]]
    if at_last:
        closing = np.minimum(closing, until_ms)
    wanted = closing[back:]
    open_ = np.flatnonzero(wanted > until_ms)
    count = int(open_[0]) if len(open_) else len(wanted)
    row = at // every_ms - (first - back)
    column = np.full(max(int(datastream.max(initial=0)), max(ids, default=0)) + 1, -1)
    column[np.asarray(ids, np.int64)] = np.arange(len(ids))
    where = column[datastream]
    inside = (row >= 0) & (row < back + count) & (where >= 0)
    row, where, value, received = row[inside], where[inside], value[inside], received[inside]
    in_time = received <= closing[row]
    late = int((~in_time & (row >= back)).sum())
    keep = in_time & np.isfinite(value)
    cells = np.full((back + count, len(ids)), np.nan)
    cells[row[keep], where[keep]] = value[keep]  # in time order: the last one stays
    for k, rows in enumerate(hold):
        held(cells[:, k], rows)
    return Closed(cells[back:], wanted[:count], late)


def held(column: np.ndarray, rows: int) -> None:
    """Fill what is missing with the value before it, at most ``rows`` behind it."""
    if rows < 1:
        return
    last = np.maximum.accumulate(np.where(np.isfinite(column), np.arange(len(column)), -1))
    near = (last >= 0) & (np.arange(len(column)) - last <= rows)
    column[near] = column[last[near]]
