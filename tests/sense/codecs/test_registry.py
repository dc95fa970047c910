"""Every field protocol answers under its name, also for bytes that are none of its frames."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs.frame import describe_refusal
from fengsui.sense.codecs.registry import CODECS

FRAMES = Path(__file__).parent / "frames"
PAGES = (Path(__file__).parents[3] / "docs/protocols/README.md").read_text()
JT808 = [json.loads(line) for line in (FRAMES / "jt808/frames.jsonl").read_text().splitlines()]
MODBUS = [json.loads(line) for line in (FRAMES / "modbus/frames.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", CODECS)
def test_every_protocol_has_its_line_in_the_docs(name):
    assert CODECS[name].name == name
    assert f"`{name}`" in PAGES


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=120))
def test_no_bytes_are_lost_in_silence_and_none_raise(name, data):
    codec = CODECS[name]
    cut = codec.feed(data, ended=True)
    assert cut.rest == b""
    for frame in cut.frames:
        json.dumps(codec.describe(frame))
    for refused in cut.refused:
        json.dumps(describe_refusal(codec, refused))
    if data.strip(b"\r\n\t ~@\xef\xbb\xbf"):  # blanks between frames, with the mark before UTF-8
        assert cut.frames or cut.refused


@pytest.mark.parametrize("sent", JT808, ids=lambda sent: sent["msg_id"])
def test_a_whole_frame_of_a_terminal_leaves_nothing_over(sent):
    cut = CODECS["jt808"].feed(bytes.fromhex(sent["hex"]), ended=True)
    assert (len(cut.frames), cut.refused) == (1, [])
    assert CODECS["jt808"].describe(cut.frames[0])["message_id"] == sent["msg_id"].upper().replace("0X", "0x")


def test_a_frame_of_a_terminal_that_ends_too_early_is_refused_as_cut():
    cut = CODECS["jt808"].feed(bytes.fromhex(JT808[0]["hex"])[:-1], ended=True)
    assert [refused.reason for refused in cut.refused] == ["cut"]


@pytest.mark.parametrize("sent", MODBUS, ids=lambda sent: sent["hex"][:24])
def test_a_frame_of_modbus_is_read_under_the_name_of_its_transport(sent):
    expected = sent["expected"]
    codec = CODECS[f"modbus-{expected['framing']}"]
    cut = codec.feed(bytes.fromhex(sent["hex"]), ended=True)
    assert (len(cut.frames), cut.refused) == (1, [])
    assert codec.describe(cut.frames[0])["unit"] == expected["unit"]
