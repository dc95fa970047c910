"""Merging changes how history is stored and never what it says."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.stores.checkpoints import claims
from fengsui.stores.history import compaction, query, segments, write_segments
from fengsui.stores.history.catalogue import Replaced
from fengsui.stores.history.compaction import FAN_IN, MAX_ROWS, Compactor, merge, plan
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import unpack
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows
from tests.stores.history.test_segments import store

NOON = datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(hours=12)
DAY_OF_T0 = NOON.date()
LATER = timedelta(days=1)


def listed(level: int, rows: int = 10, day: date = DAY_OF_T0, count: int = 1) -> list[Segment]:
    listed.number += count
    return [
        Segment(id=listed.number - i, level=level, rows=rows, day=day, created_at=NOON) for i in range(count)
    ]


listed.number = 0


def test_sixteen_of_a_level_are_merged_and_fifteen_are_left():
    assert plan(listed(0, count=FAN_IN - 1), NOON) == []
    (group,) = plan(listed(0, count=FAN_IN + 3), NOON)
    assert len(group) == FAN_IN
    assert [s.id for s in group] == sorted(s.id for s in group)


def test_a_day_that_is_over_becomes_one_segment_and_then_rests():
    yesterday = listed(0, count=3) + listed(2, count=2)
    (group,) = plan(yesterday, NOON + LATER)
    assert len(group) == 5
    assert plan(listed(3), NOON + LATER) == []


def test_a_day_that_still_gets_late_readings_waits_for_quiet():
    segments_of_yesterday = listed(2) + listed(0)
    segments_of_yesterday[1].created_at = NOON + LATER
    assert plan(segments_of_yesterday, NOON + LATER + timedelta(minutes=5)) == []
    assert len(plan(segments_of_yesterday, NOON + LATER + timedelta(minutes=15))) == 1


def test_segments_too_large_together_are_left_alone():
    assert plan(listed(1, rows=MAX_ROWS // 2, count=FAN_IN), NOON) == []
    assert plan(listed(1, rows=MAX_ROWS - 1, count=2), NOON + LATER) == []


PARTS = st.lists(
    st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 30)), st.floats(), min_size=1, max_size=40),
    min_size=2,
    max_size=5,
)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(1, 9))
def test_a_merge_holds_exactly_the_rows_of_its_parts_in_order(tmp_path_factory, parts, row_group):
    folder = tmp_path_factory.mktemp("history")
    before = segments.MERGED_ROW_GROUP, segments.ROW_GROUP, compaction.PIECE
    # many row groups, as large segments have
    segments.MERGED_ROW_GROUP = segments.ROW_GROUP = compaction.PIECE = row_group
    try:
        group, expected = [], []
        for part in parts:
            keys = list(part)
            rows = make_rows([k[0] for k in keys], [T0 + k[1] for k in keys], [part[k] for k in keys])
            (written,) = write_segments(folder, 0, rows, NAMES)
            group.append(Segment(path=written.path, level=0, partition=0, rows=written.rows))
            expected += [(*k, repr(v)) for k, v in part.items()]
        merged = merge(folder, group)
    finally:
        segments.MERGED_ROW_GROUP, segments.ROW_GROUP, compaction.PIECE = before
    import pyarrow.parquet as pq

    table = unpack(pq.read_table(folder / merged.path, partitioning=None))
    found = [
        (d, t.value - T0, repr(v))
        for d, t, v in zip(
            table["datastream"].to_pylist(), table["time"], table["value"].to_pylist(), strict=True
        )
    ]
    assert [f[:2] for f in found] == sorted(f[:2] for f in found)
    assert sorted(found) == sorted(expected)
    assert merged.rows == len(expected)


@pytest.mark.django_db
def test_a_merge_replaces_its_segments_and_deletes_them_after_the_grace(catalogue):
    old = [store(catalogue, make_rows([1], [T0 + i]))[0] for i in range(FAN_IN)]
    before = query([1], T0, T0 + DAY, catalogue=catalogue)
    compactor = Compactor(catalogue, 0, grace_s=0)
    assert compactor.run_once(NOON)
    assert Segment.objects.get().level == 1
    assert all((catalogue.folder / w.path).exists() for w in old)
    assert query([1], T0, T0 + DAY, catalogue=catalogue).equals(before)
    assert not compactor.run_once(NOON)
    assert not any((catalogue.folder / w.path).exists() for w in old)
    assert query([1], T0, T0 + DAY, catalogue=catalogue).equals(before)


@pytest.mark.django_db
def test_a_merge_that_lost_its_segments_to_another_changes_nothing(catalogue):
    for i in range(3):
        store(catalogue, make_rows([1], [T0 + i]))
    group = list(Segment.objects.all())
    written = merge(catalogue.folder, group)
    group[0].delete()
    group[0].id = 999_999
    with pytest.raises(Replaced):
        catalogue.swap(group, written)
    assert Segment.objects.count() == 2


@pytest.mark.django_db
def test_who_has_lost_the_partition_lists_no_file_that_the_next_owner_may_have_deleted(catalogue):
    for i in range(FAN_IN):
        store(catalogue, make_rows([1], [T0 + i]))
    claims.claim(0, "one that hangs")
    hung = replace(catalogue, is_ours=partial(claims.is_held, 0, "one that hangs"))
    claims.claim(0, "the next one")
    before = set(Segment.objects.values_list("path", flat=True))
    assert not Compactor(hung, 0).run_once(NOON)
    assert set(Segment.objects.values_list("path", flat=True)) == before
    assert {
        str(f.relative_to(catalogue.folder)) for f in catalogue.folder.rglob("p0000-l1-*.parquet")
    } == set()
    mine = replace(catalogue, is_ours=partial(claims.is_held, 0, "the next one"))
    assert Compactor(mine, 0).run_once(NOON)
    assert Segment.objects.get().level == 1


@pytest.mark.django_db(transaction=True)
def test_a_reader_sees_each_reading_once_while_segments_are_merged(catalogue):
    for i in range(3 * FAN_IN):
        store(catalogue, make_rows(np.arange(50), np.full(50, T0 + i)))
    expected = 3 * FAN_IN * 50
    seen, stop, wrong = [], threading.Event(), []

    def read():
        from django.db import connection

        try:
            while not stop.is_set():
                seen.append(len(query(np.arange(50), T0, T0 + DAY, catalogue=catalogue)))
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    compactor = Compactor(catalogue, 0, grace_s=0)
    for _ in range(4):
        compactor.run_once(datetime.now(UTC) + LATER)
    stop.set()
    thread.join(20)
    assert not wrong
    assert set(seen) == {expected}
    assert Segment.objects.count() == 1
