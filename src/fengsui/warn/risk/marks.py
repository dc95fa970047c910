"""What the risk of a site says, in 64 bits: two marks are equal when nothing about it has changed.

So that of thousands of sites only those are written, and turned into rows, that say something new.  Two different
texts share a mark once in 2⁶⁴; such a change would be written with the next one of that site.
"""

import numpy as np

from fengsui.warn.risk.arrays import Levels, Near
from fengsui.warn.risk.weights import Weights

# constants of the finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators")
_ADD, _TIMES, _THEN = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


def marks(
    ids: np.ndarray, counts: np.ndarray, index: np.ndarray, own: np.ndarray, held: Levels, who: Near,
    weights: Weights,
) -> np.ndarray:  # fmt: skip
    """(n,) int64 of ids (n,), counts (n, items), index and own index (n,), levels, neighbours and weights."""
    made = np.full(len(ids), int(weights.sha256[:16], 16), np.uint64)
    for column in (index, own, held.level, held.since, held.floor, *counts.T, _felt(ids, own, who, weights)):
        made = _mix(made ^ _mix(column))
    return made.view(np.int64)


def _felt(ids: np.ndarray, own: np.ndarray, who: Near, weights: Weights) -> np.ndarray:
    """The neighbours that a row names: those over the limit, in whatever order."""
    each = _mix(_mix(_mix(ids[who.other]) ^ _mix(own[who.other])) ^ _mix(who.metres))
    each[own[who.other] <= weights.over] = 0
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(each, dtype=np.uint64)])
    return np.asarray(sums[who.first[1:]] - sums[who.first[:-1]], np.uint64)


def _mix(values: np.ndarray) -> np.ndarray:
    made = np.asarray(values).astype(np.uint64) + _ADD
    made = (made ^ (made >> np.uint64(30))) * _TIMES
    made = (made ^ (made >> np.uint64(27))) * _THEN
    return np.asarray(made ^ (made >> np.uint64(31)), np.uint64)
