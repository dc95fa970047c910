"""Estimated intensity of an earthquake at places, by an attenuation relation of intensity (烈度衰减关系).

I = a + b·M − c·lg(R + d), R in km from the epicentre, one relation for each axis of the isoseismals.  Coefficients:
Wang Suyun et al. (2000), from memory, configurable.  The strike is unknown when an earthquake has just been reported,
so the long axis is taken in all directions: places to the side are estimated too high rather than too low.
Not for: depths of more than 70 km, M below 3 or above 8.5; soft ground adds up to one degree that is not in it.
"""

import math

import numpy as np

from fengsui.warn.natural.thresholds import CALM, Axis, Thresholds

SAME_S = 60.0
SAME_KM = 100.0


def axis(lon: float, by: Thresholds, name: str = "long") -> Axis:
    """The relation of the side of China that the epicentre lies on."""
    return by.axes["east" if lon >= by.east_of_deg else "west"][name]


def intensity(magnitude: float, km: np.ndarray | float, relation: Axis) -> np.ndarray:
    """Degrees of GB/T 17742 at distances ``km``; float64, clipped to 0…12."""
    found = relation.a + relation.b * magnitude - relation.c * np.log10(np.asarray(km, float) + relation.d)
    return np.clip(found, 0.0, 12.0)


def radius_km(magnitude: float, degree: float, relation: Axis) -> float:
    """How far out ``degree`` is reached; 0 where it is reached nowhere."""
    found = 10 ** ((relation.a + relation.b * magnitude - degree) / relation.c) - relation.d
    return max(found, 0.0)


def bands(magnitude: float, lon: float, by: Thresholds) -> list[tuple[int, float]]:
    """(level, radius in km), the worst first, of the levels that this earthquake reaches anywhere."""
    if not math.isfinite(magnitude) or magnitude < by.least_magnitude:
        return []
    relation = axis(lon, by)
    found = [(n, radius_km(magnitude, degree, relation)) for n, degree in enumerate(by.intensity, 1)]
    return [(n, round(km, 3)) for n, km in found if km > 0]


def level(degree: float, by: Thresholds) -> int:
    """1 red … 4 blue by intensity."""
    return next((n for n, limit in enumerate(by.intensity, 1) if degree >= limit), CALM)


def is_same(seconds: float, km: float) -> bool:
    """Whether two reports are of one earthquake: at most 60 s and 100 km apart (own rule)."""
    return abs(seconds) <= SAME_S and km <= SAME_KM
