"""Each benchmark's metric against examples worked by hand or printed by its authors."""

import numpy as np
import pytest

from fengsui.warn.detectors.metrics import (
    Confusion,
    batadal,
    changepoints,
    confusion,
    nab,
    normalised,
    process_fault,
    sigmoid,
)


def rows(n, *which):
    flags = np.zeros(n, bool)
    for one in which:
        flags[one] = True
    return flags


def test_outliers_are_counted_row_by_row():
    found = confusion(rows(10, slice(4, 8)), rows(10, 0, slice(6, 10)))
    assert found == Confusion(tp=2, tn=3, fp=3, fn=2)
    assert found.f1 == pytest.approx(2 / (2 + 2.5))
    assert found.far == pytest.approx(50)
    assert found.mar == pytest.approx(50)
    assert Confusion(tn=5).f1 is None


def test_a_changepoint_scores_by_how_early_it_is_said():
    at = np.arange(200.0)
    perfect = changepoints(at, rows(200, 50, 120), rows(200, 50, 120), 30)
    assert perfect["standard"] == pytest.approx((2, -2, 2))
    late = changepoints(at, rows(200, 50), rows(200, 80), 30)  # at the right edge: as a false alarm
    assert late["standard"] == pytest.approx((-0.11, -1, 1))
    middle = changepoints(at, rows(200, 50), rows(200, 65), 30)
    assert middle["standard"][0] == pytest.approx((1 - 0.11) / 2, abs=2e-3)


def test_false_and_missed_changepoints_cost_by_profile():
    at = np.arange(200.0)
    scores = changepoints(at, rows(200, 100), rows(200, 10, 20, 150), 30)
    assert scores["standard"] == pytest.approx((-1.33, -1, 1))
    assert scores["reward_low_FP"] == pytest.approx((-1.66, -1, 1))
    assert scores["reward_low_FN"] == pytest.approx((-2.33, -2, 1))
    assert normalised([scores])["standard"] == pytest.approx(100 * -0.33 / 2)


def test_overlapping_windows_are_cut_on_the_right_one():
    at = np.arange(200.0)
    scores = changepoints(at, rows(200, 50, 60), rows(200, 50, 80), 30)  # windows 50–80 and 80–90
    assert scores["standard"][0] == pytest.approx(2)


@pytest.mark.parametrize(
    ("place", "value"), [(-1, 0.98661), (-0.5, 0.84828), (0, 0), (1, -0.98661), (3.1, -1)]
)
def test_nabs_sigmoid_has_the_values_its_authors_print(place, value):
    assert sigmoid(place) == pytest.approx(value, abs=1e-5)


def test_a_nab_file_worked_by_hand():
    windows = [(40, 59)]
    assert nab(rows(100, 40), windows)["standard"] == pytest.approx((1, -1, 1))
    # the earliest counts; before any window a false alarm costs its whole weight, one width behind it 0.98661 of it
    said = nab(rows(100, 20, 50, 55, 78), windows)
    found = (2 / (1 + np.exp(-5 * 10 / 20)) - 1) / 0.98661
    assert said["standard"][0] == pytest.approx(found - 0.11 - 0.11 * 0.98661, abs=1e-4)
    assert said["reward_low_FP"][0] == pytest.approx(found - 0.22 - 0.22 * 0.98661, abs=1e-4)
    assert nab(rows(100), windows)["reward_low_FN"] == pytest.approx((-2, -2, 1))


def test_the_probationary_part_of_a_nab_file_is_not_scored():
    assert nab(rows(100, 3, 14), [(40, 59)])["standard"][0] == -1
    assert nab(rows(100, 15), [(40, 59)])["standard"][0] == pytest.approx(-1.11)
    long = nab(rows(10_000, 749), [(5000, 5100)])  # at most 15 % of 5,000
    assert long["standard"][0] == -1
    assert nab(rows(10_000, 750), [(5000, 5100)])["standard"][0] == pytest.approx(-1.11)


def test_the_null_detector_is_0_and_the_perfect_one_100():
    files = [(rows(100, 40), [(40, 59)]), (rows(100, 60), [(60, 70)])]
    assert normalised([nab(s, w) for s, w in files])["standard"] == pytest.approx(100)
    assert normalised([nab(s & False, w) for s, w in files])["reward_low_FN"] == pytest.approx(0)


def test_time_to_detection_is_that_of_a_published_example():
    # mnguyen0226/a3tgcn_cps, manual_calculation_s_ttd.md: seven attacks, S_TTD 0.8389
    attacks = [(8, 69), (9, 64), (8, 30), (1, 30), (7, 99), (15, 79), (9, 29)]
    true, said = [np.zeros(5, bool)], [np.zeros(5, bool)]
    for delay, length in attacks:
        true += [np.ones(length, bool), np.zeros(5, bool)]
        said += [np.arange(length) >= delay, np.zeros(5, bool)]
    score = batadal(np.concatenate(true), np.concatenate(said))
    assert score.s_ttd == pytest.approx(0.8389, abs=5e-5)
    assert (score.attacks, score.found, score.tnr) == (7, 7, 1)
    assert score.s == pytest.approx((score.s_ttd + (score.tpr + 1) / 2) / 2)


def test_an_attack_that_is_missed_took_all_of_its_time():
    score = batadal(rows(20, slice(5, 10), slice(12, 16)), rows(20, 5, 6, 18))
    assert (score.s_ttd, score.found) == (0.5, 1)
    assert score.tpr == pytest.approx(2 / 9)
    assert score.tnr == pytest.approx(10 / 11)
    assert batadal(rows(5), rows(5)) is None


def test_a_fault_is_found_at_six_alarms_in_a_row():
    said = rows(100, 3, 45, slice(60, 100))
    found = process_fault(said, 40)
    assert (found.detected, found.false_alarms, found.delay) == (
        pytest.approx(41 / 60),
        pytest.approx(1 / 40),
        20,
    )
    assert process_fault(rows(100, 50), 40).delay is None
    assert process_fault(rows(10), 10).detected is None
