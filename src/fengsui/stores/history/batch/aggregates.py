"""Aggregates of spans of time: how many readings, lowest, highest, mean, first and last of each datastream."""

import numpy as np
import pyarrow as pa

from fengsui.stores.history.batch.whole import columns, usable

AGGREGATES = pa.schema(
    [
        pa.field("datastream", pa.int32()),
        pa.field(
            "time", pa.timestamp("ms", "UTC")
        ),  # the span's beginning; spans lie on multiples of its length, UTC
        pa.field("readings", pa.int64()),
        pa.field("usable", pa.int64()),  # not bad, and with a value: the rest is of these
        pa.field("lowest", pa.float64()),  # null where there is no usable reading
        pa.field("highest", pa.float64()),
        pa.field("mean", pa.float64()),
        pa.field("first", pa.float64()),
        pa.field("last", pa.float64()),
    ]
)


def aggregate(table: pa.Table, every_ms: int) -> pa.Table:
    """AGGREGATES of ``table`` (``whole.BATCH``, whole datastreams, sorted by datastream and time), sorted likewise.

    Spans without a reading have no row.  Raises ValueError for a span that is not positive.
    """
    if every_ms <= 0:
        raise ValueError(f"a span of {every_ms} ms")
    if not len(table):
        return AGGREGATES.empty_table()
    datastream, time_ms, value, quality = columns(table)
    span = time_ms // every_ms * every_ms
    starts = np.flatnonzero(np.r_[True, (datastream[1:] != datastream[:-1]) | (span[1:] != span[:-1])])
    good = usable(value, quality)
    number = np.add.reduceat(good.astype(np.int64), starts)
    some = number > 0
    total = np.add.reduceat(np.where(good, value, 0.0), starts)
    places = np.arange(len(value))
    first = np.minimum.reduceat(np.where(good, places, len(value) - 1), starts)
    last = np.maximum.reduceat(np.where(good, places, 0), starts)
    found = {
        "lowest": np.minimum.reduceat(np.where(good, value, np.inf), starts),
        "highest": np.maximum.reduceat(np.where(good, value, -np.inf), starts),
        "mean": total / np.maximum(number, 1),
        "first": value[first],
        "last": value[last],
    }
    return pa.Table.from_arrays(
        [
            pa.array(datastream[starts]),
            pa.array(span[starts]).cast(AGGREGATES.field("time").type),
            pa.array(np.diff(np.r_[starts, len(value)])),
            pa.array(number),
            *(pa.array(column, mask=~some) for column in found.values()),
        ],
        schema=AGGREGATES,
    )
