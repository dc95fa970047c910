"""What the definitions of the kinds work on: the terms of rules and what is remembered of them, in columns.

Row i of every column belongs to the same rule; one reading per rule is judged at a time.  Times are int64 ms,
UTC; ``NEVER`` stands for no time.  Everything here is left as it was: ``advance`` returns the next memory.
"""

from dataclasses import dataclass, replace

import numpy as np

NEVER = np.iinfo(np.int64).min
KEPT = 9  # readings that a rate rule keeps: eight steps of an eighth of its window


@dataclass(frozen=True, slots=True)
class Terms:
    """``sign`` is +1 where high is bad and -1 where low is, so that beyond is ``sign * value >= raise_at``
    and back is ``sign * value < clear_at``; for a rate the value is its magnitude, for ``frozen``
    ``raise_at`` is the largest change that counts as none.  ``armed_ms`` is when a silent rule began to
    listen.
    """

    sign: np.ndarray  # float64 [n]
    raise_at: np.ndarray  # float64 [n]
    clear_at: np.ndarray  # float64 [n]
    on_delay_ms: np.ndarray  # int64 [n]
    off_delay_ms: np.ndarray  # int64 [n]
    window_ms: np.ndarray  # int64 [n]
    armed_ms: np.ndarray  # int64 [n]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of each rule between readings."""

    active: np.ndarray  # bool [n]
    since_ms: np.ndarray  # int64 [n]: when the delay in progress began; frozen: the last good reading
    started_ms: np.ndarray  # int64 [n]: when the standing episode was raised
    peak_value: np.ndarray  # float64 [n]: the worst value since it went beyond
    peak_ms: np.ndarray  # int64 [n]
    mark_ms: np.ndarray  # int64 [n]: frozen: when the value last really changed
    mark_value: np.ndarray  # float64 [n]: frozen: the value it changed to
    kept_ms: np.ndarray  # int64 [n, KEPT]: rate: readings to compare with, in a ring
    kept_value: np.ndarray  # float64 [n, KEPT]
    kept_next: np.ndarray  # int64 [n]: where the ring goes on

    def but(self, **columns: np.ndarray) -> "Memory":
        """The same with other columns."""
        return replace(self, **columns)


@dataclass(frozen=True, slots=True)
class Turns:
    """What changed: masks [n], and what the events carry.  An episode is raised at its ``started_ms``."""

    raised: np.ndarray
    cleared: np.ndarray
    started_ms: np.ndarray
    raised_value: np.ndarray
    cleared_value: np.ndarray


def at_rest(n: int, *, rings: bool = True) -> Memory:
    """The memory of ``n`` rules that have seen nothing; without ``rings`` as rules that are no rates have it."""
    times = [np.full(n, NEVER, np.int64) for _ in range(4)]
    r = n if rings else 0
    return Memory(
        active=np.zeros(n, bool),
        since_ms=times[0],
        started_ms=times[1],
        peak_value=np.full(n, np.nan),
        peak_ms=times[2],
        mark_ms=times[3],
        mark_value=np.full(n, np.nan),
        kept_ms=np.full((r, KEPT), NEVER, np.int64),
        kept_value=np.full((r, KEPT), np.nan),
        kept_next=np.zeros(r, np.int64),
    )
