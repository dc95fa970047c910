"""Rate-of-change alarm: how fast the value moves, up or down, per second, over a window.

The rate at a reading is its change since the newest *kept* reading that is at least ``window_ms`` older,
divided by the time between the two.  A reading is kept when an eighth of the window has passed since the last
one kept, so a rule remembers nine readings however fast they come, and the span judged is the window to nine
eighths of it (longer only where readings are missing).  Until there is such a reading nothing is concluded.
Window 0 compares each reading with the one before.  Setpoint, deadband and delays then work on the magnitude
of the rate, as for a level.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fengsui.warn.rules import level
from fengsui.warn.rules.kind import BadRule, Kind, Problem, Sentence, Values, gettext_noop, read
from fengsui.warn.rules.memory import KEPT, NEVER, Memory, Terms, Turns

KINDS = {
    "rate": Kind(
        "rate",
        "rate",
        gettext_noop("Rate of change"),
        gettext_noop("moves too fast, up or down"),
        ("setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms"),
    )
}


def check(kind: str, given: Mapping[str, Any]) -> Values:
    """The parameters of a rate rule.  Raises BadRule."""
    values, problems = read(KINDS[kind], given)
    if not any(p.field == "setpoint" for p in problems):
        if values.setpoint is None or values.setpoint <= 0:
            problems.append(
                Problem("setpoint", gettext_noop("a rate rule needs one above zero, in units per second"), {})
            )
        elif values.deadband >= values.setpoint:
            problems.append(
                Problem(
                    "deadband", gettext_noop("must be below the setpoint, or the alarm can never clear"), {}
                )
            )
    if problems:
        raise BadRule(problems)
    return values


def describe(values: Values) -> Sentence:
    """One sentence a duty officer can read; ``*_ms`` values are milliseconds."""
    assert values.setpoint is not None
    return Sentence(
        gettext_noop(
            "changes by %(setpoint)s or more per second, over %(window_ms)s, for %(on_delay_ms)s; "
            "over when below %(clear_at)s per second for %(off_delay_ms)s"
        ),
        {
            "setpoint": values.setpoint,
            "clear_at": values.setpoint - values.deadband,
            "window_ms": values.window_ms,
            "on_delay_ms": values.on_delay_ms,
            "off_delay_ms": values.off_delay_ms,
        },
    )


def advance(
    terms: Terms, was: Memory, time_ms: np.ndarray, value: np.ndarray, known: np.ndarray
) -> tuple[Memory, Turns]:
    """Judge one reading per rule; where ``known`` is false nothing is concluded and nothing is kept."""
    rows = np.arange(len(time_ms))
    old_enough = (was.kept_ms != NEVER) & (was.kept_ms <= (time_ms - terms.window_ms)[:, None])
    newest = np.where(old_enough, was.kept_ms, NEVER).argmax(axis=1)
    comparable = known & old_enough.any(axis=1)
    span_ms = np.where(comparable, time_ms - was.kept_ms[rows, newest], 1)
    with np.errstate(invalid="ignore", over="ignore"):
        rate = np.where(comparable, (value - was.kept_value[rows, newest]) / (span_ms / 1000.0), np.nan)
    judged = comparable & np.isfinite(rate)
    memory, turns = level.judge(terms, was, time_ms, rate, np.abs(rate), np.abs(was.peak_value), judged)

    last = was.kept_ms[rows, (was.kept_next - 1) % KEPT]
    step_ms = -(-terms.window_ms // (KEPT - 1))  # rounded up: nine kept readings always span the window
    keep = known & ((last == NEVER) | (time_ms - np.where(last == NEVER, 0, last) >= step_ms))
    kept_ms, kept_value = was.kept_ms.copy(), was.kept_value.copy()
    kept_ms[rows[keep], was.kept_next[keep]] = time_ms[keep]
    kept_value[rows[keep], was.kept_next[keep]] = value[keep]
    return (
        memory.but(
            kept_ms=kept_ms,
            kept_value=kept_value,
            kept_next=np.where(keep, (was.kept_next + 1) % KEPT, was.kept_next),
        ),
        turns,
    )
