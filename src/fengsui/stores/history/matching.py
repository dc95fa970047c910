"""Is this reading in history already?  For readings that come out of order: the only ones that must ask.

Row groups are read one at a time and most are passed over by their statistics, so memory does not grow with history.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fengsui.stores.history.packing import unpack

COLUMNS = ["datastream", "time", "value", "digits", "divisor"]


def find_stored(
    files: Iterable[str], datastream: np.ndarray, time_ms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each asked (datastream int32 [n], time_ms int64 [n]): whether it is stored (bool [n]) and its value.

    The value is float64 [n], NaN where it is not stored (or stored without one).
    """
    found, value = np.zeros(len(time_ms), bool), np.full(len(time_ms), np.nan)
    if not len(time_ms):
        return found, value
    asked = _Asked(datastream, time_ms)
    for file in files:
        with pq.ParquetFile(file, memory_map=True) as parquet:
            for group in range(parquet.metadata.num_row_groups):
                if asked.may_be_in(parquet.metadata.row_group(group)):
                    place, values = asked.matches(unpack(parquet.read_row_group(group, columns=COLUMNS)))
                    found[place] = True
                    value[place] = values
    return found, value


class _Asked:
    """The asked keys, sorted, each as one int64: place of the datastream, then time since the earliest."""

    def __init__(self, datastream: np.ndarray, time_ms: np.ndarray) -> None:
        self.datastreams, place = np.unique(datastream, return_inverse=True)
        self.first_ms, self.last_ms = int(time_ms.min()), int(time_ms.max())
        self.bits = (self.last_ms - self.first_ms + 1).bit_length()
        if self.bits + len(self.datastreams).bit_length() > 63:
            raise ValueError("too wide a span of time for so many datastreams; the clock check bounds it")
        keys = (place.astype(np.int64) << self.bits) | (time_ms - self.first_ms)
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]

    def may_be_in(self, group: pq.RowGroupMetaData) -> bool:
        datastream, time = group.column(0).statistics, group.column(1).statistics
        if datastream is None or time is None or not (datastream.has_min_max and time.has_min_max):
            return True
        if time.min_raw > self.last_ms or time.max_raw < self.first_ms:
            return False
        at = np.searchsorted(self.datastreams, datastream.min)
        return bool(at < len(self.datastreams) and self.datastreams[at] <= datastream.max)

    def matches(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Places among the asked, and the stored value at each."""
        datastream = table["datastream"].to_numpy()
        time_ms = table["time"].combine_chunks().view(pa.int64()).to_numpy()
        place = np.minimum(np.searchsorted(self.datastreams, datastream), len(self.datastreams) - 1)
        inside = (
            (self.datastreams[place] == datastream) & (time_ms >= self.first_ms) & (time_ms <= self.last_ms)
        )
        keys = (place[inside].astype(np.int64) << self.bits) | (time_ms[inside] - self.first_ms)
        # several asked rows may have one key: each takes the stored value
        order = np.argsort(keys)
        stored, values = keys[order], table["value"].to_numpy()[inside][order]
        at = np.minimum(np.searchsorted(stored, self.keys), max(len(stored) - 1, 0))
        hit = stored[at] == self.keys if len(stored) else np.zeros(len(self.keys), bool)
        return self.order[hit], values[at[hit]]
