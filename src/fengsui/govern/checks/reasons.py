"""How the reasons of several checks become one: a refusal outweighs a flag, and the first named wins."""

import numpy as np

from fengsui.base.quality import Reason

FIRST_FLAG = int(Reason.LATE)  # base.quality: below refuses, from here on flags


def is_refused(reason: np.ndarray) -> np.ndarray:
    """bool [n]: rows whose ``reason`` (uint8 [n]) sends them to quarantine."""
    return (reason > 0) & (reason < FIRST_FLAG)


def first_reason(*reasons: np.ndarray) -> np.ndarray:
    """One reason a row, uint8 [n], out of several: the first refusal, else the first flag, else 0."""
    out = reasons[0].copy()
    for other in reasons[1:]:
        take = (out == 0) & (other != 0) | (out >= FIRST_FLAG) & is_refused(other)
        if take.any():
            out[take] = other[take]
    return out


def mark(where: np.ndarray, reason: Reason) -> np.ndarray:
    """uint8 [n]: ``reason`` where the mask is true."""
    return np.where(where, np.uint8(reason), np.uint8(0))
