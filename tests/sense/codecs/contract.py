"""What holds for every codec of a field protocol: docs/protocols/README.md, as properties.

A codec's test module calls each of these with its own frames and its own bytes of noise.
"""

import itertools
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import strategies as st

from fengsui.sense.codecs.frame import Codec, describe_refusal, explain_refusal


def feed_in_pieces(codec: Codec, stream: bytes, cuts: list[int]):
    """All frames and refusals of a stream that comes in pieces, then falls silent; and the longest rest."""
    frames, refused, rest, longest = [], [], b"", 0
    edges = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    for begin, end in itertools.pairwise(edges):
        cut = codec.feed(rest + stream[begin:end])
        frames += cut.frames
        refused += cut.refused
        rest = cut.rest
        longest = max(longest, len(rest))
    cut = codec.feed(rest, ended=True)
    assert cut.rest == b""
    return frames + cut.frames, refused + cut.refused, longest


def any_cut_gives_the_same_frames(codec: Codec, stream: bytes, cuts: list[int]) -> None:
    whole = codec.feed(stream, ended=True)
    frames, _, _ = feed_in_pieces(codec, stream, cuts)
    assert frames == whole.frames
    assert [frame.raw for frame in frames] == [frame.raw for frame in whole.frames]


def noise_never_costs_the_frame(codec: Codec, noise: bytes, frame: bytes, cuts: list[int]) -> None:
    """Noise may hold half a header, whole false headers, other frames: the frame behind it is there."""
    expected = codec.feed(frame, ended=True).frames
    assert len(expected) == 1
    frames, _, _ = feed_in_pieces(codec, noise + frame, cuts)
    assert frames[-1:] == expected


def every_byte_is_kept(codec: Codec, stream: bytes, skipped: bytes = b"") -> None:
    """What is no frame is in a refusal: in order, and nothing is lost but ``skipped`` bytes between frames."""
    cut = codec.feed(stream, ended=True)
    frames, refused = [one.raw for one in cut.frames], [one.data for one in cut.refused]

    @cache
    def laid_out(at: int, frame: int, refusal: int) -> bool:
        """Whether the rest of the stream is the rest of the frames and refusals, each in their order."""
        if at == len(stream):
            return frame == len(frames) and refusal == len(refused)
        return (
            (
                frame < len(frames)
                and stream.startswith(frames[frame], at)
                and laid_out(at + len(frames[frame]), frame + 1, refusal)
            )
            or (
                refusal < len(refused)
                and stream.startswith(refused[refusal], at)
                and laid_out(at + len(refused[refusal]), frame, refusal + 1)
            )
            or (stream[at] in skipped and laid_out(at + 1, frame, refusal))
        )

    assert laid_out(0, 0, 0)


def arbitrary_bytes_never_raise(codec: Codec, stream: bytes, cuts: list[int], bound: int) -> None:
    """And the rest is bounded, and all that comes of them can be shown to programs and people."""
    frames, refused, longest = feed_in_pieces(codec, stream, cuts)
    assert longest <= bound + max(len(stream), 1)
    assert len(codec.feed(stream).rest) <= bound
    for frame in frames:
        shown(codec, frame)
    for one in refused:
        assert one.reason
        assert one.reason == one.reason.lower()
        json.dumps(describe_refusal(codec, one), allow_nan=False)
        rows = explain_refusal(codec, one)
        assert b"".join(row.data for row in rows) == one.data


def shown(codec: Codec, frame) -> dict:
    """A frame as JSON, and as rows that cover its bytes without gap or overlap."""
    told = codec.describe(frame)
    json.dumps(told, allow_nan=False)
    rows = codec.explain(frame)
    assert b"".join(row.data for row in rows) == frame.raw
    assert [row.offset for row in rows] == [
        0,
        *itertools.accumulate(len(row.data) for row in rows[:-1]),
    ]
    assert all(row.name.zh and row.name.en for row in rows)
    for reading in codec.measured(frame):
        assert isinstance(reading.value, float)
    return told


CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)


def noise_like(*marks: bytes):
    """Bytes with the marks of a protocol strewn in: what lies on a bad line, and what an attacker would send."""
    return st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(marks)), max_size=30).map(b"".join)


def shared(*names: str):
    """Files of public data that may not be shipped, from a folder ``shared/data`` beside or above the checkout."""
    found = [parent / "shared/data" for parent in Path(__file__).parents if (parent / "shared/data").is_dir()]
    return [
        pytest.param(
            found[0] / name if found else Path(name),
            id=name.replace("/", "-"),
            marks=pytest.mark.skipif(not found, reason="shared/data is not beside this checkout"),
        )
        for name in names
    ]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
