"""Level alarms: high-high, high, low, low-low (ISA-18.2 / IEC 62682: setpoint, deadband, on-delay,
off-delay).

Raised when every reading for ``on_delay`` was at or beyond the setpoint; cleared when every reading for
``off_delay`` was back by more than the deadband.  Both are judged at readings and take the reading's own
time.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fengsui.warn.rules.kind import BadRule, Kind, Problem, Sentence, Values, gettext_noop, read
from fengsui.warn.rules.memory import NEVER, Memory, Terms, Turns

TAKES = ("setpoint", "deadband", "on_delay_ms", "off_delay_ms")
KINDS = {
    "hh": Kind(
        "hh", "level", gettext_noop("High-high"), gettext_noop("far too high: the outer upper limit"), TAKES
    ),
    "h": Kind("h", "level", gettext_noop("High"), gettext_noop("too high: the inner upper limit"), TAKES),
    "l": Kind("l", "level", gettext_noop("Low"), gettext_noop("too low: the inner lower limit"), TAKES),
    "ll": Kind(
        "ll", "level", gettext_noop("Low-low"), gettext_noop("far too low: the outer lower limit"), TAKES
    ),
}
SIGN = {"hh": 1.0, "h": 1.0, "l": -1.0, "ll": -1.0}
OUTWARDS = ("ll", "l", "h", "hh")  # setpoints rise in this order


def check(kind: str, given: Mapping[str, Any]) -> Values:
    """The parameters of a level rule.  Raises BadRule."""
    values, problems = read(KINDS[kind], given)
    if values.setpoint is None and not any(p.field == "setpoint" for p in problems):
        problems.append(Problem("setpoint", gettext_noop("a %(kind)s rule needs it"), {"kind": kind}))
    if problems:
        raise BadRule(problems)
    return values


def check_order(setpoints: Mapping[str, float], low: float | None, high: float | None) -> list[Problem]:
    """Problems of the level rules of one datastream together: range ≤ LL < L < H < HH ≤ range.

    ``setpoints`` maps kinds to setpoints, ``low`` and ``high`` are the ends of the instrument's range; any
    may be missing.
    """
    present = [(kind, setpoints[kind]) for kind in OUTWARDS if kind in setpoints]
    problems = [
        Problem(
            "setpoint",
            gettext_noop("%(lower)s at %(lower_value)g must be below %(upper)s at %(upper_value)g"),
            {"lower": a.upper(), "lower_value": x, "upper": b.upper(), "upper_value": y},
        )
        for (a, x), (b, y) in pairwise(present)
        if x >= y
    ]
    for kind, value in present:
        if (low is not None and value < low) or (high is not None and value > high):
            problems.append(
                Problem(
                    "setpoint",
                    gettext_noop(
                        "%(kind)s at %(value)g is outside what the instrument measures, %(low)s to %(high)s"
                    ),
                    {
                        "kind": kind.upper(),
                        "value": value,
                        "low": "−∞" if low is None else f"{low:g}",
                        "high": "∞" if high is None else f"{high:g}",
                    },
                )
            )
    return problems


def describe(values: Values) -> Sentence:
    """One sentence a duty officer can read; ``*_ms`` values are milliseconds."""
    assert values.setpoint is not None
    above = SIGN[values.kind] > 0
    text = (
        gettext_noop(
            "at or above %(setpoint)s for %(on_delay_ms)s; over when below %(clear_at)s for %(off_delay_ms)s"
        )
        if above
        else gettext_noop(
            "at or below %(setpoint)s for %(on_delay_ms)s; over when above %(clear_at)s for %(off_delay_ms)s"
        )
    )
    clear_at = values.setpoint - SIGN[values.kind] * values.deadband
    return Sentence(
        text,
        {
            "setpoint": values.setpoint,
            "clear_at": clear_at,
            "on_delay_ms": values.on_delay_ms,
            "off_delay_ms": values.off_delay_ms,
        },
    )


def advance(
    terms: Terms, was: Memory, time_ms: np.ndarray, value: np.ndarray, known: np.ndarray
) -> tuple[Memory, Turns]:
    """Judge one reading per rule; where ``known`` is false nothing is concluded."""
    return judge(terms, was, time_ms, value, terms.sign * value, terms.sign * was.peak_value, known)


def judge(
    terms: Terms,
    was: Memory,
    time_ms: np.ndarray,
    value: np.ndarray,
    measure: np.ndarray,
    peak_measure: np.ndarray,
    known: np.ndarray,
) -> tuple[Memory, Turns]:
    """The life of any alarm with a setpoint.  ``measure`` is what is compared: larger is worse; ``value`` is
    what an event shows; ``peak_measure`` is the measure of the peak so far.
    """
    beyond = measure >= np.where(was.active, terms.clear_at, terms.raise_at)
    pending = known & (beyond != was.active)  # the reading speaks for the other state
    settled = known & ~pending
    since = np.where(pending & (was.since_ms == NEVER), time_ms, was.since_ms)
    delay = np.where(was.active, terms.off_delay_ms, terms.on_delay_ms)
    turned = pending & (time_ms - since >= delay)
    raised, cleared = turned & ~was.active, turned & was.active
    since = np.where(turned | settled, NEVER, since)

    fresh = pending & ~was.active & (was.since_ms == NEVER)
    worse = known & beyond & (fresh | (measure > peak_measure))
    over = cleared | (settled & ~was.active)  # nothing to remember any more
    peak = np.where(over, np.nan, np.where(worse, value, was.peak_value))
    peak_ms = np.where(over, NEVER, np.where(worse, time_ms, was.peak_ms))
    memory = was.but(
        active=was.active ^ turned,
        since_ms=since,
        started_ms=np.where(raised, time_ms, np.where(cleared, NEVER, was.started_ms)),
        peak_value=peak,
        peak_ms=peak_ms,
    )
    return memory, Turns(raised, cleared, np.where(raised, time_ms, was.started_ms), value, value)
