"""Fewer points that draw the same line: the first, last, lowest and highest reading of each stretch of time.

This is the M4 aggregation (Jugel, Jerzak, Hackenbroich & Markl: M4, A Visualization-Oriented Time Series Data
Aggregation, PVLDB 7(10), 2014): a line chart drawn from it, one stretch a pixel, equals the chart of all points.
"""

import numpy as np
import pyarrow as pa

PER_BUCKET = 4


def downsample(table: pa.Table, points: int) -> pa.Table:
    """At most ``points`` rows of each datastream in ``table``; every row is one that was there, unchanged.

    ``table`` has ``datastream``, ``time`` (timestamp[ms]) and ``value`` and is sorted by (datastream, time), as
    ``query`` returns it.  ``points`` is at least 4 (ValueError): the first, the last, the lowest and the highest
    reading of a datastream are then always kept.  NaN is neither lowest nor highest.
    """
    if points < PER_BUCKET:
        raise ValueError(
            f"{points} points cannot hold the first, last, lowest and highest: ask for at least 4"
        )
    if len(table) == 0:
        return table
    datastream = table["datastream"].to_numpy()
    edges = np.flatnonzero(np.diff(datastream)) + 1
    starts = np.concatenate(([0], edges))
    counts = np.diff(np.concatenate((starts, [len(datastream)])))
    if (counts <= points).all():
        return table
    time_ms = table["time"].combine_chunks().view(pa.int64()).to_numpy()
    value = table["value"].to_numpy()
    kept = [
        start + _keep(time_ms[start : start + n], value[start : start + n], points)
        for start, n in zip(starts, counts, strict=True)
    ]
    return table.take(pa.array(np.concatenate(kept)))


def thin(
    datastream: np.ndarray, time_ms: np.ndarray, value: np.ndarray, origin_ms: int, width_ms: int
) -> np.ndarray:
    """Which rows to keep, rising: the first, last, lowest and highest of each datastream and stretch.

    Rows are sorted by (datastream, time); stretches are ``width_ms`` wide and begin at ``origin_ms``.
    """
    if not len(time_ms):
        return np.zeros(0, np.int64)
    stretch = (time_ms - origin_ms) // width_ms
    return _of_each(
        np.concatenate(([True], (np.diff(stretch) != 0) | (np.diff(datastream) != 0))).nonzero()[0], value
    )


def _keep(time_ms: np.ndarray, value: np.ndarray, points: int) -> np.ndarray:
    """Which rows of one datastream to keep, rising."""
    n = len(time_ms)
    if n <= points:
        return np.arange(n)
    buckets = points // PER_BUCKET
    span = int(time_ms[-1] - time_ms[0]) + 1
    width = -(-span // buckets)
    bucket = (time_ms - time_ms[0]) // width
    return _of_each(np.concatenate(([0], np.flatnonzero(np.diff(bucket)) + 1)), value)


def _of_each(starts: np.ndarray, value: np.ndarray) -> np.ndarray:
    ends = np.concatenate((starts[1:], [len(value)])) - 1
    place = np.repeat(np.arange(len(starts)), ends - starts + 1)
    low = np.where(np.isnan(value), np.inf, value)
    high = np.where(np.isnan(value), -np.inf, value)
    lowest = _first_of(low == np.minimum.reduceat(low, starts)[place], place)
    highest = _first_of(high == np.maximum.reduceat(high, starts)[place], place)
    return np.unique(np.concatenate((starts, ends, lowest, highest)))


def _first_of(hit: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The first row of each bucket where ``hit`` is true."""
    rows = np.flatnonzero(hit)
    return rows[np.unique(place[rows], return_index=True)[1]]
