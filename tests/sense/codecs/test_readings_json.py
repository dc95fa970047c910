"""The JSON codec: good messages become columns, bad ones an answer that names the place, and nothing ever raises."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.quality import Reason
from fengsui.sense.codecs import readings_json as codec
from fengsui.sense.codecs.readings_json import BadPayload, Draft, decode

NOW = 1_772_323_200_000  # 2026-03-01T00:00:00Z


def draft(message) -> Draft:
    found = decode(message if isinstance(message, bytes) else json.dumps(message).encode())
    assert isinstance(found, Draft), found
    return found


def refusal(message) -> str:
    found = decode(message if isinstance(message, bytes) else json.dumps(message).encode())
    assert isinstance(found, BadPayload)
    return str(found)


def as_rows(d: Draft) -> list[tuple]:
    units = d.unit if d.unit is not None else np.zeros(len(d), int)
    return [
        (codec.text(d.codes[c]), t, None if math.isnan(v) else v, q, r, codec.text(d.units[u]))
        for c, t, v, q, r, u in zip(
            d.code,
            d.time_ms.tolist(),
            d.value.tolist(),
            d.quality.tolist(),
            d.reason.tolist(),
            units,
            strict=True,
        )
    ]


def test_columns_at_one_instant():
    d = draft({"site": "p", "time": NOW, "datastreams": {"PT": 2705.1, "TT": None}})
    assert d.site == "p"
    assert as_rows(d) == [("PT", NOW, 2705.1, 0, 0, ""), ("TT", NOW, None, 0, 0, "")]


def test_columns_at_several_instants_with_quality_and_units():
    d = draft(
        {
            "time": ["2026-03-01T08:00:00+08:00", "2026-03-01T00:00:01Z"],
            "datastreams": {"PT": [1, 2], "TT": [3, None]},
            "quality": {"PT": ["good", "bad"], "TT": "uncertain"},
            "units": {"TT": "K"},
        }
    )
    assert as_rows(d) == [
        ("PT", NOW, 1, 0, 0, ""),
        ("PT", NOW + 1000, 2, 2, 0, ""),
        ("TT", NOW, 3, 1, 0, "K"),
        ("TT", NOW + 1000, None, 1, 0, "K"),
    ]


def test_rows():
    d = draft(
        {
            "readings": [
                {"datastream": "PT", "time": "2026-03-01T00:00:00.250Z", "value": 1.5},
                {"datastream": "TT", "time": NOW, "value": 20, "quality": "bad", "unit": "°C"},
                {"datastream": "PT", "time": NOW, "value": None},
            ]
        }
    )
    assert d.site is None
    assert as_rows(d) == [
        ("PT", NOW + 250, 1.5, 0, 0, ""),
        ("TT", NOW, 20, 2, 0, "°C"),
        ("PT", NOW, None, 0, 0, ""),
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('"12.3"', "must be a number"),
        ("true", "must be a number"),
        ("[1]", "must be a number"),
        ("{}", "must be a number"),
        ("NaN", "not a finite number"),
        ("-Infinity", "not a finite number"),
        ("1e999", "not a finite number"),
        ("9" * 6000, "not a finite number"),
    ],
)
def test_a_value_that_is_no_number_is_refused_alone(value, why):
    message = f'{{"readings":[{{"datastream":"a","time":{NOW},"value":{value}}},'
    message += f'{{"datastream":"b","time":{NOW},"value":2}}]}}'
    d = draft(message.encode())
    assert d.reason.tolist() == [Reason.UNPARSABLE, 0]
    assert why in d.message[0]
    assert d.sent[0].code == "a"
    assert d.value[1] == 2


@pytest.mark.parametrize(
    "time",
    ["2026-03-01T00:00:00", "yesterday", -1, 10**15, 1e12, True, None, [], "", "9999999-01-01T00:00:00Z"],
)
def test_an_absurd_time_is_refused_alone(time):
    d = draft(
        {
            "readings": [
                {"datastream": "a", "time": time, "value": 1},
                {"datastream": "a", "time": NOW, "value": 2},
            ]
        }
    )
    assert d.reason.tolist() == [Reason.UNPARSABLE, 0]
    assert '"time"' in d.message[0]


def test_a_clock_ten_years_off_is_not_for_the_codec_to_judge():
    assert not draft({"time": "2016-03-01T00:00:00Z", "datastreams": {"a": 1}}).reason.any()


def test_a_column_of_the_wrong_length_is_refused_whole_and_the_others_are_kept():
    d = draft({"time": [NOW, NOW + 1], "datastreams": {"a": [1], "b": [1, 2], "c": 3}})
    assert [(d.codes[c], r) for c, r in zip(d.code, d.reason, strict=True)] == [
        ("a", 1), ("a", 1), ("b", 0), ("b", 0), ("c", 1), ("c", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reading",
    [
        {"datastream": "a", "time": NOW},
        {"time": NOW, "value": 1},
        {"datastream": "a", "value": 1},
        {"datastream": "", "time": NOW, "value": 1},
        {"datastream": 7, "time": NOW, "value": 1},
        {"datastream": "a", "time": NOW, "value": 1, "quality": "fine"},
        {"datastream": "a", "time": NOW, "value": 1, "quality": 0},
        {"datastream": "a", "time": NOW, "value": 1, "unit": 3},
        {"datastream": "a", "time": NOW, "value": 1, "qualty": "bad"},
        "a", None, [], 3,
    ],
)  # fmt: skip
def test_a_reading_of_another_form_is_refused_alone(reading):
    d = draft({"readings": [reading, {"datastream": "a", "time": NOW, "value": 2}]})
    assert d.reason.tolist() == [Reason.UNPARSABLE, 0]
    assert d.message[0]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8: byte 0"),
        (b"{", "not JSON"),
        (b"[1]", "an object"),
        (b"{}", "either"),
        (b'{"time":1,"datastreams":{"a":1},"readings":[]}', "either"),
        (b'{"time":1,"datastreams":{"a":1,"a":2}}', "'a' stands twice"),
        (b'{"time":1,"time":2,"datastreams":{"a":1}}', "'time' stands twice"),
        (b'{"readings":[{"datastream":"a","time":1,"value":1,"value":2}]}', "'value' stands twice"),
        (b'{"datastreams":{"a":1}}', '"time" is missing'),
        (b'{"time":1,"datastreams":{}}', "not be empty"),
        (b'{"time":[],"datastreams":{"a":[]}}', "not be empty"),
        (b'{"time":1,"datastreams":[1]}', "must be an object"),
        (b'{"time":1,"datastreams":{"a":1},"units":{"b":"K"}}', "speaks of 'b'"),
        (b'{"readings":[]}', "at least one"),
        (b'{"readings":{}}', "must be a list"),
        (b'{"site":3,"readings":[1]}', '"site" must be text'),
        (b'{"time":1,"reading":[]}', "field 'reading' is not known"),
        (b'{"time":1,"readings":[1]}', '"time" belongs to each reading'),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"time":1,"datastreams":' + b'{"a":' * 200_000, "nested too deeply"),
        (b"[" + b"1," * 7_000_000 + b"1]", "more than 1000000 readings"),
    ],
)
def test_a_message_that_cannot_be_read_says_why(message, why):
    assert why in refusal(message)


def test_the_first_bad_bytes_do_not_make_text_that_a_database_refuses():
    assert "\x00" not in codec.raw(b"\x00\xff{")
    assert codec.raw(b"x" * 10_000) == "x" * codec.RAW_LIMIT
    d = draft(b'{"time":1,"datastreams":{"\\u0000":"\\u0000\\ud800"}}')
    assert d.sent[0].code == "\N{SYMBOL FOR NULL}"
    d.sent[0].value.encode("utf-8")


def test_markup_and_sql_in_a_name_stay_plain_text():
    name = "<script>alert(1)</script>'; DROP TABLE x;--"
    assert draft({"time": NOW, "datastreams": {name: 1}}).codes == (name,)


def test_escaped_names_and_a_byte_order_mark_are_read():
    assert draft(b'\xef\xbb\xbf{"time":1,"datastreams":{"\\u6c34\\u4f4d":1}}').codes == ("水位",)
    assert draft(b'{"time":1,"datastreams":{"a\\"b":1,"c\\\\":2}}').codes == ('a"b', "c\\")


code = st.text(min_size=1, max_size=8)
number = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
instant = st.integers(0, codec.MAX_TIME_MS) | st.datetimes().filter(lambda d: d.year >= 1970).map(
    lambda d: d.isoformat() + "Z"
)
quality = st.sampled_from(["good", "uncertain", "bad"])


@st.composite
def columns(draw):
    several = draw(st.booleans())
    times = draw(st.lists(instant, min_size=1, max_size=4))
    names = draw(st.lists(code, min_size=1, max_size=4, unique=True))
    n = len(times)
    message = {"time": times if several else times[0], "datastreams": {}}
    for name in names:
        message["datastreams"][name] = (
            draw(st.lists(number, min_size=n, max_size=n)) if several else draw(number)
        )
    if draw(st.booleans()):
        one = quality | st.lists(quality, min_size=n, max_size=n) if several else quality
        message["quality"] = draw(st.dictionaries(st.sampled_from(names), one))
    if draw(st.booleans()):
        message["units"] = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(["K", "", "°C"])))
    if draw(st.booleans()):
        message["site"] = draw(code)
    return message


row = st.fixed_dictionaries(
    {"datastream": code, "time": instant, "value": number}, optional={"quality": quality, "unit": code}
)
message = columns() | st.fixed_dictionaries({"readings": st.lists(row, min_size=1, max_size=5)})


@given(message, st.booleans())
def test_the_fast_and_the_slow_path_agree(message, ascii_only):
    data = json.dumps(message, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    fast, slow = decode(data), codec._read_slowly(data)
    if isinstance(slow, BadPayload):
        assert str(fast) == str(slow)
        return
    assert as_rows(fast) == as_rows(slow)
    assert (codec.text(fast.site or ""), fast.message) == (slow.site or "", slow.message)


@given(st.binary(max_size=300))
def test_no_bytes_raise(data):
    assert isinstance(decode(data), Draft | BadPayload)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["time", "readings", "datastreams", "site", "quality", "units", "value", "datastream", "a"]),
        inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=400)
@given(json_value)
def test_no_json_raises_and_every_refused_reading_has_its_reason(value):
    found = decode(json.dumps(value).encode())
    if isinstance(found, BadPayload):
        assert str(found)
        return
    n = len(found)
    assert all(len(c) == n for c in (found.code, found.time_ms, found.value, found.quality, found.reason))
    assert set(np.flatnonzero(found.reason)) == set(found.message) == set(found.sent)
    assert not np.isinf(found.value).any()
    assert ((found.time_ms >= 0) & (found.time_ms <= codec.MAX_TIME_MS)).all()


@given(message, st.data())
def test_any_cut_or_noise_gives_an_answer(message, data):
    whole = json.dumps(message).encode()
    cut = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=4))
    assert isinstance(decode(whole[:cut] + noise + whole[cut:]), Draft | BadPayload)
    assert isinstance(decode(whole[:cut]), Draft | BadPayload)


def test_a_refused_giant_costs_no_more_than_its_size():
    giant = {"time": [NOW] * 20_000, "datastreams": {"a": {"x": [1] * 20_000}}}
    started = time.process_time()
    d = draft(giant)
    assert time.process_time() - started < 5
    assert len(d) == 20_000
    assert max(len(s.value) for s in d.sent.values()) <= codec.TEXT_LIMIT
