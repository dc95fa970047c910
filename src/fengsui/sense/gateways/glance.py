"""Whether a batch needs no closer look: every reading within its range, in service, at a time that is taken.

Compiled, in one pass; the checks that say what is wrong with which row stay where they are, and the plain twin beside
the caller (``run/intake``) holds this one equal to it.
"""

import numpy as np
from numba import njit

NOW = (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float64))


def fits(datastream: np.ndarray, time_ms: np.ndarray, value: np.ndarray) -> bool:
    """Whether columns are of the kinds that are compiled for; others must not make the gateway compile."""
    return (
        (datastream.dtype, time_ms.dtype, value.dtype) == NOW
        and datastream.flags.c_contiguous
        and time_ms.flags.c_contiguous
        and value.flags.c_contiguous
    )


@njit(cache=True, nogil=True)
def all_pass(
    datastream: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    ids: np.ndarray,
    range_min: np.ndarray,
    range_max: np.ndarray,
    stopped_ms: np.ndarray,
    low_ms: int,
    high_ms: int,
) -> bool:
    """Columns [n]; ``ids`` (rising), ranges and ``stopped_ms`` are the site's [m].  NaN and unknown ids do not pass."""
    at = 0
    for i in range(len(datastream)):
        wanted, when = datastream[i], time_ms[i]
        at = at + 1 if i and at + 1 < len(ids) and ids[at + 1] == wanted else np.searchsorted(ids, wanted)
        if at >= len(ids) or ids[at] != wanted:
            return False
        if when < low_ms or when > high_ms or when >= stopped_ms[at]:
            return False
        if not (range_min[at] <= value[i] <= range_max[at]) or np.isinf(value[i]):
            return False
    return True


def warm_up() -> None:
    """Compile now, or load what was compiled before."""
    ids, times, values = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1)
    all_pass(ids, times, values, ids, values, values, times, 0, 1)
