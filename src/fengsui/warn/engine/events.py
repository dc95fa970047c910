"""What the engine says: columns of raised and cleared, in the order in which they happened."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

RAISED, CLEARED = 1, 2


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of equal length.  ``rule_id`` and ``started_ms`` together name the episode, always the same
    way.

    ``row`` is the row of the readings that turned it, -1 where the clock or a change of rules did.  Values
    are in the datastream's unit (per second for ``rate``), NaN where there is none; times are ms UTC, NEVER
    where there is none.
    """

    rule_id: np.ndarray  # int64
    what: np.ndarray  # uint8: RAISED or CLEARED
    time_ms: np.ndarray  # int64
    value: np.ndarray  # float64
    started_ms: np.ndarray  # int64
    peak_value: np.ndarray  # float64
    peak_ms: np.ndarray  # int64
    row: np.ndarray  # int64

    def __len__(self) -> int:
        return len(self.rule_id)

    def take(self, which: np.ndarray | slice) -> "Events":
        """The events at ``which`` (indices, a mask or a slice)."""
        return Events(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def join(parts: Iterable["Events"]) -> "Events":
        """All events of ``parts``, one after the other."""
        listed = [NOTHING, *parts]
        return Events(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(Events)))


def columns(n: int) -> Events:
    """Room for ``n`` events, not filled in."""
    return Events(
        np.empty(n, np.int64),
        np.empty(n, np.uint8),
        np.empty(n, np.int64),
        np.empty(n, np.float64),
        np.empty(n, np.int64),
        np.empty(n, np.float64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
    )


NOTHING = columns(0)
