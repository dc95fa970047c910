"""Segments on disk and the catalogue that says which are true."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fengsui.stores.history import Catalogue, query, write_segments
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import STORED, unpack
from fengsui.stores.history.rows import SCHEMA
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows

pytestmark = pytest.mark.django_db


def store(catalogue: Catalogue, rows, partition: int = 0):
    written = write_segments(catalogue.folder, partition, rows, NAMES)
    catalogue.add(written)
    return written


def test_a_segment_holds_one_day_sorted_with_its_checksum(catalogue):
    rows = make_rows([2, 1, 1, 2], [T0 + 5, T0 + 9, T0 + 3, T0 + DAY])
    first, second = write_segments(catalogue.folder, 3, rows, NAMES)
    assert (first.rows, second.rows) == (3, 1)
    assert (first.first_ms, first.last_ms) == (T0 + 3, T0 + 9)
    assert (first.first_received_ms, first.last_received_ms) == (T0 + 53, T0 + 59)
    path = catalogue.folder / first.path
    assert path.parent.name == f"date={first.day}"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first.checksum
    assert path.stat().st_size == first.bytes
    table = pq.read_table(path, partitioning=None)
    assert table.schema.equals(STORED)
    assert table["datastream"].to_pylist() == [1, 1, 2]
    assert unpack(table)["value"].to_pylist() == [2.0, 1.0, 0.0]
    assert table["source"].to_pylist() == ["dev-a", "dev-b", "dev-a"]


def test_a_disk_that_refuses_leaves_no_file_behind(catalogue, monkeypatch):
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_segments(catalogue.folder, 0, make_rows([1, 1], [T0, T0 + DAY]), NAMES)
    assert [p for p in catalogue.folder.rglob("*") if p.is_file()] == []


def test_a_file_that_the_catalogue_does_not_list_is_not_history(catalogue):
    store(catalogue, make_rows([1], [T0]))
    write_segments(catalogue.folder, 0, make_rows([1], [T0 + 1]), NAMES)
    assert len(query([1], T0, T0 + 10, catalogue=catalogue)) == 1


def test_recovery_deletes_what_is_not_listed_and_only_of_its_partition(catalogue):
    (kept,) = store(catalogue, make_rows([1], [T0]))
    (orphan,) = write_segments(catalogue.folder, 0, make_rows([1], [T0 + 1]), NAMES)
    (other,) = write_segments(catalogue.folder, 1, make_rows([1], [T0 + 2]), NAMES)
    draft = (catalogue.folder / kept.path).with_name(".p0000-l0-abc.parquet.draft")
    draft.write_bytes(b"cut")
    assert catalogue.recover(0) == 2
    assert (catalogue.folder / kept.path).exists()
    assert (catalogue.folder / other.path).exists()
    assert not (catalogue.folder / orphan.path).exists()
    assert not draft.exists()


def test_the_catalogue_finds_segments_by_time_and_by_arrival(catalogue):
    store(catalogue, make_rows([1], [T0]))
    store(catalogue, make_rows([1], [T0 + DAY]))
    assert len(catalogue.between(T0, T0 + 1)) == 1
    assert len(catalogue.between(T0 + 1, T0 + DAY)) == 0
    assert len(catalogue.between(T0, T0 + DAY + 1)) == 2
    assert len(catalogue.between(-(2**62), 2**62)) == 2
    assert len(catalogue.between(T0, T0)) == 0
    assert len(catalogue.received_between(T0 + DAY, T0 + DAY + 51)) == 1


def test_nan_and_the_extremes_of_float_come_back_bit_for_bit(catalogue):
    values = np.array([np.nan, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
    store(catalogue, make_rows([1] * 5, T0 + np.arange(5), values))
    back = query([1], T0, T0 + 5, catalogue=catalogue)["value"].combine_chunks().to_numpy()
    assert back.tobytes() == values.tobytes()


def test_many_distinct_values_outgrow_the_dictionary_and_still_come_back(catalogue):
    rng = np.random.default_rng(0)
    values = rng.random(300_000)
    store(catalogue, make_rows(np.repeat(np.arange(3), 100_000), T0 + np.tile(np.arange(100_000), 3), values))
    table = query([0, 1, 2], T0, T0 + DAY, catalogue=catalogue)
    assert np.array_equal(table["value"].to_numpy(), values)
    assert Segment.objects.get().rows == 300_000


def test_no_rows_write_nothing(catalogue):
    assert write_segments(catalogue.folder, 0, make_rows([], []), NAMES) == []
    assert len(query([1], T0, T0 + DAY, catalogue=catalogue)) == 0
    assert query([1], T0, T0 + DAY, catalogue=catalogue).schema.equals(SCHEMA)
    assert isinstance(query([], T0, T0 + DAY, catalogue=catalogue), pa.Table)
