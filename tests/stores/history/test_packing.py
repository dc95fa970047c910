"""Packed values are the values, to the last bit."""

import gzip
import io
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.stores.history import packing, segments
from fengsui.stores.history.rows import to_table
from tests.stores.history.conftest import NAMES, T0, make_rows

DECIMALS = st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 9)).map(lambda d: d[0] / 10 ** d[1])
VALUES = st.one_of(st.floats(), DECIMALS, st.sampled_from([-0.0, 0.1 + 0.2, 1e22, 5e-324, 2.0**53, math.inf]))


def bits(values) -> list[int]:
    return np.asarray(values, float).view(np.int64).tolist()


def table_of(datastream, value) -> pa.Table:
    return to_table(make_rows(datastream, T0 + np.arange(len(value)), value), NAMES)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=60))
def test_what_is_unpacked_is_what_was_packed_to_the_last_bit(rows):
    rows.sort(key=lambda r: r[0])
    datastream, value = np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], float)
    table = table_of(datastream, value)
    for stored in (packing.pack(table), packing.pack(table, steps=False)):
        assert stored.schema.equals(packing.STORED)
        back = packing.unpack(stored)
        known = ~np.isnan(value)
        assert bits(back["value"].to_numpy()[known]) == bits(value[known])
        assert np.isnan(back["value"].to_numpy()[~known]).all()
        assert back.cast(table.schema).drop_columns("value").equals(table.drop_columns("value"))


def test_a_short_decimal_is_packed_and_anything_else_is_left_as_it_is():
    value = [3657.2, 0.25, -12.5, math.nan, math.inf, -0.0, 1 / 3, 0.0]
    stored = packing.pack(table_of([1] * 7 + [2], value))
    assert stored["digits"].is_valid().to_pylist() == [True, True, True, False, False, False, False, True]
    assert stored["value"].is_null().to_pylist() == stored["digits"].is_valid().to_pylist()


def test_the_step_of_an_instrument_is_taken_out_of_its_digits():
    stored = packing.pack(table_of([1] * 400, np.arange(400) * 0.25))
    assert stored["divisor"].unique().to_pylist() == [4.0]
    assert stored["digits"].to_pylist() == list(range(400))


def test_duckdb_divides_as_we_do(tmp_path):
    import duckdb

    rng = np.random.default_rng(5)
    value = np.round(rng.normal(0, 10.0 ** rng.integers(-3, 9, 20_000)), 4)
    table = table_of(np.repeat(np.arange(20), 1000), value)
    written = segments.write_segment(tmp_path, 0, [table], level=1)
    found = duckdb.sql(
        f"SELECT {packing.VALUE_SQL} AS v FROM '{tmp_path / written.path}' ORDER BY time"
    ).fetchnumpy()["v"]
    assert bits(found) == bits(value)


def test_a_merged_segment_of_a_real_plant_takes_about_a_byte_and_a_half(tmp_path):
    files = sorted((Path(__file__).parents[3] / "regions/yichang/data/tep").glob("*.csv.gz"))
    assert files, "the demonstration region holds Tennessee Eastman runs"
    series = []
    for file in files:
        table = pc.read_csv(io.BytesIO(gzip.decompress(file.read_bytes())))
        series += [table[n].to_numpy() for n in table.column_names if n.startswith(("XMEAS", "XMV"))]
    length = min(len(s) for s in series)
    value = np.concatenate([s[:length] for s in series])
    datastream = np.repeat(np.arange(len(series)), length)
    rng = np.random.default_rng(1)
    rows = make_rows(
        datastream, T0 + np.tile(np.arange(length) * (segments.DAY_MS // length), len(series)), value
    )
    rows.source[:] = 0
    rows.received_ms[:] = rows.time_ms + np.tile(rng.integers(30, 400, length), len(series))
    table = to_table(rows, NAMES)
    merged = segments.write_segment(tmp_path, 0, [table], level=1)
    fresh = segments.write_segment(tmp_path, 0, [table])
    assert (
        merged.bytes / merged.rows <= 1.6
    )  # five noisy digits; docs/history.md has the figures of other plants
    assert merged.bytes <= fresh.bytes < 2.5 * fresh.rows
