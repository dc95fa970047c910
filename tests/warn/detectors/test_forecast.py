"""A datastream with a daily course: what it learns, what it alarms about, and what a pause does not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.detectors.forecast import RISK, Course, CourseState, Tail, pareto_limit, step

DAY = 48


def days(n, seed, noise=1.0):
    slot = np.arange(n * DAY)
    return slot, 100 + 40 * np.sin(2 * np.pi * slot / DAY) + np.random.default_rng(seed).normal(
        0, noise, len(slot)
    )


def judged(slot, value, learn=7 * DAY):
    course = Course(DAY, learn)
    return step(CourseState.fresh(course), slot, value, course)[1]


def test_the_limit_of_an_exponential_tail_is_the_one_worked_by_hand():
    # mean² = variance: shape 0, scale the mean; 20 of 1,000 are above 3: 3 + 1·ln(20 / 1,000 / 0.0001)
    peaks = np.array([0.0, 2.0])
    assert pareto_limit(np.tile(peaks, 10), 3.0, 1000, 1e-4) == pytest.approx(3 + np.log(200))
    assert pareto_limit(np.array([]), 3.0, 1000, 1e-4) == 3.0
    assert pareto_limit(np.array([0.5]), 3.0, 1000, 1e-4) == 3.5


def test_the_limit_is_passed_as_seldom_as_it_was_asked_to():
    chance = np.random.default_rng(3)
    tail = Tail()
    tail.learn(chance.exponential(size=20_000), 1e-3)
    assert 5e-4 < (chance.exponential(size=200_000) > tail.limit).mean() < 2e-3


def test_a_tail_keeps_so_much_and_no_more_and_its_limit_stays():
    chance = np.random.default_rng(3)
    tail = Tail()
    tail.learn(chance.exponential(size=20_000), 1e-3)
    before = tail.limit
    for value in chance.exponential(size=100_000):
        tail.add(float(value), 1e-3)
    assert len(tail.peaks) == 1000
    assert tail.limit == pytest.approx(before, rel=0.15)


@pytest.mark.parametrize("noise", ["normal", "laplace", "lognormal", "autocorrelated"])
def test_usual_days_alarm_no_more_often_than_the_risk_says(noise):
    often, judged_rows = 0, 0
    for seed in range(4):
        chance = np.random.default_rng(seed)
        slot, value = days(60, seed, noise=0)
        size = len(slot)
        if noise == "autocorrelated":
            extra = chance.normal(size=size)
            for i in range(1, size):
                extra[i] += 0.9 * extra[i - 1]
        else:
            extra = getattr(chance, noise)(0, 0.5, size)
        often += judged(slot, value + extra).onset.sum()
        judged_rows += size - 7 * DAY
    assert often / judged_rows < 1.5 * RISK


def test_a_leap_is_found_at_once():
    slot, value = days(30, 2)
    value[1000] += 30
    found = judged(slot, value)
    assert found.abnormal[1000]
    assert found.onset[1000]


def test_a_day_without_its_course_is_found_though_each_step_is_small():
    slot, value = days(30, 3, noise=0.5)
    value[20 * DAY : 21 * DAY] = 100 + np.random.default_rng(1).normal(0, 0.5, DAY)
    assert judged(slot, value).abnormal[20 * DAY : 21 * DAY].any()


def test_an_episode_begins_once():
    slot, value = days(30, 4)
    value[1000:1010] += 60
    found = judged(slot, value)
    assert found.abnormal[1000:1012].sum() > 1
    assert found.onset[990:1030].sum() == 1


def test_nothing_is_judged_while_learning_and_nothing_missing_ever():
    slot, value = days(20, 5)
    value[50], value[600] = 1e6, np.nan
    found = judged(slot, value)
    assert not found.abnormal[: 7 * DAY].any()
    assert np.isnan(found.ratio[600])
    assert not found.abnormal[600]


def test_a_constant_alarms_when_it_moves():
    value = np.full(20 * DAY, 45.0)
    value[700] = 45.1
    found = judged(np.arange(len(value)), value)
    assert found.onset[700]
    assert not found.abnormal[:700].any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12 * DAY), st.integers(0, 2**32 - 1))
def test_where_a_call_ends_does_not_matter(cut, seed):
    chance = np.random.default_rng(seed)
    slot, value = days(12, 6)
    value[chance.random(len(value)) < 0.05] = np.nan
    value[chance.integers(0, len(value), 3)] += 80
    course = Course(DAY, 5 * DAY)
    begin = CourseState.fresh(course)
    _, whole = step(begin, slot, value, course)
    middle, first = step(begin, slot[:cut], value[:cut], course)
    _, second = step(middle, slot[cut:], value[cut:], course)
    _, again = step(middle, slot[cut:], value[cut:], course)
    assert np.array_equal(np.concatenate([first.ratio, second.ratio]), whole.ratio, equal_nan=True)
    assert np.array_equal(np.concatenate([first.onset, second.onset]), whole.onset)
    assert np.array_equal(again.ratio, second.ratio, equal_nan=True)
