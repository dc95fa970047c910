"""What alarms cost those who watch them: the figures of ISA-18.2 / IEC 62682 and EEMUA 191, and two sets compared.

Ten-minute windows are fixed and begin with the span.  A flood begins in a window with ten or more new alarms and ends
with the first that has fewer than five, which no longer belongs to it.  An alarm chatters that is raised three times
within 60 s; it is stale when it stands longer than 24 h.  The numbers are from memory of these standards, not checked
against their text.
"""

from dataclasses import dataclass

import numpy as np

from fengsui.warn.engine.sorting import as_one, order
from fengsui.warn.rules.memory import NEVER

WINDOW_MS = 600_000
DAY_MS = 86_400_000
FLOOD_FROM, FLOOD_UNTIL = 10, 5
CHATTER_TIMES, CHATTER_MS = 3, 60_000
STALE_MS = DAY_MS
MOST_FREQUENT = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as a flood, as chattering, as stale: the bureau's own, or those of the module."""

    window_ms: int = WINDOW_MS
    flood_from: int = FLOOD_FROM
    flood_until: int = FLOOD_UNTIL
    chatter_times: int = CHATTER_TIMES
    chatter_ms: int = CHATTER_MS
    stale_ms: int = STALE_MS


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Burden:
    """Of the alarms raised in a span.  Shares are 0 … 1; ``peak_at_ms`` is the beginning of the worst window."""

    alarms: int
    per_day: float
    days: tuple[int, ...]  # raised in each day (24 h) of the span
    per_10_min: float
    peak_10_min: int
    peak_at_ms: int | None
    over_10_share: float  # of the ten-minute windows: more than ten alarms
    flood_share: float
    chattering: int  # rules
    stale: int  # alarms
    standing: int  # at the end of the span
    longest_ms: int
    top_share: float  # of the ten rules that raised most


def burden(
    rule_id: np.ndarray,
    raised_ms: np.ndarray,
    cleared_ms: np.ndarray,
    from_ms: int,
    to_ms: int,
    limits: Limits = LIMITS,
) -> Burden:
    """The figures of [from_ms, to_ms); columns of equal length, int64, ``cleared_ms`` NEVER while it stands.

    Alarms raised before the span count as stale, standing or longest, not as raised.  Raises ValueError when the span
    is empty.
    """
    if from_ms >= to_ms:
        raise ValueError("an empty span")
    inside = (raised_ms >= from_ms) & (raised_ms < to_ms)
    rule, raised = (rule_id, raised_ms) if inside.all() else (rule_id[inside], raised_ms[inside])
    counts = windows(raised, from_ms, to_ms, limits.window_ms)
    open_still = (cleared_ms == NEVER) | (cleared_ms >= to_ms)
    lasted = np.where(open_still, to_ms, cleared_ms) - raised_ms
    total, worst = len(raised), int(counts.argmax())
    rule, at = _by_rule(rule, raised)
    each = (
        np.diff(np.flatnonzero(np.r_[True, rule[1:] != rule[:-1], True])) if total else np.zeros(0, np.int64)
    )
    return Burden(
        total,
        total / ((to_ms - from_ms) / DAY_MS),
        tuple(windows(raised, from_ms, to_ms, DAY_MS).tolist()),
        total / ((to_ms - from_ms) / limits.window_ms),
        int(counts[worst]),
        from_ms + worst * limits.window_ms if total else None,
        float((counts > limits.flood_from).mean()),
        float(flooded(counts, limits).mean()),
        len(_quick(rule, at, limits)),
        int((lasted > limits.stale_ms).sum()),
        int(open_still.sum()),
        int(lasted.max(initial=0)),
        float(np.sort(each)[::-1][:MOST_FREQUENT].sum() / total) if total else 0.0,
    )


def windows(raised_ms: np.ndarray, from_ms: int, to_ms: int, window_ms: int) -> np.ndarray:
    """How many were raised in each window of the span (int64 [windows]); the last may be cut short."""
    return np.bincount((raised_ms - from_ms) // window_ms, minlength=-(-(to_ms - from_ms) // window_ms))


def flooded(counts: np.ndarray, limits: Limits = LIMITS) -> np.ndarray:
    """Which ten-minute windows are in flood (bool [windows])."""
    found, on, before = np.zeros(len(counts), bool), False, -1
    busy = np.flatnonzero(counts >= limits.flood_until)  # whatever the rest says, it ends a flood
    for i, count in zip(busy.tolist(), counts[busy].tolist(), strict=True):
        on = (on and i == before + 1) or count >= limits.flood_from
        found[i], before = on, i
    return found


def chattering(rule_id: np.ndarray, raised_ms: np.ndarray, limits: Limits = LIMITS) -> np.ndarray:
    """The rules that chatter, sorted."""
    return _quick(*_by_rule(rule_id, raised_ms), limits)


def _quick(rule: np.ndarray, at: np.ndarray, limits: Limits) -> np.ndarray:
    back = limits.chatter_times - 1
    quick = (rule[back:] == rule[:-back]) & (at[back:] - at[:-back] <= limits.chatter_ms)
    return np.unique(rule[back:][quick])


def _by_rule(rule: np.ndarray, raised_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sorted by (rule, raised)."""
    both = as_one(rule, raised_ms)
    if both is None or not len(both):
        place = order(rule, raised_ms)
        return rule[place], raised_ms[place]
    both.sort()
    bits = (int(raised_ms.max()) - int(raised_ms.min())).bit_length()
    return (both >> bits) + int(rule.min()), (both & ((1 << bits) - 1)) + int(raised_ms.min())


def without_counterpart(
    mine: tuple[np.ndarray, np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Which of ``mine`` no alarm of ``others`` of the same subject overlaps in time (bool [n]).

    Each is subject int64, raised_ms and cleared_ms (NEVER while it stands); those of one subject may overlap.
    """
    if not len(mine[0]) or not len(others[0]):
        return np.ones(len(mine[0]), bool)
    first = min(int(mine[1].min()), int(others[1].min()))
    last = 1 + max(int(column.max()) for column in (*mine[1:], *others[1:]))
    subject = np.unique(np.concatenate([mine[0], others[0]]), return_inverse=True)[1]
    start = np.split(
        subject * (last - first + 1) - first, [len(mine[0])]
    )  # one subject's time behind another's
    raised, until, began, ended = (
        begin + np.where(column == NEVER, last, column)
        for begin, side in zip(start, (mine, others), strict=True)
        for column in side[1:]
    )
    by_beginning = np.argsort(began, kind="stable")
    began, latest = began[by_beginning], np.maximum.accumulate(ended[by_beginning])
    begun = np.searchsorted(
        began, until, "right"
    )  # by the end of mine; those of subjects before ended before
    found: np.ndarray = begun == 0
    found[~found] = latest[begun[~found] - 1] < raised[~found]
    return found
