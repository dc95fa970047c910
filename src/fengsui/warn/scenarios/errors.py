"""What can be wrong with a scenario rule."""

from collections.abc import Sequence
from typing import NamedTuple

from fengsui.base.errors import BadInput, FengsuiError


class Fault(NamedTuple):
    """One thing wrong: the field, where in its text (lines and columns count from 1, 0 where that says nothing)."""

    field: str
    text: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.field}:{self.line}:{self.column}: {self.text}" if self.line else self.text


class BadScenarioRule(BadInput):
    """A scenario rule cannot be kept as it is written; ``faults`` name every place."""

    code = "warn.bad_scenario_rule"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(str(fault) for fault in faults))


class ScenarioRuleChanged(FengsuiError):
    """Somebody else changed the scenario rule since it was read, or it was withdrawn."""

    code = "warn.scenario_rule_changed"
