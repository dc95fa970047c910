"""Modbus: frames of another project, the standard's own examples, and properties of streams and registers."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs.modbus.explain import describe
from fengsui.sense.codecs.modbus.framing import (
    LONGEST_ASCII,
    LONGEST_RTU,
    LONGEST_TCP,
    Frame,
    crc16,
    encode,
    feed_ascii,
    feed_rtu,
    feed_tcp,
    lrc,
    rtu_frame,
)
from fengsui.sense.codecs.modbus.pdu import EXCEPTIONS, FUNCTIONS, Pdu, decode, read_request
from fengsui.sense.codecs.modbus.pdu import encode as encode_pdu
from fengsui.sense.codecs.modbus.points import (
    BadPoint,
    Point,
    Read,
    plan,
    reference,
    registers,
    value,
    values,
)
from tests.sense.codecs.streams import cut, fed

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent / "frames" / "modbus" / "frames.jsonl").read_text().splitlines()
]
FEED = {"tcp": feed_tcp, "rtu": feed_rtu, "ascii": feed_ascii}
LONGEST = {"tcp": LONGEST_TCP, "rtu": LONGEST_RTU, "ascii": LONGEST_ASCII}

words = st.integers(0, 0xFFFF)
requests = st.one_of(
    st.builds(
        lambda f, a, c: Pdu(f, "request", {"address": a, "count": c}),
        st.integers(1, 4),
        words,
        st.integers(1, 125),
    ),
    st.builds(lambda a, v: Pdu(6, "request", {"address": a, "value": v}), words, words),
    st.builds(
        lambda a, v: Pdu(16, "request", {"address": a, "count": len(v), "registers": v}),
        words,
        st.lists(words, min_size=1, max_size=20),
    ),
    st.builds(
        lambda a, x, y: Pdu(22, "request", {"address": a, "and_mask": x, "or_mask": y}), words, words, words
    ),
)
answers = st.one_of(
    st.builds(
        lambda f, v: Pdu(f, "answer", {"registers": v}),
        st.sampled_from([3, 4, 23]),
        st.lists(words, min_size=1, max_size=125),
    ),
    st.builds(
        lambda n, e: Pdu(n, "exception", {"exception": e, "exception_meaning": EXCEPTIONS[e]}),
        st.sampled_from(sorted(FUNCTIONS)),
        st.sampled_from(sorted(EXCEPTIONS)),
    ),
    st.builds(lambda v: Pdu(1, "answer", {"bits": [bool(v >> n & 1) for n in range(16)]}), words),
)


def frames(framing, pdus):
    return st.builds(
        Frame, st.just(framing), st.integers(0, 255), pdus, words if framing == "tcp" else st.just(0)
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: f"{s['expected']['framing']}-{s['hex'][:14]}")
def test_the_frames_of_the_other_project_say_what_it_says(sample):
    expected = sample["expected"]
    data = bytes.fromhex(sample["hex"])
    (frame,), refused, rest = FEED[expected["framing"]](data)
    assert (refused, rest) == ([], b"")
    assert frame.unit == expected["unit"]
    assert frame.transaction == expected.get("transaction", 0)
    assert frame.pdu.function == expected["pdu"]["function"]
    said = {name: v for name, v in expected["pdu"].items() if name != "function"}
    assert {name: frame.pdu.fields[name] for name in said} == said
    assert encode(frame) == data
    explained = describe(frame)
    assert json.loads(json.dumps(explained)) == explained
    assert explained["function"] == expected["pdu"]["function"]


def test_the_checks_are_those_of_the_standard():
    assert crc16(bytes.fromhex("01030000000A")).to_bytes(2, "little") == bytes.fromhex("C5CD")
    assert lrc(bytes.fromhex("010300000001")) == 0xFB


@pytest.mark.parametrize(
    ("side", "data", "fields"),
    [
        # MODBUS Application Protocol V1.1b3, the example of each chapter
        ("request", "0100130013", {"address": 0x13, "count": 0x13}),
        ("answer", "0103CD6B05", {"bits": [b == "1" for b in "101100111101011010100000"]}),
        ("request", "0200C40016", {"address": 0xC4, "count": 0x16}),
        ("answer", "0203ACDB35", {"bits": [b == "1" for b in "001101011101101110101100"]}),
        ("request", "03006B0003", {"address": 0x6B, "count": 3}),
        ("answer", "0306022B00000064", {"registers": [0x22B, 0, 0x64]}),
        ("request", "0400080001", {"address": 8, "count": 1}),
        ("answer", "0402000A", {"registers": [10]}),
        ("request", "0500ACFF00", {"address": 0xAC, "value": 0xFF00, "on": True}),
        ("answer", "0600010003", {"address": 1, "value": 3}),
        ("answer", "076D", {"status": 0x6D, "bits": [b == "1" for b in "10110110"]}),
        ("request", "080000A537", {"subfunction": 0, "value": 0xA537}),
        (
            "request",
            "0F0013000A02CD01",
            {"address": 0x13, "count": 10, "bits": [b == "1" for b in "1011001110"]},
        ),
        ("answer", "0F0013000A", {"address": 0x13, "count": 10}),
        ("request", "100001000204000A0102", {"address": 1, "count": 2, "registers": [10, 0x102]}),
        ("answer", "1000010002", {"address": 1, "count": 2}),
        ("request", "16000400F20025", {"address": 4, "and_mask": 0xF2, "or_mask": 0x25}),
        (
            "request",
            "1700030006000E00030600FF00FF00FF",
            {"address": 3, "count": 6, "write_address": 14, "registers": [255, 255, 255]},
        ),
        ("answer", "170C00FE0ACD00010003000D00FF", {"registers": [0xFE, 0xACD, 1, 3, 13, 255]}),
        ("answer", "110441424CFF", {"id": b"ABL", "running": True}),
    ],
)
def test_each_function_is_read_and_written_as_the_standard_shows(side, data, fields):
    data = bytes.fromhex(data)
    pdu = decode(data, side)
    assert isinstance(pdu, Pdu)
    assert (pdu.side, pdu.fields) == (side, fields)
    assert encode_pdu(pdu) == data
    guessed = decode(data)
    assert isinstance(guessed, Pdu)
    if guessed.side == side:
        assert guessed.fields == fields


def test_a_function_that_is_not_known_keeps_its_bytes_and_a_known_one_its_name():
    assert decode(bytes.fromhex("64010203")) == Pdu(0x64, "request", {"data": b"\x01\x02\x03"})
    assert decode(bytes.fromhex("64010203")).name == "unknown"
    assert decode(bytes.fromhex("2B0E0100")).name == "encapsulated_interface"
    assert decode(bytes.fromhex("AB01")) == Pdu(
        0x2B, "exception", {"exception": 1, "exception_meaning": "illegal_function"}
    )
    assert decode(bytes.fromhex("83FF")).fields["exception_meaning"] == "unknown"


def test_a_count_that_no_server_may_be_asked_for_is_read_and_said():
    assert decode(bytes.fromhex("0300000100"), "request").fields == {
        "address": 0,
        "count": 256,
        "illegal_count": True,
    }
    with pytest.raises(ValueError, match="no read request"):
        read_request(3, 0, 126)


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("side", ["request", "answer"])
@given(data=st.data())
def test_any_cut_of_the_stream_gives_the_same_frames(framing, side, data):
    sent = data.draw(
        st.lists(frames(framing, requests if side == "request" else answers), min_size=1, max_size=5)
    )
    stream = b"".join(map(encode, sent))
    found, refused, rest = fed(
        lambda b: FEED[framing](b, side), cut(stream, data.draw(st.lists(words, max_size=8)))
    )
    assert (found, refused, rest) == (sent, [], b"")


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@given(data=st.data())
def test_noise_before_a_frame_never_costs_the_frame(framing, data):
    """Bytes that no header can hold; a false header holds the stream up no longer than the longest frame."""
    noise = data.draw(st.lists(st.sampled_from([0x00, 0x99, 0xEE, 0x3B]), max_size=40).map(bytes))
    frame = data.draw(frames(framing, requests.filter(lambda pdu: pdu.fields["address"] > 255)))
    found, _, _ = fed(
        lambda b: FEED[framing](b, "request"), [noise, encode(frame), b"\xee" * LONGEST[framing]]
    )
    if framing == "tcp" and (0 in noise or frame.transaction % 256 == 0):
        return  # zeros before a header without a check can be a header: a TCP stream has no noise
    assert frame in found


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@given(pieces=st.lists(st.binary(max_size=400) | st.just(b":0103\r\n") | st.just(bytes(6)), max_size=6))
def test_arbitrary_bytes_never_raise_and_are_all_accounted_for(framing, pieces):
    found, refused, rest = fed(FEED[framing], pieces)
    assert len(rest) <= LONGEST[framing]
    sent = sum(map(len, pieces))
    assert (
        sum(len(bad.data) for bad in refused) + sum(len(encode(f)) for f in found) + len(rest) == sent
        or framing == "ascii"
        or any("bits" in f.pdu.fields or not f.pdu.fields for f in found)
    )


@given(st.binary(max_size=300))
def test_any_pdu_is_read_or_has_a_reason(data):
    for side in (None, "request", "answer"):
        found = decode(data, side)
        if isinstance(found, Pdu):
            assert found.name
        else:
            assert found in ("empty", "length", "function")


@pytest.mark.parametrize(
    ("framing", "data", "reason"),
    [
        ("tcp", "000100010006010300000001", "protocol"),
        ("tcp", "000100000000010300000001", "length"),
        ("rtu", "01030000000AC5CE", "checksum"),
        ("ascii", b":010300000001FA\r\n".hex(), "checksum"),
        ("ascii", b":01030000000\r\n".hex(), "hex"),
        ("ascii", b":0103\r\n".hex(), "length"),
        ("ascii", b":010300:".hex(), "no end"),
    ],
)
def test_each_refusal_has_its_reason_and_the_bytes(framing, data, reason):
    data = bytes.fromhex(data)
    found, refused, rest = FEED[framing](data)
    assert found == []
    assert refused[0].reason == reason
    assert b"".join(bad.data for bad in refused) + rest == data


def test_a_frame_between_two_pauses_may_be_of_any_function():
    body = bytes.fromhex("0141AABBCC")
    data = body + crc16(body).to_bytes(2, "little")
    assert rtu_frame(data) == Frame("rtu", 1, Pdu(0x41, "request", {"data": b"\xaa\xbb\xcc"}))
    assert rtu_frame(data[:-1] + b"\x00").reason == "checksum"
    assert rtu_frame(b"\x01").reason == "too short"


# ---- registers as values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "held"),
    [
        ("ABCD", [0x42F6, 0xE979]),
        ("CDAB", [0xE979, 0x42F6]),
        ("BADC", [0xF642, 0x79E9]),
        ("DCBA", [0x79E9, 0xF642]),
    ],
)
def test_the_four_orders_of_a_float(order, held):
    point = Point("P", "holding", 0, "float32", order)
    assert value(point, held) == pytest.approx(123.456, abs=1e-5)
    assert registers(point, 123.456) == held


KINDS = {
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": words,
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**53), 2**53),
    "uint64": st.integers(0, 2**53),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "bcd16": st.integers(0, 9999),
    "bcd32": st.integers(0, 99_999_999),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data(), order=st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_every_kind_goes_there_and_back_in_every_order(kind, data, order):
    number = data.draw(KINDS[kind])
    point = Point("P", "input", 7, kind, order)
    held = registers(point, number)
    assert len(held) == point.size
    assert value(point, held) == number


def test_scale_and_offset_are_data():
    point = Point("T", "input", 0, "int16", scale=0.1, offset=-40)
    assert value(point, [652]) == pytest.approx(25.2)
    assert registers(point, 25.2) == [652]
    with pytest.raises(BadPoint, match="does not fit"):
        registers(point, 1e9)


def test_a_bit_of_a_register_and_a_coil_are_one_or_zero():
    assert value(Point("run", "holding", 0, "bool", bit=3), [0b1000]) == 1.0
    assert value(Point("run", "coil", 0, "bool"), [True]) == 1.0
    assert math.isnan(value(Point("bcd", "input", 0, "bcd16"), [0xABCD]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40001", ("holding", 0)),
        ("400001", ("holding", 0)),
        ("30101", ("input", 100)),
        ("00017", ("coil", 16)),
        ("165536", ("discrete", 65535)),
    ],
)
def test_references_of_manuals_count_from_one(text, expected):
    assert reference(text) == expected


@pytest.mark.parametrize("text", ["", "4001", "50001", "40000", "465537", "4000x"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(BadPoint):
        reference(text)


def test_neighbours_are_read_together_and_distant_ones_apart():
    points = [
        Point("a", "holding", 0, "float32"),
        Point("b", "holding", 4),
        Point("c", "holding", 300),
        Point("d", "input", 0),
    ]
    reads = plan(points)
    assert [(r.table, r.address, r.count, [p.code for p in r.points]) for r in reads] == [
        ("holding", 0, 5, ["a", "b"]),
        ("holding", 300, 1, ["c"]),
        ("input", 0, 1, ["d"]),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["holding", "input"]),
            st.integers(0, 400),
            st.sampled_from(["int16", "float32", "float64"]),
        ),
        max_size=30,
    ),
    st.integers(0, 20),
)
def test_a_plan_reads_every_point_within_the_limits(wanted, gap):
    points = [Point(str(n), table, address, kind) for n, (table, address, kind) in enumerate(wanted)]
    reads = plan(points, gap)
    assert sorted(p.code for r in reads for p in r.points) == sorted(p.code for p in points)
    for read in reads:
        assert 1 <= read.count <= 125
        read.request()
        held = list(range(read.address, read.address + read.count))
        found = values(read, Pdu(3, "answer", {"registers": held}))
        for point in read.points:
            expected = [held[point.address - read.address + n] for n in range(point.size)]
            assert found[point.code] == value(point, expected)


def test_what_an_answer_does_not_hold_is_no_number():
    read = Read("holding", 0, 2, (Point("a", "holding", 0, "float32"),))
    assert math.isnan(values(read, Pdu(3, "answer", {"registers": [1]}))["a"])
    assert math.isnan(values(read, Pdu(3, "exception", {"exception": 2}))["a"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "coil", "address": 0, "kind": "int16"},
        {"table": "holding", "address": 65535, "kind": "float32"},
        {"table": "holding", "address": 0, "order": "ACBD"},
        {"table": "nothing", "address": 0},
        {"table": "holding", "address": 0, "bit": 16},
    ],
)
def test_a_point_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadPoint):
        Point("x", **wrong)
