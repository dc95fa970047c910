"""What is shown is the newest correction of what was measured; what was measured is in the files, untouched."""

import numpy as np
import pytest
from django.utils import timezone

from fengsui.base.quality import Reason
from fengsui.stores.history import aggregate, curve, export, measured, query, tiers
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.models import Correction, Segment
from fengsui.stores.history.rows import to_table
from fengsui.stores.history.thinning import downsample
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows
from tests.stores.history.test_recent import keyed
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db
H, M = tiers.HOUR_MS, tiers.MINUTE_MS


@pytest.fixture
def day(catalogue):
    """Datastreams 1 to 3, a reading each 5 s for a day: merged, but the last hour; and the rows."""
    rng = np.random.default_rng(8)
    time = T0 + 5000 * np.arange(DAY // 5000)
    n = len(time)
    rows = make_rows(np.repeat([1, 2, 3], n), np.tile(time, 3), np.round(rng.normal(50, 9, 3 * n), 2))
    for part in (0, 1):
        store(catalogue, rows.take((rows.time_ms < T0 + 23 * H) & (rows.time_ms // 5000 % 2 == part)))
    group = list(Segment.objects.all())
    catalogue.swap(group, merge(catalogue.folder, group))
    store(catalogue, rows.take(rows.time_ms >= T0 + 23 * H))
    return catalogue, rows


def correct(datastream, from_ms, to_ms, factor=1.0, shift=0.0, quality=None) -> Correction:
    return Correction.objects.create(
        datastream=datastream, from_ms=from_ms, to_ms=to_ms, factor=factor, shift=shift, quality=quality,
        reason="calibrated", made_by="steward",
    )  # fmt: skip


def three(rows):
    """Corrections in the middle of minutes, of hours, over the fresh hour; and what the readings are then."""
    spans = [
        (1, T0 + 2 * H + 12_345, T0 + 2 * H + 71_000, 0.0, -40.0, 1),
        (1, T0 + 5 * H - 7_000, T0 + 9 * H + 7_000, 1.02, 0.5, None),
        (3, T0 + 22 * H + 30 * M, T0 + 23 * H + 15 * M, 2.0, 0.0, 2),
        (1, T0 + 6 * H, T0 + 6 * H + 1, 0.0, 500.0, None),
    ]
    value, quality, reason = rows.value.copy(), rows.quality.copy(), rows.reason.copy()
    for pk, start, stop, factor, shift, said in spans:
        correct(pk, start, stop, factor, shift, said)
        at = (rows.datastream == pk) & (rows.time_ms >= start) & (rows.time_ms < stop)
        value[at] = factor * rows.value[at] + shift if factor else shift
        quality[at] = rows.quality[at] if said is None else said
        reason[at] = Reason.CORRECTED
    shown = rows.take(slice(None))
    shown.value, shown.quality, shown.reason = value, quality, reason
    return to_table(shown, NAMES)


def test_readings_are_shown_corrected_and_can_be_seen_as_measured(day):
    catalogue, rows = day
    before = query([1, 2, 3], T0, T0 + DAY, catalogue=catalogue)
    shown = three(rows)
    assert (
        query([1, 2, 3], T0, T0 + DAY, catalogue=catalogue)
        .drop_columns("source")
        .equals(shown.drop_columns("source"))
    )
    assert measured([1, 2, 3], T0, T0 + DAY, catalogue=catalogue).equals(before)
    csv = b"".join(export([1], T0 + 6 * H, T0 + 6 * H + 1, "csv", catalogue=catalogue)).decode()
    assert ",500," in csv
    plain = export([1], T0 + 6 * H, T0 + 6 * H + 1, "csv", catalogue=catalogue, as_measured=True)
    assert b",500," not in b"".join(plain)


@pytest.mark.parametrize("kind", ["minute", "hour"])
def test_aggregates_are_those_of_the_corrected_readings(day, kind):
    catalogue, rows = day
    shown = three(rows)
    found = aggregate([1, 2, 3], T0, T0 + DAY, kind, catalogue=catalogue)
    expected = tiers.summarise(shown, tiers.WIDTH_MS[kind])
    assert found.drop_columns("sum").equals(expected.drop_columns("sum"))
    assert np.allclose(found["sum"].to_numpy(), expected["sum"].to_numpy())


@pytest.mark.parametrize(
    ("from_ms", "points", "tier"), [(T0, 96, "hour"), (T0 + 90_000, 800, "minute"), (T0, 20_000, "raw")]
)
def test_a_curve_is_that_of_the_corrected_readings_from_every_tier(day, from_ms, points, tier):
    catalogue, rows = day
    plain = curve([1, 3], from_ms, T0 + DAY, points, catalogue=catalogue)
    shown = three(rows)
    found = curve([1, 3], from_ms, T0 + DAY, points, catalogue=catalogue)
    assert found.tier == tier
    assert found.rows == plain.rows
    by_key = {(d, t): v for d, t, v in keyed(shown)}
    drawn = keyed(found.table)
    assert all(by_key[d, t] == v for d, t, v in drawn)
    assert max(v for d, _t, v in drawn if d == 1) == 500.0
    assert min(v for d, _t, v in drawn if d == 1) == -40.0
    again = curve([1, 3], from_ms, T0 + DAY, points, catalogue=catalogue, as_measured=True)
    assert again.table.equals(plain.table)


def test_the_newest_that_is_in_force_counts_and_taken_back_the_one_before_shows_again(day):
    catalogue, rows = day
    at = T0 + 4 * H
    first, second = correct(1, at, at + M, 1.0, 1.0), correct(1, at, at + M, 0.0, 7.0)

    def shown():
        return query([1], at, at + M, catalogue=catalogue)["value"].to_pylist()

    plain = rows.value[(rows.datastream == 1) & (rows.time_ms >= at) & (rows.time_ms < at + M)]
    assert shown() == [7.0] * 12
    Correction.objects.filter(pk=second.pk).update(withdrawn_at=timezone.now())
    assert shown() == (plain + 1.0).tolist()
    Correction.objects.filter(pk=first.pk).update(withdrawn_at=timezone.now())
    assert shown() == plain.tolist()


def test_what_is_not_committed_yet_is_corrected_too(day):
    catalogue, _rows = day
    correct(2, T0 + DAY, T0 + DAY + 10, 0.0, 3.0)
    hot = to_table(make_rows([2, 2], [T0 + DAY, T0 + DAY + 10], [1.0, 2.0]), NAMES)
    found = query([2], T0 + DAY, T0 + 2 * DAY, catalogue=catalogue, recent=hot)
    assert found["value"].to_pylist() == [3.0, 2.0]
    drawn = curve([2], T0 + DAY, T0 + DAY + H, 400, catalogue=catalogue, recent=hot)
    assert drawn.table["value"].to_pylist() == [3.0, 2.0]


def test_a_merge_and_a_later_download_hold_what_was_measured(day):
    catalogue, _rows = day
    before = query([1], T0, T0 + DAY, catalogue=catalogue)
    correct(1, T0, T0 + DAY, 0.0, 0.0)
    group = list(Segment.objects.all())
    catalogue.swap(group, merge(catalogue.folder, group))
    assert (
        measured([1], T0, T0 + DAY, catalogue=catalogue)
        .drop_columns("source")
        .equals(before.drop_columns("source"))
    )
    assert len(downsample(query([1], T0, T0 + DAY, catalogue=catalogue), 4)) <= 4
