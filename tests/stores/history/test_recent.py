"""What is not committed yet is in every answer, once: whatever was committed between the two questions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.quality import Reason
from fengsui.stores.history import aggregate, curve, export, query, recent, tiers
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.models import Segment
from fengsui.stores.history.recent import Recent, answer, merged, question
from fengsui.stores.history.rows import Rows, to_table
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows
from tests.stores.history.test_segments import store

ROOM = 1 << 20
HOUR = tiers.HOUR_MS
KEYS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 20)), max_size=40)


def rows_of(keys, start=0.0) -> Rows:
    return make_rows([k[0] for k in keys], [T0 + k[1] for k in keys], start + np.arange(len(keys)))


def told(*epochs, ids=(1, 2, 3, 4), from_ms=T0, to_ms=T0 + DAY, room=ROOM) -> Recent:
    return Recent.of(answer(question(list(ids), from_ms, to_ms), epochs, T0 + 99, room))


def keyed(table):
    time_ms = table["time"].cast("int64").to_pylist()
    return list(zip(table["datastream"].to_pylist(), time_ms, table["value"].to_pylist(), strict=True))


def test_an_answer_brings_every_column_of_what_was_asked():
    new = make_rows([1, 2, 9], [T0, T0 + 1, T0 + 2], [1.5, math.nan, 3.0])
    new.quality[:] = [0, 2, 0]
    late = make_rows([1, 1], [T0 - 5, T0 - 5000], [7.0, 8.0])
    found = told(([new], [late], NAMES), ([make_rows([2], [T0 + 9], [4.0])], [], ["dev-c"]), from_ms=T0 - 10)
    assert found.is_fresh
    assert found.as_of_ms == T0 + 99
    rows = found.table.to_pylist()
    assert [(r["datastream"], r["quality"], r["reason"], r["source"]) for r in rows] == [
        (1, 0, 0, "dev-a"),
        (2, 2, 0, "dev-b"),
        (1, 0, Reason.LATE, "dev-a"),
        (2, 0, 0, "dev-c"),
    ]
    assert math.isnan(rows[1]["value"])
    assert found.table["received"].cast("int64").to_pylist() == [T0 + 50, T0 + 51, T0 + 45, T0 + 59]


def test_an_answer_that_does_not_fit_a_message_says_that_it_is_none():
    found = told(([make_rows([1] * 100, T0 + np.arange(100))], [], NAMES), room=1000)
    assert not found.is_fresh
    assert len(found.table) == 0


@pytest.mark.parametrize("said", [b"", b"\x80", b"no msgpack", b"\x81\xa3ids\xa3abc"])
def test_what_is_no_question_and_no_answer_is_refused(said):
    with pytest.raises(ValueError, match="question"):
        answer(said, [], 0, ROOM)
    with pytest.raises(ValueError, match="answer"):
        Recent.of(said)


@settings(max_examples=200, deadline=None)
@given(KEYS, KEYS)
def test_a_reading_in_both_answers_is_taken_once_and_the_stored_one_counts(stored, hot):
    stored = sorted(set(stored))
    at_rest = to_table(rows_of(stored, 1000.0), NAMES)
    found = keyed(merged(at_rest, told(([rows_of(hot)], [], NAMES)).table))
    expected = {}
    for d, t, v in [*keyed(at_rest), *keyed(to_table(rows_of(hot), NAMES))]:
        expected.setdefault((d, t), v)
    assert found == [(d, t, v) for (d, t), v in sorted(expected.items())]


@pytest.fixture
def day(catalogue, db):
    """Datastreams 1 to 3, a reading every 5 s of a day: merged, but the last hour, which is split in two.

    Returns the catalogue, what is at rest, and all readings; what is hot overlaps what is at rest by half an hour.
    """
    rng = np.random.default_rng(4)
    time = T0 + 5000 * np.arange(DAY // 5000)
    n = len(time) * 3
    rows = make_rows(np.repeat([1, 2, 3], len(time)), np.tile(time, 3), np.round(rng.normal(50, 9, n), 2))
    early = rows.time_ms < T0 + 23 * HOUR
    for part in (0, 1):
        store(catalogue, rows.take(early & (rows.time_ms // 5000 % 2 == part)))
    group = list(Segment.objects.all())
    catalogue.swap(group, merge(catalogue.folder, group))
    store(catalogue, rows.take((rows.time_ms >= T0 + 23 * HOUR) & (rows.time_ms < T0 + 23.5 * HOUR)))
    hot = rows.take(rows.time_ms >= T0 + 22.5 * HOUR)
    return catalogue, to_table(hot, NAMES), rows


@pytest.mark.parametrize(
    ("from_ms", "points"),
    [
        (T0, 400),
        (T0 + 12_345, 80),
        (T0 + 22 * HOUR + 7, 4000),
        (T0 + 23 * HOUR, 40),
        (T0 + 23.9 * HOUR, 2000),
    ],
)
def test_a_curve_with_what_is_hot_is_the_curve_after_the_commit(day, from_ms, points):
    catalogue, hot, rows = day
    from_ms, to_ms = int(from_ms), T0 + DAY - 1
    before = curve([1, 3], from_ms, to_ms, points, catalogue=catalogue, recent=hot)
    store(catalogue, rows.take(rows.time_ms >= T0 + 23.5 * HOUR))
    after = curve([1, 3], from_ms, to_ms, points, catalogue=catalogue)
    again = curve([1, 3], from_ms, to_ms, points, catalogue=catalogue, recent=hot)  # committed in between
    assert before.tier == after.tier
    assert before.rows == after.rows == again.rows
    assert keyed(before.table) == keyed(after.table) == keyed(again.table)


def test_aggregates_and_downloads_hold_what_is_hot_once(day):
    catalogue, hot, rows = day
    low, high = T0 + 20 * HOUR, T0 + DAY
    hourly = aggregate([1, 2], low, high, "hour", catalogue=catalogue, recent=hot)
    csv = b"".join(export([1, 2], low, high, "csv", catalogue=catalogue, recent=hot))
    store(catalogue, rows.take(rows.time_ms >= T0 + 23.5 * HOUR))
    assert set(hourly["count"].to_pylist()) == {720}
    assert hourly.drop_columns("sum").equals(
        aggregate([1, 2], low, high, "hour", catalogue=catalogue).drop_columns("sum")
    )
    assert csv == b"".join(export([1, 2], low, high, "csv", catalogue=catalogue))
    assert len(csv.splitlines()) == 1 + 2 * 4 * 720


def test_rows_of_another_time_or_datastream_are_left_out(day):
    catalogue, hot, _rows = day
    found = query([2], T0 + 23 * HOUR, T0 + 23 * HOUR + 60_000, catalogue=catalogue, recent=hot)
    assert set(found["datastream"].to_pylist()) == {2}
    assert len(found) == 12
    assert recent.within(hot, np.array([9], np.int32), T0, T0 + DAY).num_rows == 0
