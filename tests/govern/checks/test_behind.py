"""Late rows against history and against each other, as a dictionary would tell."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.govern.checks import CONFLICT, DUPLICATE, NEW, settle_behind

KEY = st.tuples(st.integers(0, 2), st.integers(0, 4))
VALUE = st.sampled_from([1.0, 2.0, math.nan])


def columns(rows):
    return (
        np.array([r[0][0] for r in rows], np.int32),
        np.array([r[0][1] for r in rows], np.int64),
        np.array([r[1] for r in rows], float),
    )


@settings(max_examples=500)
@given(st.dictionaries(KEY, VALUE), st.dictionaries(KEY, VALUE), st.lists(st.tuples(KEY, VALUE), min_size=1))
def test_settling_is_putting_into_a_dictionary_in_order(stored, beside, rows):
    beside = {k: v for k, v in beside.items() if k not in stored}
    is_stored = np.array([k in stored for k, _v in rows])
    stored_value = np.array([stored.get(k, math.nan) for k, _v in rows])
    verdict = settle_behind(columns(rows), is_stored, stored_value, columns(list(beside.items())))

    held = {**stored, **beside}
    for (key, value), answer in zip(rows, verdict, strict=True):
        if key not in held:
            held[key] = value
            assert answer == NEW
        else:
            same = held[key] == value or (math.isnan(held[key]) and math.isnan(value))
            assert answer == (DUPLICATE if same else CONFLICT)
