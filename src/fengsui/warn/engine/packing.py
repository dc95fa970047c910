"""Rules in little room, compiled: what rules have in common is kept once, and what follows from them in one pass.

Loaded when rules are compiled: the roles that never do need no compiler.
"""

import numpy as np
from numba import njit

LEVEL, RATE, FROZEN = 0, 1, 2  # as in ``rules``, as plain numbers for the compiler


@njit(cache=True, nogil=True)
def distinct(a, b, c, d, e, f, g):  # type: ignore[no-untyped-def]  # the compiler finds the types
    """Number equal rows of int64 columns [n]: (uint32 [n]: the number of each row, int64: the first row of each)."""
    n = len(a)
    code = np.empty(n, np.uint32)
    room = 1024
    table = np.full(room, -1, np.int64)
    rows = np.empty(room, np.int64)
    found = 0
    for i in range(n):
        k = _hash(a[i], b[i], c[i], d[i], e[i], f[i], g[i]) & (room - 1)
        while True:
            at = table[k]
            if at < 0:
                table[k] = found
                rows[found] = i
                code[i] = found
                found += 1
                break
            j = rows[at]
            if (
                a[j] == a[i]
                and b[j] == b[i]
                and c[j] == c[i]
                and d[j] == d[i]
                and e[j] == e[i]
                and f[j] == f[i]
                and g[j] == g[i]
            ):
                code[i] = at
                break
            k = (k + 1) & (room - 1)
        if found * 2 > room:
            room *= 4
            table = np.full(room, -1, np.int64)
            more = np.empty(room, np.int64)
            more[:found] = rows[:found]
            rows = more
            for m in range(found):
                j = rows[m]
                k = _hash(a[j], b[j], c[j], d[j], e[j], f[j], g[j]) & (room - 1)
                while table[k] >= 0:
                    k = (k + 1) & (room - 1)
                table[k] = m
    return code, rows[:found].copy()


@njit(cache=True, nogil=True)
def derive(first, form, raise_at, family, sign, window_ms):  # type: ignore[no-untyped-def]
    """What follows for each slot: places of its families, its calm band, its shortest silence.  See ``Rules``."""
    n = len(first) - 1
    first_other = np.empty(n, np.int32)
    first_ring = np.empty(n + 1, np.int32)
    first_mark = np.empty(n + 1, np.int32)
    calm_low = np.empty(n, np.float64)
    calm_high = np.empty(n, np.float64)
    wait_ms = np.zeros(n, np.int32)
    rings, marks, most = 0, 0, 0
    for s in range(n):
        first_ring[s], first_mark[s] = rings, marks
        low, high = -np.inf, np.inf
        other = first[s]
        for r in range(first[s], first[s + 1]):
            k = form[r]
            if family[k] == LEVEL:
                other = r + 1
                if sign[k] > 0:
                    high = min(high, raise_at[r])
                else:
                    low = max(low, -raise_at[r])
            elif family[k] == RATE:
                rings += 1
            elif family[k] == FROZEN:
                marks += 1
            elif wait_ms[s] == 0 or window_ms[k] < wait_ms[s]:
                wait_ms[s] = window_ms[k]
        first_other[s], calm_low[s], calm_high[s] = other, low, high
        most = max(most, first[s + 1] - first[s])
    first_ring[n], first_mark[n] = rings, marks
    return first_other, first_ring, first_mark, calm_low, calm_high, wait_ms, most


@njit(cache=True, nogil=True)
def splice(  # type: ignore[no-untyped-def]
    first, from_old, old_first, old_id, old_at, old_form, from_new, new_first, new_id, new_at, new_form
):
    """The rules of slots (``first`` int32 [n + 1]), each slot's taken from one of two tables: whose slot is not -1."""
    r = first[-1]
    rule_id = np.empty(r, np.int64)
    raise_at = np.empty(r, np.float64)
    form = np.empty(r, np.uint32)
    for s in range(len(first) - 1):
        at = first[s]
        if from_new[s] >= 0:
            for i in range(new_first[from_new[s]], new_first[from_new[s] + 1]):
                rule_id[at], raise_at[at], form[at] = new_id[i], new_at[i], new_form[i]
                at += 1
        elif from_old[s] >= 0:
            for i in range(old_first[from_old[s]], old_first[from_old[s] + 1]):
                rule_id[at], raise_at[at], form[at] = old_id[i], old_at[i], old_form[i]
                at += 1
    return rule_id, raise_at, form


@njit(cache=True, nogil=True)
def _hash(a, b, c, d, e, f, g):  # type: ignore[no-untyped-def]
    h = np.uint64(1469598103934665603)
    for x in (a, b, c, d, e, f, g):
        h = (h ^ np.uint64(x)) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    return np.int64(h & np.uint64(0x7FFFFFFFFFFFFFFF))
