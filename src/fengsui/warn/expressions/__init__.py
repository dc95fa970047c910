"""In: the text of a compound rule 情景规则 and what its names stand for. Out: a checked program, and what it says.

Must never: evaluate what it did not parse itself, read a clock or a database, take missing data for safety.

``checked = check(parse(text), names)`` · ``table = tabulate(rules)`` · ``memory = Memory.fresh(table)`` ·
``told = step(table, memory, rows)`` for readings, ``sweep(table, memory, now_ms)`` by the clock (``kernel``).  The
meaning is that of ``plain``, the oracle.
"""

from fengsui.warn.expressions.checking import Checked, Input, check
from fengsui.warn.expressions.errors import BadExpression
from fengsui.warn.expressions.memory import Memory
from fengsui.warn.expressions.parsing import parse
from fengsui.warn.expressions.table import CompoundRow, Rows, Table, Told, tabulate

__all__ = [
    "BadExpression", "Checked", "CompoundRow", "Input", "Memory", "Rows", "Table", "Told", "check", "parse",
    "tabulate",
]  # fmt: skip
