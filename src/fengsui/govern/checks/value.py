"""Can the instrument have measured this at all?"""

import numpy as np

from fengsui.base.quality import Quality, Reason
from fengsui.govern.checks.reasons import mark


def check_range(
    value: np.ndarray, quality: np.ndarray, range_min: np.ndarray, range_max: np.ndarray
) -> np.ndarray:
    """RANGE where a value lies outside its instrument's range, uint8 [n].

    ``value`` float64 [n] · ``quality`` uint8 [n] · ``range_min``, ``range_max`` float64 [n] in the same unit,
    infinite where open.  Infinity is never a measurement.  A reading that its device already calls bad is stored
    as bad whatever it reads, and NaN has no place in a range.
    """
    outside = (value < range_min) | (value > range_max) | np.isinf(value)
    return mark(outside & (quality < Quality.BAD), Reason.RANGE)


def check_missing(value: np.ndarray) -> np.ndarray:
    """NO_VALUE (a flag) where the device said that it has none, uint8 [n]."""
    return mark(np.isnan(value), Reason.NO_VALUE)
