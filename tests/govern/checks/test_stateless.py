"""Range, clock, known and stopped: checks that need nothing but the row and its datastream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.batch import Batch
from fengsui.base.errors import BadBatch
from fengsui.base.quality import FLAGGED, REFUSED, Quality, Reason
from fengsui.govern import checks

NOW = 1_700_000_000_000
POLICY = checks.CheckPolicy(future_tolerance_ms=1000, late_after_ms=60_000, refuse_older_than_ms=3_600_000)
INT64 = st.integers(-(2**63), 2**63 - 1)


def clock(*times: int) -> list[int]:
    return list(checks.check_clock(np.array(times, np.int64), NOW, POLICY))


def test_the_clock_has_four_answers_and_its_limits_belong_to_the_milder_one():
    assert clock(NOW, NOW + 1000, NOW - 60_000) == [0, 0, 0]
    assert clock(NOW + 1001) == [Reason.FUTURE]
    assert clock(NOW - 60_001, NOW - 3_600_000) == [Reason.LATE, Reason.LATE]
    assert clock(NOW - 3_600_001) == [Reason.TOO_LATE]


def test_a_clock_ten_years_off_is_refused_either_way():
    ten_years = 10 * 365 * 86_400_000
    assert clock(NOW + ten_years, NOW - ten_years) == [Reason.FUTURE, Reason.TOO_LATE]


@given(INT64)
def test_no_time_however_mad_overflows_the_clock_check(time_ms):
    (answer,) = clock(time_ms)
    expected = (
        Reason.FUTURE
        if time_ms > NOW + 1000
        else Reason.TOO_LATE
        if time_ms < NOW - 3_600_000
        else Reason.LATE
        if time_ms < NOW - 60_000
        else 0
    )
    assert answer == expected


def test_range_refuses_outside_and_infinity_but_not_what_the_device_calls_bad():
    value = np.array([0.0, 10.0, 10.1, -0.1, np.inf, np.nan, 99.0])
    quality = np.array([0, 0, 0, 1, 0, 0, Quality.BAD], np.uint8)
    low, high = np.zeros(7), np.full(7, 10.0)
    expected = [0, 0, Reason.RANGE, Reason.RANGE, Reason.RANGE, 0, 0]
    assert list(checks.check_range(value, quality, low, high)) == expected
    open_end = checks.check_range(
        np.array([np.inf, 1e300]), quality[:2], np.full(2, -np.inf), np.full(2, np.inf)
    )
    assert list(open_end) == [Reason.RANGE, 0]
    assert list(checks.check_missing(value)) == [0, 0, 0, 0, 0, Reason.NO_VALUE, 0]


def test_a_datastream_must_exist_and_belong_to_the_site_that_speaks():
    site_of_slot = np.array([7, 8], np.int32)
    answer = checks.check_known(np.array([0, 1, -1]), np.array([7, 7, 7], np.int32), site_of_slot)
    assert list(answer) == [0, Reason.WRONG_SITE, Reason.UNKNOWN_DATASTREAM]
    nothing_known = checks.check_known(np.array([-1]), np.array([7], np.int32), np.zeros(0, np.int32))
    assert list(nothing_known) == [Reason.UNKNOWN_DATASTREAM]


def test_a_stopped_datastream_is_refused_from_that_moment_on():
    answer = checks.check_stopped(np.array([99, 100, 101]), np.array([100, 100, np.iinfo(np.int64).max]))
    assert list(answer) == [0, Reason.STOPPED, 0]


REASONS = st.sampled_from([0, *map(int, Reason)])


@given(st.lists(st.tuples(REASONS, REASONS, REASONS), min_size=1))
def test_the_first_refusal_wins_then_the_first_flag(rows):
    columns = [np.array(c, np.uint8) for c in zip(*rows, strict=True)]
    for row, answer in zip(rows, checks.first_reason(*columns), strict=True):
        refusals = [r for r in row if r in REFUSED]
        flags = [r for r in row if r in FLAGGED]
        assert answer == (refusals or flags or [0])[0]


def batch(site=1, source="dev-1", received_ms=NOW) -> Batch:
    none = np.zeros(0)
    return Batch(site, source, received_ms, none, none, none, none, none)


def test_an_envelope_that_cannot_be_booked_is_poison():
    checks.check_batch(batch())
    for bad in (
        batch(site=-1),
        batch(site=2**40),
        batch(received_ms=0),
        batch(received_ms=2**70),
        batch(source="x" * 81),
        batch(source="a\0b"),
    ):
        with pytest.raises(BadBatch):
            checks.check_batch(bad)
