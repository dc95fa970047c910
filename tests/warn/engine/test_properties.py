"""What holds for every rule and every recording."""

import io
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.engine import CLEARED, NEVER, RAISED, Events, State, compile_rules, step, step_plain, sweep
from tests.warn.engine.readings import (
    SLOTS,
    START_MS,
    compiled,
    cut,
    readings,
    rule_rows,
    run,
    said,
    sorted_batch,
)

cuts = st.lists(st.integers(0, 60), max_size=4)
thorough = settings(max_examples=60, deadline=None)


@thorough
@given(rule_rows(), readings())
def test_the_kernel_equals_its_plain_twin(rows, columns):
    rules, batch = compiled(rows), sorted_batch(columns)
    state = State.fresh(rules)
    next_state, expected = step_plain(state, *batch, rules)
    events = step(state, *batch, rules)
    assert said(events) == said(expected)
    assert events.row.tolist() == expected.row.tolist()
    assert state.same_as(next_state)


@thorough
@given(rule_rows(), readings())
def test_the_order_of_arrival_between_slots_does_not_matter(rows, columns):
    rules = compiled(rows)
    state = State.fresh(rules)
    mixed = step(state, *columns, rules)
    other, expected = run(rules, columns)
    assert said(mixed) == expected
    assert state.same_as(other)


@thorough
@given(rule_rows(), readings(), cuts)
def test_chunks_equal_the_whole(rows, columns, pieces):
    rules = compiled(rows)
    whole, expected = run(rules, columns)
    state = State.fresh(rules)
    parts = [step(state, *sorted_batch(part), rules) for part in cut(columns, pieces)]
    assert said(Events.join(parts)) == expected
    assert state.same_as(whole)


@thorough
@given(rule_rows(), readings(), cuts)
def test_stopping_at_a_checkpoint_and_going_on_equals_never_stopping(rows, columns, pieces):
    rules = compiled(rows)
    whole, expected = run(rules, columns)
    state, parts = State.fresh(rules), []
    for part in cut(columns, pieces):
        parts.append(step(state, *sorted_batch(part), rules))
        file = io.BytesIO()
        state.save(file)
        file.seek(0)
        again, more = State.load(file).carry_over(rules, START_MS)
        assert again.same_as(state)
        assert len(more) == 0
        file.seek(0)
        with np.load(file) as found:  # under the very same rules there is a shorter way
            state = State.placed(found, rules)
        assert state.same_as(again)
        assert np.array_equal(state.busy, again.busy)
    assert said(Events.join(parts)) == expected
    assert state.same_as(whole)


@thorough
@given(rule_rows(), readings(), cuts)
def test_what_was_seen_is_ignored_when_it_comes_again(rows, columns, pieces):
    rules = compiled(rows)
    whole, expected = run(rules, columns)
    state, parts, so_far = State.fresh(rules), [], []
    for part in cut(columns, pieces):
        so_far.append(part)
        redelivered = tuple(np.concatenate(c) for c in zip(*so_far, strict=True))
        parts.append(step(state, *redelivered, rules))
    assert said(Events.join(parts)) == expected
    assert state.same_as(whole)


@thorough
@given(rule_rows(), readings())
def test_raise_and_clear_alternate(rows, columns):
    rules = compiled(rows)
    state = State.fresh(rules)
    events = step(state, *sorted_batch(columns), rules)
    for rule_id in rules.rule_id:
        mine = events.take(events.rule_id == rule_id)
        assert mine.what.tolist() == [RAISED, CLEARED] * (len(mine) // 2) + [RAISED] * (len(mine) % 2)
        assert all(a <= b for a, b in pairwise(mine.time_ms))
        raised = mine.take(mine.what == RAISED)
        assert (raised.time_ms == raised.started_ms).all()
        assert len(set(raised.started_ms.tolist())) == len(raised), "an episode's key would not be unique"
        cleared = mine.take(mine.what == CLEARED)
        assert cleared.started_ms.tolist() == raised.started_ms.tolist()[: len(cleared)]
        assert (cleared.time_ms > cleared.started_ms).all()
        assert bool(state.active[rules.rule_id == rule_id][0]) == (len(mine) % 2 == 1)


@thorough
@given(rule_rows(), readings())
def test_a_bad_sample_neither_raises_nor_clears(rows, columns):
    """Leaving the bad samples out changes no alarm but the silent one, nor what is remembered."""
    rules = compiled([r for r in rows if r.kind != "silent"])
    slot, time_ms, value, quality = columns
    time_ms = time_ms + np.arange(len(slot))  # each at an instant of its own
    good = (quality != 2) & np.isfinite(value)
    with_bad, expected = run(rules, (slot, time_ms, value, quality))
    without, found = run(rules, tuple(c[good] for c in (slot, time_ms, value, quality)))
    assert found == expected
    without.last_ms, without.last_value = with_bad.last_ms, with_bad.last_value
    assert without.same_as(with_bad)


@thorough
@given(rule_rows(), readings(), st.lists(st.integers(-3000, 40_000), max_size=6))
def test_silence_is_told_the_same_whenever_the_clock_is_looked_at(rows, columns, looks):
    """Readings arrive in time order; sweeps at any instants between them."""
    rules = compiled(rows)
    order = np.argsort(columns[1], kind="stable")
    columns = tuple(c[order] for c in columns)
    end = START_MS + 200_000
    quiet = State.fresh(rules)
    expected = [step(quiet, *columns, rules), sweep(quiet, end, rules)]
    state, parts, done = State.fresh(rules), [], 0
    for look in sorted(START_MS + x for x in looks):
        upto = int(np.searchsorted(columns[1], look, side="right"))
        parts.append(step(state, *(c[done:upto] for c in columns), rules))
        parts.append(sweep(state, look, rules))
        done = upto
    parts += [step(state, *(c[done:] for c in columns), rules), sweep(state, end, rules)]
    assert said(Events.join(parts)) == said(Events.join(expected))
    assert state.same_as(quiet)


@thorough
@given(rule_rows(), rule_rows(), readings(), readings())
def test_a_change_of_rules_leaves_no_episode_without_an_end(before, after, columns, more):
    """Whatever rules are changed, added and withdrawn: an episode is open exactly while its rule is active."""
    old, new = compiled(before), compiled(after)
    state = State.fresh(old)
    first = step(state, *sorted_batch(columns), old)
    at_ms = int(columns[1].max()) if len(columns[1]) else START_MS
    before_it = state.copy()
    next_state, carried = state.carry_over(new, at_ms)
    assert state.same_as(before_it), "the old state is left as it was"
    state = next_state
    later = (more[0], more[1] + 10_000_000, *more[2:])
    last = step(state, *sorted_batch(later), new)
    open_now = set()
    for rule_id, started, what, *_ in zip(
        *(
            np.concatenate([getattr(e, c) for e in (first, carried, last)]).tolist()
            for c in ("rule_id", "started_ms", "what")
        ),
        strict=True,
    ):
        if what == RAISED:
            assert (rule_id, started) not in open_now
            open_now.add((rule_id, started))
        else:
            open_now.remove((rule_id, started))
    active = np.flatnonzero(state.active)
    assert open_now == set(zip(new.rule_id[active].tolist(), state.started_ms[active].tolist(), strict=True))


@thorough
@given(rule_rows(), readings())
def test_a_change_that_changes_nothing_changes_nothing(rows, columns):
    rules, same = compiled(rows), compiled(list(reversed(rows)))
    state, _ = run(rules, columns)
    again, events = state.carry_over(same, START_MS)
    assert len(events) == 0
    assert again.same_as(state)


@thorough
@given(rule_rows(), readings(), st.permutations(range(SLOTS)))
def test_slots_may_move(rows, columns, places):
    """A datastream keeps its state when the registry gives it another slot."""
    rules = compiled(rows)
    half = len(columns[0]) // 2
    state = State.fresh(rules)
    parts = [step(state, *sorted_batch(tuple(c[:half] for c in columns)), rules)]
    moved = compile_rules(rows, {(s + 1) * 10: places[s] for s in range(SLOTS)} | {99: SLOTS})
    state, events = state.carry_over(moved, START_MS)
    rest = [c[half:] for c in columns]
    rest[0] = np.array(places, np.int32)[rest[0]] if len(rest[0]) else rest[0]
    parts += [events, step(state, *sorted_batch(tuple(rest)), moved)]
    assert said(Events.join(parts)) == run(rules, columns)[1]
    assert state.last_ms[SLOTS] == NEVER
