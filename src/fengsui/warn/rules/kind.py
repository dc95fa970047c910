"""What a kind of alarm is: its words, the parameters it takes, and what makes them wrong.

Each file beside this one is one family of kinds.  It gives the words (English message ids, translated where
people see them), the check of the parameters, and ``advance``: the definition of the kind in plain NumPy, one
reading per rule at a time.  The compiled kernel of ``warn.engine`` is held equal to these definitions by
test.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fengsui.base.errors import BadInput

MAX_MS = 2**31 - 1  # 24.8 days: what the columns of a rule hold


def gettext_noop(text: str) -> str:
    """Mark ``text`` for translation; whoever shows it translates it."""
    return text


@dataclass(frozen=True, slots=True)
class Sentence:
    """A message id with named placeholders, and their values."""

    text: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return self.text % self.values


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one parameter of a rule; ``field`` is its name ("" for the rule as a whole)."""

    field: str
    text: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        said = self.text % self.values
        return f"{self.field}: {said}" if self.field else said


class BadRule(BadInput):
    """Parameters that do not make a rule; ``problems`` lists every one of them."""

    code = "warn.bad_rule"

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("; ".join(str(p) for p in self.problems))


@dataclass(frozen=True, slots=True)
class Values:
    """The parameters of one rule, checked.  Durations in ms; ``setpoint`` in the unit of the datastream (per
    second for ``rate``), None where the kind has none.
    """

    kind: str
    setpoint: float | None = None
    deadband: float = 0.0
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    window_ms: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """The words of a kind: message ids; ``takes`` names the parameters it understands."""

    code: str
    family: str
    name: str
    summary: str
    takes: tuple[str, ...]


PARAMETERS = ("setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms")


def read(kind: Kind, given: Mapping[str, Any]) -> tuple[Values, list[Problem]]:
    """The parameters as numbers, and the problems found: unknown names, not a number, negative, too long, or
    a parameter that this kind does not take.  What a kind demands beyond that is checked by its family.
    """
    problems = [
        Problem(
            name, gettext_noop("no such parameter; a rule has %(known)s"), {"known": ", ".join(PARAMETERS)}
        )
        for name in given
        if name not in PARAMETERS
    ]
    numbers: dict[str, float] = {}
    for name in PARAMETERS:
        raw = given.get(name)
        if raw is None or raw == "":
            continue
        try:
            number = float(raw)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(raw, bool) or not math.isfinite(number):
            problems.append(Problem(name, gettext_noop("%(given)s is not a number"), {"given": repr(raw)}))
        elif number and name not in kind.takes:
            problems.append(Problem(name, gettext_noop("a %(kind)s rule takes none"), {"kind": kind.code}))
        elif name != "setpoint" and number < 0:
            problems.append(Problem(name, gettext_noop("must not be negative"), {}))
        elif name.endswith("_ms") and number > MAX_MS:
            problems.append(Problem(name, gettext_noop("must not exceed %(most)s ms"), {"most": MAX_MS}))
        elif name.endswith("_ms") and number != int(number):
            problems.append(Problem(name, gettext_noop("must be whole milliseconds"), {}))
        else:
            numbers[name] = number
    values = Values(
        kind.code,
        numbers.get("setpoint") if "setpoint" in kind.takes else None,
        numbers.get("deadband", 0.0),
        int(numbers.get("on_delay_ms", 0)),
        int(numbers.get("off_delay_ms", 0)),
        int(numbers.get("window_ms", 0)),
    )
    return values, problems


def missing(values: Values, name: str) -> list[Problem]:
    """A problem if the parameter ``name`` has no value."""
    if getattr(values, name):
        return []
    return [Problem(name, gettext_noop("a %(kind)s rule needs it"), {"kind": values.kind})]
