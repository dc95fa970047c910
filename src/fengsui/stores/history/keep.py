"""What is to be kept, as arrays: how many days of raw readings, minutes and hours, of which datastream, and holds.

A policy in the form that deletion works with; where it comes from is not known here (``govern.retention``).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

RAW, MINUTE, HOUR = KINDS = ("raw", "minute", "hour")
FOREVER = 2**31 - 1  # days


@dataclass(frozen=True, slots=True)
class Drop:
    """Which datastreams go: ``rest`` says whether those go that are not in ``others`` (int32, rising)."""

    rest: bool
    others: np.ndarray

    @property
    def is_nothing(self) -> bool:
        return not self.rest and not len(self.others)

    @property
    def is_everything(self) -> bool:
        return self.rest and not len(self.others)

    @property
    def signature(self) -> str:
        """Names it: what was trimmed by this need not be looked at again."""
        return hashlib.sha256(bytes([self.rest]) + self.others.astype("<i4").tobytes()).hexdigest()[:16]

    def mask(self, datastream: np.ndarray) -> np.ndarray:
        """Which rows go (bool [n])."""
        named = np.isin(datastream, self.others)
        return ~named if self.rest else named


NOTHING = Drop(False, np.zeros(0, np.int32))


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of [first, last] goes, days UTC, of ``datastream`` (int32, rising); None: of any."""

    first: date
    last: date
    datastream: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Keep:
    """``days`` are those of raw, minute and hour for any datastream that ``own`` (int32 [n], rising) does not list.

    ``own_days`` int32 [3, n] are those of the listed.  Hours are kept at least as long as minutes, those as raw.
    """

    days: tuple[int, int, int]
    own: np.ndarray
    own_days: np.ndarray
    holds: Sequence[Hold] = ()

    def drop(self, kind: str, day: date, today: date) -> Drop:
        """What is to go of ``kind`` of ``day``: what is older than its days, and not held."""
        age, at = (today - day).days, KINDS.index(kind)
        rest = age > self.days[at]
        others = self.own[(age > self.own_days[at]) != rest]
        for hold in self.holds:
            if hold.first <= day <= hold.last:
                if hold.datastream is None:
                    return NOTHING
                join = np.union1d if rest else np.setdiff1d
                others = join(others, hold.datastream)
        return Drop(rest, others.astype(np.int32))

    def before(self, kind: str, today: date) -> date | None:
        """Days before this one may have something to go; None when nothing ever has."""
        at = KINDS.index(kind)
        least = min([self.days[at], *self.own_days[at].tolist()])
        return None if least >= FOREVER else today - timedelta(days=least)


def days_of(from_ms: int, to_ms: int) -> tuple[date, date]:
    """The first and the last day, UTC, of [from_ms, to_ms)."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (from_ms, to_ms - 1))
    return first, last
