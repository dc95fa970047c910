"""A stored value that was wrong: the files keep what was measured, and answers show the newest correction of it.

A correction is a row: of a datastream, for a span, what to make of each value (``factor`` and ``shift``; a factor of 0
sets it) and perhaps another quality.  Corrections do not add up: the newest that is in force and covers a reading is
made of the measured value.  Withdraw it, and the one before shows again.  Aggregates hold measured values, so a minute
or hour that a correction touches is made from its readings; where those were deleted by policy it stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fengsui.base.quality import Reason
from fengsui.stores.history.models import Correction
from fengsui.stores.history.rows import MS

NAMED = 1000  # so many datastreams are named in the question; for more all are looked at


@dataclass(frozen=True, slots=True)
class Corrections:
    """Those in force for what is asked, oldest first."""

    rows: Sequence[Correction]

    @staticmethod
    def of(ids: np.ndarray, from_ms: int, to_ms: int) -> "Corrections":
        """The corrections of datastreams (int32) that touch [from_ms, to_ms)."""
        found = Correction.objects.filter(withdrawn_at=None, from_ms__lt=to_ms, to_ms__gt=from_ms)
        if len(ids) <= NAMED:
            found = found.filter(datastream__in=ids.tolist())
        wanted = set(ids.tolist())
        return Corrections([row for row in found.order_by("id") if row.datastream in wanted])

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def ids(self) -> np.ndarray:
        """Whose they are (int32, rising)."""
        return np.unique(np.array([row.datastream for row in self.rows], np.int32))

    def touched(self, table: pa.Table, width_ms: int) -> np.ndarray:
        """Which rows lie in a stretch of ``width_ms`` that a correction touches (bool [n])."""
        datastream, start = table["datastream"].to_numpy(), _ms(table) // width_ms * width_ms
        out = np.zeros(len(table), bool)
        for row in self.rows:
            out |= (datastream == row.datastream) & (start < row.to_ms) & (start + width_ms > row.from_ms)
        return out

    def apply(self, table: pa.Table) -> pa.Table:
        """Readings as they are shown: value, quality and reason (corrected) of those that were corrected."""
        if not self.rows or not len(table):
            return table
        datastream, time_ms = table["datastream"].to_numpy(), _ms(table)
        measured, value = table["value"].to_numpy(), table["value"].to_numpy().copy()
        said, quality = table["quality"].to_numpy(), table["quality"].to_numpy().copy()
        reason = table["reason"].to_numpy().copy()
        for row in self.rows:
            at = np.flatnonzero(
                (datastream == row.datastream) & (time_ms >= row.from_ms) & (time_ms < row.to_ms)
            )
            value[at] = row.factor * measured[at] + row.shift if row.factor else row.shift
            quality[at] = said[at] if row.quality is None else row.quality
            reason[at] = Reason.CORRECTED
        for name, column in (("value", value), ("quality", quality), ("reason", reason)):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(place), pa.chunked_array([column]))
        return table


def _ms(table: pa.Table) -> np.ndarray:
    return table["time"].combine_chunks().cast(MS).view(pa.int64()).to_numpy()
