"""Worked examples, and the edges of the interface."""

import io
import threading

import numpy as np
import pytest

from fengsui.warn.engine import CLEARED, NEVER, RAISED, RuleRow, State, compile_rules, step, sweep, warm_up

DAY = 86_400_000


def play(row: RuleRow, samples, *, slot_of=None):
    """Events of one rule over (seconds, value[, quality]) samples, as (seconds, what, value) rows; and the state."""
    rules = compile_rules([row], slot_of or {1: 0})
    state = State.fresh(rules)
    n = len(samples)
    events = step(
        state,
        np.zeros(n, np.int32),
        np.array([int(s[0] * 1000) for s in samples], np.int64),
        np.array([s[1] for s in samples], np.float64),
        np.array([s[2] if len(s) > 2 else 0 for s in samples], np.uint8),
        rules,
    )
    return rows_of(events), state, events


def rows_of(events):
    words = {RAISED: "raised", CLEARED: "cleared"}
    return [
        (t / 1000, words[w], v)
        for t, w, v in zip(events.time_ms.tolist(), events.what.tolist(), events.value.tolist(), strict=True)
    ]


def every(seconds, *values):
    return [(i * seconds, v) for i, v in enumerate(values)]


def test_the_tank_of_the_style_guide():
    rows, _, _ = play(RuleRow(1, 1, "h", 8.5, 0.3, 10_000), every(5, 8.0, 8.6, 8.6, 8.6, 8.1))
    assert rows == [(15, "raised", 8.6), (20, "cleared", 8.1)]


def test_a_low_alarm_mirrors_a_high_one():
    rows, _, _ = play(RuleRow(1, 1, "ll", 2.0, 0.5), every(1, 3.0, 2.0, 2.4, 2.5, 2.6))
    assert rows == [(1, "raised", 2.0), (4, "cleared", 2.6)]


def test_a_dip_restarts_the_on_delay_and_a_relapse_the_off_delay():
    rule = RuleRow(1, 1, "h", 10, 2, 2000, 2000)
    rows, _, _ = play(rule, every(1, 10, 9.9, 10, 10, 10, 7, 8, 7, 7, 7))
    assert rows == [(4, "raised", 10), (9, "cleared", 7)]


def test_delays_are_judged_at_readings_so_a_gap_counts():
    rows, _, _ = play(RuleRow(1, 1, "h", 10, 0, 60_000), [(0, 11), (300, 12)])
    assert rows == [(300, "raised", 12)]


def test_the_peak_of_an_episode_begins_where_the_value_went_beyond():
    _, _, events = play(RuleRow(1, 1, "h", 10, 0, 2000), every(1, 10, 14, 11, 12, 9))
    assert events.peak_value.tolist() == [14, 14]
    assert events.peak_ms.tolist() == [1000, 1000]


def test_the_peak_of_a_low_alarm_is_its_lowest_value():
    _, _, events = play(RuleRow(1, 1, "l", 10), every(1, 9, 3, 8, 11))
    assert events.peak_value.tolist() == [9, 3]
    assert events.peak_ms.tolist() == [0, 1000]


def test_rate_compares_with_a_reading_a_window_ago():
    """0.5 a second over 10 s: a step of 6 is too fast when it comes and is forgotten a window later.

    At a reading a second, one in two is kept (an eighth of the window is 1.25 s): the span is 10 or 11 s.
    """
    rule = RuleRow(1, 1, "rate", 0.5, 0.1, 0, 0, 10_000)
    samples = every(1, *([0.0] * 13 + [6.0] * 15))
    rows, _, events = play(rule, samples)
    assert [(t, w) for t, w, _ in rows] == [(13, "raised"), (24, "cleared")]
    assert rows[0][2] == pytest.approx(6 / 11)
    assert events.peak_value[1] == 6 / 10


def test_rate_says_nothing_before_a_window_has_passed():
    rows, _, _ = play(RuleRow(1, 1, "rate", 0.5, 0, 0, 0, 10_000), every(1, 0, 100, 200, 300))
    assert rows == []


def test_a_falling_value_has_a_rate_too():
    rows, _, events = play(RuleRow(1, 1, "rate", 2.0), every(1, 10, 7, 7))
    assert rows == [(1, "raised", -3.0), (2, "cleared", 0.0)]
    assert events.peak_value.tolist() == [-3, -3]


def test_rate_remembers_its_window_however_fast_readings_come():
    rule = RuleRow(1, 1, "rate", 1.0, 0, 0, 0, 8000)
    fast = [(i / 100, i / 100 * 2) for i in range(1200)]  # 2 a second, a hundred readings a second
    rows, _, _ = play(rule, fast)
    assert rows == [(8, "raised", 2.0)]


def test_frozen_is_raised_after_the_window_and_cleared_by_the_first_real_change():
    rows, _, events = play(RuleRow(1, 1, "frozen", 0.1, window_ms=3000), every(1, 5, 5.05, 5, 5.1, 5.1, 6))
    assert rows == [(3, "raised", 5.1), (5, "cleared", 6)]
    assert events.started_ms.tolist() == [3000, 3000]


def test_a_slow_drift_is_not_frozen():
    rows, _, _ = play(RuleRow(1, 1, "frozen", 0.25, window_ms=3000), every(1, *np.arange(0, 3, 0.1)))
    assert rows == []


def test_two_equal_values_around_a_long_gap_are_not_frozen():
    rows, _, _ = play(RuleRow(1, 1, "frozen", 0.0, window_ms=3000), [(0, 5), (60, 5), (62, 5), (63, 5)])
    assert rows == [(63, "raised", 5)]


def test_silence_is_dated_by_the_last_reading_and_ended_by_the_next():
    rows, state, events = play(RuleRow(1, 1, "silent", window_ms=5000), [(0, 1), (5, 1), (12, 2)])
    assert [(t, w) for t, w, _ in rows] == [(10, "raised"), (12, "cleared")]
    assert np.isnan(events.value[0])
    assert events.value[1] == 2
    found = sweep(state, 17_001, state.rules)
    assert found.started_ms.tolist() == [17_000]
    assert len(sweep(state, 99_000, state.rules)) == 0


def test_a_bad_reading_is_heard():
    rows, _, _ = play(RuleRow(1, 1, "silent", window_ms=5000), [(0, 1), (4, np.nan), (8, 1, 2), (12, 1)])
    assert rows == []


def test_a_device_that_never_spoke_is_silent_from_when_the_rule_was_armed():
    rules = compile_rules([RuleRow(1, 1, "silent", window_ms=5000, armed_ms=100_000)], {1: 0})
    state = State.fresh(rules)
    assert len(sweep(state, 105_000, rules)) == 0
    assert sweep(state, 200_000, rules).time_ms.tolist() == [105_000]


def test_a_reading_older_than_the_silence_does_not_end_it():
    rules = compile_rules([RuleRow(1, 1, "silent", window_ms=5000)], {1: 0})
    state = State.fresh(rules)

    def hear(at_ms):
        return step(state, np.zeros(1), np.array([at_ms]), np.ones(1), np.zeros(1), rules)

    hear(0)
    assert sweep(state, 9000, rules).time_ms.tolist() == [5000]
    assert len(hear(4000)) == 0, "it was on its way while the silence was told"
    assert rows_of(hear(6000)) == [(6, "cleared", 1.0)]


def test_an_uncertain_value_counts_and_a_bad_one_does_not():
    rows, _, _ = play(RuleRow(1, 1, "h", 10), [(0, 11, 2), (1, 11, 1), (2, 5, 2), (3, np.nan), (4, 5)])
    assert rows == [(1, "raised", 11), (4, "cleared", 5)]


def test_a_delay_longer_than_int32_milliseconds_of_time_apart():
    rule = RuleRow(1, 1, "h", 10, 0, 2_000_000_000)
    rows, _, _ = play(rule, [(0, 11), (20 * 86_400, 11), (60 * 86_400, 12)])
    assert rows == [(60 * 86_400, "raised", 12)]


def test_hh_and_h_stand_together():
    rules = compile_rules([RuleRow(1, 1, "h", 10), RuleRow(2, 1, "hh", 20)], {1: 0})
    state = State.fresh(rules)
    n = np.zeros(3, np.int32)
    events = step(state, n, np.array([1, 2, 3]), np.array([15.0, 25.0, 15.0]), n, rules)
    assert list(zip(events.rule_id.tolist(), events.what.tolist(), strict=True)) == [(1, 1), (2, 1), (2, 2)]


def test_a_new_setpoint_keeps_the_standing_episode_and_judges_the_next_reading():
    rules = compile_rules([RuleRow(7, 1, "h", 10)], {1: 0})
    state = State.fresh(rules)
    zero = np.zeros(1, np.int32)
    step(state, zero, np.array([1000]), np.array([12.0]), zero, rules)
    edited = compile_rules([RuleRow(7, 1, "h", 15)], {1: 0})
    state, events = state.carry_over(edited, 1500)
    assert len(events) == 0
    events = step(state, zero, np.array([2000]), np.array([12.0]), zero, edited)
    assert rows_of(events) == [(2, "cleared", 12.0)]
    assert events.started_ms.tolist() == [1000]


def test_a_stricter_setpoint_restarts_the_delay_and_a_laxer_one_keeps_it():
    zero = np.zeros(1, np.int32)
    for setpoint, expected in ((11, [(3, "raised", 12.0)]), (11.5, []), (10, [(3, "raised", 12.0)])):
        rules = compile_rules([RuleRow(7, 1, "h", 11, 0, 3000)], {1: 0})
        state = State.fresh(rules)
        step(state, zero, np.array([0]), np.array([12.0]), zero, rules)
        edited = compile_rules([RuleRow(7, 1, "h", setpoint, 0, 3000)], {1: 0})
        state, _ = state.carry_over(edited, 1000)
        events = step(state, zero, np.array([3000]), np.array([12.0]), zero, edited)
        assert rows_of(events) == expected


def test_a_rule_withdrawn_while_active_is_cleared_with_its_peak():
    _, state, _ = play(RuleRow(7, 1, "h", 10), every(1, 12, 14))
    without = compile_rules([], {1: 0})
    state, events = state.carry_over(without, 5000)
    assert (events.rule_id.tolist(), events.what.tolist()) == ([7], [CLEARED])
    assert (events.time_ms.tolist(), events.started_ms.tolist(), events.peak_value.tolist()) == (
        [5000],
        [0],
        [14],
    )
    again, events = state.carry_over(compile_rules([RuleRow(7, 1, "h", 10)], {1: 0}), 6000)
    assert not again.active[0]
    assert again.last_ms.tolist() == [1000], "what the slot has seen outlives its rules"


def test_a_silence_switched_off_and_on_again_is_another_episode():
    rules = compile_rules([RuleRow(7, 1, "silent", window_ms=1000)], {1: 0})
    state = State.fresh(rules)
    zero = np.zeros(1, np.int32)
    step(state, zero, np.array([0]), np.ones(1), zero, rules)
    assert sweep(state, 2000, rules).started_ms.tolist() == [1000]
    state, _ = state.carry_over(compile_rules([], {1: 0}), 3000)
    armed = compile_rules([RuleRow(7, 1, "silent", window_ms=1000, armed_ms=4000)], {1: 0})
    state, _ = state.carry_over(armed, 4000)
    assert sweep(state, 9000, armed).started_ms.tolist() == [5000]


def test_a_rule_that_makes_no_sense_is_named_and_the_others_work():
    rules = compile_rules(
        [RuleRow(1, 1, "h"), RuleRow(2, 1, "h", 5), RuleRow(3, 1, "wet", 5), RuleRow(4, 1, "silent")], {1: 0}
    )
    assert rules.rule_id.tolist() == [2]
    assert [bad.rule_id for bad in rules.refused] == [1, 3, 4]
    assert "setpoint" in rules.refused[0].why


def test_rules_of_other_partitions_are_passed_over():
    assert len(compile_rules([RuleRow(1, 5, "h", 1)], {1: 0})) == 0


@pytest.mark.parametrize("slots", [{1: 1}, {1: 0, 2: 0}, {1: -1}])
def test_slots_with_holes_are_refused(slots):
    with pytest.raises(ValueError, match="slots"):
        compile_rules([], slots)


def test_foreign_rules_are_refused():
    rules, other = compile_rules([], {1: 0}), compile_rules([], {1: 0})
    state, zero = State.fresh(rules), np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="carry the state over"):
        step(state, zero, np.array([1]), np.ones(1), zero, other)
    with pytest.raises(ValueError, match="carry the state over"):
        sweep(state, 1, other)


def test_rows_of_unknown_slots_are_ignored():
    rules = compile_rules([RuleRow(1, 1, "h", 1)], {1: 0})
    state = State.fresh(rules)
    slot = np.array([-1, 0, 7], np.int32)
    events = step(state, slot, np.full(3, 5), np.full(3, 9.0), np.zeros(3), rules)
    assert events.row.tolist() == [1]


def test_more_events_than_there_was_room_for():
    rows = [RuleRow(i, 1, "h", 1.0) for i in range(1, 601)]
    rules = compile_rules(rows, {1: 0})
    state = State.fresh(rules)
    n = 50
    zero = np.zeros(n, np.int32)
    events = step(state, zero, np.arange(n) * 1000, np.tile([2.0, 0.0], n // 2), zero, rules)
    assert len(events) == 600 * n
    assert sorted(set(events.row.tolist())) == list(range(n))


def test_the_last_reading_of_a_slot_is_known_to_the_pipeline():
    _, state, _ = play(RuleRow(1, 1, "h", 1), [(1, 5.0), (2, np.nan), (1.5, 7.0)])
    assert state.last_ms.tolist() == [2000]
    assert np.isnan(state.last_value[0])


def test_standing_episodes_are_listed_with_their_peak_so_far():
    _, state, _ = play(RuleRow(7, 1, "h", 10), every(1, 12, 14, 13))
    standing = state.standing()
    assert (standing.rule_id.tolist(), standing.started_ms.tolist()) == ([7], [0])
    assert (standing.peak_value.tolist(), standing.peak_ms.tolist()) == ([14], [1000])


def test_a_checkpoint_of_another_format_is_refused():
    file = io.BytesIO()
    np.savez(file, format=np.int64(99))
    file.seek(0)
    with pytest.raises(ValueError, match="format 99"):
        State.load(file)


def test_a_checkpoint_on_disk_reads_back_exactly(tmp_path):
    _, state, _ = play(RuleRow(7, 1, "rate", 1, 0, 0, 0, 1000), every(1, 12, 14, 13))
    state.save(tmp_path / "state.npz")
    again, _ = State.load(tmp_path / "state.npz").carry_over(state.rules, 0)
    assert again.same_as(state)
    assert not again.same_as(State.fresh(state.rules))


def test_a_rate_alarm_whose_window_changed_survives_a_checkpoint(tmp_path):
    """It stands, but keeps no reading to compare with yet."""
    _, state, _ = play(RuleRow(7, 1, "rate", 1, 0, 0, 0, 1000), every(1, 12, 14, 16))
    wider = compile_rules([RuleRow(7, 1, "rate", 1, 0, 0, 0, 3000)], {1: 0})
    state, _ = state.carry_over(wider, 3000)
    assert len(state.standing()) == 1
    state.save(tmp_path / "state.npz")
    again, events = State.load(tmp_path / "state.npz").carry_over(wider, 3000)
    assert again.same_as(state)
    assert len(events) == 0


def test_a_never_heard_partition_has_an_empty_checkpoint():
    rules = compile_rules([RuleRow(1, 1, "h", 1)], {1: 0})
    file = io.BytesIO()
    State.fresh(rules).save(file)
    file.seek(0)
    again, _ = State.load(file).carry_over(rules, 0)
    assert again.same_as(State.fresh(rules))
    assert again.last_ms.tolist() == [NEVER]


def test_two_partitions_may_run_in_two_threads():
    warm_up()
    rules = compile_rules([RuleRow(i, i, "h", 1.0) for i in range(1000)], {i: i for i in range(1000)})
    states = [State.fresh(rules) for _ in range(2)]
    slot = np.arange(1000)

    def work(state):
        for i in range(50):
            step(state, slot, np.full(1000, i), np.full(1000, float(i % 3)), np.zeros(1000), rules)

    threads = [threading.Thread(target=work, args=(s,)) for s in states]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert states[0].same_as(states[1])
