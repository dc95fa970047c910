"""Readings in columns, as they go into a segment and come out of one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

MS = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("datastream", pa.int32(), nullable=False),
        pa.field("time", MS, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quality", pa.uint8(), nullable=False),
        pa.field("reason", pa.uint8(), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("received", MS, nullable=False),
    ]
)


@dataclass(slots=True)
class Rows:
    """Columns of equal length n; ``source`` is an index into ``names``, which the holder keeps beside them."""

    datastream: np.ndarray  # int32
    time_ms: np.ndarray  # int64
    value: np.ndarray  # float64, NaN where the device had none
    quality: np.ndarray  # uint8, base.quality.Quality
    reason: np.ndarray  # uint8, base.quality.Reason
    source: np.ndarray  # int32
    received_ms: np.ndarray  # int64

    def __len__(self) -> int:
        return len(self.datastream)

    def take(self, which: np.ndarray | slice) -> "Rows":
        """The rows at ``which``: indices, a mask or a slice."""
        return Rows(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def join(parts: Sequence["Rows"]) -> "Rows":
        """All rows of ``parts``, one after the other."""
        if len(parts) == 1:
            return parts[0]
        listed = [EMPTY, *parts]
        return Rows(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(Rows)))


EMPTY = Rows(
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
    np.zeros(0, np.float64),
    np.zeros(0, np.uint8),
    np.zeros(0, np.uint8),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
)


def to_table(rows: Rows, names: Sequence[str]) -> pa.Table:
    """The rows as a table of SCHEMA; no column is copied."""
    return pa.Table.from_arrays(
        [
            pa.array(rows.datastream),
            pa.array(rows.time_ms).view(MS),
            pa.array(rows.value),
            pa.array(rows.quality),
            pa.array(rows.reason),
            pa.DictionaryArray.from_arrays(pa.array(rows.source), pa.array(names, pa.string())),
            pa.array(rows.received_ms).view(MS),
        ],
        schema=SCHEMA,
    )


def order_of(datastream: np.ndarray, time_ms: np.ndarray) -> np.ndarray:
    """The permutation (int64 [n]) that sorts by (datastream, time); equal rows keep their order.

    ``datastream`` int32 [n], not negative.
    """
    if len(time_ms) == 0:
        return np.zeros(0, np.int64)
    first = time_ms.min()
    span = int(time_ms.max() - first)
    if span < 2**32:  # 49 days: one key of 64 bits sorts several times faster than two
        keys = datastream.astype(np.int64) << 32
        keys |= time_ms - first
        return np.argsort(keys, kind="stable")
    return np.lexsort((time_ms, datastream))
