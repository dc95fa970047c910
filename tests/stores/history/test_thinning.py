"""Thinning a series keeps what a chart shows of it."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.stores.history import downsample
from fengsui.stores.history.rows import to_table
from tests.stores.history.conftest import NAMES, T0, make_rows

VALUES = st.sampled_from([math.nan, -1e300, -1.0, 0.0, 0.5, 1.0, 1e300])
SERIES = st.dictionaries(st.integers(0, 10**6), VALUES, min_size=1, max_size=200)


def table_of(series: dict[int, float], datastream: int = 1) -> pa.Table:
    times = sorted(series)
    return to_table(
        make_rows([datastream] * len(times), [T0 + t for t in times], [series[t] for t in times]), NAMES
    )


@given(SERIES, st.integers(4, 60))
def test_no_more_points_than_asked_all_of_them_real_and_the_extremes_kept(series, points):
    full = table_of(series)
    thin = downsample(full, points)
    assert len(thin) <= max(points, 1)
    kept = [(t.value - T0, repr(v)) for t, v in zip(thin["time"], thin["value"].to_pylist(), strict=True)]
    assert kept == sorted(kept, key=lambda k: k[0])
    assert set(kept) <= {(t, repr(v)) for t, v in series.items()}
    assert kept[0][0] == min(series)
    assert kept[-1][0] == max(series)
    real = [v for v in series.values() if not math.isnan(v)]
    if real:
        thin_real = [v for v in thin["value"].to_pylist() if not math.isnan(v)]
        assert (min(thin_real), max(thin_real)) == (min(real), max(real))


@given(SERIES, st.integers(4, 60))
def test_every_stretch_of_time_keeps_its_own_extremes(series, points):
    thin = downsample(table_of(series), points)
    if len(series) <= points:
        assert len(thin) == len(series)
        return
    first, buckets = min(series), points // 4
    width = -(-(max(series) - first + 1) // buckets)
    kept = {t.value - T0 for t in thin["time"]}
    for bucket in range(buckets):
        inside = {t: v for t, v in series.items() if (t - first) // width == bucket}
        real = [v for v in inside.values() if not math.isnan(v)]
        if inside:
            assert {min(inside), max(inside)} <= kept
        if real:
            held = [v for t, v in inside.items() if t in kept and not math.isnan(v)]
            assert (min(held), max(held)) == (min(real), max(real))


def test_each_datastream_is_thinned_by_itself():
    flat = table_of(dict.fromkeys(range(1000), 1.0), 1)
    spike = table_of({t: 9.0 if t == 500 else 0.0 for t in range(1000)}, 2)
    thin = downsample(pa.concat_tables([flat, spike]), 40)
    by_stream = [thin["value"].to_numpy()[thin["datastream"].to_numpy() == d] for d in (1, 2)]
    assert all(len(v) <= 40 for v in by_stream)
    assert 9.0 in by_stream[1]
    assert np.all(by_stream[0] == 1.0)


def test_fewer_than_four_points_cannot_be_asked_and_nothing_stays_nothing():
    with pytest.raises(ValueError, match="at least 4"):
        downsample(table_of({1: 1.0}), 3)
    assert len(downsample(table_of({1: 1.0}).slice(0, 0), 100)) == 0
