"""Aggregates say what the readings say, and a curve from them shows what the readings would show."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.stores.history import aggregate, curve, query, tiers
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.curves import SCHEMA
from fengsui.stores.history.models import Segment, Tier
from fengsui.stores.history.rows import to_table
from fengsui.stores.history.thinning import thin
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows
from tests.stores.history.test_segments import store

MINUTE, HOUR = tiers.MINUTE_MS, tiers.HOUR_MS
VALUES = st.one_of(st.floats(-1e6, 1e6), st.just(math.nan))
READINGS = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 3 * MINUTE)), VALUES, max_size=60)


def rows_of(readings, quality=0):
    keys = sorted(readings)
    rows = make_rows([k[0] for k in keys], [T0 + k[1] for k in keys], [readings[k] for k in keys])
    rows.quality[:] = quality
    return rows


@settings(max_examples=100, deadline=None)
@given(READINGS, READINGS)
def test_partial_aggregates_add_up_to_those_of_all_readings(one, other):
    other = {k: v for k, v in other.items() if k not in one}
    parts = [tiers.summarise(to_table(rows_of(part), NAMES), MINUTE) for part in (one, other)]
    found = tiers.combine(parts, MINUTE)
    expected = tiers.combine([tiers.summarise(to_table(rows_of({**one, **other}), NAMES), MINUTE)], MINUTE)
    assert (
        found.drop_columns("sum").to_pydict().__repr__()
        == expected.drop_columns("sum").to_pydict().__repr__()
    )
    assert np.allclose(found["sum"].to_numpy(), expected["sum"].to_numpy(), rtol=1e-9, atol=1e-6)


def test_nan_and_bad_quality_are_counted_and_not_averaged():
    rows = make_rows([1] * 4, T0 + 1000 * np.arange(4), [5.0, math.nan, 100.0, 7.0])
    rows.quality[:] = [0, 0, 2, 1]
    (row,) = tiers.summarise(to_table(rows, NAMES), MINUTE).to_pylist()
    assert (row["count"], row["known"], row["sum"], row["quality"]) == (4, 2, 12.0, 2)
    assert (row["first"], row["last"], row["min"], row["max"]) == (5.0, 7.0, 5.0, 100.0)
    assert (row["max_at"], row["last_at"]) == (2000, 3000)


@pytest.fixture
def two_days(catalogue, db):
    """Datastreams 1 to 3, a noisy reading every 5 s for two days, merged; late ones and the newest beside them."""
    rng = np.random.default_rng(3)
    for day in range(2):
        time = T0 + day * DAY + 5000 * np.arange(DAY // 5000)
        parts = [time[time % 50_000 != 0], time[(time % 50_000 == 0) & (time % 100_000 != 0)]]
        for part in parts:
            n = len(part) * 3
            rows = make_rows(
                np.repeat([1, 2, 3], len(part)), np.tile(part, 3), np.round(rng.normal(50, 9, n), 2)
            )
            store(catalogue, rows)
        group = list(Segment.objects.filter(level=0))
        catalogue.swap(group, merge(catalogue.folder, group))
    late = T0 + 100_000 * np.arange(2 * DAY // 100_000)
    store(catalogue, make_rows(np.ones(len(late)), late, rng.normal(50, 30, len(late))))
    return catalogue


def raw_curve(catalogue, ids, from_ms, to_ms, unit, points):
    table = query(ids, from_ms, to_ms, catalogue=catalogue)
    origin = from_ms // unit * unit
    width = -((origin - to_ms) // (points // 4))
    width = -(-width // unit) * unit
    time = table["time"].cast("int64").to_numpy()
    kept = thin(table["datastream"].to_numpy(), time, table["value"].to_numpy(), origin, width)
    return [
        (d, t, v)
        for d, t, v in zip(*(table[c].to_numpy()[kept] for c in ("datastream",)), time[kept],
                           table["value"].to_numpy()[kept], strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "points", "tier"),
    [
        (T0, T0 + 2 * DAY, 400, "minute"),
        (T0 + 12_345, T0 + DAY + 7 * HOUR + 41, 480, "minute"),
        (T0 + 12_345, T0 + 2 * DAY - 777, 40, "hour"),
        (T0 + 5 * HOUR, T0 + 5 * HOUR + 30 * MINUTE, 200, "raw"),
    ],
)
def test_a_curve_from_aggregates_is_the_curve_of_the_readings(two_days, from_ms, to_ms, points, tier):
    found = curve([3, 1], from_ms, to_ms, points, catalogue=two_days)
    assert found.tier == tier
    unit = {"minute": MINUTE, "hour": HOUR, "raw": 1}[tier]
    table = found.table
    time = table["time"].cast("int64").to_pylist()
    got = list(zip(table["datastream"].to_pylist(), time, table["value"].to_pylist(), strict=True))
    assert got == raw_curve(two_days, [1, 3], from_ms, to_ms, unit, points)
    raw = query([1, 3], from_ms, to_ms, catalogue=two_days)
    assert found.rows == {pk: raw["datastream"].to_pylist().count(pk) for pk in (1, 3)}


def test_hourly_aggregates_are_those_of_the_readings_with_what_came_late(two_days):
    found = aggregate([1, 2], T0 + HOUR, T0 + DAY, "hour", catalogue=two_days)
    raw = tiers.summarise(query([1, 2], T0 + HOUR, T0 + DAY, catalogue=two_days), HOUR)
    assert len(found) == 46
    assert found.drop_columns("sum").equals(raw.drop_columns("sum"))
    assert np.allclose(found["sum"].to_numpy(), raw["sum"].to_numpy())
    with pytest.raises(ValueError, match="whole hour"):
        aggregate([1], T0 + 1, T0 + DAY, "hour", catalogue=two_days)


def test_a_merge_of_merged_segments_replaces_their_aggregates(two_days):
    before = Tier.objects.count()
    group = list(Segment.objects.filter(day="2023-11-14"))
    assert {s.level for s in group} == {0, 1}
    gone = two_days.swap(group, merge(two_days.folder, group))
    assert Tier.objects.count() == before == 4
    assert len(gone) == len(group) + 2
    assert all((two_days.folder / t.path).exists() for t in Tier.objects.all())
    listed = set(Segment.objects.values_list("path", flat=True)) | set(
        Tier.objects.values_list("path", flat=True)
    )
    two_days.recover(0)
    left = {str(f.relative_to(two_days.folder)) for f in two_days.folder.rglob("*") if f.is_file()}
    assert left == listed
    assert len(query([1], T0, T0 + DAY, catalogue=two_days)) == DAY // 5000


def test_what_is_not_committed_yet_is_shown_once(two_days):
    end = T0 + 2 * DAY
    stored = query([1], end - HOUR, end, catalogue=two_days)
    hot = [stored["time"][-1].value, end + 1000, end + 2000]
    recent = make_rows([1] * 3, hot, [1.0, 2.0, 3.0])
    table = to_table(recent, NAMES).select(SCHEMA.names)
    found = curve([1], end - HOUR, end + HOUR, 4000, catalogue=two_days, recent=table)
    assert found.rows == {1: len(stored) + 2}
    assert found.table["value"].to_pylist()[-2:] == [2.0, 3.0]
    assert found.table["value"].to_pylist()[-3] == stored["value"][-1].as_py()
