"""What holds for every compound rule and every recording."""

import io
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.expressions import Memory
from fengsui.warn.expressions.kernel import step, sweep
from tests.warn.expressions.programs import (
    START_MS,
    arrivals,
    columns,
    compiled,
    groups,
    of_kernel,
    of_plain,
    said,
    table_of,
    texts,
)

rules = st.lists(texts, min_size=1, max_size=3)
thorough = settings(max_examples=60, deadline=None)
END_MS = START_MS + 3_600_000


@thorough
@given(rules, groups)
def test_the_kernel_says_what_the_oracle_says(given_rules, found):
    rows, plain = compiled(given_rules)
    table, arrived = table_of(rows), arrivals(found)
    mine = of_kernel(table, Memory.fresh(table), arrived, END_MS)
    expected = of_plain(rows, plain, arrived, END_MS)
    for number in range(len(rows)):
        assert [s for s in mine if s[0] == number] == [s for s in expected if s[0] == number]


@thorough
@given(rules, groups, st.lists(st.integers(0, 25), max_size=4))
def test_chunks_equal_the_whole_also_over_a_checkpoint(given_rules, found, cuts):
    rows, _ = compiled(given_rules)
    table, arrived = table_of(rows), arrivals(found)
    expected = of_kernel(table, Memory.fresh(table), arrived)
    memory, mine, ends = (
        Memory.fresh(table),
        [],
        sorted({0, *(min(c, len(arrived)) for c in cuts), len(arrived)}),
    )
    for begin, end in pairwise(ends):
        mine += said(step(table, memory, columns(table, arrived[begin:end])))
        file = io.BytesIO()
        np.savez(file, **memory.parts(table))
        file.seek(0)
        with np.load(file) as parts:
            memory = Memory.of({name: parts[name] for name in parts}, table)
    assert mine == expected


@thorough
@given(rules, groups)
def test_raised_and_cleared_alternate_and_times_rise(given_rules, found):
    rows, _ = compiled(given_rules)
    table, memory = table_of(rows), None
    memory = Memory.fresh(table)
    told = step(table, memory, columns(table, arrivals(found)))
    for number in range(len(rows)):
        mine = told.rule == number
        turns = told.what[mine][told.what[mine] > 0].tolist()
        assert turns == [1 + i % 2 for i in range(len(turns))]
        assert (np.diff(told.time_ms[mine]) > 0).all()


@thorough
@given(rules, groups, st.lists(st.integers(0, 25), max_size=3))
def test_looking_at_the_clock_in_between_says_the_same(given_rules, found, cuts):
    """As long as readings come in order of time, it does not matter when somebody looked."""
    rows, _ = compiled(given_rules)
    table = table_of(rows)
    arrived = sorted(arrivals(found), key=lambda one: one[0])
    expected = of_kernel(table, Memory.fresh(table), arrived, END_MS)
    memory, mine = Memory.fresh(table), []
    for at, one in enumerate(arrived):
        mine += said(step(table, memory, columns(table, [one])))
        if at in cuts:
            mine += said(sweep(table, memory, one[0]))
    mine += said(sweep(table, memory, END_MS))
    for number in range(len(rows)):
        assert [s for s in mine if s[0] == number] == [s for s in expected if s[0] == number]
