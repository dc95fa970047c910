"""The engine in plain NumPy: the oracle of the compiled one, put together from the definitions in
``warn.rules``.

Readings are taken in rounds (the first of each slot, the second of each slot …), so that each rule meets one
reading at a time.  Pure: the state it is given is left as it was.
"""

import numpy as np

from fengsui.warn.engine.events import CLEARED, RAISED, Events, columns
from fengsui.warn.engine.rules import FROZEN, LEVEL, RATE, SILENT, Rules
from fengsui.warn.engine.state import State
from fengsui.warn.rules import frozen, level, rate, silent
from fengsui.warn.rules.memory import Memory, Turns

ADVANCE = {LEVEL: level.advance, RATE: rate.advance, FROZEN: frozen.advance, SILENT: silent.advance}
BAD = 2


def step_plain(
    state: State,
    slot: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    rules: Rules,
) -> tuple[State, Events]:
    """What ``step`` does, as a function: the next state and what was raised and cleared."""
    if rules is not state.rules:
        raise ValueError("these are not the rules of this state: carry the state over first")
    state = state.copy()
    slot = np.asarray(slot, np.int64)
    said: list[tuple[Events, np.ndarray]] = []
    exists = np.flatnonzero((slot >= 0) & (slot < rules.n_slots))
    nth = _occurrence(slot[exists])
    for turn in range(nth.max() + 1 if len(nth) else 0):
        rows = exists[nth == turn]
        rows = rows[time_ms[rows] > state.last_ms[slot[rows]]]
        before = state.last_ms[slot[rows]]
        known = (quality[rows] != BAD) & np.isfinite(value[rows])
        for family in (LEVEL, RATE, FROZEN, SILENT):
            pair, rule = _rules_of(slot[rows], rules, family)
            if len(rule):
                at = rows[pair]
                was = state.memory(rule)
                fourth = before[pair] if family == SILENT else known[pair]
                memory, turns = ADVANCE[family](rules.terms(rule), was, time_ms[at], value[at], fourth)
                state.put(rule, memory)
                said.append(_say(rules, rule, at, time_ms[at], was, memory, turns))
        state.last_ms[slot[rows]], state.last_value[slot[rows]] = time_ms[rows], value[rows]
    state.count_busy()
    events = Events.join(e for e, _ in said)
    where = np.concatenate([w for _, w in said]) if said else np.empty(0, np.int64)
    return state, events.take(np.lexsort((events.what, where, events.row)))


def _occurrence(slot: np.ndarray) -> np.ndarray:
    """For each row, how many rows of the same slot come before it."""
    order = np.argsort(slot, kind="stable")
    ordered = slot[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(slot) else np.empty(0, np.int64)
    counts = np.diff(np.r_[starts, len(slot)])
    nth = np.empty(len(slot), np.int64)
    nth[order] = np.arange(len(slot)) - np.repeat(starts, counts)
    return nth


def _rules_of(slot: np.ndarray, rules: Rules, family: int) -> tuple[np.ndarray, np.ndarray]:
    """Every (row, rule of its slot) of one family, as two columns."""
    counts = rules.first[slot + 1] - rules.first[slot]
    pair = np.repeat(np.arange(len(slot)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    rule = np.repeat(rules.first[slot], counts) + within
    right = rules.family(rule) == family
    return pair[right], rule[right]


def _say(
    rules: Rules,
    rule: np.ndarray,
    row: np.ndarray,
    time_ms: np.ndarray,
    was: Memory,
    memory: Memory,
    turns: Turns,
) -> tuple[Events, np.ndarray]:
    up, down = np.flatnonzero(turns.raised), np.flatnonzero(turns.cleared)
    both = np.concatenate([up, down])
    said = columns(len(both))
    n = len(up)
    said.rule_id[:] = rules.rule_id[rule[both]]
    said.what[:n], said.what[n:] = RAISED, CLEARED
    said.time_ms[:n], said.time_ms[n:] = turns.started_ms[up], time_ms[down]
    said.value[:n], said.value[n:] = turns.raised_value[up], turns.cleared_value[down]
    said.started_ms[:] = turns.started_ms[both]
    said.peak_value[:n], said.peak_value[n:] = memory.peak_value[up], was.peak_value[down]
    said.peak_ms[:n], said.peak_ms[n:] = memory.peak_ms[up], was.peak_ms[down]
    said.row[:] = row[both]
    return said, rule[both]
