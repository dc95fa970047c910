"""DataArrays as bytes: any of them are groups or a refusal, half of a request is none, a quick column is a slow one."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.show.sta import arrays, times
from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.writing import value_of

NOW = 1_790_000_000_000
INSTANTS = st.one_of(
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    st.datetimes().map(lambda at: f"{at.isoformat(timespec='milliseconds')}+08:00"),
    st.text("0123456789-T:Z+. ", max_size=26),
    st.none(),
)
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.text(max_size=3)
)


def request(rows) -> bytes:
    group = {"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": rows}
    return json.dumps([group]).encode()


@given(
    st.one_of(st.binary(max_size=200), st.lists(st.tuples(INSTANTS, NUMBERS), max_size=3).map(request)),
    st.data(),
)
def test_any_bytes_are_groups_or_a_refusal(data, draw):
    at = draw.draw(st.integers(0, len(data)))
    for said in (data, data[:at] + draw.draw(st.binary(max_size=3)) + data[at:]):
        with contextlib.suppress(BadQuery):
            assert all(isinstance(group, arrays.Group) for group in arrays.read(said))


@given(st.lists(st.tuples(INSTANTS, NUMBERS), min_size=1, max_size=3).map(request), st.data())
def test_a_request_that_is_cut_is_refused_as_a_whole(data, draw):
    with pytest.raises(BadQuery):
        arrays.read(data[: draw.draw(st.integers(0, len(data) - 1))])


@given(st.lists(st.tuples(INSTANTS, NUMBERS), min_size=1, max_size=4))
def test_what_is_read_at_once_is_what_is_read_row_by_row(rows):
    (group,) = arrays.read(request(rows))
    found = arrays.plain(group, NOW)
    if found is None:
        return
    for at, value, (said, number) in zip(*found, rows, strict=True):
        assert int(at) == times.span(said, "phenomenonTime")[0]
        assert math.isclose(float(value), value_of(number)[0], rel_tol=0, abs_tol=0)
