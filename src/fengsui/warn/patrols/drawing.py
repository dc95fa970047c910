"""The draw: which sites, from a seed and whole weights.  Who has the kept row can do it again and must get the same.

For pick number n (from 0) the number is SHA-256 of ``"<seed>:<n>"`` read as a big-endian integer, modulo the sum of the
weights that are left; the pick is where it falls when the sites stand in order of their codes.  Only whole numbers:
no machine rounds another way.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEVEL_WEIGHT = {1: 8, 2: 4, 3: 2, 4: 1}
MOST_DAYS, MOST_ALARMS = 30, 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A site by code with its weight, and what the weight is made of (``days`` None: never looked at)."""

    code: str
    weight: int
    level: int
    days: int | None
    alarms: int


def candidate(code: str, level: int, days: int | None, alarms: int) -> Candidate:
    """The weight is that of the risk level, times one and the days since the last look (30 at most; never: 30), and
    one more for each alarm of the last seven days (20 at most).
    """
    waited = MOST_DAYS if days is None else min(max(days, 0), MOST_DAYS)
    weight = LEVEL_WEIGHT[level] * (1 + waited) + min(max(alarms, 0), MOST_ALARMS)
    return Candidate(code, weight, level, days, alarms)


def draw(seed: str, candidates: Iterable[Candidate], size: int) -> list[str]:
    """Codes in the order in which they were picked, each once; all of them when there are no more than ``size``."""
    left = sorted(candidates, key=lambda one: one.code)
    picked: list[str] = []
    for n in range(min(size, len(left))):
        number = int.from_bytes(hashlib.sha256(f"{seed}:{n}".encode()).digest(), "big")
        at = _fall(number % sum(one.weight for one in left), left)
        picked.append(left.pop(at).code)
    return picked


def _fall(number: int, left: Sequence[Candidate]) -> int:
    for at, one in enumerate(left):
        if number < one.weight:
            return at
        number -= one.weight
    raise ValueError("a weight is below 1")
