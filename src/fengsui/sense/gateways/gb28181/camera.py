"""The device's side of GB/T 28181, for trials and tests: a camera or a recorder with several channels.

It registers with a digest, keeps alive, answers queries, takes subscriptions, sends alarms and positions, and on INVITE
sends real pictures: H.264 or H.265 of the program ``picture``, in a program stream, in RTP over UDP or TCP.
"""

import asyncio
import itertools
import secrets
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.gb28181 import digest, manscdp, ptz, sdp, sip
from fengsui.sense.codecs.gb28181.manscdp import Document
from fengsui.sense.codecs.gb28181.sip import Message
from fengsui.sense.codecs.media import ps, rtp
from fengsui.sense.gateways.gb28181 import picture
from fengsui.sense.gateways.gb28181.transport import NoAnswer, Peer, Signalling

log = structlog.get_logger()
PROGRAM = "fengsui.sense.gateways.gb28181.picture"
ITEMS_A_MESSAGE = 2  # of a catalogue: small, as over UDP in the field


class NotLetIn(Exception):
    """The platform answered something else than 200 to REGISTER."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What is simulated."""

    code: str
    password: str
    server: str = "34020000002000000001"
    domain: str = "3402000000"
    channels: tuple[tuple[str, str], ...] = ()  # code and name; empty: the device is the camera
    transport: str = "udp"
    codec: str = "h264"
    width: int = 320
    height: int = 240
    fps: int = 10
    keepalive_s: float = 60
    expires_s: int = 3600
    version: str = "2.0"
    charset: str = "GB2312"
    longitude: float = 111.29
    latitude: float = 30.69
    lose_every: int = 0  # of media packets over UDP: one in so many is never sent


@dataclass(slots=True)
class _Call:
    """A call that was answered: where to send, and the task that sends."""

    invite: Message
    answer: Message
    offer: sdp.Session
    ssrc: int
    is_tcp: bool
    sending: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Subscriber:
    asked: Message
    to: str
    until: float
    number: int = 0


@dataclass(slots=True)
class Heard:
    """What the platform asked and ordered: for tests, and for whoever watches the trial."""

    queries: list[Document] = field(default_factory=list)
    orders: list[Document] = field(default_factory=list)
    moves: list[ptz.Ptz] = field(default_factory=list)
    answers: list[Document] = field(default_factory=list)


class SimulatedCamera:
    """``start`` registers and keeps alive until ``close``."""

    def __init__(self, nature: Nature, host: str, port: int) -> None:
        self.nature, self.heard = nature, Heard()
        self.signalling = Signalling(self.handle, user_agent="Fengsui simulated camera")
        self.frames_sent = self.packets_sent = 0
        self.calls: dict[str, _Call] = {}
        self.silent = False  # answer no query and send no keep-alive: a device that hangs
        self._host, self._port = host, port
        self._peer = Peer(host, port)
        self._call_id, self._tag = secrets.token_hex(8), secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._sequence = itertools.count(1)
        self._subscribers: dict[str, _Subscriber] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, host: str = "127.0.0.1") -> None:
        """Raises NotLetIn, NoAnswer and OSError."""
        await self.signalling.start(host, 0)
        if self.nature.transport == "tcp":
            self._peer = await self.signalling.connect(self._host, self._port)
        await self.register(self.nature.expires_s)
        self._spawn(self._keep_alive())

    async def close(self, *, leave: bool = True) -> None:
        for call in list(self.calls.values()):
            await self._hang_up(call, tell=leave)
        for task in list(self._tasks):
            if not task.cancelling():  # one that tidies up already is let finish
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if leave:
            with suppress(NoAnswer, NotLetIn):
                await self.register(0)
        await self.signalling.close()

    async def register(self, expires_s: int) -> Message:
        """REGISTER, with the digest that is asked for; 0 leaves.  Returns the answer; raises NotLetIn and NoAnswer."""
        uri = f"sip:{self.nature.server}@{self.nature.domain}"

        def request(*more: tuple[str, str]) -> Message:
            return sip.request(
                "REGISTER", uri,
                [
                    *self._headers("REGISTER", to=self.nature.code), self._contact(), ("Expires", str(expires_s)),
                    ("X-GB-Ver", self.nature.version), *more,
                ],
            )  # fmt: skip

        answer = await self.signalling.ask(request(), self._peer, 10)
        if answer.status == 401:
            challenges = [digest.read_challenge(text) for text in answer.all("WWW-Authenticate")]
            challenge = next(
                one for one in challenges if one is not None and one.algorithm in digest.ALGORITHMS
            )
            given = digest.answer(
                challenge, self.nature.code, self.nature.password, "REGISTER", uri, secrets.token_hex(4)
            )
            answer = await self.signalling.ask(request(("Authorization", str(given))), self._peer, 10)
        if answer.status != 200:
            raise NotLetIn(f"{answer.status} {answer.phrase}")
        return answer

    # ---- what it says -----------------------------------------------------------------------------------------------

    async def keep_alive(self) -> None:
        """Raises NoAnswer; registers anew when the platform does not know it any more."""
        answer = await self.say("Notify", "Keepalive", self.nature.code, (("Status", "OK"),))
        if answer.status >= 400:
            await self.register(self.nature.expires_s)

    async def alarm(
        self, channel: str = "", *, priority: int = 1, method: int = 5, text: str = "发现烟火"
    ) -> Message:
        """An alarm, as a MESSAGE."""
        fields = (
            ("AlarmPriority", priority), ("AlarmMethod", method), ("AlarmTime", manscdp.written(datetime.now(UTC))),
            ("AlarmDescription", text), ("Longitude", self.nature.longitude), ("Latitude", self.nature.latitude),
            ("Info", [("AlarmType", 2)]),
        )  # fmt: skip
        return await self.say("Notify", "Alarm", channel or self.nature.code, fields)

    async def position(
        self, longitude: float, latitude: float, speed: float = 0, direction: float = 0
    ) -> None:
        """A position to whoever subscribed, or as a MESSAGE where nobody did.  Raises NoAnswer."""
        fields = (
            ("Time", manscdp.written(datetime.now(UTC))), ("Longitude", longitude), ("Latitude", latitude),
            ("Speed", speed), ("Direction", direction), ("Altitude", 50),
        )  # fmt: skip
        subscriber = self._subscribers.get("MobilePosition")
        if subscriber is None or time.monotonic() > subscriber.until:
            await self.say("Notify", "MobilePosition", self.nature.code, fields)
            return
        await self.notify(subscriber, "MobilePosition", fields)

    async def catalogue_event(self, channel: str, event: str) -> None:
        """ON, OFF, DEL … of a channel to whoever subscribed to the catalogue.  Raises NoAnswer."""
        item = ("Item", [("DeviceID", channel), ("Event", event)])
        fields = (("SumNum", 1), ("DeviceList", [item], {"Num": 1}))
        await self.notify(self._subscribers["Catalog"], "Catalog", fields)

    async def notify(self, subscriber: _Subscriber, command: str, fields: Iterable[Any]) -> Message:
        asked = subscriber.asked
        subscriber.number += 1
        body = manscdp.encode(
            "Notify", command, next(self._sequence), self.nature.code, fields, self.nature.charset
        )
        request = sip.request(
            "NOTIFY", sip.uri_of(asked.header("Contact")) or f"sip:{self.nature.server}@{self.nature.domain}",
            [
                self.signalling.via(self._peer), ("From", subscriber.to), ("To", asked.header("From")),
                ("Call-ID", asked.call_id), ("CSeq", f"{subscriber.number} NOTIFY"), self._contact(),
                ("Event", asked.header("Event")), ("Subscription-State", "active"),
            ],
            body, sip.MANSCDP,
        )  # fmt: skip
        return await self.signalling.ask(request, self._peer, 10)

    async def say(
        self, kind: str, command: str, device: str, fields: Iterable[Any] = (), number: int | None = None
    ) -> Message:
        body = manscdp.encode(
            kind,
            command,
            next(self._sequence) if number is None else number,
            device,
            fields,
            self.nature.charset,
        )
        uri = f"sip:{self.nature.server}@{self.nature.domain}"
        request = sip.request(
            "MESSAGE", uri, self._headers("MESSAGE", call_id=secrets.token_hex(8)), body, sip.MANSCDP
        )
        return await self.signalling.ask(request, self._peer, 10)

    # ---- what it is asked -------------------------------------------------------------------------------------------

    async def handle(self, message: Message, peer: Peer) -> Message | None:
        if self.silent:
            await asyncio.sleep(3600)
        if message.method == "ACK":
            self._acknowledged(message)
            return None
        answer = await self._answer(message)
        if message.method == "INVITE" and answer.status == 200:
            with suppress(KeyError):
                self.calls[message.call_id].answer = answer
        return answer

    async def _answer(self, message: Message) -> Message:
        if message.method == "INVITE":
            return self._invited(message)
        if message.method == "BYE":
            call = self.calls.pop(message.call_id, None)
            if call and call.sending:
                call.sending.cancel()
            return sip.reply(message, 200 if call else 481, tag=self._tag)
        if message.method not in ("MESSAGE", "SUBSCRIBE"):
            return sip.reply(message, 405, tag=self._tag)
        document = manscdp.decode(message.body)
        if isinstance(document, BadFrame):
            return sip.reply(message, 400, tag=self._tag)
        if message.method == "SUBSCRIBE":
            seconds = message.expires or 0
            self._subscribers[document.command] = _Subscriber(
                message, sip.with_tag(message.header("To"), self._tag), time.monotonic() + seconds
            )
            return sip.reply(
                message,
                200,
                tag=self._tag,
                more=(("Expires", str(seconds)), ("Event", message.header("Event"))),
            )
        if document.kind == "Query":
            self.heard.queries.append(document)
            self._spawn(self._answer_query(document))
        elif document.kind == "Control":
            self.heard.orders.append(document)
            command = ptz.decode(document.find("PTZCmd")) if document.find("PTZCmd") else None
            if isinstance(command, ptz.Ptz):
                self.heard.moves.append(command)
        else:
            self.heard.answers.append(document)
        return sip.reply(message, 200, tag=self._tag)

    async def _answer_query(self, document: Document) -> None:
        number = document.number
        fields: Any
        if document.command == "Catalog":
            channels = self.channels
            for at in range(0, len(channels), ITEMS_A_MESSAGE):
                page = channels[at : at + ITEMS_A_MESSAGE]
                fields = (
                    ("SumNum", len(channels)),
                    (
                        "DeviceList",
                        [("Item", self._item(code, name)) for code, name in page],
                        {"Num": len(page)},
                    ),
                )
                await self.say("Response", "Catalog", self.nature.code, fields, number)
        elif document.command == "DeviceInfo":
            fields = (
                ("DeviceName", "模拟摄像机"), ("Result", "OK"), ("Manufacturer", "烽燧"), ("Model", "SIM-1"),
                ("Firmware", "1.0"), ("Channel", len(self.channels)),
            )  # fmt: skip
            await self.say("Response", "DeviceInfo", document.device, fields, number)
        elif document.command == "DeviceStatus":
            fields = (("Result", "OK"), ("Online", "ONLINE"), ("Status", "OK"), ("Encode", "ON"))
            await self.say("Response", "DeviceStatus", document.device, fields, number)
        else:
            await self.say("Response", document.command, document.device, (("Result", "ERROR"),), number)

    @property
    def channels(self) -> tuple[tuple[str, str], ...]:
        return self.nature.channels or ((self.nature.code, "模拟摄像机"),)

    def _item(self, code: str, name: str) -> list[Any]:
        return [
            ("DeviceID", code), ("Name", name), ("Manufacturer", "烽燧"), ("Model", "SIM-1"), ("Owner", "0"),
            ("CivilCode", code[:6]), ("Address", "模拟"), ("Parental", 0), ("ParentID", self.nature.code),
            ("SafetyWay", 0), ("RegisterWay", 1), ("Secrecy", 0), ("Status", "ON"),
            ("Longitude", self.nature.longitude), ("Latitude", self.nature.latitude), ("Info", [("PTZType", 1)]),
        ]  # fmt: skip

    # ---- pictures ---------------------------------------------------------------------------------------------------

    def _invited(self, message: Message) -> Message:
        offer = sdp.decode(message.body)
        if isinstance(offer, BadFrame) or sdp.PS not in offer.payloads:
            return sip.reply(message, 488, tag=self._tag)
        if message.target not in dict(self.channels):
            return sip.reply(message, 404, tag=self._tag)
        is_tcp = offer.is_tcp
        if is_tcp and offer.setup != "passive":
            return sip.reply(message, 488, tag=self._tag)
        body = sdp.encode(
            sdp.Session(
                offer.name, message.target, self.signalling.local_address(self._peer), 9 if is_tcp else 30_000,
                offer.transport, (sdp.PS,), direction="sendonly", setup="active" if is_tcp else "", ssrc=offer.ssrc,
            )
        )  # fmt: skip
        answer = sip.reply(
            message, 200, tag=self._tag, more=(self._contact(),), body=body, content_type=sip.SDP
        )
        self.calls[message.call_id] = _Call(message, answer, offer, int(offer.ssrc or 0), is_tcp)
        return answer

    def _acknowledged(self, message: Message) -> None:
        call = self.calls.get(message.call_id)
        if call is not None and call.sending is None:
            call.sending = asyncio.create_task(self._send_pictures(call))
            self._tasks.add(call.sending)
            call.sending.add_done_callback(self._tasks.discard)

    async def _send_pictures(self, call: _Call) -> None:
        """Frames of the encoder at their own pace, until the call ends."""
        n = self.nature
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, "encode", n.codec, str(n.width), str(n.height), str(n.fps),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None, "it was asked for"
        writer: asyncio.StreamWriter | None = None
        try:
            out: Any
            if call.is_tcp:
                _reader, writer = await asyncio.open_connection(call.offer.address, call.offer.port)
                out = None
            else:
                out, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    asyncio.DatagramProtocol, remote_addr=(call.offer.address, call.offer.port)
                )
            began, sequence = time.monotonic(), secrets.randbelow(65_536)
            for number in itertools.count():
                is_key, length = picture.ANSWERED.unpack(
                    await process.stdout.readexactly(picture.ANSWERED.size)
                )
                data = await process.stdout.readexactly(length)
                ticks = number * rtp.CLOCK_HZ // n.fps
                frame = ps.mux(data, ticks, codec=n.codec, is_key=bool(is_key))
                packets = rtp.packetise(frame, sequence=sequence, timestamp=ticks, ssrc=call.ssrc)
                sequence += len(packets)
                for packet in packets:
                    self.packets_sent += 1
                    if writer is not None:
                        writer.write(rtp.framed(packet))
                    elif not (n.lose_every and self.packets_sent % n.lose_every == 0):
                        out.sendto(rtp.encode(packet))
                if writer is not None:
                    await writer.drain()
                self.frames_sent += 1
                await asyncio.sleep(max(0.0, began + (number + 1) / n.fps - time.monotonic()))
        except (asyncio.IncompleteReadError, OSError) as error:
            log.warning("camera.sending_ended", error=repr(error))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            if writer is not None:
                writer.close()
            elif out is not None:
                out.close()
            await process.communicate()

    async def hang_up(self) -> None:
        """End every call from the camera's side."""
        for call in list(self.calls.values()):
            await self._hang_up(call, tell=True)

    async def _hang_up(self, call: _Call, *, tell: bool) -> None:
        self.calls.pop(call.invite.call_id, None)
        if call.sending:
            call.sending.cancel()
        if not tell:
            return
        request = sip.request(
            "BYE", sip.uri_of(call.invite.header("Contact")),
            [
                self.signalling.via(self._peer), ("From", call.answer.header("To")), ("To", call.invite.header("From")),
                ("Call-ID", call.invite.call_id), ("CSeq", "1 BYE"),
            ],
        )  # fmt: skip
        with suppress(NoAnswer):
            await self.signalling.ask(request, self._peer, 5)

    # ---- parts ------------------------------------------------------------------------------------------------------

    async def _keep_alive(self) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self.nature.keepalive_s)
            if self.silent:
                continue
            try:
                if time.monotonic() - renewed > self.nature.expires_s * 0.8:
                    await self.register(self.nature.expires_s)
                    renewed = time.monotonic()
                await self.keep_alive()
            except (NoAnswer, NotLetIn) as error:
                log.warning("camera.unanswered", why=str(error))

    def _headers(self, method: str, *, to: str = "", call_id: str = "") -> list[tuple[str, str]]:
        return [
            self.signalling.via(self._peer),
            ("From", f"<sip:{self.nature.code}@{self.nature.domain}>;tag={self._tag}"),
            ("To", f"<sip:{to or self.nature.server}@{self.nature.domain}>"),
            ("Call-ID", call_id or self._call_id),
            ("CSeq", f"{next(self._numbers)} {method}"),
            ("User-Agent", "Fengsui simulated camera"),
        ]

    def _contact(self) -> tuple[str, str]:
        host = self.signalling.local_address(self._peer)
        return "Contact", f"<sip:{self.nature.code}@{host}:{self.signalling.port}>"

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
