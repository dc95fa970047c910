"""Refused readings into the table, whatever they hold."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fengsui.base.batch import Refused
from fengsui.govern.quarantine.holding import FIRST_MS, LAST_MS, MAX_TEXT, HeldRows, hold
from fengsui.govern.quarantine.models import Held

T0 = 1_700_000_000_123


def rows(n=1, time_ms=T0, value=1.5, datastream=7, sent=None) -> HeldRows:
    return HeldRows(
        np.full(n, 5, np.uint8),
        np.full(n, 3, np.int32),
        np.zeros(n, np.int32),
        np.full(n, T0, np.int64),
        np.full(n, time_ms, np.int64),
        np.full(n, datastream, np.int32),
        np.full(n, value, np.float64),
        sent or {},
    )


def held(part: HeldRows) -> Held:
    assert hold([part], ["dev-1"], {3: "/1/2/"}.get) == len(part)
    return Held.objects.latest("id")


@pytest.mark.django_db
def test_a_refused_reading_is_kept_as_it_came():
    row = held(rows(sent={0: Refused("TI,1", "yesterday", '"9', "furlong")}))
    assert (row.reason, row.site_id, row.org_path, row.source, row.status) == (5, 3, "/1/2/", "dev-1", "held")
    assert (row.datastream_id, row.value, row.resolution) == (7, 1.5, {})
    assert row.received_at == row.observed_at
    assert round(row.observed_at.timestamp() * 1000) == T0
    assert (row.sent_code, row.sent_time, row.sent_value, row.sent_unit) == (
        "TI,1",
        "yesterday",
        '"9',
        "furlong",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("time_ms", [FIRST_MS - 1, LAST_MS + 1, 2**63 - 1, -(2**63)])
def test_a_time_that_no_calendar_holds_is_kept_as_text(time_ms):
    row = held(rows(time_ms=time_ms))
    assert row.observed_at is None
    assert row.sent_time == str(time_ms)


@pytest.mark.django_db
def test_a_time_that_could_not_be_read_is_not_shown_as_1970():
    assert held(rows(time_ms=0, sent={0: Refused(time="31.2.")})).observed_at is None


@pytest.mark.django_db
def test_what_is_no_number_is_null_and_kept_as_text():
    assert held(rows(value=math.nan)).value is None
    infinite = held(rows(value=math.inf, datastream=-1))
    assert (infinite.value, infinite.sent_value, infinite.datastream_id) == (None, "inf", None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_comes_back(db, code, value):
    row = held(rows(sent={0: Refused(code=code, value=value)}))
    assert row.sent_code == code.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert row.sent_value == value.replace("\0", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.django_db
def test_long_texts_are_cut_visibly_and_many_rows_are_one_copy():
    part = rows(5000, sent={4999: Refused(code="x" * 10_000)})
    last = held(part)
    assert last.sent_code == "x" * MAX_TEXT + "…"
    assert Held.objects.count() == 5000
    assert hold([], [], {}.get) == 0
