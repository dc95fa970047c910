"""Silent alarm: nothing is heard.

A datastream is silent when no reading, good or bad, has come for ``window_ms``.  The alarm's time is the last
reading's time plus the window, whoever notices it and when: the sweep by the clock, or the next reading, if
that comes first. Counting begins no earlier than ``armed_ms`` (when the rule was made or switched on again),
so a device that never spoke is silent too, and an old silence is not announced with a date in the past.  The
first reading after the alarm's time clears it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fengsui.warn.rules.kind import BadRule, Kind, Sentence, Values, gettext_noop, missing, read
from fengsui.warn.rules.memory import NEVER, Memory, Terms, Turns

KINDS = {
    "silent": Kind(
        "silent",
        "silent",
        gettext_noop("Silent"),
        gettext_noop("has sent nothing for too long"),
        ("window_ms",),
    )
}


def check(kind: str, given: Mapping[str, Any]) -> Values:
    """The parameters of a silent rule.  Raises BadRule."""
    values, problems = read(KINDS[kind], given)
    if not any(p.field == "window_ms" for p in problems):
        problems += missing(values, "window_ms")
    if problems:
        raise BadRule(problems)
    return values


def describe(values: Values) -> Sentence:
    """One sentence a duty officer can read; ``*_ms`` values are milliseconds."""
    return Sentence(
        gettext_noop("sends nothing for %(window_ms)s; over at the next reading"),
        {"window_ms": values.window_ms},
    )


def due_ms(terms: Terms, last_ms: np.ndarray) -> np.ndarray:
    """When each rule's silence counts as an alarm; NEVER where there is nothing to count from."""
    base = np.maximum(last_ms, terms.armed_ms)
    return np.where(base == NEVER, NEVER, base + np.where(base == NEVER, 0, terms.window_ms))


def advance(
    terms: Terms, was: Memory, time_ms: np.ndarray, value: np.ndarray, last_ms: np.ndarray
) -> tuple[Memory, Turns]:
    """Hear one reading per rule, of whatever quality; ``last_ms`` is the one heard before it.

    A silence that nobody swept up is raised and cleared by the reading that ends it: both masks are true.
    """
    due = due_ms(terms, last_ms)
    raised = ~was.active & (due != NEVER) & (time_ms > due)
    started = np.where(was.active, was.started_ms, due)
    cleared = (was.active | raised) & (time_ms > started)
    memory = was.but(active=was.active & ~cleared, started_ms=np.where(cleared, NEVER, was.started_ms))
    return memory, Turns(raised, cleared, started, np.full(len(due), np.nan), value)


def sweep(terms: Terms, was: Memory, now_ms: int, last_ms: np.ndarray) -> tuple[Memory, Turns]:
    """Look at the clock: raise every rule whose silence is over its window at ``now_ms``."""
    due = due_ms(terms, last_ms)
    raised = ~was.active & (due != NEVER) & (now_ms > due)
    memory = was.but(active=was.active | raised, started_ms=np.where(raised, due, was.started_ms))
    nothing = np.full(len(due), np.nan)
    return memory, Turns(raised, np.zeros_like(raised), due, nothing, nothing)
