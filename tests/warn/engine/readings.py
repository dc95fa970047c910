"""Random rules and readings on a coarse grid, so that setpoints, deadbands and delays are hit exactly."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from fengsui.warn.engine import RuleRow, Rules, State, compile_rules, step

START_MS = 1_790_000_000_000  # past what an int32 of milliseconds could hold
SLOTS = 3

values = st.sampled_from(
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 6.0, 7.0, -1.0, np.nan, np.inf, -np.inf, 1e308]
)
numbers = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
delays = st.sampled_from([0, 0, 1000, 2000, 5000])
windows = st.sampled_from([1, 1000, 3000, 8000])


@st.composite
def rule_rows(draw, most: int = 8) -> list[RuleRow]:
    rows = []
    for rule_id in range(1, draw(st.integers(1, most)) + 1):
        kind = draw(st.sampled_from(["hh", "h", "l", "ll", "rate", "frozen", "silent"]))
        datastream = draw(st.integers(1, SLOTS)) * 10
        if kind in ("hh", "h", "l", "ll"):
            row = RuleRow(rule_id, datastream, kind, draw(numbers), draw(numbers), draw(delays), draw(delays))
        elif kind == "rate":
            setpoint = draw(st.sampled_from([0.25, 0.5, 1.0, 2.0]))
            deadband = setpoint * draw(st.sampled_from([0.0, 0.5]))
            window = draw(st.sampled_from([0, 1000, 3000, 8000]))
            row = RuleRow(rule_id, datastream, kind, setpoint, deadband, draw(delays), draw(delays), window)
        elif kind == "frozen":
            row = RuleRow(
                rule_id, datastream, kind, draw(st.sampled_from([0.0, 1.0])), window_ms=draw(windows)
            )
        else:
            armed = draw(
                st.sampled_from([RuleRow._field_defaults["armed_ms"], START_MS - 5000, START_MS + 4000])
            )
            row = RuleRow(rule_id, datastream, kind, window_ms=draw(windows), armed_ms=armed)
        rows.append(row)
    return rows


@st.composite
def readings(draw, most: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns slot, time_ms, value, quality in order of arrival; each slot's times rise, with some repeats."""
    n = draw(st.integers(0, most))
    slot = np.array(draw(st.lists(st.integers(0, SLOTS - 1), min_size=n, max_size=n)), np.int32)
    steps = draw(st.lists(st.sampled_from([0, 1, 999, 1000, 1000, 1000, 2000, 9000]), min_size=n, max_size=n))
    value = np.array(draw(st.lists(values, min_size=n, max_size=n)), np.float64)
    quality = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2]), min_size=n, max_size=n)), np.uint8)
    clock = {s: START_MS for s in range(SLOTS)}
    time_ms = np.empty(n, np.int64)
    for i in range(n):
        clock[int(slot[i])] += steps[i]
        time_ms[i] = clock[int(slot[i])]
    return slot, time_ms, value, quality


def sorted_batch(columns):
    """The columns in the order that ``step`` is given them: by slot, then time, arrival breaking ties."""
    slot, time_ms, *_ = columns
    order = np.lexsort((np.arange(len(slot)), time_ms, slot))
    return tuple(c[order] for c in columns)


def compiled(rows) -> Rules:
    return compile_rules(rows, {(s + 1) * 10: s for s in range(SLOTS)})


def said(events) -> list[tuple]:
    """Events as rows without the row number, in an order that does not depend on how they were cut."""
    rows = zip(
        events.rule_id.tolist(),
        events.started_ms.tolist(),
        events.what.tolist(),
        events.time_ms.tolist(),
        events.value.tolist(),
        events.peak_value.tolist(),
        events.peak_ms.tolist(),
        strict=True,
    )
    return sorted(tuple(repr(x) if isinstance(x, float) else x for x in row) for row in rows)


def cut(columns, pieces: list[int]):
    """The columns in consecutive parts, cut at the given rows."""
    edges = [0, *sorted(min(p, len(columns[0])) for p in pieces), len(columns[0])]
    for a, b in pairwise(edges):
        yield tuple(c[a:b] for c in columns)


def run(rules: Rules, columns) -> tuple[State, list[tuple]]:
    state = State.fresh(rules)
    return state, said(step(state, *sorted_batch(columns), rules))
