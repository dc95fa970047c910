"""Calls: real RTP of a simulated camera becomes segments that a browser plays, and still pictures."""

import asyncio
import contextlib
import io
from dataclasses import replace

import av
import pytest

from fengsui.sense.gateways.gb28181.calls import Calls, Media, Pictures
from fengsui.sense.gateways.gb28181.platform import VideoRefused
from fengsui.sense.gateways.gb28181.transport import NoAnswer
from tests.sense.gateways.gb28181.world import CHANNELS, DEVICE, QUICK, add, in_db, until, world

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = CHANNELS[0][0]
PATIENT = replace(QUICK, keepalive_s=30)
SMALL = {"width": 160, "height": 120, "fps": 10, "channels": CHANNELS[:1]}


@contextlib.asynccontextmanager
async def calling(bus, plant, tmp_path, *, media=None, **nature):
    await in_db(add, plant)
    async with world(bus, PATIENT) as here, here.camera(**SMALL | nature) as camera:
        calls = Calls(here.platform, replace(media or Media(tmp_path / "video"), ports=(31_000, 31_400)))
        try:
            await until(lambda: (DEVICE, FIRST) in here.platform.channels, "the camera")
            yield here, camera, calls, here.platform.channels[DEVICE, FIRST]
        finally:
            await calls.close()


def shown(folder) -> list:
    """The pictures of every segment in the list, decoded."""
    lines = (folder / "index.m3u8").read_text().splitlines()
    opening = next(line for line in lines if "EXT-X-MAP" in line).split('"')[1]
    parts = [line for line in lines if line.endswith(".m4s")]
    data = b"".join((folder / name).read_bytes() for name in (opening, *parts))
    with av.open(io.BytesIO(data)) as source:
        return list(source.decode(source.streams.video[0]))


@pytest.mark.parametrize(("transport", "codec"), [("udp", "h264"), ("tcp", "h265")])
async def test_a_called_camera_is_shown_until_nobody_watches(clean_bus, plant, tmp_path, transport, codec):
    media = Media(tmp_path / "video", transport=transport)
    async with calling(clean_bus, plant, tmp_path, media=media, codec=codec) as (
        _here,
        camera,
        calls,
        channel,
    ):
        live, again = await asyncio.gather(calls.watch(channel), calls.watch(channel))
        assert live is again
        assert len(camera.calls) == 1
        folder = live.stream.segments.folder
        await until(lambda: live.stream.segments.number >= 2, "two segments")
        pictures = shown(folder)
        assert {(p.width, p.height) for p in pictures} == {(160, 120)}
        assert pictures[0].key_frame
        assert len(pictures) >= 10
        assert live.stream.codec == codec
        assert (live.stream.counts["refused"], live.stream.damaged, live.stream.reorder.counts.lost) == (
            0,
            0,
            0,
        )
        live.watched -= 600
        await until(lambda: not camera.calls, "the camera to hear BYE")
        assert not folder.exists()
        assert calls.counts["ended_unwatched"] == 1


async def test_a_still_picture_of_a_camera_that_nobody_watches(clean_bus, plant, tmp_path):
    async with calling(clean_bus, plant, tmp_path) as (_here, camera, calls, channel):
        data = await calls.still(channel)
        with av.open(io.BytesIO(data), format="mjpeg") as source:
            (picture,) = source.decode(source.streams.video[0])
        assert (picture.width, picture.height) == (160, 120)
        assert picture.to_ndarray(format="rgb24").std() > 30  # the bars of the test picture, no grey field
        await camera.hang_up()
        await until(lambda: not calls.live, "the call to be over")
        assert calls.counts["ended_hung_up"] == 1


async def test_lost_packets_cost_frames_and_nothing_else(clean_bus, plant, tmp_path):
    async with calling(clean_bus, plant, tmp_path, lose_every=15, width=320, height=240) as (
        _,
        _,
        calls,
        channel,
    ):
        stream = (await calls.watch(channel)).stream
        await until(
            lambda: stream.segments.number >= 2 and stream.damaged,
            "segments, and loss of parts of frames",
            40,
        )
        assert stream.reorder.counts.lost >= stream.damaged
        assert shown(stream.segments.folder)


async def test_a_camera_that_says_no_or_nothing_is_told_apart(clean_bus, plant, tmp_path):
    media = Media(tmp_path / "video", first_s=2)
    async with calling(clean_bus, plant, tmp_path, media=media) as (_here, camera, calls, channel):
        with pytest.raises(VideoRefused, match="404"):
            await calls.watch(replace(channel, code="34020000001320000099", id=99))
        with pytest.raises(VideoRefused, match="not online"):
            await calls.watch(replace(channel, device="34020000001180000077", id=98))
        camera._send_pictures = lambda call: asyncio.sleep(0)
        with pytest.raises(NoAnswer, match="no picture"):
            await calls.watch(channel)
        await until(lambda: not camera.calls, "BYE")
        assert not calls.live


async def test_packets_of_somebody_else_are_not_shown(clean_bus, plant, tmp_path):
    from fengsui.sense.codecs.media import rtp

    async with calling(clean_bus, plant, tmp_path) as (_here, _camera, calls, channel):
        live = await calls.watch(channel)
        before = live.stream.reorder.counts.received
        calls.take(live, rtp.encode(rtp.Packet(96, 1, 1, 12345, False, b"x" * 100)), "127.0.0.1")
        calls.take(live, rtp.encode(rtp.Packet(96, 1, 1, int(live.ssrc), False, b"x" * 100)), "203.0.113.9")
        assert live.stream.reorder.counts.received == before
        assert calls.counts["foreign"] == 2


async def test_broken_frames_and_a_program_that_dies_cost_one_picture(clean_bus):
    from fengsui.sense.codecs.media import nal
    from fengsui.sense.codecs.media.frames import Frame
    from tests.sense.codecs.pictures import encoded

    pictures = Pictures()
    good = Frame("h264", nal.split(encoded("h264")[0][1]), 0, 0, True)
    with pytest.raises(VideoRefused):
        await pictures.jpeg(Frame("h264", [b"\x65" + bytes(range(255))], 0, 0, True), 640)
    assert (await pictures.jpeg(good, 96))[:2] == b"\xff\xd8"
    pictures._process.kill()
    await pictures._process.communicate()
    assert (await pictures.jpeg(good, 96))[:2] == b"\xff\xd8"
    await pictures.close()
