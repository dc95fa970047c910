"""T² and Q: limits worked by hand, shares that sum up, a watch that keeps to its budget and says who it was."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.detectors import components
from fengsui.warn.detectors.components import TooLittle, box, fit, jackson_mudholkar, t2_limit, widened
from fengsui.warn.detectors.monitor import WatchState, explain, steady, step, train, watch

MIX = np.random.default_rng(7).normal(size=(3, 8))


def plant(rows, seed, noise=0.3):
    """Eight instruments of a plant that three things move."""
    chance = np.random.default_rng(seed)
    return 50 + chance.normal(size=(rows, 3)) @ MIX + noise * chance.normal(size=(rows, 8))


@pytest.fixture(scope="module")
def trained():
    return train(plant(1500, 1))


def test_the_limit_of_q_is_the_one_worked_by_hand():
    # ten eigenvalues of 1: θ = 10, 10, 10; h = 1/3; 10·(2.32635·√(20/9)/10 + 1 − 10·(2/9)/100)³
    assert jackson_mudholkar(np.ones(10), 0.01) == pytest.approx(23.238, abs=0.01)
    assert jackson_mudholkar(np.ones(10), 0.01) == pytest.approx(box(10, 20, 0.01), rel=0.005)  # χ²(10)
    assert box(10, 20, 0.01) == pytest.approx(23.2093, abs=1e-3)


def test_one_eigenvalue_that_towers_above_the_rest_has_a_limit_too():
    rest = np.array([100.0, *np.ones(300)])
    assert jackson_mudholkar(rest, 0.01) > rest.sum()


def test_the_limit_of_t2_is_the_one_worked_by_hand():
    model = replace(fit(plant(2000, 1), lags=0), eigen=np.ones(2), rows=20)
    assert t2_limit(model, 0.05) == pytest.approx(2 * 399 / (20 * 18) * 3.5546, rel=1e-4)  # F(2, 18)


def test_as_many_components_as_things_that_move():
    assert len(fit(plant(2000, 2), lags=0).eigen) == 3


def test_past_rows_stand_beside_a_row_newest_first():
    rows = np.arange(8.0).reshape(4, 2)
    assert widened(rows, 1).tolist() == [[2, 3, 0, 1], [4, 5, 2, 3], [6, 7, 4, 5]]
    assert widened(rows[:1], 1).shape == (0, 4)


def test_t2_and_q_are_those_of_the_definition(trained):
    x, model = plant(50, 3), trained.model
    watched = watch(x, trained)
    wide = widened(model.standardised(x), model.lags)
    score = wide @ model.loading
    assert np.allclose(watched.statistic[model.lags :, 0], (score**2 / model.eigen).sum(axis=1))
    assert np.allclose(
        watched.statistic[model.lags :, 1], ((wide - score @ model.loading.T) ** 2).sum(axis=1)
    )


def test_shares_sum_up_to_what_they_are_shares_of(trained):
    model = trained.model
    wide = widened(model.standardised(plant(10, 4)), model.lags)[0]
    score = wide @ model.loading
    assert components.t2_shares(model, wide).sum() == pytest.approx((score**2 / model.eigen).sum())
    assert components.q_shares(model, wide).sum() == pytest.approx(
        ((wide - model.loading @ score) ** 2).sum()
    )


def test_normal_operation_alarms_within_the_budget(trained):
    often = np.mean([watch(plant(2000, seed), trained).abnormal.mean() for seed in range(10, 14)])
    assert 0 < often < 2 * trained.alpha


@pytest.mark.parametrize("what", ["leap", "small shift", "more noise"])
def test_each_kind_of_fault_is_found_and_its_instrument_named(trained, what):
    x = plant(400, 5)
    noise = 0.3  # of each instrument, beside what moves them together
    x[200:, 4] += {
        "leap": 8 * noise,
        "small shift": 2 * noise,
        "more noise": np.random.default_rng(6).normal(0, 5 * noise, 200),
    }[what]
    watched = watch(x, trained)
    assert watched.abnormal[:200].mean() < 0.05
    assert watched.abnormal[240:].mean() > 0.8
    row = 240 + int(np.flatnonzero(watched.abnormal[240:])[0])
    state, _ = step(WatchState.fresh(trained), x[:row], trained)
    shares = explain(state, x[row], trained)
    assert shares[0].column == 4
    assert sum(s.part for s in shares) == pytest.approx(1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 80), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_where_a_call_ends_does_not_matter_to_the_last_bit(trained, cuts, seed):
    x = plant(80, 8)
    x[np.random.default_rng(seed).random(x.shape) < 0.1] = np.nan
    whole = watch(x, trained)
    state, parts = WatchState.fresh(trained), []
    edges = [0, *sorted(cuts), 80]
    for low, high in itertools.pairwise(edges):
        before = state.mean.copy()
        after, watched = step(state, x[low:high], trained)
        assert np.array_equal(state.mean, before)
        state = after
        parts.append(watched)
    assert np.array_equal(np.concatenate([p.statistic for p in parts]), whole.statistic, equal_nan=True)
    assert np.array_equal(np.concatenate([p.ratio for p in parts]), whole.ratio, equal_nan=True)


def test_missing_values_are_no_alarm_and_hide_none(trained):
    x = plant(300, 9)
    x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    assert watch(x, trained).abnormal.mean() < 0.05
    x[150:, 2] = 50 + 6 * trained.model.scale[2]
    assert watch(x, trained).abnormal[160:].mean() > 0.9


def test_a_row_of_which_less_than_half_is_known_is_not_judged(trained):
    x = plant(30, 9)
    x[10, :5] = np.nan
    watched = watch(x, trained)
    assert np.isnan(watched.ratio[10])
    assert not watched.abnormal[10]
    assert np.isfinite(watched.ratio[11])


def test_silence_while_learning_is_not_taken_for_normal():
    x = plant(1500, 1)
    gaps = np.full((2500, 8), np.nan)
    gaps[300:1000], gaps[1400:2200] = x[:700], x[700:]
    whole, torn = train(x), train(gaps)
    assert torn.model.rows == 1500 - 2 * torn.model.lags
    assert np.allclose(torn.model.eigen, whole.model.eigen, rtol=0.05)
    assert np.allclose(torn.limit, whole.limit, rtol=0.25)
    assert np.allclose(torn.usual_share, whole.usual_share, rtol=0.05)


def test_what_never_moved_is_left_out():
    x = plant(600, 1)
    x[:, 3] = 7.0
    trained = train(x)
    assert trained.model.used.tolist() == [True] * 3 + [False] + [True] * 4


def test_the_centre_follows_what_wanders_but_not_a_fault():
    slow = np.linspace(0, 40, 3000)[:, None]
    x = plant(3000, 3) + slow
    trained = train(x[:1000])
    assert trained.follow > 0
    assert watch(x, trained).abnormal[1000:].mean() < 0.2
    x[2000:, 1] += 10 * trained.model.scale[1]
    assert watch(x, trained).abnormal[2000:].mean() > 0.9
    assert train(plant(1500, 1)).follow == 0


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((100, 3)), "0 of 3 datastreams moved"),
        (plant(10, 1), "10 rows for 8 datastreams"),
        (np.empty((0, 3)), "no row"),
    ],
)
def test_too_little_to_learn_from_is_said(x, words):
    with pytest.raises(TooLittle, match=words):
        train(x)


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"alpha": 0.5}, {"weight": 0}])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="must be between"):
        train(plant(100, 1), **wrong)


def test_a_state_is_believed_when_it_was_said_often_enough():
    said = np.array([0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0], bool)
    assert steady(said, 2).astype(int).tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
