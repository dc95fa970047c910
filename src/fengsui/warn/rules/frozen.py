"""Frozen alarm: an instrument that sends, but always the same.

Raised at the reading where the value has stayed within ``setpoint`` of what it last changed to for
``window_ms``; cleared at the first reading further away than that.  A slow drift is a change as soon as its
sum exceeds the setpoint. A gap longer than the window proves nothing about what happened in it: the watch
begins again after it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fengsui.warn.rules.kind import BadRule, Kind, Problem, Sentence, Values, gettext_noop, missing, read
from fengsui.warn.rules.memory import NEVER, Memory, Terms, Turns

KINDS = {
    "frozen": Kind(
        "frozen",
        "frozen",
        gettext_noop("Frozen"),
        gettext_noop("sends, but always the same value"),
        ("setpoint", "window_ms"),
    )
}


def check(kind: str, given: Mapping[str, Any]) -> Values:
    """The parameters of a frozen rule; no setpoint means that any change counts.  Raises BadRule."""
    values, problems = read(KINDS[kind], given)
    if values.setpoint is not None and values.setpoint < 0:
        problems.append(Problem("setpoint", gettext_noop("must not be negative"), {}))
    if not any(p.field == "window_ms" for p in problems):
        problems += missing(values, "window_ms")
    if problems:
        raise BadRule(problems)
    return Values(kind, values.setpoint or 0.0, window_ms=values.window_ms)


def describe(values: Values) -> Sentence:
    """One sentence a duty officer can read; ``*_ms`` values are milliseconds."""
    return Sentence(
        gettext_noop(
            "does not change by more than %(setpoint)s for %(window_ms)s; over at the first real change"
        ),
        {"setpoint": values.setpoint or 0.0, "window_ms": values.window_ms},
    )


def advance(
    terms: Terms, was: Memory, time_ms: np.ndarray, value: np.ndarray, known: np.ndarray
) -> tuple[Memory, Turns]:
    """Judge one reading per rule; where ``known`` is false nothing is concluded."""
    unmarked = was.mark_ms == NEVER
    gap = time_ms - np.where(was.since_ms == NEVER, time_ms, was.since_ms) > terms.window_ms
    again = known & (unmarked | (~was.active & gap))
    with np.errstate(invalid="ignore", over="ignore"):
        changed = known & ~again & (np.abs(value - was.mark_value) > terms.raise_at)
    cleared = changed & was.active
    still = known & ~again & ~changed & ~was.active
    raised = still & (time_ms - np.where(unmarked, time_ms, was.mark_ms) >= terms.window_ms)

    moved = again | changed
    memory = was.but(
        active=was.active ^ (raised | cleared),
        since_ms=np.where(known, time_ms, was.since_ms),
        started_ms=np.where(raised, time_ms, np.where(cleared, NEVER, was.started_ms)),
        peak_value=np.where(raised, value, np.where(cleared, np.nan, was.peak_value)),
        peak_ms=np.where(raised, time_ms, np.where(cleared, NEVER, was.peak_ms)),
        mark_ms=np.where(moved, time_ms, was.mark_ms),
        mark_value=np.where(moved, value, was.mark_value),
    )
    return memory, Turns(raised, cleared, np.where(raised, time_ms, was.started_ms), value, value)
