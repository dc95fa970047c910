"""What the policy lets go is deleted and counted; what it keeps is untouched, and aggregates outlive their readings."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.stores.history import aggregate, count_deleted, count_received, curve, export, integrity, query
from fengsui.stores.history import retention as deleting
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.keep import FOREVER, HOUR, MINUTE, RAW, Hold, Keep
from fengsui.stores.history.models import Deletion, Segment, Tier
from fengsui.stores.history.retention import Retention, count_due, due_files, totals
from tests.stores.history.conftest import DAY, T0, make_rows
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db

DAY_0 = datetime.fromtimestamp(T0 / 1000, UTC).date()
IDS = [1, 2, 3]
H = 3_600_000
NONE = np.zeros(0, np.int32)


def keep(raw, minute=FOREVER, hour=FOREVER, own=None, holds=()) -> Keep:
    """``own``: datastream → (raw, minute, hour)."""
    own = own or {}
    ids = np.array(sorted(own), np.int32)
    days = np.array([own[pk] for pk in sorted(own)], np.int32).reshape(-1, 3).T
    return Keep((raw, minute, hour), ids, days, holds)


@pytest.fixture
def days(catalogue):
    """Three datastreams, a reading each 10 s for two days; the first day is merged, the second lies in two segments."""
    rng = np.random.default_rng(6)
    for day in range(2):
        time = T0 + day * DAY + 10_000 * np.arange(DAY // 10_000)
        n = len(time)
        rows = make_rows(np.repeat(IDS, n), np.tile(time, 3), np.round(rng.normal(50, 9, 3 * n), 2))
        for part in (0, 1):
            store(catalogue, rows.take(rows.time_ms // 10_000 % 2 == part))
        if day == 0:
            group = list(Segment.objects.all())
            catalogue.swap(group, merge(catalogue.folder, group))
            for s in group:
                (catalogue.folder / s.path).unlink()
    return catalogue


def work(catalogue, policy, today, note=lambda _done: None) -> int:
    retention = Retention(catalogue, 0, note, grace_s=0)
    rounds = 0
    while retention.run_once(policy, today):
        rounds += 1
        assert rounds < 50, "it never comes to an end"
    retention.delete_due()
    listed = {*Segment.objects.values_list("path", flat=True), *Tier.objects.values_list("path", flat=True)}
    there = {str(f.relative_to(catalogue.folder)) for f in catalogue.folder.rglob("*") if f.is_file()}
    assert there == listed
    assert integrity.verify(catalogue).whole
    return rounds


def everything(catalogue, tier):
    return aggregate(IDS, T0, T0 + 2 * DAY, tier, catalogue=catalogue)


def same(one, other):
    assert one.drop_columns("sum").equals(other.drop_columns("sum"))
    assert np.allclose(one["sum"].to_numpy(), other["sum"].to_numpy())


def found_and_deleted(catalogue):
    out = {}
    span = T0 - DAY, T0 + 3 * DAY
    for table in (count_received(*span, catalogue=catalogue), count_deleted(*span)):
        for row in table.to_pylist():
            key = (row["source"], row["minute_ms"])
            out[key] = out.get(key, 0) + row["rows"]
    return out


def test_readings_of_a_whole_day_go_and_leave_their_minutes_and_hours(days):
    minutes, hours, counted = everything(days, MINUTE), everything(days, HOUR), found_and_deleted(days)
    shown = curve(IDS, T0 + H, T0 + 2 * DAY, 200, catalogue=days)
    second = query(IDS, T0 + DAY, T0 + 2 * DAY, catalogue=days)
    assert work(days, keep(1), DAY_0 + timedelta(days=2)) == 1
    assert {s.day for s in Segment.objects.all()} == {DAY_0 + timedelta(days=1)}
    assert len(query(IDS, T0, T0 + DAY, catalogue=days)) == 0
    assert query(IDS, T0 + DAY, T0 + 2 * DAY, catalogue=days).equals(second)
    same(everything(days, MINUTE), minutes)
    same(everything(days, HOUR), hours)
    after = curve(IDS, T0 + H, T0 + 2 * DAY, 200, catalogue=days)
    assert after.table.equals(shown.table)
    assert after.rows == shown.rows
    assert (shown.only_aggregates, after.only_aggregates) == (None, (T0 + H, T0 + DAY))
    assert found_and_deleted(days) == counted
    assert sum(count_deleted(T0, T0 + 2 * DAY)["rows"].to_pylist()) == 3 * DAY // 10_000
    assert totals()[RAW][0] == 3 * DAY // 10_000


def test_fresh_segments_get_their_aggregates_before_they_go(days):
    minutes, counted = everything(days, MINUTE), found_and_deleted(days)
    assert Tier.objects.count() == 2
    assert work(days, keep(1), DAY_0 + timedelta(days=9)) == 3
    assert Segment.objects.count() == 0
    assert Tier.objects.filter(segment=None).count() == 6
    same(everything(days, MINUTE), minutes)
    assert found_and_deleted(days) == counted


def test_a_datastream_with_days_of_its_own_keeps_its_readings_alone(days):
    minutes, hours, counted = everything(days, MINUTE), everything(days, HOUR), found_and_deleted(days)
    own = query([2], T0, T0 + 2 * DAY, catalogue=days)
    policy = keep(1, own={2: (90, FOREVER, FOREVER)})
    assert work(days, policy, DAY_0 + timedelta(days=9)) == 3
    assert query(IDS, T0, T0 + 2 * DAY, catalogue=days).sort_by("time").equals(own.sort_by("time"))
    same(everything(days, MINUTE), minutes)
    same(everything(days, HOUR), hours)
    assert found_and_deleted(days) == counted
    mine = curve([2], T0, T0 + 2 * DAY, 200, catalogue=days)
    assert mine.only_aggregates is None
    assert curve([1, 2], T0, T0 + 2 * DAY, 200, catalogue=days).only_aggregates == (T0, T0 + 2 * DAY)
    assert work(days, policy, DAY_0 + timedelta(days=9)) == 0, "looked at again for the same"


def test_and_the_other_way_round_one_with_fewer_days_goes_alone(days):
    counted = found_and_deleted(days)
    policy = keep(FOREVER, own={2: (1, 5, FOREVER), 77: (1, 1, 1)})
    hours = everything(days, HOUR)
    work(days, policy, DAY_0 + timedelta(days=4))
    assert set(query(IDS, T0, T0 + 2 * DAY, catalogue=days)["datastream"].to_pylist()) == {1, 3}
    work(days, policy, DAY_0 + timedelta(days=30))
    assert set(everything(days, MINUTE)["datastream"].to_pylist()) == {1, 3}
    same(everything(days, HOUR), hours)
    assert found_and_deleted(days) == counted
    left = curve([2], T0 + 30 * 60_000, T0 + 2 * DAY, 3000, catalogue=days)
    assert left.tier == MINUTE
    assert left.only_aggregates == (T0 + 30 * 60_000, T0 + 2 * DAY)
    assert left.table.num_rows > 4 * 40


def test_minutes_and_hours_go_in_their_turn_and_nothing_is_left(days):
    counted = found_and_deleted(days)
    policy = keep(1, 3, 5, own={3: (2, 4, FOREVER)})
    hours = everything(days, HOUR)
    work(days, policy, DAY_0 + timedelta(days=5))
    work(days, policy, DAY_0 + timedelta(days=30))
    assert Segment.objects.count() == 0
    assert not Tier.objects.filter(kind=MINUTE).exists()
    left = everything(days, HOUR)
    assert set(left["datastream"].to_pylist()) == {3}
    same(left, hours.filter(hours["datastream"].to_numpy() == 3))
    assert found_and_deleted(days) == counted
    assert totals()[HOUR][0] == 48 + 2 * 48  # the second day lay in two segments


def test_what_is_held_stays_for_one_site_or_for_all(days):
    today = DAY_0 + timedelta(days=40)
    second = DAY_0 + timedelta(days=1)
    held = keep(1, 2, 3, holds=[Hold(DAY_0, DAY_0, np.array([3], np.int32)), Hold(second, second, None)])
    day_2, mine = query(IDS, T0 + DAY, T0 + 2 * DAY, catalogue=days), query([3], T0, T0 + DAY, catalogue=days)
    work(days, held, today)
    assert query(IDS, T0 + DAY, T0 + 2 * DAY, catalogue=days).equals(day_2)
    assert query(IDS, T0, T0 + DAY, catalogue=days).equals(mine)
    assert set(aggregate(IDS, T0, T0 + DAY, HOUR, catalogue=days)["datastream"].to_pylist()) == {3}
    work(days, keep(1, 2, 3), today)  # lifted
    assert not Segment.objects.exists()
    assert not Tier.objects.exists()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 9),
    st.dictionaries(st.integers(1, 6), st.integers(1, 9), max_size=6),
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 4), st.none() | st.sets(st.integers(1, 8))), max_size=3
    ),
    st.integers(0, 12),
)
def test_a_drop_is_what_each_datastream_alone_would_say(default, own, holds, age):
    today = date(2026, 3, 1)
    day = today - timedelta(days=age)
    made = []
    for back, length, ids in holds:
        first = today - timedelta(days=back)
        held = None if ids is None else np.array(sorted(ids), np.int32)
        made.append(Hold(first, first + timedelta(days=length), held))
    policy = keep(default, own={pk: (n, n, n) for pk, n in own.items()}, holds=made)
    drop = policy.drop(RAW, day, today)
    ids = np.arange(1, 10, dtype=np.int32)
    expected = [
        age > own.get(pk, default)
        and not any(h.first <= day <= h.last and (h.datastream is None or pk in h.datastream) for h in made)
        for pk in ids.tolist()
    ]
    assert drop.mask(ids).tolist() == expected
    before = policy.before(RAW, today)
    assert not any(expected) or day < before


def test_a_dry_run_says_how_many_rows_would_go_and_changes_nothing(days):
    policy = keep(1, own={2: (90, FOREVER, FOREVER)})
    today = DAY_0 + timedelta(days=9)
    due = list(due_files(policy, today))
    assert [d.kind for d in due] == [RAW] * 3
    assert sum(count_due(days, d) for d in due) == 2 * 2 * DAY // 10_000
    assert Segment.objects.count() == 3
    assert not Deletion.objects.exists()


def test_nothing_is_due_without_a_policy_or_before_its_time(days):
    assert not list(due_files(keep(FOREVER), DAY_0 + timedelta(days=9000)))
    assert not list(due_files(keep(30), DAY_0 + timedelta(days=30)))
    assert len(list(due_files(keep(30), DAY_0 + timedelta(days=31)))) == 1


def test_who_notes_a_deletion_does_so_in_its_transaction(days):
    def refuse(_done):
        raise RuntimeError("no audit, no deletion")

    before = {str(f) for f in days.folder.rglob("*.parquet")}
    for policy in (keep(1), keep(1, own={2: (9, 9, 9)})):
        with pytest.raises(RuntimeError):
            work(days, policy, DAY_0 + timedelta(days=2), refuse)
        assert {str(f) for f in days.folder.rglob("*.parquet")} == before
        assert not list(days.folder.rglob("*.draft"))
    assert Segment.objects.count() == 3


def test_a_segment_that_somebody_replaced_meanwhile_is_left_alone(days, monkeypatch):
    real = deleting._Raw._kept

    def meanwhile(self):
        Segment.objects.filter(pk=self.segment.pk).delete()
        yield from real(self)

    monkeypatch.setattr(deleting._Raw, "_kept", meanwhile)
    retention = Retention(days, 0, lambda _done: None, grace_s=0)
    assert not retention.run_once(keep(1, own={2: (9, 9, 9)}), DAY_0 + timedelta(days=2))
    assert not Deletion.objects.exists()
    assert not list(days.folder.rglob("*-left-*"))
    assert Segment.objects.count() == 2


def test_a_download_of_a_deleted_day_has_no_rows_of_it(days):
    work(days, keep(1), DAY_0 + timedelta(days=2))
    csv = b"".join(export([1], T0, T0 + 2 * DAY, "csv", catalogue=days)).splitlines()
    assert len(csv) == 1 + DAY // 10_000
