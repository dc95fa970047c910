"""Rules as the engine keeps them: what they share kept once, and a part of them replaced without the rest."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.engine import (
    RuleRow,
    RuleTable,
    State,
    compile_rules,
    compile_tables,
    replace_rules,
    step,
    sweep,
)
from fengsui.warn.engine.packing import distinct
from tests.warn.engine.readings import SLOTS, START_MS, readings, rule_rows, said, sorted_batch

thorough = settings(max_examples=60, deadline=None)
IDS = (np.arange(SLOTS, dtype=np.int32) + 1) * 10


def same(one, other):
    assert one.same_as(other)
    for name in ("first_other", "first_ring", "first_mark", "calm_low", "calm_high", "wait_ms", "most"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@thorough
@given(rule_rows(), rule_rows(), st.sets(st.sampled_from(IDS.tolist())))
def test_a_part_replaced_equals_all_compiled_anew(before, after, changed):
    """Rules of some datastreams change in any way, the others stay."""
    now = [r for r in before if r.datastream_id not in changed]
    now += [r._replace(rule_id=r.rule_id + 100) for r in after if r.datastream_id in changed]
    part_ids = np.array(sorted(changed), np.int32)
    part = compile_rules([r for r in now if r.datastream_id in changed], part_ids)
    found = replace_rules(compile_rules(before, IDS), IDS, part)
    same(found, compile_rules(now, IDS))


@thorough
@given(rule_rows(), st.permutations(range(SLOTS)))
def test_datastreams_may_come_go_and_move(rows, places):
    old = compile_rules(rows, IDS)
    now = np.append(IDS[np.array(places)][:-1], [990]).astype(np.int32)
    part = compile_rules([RuleRow(77, 990, "h", 3.0)], np.array([990], np.int32))
    same(replace_rules(old, now, part), compile_rules([*rows, RuleRow(77, 990, "h", 3.0)], now))
    same(old.of(now[:1]), compile_rules(rows, now[:1]))


@thorough
@given(rule_rows(), st.integers(0, 8))
def test_several_tables_equal_one(rows, cut):
    table = RuleTable.of(rows)
    which = np.arange(len(table))
    same(compile_tables([table.take(which < cut), table.take(which >= cut)], IDS), compile_rules(table, IDS))


TERMS = st.tuples(
    st.sampled_from([0.5, 1.0, 3.0, 6.0]), st.sampled_from([0.0, 0.25]), st.sampled_from([0, 1000, 5000])
)


@thorough
@given(
    rule_rows(), st.lists(TERMS, min_size=8, max_size=8), readings(), readings(), st.sets(st.integers(1, 8))
)
def test_new_terms_in_old_places_equal_rules_compiled_anew(rows, terms, columns, more, changed):
    """The short way for rules that keep their places says and remembers what the long one does."""

    def edited(r):
        if r.rule_id not in changed:
            return r
        setpoint, deadband, delay = terms[r.rule_id - 1]
        if r.kind in ("hh", "h", "l", "ll"):
            return r._replace(setpoint=setpoint, deadband=deadband, on_delay_ms=delay)
        if r.kind == "rate":
            return r._replace(setpoint=setpoint, deadband=deadband, window_ms=delay)
        return r._replace(window_ms=delay + 1, **({"setpoint": setpoint} if r.kind == "frozen" else {}))

    now = [edited(r) for r in rows]
    ids = np.array(sorted({r.datastream_id for r in rows if r.rule_id in changed}), np.int32)
    old = compile_rules(rows, IDS)
    short = replace_rules(old, IDS, compile_rules([r for r in now if r.datastream_id in ids], ids))
    assert short.first is old.first
    anew = compile_rules(now, IDS)
    same(short, anew)

    state = State.fresh(old)
    step(state, *sorted_batch(columns), old)
    sweep(state, START_MS + 20_000, old)
    before = state.copy()
    one, ended = state.carry_over(short, START_MS)
    other, also = state.carry_over(anew, START_MS)
    assert state.same_as(before)
    assert one.same_as(other)
    assert (len(ended), len(also)) == (0, 0)
    later = (more[0], more[1] + 30_000, *more[2:])
    assert said(step(one, *sorted_batch(later), short)) == said(step(other, *sorted_batch(later), anew))
    assert said(sweep(one, START_MS + 90_000, short)) == said(sweep(other, START_MS + 90_000, anew))
    assert one.same_as(other)


@thorough
@given(rule_rows(), readings(), st.lists(st.integers(0, 30_000), min_size=1, max_size=8))
def test_what_a_sweep_passes_over_had_nothing_to_say(rows, columns, looks):
    """Slots are passed over once told or put off; looking at all of them each time says the same."""
    rules = compile_rules(rows, IDS)
    state = State.fresh(rules)
    n = len(columns[0])
    for i, look in enumerate(sorted(looks)):
        part = tuple(c[i * n // len(looks) : (i + 1) * n // len(looks)] for c in columns)
        step(state, *sorted_batch(part), rules)
        anew = state.copy()
        anew.count_busy()
        assert said(sweep(state, START_MS + look, rules)) == said(sweep(anew, START_MS + look, rules))
        assert state.same_as(anew)


def test_what_rules_share_is_kept_once():
    rows = [RuleRow(d, d, "h", float(d), 0.5, 1000) for d in range(1, 1001)]
    rows += [RuleRow(2000 + d, d, "h", 5.0, 0.5, 2000 + d % 2) for d in range(1, 1001)]
    rules = compile_rules(rows, np.arange(1, 1001, dtype=np.int32))
    assert len(rules.forms) == 3
    assert rules.terms(np.arange(2)).on_delay_ms.tolist() == [1000, 2001]
    assert rules.nbytes < 2000 * 14 + 1000 * 45 + 1000


def test_forms_that_nobody_has_any_more_are_forgotten_in_time(monkeypatch):
    monkeypatch.setattr("fengsui.warn.engine.rules.FORMS_KEPT", 8)
    ids = np.array([1, 2], np.int32)
    rules = compile_rules([RuleRow(1, 1, "h", 1, 0, 1), RuleRow(2, 2, "h", 1, 0, 2)], ids)
    for delay in range(10, 40):
        part = compile_rules([RuleRow(2, 2, "h", 1, 0, delay)], ids[1:])
        rules = replace_rules(rules, ids, part)
    assert len(rules.forms) <= 8
    assert rules.terms(np.arange(2)).on_delay_ms.tolist() == [1, 39]


def test_a_refused_rule_is_named_until_it_is_mended():
    ids = np.array([1, 2], np.int32)
    rules = compile_rules([RuleRow(1, 1, "h"), RuleRow(2, 2, "h")], ids)
    mended = replace_rules(rules, ids, compile_rules([RuleRow(2, 2, "h", 5)], ids[1:]))
    assert [bad.rule_id for bad in rules.refused] == [1, 2]
    assert [bad.rule_id for bad in mended.refused] == [1]


def test_ids_beyond_32_bits_work():
    big = 1 << 40
    rules = compile_rules([RuleRow(big + 1, 1, "h", 1), RuleRow(big, 1, "hh", 2)], {1: 0})
    assert rules.rule_id.tolist() == [big, big + 1]
    events = step(State.fresh(rules), np.zeros(1), np.ones(1), np.array([1.5]), np.zeros(1), rules)
    assert events.rule_id.tolist() == [big + 1]


@thorough
@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 7), max_size=40))
def test_equal_rows_get_one_number(rows):
    columns = np.array(rows, np.int64).reshape(len(rows), 7).T.copy()
    code, first = distinct(*columns)
    assert len(first) == len(set(rows))
    assert [rows[first[c]] for c in code] == rows


def test_many_distinct_rows_are_told_apart():
    n = 50_000
    ramp, zero = np.arange(n), np.zeros(n, np.int64)
    code, first = distinct(ramp, zero, zero, ramp // 7, zero, zero, ramp % 3)
    assert np.array_equal(first[code], ramp)


@thorough
@given(rule_rows(), readings())
def test_cells_are_given_back(rows, columns):
    """Whatever was raised and cleared, each cell is either held by one rule or free."""
    rules = compile_rules(rows, IDS)
    state = State.fresh(rules)
    step(state, *sorted_batch(columns), rules)
    held = state.cell[state.cell >= 0].tolist()
    free = state.cells.spare[: state.cells.spares[0]].tolist()
    assert sorted(held + free) == list(range(len(state.cells.active)))
    assert said(state.standing()) == said(state.copy().standing())
