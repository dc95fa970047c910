"""Readings older than the newest of their datastream: stored already, contradicting what is stored, or simply late."""

import numpy as np

from fengsui.govern.checks.sequence import CONFLICT, DUPLICATE, NEW

Keyed = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # datastream int32 [n], time_ms int64 [n], value float64 [n]


def settle_behind(rows: Keyed, is_stored: np.ndarray, stored_value: np.ndarray, beside: Keyed) -> np.ndarray:
    """The verdict of each of ``rows``, in order of arrival, uint8 [n]: NEW (store it as late), DUPLICATE or CONFLICT.

    ``is_stored`` bool [n] and ``stored_value`` float64 [n] say what history holds at the same datastream and time;
    ``beside`` are the rows about to be stored with them, no two with the same datastream and time.  Of several rows
    with one datastream and time the first to arrive is NEW.  A value equals itself, NaN too.
    """
    datastream, time_ms, value = rows
    near = np.flatnonzero(np.isin(beside[0], np.unique(datastream)))
    all_datastream = np.concatenate((beside[0][near], datastream))
    all_time = np.concatenate((beside[1][near], time_ms))
    all_value = np.concatenate((beside[2][near], value))
    order = np.lexsort((all_time, all_datastream))  # stable: beside first, then in order of arrival
    same = np.zeros(len(order), bool)
    same[1:] = (np.diff(all_datastream[order]) == 0) & (np.diff(all_time[order]) == 0)
    leader = np.empty(len(order), np.int64)
    leader[order] = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))]
    mine = np.arange(len(near), len(order))
    leads = leader[mine] == mine
    against = np.where(is_stored, stored_value, all_value[leader[mine]])
    equal = (value == against) | (np.isnan(value) & np.isnan(against))
    out = np.where(equal, np.uint8(DUPLICATE), np.uint8(CONFLICT))
    out[leads & ~is_stored] = NEW
    return out
