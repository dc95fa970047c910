"""Figures of alarm management, with the worked example of the standards' definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import (
    DAY_MS,
    WINDOW_MS,
    burden,
    chattering,
    flooded,
    without_counterpart,
)


def test_a_flood_begins_with_ten_and_ends_with_fewer_than_five():
    on = flooded(np.array([0, 1, 12, 9, 6, 4, 0]))
    assert on.tolist() == [False, False, True, True, True, False, False]
    assert on.mean() == pytest.approx(0.429, abs=0.001)  # 30 min of 70


def test_three_times_within_a_minute_chatters_and_four_rules_at_once_do_not():
    assert chattering(np.array([7, 7, 7, 8, 8, 8]), np.array([0, 60_000, 30_000, 0, 1, 60_001])).tolist() == [
        7
    ]
    assert not len(chattering(np.arange(4), np.zeros(4, np.int64)))


def test_alarms_of_a_span_are_counted_by_day_window_and_length():
    raised = np.array([-5, 0, 1, 2, WINDOW_MS, 3 * DAY_MS // 2])
    cleared = np.array([NEVER, 10, 11, NEVER, WINDOW_MS + 1, 3 * DAY_MS // 2 + 5])
    found = burden(np.array([1, 2, 3, 4, 2, 2]), raised, cleared, 0, 2 * DAY_MS)
    assert (found.alarms, found.days, found.per_day) == (5, (4, 1), 2.5)
    assert (found.peak_10_min, found.peak_at_ms, found.per_10_min) == (3, 0, 5 / 288)
    assert (found.stale, found.standing, found.longest_ms) == (2, 2, 2 * DAY_MS + 5)
    assert (found.over_10_share, found.flood_share, found.top_share, found.chattering) == (0, 0, 1, 0)
    nothing = np.zeros(0, np.int64)
    assert burden(nothing, nothing, nothing, 0, 5).peak_at_ms is None
    with pytest.raises(ValueError, match="empty"):
        burden(raised, raised, cleared, 5, 5)


alarm = st.tuples(st.integers(0, 2), st.integers(0, 40), st.one_of(st.just(NEVER), st.integers(0, 12)))


@given(st.lists(alarm, max_size=12), st.lists(alarm, max_size=12))
def test_a_counterpart_is_an_alarm_of_the_same_subject_that_overlaps(mine, others):
    def columns(rows):
        given_ = [(s, r, NEVER if c == NEVER else r + c) for s, r, c in rows]
        return tuple(np.array(c, np.int64) for c in (zip(*given_, strict=True) if given_ else ((), (), ())))

    def overlap(a, b):
        (s, r, c), (t, q, d) = a, b
        ends = [10**6 if length == NEVER else begin + length for begin, length in ((r, c), (q, d))]
        return s == t and r <= ends[1] and q <= ends[0]

    expected = [not any(overlap(a, b) for b in others) for a in mine]
    assert without_counterpart(columns(mine), columns(others)).tolist() == expected
