"""Damage is found, named and survived."""

import numpy as np
import pytest

from fengsui.stores.history import aggregate, integrity, query, segments
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.models import Segment, Tier
from tests.stores.history.conftest import DAY, T0, make_rows
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db


def repaired(catalogue):
    return integrity.repair(catalogue, [f.path for f in integrity.verify(catalogue).findings])


@pytest.fixture
def merged(catalogue, monkeypatch):
    """One merged segment of four row groups (4 datastreams of 1,000 readings) with aggregates, and one fresh one."""
    monkeypatch.setattr(segments, "MERGED_ROW_GROUP", 1000)
    for part in (0, 500):
        time = T0 + 1000 * np.arange(part, part + 500)
        values = np.random.default_rng(part).normal(50, 9, 2000)
        store(catalogue, make_rows(np.repeat([1, 2, 3, 4], 500), np.tile(time, 4), values))
    group = list(Segment.objects.all())
    segments.remove(catalogue.folder, catalogue.swap(group, merge(catalogue.folder, group)))
    store(catalogue, make_rows([1], [T0 + DAY]))
    return catalogue


def found(catalogue):
    report = integrity.verify(catalogue)
    return report.whole, [(f.path.split("/")[0], f.what) for f in report.findings]


def the_file(catalogue):
    return catalogue.folder / Segment.objects.get(level=1).path


def test_what_nobody_touched_is_whole(merged):
    report = integrity.verify(merged)
    assert (report.whole, report.files, report.findings) == (True, 4, [])
    assert report.bytes == sum(f.stat().st_size for f in merged.folder.rglob("*.parquet"))
    assert repaired(merged) == []


@pytest.mark.parametrize("at", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_found_and_costs_at_most_the_rows_around_it(merged, at):
    file = the_file(merged)
    before = query([1, 2, 3, 4], T0, T0 + DAY, catalogue=merged).to_pylist()
    data = bytearray(file.read_bytes())
    data[int(len(data) * at)] ^= 0x10
    file.write_bytes(data)
    assert found(merged) == (False, [("readings", "checksum")])
    (done,) = repaired(merged)
    assert done.kept + done.lost == 4000
    assert done.kept >= (3000 if at in (0.3, 0.6) else 0)
    assert (merged.folder / "damaged" / done.path).read_bytes() == data
    assert integrity.verify(merged).whole
    after = query([1, 2, 3, 4], T0, T0 + DAY, catalogue=merged).to_pylist()
    assert len(after) == done.kept
    said = {(r["datastream"], r["time"]): r["value"] for r in before}
    assert all(said[r["datastream"], r["time"]] == r["value"] for r in after)
    counted = aggregate([1, 2, 3, 4], T0, T0 + DAY, "hour", catalogue=merged)
    assert sum(counted["count"].to_pylist()) == done.kept


def test_a_cut_file_is_found_and_put_aside(merged):
    file = the_file(merged)
    file.write_bytes(file.read_bytes()[:-200])
    assert found(merged) == (False, [("readings", "size")])
    (done,) = repaired(merged)
    assert (done.kept, done.lost) == (0, 4000)
    assert integrity.verify(merged).whole
    assert len(query([1], T0, T0 + 2 * DAY, catalogue=merged)) == 1


def test_a_missing_file_is_found_and_its_readings_are_called_lost(merged):
    the_file(merged).unlink()
    assert found(merged) == (False, [("readings", "missing")])
    (done,) = repaired(merged)
    assert (done.kept, done.lost) == (0, 4000)
    assert integrity.verify(merged).whole


def test_a_stranger_is_named_and_does_no_harm(merged):
    (merged.folder / "readings" / "date=2023-11-14" / "notes.parquet").write_bytes(b"hello")
    assert found(merged) == (True, [("readings", "stranger")])
    assert repaired(merged) == []


def test_damaged_aggregates_are_made_anew(merged):
    before = aggregate([2], T0, T0 + DAY, "minute", catalogue=merged)
    for tier in Tier.objects.all():
        file = merged.folder / tier.path
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    assert found(merged) == (False, [("minutes", "checksum"), ("hours", "checksum")])
    assert repaired(merged) == []
    assert integrity.verify(merged).whole
    assert aggregate([2], T0, T0 + DAY, "minute", catalogue=merged).equals(before)
