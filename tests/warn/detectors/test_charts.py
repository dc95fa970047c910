"""EWMA and CUSUM: published run lengths, values worked by hand, and that where a call ends does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.detectors.charts import (
    ChartState,
    Cusum,
    Ewma,
    cusum_run_length,
    design_cusum,
    design_ewma,
    ewma_run_length,
    step_cusum,
    step_ewma,
)
from fengsui.warn.detectors.quantiles import chi2_below, chi2_quantile, f_below, f_quantile, normal_quantile


@pytest.mark.parametrize(
    ("freedom", "probability", "value"), [(1, 0.95, 3.8415), (10, 0.99, 23.2093), (100, 0.95, 124.3421)]
)
def test_chi2_quantiles_are_those_of_the_tables(freedom, probability, value):
    assert chi2_quantile(probability, freedom) == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(
    ("freedoms", "probability", "value"),
    [((1, 1), 0.95, 161.4476), ((3, 10), 0.95, 3.7083), ((2, 18), 0.95, 3.5546), ((10, 20), 0.99, 3.3682)],
)
def test_f_quantiles_are_those_of_the_tables(freedoms, probability, value):
    assert f_quantile(probability, *freedoms) == pytest.approx(value, abs=5e-4)


def test_the_normal_quantile_is_that_of_the_tables():
    assert normal_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)


@given(st.floats(0.3, 400), st.floats(1e-4, 0.9999))
def test_a_quantile_turns_its_distribution_around(freedom, probability):
    assert chi2_below(chi2_quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-8)
    assert f_below(f_quantile(probability, freedom, 7.5), freedom, 7.5) == pytest.approx(
        probability, abs=1e-8
    )


@pytest.mark.parametrize("wrong", [(0, 3), (1, 3), (0.5, 0), (0.5, -1)])
def test_no_quantile_outside_of_its_range(wrong):
    with pytest.raises(ValueError, match="no quantile"):
        chi2_quantile(*wrong)


# Montgomery, Introduction to Statistical Quality Control, tables 9.11 (EWMA) and 9.4 (CUSUM)
@pytest.mark.parametrize(
    ("chart", "shift", "length"),
    [
        (Ewma(0.2, 2.962), 0, 500),
        (Ewma(0.1, 2.814), 0, 500),
        (Ewma(0.2, 2.962), 1, 10.5),
        (Ewma(0.1, 2.814), 1, 10.3),
    ],
)
def test_ewma_run_lengths_are_the_published_ones(chart, shift, length):
    assert ewma_run_length(chart, shift) == pytest.approx(length, rel=0.02)


@pytest.mark.parametrize(("limit", "shift", "length"), [(5, 0, 465), (4, 0, 168), (5, 1, 10.4), (4, 1, 8.38)])
def test_cusum_run_lengths_are_the_published_ones(limit, shift, length):
    assert cusum_run_length(Cusum(0.5, limit), shift) == pytest.approx(length, rel=0.02)


def test_a_chart_is_designed_by_its_run_length():
    assert design_ewma(500, 0.2).width == pytest.approx(2.962, abs=0.01)
    assert design_cusum(465, 1.0).limit == pytest.approx(5, abs=0.03)
    assert design_cusum(465, 1.0).slack == 0.5


def test_a_designed_chart_alarms_as_seldom_as_it_was_asked_to():
    rows = np.random.default_rng(1).normal(size=(4000, 40))
    chart = design_ewma(200, 0.2)
    _, scores = step_ewma(ChartState.fresh(40), rows, chart)
    first = [int(np.flatnonzero(s >= 1)[0]) + 1 for s in scores.T]
    assert 130 < np.mean(first) < 300


@pytest.mark.parametrize(("run_length", "weight"), [(1, 0.2), (500, 0), (500, 1.5)])
def test_a_chart_that_cannot_be_is_refused(run_length, weight):
    with pytest.raises(ValueError, match="no EWMA"):
        design_ewma(run_length, weight)


def test_scores_are_those_worked_by_hand():
    x = np.array([[1.0], [2.0], [np.nan], [-1.0]])
    _, ewma = step_ewma(ChartState.fresh(1), x, Ewma(0.5, 1.0))  # z: 0.5, 1.25, –, 0.125; limit √(1/3)
    assert ewma[:, 0] == pytest.approx(np.array([0.5, 1.25, np.nan, 0.125]) / (1 / 3) ** 0.5, nan_ok=True)
    _, cusum = step_cusum(ChartState.fresh(1), x, Cusum(0.5, 4.0))  # up: 0.5, 2, –, 0.5; down: 0, 0, –, 0.5
    assert cusum[:, 0] == pytest.approx([0.125, 0.5, np.nan, 0.125], nan_ok=True)


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_where_a_call_ends_does_not_matter(cut, seed):
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(60, 3))
    rows[chance.random(rows.shape) < 0.1] = np.nan
    for step, chart in ((step_ewma, Ewma(0.2, 3.0)), (step_cusum, Cusum(0.5, 5.0))):
        begin = ChartState.fresh(3)
        end, whole = step(begin, rows, chart)
        middle, first = step(begin, rows[:cut], chart)
        last, second = step(middle, rows[cut:], chart)
        assert np.array_equal(np.concatenate([first, second]), whole, equal_nan=True)
        assert np.array_equal(last.up, end.up)
        assert not begin.up.any()
