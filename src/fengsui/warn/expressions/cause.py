"""Why a rule was raised: which conditions held, and what everything was at that instant."""

import math
from dataclasses import dataclass

import numpy as np

from fengsui.warn.expressions.memory import Memory
from fengsui.warn.expressions.table import Table, Told


@dataclass(frozen=True, slots=True)
class Cause:
    """``values`` and ``held`` by condition (``Checked.terms``), ``inputs`` by name (``Checked.names``); None: unknown.

    A condition's value is that of the side with the datastream, in its unit; None for one that has none.
    """

    values: tuple[float | None, ...]
    held: tuple[bool | None, ...]
    inputs: tuple[float | None, ...]


def of_told(table: Table, told: Told, row: int) -> Cause | None:
    """The cause of what was said at ``row``; None where nothing was raised."""
    at = int(told.cause_at[row])
    if at < 0:
        return None
    rule = int(told.rule[row])
    terms = int(table.rule_terms[rule + 1] - table.rule_terms[rule])
    end = at + 2 * terms
    inputs = int(table.rule_inputs[rule + 1] - table.rule_inputs[rule])
    return _cause(told.cause[at : at + terms], told.cause[at + terms : end], told.cause[end : end + inputs])


def standing(table: Table, memory: Memory, rule: int) -> Cause:
    """The cause of the episode that stands, or stood last, of a rule (its place in the table)."""
    terms = slice(int(table.rule_terms[rule]), int(table.rule_terms[rule + 1]))
    inputs = slice(int(table.rule_inputs[rule]), int(table.rule_inputs[rule + 1]))
    return _cause(memory.cause_value[terms], memory.cause_true[terms], memory.cause_input[inputs])


def _cause(values: np.ndarray, held: np.ndarray, inputs: np.ndarray) -> Cause:
    return Cause(
        tuple(_number(v) for v in values.tolist()),
        tuple(None if math.isnan(v) else v == 1.0 for v in held.tolist()),
        tuple(_number(v) for v in inputs.tolist()),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
