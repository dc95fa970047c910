"""What history answers."""

import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from fengsui.stores.history import count_received, export, last_values, query
from tests.stores.history.conftest import DAY, T0, make_rows
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(catalogue):
    """Datastreams 1 to 4, a reading each second for 100 s in two segments, and datastream 9 three days before."""
    for part in (0, 50):
        time = T0 + 1000 * np.arange(part, part + 50)
        store(catalogue, make_rows(np.repeat([1, 2, 3, 4], 50), np.tile(time, 4)))
    store(catalogue, make_rows([9], [T0 - 3 * DAY], [7.5]))
    return catalogue


def test_a_query_is_sorted_and_half_open(filled):
    table = query([3, 1], T0 + 10_000, T0 + 60_000, catalogue=filled)
    assert len(table) == 100
    keys = list(zip(table["datastream"].to_pylist(), table["time"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert table["time"][0].value == T0 + 10_000
    assert table["time"][-1].value == T0 + 59_000


def test_last_values_look_back_until_each_is_found(filled):
    table = last_values([1, 9, 77], T0 + 10 * DAY, catalogue=filled)
    assert table["datastream"].to_pylist() == [1, 9]
    assert [t.value for t in table["time"]] == [T0 + 99_000, T0 - 3 * DAY]
    assert table["value"].to_pylist()[1] == 7.5
    assert last_values([1], T0, catalogue=filled)["datastream"].to_pylist() == []
    assert last_values([1], T0 + 50_001, catalogue=filled)["time"][0].value == T0 + 50_000


def test_counting_by_arrival_finds_every_row_once(filled):
    table = count_received(T0, T0 + DAY, catalogue=filled)
    assert sum(table["rows"].to_pylist()) == 400
    assert set(table["source"].to_pylist()) == {"dev-a", "dev-b"}
    minutes = set(table["minute_ms"].to_pylist())
    assert minutes == {T0, T0 + 60_000}


def test_an_export_is_a_whole_file_in_either_form(filled):
    data = b"".join(export([1, 9], T0 - 4 * DAY, T0 + DAY, "parquet", catalogue=filled))
    assert pq.read_table(io.BytesIO(data)).num_rows == 101
    text = b"".join(export([1, 9], T0 - 4 * DAY, T0 + DAY, "csv", catalogue=filled)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 101
    assert rows[0]["datastream"] == "9"
    assert rows[0]["value"] == "7.5"
    assert rows[1]["time"] == "2023-11-14T00:00:00.000Z"
    with pytest.raises(ValueError, match="xlsx"):
        export([1], T0, T0 + 1, "xlsx", catalogue=filled)


def test_an_export_of_nothing_is_still_a_file(catalogue):
    assert b"".join(export([1], T0, T0 + DAY, "csv", catalogue=catalogue)).startswith(
        b"datastream,time,value"
    )
    data = b"".join(export([1], T0, T0 + DAY, "parquet", catalogue=catalogue))
    assert pq.read_table(io.BytesIO(data)).num_rows == 0


def test_a_missing_value_is_empty_in_csv(catalogue):
    store(catalogue, make_rows([1], [T0], [np.nan]))
    text = b"".join(export([1], T0, T0 + DAY, "csv", catalogue=catalogue)).decode()
    assert next(csv.DictReader(io.StringIO(text)))["value"] == ""
