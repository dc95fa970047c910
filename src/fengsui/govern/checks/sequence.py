"""A reading against what its datastream said before: new, again, contradicting, or behind.

The verdict depends only on the order in which readings reached the bus, never on how they were grouped afterwards:
a stream cut anywhere and read again from any checkpoint gets the same verdicts.  Rows of one batch arrive together
and are taken in the order of their times.
"""

from dataclasses import dataclass, fields

import numba
import numpy as np

from fengsui.base.quality import Reason

NEVER = np.iinfo(np.int64).min
NEW, DUPLICATE, CONFLICT, BEHIND = range(4)
COUNTED = (
    16  # slots between the first and the last of a take, for each row, up to which counting beats sorting
)
_FROZEN = np.uint8(Reason.FROZEN)


@dataclass(slots=True)
class Latest:
    """The newest accepted reading of each slot, columns of equal length."""

    time_ms: np.ndarray  # int64, NEVER before the first
    value: np.ndarray  # float64
    quality: np.ndarray  # uint8
    reason: np.ndarray  # uint8: its flag
    steady_ms: np.ndarray  # int64: since when the value has not changed, NEVER where it has none

    @classmethod
    def fresh(cls, slots: int) -> "Latest":
        """Nothing heard yet."""
        return cls(
            np.full(slots, NEVER, np.int64),
            np.full(slots, np.nan),
            np.zeros(slots, np.uint8),
            np.zeros(slots, np.uint8),
            np.full(slots, NEVER, np.int64),
        )

    def moved(self, slots: int, old: np.ndarray, new: np.ndarray) -> "Latest":
        """The same for another arrangement of ``slots``: what was at ``old`` is now at ``new`` (indices)."""
        out = Latest.fresh(slots)
        for column in fields(self):
            getattr(out, column.name)[new] = getattr(self, column.name)[old]
        return out

    def copy(self) -> "Latest":
        """A snapshot that later rows do not touch."""
        return Latest(*(getattr(self, column.name).copy() for column in fields(self)))


def arrival_order(slot: np.ndarray, batch: np.ndarray, time_ms: np.ndarray) -> np.ndarray:
    """The permutation (int64 [n]) by slot, then batch, then time, then place in the batch.

    ``slot`` int [n], not negative · ``batch`` int [n], rising: the number of the batch a row came in · n < 2^32.
    """
    if not len(slot):
        return np.zeros(0, np.int64)
    low, high = int(slot.min()), int(slot.max())
    if high - low < COUNTED * len(slot) + 65_536:  # as good as always: a take touches the slots of some sites
        order, is_orderly = _counted(slot, batch, time_ms, low, high - low + 1)
    else:
        keys = slot.astype(np.int64) << 32
        keys |= np.arange(len(slot), dtype=np.int64)
        keys.sort()
        order = keys & 0xFFFFFFFF
        together = (slot[order[1:]] == slot[order[:-1]]) & (batch[order[1:]] == batch[order[:-1]])
        is_orderly = not (together & (time_ms[order[1:]] < time_ms[order[:-1]])).any()
    return order if is_orderly else np.lexsort((time_ms, batch, slot))  # rare: devices send in order


def split(
    latest: Latest,
    slot: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    reason: np.ndarray,
    frozen_after_ms: np.ndarray,
) -> np.ndarray:
    """The verdict of each row, uint8 [n]; ``latest`` and ``reason`` are taken over and changed in place.

    Rows as ``arrival_order`` puts them: ``slot`` int64, ``time_ms`` int64, ``value`` float64, ``quality`` uint8,
    ``reason`` uint8 (flags only), all [n].  ``frozen_after_ms`` int32 [slots], 0 where it is not watched.

    NEW is later than all before it, and these rows are sorted by (slot, time).  DUPLICATE has the time and value of
    the newest, CONFLICT its time and another value.  BEHIND is older than the newest: what it is only history can
    tell.  A NEW row without another reason gets FROZEN once its value has stood still for as long as the limit.
    """
    return _split(
        latest.time_ms,
        latest.value,
        latest.quality,
        latest.reason,
        latest.steady_ms,
        slot,
        time_ms,
        value,
        quality,
        reason,
        frozen_after_ms,
    )


@numba.njit(cache=True, nogil=True)
def _counted(
    slot: np.ndarray, batch: np.ndarray, time_ms: np.ndarray, low: int, width: int
) -> tuple[np.ndarray, bool]:
    """Rows by slot, each in its place among those of its slot; and whether times rise within slot and batch."""
    n = len(slot)
    place = np.zeros(width + 1, np.int64)
    for i in range(n):
        place[slot[i] - low + 1] += 1
    for k in range(width):
        place[k + 1] += place[k]
    order = np.empty(n, np.int64)
    for i in range(n):
        k = slot[i] - low
        order[place[k]] = i
        place[k] += 1
    for i in range(1, n):
        a, b = order[i - 1], order[i]
        if slot[a] == slot[b] and batch[a] == batch[b] and time_ms[b] < time_ms[a]:
            return order, False
    return order, True


@numba.njit(cache=True, nogil=True)
def _split(
    last_ms: np.ndarray,
    last_value: np.ndarray,
    last_quality: np.ndarray,
    last_reason: np.ndarray,
    steady_ms: np.ndarray,
    slot: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    reason: np.ndarray,
    frozen_after: np.ndarray,
) -> np.ndarray:
    verdict = np.empty(len(slot), np.uint8)
    for i in range(len(slot)):
        s, t, v = slot[i], time_ms[i], value[i]
        if t < last_ms[s]:
            verdict[i] = BEHIND
            continue
        same = v == last_value[s] or (np.isnan(v) and np.isnan(last_value[s]))
        if t == last_ms[s] and t != NEVER:
            verdict[i] = DUPLICATE if same else CONFLICT
            continue
        verdict[i] = NEW
        if np.isnan(v) or quality[i] >= 2:
            steady_ms[s] = NEVER
        elif not same or steady_ms[s] == NEVER:
            steady_ms[s] = t
        elif frozen_after[s] > 0 and t - steady_ms[s] >= frozen_after[s] and reason[i] == 0:
            reason[i] = _FROZEN
        last_ms[s], last_value[s], last_quality[s], last_reason[s] = t, v, quality[i], reason[i]
    return verdict


def warm_up() -> None:
    """Compile now, or load what an earlier process compiled, so that the first readings do not wait."""
    one = np.zeros(1, np.int64)
    byte = np.zeros(1, np.uint8)
    split(Latest.fresh(1), one, one, np.zeros(1), byte, byte.copy(), np.zeros(1, np.int32))
    arrival_order(one, np.zeros(1, np.int32), one)
