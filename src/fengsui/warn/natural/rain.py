"""Rain at a gauge: sums of the last hours, and the rain signal that they amount to."""

from collections.abc import Mapping

import numpy as np

from fengsui.warn.natural.thresholds import CALM, HOURS, RainSignal

HOUR_MS = 3_600_000


def fallen(values: np.ndarray, is_total: bool) -> np.ndarray:
    """Millimetres that each reading adds; float64 [n].  ``values`` in mm, in order of time.

    ``is_total``: readings are a running total (SL 651, element 38); its first reading adds nothing, and after a reset
    to a smaller total that total is what fell.  Otherwise each reading is what fell since the one before.
    """
    values = np.asarray(values, float)
    if not is_total:
        return np.where(np.isfinite(values) & (values > 0), values, 0.0)
    added = np.zeros(len(values))
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > 1:
        rise = np.diff(values[known])
        added[known[1:]] = np.where(rise >= 0, rise, np.maximum(values[known[1:]], 0.0))
    return added


def sums(time_ms: np.ndarray, mm: np.ndarray, at_ms: int) -> dict[int, float]:
    """What fell in (at − h, at] for each h of 1, 3, 6, 12 and 24 hours, rounded to 0.001 mm."""
    time_ms, mm = np.asarray(time_ms, np.int64), np.asarray(mm, float)
    return {
        hours: round(float(mm[(time_ms > at_ms - hours * HOUR_MS) & (time_ms <= at_ms)].sum()), 3)
        for hours in HOURS
    }


def signal(
    fell: Mapping[int, float], table: tuple[RainSignal, ...], share: float = 1.0
) -> tuple[int, RainSignal | None]:
    """The worst level whose sum is reached, and which it was.  ``share`` scales every threshold."""
    hit = [one for one in table if fell[one.hours] >= one.mm * share]
    worst = min(hit, key=lambda one: (one.level, one.hours), default=None)
    return (worst.level, worst) if worst else (CALM, None)
