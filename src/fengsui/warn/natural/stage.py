"""River and reservoir stage against its warning stage (警戒水位) and guarantee stage (保证水位).

A stage is in metres above the station's own datum; stages of two datums are never compared.
"""

from dataclasses import dataclass

import numpy as np

from fengsui.warn.natural.thresholds import CALM, Thresholds

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Station:
    """Stages in metres above the datum of the station; ``guarantee_m`` above ``warning_m``."""

    warning_m: float
    guarantee_m: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A level and why: ``reached`` names the mark, ``in_h`` hours until it at the present rise (0: it is reached)."""

    level: int
    reached: str = ""
    in_h: float = 0.0


def rise_m_h(time_ms: np.ndarray, stage_m: np.ndarray) -> float:
    """Rise by least squares, metres an hour; 0 where fewer than two instants are known."""
    time_ms, stage_m = np.asarray(time_ms, float), np.asarray(stage_m, float)
    known = np.isfinite(stage_m)
    if known.sum() < 2 or np.ptp(time_ms[known]) == 0:
        return 0.0
    hours = (time_ms[known] - time_ms[known][0]) / HOUR_MS
    hours = hours - hours.mean()
    return round(float((hours * (stage_m[known] - stage_m[known].mean())).sum() / (hours**2).sum()), 4)


def judge(stage_m: float, rise: float, station: Station, by: Thresholds, deadband_m: float = 0.0) -> Judged:
    """Red at the guarantee stage, orange near it, yellow at the warning stage, blue near that.

    "Near" is within ``near_m`` below, or reached within ``lead_h`` hours at the present ``rise`` (m/h).  Every mark is
    lowered by ``deadband_m``.  Source: GB/T 22482 (the colours; "near" has no number there and is configurable).
    """
    if not np.isfinite(stage_m):
        return Judged(CALM)
    for level, mark, name in ((1, station.guarantee_m, "guarantee"), (3, station.warning_m, "warning")):
        lack = mark - deadband_m - stage_m
        if lack <= 0:
            return Judged(level, name)
        in_h = lack / rise if rise > 0 else float("inf")
        if lack <= by.near_m or in_h <= by.lead_h:
            return Judged(level + 1, f"near_{name}", round(in_h, 1) if np.isfinite(in_h) else 0.0)
    return Judged(CALM)
