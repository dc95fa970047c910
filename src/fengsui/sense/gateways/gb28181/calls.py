"""Calls to cameras: INVITE, the stream that comes of it, BYE.  And still pictures of their key frames.

A camera is called once, however many watch.  A call ends when nobody has asked for it for a while, when no packet
comes, or when the camera says so.  Decoding is left to a program of its own (``picture``), started when it is needed.
"""

import asyncio
import secrets
import shutil
import struct
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from fengsui.base.errors import BadFrame
from fengsui.sense.cameras.services import Channel
from fengsui.sense.codecs.gb28181 import sdp, sip
from fengsui.sense.codecs.gb28181.sip import Message
from fengsui.sense.codecs.media import nal, rtp
from fengsui.sense.codecs.media.frames import Frame
from fengsui.sense.gateways.gb28181.platform import Platform, Registered, VideoRefused
from fengsui.sense.gateways.gb28181.stream import Segments, Stream
from fengsui.sense.gateways.gb28181.transport import NoAnswer, Peer

log = structlog.get_logger()

PROGRAM = "fengsui.sense.gateways.gb28181.picture"
ASKED, ANSWERED = struct.Struct(">BHI"), struct.Struct(">BI")  # as ``picture`` has them
DECODE_S = 20.0
SOCKET_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Media:
    """What settings say of streams; times in seconds."""

    folder: Path
    host: str = "127.0.0.1"
    address: str = ""  # by which cameras reach us, when it is none of this machine's
    ports: tuple[int, int] = (30_000, 30_499)
    transport: str = "udp"
    most: int = 32
    first_s: float = 15  # until the first segment
    stall_s: float = 15  # without a packet
    unwatched_s: float = 30
    widest: int = 1280  # of a still picture


@dataclass(slots=True)
class Live:
    """A call under way and its stream."""

    channel: Channel
    name: str  # of its folder, which nobody can guess
    stream: Stream
    port: int
    ssrc: str
    transport: str
    hosts: set[str] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    began: float = field(default_factory=time.monotonic)
    watched: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    locked: int | None = None  # the SSRC that this stream turned out to have
    invite: Message | None = None
    answer: Message | None = None
    close_socket: Any = None
    over: str = ""
    task: asyncio.Task[None] | None = None


class Calls:
    """The streams of a platform.  ``close`` ends them all."""

    def __init__(self, platform: Platform, media: Media) -> None:
        self.platform, self.media = platform, media
        self.live: dict[int, Live] = {}
        self.counts: Counter[str] = Counter()
        self.pictures = Pictures()
        self._locks: dict[int, asyncio.Lock] = {}
        self._numbers = secrets.randbelow(10_000)
        self._port = media.ports[0]
        platform.bye = self._hung_up
        platform.media_status = self._media_status
        shutil.rmtree(media.folder, ignore_errors=True)  # what a process before us left

    async def close(self) -> None:
        for live in list(self.live.values()):
            await self.end(live, "closing")
        await self.pictures.close()
        shutil.rmtree(self.media.folder, ignore_errors=True)

    async def watch(self, channel: Channel) -> Live:
        """The stream of a camera, ready to be watched: called now or running already.

        Raises VideoRefused and NoAnswer.
        """
        lock = self._locks.setdefault(channel.id, asyncio.Lock())
        async with lock:
            live = self.live.get(channel.id)
            if live is None or live.over:
                if len(self.live) >= self.media.most:
                    self.counts["too_many"] += 1
                    raise VideoRefused(f"{self.media.most} cameras are shown already; close one")
                live = await self._call(channel)
            live.watched = time.monotonic()
            try:
                await asyncio.wait_for(live.ready.wait(), self.media.first_s)
            except TimeoutError:
                await self.end(live, "no_picture")
                raise NoAnswer(f"camera {channel.code} took the call and sent no picture") from None
            if live.over:
                raise VideoRefused(f"camera {channel.code} ended the call")
            live.watched = time.monotonic()
            return live

    async def still(self, channel: Channel) -> bytes:
        """A still picture (JPEG) of now; a camera that nobody watches is called for it.

        Raises VideoRefused and NoAnswer.
        """
        live = await self.watch(channel)
        frame = live.stream.key_frame
        if frame is None:
            raise NoAnswer(f"camera {channel.code} sent no key frame")
        self.counts["stills"] += 1
        return await self.pictures.jpeg(frame, self.media.widest)

    # ---- a call -----------------------------------------------------------------------------------------------------

    async def _call(self, channel: Channel) -> Live:
        device = self.platform.online(channel.device)
        self._numbers += 1
        name = secrets.token_hex(12)
        live = Live(
            channel, name, Stream(Segments(self.media.folder / str(channel.id) / name)), 0,
            sdp.ssrc(False, self.platform.config.domain, self._numbers), self.media.transport, {device.peer.host},
        )  # fmt: skip
        await self._listen(live)
        self.live[channel.id] = live
        try:
            await self._invite(device, live)
        except BaseException:
            live.over = "refused"
            self._forget(live)
            self.counts["refused"] += 1
            raise
        self.counts["calls"] += 1
        live.task = asyncio.create_task(self._look_after(live), name=f"call {channel.code}")
        log.info("video.called", camera=channel.code, port=live.port, transport=live.transport)
        return live

    async def _invite(self, device: Registered, live: Live) -> None:
        config, code = self.platform.config, live.channel.code
        is_tcp = live.transport == "tcp"
        address = self.media.address or self.platform.signalling.local_address(device.peer)
        body = sdp.encode(
            sdp.Session(
                sdp.PLAY, config.server, address, live.port, sdp.TCP if is_tcp else sdp.UDP, (sdp.PS,),
                direction="recvonly", setup="passive" if is_tcp else "", ssrc=live.ssrc,
            )
        )  # fmt: skip
        request = sip.request(
            "INVITE", self.platform.uri(device, code),
            [
                *self.platform.headers(device, "INVITE", target=code), self.platform.contact(device),
                ("Subject", f"{code}:{live.ssrc},{config.server}:0"),
            ],
            body, sip.SDP,
        )  # fmt: skip
        live.invite = request
        try:
            answer = await self.platform.signalling.ask(request, device.peer, config.answer_s)
        except NoAnswer:
            self._cancel(device, request)
            raise
        live.answer = answer
        self._acknowledge(device, request, answer)
        if answer.status != 200:
            live.answer = None
            raise VideoRefused(f"camera {code} answers {answer.status} {answer.phrase}")
        said = sdp.decode(answer.body)
        if isinstance(said, BadFrame) or not (
            sdp.PS in said.payloads or any("PS" in m.upper() for m in said.maps.values())
        ):
            await self.end(live, "no_program_stream")
            raise VideoRefused(f"camera {code} offers no program stream")
        if said.address:
            live.hosts.add(said.address)

    def _acknowledge(self, device: Registered, invite: Message, answer: Message) -> None:
        headers = [
            ("Via", invite.header("Via")) if answer.status >= 300 else self.platform.signalling.via(device.peer),
            ("From", invite.header("From")), ("To", answer.header("To")), ("Call-ID", invite.call_id),
            ("CSeq", f"{invite.cseq[0]} ACK"),
        ]  # fmt: skip
        uri = sip.uri_of(answer.header("Contact")) or invite.uri
        self.platform.signalling.send(sip.request("ACK", uri, headers), device.peer)

    def _cancel(self, device: Registered, invite: Message) -> None:
        headers = [(n, v) for n, v in invite.headers if n in ("Via", "From", "To", "Call-ID")]
        headers.append(("CSeq", f"{invite.cseq[0]} CANCEL"))
        self.platform.signalling.send(sip.request("CANCEL", invite.uri, headers), device.peer)

    async def end(self, live: Live, why: str) -> None:
        """Say BYE, stop listening, delete the segments.  The second time does nothing."""
        if live.over:
            return
        live.over = why
        self.counts[f"ended_{why}"] += 1
        log.info("video.ended", camera=live.channel.code, why=why, frames=live.stream.counts["frames"])
        self._forget(live)
        if live.task and live.task is not asyncio.current_task():
            live.task.cancel()
        if live.invite is None or live.answer is None or why == "hung_up":
            return
        device = self.platform.devices.get(live.channel.device)
        if device is None or not device.online:
            return
        headers = [
            self.platform.signalling.via(device.peer), ("From", live.invite.header("From")),
            ("To", live.answer.header("To")), ("Call-ID", live.invite.call_id),
            ("CSeq", f"{live.invite.cseq[0] + 1} BYE"),
        ]  # fmt: skip
        uri = sip.uri_of(live.answer.header("Contact")) or live.invite.uri
        with suppress(NoAnswer):
            await self.platform.signalling.ask(
                sip.request("BYE", uri, headers), device.peer, self.platform.config.answer_s
            )

    def _forget(self, live: Live) -> None:
        if self.live.get(live.channel.id) is live:
            del self.live[live.channel.id]
        if live.close_socket:
            live.close_socket()
        live.stream.segments.remove()
        live.ready.set()
        for name in ("frames", "bytes", "refused"):
            self.counts[f"past_{name}"] += live.stream.counts[name]
        self.counts["past_lost"] += live.stream.reorder.counts.lost

    async def _look_after(self, live: Live) -> None:
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            if live.ready.is_set() and now - live.watched > self.media.unwatched_s:
                return await self.end(live, "unwatched")
            if now - live.heard > self.media.stall_s:
                return await self.end(live, "stalled")
            device = self.platform.devices.get(live.channel.device)
            if device is None or not device.online:
                return await self.end(live, "offline")

    def _hung_up(self, message: Message, _peer: Peer) -> bool:
        for live in list(self.live.values()):
            if live.invite is not None and live.invite.call_id == message.call_id:
                if live.task is not None:
                    live.task.cancel()
                asyncio.get_running_loop().create_task(self.end(live, "hung_up"))
                return True
        return False

    def _media_status(self, _device: Registered, document: Any) -> None:
        """NotifyType 121: the stream has ended."""
        for live in list(self.live.values()):
            if live.channel.code == document.device and document.find("NotifyType") == "121":
                asyncio.get_running_loop().create_task(self.end(live, "media_status"))

    # ---- packets ----------------------------------------------------------------------------------------------------

    async def _listen(self, live: Live) -> None:
        """Take the next free port of the range.  Raises VideoRefused when none is."""
        low, high = self.media.ports
        loop = asyncio.get_running_loop()
        for _ in range((high - low) // 2 + 1):
            port = self._port
            self._port = low if self._port + 2 > high else self._port + 2
            try:
                if live.transport == "tcp":
                    server = await asyncio.start_server(
                        lambda r, w: self._read(live, r, w), self.media.host, port
                    )
                    live.close_socket = server.close
                else:
                    transport, _ = await loop.create_datagram_endpoint(
                        lambda: _Packets(self, live), local_addr=(self.media.host, port)
                    )
                    transport.get_extra_info("socket").setsockopt(1, 8, SOCKET_BYTES)  # SOL_SOCKET, SO_RCVBUF
                    live.close_socket = transport.close
                live.port = port
                return
            except OSError:
                continue
        raise VideoRefused(f"no port between {low} and {high} is free for a stream")

    def take(self, live: Live, data: bytes, host: str) -> None:
        """One datagram, or one packet of a TCP stream."""
        if host not in live.hosts:
            self.counts["foreign"] += 1
            return
        packet = rtp.read(data)
        if isinstance(packet, BadFrame):
            live.stream.refused(packet)
            return
        self.take_packet(live, packet)

    def take_packet(self, live: Live, packet: rtp.Packet) -> None:
        if live.locked is None:
            live.locked = packet.ssrc
        if packet.ssrc != live.locked:
            if packet.ssrc != int(live.ssrc):
                self.counts["foreign"] += 1
                return
            live.locked = packet.ssrc  # the stream that was asked for, after one that was not
        if packet.payload_type != sdp.PS:
            self.counts["foreign"] += 1
            return
        live.heard = time.monotonic()
        if live.stream.packet(packet) and live.stream.segments.ready:
            live.ready.set()

    async def _read(self, live: Live, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, rest = writer.get_extra_info("peername")[0], b""
        try:
            while not live.over and host in live.hosts:
                data = await reader.read(65_536)
                cut = rtp.feed_tcp(rest + data, ended=not data)
                rest = cut.rest
                for refused in cut.refused:
                    live.stream.refused(refused)
                for packet in cut.frames:
                    self.take_packet(live, packet)
                if not data:
                    return
        except OSError:
            return
        finally:
            writer.close()


class _Packets(asyncio.DatagramProtocol):
    def __init__(self, calls: Calls, live: Live) -> None:
        self._calls, self._live = calls, live

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._calls.take(self._live, data, addr[0])


class Pictures:
    """The program that decodes, started when it is needed and again when it died; one picture at a time."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def jpeg(self, frame: Frame, widest: int) -> bytes:
        """A key frame as JPEG.  Raises VideoRefused: it cannot be decoded, or the program is missing."""
        data = nal.annex_b(frame.units)
        async with self._lock:
            try:
                async with asyncio.timeout(DECODE_S):
                    process = await self._running()
                    assert process.stdin is not None, "a pipe"
                    assert process.stdout is not None, "a pipe"
                    process.stdin.write(ASKED.pack(frame.codec == "h265", widest, len(data)) + data)
                    await process.stdin.drain()
                    status, length = ANSWERED.unpack(await process.stdout.readexactly(ANSWERED.size))
                    answer = await process.stdout.readexactly(length)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                self.counts["died"] += 1
                await self._stop()
                raise VideoRefused(f"the still picture could not be made ({type(error).__name__})") from None
        if status:
            self.counts["refused"] += 1
            raise VideoRefused(f"the key frame cannot be decoded: {answer.decode(errors='replace')}")
        self.counts["made"] += 1
        return answer

    async def close(self) -> None:
        await self._stop()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", PROGRAM, "decode",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
        return self._process

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
