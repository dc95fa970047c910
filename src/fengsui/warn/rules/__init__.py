"""In: the parameters of a rule. Out: the kinds of alarm: their words, their checks, their plain definitions.

Must never: read a clock, a file or a database; say that silence is safety.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from fengsui.warn.rules import frozen, level, rate, silent
from fengsui.warn.rules.kind import BadRule, Kind, Problem, Sentence, Values, gettext_noop

FAMILIES: dict[str, ModuleType] = {"level": level, "rate": rate, "frozen": frozen, "silent": silent}
KINDS: dict[str, Kind] = {code: kind for family in FAMILIES.values() for code, kind in family.KINDS.items()}


def check(kind: str, given: Mapping[str, Any]) -> Values:
    """The parameters ``given`` for a rule of ``kind``, as numbers.  Raises BadRule with every problem found."""
    if kind not in KINDS:
        raise BadRule(
            [Problem("kind", gettext_noop("no such kind; one of %(known)s"), {"known": ", ".join(KINDS)})]
        )
    checked: Values = FAMILIES[KINDS[kind].family].check(kind, given)
    return checked


def describe(values: Values) -> Sentence:
    """What the rule says, as one sentence with named values."""
    said: Sentence = FAMILIES[KINDS[values.kind].family].describe(values)
    return said


__all__ = ["FAMILIES", "KINDS", "BadRule", "Kind", "Problem", "Sentence", "Values", "check", "describe"]
