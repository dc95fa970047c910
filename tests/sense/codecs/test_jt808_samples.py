"""Frames of two other projects and what their own tests say of them: decoded here, compared value by value.

Where this codec and the other project disagree, the difference is named here with who is right.
"""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fengsui.sense.codecs.jt808.frame import encode, feed
from fengsui.sense.codecs.jt808.message import body, decode

FRAMES = Path(__file__).parent / "frames" / "jt808"
CHINA = timezone(timedelta(hours=8))


def lines(name):
    return [json.loads(line) for line in (FRAMES / name).read_text(encoding="utf-8").splitlines()]


EXPECTED = lines("frames.jsonl")
ASSERTED = lines("frames_smallchi.jsonl")
UNDECODED = lines("frames_without_decoding.jsonl")
HEADER = {
    "messageId",
    "properties",
    "protocolVersion",
    "clientId",
    "serialNo",
    "verified",
    "packageTotal",
    "packageNo",
}
# what the other project's names for counts are: this codec gives the list itself
COUNTS = {"total"}


def one(sample):
    frames, refused, rest = feed(bytes.fromhex(sample["hex"]))
    assert (len(frames), refused, rest) == (1, [], b"")
    return frames[0]


def theirs(value, name=""):
    """Every value of the other project's decoding, in the order of the wire."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in HEADER and key not in COUNTS:
                yield from theirs(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from theirs(inner, name)
    else:
        yield value


def ours(value, message_id, name=""):
    """Every value of this codec's decoding, in the order of the wire, without the words for people."""
    if isinstance(value, dict) and "ad0" in value:
        yield value["ad1"] << 16 | value["ad0"]
    elif isinstance(value, dict):
        more = {"load", "count"} | ({"length"} if "company" in value else set())
        more |= {"channel", "extended", "averaged"} if "can_id" in value else set()
        for key, inner in value.items():
            if key == "reserved" and "smoking_interval_s" in value:
                yield from inner.to_bytes(3, "big")
            elif not key.endswith(("_set", "_meaning")) and key not in more:
                yield from ours(inner, message_id, key)
    elif isinstance(value, list):
        for inner in value:
            yield from ours(inner, message_id, name)
    elif isinstance(value, bytes) and (message_id, name) in {(0x8A00, "n"), (0x0705, "data")}:
        yield from value
    elif isinstance(value, bytes) and name == "reserved":
        yield int.from_bytes(value, "big")
    else:
        yield value


def agree(other, own):
    """Whether two values say the same in the units of each."""
    if isinstance(own, datetime):
        local = own.astimezone(CHINA)
        return other in (local.strftime("%Y-%m-%dT%H:%M:%S"), local.strftime("%y%m%d%H%M%S"))
    if isinstance(own, float):
        return any(abs(other - own * steps) < 1e-6 * steps for steps in (10, 1_000_000)) or other == own == 0
    if isinstance(own, bytes):
        return other == own.hex()
    if isinstance(own, str) and re.fullmatch(r"\d\d:\d\d", own):
        return other == own + ":00"
    if other == -1 and isinstance(own, int):
        return own in (0xFF, 0xFFFF, 0xFFFFFFFF)  # the standard's numbers have no sign: they read FF as -1
    return other == own


@pytest.mark.parametrize(
    "sample", EXPECTED, ids=lambda s: f"{s['msg_id']}-{2019 if s['version_2019'] else 2013}"
)
def test_the_frames_of_the_other_project_say_what_it_says(sample):
    frame, expected = one(sample), sample["expected"]
    assert frame.message_id == expected["messageId"]
    assert frame.phone == expected["clientId"]
    assert frame.serial == expected["serialNo"]
    assert frame.properties == expected["properties"]
    assert frame.protocol == expected["protocolVersion"]
    message = decode(frame)
    assert message.notes == ()
    own, other = list(ours(message.fields, frame.message_id)), list(theirs(expected))
    known = DIFFERENCES.get(frame.message_id)
    if known is not None:
        own, other = known(own, other)
    assert len(own) == len(other), (own, other)
    assert [(o, t) for o, t in zip(own, other, strict=True) if not agree(t, o)] == []


def can_time(own, other):
    """0x0705: the standard has hh mm ss and four digits of milliseconds; they keep the last six digits."""
    assert own[0].replace(":", "").replace(".", "").endswith(other[0])
    return own[1:], other[1:]


def text_type(own, other):
    """0x8300: in the 2013 form there is no type; they give their default of 0."""
    return own, [value for n, value in enumerate(other) if n != 1] if len(other) == 3 == len(
        own
    ) + 1 else other


def alarm_words(own, other):
    """0x9205: one number of 64 bits in the standard; they read two of 32."""
    at = next(n for n, value in enumerate(own) if isinstance(value, int) and n > 1)
    assert own[at] == other[3] << 32 | other[4] or own[at] == other[4] << 32 | other[3]
    return own[:at] + own[at + 1 :], other[:3] + other[5:]


DIFFERENCES = {0x0705: can_time, 0x8300: text_type, 0x9205: alarm_words}


def values_of(message):
    for value in ours(message.fields, message.message_id):
        yield value
        if isinstance(value, float):
            yield round(value * 10)
            yield round(value * 1_000_000)


@pytest.mark.parametrize(
    "sample", [s for s in ASSERTED if s["checksum_ok"]], ids=lambda s: f"{s['msg_id']}-{s['test']}"
)
def test_what_the_other_project_asserts_is_found(sample):
    """Their asserts name fields of C#; each number, text and time among them must be in the decoding."""
    frame = one(sample)
    message = decode(frame)
    values = list(values_of(message))
    numbers = {v for v in values if isinstance(v, int)} | {frame.serial, frame.protocol, len(frame.body)}
    texts = [v for v in values if isinstance(v, str)]
    for said in sample["asserted"]:
        field, value = said["field"], said["value"]
        if (sample["test"], field.split(".")[-1]) in NOT_OURS or "Length" in field or "Count" in field:
            continue
        if text := re.fullmatch(r'"(.*)"', value):
            if "TerminalPhoneNo" in field:
                assert frame.phone.lstrip("0") == text[1]
            else:
                assert any(own.lstrip("0") == text[1] for own in texts), (field, texts)
        elif time := re.fullmatch(r'DateTime\.Parse\("(.*)"\)', value):
            zone = UTC if frame.message_id == 0x8004 else CHINA
            times = [
                v.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") for v in values if isinstance(v, datetime)
            ]
            assert time[1] in times
        elif number := re.fullmatch(r"\(?u?i?n?t?\)?(0x[0-9A-Fa-f]+|\d+)u?", value):
            if "AttachInfoId" in field:
                assert any(
                    name.startswith(f"item_{number[1].lower()}") for name in additional(message.fields)
                )
            else:
                assert int(number[1], 0) in numbers, (field, numbers)


NOT_OURS = {
    # Test3 takes its frame apart with the phone of another one
    ("Test3", "TerminalPhoneNo"),
    # they leave the version at 1 in a frame of the 2011 form
    ("Test2011_2", "ProtocolVersion"),
    # a body of their own with two bytes more: kept under "rest"
    ("Test2", "Test"),
}


def additional(fields):
    where = fields if "additional" in fields else fields.get("location", {})
    return where.get("additional", {})


def test_vendor_items_with_other_widths_are_found_to_the_last_byte():
    sizes = {
        s["test"]: {k: len(v) for k, v in additional(decode(one(s)).fields).items() if isinstance(v, bytes)}
        for s in ASSERTED
        if s["msg_id"] == "0x0200"
    }
    assert sizes["Test2_1_1"] == {"item_0xdf": 66}
    assert sizes["Test2_2_2"] == {"item_0xdd": 66}
    assert sizes["Test2_2_1"] == {"item_0xde": 66}
    longest = max(sizes.values(), key=len)
    assert longest == {
        "item_0xdf": 66,
        "item_0xde": 66,
        "item_0xdd": 66,
        "item_0x62": 256,
        "item_0xca": 1,
        "item_0xcb": 2,
        "item_0xcd": 2,
    }


def test_a_frame_with_a_wrong_check_byte_is_refused_with_its_reason():
    wrong = [s for s in ASSERTED + UNDECODED if not s["checksum_ok"]]
    assert wrong
    for sample in wrong:
        frames, refused, _ = feed(bytes.fromhex(sample["hex"]), ended=True)
        assert frames == []
        assert [bad.reason for bad in refused] == ["checksum"]
        assert refused[0].data == bytes.fromhex(sample["hex"])


@pytest.mark.parametrize("sample", [s for s in UNDECODED if s["checksum_ok"]], ids=lambda s: s["msg_id"])
def test_every_frame_without_a_decoding_has_a_message_of_the_standard(sample):
    frame = one(sample)
    message = decode(frame)
    assert f"0x{frame.message_id:04X}" == sample["msg_id"]
    assert message.name != "unknown"
    assert "body" not in message.fields
    assert "rest" not in message.fields


@pytest.mark.parametrize(
    "sample", [s for s in EXPECTED + ASSERTED + UNDECODED if s["checksum_ok"]], ids=lambda s: s["msg_id"]
)
def test_what_was_decoded_is_written_back_byte_for_byte(sample):
    frame = one(sample)
    if frame.departures:  # a 2019 header without its bit is written with it
        return
    assert encode(frame) == bytes.fromhex(sample["hex"])
    if not frame.total and not UNWRITTEN.get(sample.get("test")):
        written = body(frame.message_id, decode(frame).fields, frame.is_2019)
        if frame.message_id == 0x8400:
            written = written.ljust(len(frame.body), b"\0")  # "at most 20 bytes": they fill them up
        assert written == frame.body


# items of vendors' own widths are written in the standard's, the 2011 form as the one of 2013
UNWRITTEN = dict.fromkeys((s["test"] for s in ASSERTED if s["msg_id"] == "0x0200"), True) | {
    "Test2011_2": True
}
