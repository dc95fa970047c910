"""Packets, program streams, frames and fragments: real pictures of H.264 and H.265, checked against FFmpeg (PyAV)."""

import io
import itertools
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.media import fmp4, frames, nal, ps, rtp
from tests.sense.codecs.pictures import encoded
from tests.sense.codecs.streams import cut

CODECS = ("h264", "h265")
TICKS = 3600


def stream(codec: str, count: int = 30) -> bytes:
    return b"".join(
        ps.mux(data, TICKS * n, codec=codec, is_key=is_key)
        for n, (is_key, data) in enumerate(encoded(codec)[:count])
    )


def read(pieces) -> list[frames.Frame]:
    demuxer, framer, out = ps.Demuxer(), None, []
    for piece in pieces:
        for chunk in demuxer.feed(piece):
            framer = framer or frames.Framer(chunk.codec)
            out += framer.feed(chunk.data, chunk.pts, chunk.dts)
    return out + (framer.flush() if framer else [])


def plain(data: bytes) -> list[bytes]:
    return nal.split(data)


# -- RTP ----------------------------------------------------------------------------------------------------------

PACKETS = st.builds(
    rtp.Packet, st.integers(0, 127), st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.booleans(), st.binary(max_size=40),
)  # fmt: skip


@given(PACKETS)
def test_packets_go_there_and_back(packet):
    assert rtp.read(rtp.encode(packet)) == packet


@given(st.binary(max_size=60))
def test_no_datagram_raises(data):
    assert isinstance(rtp.read(data), rtp.Packet | BadFrame)
    assert isinstance(rtp.read(b"\xbf" + data), rtp.Packet | BadFrame)


def test_extension_sources_and_padding_are_no_payload():
    data = bytes([0xB1, 96]) + bytes(10) + b"\0\0\0\1" + b"\xbe\xde\0\1" + b"extn" + b"payload" + b"\0\0\3"
    assert rtp.read(data).payload == b"payload"


@given(
    st.lists(PACKETS, min_size=1, max_size=6),
    st.lists(st.integers(0, 999), max_size=5),
)
def test_packets_of_a_tcp_stream_are_the_same_whatever_the_cuts(packets, cuts):
    data = b"".join(rtp.framed(packet) for packet in packets)
    out, rest = [], b""
    for piece in cut(data, cuts):
        got = rtp.feed_tcp(rest + piece)
        out += got.frames
        assert got.refused == []
        rest = got.rest
    assert (out, rest) == (packets, b"")


@given(st.binary(max_size=300))
def test_every_byte_of_a_tcp_stream_is_in_a_packet_or_a_refusal(data):
    got = rtp.feed_tcp(data, ended=True)
    assert got.rest == b""
    sizes = sum(len(one.data) for one in got.refused)
    assert sizes <= len(data)
    assert (sizes == len(data)) == (not got.frames)


def sequence(first: int, count: int) -> list[rtp.Packet]:
    return rtp.packetise(bytes(rtp.MAX_PAYLOAD * count), sequence=first, timestamp=0, ssrc=1)


@given(st.integers(0, 0xFFFF), st.randoms(use_true_random=False))
def test_packets_out_of_order_come_out_in_order(first, random):
    packets = sequence(first, 40)
    shaken = packets[:1] + sorted(
        packets[1:], key=lambda p: (p.sequence - first) % 65536 + random.random() * 6
    )
    again = [one for packet in shaken for one in (packet, packet)]  # and each of them twice
    reorder = rtp.Reorder(16)
    out = [one for packet in again for one in reorder.push(packet)] + reorder.flush()
    assert out == packets
    assert (reorder.counts.lost, reorder.counts.late) == (0, 40)


@given(st.integers(0, 0xFFFF), st.sets(st.integers(1, 90), max_size=20))
def test_what_never_came_is_counted_and_marked(first, missing):
    packets = [packet for n, packet in enumerate(sequence(first, 100)) if n not in missing]
    reorder = rtp.Reorder(16)
    out = [one for packet in packets for one in reorder.push(packet)] + reorder.flush()
    assert [one for one in out if one is not None] == packets
    assert reorder.counts.lost == len(missing)
    runs = sum(1 for n in missing if n - 1 not in missing)
    assert out.count(None) == runs


def test_a_sender_that_begins_anew_is_followed():
    reorder = rtp.Reorder(16)
    out = [one for packet in [*sequence(40_000, 5), *sequence(100, 5)] for one in reorder.push(packet)]
    assert [one and one.sequence for one in out] == [*range(40_000, 40_005), None, *range(100, 105)]


# -- program streams and frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_frames_come_out_as_the_encoder_made_them(codec):
    out = read([stream(codec)])
    assert [(f.codec, f.is_key, f.pts) for f in out] == [
        (codec, is_key, TICKS * n) for n, (is_key, _) in enumerate(encoded(codec)[:30])
    ]
    assert [f.units for f in out] == [plain(data) for _, data in encoded(codec)[:30]]


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=20))
def test_any_cut_gives_the_same_frames(codec, cuts):
    assert read(cut(stream(codec, 8), cuts)) == read([stream(codec, 8)])


@given(st.binary(max_size=400), st.booleans())
def test_arbitrary_bytes_never_raise(data, behind_a_pack):
    demuxer, framer = ps.Demuxer(), frames.Framer()
    for chunk in demuxer.feed((ps.mux(b"", 0, is_key=True) if behind_a_pack else b"") + data):
        framer.feed(chunk.data, chunk.pts)
    framer.feed(data)
    framer.flush()
    nal.picture("h264", nal.split(data))
    nal.picture("h265", nal.split(b"\0\0\1\x42\1" + data))


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=30)
@given(place=st.integers(0, 1 << 20), count=st.integers(1, 3))
def test_after_lost_bytes_only_whole_frames_come(codec, place, count):
    """Some packets never come: the frames they were of are left out, no other is changed."""
    packets = rtp.packetise(stream(codec, 40), sequence=0, timestamp=0, ssrc=1)
    place %= max(1, len(packets) - count)
    demuxer, framer, out = ps.Demuxer(), frames.Framer(codec), []
    for packet in [*packets[:place], None, *packets[place + count :]]:
        if packet is None:
            demuxer.lose()
            framer.lose()
            continue
        for chunk in demuxer.feed(packet.payload):
            out += framer.feed(chunk.data, chunk.pts)
    sent = [plain(data) for _, data in encoded(codec)[:40]]
    assert all(frame.units in sent for frame in out)
    lost = {n for n in range(40)} - {sent.index(f.units) for f in out}
    assert len(lost) <= 3 + 1400 * count // min(len(data) for _, data in encoded(codec)[:40])


def test_noise_between_packets_is_skipped_and_counted():
    demuxer = ps.Demuxer()
    first, second = (ps.mux(data, n, is_key=is_key) for n, (is_key, data) in enumerate(encoded("h264")[:2]))
    out = demuxer.feed(b"noise!" + first + b"more noise" + second)
    assert [chunk.data for chunk in out] == [data for _, data in encoded("h264")[:2]]
    assert demuxer.skipped_bytes == 16
    assert [one.reason for one in demuxer.refused] == ["noise", "noise"]


def test_a_frame_in_many_packets_is_one_and_a_packet_without_length_reaches_to_the_next_pack():
    is_key, data = encoded("h264")[0]
    large = data + nal.annex_b([b"\x0c" + b"\xff" * 200_000])  # filler, as cameras at a fixed rate send it
    assert [f.units for f in read([ps.mux(large, 0, is_key=is_key)])] == [plain(large)]
    endless = bytearray(ps.mux(data, 0, is_key=is_key))
    at = endless.index(b"\0\0\1\xe0")
    endless[at + 4 : at + 6] = b"\0\0"
    assert read([bytes(endless) + ps.mux(*[encoded("h264")[1][1], TICKS], is_key=False)])[0].units == plain(
        data
    )


def test_the_program_stream_of_ffmpeg_is_read():
    """FFmpeg packs frames without regard to packets; its own bytes of H.264 come out in the same frames."""
    target, raw = io.BytesIO(), io.BytesIO(b"".join(data for _, data in encoded("h264")))
    with av.open(raw, format="h264") as source, av.open(target, "w", format="vob") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        for n, packet in enumerate(p for p in source.demux() if p.size):
            packet.stream, packet.pts, packet.dts, packet.time_base = video, n, n, Fraction(1, 25)
            out.mux(packet)
    assert [f.units for f in read([target.getvalue()])] == [plain(data) for _, data in encoded("h264")]


@pytest.mark.parametrize("codec", CODECS)
def test_our_program_stream_is_read_by_ffmpeg(codec):
    with av.open(io.BytesIO(stream(codec)), format="mpeg") as source:
        video = source.streams.video[0]
        assert video.codec_context.name == {"h264": "h264", "h265": "hevc"}[codec]
        assert sum(1 for _ in source.decode(video)) == 30


@pytest.mark.parametrize("codec", CODECS)
def test_the_fragments_are_read_by_ffmpeg(codec):
    out = read([stream(codec)])
    picture = nal.picture(codec, out[0].units)
    assert (picture.width, picture.height) == (192, 144)
    samples = [fmp4.Sample(nal.length_prefixed(f.units), TICKS, f.is_key) for f in out]
    data = (
        fmp4.opening(picture)
        + fmp4.fragment(1, 9000, samples[:25])
        + fmp4.fragment(2, 9000 + 25 * TICKS, samples[25:])
    )
    with av.open(io.BytesIO(data)) as source:
        video = source.streams.video[0]
        shown = list(source.decode(video))
        assert str(video.time_base) == "1/90000"
    assert [f.pts for f in shown] == [9000 + TICKS * n for n in range(30)]
    assert [f.key_frame for f in shown] == [f.is_key for f in out]
    assert (shown[0].width, shown[0].height) == (192, 144)


@pytest.mark.parametrize(("codec", "begins"), [("h264", "avc1."), ("h265", "hvc1.1.6.")])
@pytest.mark.parametrize("size", [(192, 144), (640, 360), (1918, 1078)])
def test_the_parameter_sets_say_codec_and_size(codec, begins, size):
    """Sizes that are no multiple of a block are cut out of the coded picture."""
    picture = nal.picture(codec, nal.split(encoded(codec, 1, *size)[0][1]))
    assert picture.codecs.startswith(begins)
    assert (picture.width, picture.height) == size


def test_units_are_split_and_joined():
    units = [b"\x67abc", b"\x68d", b"\x65" + b"\1\2" * 9]
    assert nal.split(b"\0" + nal.annex_b(units) + b"\0\0") == units
    assert nal.length_prefixed(units)[:8] == b"\0\0\0\x04\x67abc"
    assert list(itertools.accumulate(len(u) + 4 for u in units))[-1] == len(nal.length_prefixed(units))
