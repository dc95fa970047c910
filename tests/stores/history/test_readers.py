"""Any Parquet reader reads the folder: no code of ours between the files and the tool."""

import duckdb
import numpy as np
import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from fengsui.stores.history import query, segments
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.models import Segment
from tests.stores.history.conftest import DAY, T0, make_rows
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(catalogue):
    """Two days: one merged, one fresh; short decimals, a NaN and a value of seventeen digits among them."""
    value = np.round(np.random.default_rng(2).normal(50, 9, 2000), 3)
    value[[5, 6]] = [np.nan, 1 / 3]
    for day in range(2):
        for part in range(2):
            time = T0 + day * DAY + 1000 * np.arange(part, 2000, 2)
            store(catalogue, make_rows(np.repeat([1, 2], 500), time, value[part::2]))
    group = list(Segment.objects.filter(first_ms__lt=T0 + DAY))
    segments.remove(catalogue.folder, catalogue.swap(group, merge(catalogue.folder, group)))
    return catalogue


def expected(catalogue):
    table = query([1, 2], T0, T0 + 2 * DAY, catalogue=catalogue)
    assert len(table) == 4000
    return table.sort_by([("time", "ascending")])


def test_duckdb_reads_it(folder):
    found = duckdb.sql(
        f"""SELECT date, epoch_ms(time) AS t, coalesce(value, digits / divisor) AS v
            FROM read_parquet('{folder.folder}/readings/*/*.parquet', hive_partitioning = true) ORDER BY time"""
    ).fetchnumpy()
    want = expected(folder)
    assert found["t"].tolist() == want["time"].cast("int64").to_pylist()
    assert np.array_equal(np.ma.getdata(found["v"]), want["value"].to_numpy(), equal_nan=True)
    assert {str(d)[:10] for d in found["date"]} == {"2023-11-14", "2023-11-15"}


def test_polars_reads_it_and_prunes_by_day(folder):
    number = pl.coalesce(pl.col("value"), pl.col("digits") / pl.col("divisor"))
    scan = pl.scan_parquet(f"{folder.folder}/readings/*/*.parquet", hive_partitioning=True)
    found = scan.sort("time").select("date", pl.col("time").dt.epoch("ms"), number.alias("v")).collect()
    want = expected(folder)
    assert found["time"].to_list() == want["time"].cast("int64").to_pylist()
    assert found["v"].null_count() == 0
    assert np.array_equal(found["v"].to_numpy(), want["value"].to_numpy(), equal_nan=True)
    first = scan.filter(pl.col("date").cast(pl.String) == "2023-11-14").select(pl.len()).collect()
    assert first.item() == 2000


def test_pyarrow_reads_it_and_prunes_by_day(folder):
    data = ds.dataset(folder.folder / "readings", partitioning="hive")
    table = data.to_table().sort_by([("time", "ascending")])
    value = pc.coalesce(table["value"], pc.divide(table["digits"].cast("double"), table["divisor"]))
    assert np.array_equal(value.to_numpy(), expected(folder)["value"].to_numpy(), equal_nan=True)
    assert data.count_rows(filter=ds.field("date") == "2023-11-14") == 2000


def test_aggregates_are_read_the_same_way(folder):
    sums = duckdb.sql(
        f"SELECT sum(count), sum(known), min(min) FROM '{folder.folder}/hours/*/*.parquet'"
    ).fetchall()[0]
    first = query([1, 2], T0, T0 + DAY, catalogue=folder)["value"].to_numpy()
    assert sums == (2000, 1999, np.nanmin(first))
