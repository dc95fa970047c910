"""The contract of docs/protocols/README.md, for every codec of the registry: frames, cuts, noise, arbitrary bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.sense.codecs.frame import explain_refusal
from fengsui.sense.codecs.registry import CODECS
from tests.sense.codecs import contract
from tests.sense.codecs.seeds import DATAGRAMS, UNMARKED, frames_of

STREAMS = [name for name in CODECS if name not in DATAGRAMS]
SKIPPED = {"hj212": b"\r\n", "gb28181": b"\r\n", "jt808": b"\x7e", "chem-json": b" \t\r\n\xef\xbb\xbf"}
BOUND = 1 << 17


@st.composite
def streams(draw, name):
    """Whole frames, beginnings and ends of frames, frames with a byte changed, and noise."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        frame = draw(st.sampled_from(frames_of(name)))
        what = draw(st.sampled_from(["whole", "begun", "ended", "changed", "noise"]))
        at = draw(st.integers(0, len(frame) - 1))
        pieces.append({
            "whole": frame, "begun": frame[:at], "ended": frame[at:],
            "changed": frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :],
            "noise": draw(st.binary(max_size=8)) if what == "noise" else b"",
        }[what])  # fmt: skip
    return b"".join(pieces)


@pytest.mark.parametrize("name", CODECS)
def test_every_good_frame_is_shown_field_by_field(name):
    codec = CODECS[name]
    for sent in frames_of(name):
        cut = codec.feed(sent, ended=True)
        assert (len(cut.frames), cut.refused, cut.frames[0].raw) == (1, [], sent)
        told = contract.shown(codec, cut.frames[0])
        assert told["departures"] == list(cut.frames[0].departures)
        assert len(codec.explain(cut.frames[0])) >= 4
        assert all(row.name.zh and row.name.en and row.data for row in codec.explain(cut.frames[0]))


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=25)
@given(data=st.data(), cuts=contract.CUTS)
def test_any_cut_gives_the_same_frames_and_every_byte_is_kept(name, data, cuts):
    codec = CODECS[name]
    stream = data.draw(streams(name))
    contract.any_cut_gives_the_same_frames(codec, stream, cuts)
    contract.every_byte_is_kept(codec, stream, SKIPPED.get(name, b""))
    contract.arbitrary_bytes_never_raise(codec, stream, cuts, BOUND)


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in UNMARKED])
@settings(max_examples=25)
@given(data=st.data(), cuts=contract.CUTS)
def test_noise_never_costs_the_frame(name, data, cuts):
    frame = data.draw(st.sampled_from(frames_of(name)))
    noise = data.draw(
        st.binary(max_size=40) | st.sampled_from(frames_of(name)).map(lambda f: f[: len(f) // 2])
    )
    contract.noise_never_costs_the_frame(CODECS[name], noise, frame, cuts)


@pytest.mark.parametrize("name", ["jt808", "modbus-rtu", "modbus-ascii", "fire-water-pressure"])
def test_a_frame_with_a_wrong_checksum_is_explained_and_says_what_it_should_be(name):
    codec, sent = CODECS[name], bytearray(frames_of(name)[0])
    at = {"modbus-ascii": 4}.get(name, len(sent) // 2)
    sent[at] = ord("A") if name == "modbus-ascii" else sent[at] ^ 1
    (refused,) = codec.feed(bytes(sent), ended=True).refused
    assert refused.reason == "checksum"
    rows = explain_refusal(codec, refused)
    assert b"".join(row.data for row in rows) == bytes(sent)
    assert any("should be" in str(row.meaning) for row in rows)
