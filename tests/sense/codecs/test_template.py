"""Reading a repeated message by its template is the same as reading it as any other."""

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs.readings_json import BadPayload, decode
from fengsui.sense.codecs.template import template_of

NOW = 1_772_323_200_000
CODES = ["PT-101", "TT-101", "反应器液位", "x y"]


def message(values, time=NOW, **more):
    return {"site": "s", "time": time, "datastreams": dict(zip(CODES, values, strict=False)), **more}


def same(one, other) -> bool:
    return struct.pack(f"{len(one)}d", *one) == struct.pack(f"{len(other)}d", *other)


@pytest.mark.parametrize(
    "way", [json.dumps, lambda m: json.dumps(m, separators=(",", ":")), lambda m: json.dumps(m, indent=1)]
)
@pytest.mark.parametrize("codes", [CODES[:1], CODES[:2]])
def test_a_template_reads_the_next_message(way, codes):
    first = way({"site": "s", "time": NOW, "datastreams": dict.fromkeys(codes, 1.5)}).encode()
    made = template_of(first, decode(first))
    values = [-0.0, 2895.25][: len(codes)]
    later = way({"site": "s", "time": NOW + 1, "datastreams": dict(zip(codes, values, strict=True))}).encode()
    found = made.fill(later)
    assert found[0].tolist() == [NOW + 1]
    assert same(found[1], values)


def test_the_time_may_stand_last_and_may_be_text():
    first = b'{"datastreams": {"a": 1, "time": 2}, "time": "2026-03-01T08:00:00+08:00"}'
    assert template_of(first, decode(first)) is None  # a datastream of that name: not taken apart
    first = b'{"datastreams": {"a": 1, "b": null}, "time": "2026-03-01T08:00:00+08:00"}'
    made = template_of(first, decode(first))
    time_ms, value = made.fill(
        b'{"datastreams": {"a": null, "b": -2e-3}, "time": "2026-03-01T08:00:01.250+08:00"}'
    )
    assert time_ms.tolist() == [1_772_323_201_250]
    assert math.isnan(value[0])
    assert value[1] == -2e-3


floats = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**20), 10**20),
    st.decimals(-5000, 5000, places=3).map(float),
)


@given(
    st.lists(floats, min_size=4, max_size=4), st.lists(floats, min_size=4, max_size=4), st.integers(0, 2**40)
)
def test_what_a_template_reads_is_what_the_reader_of_everything_reads(before, after, time):
    first = json.dumps(message(before), ensure_ascii=False).encode()
    later = json.dumps(message(after, time), ensure_ascii=False).encode()
    made = template_of(first, decode(first))
    assert made is not None
    expected, found = decode(later), made.fill(later)
    assert found is not None
    assert found[0].tolist() == [expected.time_ms[0]]
    assert same(found[1], expected.value)


def catching_up(columns, times, dumps=json.dumps) -> bytes:
    return dumps({"time": times, "datastreams": dict(zip(CODES, columns, strict=False))}).encode()


instants = st.one_of(
    st.integers(0, 2**40), st.integers(0, 2**40).map(lambda ms: f"2026-03-01T08:00:{ms % 60:02}+08:00")
)


@given(st.data(), st.integers(1, 5), st.integers(1, 4))
def test_a_message_of_many_instants_has_a_template_too(data, count, streams):
    columns = st.lists(st.lists(floats, min_size=count, max_size=count), min_size=streams, max_size=streams)
    times = st.lists(instants, min_size=count, max_size=count)
    first = catching_up(data.draw(columns), [NOW + i for i in range(count)])
    made = template_of(first, decode(first))
    if "\\" in first.decode():
        assert made is None
        return
    later = catching_up(data.draw(columns), data.draw(times))
    expected, found = decode(later), made.fill(later)
    assert found is not None
    assert np.array_equal(np.tile(found[0], streams), expected.time_ms)
    assert same(found[1], expected.value)


def test_one_instant_more_or_less_is_another_message():
    first = catching_up([[1, 2, 3]], [1, 2, 3])
    made = template_of(first, decode(first))
    assert made.fill(catching_up([[4, 5, 6]], [4, 5, 6])) is not None
    for columns, times in (
        ([[1, 2]], [1, 2]),
        ([[1, 2, 3, 4]], [1, 2, 3, 4]),
        ([[1, 2]], [1, 2, 3]),
        ([[1, 2, 3]], [1, 2]),
    ):
        assert made.fill(catching_up(columns, times)) is None


@pytest.mark.parametrize("bad", [10**18, 253_402_300_800_000, -1])
def test_a_time_outside_the_calendar_is_no_match(bad):
    first = catching_up([[1, 2]], [1, 2])
    made = template_of(first, decode(first))
    assert made.fill(catching_up([[1, 2]], [1, bad])) is None


@given(st.binary(max_size=3), st.integers(0, 80), st.integers(0, 4))
def test_any_change_of_the_text_is_left_to_the_reader_of_everything_or_read_alike(noise, at, cut):
    first = json.dumps(message([1.5, 2, -3e4, 0])).encode()
    made = template_of(first, decode(first)) or template_of(
        first := json.dumps(message([1.5, 2, -3e4, 0]), ensure_ascii=False).encode(), decode(first)
    )
    broken = first[:at] + noise + first[at + cut :]
    found = made.fill(broken)
    if found is None:
        return
    draft = decode(broken)
    assert not isinstance(draft, BadPayload)
    assert not draft.reason.any()
    assert draft.codes == made.codes
    assert found[0].tolist() == [draft.time_ms[0]]
    assert same(found[1], draft.value)


@pytest.mark.parametrize(
    "more",
    [{"quality": {"PT-101": "bad"}}, {"units": {"PT-101": "MPa"}}],
)
def test_what_is_not_plain_has_no_template(more):
    body = {"time": NOW, "datastreams": {"PT-101": 1}} | more
    data = json.dumps(body).encode()
    assert template_of(data, decode(data)) is None


def test_rows_and_refused_readings_have_no_template():
    for body in (
        {"readings": [{"datastream": "a", "time": NOW, "value": 1}]},
        {"time": NOW, "datastreams": {"a": "x"}},
        {"time": NOW, "datastreams": {"a\\b": 1}},
    ):
        data = json.dumps(body).encode()
        assert template_of(data, decode(data)) is None


@pytest.mark.parametrize(
    "bad", ["01", "1.", ".5", "+1", "1e", "--1", "1e999", "NaN", "true", "nul", '"1"', "1 2", ""]
)
def test_what_is_no_number_is_no_match(bad):
    first = b'{"time": 1, "datastreams": {"a": 1}}'
    made = template_of(first, decode(first))
    assert made.fill(f'{{"time": 1, "datastreams": {{"a": {bad}}}}}'.encode()) is None


def test_many_numbers_with_seventeen_digits_are_left_to_the_reader_of_everything():
    codes = [f"T{i}" for i in range(200)]
    first = json.dumps({"time": 1, "datastreams": dict.fromkeys(codes, 1)}).encode()
    made = template_of(first, decode(first))
    some = dict.fromkeys(codes, 1) | {"T7": 63.589999999999996}
    assert made.fill(json.dumps({"time": 2, "datastreams": some}).encode())[1][7] == 63.589999999999996
    assert made.fill(json.dumps({"time": 2, "datastreams": dict.fromkeys(codes, 0.1 + 0.2)}).encode()) is None
    assert np.isfinite(
        decode(json.dumps({"time": 2, "datastreams": dict.fromkeys(codes, 0.1 + 0.2)}).encode()).value
    ).all()
