"""The sensor truth score: what was done to good data is found and named, good data is not accused."""

import numpy as np
import pytest

from fengsui.warn.detectors.truth import WINDOW, Recent, judge, learn, step


def good(rows, seed):
    """Four instruments with noise of their own, one of them read in whole steps, and a valve that seldom moves."""
    chance = np.random.default_rng(seed)
    slow = np.cumsum(chance.normal(0, 0.1, (rows, 4)), axis=0)
    x = 20 + slow + chance.normal(0, 1, (rows, 4))
    x[:, 3] = np.round(x[:, 3])
    return np.column_stack([x, (np.arange(rows) // 400) % 2])


USUAL = learn(good(3000, 1))


def after(change, column=1, rows=600):
    x = good(rows, 2)
    x[-WINDOW:, column] = change(x)
    return judge(Recent(x, WINDOW, rows), column, USUAL)


def named(truth):
    return [r.what for r in truth.reasons]


def test_good_data_is_not_accused():
    for seed in range(3, 8):
        recent = Recent(good(600, seed), WINDOW, 600)
        for column in range(5):
            truth = judge(recent, column, USUAL)
            assert (truth.score, truth.reasons) == (100, ()), (seed, column)


@pytest.mark.parametrize("column", [1, 3])
def test_frozen(column):
    truth = after(lambda x: np.full(WINDOW, x[-WINDOW, column]), column)
    assert named(truth) == ["frozen"]
    assert truth.reasons[0].rows == WINDOW
    assert truth.score < 15


def test_a_valve_may_stand_as_long_as_it_used_to():
    assert after(lambda x: np.ones(WINDOW), 4).score == 100


def test_too_clean():
    truth = after(lambda x: 20 + np.linspace(0, 3, WINDOW) + np.random.default_rng(1).normal(0, 0.1, WINDOW))
    assert named(truth) == ["too_clean"]
    assert truth.score < 10


def test_half_the_noise_of_a_better_instrument_is_not_judged_by_a_few_readings():
    assert after(lambda x: 20 + np.random.default_rng(1).normal(0, 0.85, WINDOW)).score == 100


def test_a_copy_of_a_neighbour_names_it():
    truth = after(lambda x: x[-WINDOW:, 2])
    assert named(truth) == ["copied"]
    assert (truth.reasons[0].of, truth.reasons[0].rows) == (2, WINDOW)
    assert truth.score == 0


def test_a_copy_through_a_straight_line_is_one_too():
    truth = after(lambda x: 5 - 0.8 * x[-WINDOW:, 2])
    assert named(truth) == ["copied"]


def test_a_recording_that_is_played_again():
    truth = after(lambda x: x[-WINDOW - 200 : -200, 1])
    assert named(truth) == ["repeated"]
    assert truth.reasons[0].back == 200
    assert truth.score < 10


def test_more_missing_than_usual():
    truth = after(lambda x: np.where(np.arange(WINDOW) % 2, np.nan, x[-WINDOW:, 1]))
    assert named(truth) == ["missing"]
    assert truth.score == 50


def test_twins_were_twins_before():
    x = good(3000, 1)
    x[:, 2] = x[:, 1]
    again = good(600, 2)
    again[:, 2] = again[:, 1]
    assert judge(Recent(again, WINDOW, 600), 1, learn(x)).score == 100


def test_how_rows_are_cut_does_not_matter():
    x = good(900, 3)
    x[-50:, 0] = x[-51, 0]
    begin = Recent.fresh(5)
    _, whole = step(begin, x, USUAL)
    for cut in (1, 450, 899):
        middle, _ = step(begin, x[:cut], USUAL)
        assert step(middle, x[cut:], USUAL)[1] == whole
    assert len(begin.rows) == 0
    assert [t.score < 100 for t in whole] == [True, False, False, False, False]


def test_what_is_remembered_is_bounded():
    state = Recent.fresh(5)
    for seed in range(3):
        state, _ = step(state, good(1000, seed), USUAL, columns=[0])
    assert len(state.rows) == 11 * WINDOW
