"""A tailings pond by what is measured at it: saturation line, pond level, dry beach, displacement, rain.

Each quantity has four limits of its own, blue to red, that the pond's owner and designer set (GB 51108 asks for graded
values for each monitored item; the numbers are the pond's own).  That several items at one level make it one level
worse is this platform's own method, and configurable.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fengsui.warn.natural.thresholds import CALM, Thresholds


@dataclass(frozen=True, slots=True)
class Limits:
    """Blue to red; rising where more is worse (pond level), falling where less is (dry beach, depth of line)."""

    blue: float
    yellow: float
    orange: float
    red: float

    def __post_init__(self) -> None:
        four = (self.blue, self.yellow, self.orange, self.red)
        if list(four) not in (sorted(four), sorted(four, reverse=True)) or self.blue == self.red:
            raise ValueError("limits go one way from blue to red")

    @property
    def is_rising(self) -> bool:
        return self.red > self.blue


def level(value: float, limits: Limits, lower_share: float = 0.0) -> int:
    """The level of one quantity.  ``lower_share`` of the span from blue to red is taken off each limit."""
    if not math.isfinite(value):
        return CALM
    slack = lower_share * (limits.red - limits.blue)
    for n, limit in enumerate((limits.red, limits.orange, limits.yellow, limits.blue), 1):
        at = limit - slack
        if (value >= at) if limits.is_rising else (value <= at):
            return n
    return CALM


def together(levels: Sequence[int], by: Thresholds) -> int:
    """The level of the pond: the worst of its quantities, one worse where ``by.together`` of them stand at it."""
    worst = min(levels, default=CALM)
    if worst in (1, CALM):
        return worst
    return worst - 1 if sum(one == worst for one in levels) >= by.together else worst
