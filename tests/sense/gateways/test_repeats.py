"""The short way in gives the batch that the long way would, and lets nothing through that must be refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.quality import Reason
from fengsui.sense.codecs.readings_json import decode
from fengsui.sense.gateways import door
from fengsui.sense.gateways.registry import IN_SERVICE, SiteRow, Streams
from fengsui.sense.gateways.repeats import MAX_BYTES, Repeats

NOW = 1_772_323_200_000
SITE = SiteRow(7, "plant-1", "/1/", True)
CODES = ("PT-101", "TT-101", "LT-101")


def streams(stopped: int | None = None) -> Streams:
    rows = [
        [n + 10, code, "kPa", -100, 4000, True, stopped if n == 2 else None] for n, code in enumerate(CODES)
    ]
    return Streams(json.dumps(rows))


def body(values, time=NOW) -> bytes:
    return json.dumps({"time": time, "datastreams": dict(zip(CODES, values, strict=True))}).encode()


@pytest.fixture
def repeats():
    return Repeats(lambda now: (now - 1000, now + 100))


def catching_up(columns, times) -> bytes:
    return json.dumps({"time": times, "datastreams": dict(zip(CODES, columns, strict=True))}).encode()


def taught(repeats, known, values=(1, 2, 3)):
    data = body(values)
    repeats.learn(data, decode(data), SITE, known, "gw")
    return known


def test_the_second_message_takes_the_short_way_and_becomes_the_same_batch(repeats):
    known = taught(repeats, streams())
    data = body([3.5, None, -7e1], NOW + 1)
    short = repeats.enter(data, SITE, known, "gw", NOW)
    long = door.enter(decode(data), SITE, known, "gw", NOW).batch
    for name in ("datastream", "time_ms", "value", "quality", "reason"):
        one, other = getattr(short, name), getattr(long, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other, equal_nan=name == "value"), name
    assert (short.site, short.source, short.received_ms, short.refused) == (7, "gw", NOW, {})
    assert repeats.taken == 1


def test_a_message_of_many_instants_takes_the_short_way_and_becomes_the_same_batch(repeats):
    known = streams()
    first = catching_up([[1, 2], [3, 4], [5, 6]], [NOW, NOW + 1])
    repeats.learn(first, decode(first), SITE, known, "gw")
    data = catching_up([[1, None], [3.5, -4], [5, 4000]], [NOW + 2, "2026-03-01T00:00:00.003Z"])
    short = repeats.enter(data, SITE, known, "gw", NOW)
    long = door.enter(decode(data), SITE, known, "gw", NOW).batch
    for name in ("datastream", "time_ms", "value", "quality", "reason"):
        one, other = getattr(short, name), getattr(long, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other, equal_nan=name == "value"), name


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize(("value", "time"), [(4001, NOW), (-101, NOW), (1, NOW - 1001), (1, NOW + 101)])
def test_one_reading_among_many_instants_that_must_be_refused_sends_all_the_long_way(
    repeats, row, value, time
):
    known = streams()
    first = catching_up([[1, 1, 1]] * 3, [NOW, NOW + 1, NOW + 2])
    repeats.learn(first, decode(first), SITE, known, "gw")
    assert repeats.enter(first, SITE, known, "gw", NOW) is not None
    columns, times = [[1, 1, 1] for _ in CODES], [NOW, NOW + 1, NOW + 2]
    columns[row][row], times[row] = value, time + row if time == NOW else time
    assert repeats.enter(catching_up(columns, times), SITE, known, "gw", NOW) is None


def test_what_is_remembered_is_bounded_in_bytes(repeats, monkeypatch):
    monkeypatch.setattr("fengsui.sense.gateways.repeats.MAX_KEPT_BYTES", 3000)
    known, data = streams(), body((1, 2, 3))
    for n in range(100):
        repeats.learn(data, decode(data), SITE, known, f"gw-{n}")
    assert repeats.enter(data, SITE, known, "gw-0", NOW) is None
    assert repeats.enter(data, SITE, known, "gw-99", NOW) is not None


@pytest.mark.parametrize(
    ("values", "time"),
    [((1, 2, 4001), NOW), ((-101, 2, 3), NOW), ((1, 2, 3), NOW - 1001), ((1, 2, 3), NOW + 101)],
)
def test_what_must_be_refused_goes_the_long_way(repeats, values, time):
    known = taught(repeats, streams())
    assert repeats.enter(body(values, time), SITE, known, "gw", NOW) is None


def test_from_the_moment_a_datastream_is_out_of_service_the_long_way_says_so(repeats):
    known = taught(repeats, streams(stopped=NOW + 50))
    assert repeats.enter(body((1, 2, 3), NOW + 49), SITE, known, "gw", NOW) is not None
    assert repeats.enter(body((1, 2, 3), NOW + 50), SITE, known, "gw", NOW) is None
    assert known.stopped_ms.tolist()[:2] == [IN_SERVICE, IN_SERVICE]


def test_another_registry_another_site_or_another_source_has_nothing_to_repeat(repeats):
    known = taught(repeats, streams())
    data = body((1, 2, 3))
    assert repeats.enter(data, SITE, streams(), "gw", NOW) is None
    assert repeats.enter(data, SiteRow(8, "plant-2", "/2/", True), known, "gw", NOW) is None
    assert repeats.enter(data, SITE, known, "other", NOW) is None


def test_an_unknown_name_is_never_learned(repeats):
    known = streams()
    data = json.dumps({"time": NOW, "datastreams": {"PT-101": 1, "PT-999": 2}}).encode()
    repeats.learn(data, decode(data), SITE, known, "gw")
    assert repeats.enter(data, SITE, known, "gw", NOW) is None
    assert door.enter(decode(data), SITE, known, "gw", NOW).batch.reason.tolist() == [
        0,
        Reason.UNKNOWN_DATASTREAM,
    ]


def test_a_device_that_changed_its_message_is_learned_anew(repeats):
    known = taught(repeats, streams())
    other = json.dumps({"datastreams": dict.fromkeys(CODES, 1), "time": NOW}).encode()
    for _ in range(3):
        assert repeats.enter(other, SITE, known, "gw", NOW) is None
        repeats.learn(other, decode(other), SITE, known, "gw")
        if repeats.enter(other, SITE, known, "gw", NOW) is not None:
            break
    else:
        pytest.fail("never learned")


def test_a_giant_is_left_to_the_thread_that_decodes_giants(repeats):
    known = taught(repeats, streams())
    padded = body((1, 2, 3)).replace(b'"PT-101": 1', b'"PT-101": ' + b"1" * MAX_BYTES)
    assert repeats.enter(padded, SITE, known, "gw", NOW) is None
    assert repeats.enter(body((1, 2, 3)), SITE, known, "gw", NOW) is not None


@given(st.lists(st.one_of(st.none(), st.floats(-150, 4050), st.integers(-101, 4001)), min_size=3, max_size=3))
def test_whatever_the_values_the_short_way_takes_only_what_the_long_way_accepts(values):
    repeats = Repeats(lambda now: (now - 1000, now + 100))
    known = taught(repeats, streams())
    data = body(values)
    short = repeats.enter(data, SITE, known, "gw", NOW)
    good = all(v is None or -100 <= v <= 4000 for v in values)
    assert (short is not None) == good
