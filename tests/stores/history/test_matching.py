"""Which out-of-order readings are stored already."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.stores.history import segments, write_segments
from fengsui.stores.history.matching import find_stored
from tests.stores.history.conftest import NAMES, T0, make_rows

KEY = st.tuples(st.integers(0, 5), st.integers(0, 40))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.dictionaries(KEY, st.floats(), max_size=30), max_size=4), st.lists(KEY, max_size=30))
def test_matching_is_looking_up_in_a_dictionary(tmp_path_factory, parts, asked):
    folder = tmp_path_factory.mktemp("history")
    stored: dict[tuple[int, int], float] = {}
    files = []
    before, segments.ROW_GROUP = segments.ROW_GROUP, 5
    try:
        for part in parts:
            new = {k: v for k, v in part.items() if k not in stored}
            rows = make_rows([k[0] for k in new], [T0 + k[1] for k in new], list(new.values()))
            files += [str(folder / w.path) for w in write_segments(folder, 0, rows, NAMES)]
            stored |= new
    finally:
        segments.ROW_GROUP = before
    datastream = np.array([k[0] for k in asked], np.int32)
    time_ms = T0 + np.array([k[1] for k in asked], np.int64)
    found, value = find_stored(files, datastream, time_ms)
    for key, is_there, what in zip(asked, found, value, strict=True):
        assert is_there == (key in stored)
        expected = stored.get(key, math.nan)
        assert what == expected or (math.isnan(what) and math.isnan(expected))


def test_a_million_rows_are_matched_in_seconds_at_most(tmp_path):
    n = 1_000_000
    datastream = np.repeat(np.arange(100, dtype=np.int32), n // 100)
    time_ms = T0 + np.tile(np.arange(n // 100), 100)
    written = write_segments(tmp_path, 0, make_rows(datastream, time_ms), NAMES)
    found, value = find_stored([str(tmp_path / w.path) for w in written], datastream, time_ms)
    assert found.all()
    assert np.array_equal(value, np.arange(n, dtype=float))
    found, _value = find_stored([str(tmp_path / w.path) for w in written], datastream + 1000, time_ms)
    assert not found.any()


@pytest.mark.parametrize("n", [0, 1])
def test_asking_little_or_nothing_is_fine(tmp_path, n):
    found, value = find_stored([], np.zeros(n, np.int32), np.zeros(n, np.int64))
    assert len(found) == len(value) == n
