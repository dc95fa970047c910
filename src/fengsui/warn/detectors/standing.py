"""From one abnormal row to an episode: it stands when it has been said often enough, and ends the same way."""

import math
from dataclasses import dataclass

NONE = -1
RAISED, CLEARED = "raised", "cleared"


@dataclass(frozen=True, slots=True)
class Standing:
    """``since`` the first row of the abnormal ones now (NONE), ``over`` and ``under`` how many one after another."""

    since: int = NONE
    over: int = 0
    under: int = 0
    active: bool = False
    started: int = NONE
    peak: float = 0.0
    peak_row: int = NONE


def advance(state: Standing, row: int, ratio: float, on_rows: int, off_rows: int) -> tuple[Standing, str]:
    """Take in the ratio of one row: the next state, and RAISED, CLEARED or "".

    A row that could not be judged (NaN) neither raises nor clears: silence is not safety.  An episode started at the
    first of the abnormal rows that raised it.
    """
    if math.isnan(ratio):
        return state, ""
    if ratio > 1:
        since, over = (row, 1) if state.since == NONE else (state.since, state.over + 1)
        higher = (state.since == NONE and not state.active) or ratio > state.peak
        peak, peak_row = (ratio, row) if higher else (state.peak, state.peak_row)
        if not state.active and over >= on_rows:
            return Standing(since, over, 0, True, since, peak, peak_row), RAISED
        return Standing(since, over, 0, state.active, state.started, peak, peak_row), ""
    if not state.active:
        return Standing(), ""
    under = state.under + 1
    if under >= off_rows:
        return Standing(), CLEARED
    return Standing(NONE, 0, under, True, state.started, state.peak, state.peak_row), ""
