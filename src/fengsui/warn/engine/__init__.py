"""In: readings in columns, and the rules in force. Out: what was raised and what was cleared.

Must never: read a clock or a database, raise one episode twice, let a bad reading pass for a good one.

The life of a partition:  ``rules = compile_rules(rows, slot_of_datastream)`` · ``state = State.fresh(rules)``
· ``events = step(state, slot, time_ms, value, quality, rules)`` for each batch · ``events = sweep(state,
now_ms, rules)`` by the clock · ``state.save(path)`` at a checkpoint.  When rules or datastreams change, and
after ``state = State.load(path)``: ``state, events = state.carry_over(rules, at_ms)``.
"""

from typing import TYPE_CHECKING, Any

from fengsui.warn.engine.events import CLEARED, RAISED, Events
from fengsui.warn.engine.plain import step_plain
from fengsui.warn.engine.rules import RuleRow, Rules, RuleTable, compile_rules, compile_tables, replace_rules
from fengsui.warn.engine.state import State
from fengsui.warn.rules.memory import NEVER

if TYPE_CHECKING:
    from fengsui.warn.engine.kernel import step, sweep, warm_up

__all__ = [
    "CLEARED",
    "NEVER",
    "RAISED",
    "Events",
    "RuleRow",
    "RuleTable",
    "Rules",
    "State",
    "compile_rules",
    "compile_tables",
    "replace_rules",
    "step",
    "step_plain",
    "sweep",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    """The compiled part, loaded when it is first asked for: most roles never need the compiler."""
    if name in ("step", "sweep", "warm_up"):
        from fengsui.warn.engine import kernel

        return getattr(kernel, name)
    raise AttributeError(name)
