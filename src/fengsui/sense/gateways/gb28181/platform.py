"""The platform's side: devices register, are heard every minute, say what they have, and are asked and ordered.

Who may register and with which password is data (``sense.cameras``).  A device that is not heard for three keep-alives,
or whose registration ends, is offline: a reading, like every other state.  Pictures are ``calls``.
"""

import asyncio
import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError

from fengsui.base.errors import BadFrame, BadInput
from fengsui.sense.cameras import services
from fengsui.sense.cameras.services import Channel, Known, Listed
from fengsui.sense.codecs.gb28181 import codes, digest, explain, manscdp, ptz, sip
from fengsui.sense.codecs.gb28181.manscdp import Document
from fengsui.sense.codecs.gb28181.sip import Message
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.gateways.gb28181.readings import Out
from fengsui.sense.gateways.gb28181.transport import NoAnswer, Peer, Signalling
from fengsui.sense.gateways.publisher import Busy
from fengsui.sense.gateways.refusals import Refusals
from fengsui.stores import clock
from fengsui.stores.changes import ChangeWatch, in_thread

log = structlog.get_logger()

NONCE_S = 300
MISSES = 3  # keep-alives that may stay away
MAX_ITEMS = 100_000  # of one catalogue
WATCH_S = 1.0
SEEN_S = 5.0
EVENTS = {
    "Catalog": "Catalog",
    "Alarm": "presence",
    "MobilePosition": "presence",
}
SAMPLE_S = 60.0
UNREAD_S = 1.0  # between two messages of a device that are kept because nothing of them can be read


class VideoRefused(BadInput):
    """A device says no, or cannot be asked: it is offline, or does not know how."""

    code = "sense.video_refused"


@dataclass(frozen=True, slots=True)
class Config:
    """What settings say; every time in seconds."""

    domain: str = "3402000000"
    server: str = "34020000002000000001"
    address: str = ""  # what devices reach us by, when it is none of this machine's
    digests: tuple[str, ...] = ("MD5",)
    keepalive_s: float = 60
    min_expires_s: int = 60
    max_expires_s: int = 86_400
    answer_s: float = 10  # of a request
    query_s: float = 15  # of all answers to a query
    subscribe_s: int = 3600
    position_s: int = 5
    alarm_s: float = 60  # an alarm that is not repeated is over; 0: only when it is reset
    realm: str = field(default="", compare=False)

    @property
    def domain_of_trust(self) -> str:
        return self.realm or self.domain


@dataclass(slots=True)
class Registered:
    """A device that is there, or was."""

    known: Known
    peer: Peer
    contact: str
    until: float  # monotonic
    seen: float
    version: str = ""
    agent: str = ""
    online: bool = True
    charset: str = "GB2312"
    unread: float = -math.inf  # when bytes of it that are no message were last kept, monotonic
    alarms: dict[str, float] = field(default_factory=dict)  # code → when it is over, monotonic
    subscriptions: dict[str, "_Subscription"] = field(default_factory=dict)


@dataclass(slots=True)
class _Subscription:
    call_id: str
    tag: str
    to: str
    number: int
    renew: float  # monotonic


class Platform:
    """Made from its parts; ``start`` listens, ``close`` ends.  Use from one event loop only."""

    def __init__(self, config: Config, out: Out, refusals: Refusals | None = None) -> None:
        self.config, self.out = config, out
        self.signalling = Signalling(self.handle)
        self.signalling.refused = self._unreadable
        self.signalling.closed = self._closed
        self.devices: dict[str, Registered] = {}
        self.known: dict[str, Known] = {}
        self.channels: dict[tuple[str, str], Channel] = {}
        self.bye: Any = None  # (message, peer) → whether the call was ours; set by ``calls``
        self.media_status: Any = None  # (device, document); set by ``calls``
        self._refusals = refusals or Refusals()
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._waiting: dict[tuple[str, str, int], asyncio.Queue[Document]] = {}
        self._number = secrets.randbelow(1_000_000)
        self._watch = ChangeWatch("registry")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._seen: dict[int, datetime] = {}
        self._asking: set[str] = set()
        self._unsaid: set[str] = set()  # devices whose state nobody could take: said again soon
        self._cameras = asyncio.Lock()  # one writer of their rows at a time: no two wait for each other
        self.counts = self.signalling.counts

    # ---- life -----------------------------------------------------------------------------------------------------

    async def start(self, host: str, port: int) -> None:
        """Read who is known and who was there, then listen.  Raises DatabaseError and OSError."""
        await in_worker(services.ensure_properties)
        await self._watch.poll()
        await self._load()
        for known in self.known.values():
            self._remember(known)
        await self.signalling.start(host, port)
        for work in (self._follow(), self._watch_devices(), self._sample(), self._write_seen()):
            self._spawn(work)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.signalling.close()
        await self._flush_seen()

    def online(self, code: str) -> Registered:
        """The device, if it can be asked.  Raises VideoRefused."""
        found = self.devices.get(code)
        if found is None or not found.online:
            raise VideoRefused(f"device {code} is not online")
        return found

    # ---- what comes in --------------------------------------------------------------------------------------------

    async def handle(self, message: Message, peer: Peer) -> Message | None:
        """The answer to one request."""
        self.counts[f"request_{message.method}"] += 1
        if message.method == "REGISTER":
            return await self._register(message, peer)
        if message.method == "ACK":
            return None
        if message.method == "OPTIONS":
            return sip.reply(message, 200, tag=self._tag(), received=(peer.host, peer.port))
        if message.method == "BYE":
            known = self.bye is not None and self.bye(message, peer)
            return sip.reply(message, 200 if known else 481, tag=self._tag(), received=(peer.host, peer.port))
        device = self._device_of(message, peer)
        if device is None:
            self.counts["unregistered"] += 1
            return sip.reply(message, 403, tag=self._tag(), received=(peer.host, peer.port))
        self._heard(device)
        if message.method in ("MESSAGE", "NOTIFY"):
            status = await self._told(device, message)
            return sip.reply(message, status, tag=self._tag(), received=(peer.host, peer.port))
        return sip.reply(
            message, 405, tag=self._tag(), more=(("Allow", "REGISTER, MESSAGE, NOTIFY, BYE, ACK, OPTIONS"),),
            received=(peer.host, peer.port),
        )  # fmt: skip

    async def _register(self, message: Message, peer: Peer) -> Message:
        code = message.device or message.target

        def answer(status: int, *more: tuple[str, str]) -> Message:
            return sip.reply(message, status, tag=self._tag(), more=more, received=(peer.host, peer.port))

        given = digest.read_credentials(message.header("Authorization"))
        if given is None:
            return answer(401, *self._challenges(message, peer))
        known = self.known.get(code)
        if known is None or not known.is_active or given.username != code:
            await self._turn_away(code, peer, "unknown" if known is None else "inactive", known)
            return answer(403)
        fresh = self._fresh(given, peer)
        proven = bool(known.password) and digest.proves(
            known.password, "REGISTER", given, self.config.digests
        )
        if proven and not fresh:
            return answer(401, *self._challenges(message, peer, stale=True))
        if not proven:
            await self._turn_away(code, peer, "password", known)
            return answer(403)
        self._use(given)
        wanted = message.expires
        expires = self.config.max_expires_s if wanted is None else min(wanted, self.config.max_expires_s)
        if 0 < expires < self.config.min_expires_s:
            return answer(423, ("Min-Expires", str(self.config.min_expires_s)))
        if expires == 0:
            await self._leave(code)
        else:
            await self._enter(known, message, peer, expires)
        contact = message.header("Contact")
        now = clock.now()
        version = message.header("X-GB-Ver")
        return answer(
            200,
            *([("Contact", contact)] if contact else []),
            ("Expires", str(expires)),
            (
                "Date",
                now.astimezone(manscdp.CHINA).strftime("%Y-%m-%dT%H:%M:%S.")
                + f"{now.microsecond // 1000:03d}",
            ),
            *([("X-GB-Ver", "3.0")] if version else []),
        )

    async def _enter(self, known: Known, message: Message, peer: Peer, expires: int) -> None:
        now, at = time.monotonic(), clock.now()
        contact = sip.uri_of(message.header("Contact")) or f"sip:{known.code}@{peer.host}:{peer.port}"
        before = self.devices.get(known.code)
        anew = before is None or not before.online or before.peer != peer
        version = explain.VERSIONS.get(message.header("X-GB-Ver"), "")
        device = Registered(
            known, peer, contact, now + expires, now, version, message.header("User-Agent")[:64],
            charset="GB18030" if version == "2022" else "GB2312",
        )  # fmt: skip
        if before is not None and not anew:
            device.alarms, device.subscriptions = before.alarms, before.subscriptions
        self.devices[known.code] = device
        await self._store(
            services.note_state, known.id, is_online=True, registered_at=at, last_seen_at=at, version=version,
            expires_at=at + timedelta(seconds=expires), address=str(peer)[:80],
        )  # fmt: skip
        log.info("video.registered", device=known.code, peer=str(peer), expires=expires, anew=anew)
        if anew:
            self.counts["registered"] += 1
            self._spawn(self._welcome(device))

    async def _leave(self, code: str) -> None:
        device = self.devices.pop(code, None)
        if device is not None and device.online:
            await self._set_offline(device, "unregistered")

    async def _turn_away(self, code: str, peer: Peer, why: str, known: Known | None) -> None:
        self.counts["turned_away"] += 1
        self._refusals.note(
            "device.login",
            code or "(none)",
            peer.host,
            org_path=known.org_path if known else "",
            by="gb28181",
            why=why,
        )
        await self._store(services.note_unknown, code, str(peer), why, clock.now())

    def _device_of(self, message: Message, peer: Peer) -> Registered | None:
        """The registered device that sends this: by its own code, or that of a channel in From, from its address."""
        device = self.devices.get(message.device)
        if device is None:
            device = next((d for d in self.devices.values() if d.peer == peer and d.online), None)
        if device is None or device.peer.host != peer.host or time.monotonic() > device.until:
            return None
        if device.peer != peer and device.peer.transport == peer.transport == "udp":
            device.peer = peer  # the same address, another port: a translator of addresses moved it
        return device

    def _heard(self, device: Registered) -> None:
        device.seen = time.monotonic()
        self._seen[device.known.id] = clock.now()
        if not device.online:
            device.online = True
            self._spawn(self._back(device))

    async def _told(self, device: Registered, message: Message) -> int:
        """Take in a MESSAGE or NOTIFY; return the status of its answer."""
        if not message.body:
            return 200
        document = manscdp.decode(message.body)
        if isinstance(document, BadFrame):
            self.counts["refused"] += 1
            log.warning(
                "video.unreadable", device=device.known.code, reason=document.reason, why=str(document)
            )
            try:
                await self.out.keep(device.known.site_id, device.known.code, message.raw)
            except Busy:
                return 503
            return 400
        self.counts[f"told_{document.kind}_{document.command}"[:64]] += 1
        if document.kind == "Response":
            waiting = self._waiting.get((device.known.code, document.command, document.number or 0))
            if waiting is not None:
                waiting.put_nowait(document)
            return 200
        if document.kind != "Notify":
            return 200
        try:
            if document.command == "Alarm":
                await self._alarm(device, document)
            elif document.command == "MobilePosition":
                await self._position(device, document)
            elif document.command == "Catalog":
                await self._catalogue_changed(device, document)
            elif document.command == "MediaStatus" and self.media_status is not None:
                self.media_status(device, document)
        except Busy:
            return 503
        except (DatabaseError, OSError) as error:
            log.warning("video.unkept", device=device.known.code, error=repr(error))
            return 503  # a device sends an alarm again that was not taken
        return 200

    # ---- readings and events --------------------------------------------------------------------------------------

    async def _alarm(self, device: Registered, document: Document) -> None:
        rows = explain.readings(document)
        self.out.require_sure_time(rows)  # before anything is kept: the camera sends it again
        now = clock.now()
        at = manscdp.instant(document.find("AlarmTime")) or now
        await in_worker(
            services.note_event, device.known.id, document.device, at, now,
            {
                "priority": min(manscdp.whole(document.find("AlarmPriority")) or 0, 99),
                "method": min(manscdp.whole(document.find("AlarmMethod")) or 0, 99),
                "kind": min(manscdp.whole(document.find("Info", "AlarmType")) or 0, 9999),
                "description": _shown(document.find("AlarmDescription"), 400),
                "longitude": manscdp.real(document.find("Longitude")),
                "latitude": manscdp.real(document.find("Latitude")),
            },
        )  # fmt: skip
        self.counts["alarms"] += 1
        code = await self._put(device, document.device, rows)
        if self.config.alarm_s:
            device.alarms[code] = time.monotonic() + self.config.alarm_s
        if document.number is not None:
            self._spawn(
                self._say(
                    device, "Response", "Alarm", document.device, (("Result", "OK"),), number=document.number
                )
            )

    async def _position(self, device: Registered, document: Document) -> None:
        rows = explain.readings(document)
        self.out.require_sure_time(rows)
        self.counts["positions"] += 1
        for who in dict.fromkeys(row.device for row in rows):
            await self._put(device, who, [row for row in rows if row.device == who])

    async def _put(self, device: Registered, who: str, rows: list[Measured]) -> str:
        """Readings of a channel, or of the device where no channel has that code; datastreams are made as they come.

        Returns the code under which they went.
        """
        site, code = self._place(device, who)
        if await in_worker(services.ensure_streams_of, site, code, dict.fromkeys(row.code for row in rows)):
            await self.out.refresh()
        await self.out.put(site, device.known.code, [row._replace(device=code) for row in rows])
        return code

    def _place(self, device: Registered, who: str) -> tuple[int, str]:
        channel = self.channels.get((device.known.code, who))
        return (channel.site_id, channel.code) if channel else (device.known.site_id, device.known.code)

    async def alarm_is_over(self, device: Registered, code: str) -> None:
        """``alarm`` is 0 from now on: it was reset, or not repeated for long enough."""
        device.alarms.pop(code, None)
        site, code = self._place(device, code)
        await self.out.put(site, device.known.code, [Measured(code, "alarm", None, 0.0, "1")])

    async def _sample(self) -> None:
        """Once a minute the state of every device and camera is a reading, also of those that are silent."""
        while True:
            await self._say_states(self.known.values())
            await asyncio.sleep(SAMPLE_S)

    async def _say_states(self, devices: Iterable[Known]) -> None:
        wanted = {known.code: known for known in devices if known.is_active}
        rows: dict[tuple[int, str], list[Measured]] = {}
        cameras: dict[int, bool] = {}
        for known in wanted.values():
            here = (found := self.devices.get(known.code)) is not None and found.online
            rows.setdefault((known.site_id, known.code), []).append(
                Measured(known.code, "online", None, float(here), "1")
            )
        for channel in self.channels.values():
            if channel.device not in wanted:
                continue
            found = self.devices.get(channel.device)
            can_be_called = channel.is_on and found is not None and found.online
            cameras[channel.id] = can_be_called
            if channel.code != channel.device or channel.site_id != wanted[channel.device].site_id:
                rows.setdefault((channel.site_id, channel.device), []).append(
                    Measured(channel.code, "online", None, float(can_be_called), "1")
                )
        try:
            async with self._cameras:
                await in_worker(services.set_online, cameras)
            for (site, source), told in rows.items():
                await self.out.put(site, source, told)
        except Busy:
            self._unsaid.update(wanted)
            self.counts["states_delayed"] += 1
        except (DatabaseError, OSError) as error:
            self._unsaid.update(wanted)
            log.warning("video.states_unkept", error=repr(error))

    # ---- who is there ---------------------------------------------------------------------------------------------

    async def _watch_devices(self) -> None:
        """Who has not been heard for too long is offline; alarms end; subscriptions are renewed."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._unsaid:
                again = [self.known[code] for code in self._unsaid if code in self.known]
                self._unsaid.clear()
                await self._say_states(again)
            now = time.monotonic()
            for device in list(self.devices.values()):
                if not device.online:
                    continue
                silent = now - device.seen > MISSES * self.config.keepalive_s
                if silent or now > device.until:
                    await self._set_offline(device, "silent" if silent else "expired")
                    continue
                for code in [code for code, over in device.alarms.items() if now > over]:
                    try:
                        await self.alarm_is_over(device, code)
                    except Busy:
                        device.alarms[code] = now + 5
                if any(now > one.renew for one in device.subscriptions.values()):
                    self._spawn(self._subscribe(device))

    async def _set_offline(self, device: Registered, why: str) -> None:
        device.online = False
        device.subscriptions.clear()
        self.counts["offline"] += 1
        log.info("video.offline", device=device.known.code, why=why)
        await self._store(services.note_state, device.known.id, is_online=False)
        await self._say_states([device.known])

    async def _back(self, device: Registered) -> None:
        log.info("video.back", device=device.known.code)
        await self._store(services.note_state, device.known.id, is_online=True)
        await self._say_states([device.known])
        await self._subscribe(device)

    def _closed(self, peer: Peer) -> None:
        """A TCP connection ended: its device cannot be asked until it registers anew."""
        for device in self.devices.values():
            if device.peer == peer and device.online:
                self._spawn(self._set_offline(device, "closed"))

    def _remember(self, known: Known) -> None:
        """A device that was registered over UDP before this process began may go on without registering anew."""
        left = (known.expires_at - clock.now()).total_seconds() if known.expires_at else 0
        place, _, transport = known.address.rpartition("/")
        host, _, port = place.rpartition(":")
        if not (known.is_online and known.is_active and left > 0 and transport == "udp" and port.isdigit()):
            return
        now = time.monotonic()
        self.devices[known.code] = Registered(
            known, Peer(host, int(port)), f"sip:{known.code}@{place}", now + left, now, known.version,
            charset="GB18030" if known.version == "2022" else "GB2312",
        )  # fmt: skip

    # ---- what is asked --------------------------------------------------------------------------------------------

    async def _welcome(self, device: Registered) -> None:
        """Ask a device that has just come what it is and has, and to tell of changes."""
        await self._say_states([device.known])
        try:
            await self.device_info(device)
        except (NoAnswer, VideoRefused) as error:
            log.info("video.no_information", device=device.known.code, why=str(error))
        try:
            await self.catalogue(device)
        except (NoAnswer, VideoRefused) as error:
            log.warning("video.no_catalogue", device=device.known.code, why=str(error))
        await self._subscribe(device)

    async def device_info(self, device: Registered) -> None:
        """Ask for maker, model and firmware.  Raises NoAnswer and VideoRefused."""
        (document,) = await self.query(device, "DeviceInfo", device.known.code)
        await self._store(
            services.note_state, device.known.id, manufacturer=_shown(document.find("Manufacturer"), 64),
            model=_shown(document.find("Model"), 64), firmware=_shown(document.find("Firmware"), 64),
        )  # fmt: skip

    async def catalogue(self, device: Registered) -> tuple[int, int, int]:
        """Ask for the catalogue and take its cameras in: (new, listed, gone).  Raises NoAnswer and VideoRefused."""
        documents = await self.query(device, "Catalog", device.known.code, is_list=True)
        items = [_listed(item) for document in documents for item in document.items("DeviceList")]
        cameras = {item.code: item for item in items if item and codes.is_camera(item.code)}
        if not cameras and codes.type_of(device.known.code) in codes.CAMERAS:
            cameras = {device.known.code: Listed(device.known.code, device.known.code)}
        wanted = [max((manscdp.whole(d.find("SumNum")) or 0) for d in documents)] if documents else [0]
        is_whole = len(items) >= wanted[0]
        result = await self._take_catalogue(device, list(cameras.values()), is_whole)
        log.info(
            "video.catalogue",
            device=device.known.code,
            new=result[0],
            listed=result[1],
            gone=result[2],
            whole=is_whole,
        )
        await self._load()
        await self.out.refresh()
        await self._say_states([device.known])
        return result

    async def _take_catalogue(
        self, device: Registered, items: list[Listed], is_whole: bool
    ) -> tuple[int, int, int]:
        async with self._cameras:
            taken: tuple[int, int, int] = await in_worker_of(
                services.take_catalogue, device.known.id, items, clock.now(), is_whole=is_whole
            )
        return taken

    async def _catalogue_changed(self, device: Registered, document: Document) -> None:
        """A notification of a catalogue subscription: ON, OFF, VLOST, DEFECT, ADD, DEL, UPDATE."""
        rows: list[Listed] = []
        for item in document.items("DeviceList"):
            event = item.find("Event").upper()
            listed = _listed(item)
            if listed is None or not codes.is_camera(listed.code):
                continue
            channel = self.channels.get((device.known.code, listed.code))
            if event in ("ON", "OFF", "VLOST", "DEFECT") and channel is not None:
                self.channels[device.known.code, listed.code] = replace(channel, is_on=event == "ON")
            elif event in ("ADD", "UPDATE") and item.find("Name"):
                rows.append(listed)
            else:
                self._spawn(self._catalogue_again(device))
        if rows:
            await self._take_catalogue(device, rows, False)
            await self._load()
            await self.out.refresh()
        await self._say_states([device.known])

    async def _catalogue_again(self, device: Registered) -> None:
        if device.known.code in self._asking:
            return
        self._asking.add(device.known.code)
        try:
            await self.catalogue(device)
        except (NoAnswer, VideoRefused) as error:
            log.warning("video.no_catalogue", device=device.known.code, why=str(error))
        finally:
            self._asking.discard(device.known.code)

    async def query(
        self,
        device: Registered,
        command: str,
        target: str,
        fields: Iterable[tuple[str, Any]] = (),
        *,
        is_list: bool = False,
    ) -> list[Document]:
        """Ask, and gather what is answered: one document, or all of a list until its SumNum is there.

        What came of a list before the time was over is returned.  Raises NoAnswer and VideoRefused.
        """
        number = self._next()
        key = (device.known.code, command, number)
        answers: asyncio.Queue[Document] = asyncio.Queue()
        self._waiting[key] = answers
        found: list[Document] = []
        try:
            await self._say(device, "Query", command, target, fields, number=number)
            async with asyncio.timeout(self.config.query_s):
                items = 0
                while True:
                    found.append(await answers.get())
                    items += len(found[-1].items("DeviceList"))
                    total = manscdp.whole(found[-1].find("SumNum")) or 0
                    if not is_list or items >= total or items > MAX_ITEMS:
                        return found
        except TimeoutError:
            if found:
                return found
            raise NoAnswer(f"device {device.known.code} did not answer the query {command}") from None
        finally:
            del self._waiting[key]

    async def order(self, code: str, target: str, fields: Iterable[tuple[str, Any]]) -> None:
        """DeviceControl for a channel of a device.  Raises NoAnswer and VideoRefused."""
        await self._say(self.online(code), "Control", "DeviceControl", target, fields)

    async def move(self, code: str, target: str, command: ptz.Ptz) -> None:
        """Move a camera.  Raises NoAnswer, VideoRefused, and ValueError for a command that has no bytes."""
        text = ptz.encode(command)
        await self.order(code, target, (("PTZCmd", text), ("Info", [("ControlPriority", 5)])))
        self.counts["moved"] += 1

    async def reset_alarm(self, code: str, target: str) -> None:
        """Reset the alarm of a channel.  Raises NoAnswer, VideoRefused and Busy."""
        await self.order(code, target, (("AlarmCmd", "ResetAlarm"),))
        await self.alarm_is_over(self.online(code), target)

    async def key_frame(self, code: str, target: str) -> None:
        """Ask for a key frame now.  The element is spelled IFameCmd by the standard of 2016."""
        name = "IFrameCmd" if self.online(code).version == "2022" else "IFameCmd"
        await self.order(code, target, ((name, "Send"),))

    async def _say(
        self,
        device: Registered,
        kind: str,
        command: str,
        target: str,
        fields: Iterable[tuple[str, Any]] = (),
        *,
        number: int | None = None,
    ) -> Message:
        """One MESSAGE to a device.  Raises NoAnswer and VideoRefused."""
        body = manscdp.encode(
            kind, command, self._next() if number is None else number, target, fields, device.charset
        )
        answer = await self.signalling.ask(
            sip.request("MESSAGE", self.uri(device), self.headers(device, "MESSAGE"), body, sip.MANSCDP),
            device.peer, self.config.answer_s,
        )  # fmt: skip
        if answer.status >= 300:
            raise VideoRefused(
                f"device {device.known.code} answers {answer.status} {answer.phrase} to {command}"
            )
        return answer

    async def _subscribe(self, device: Registered) -> None:
        """Ask to be told of alarms, positions and changes of the catalogue; renewed before it ends."""
        now = time.monotonic()
        for command, event in EVENTS.items():
            subscription = device.subscriptions.get(command)
            if subscription is not None and now < subscription.renew:
                continue
            fields: tuple[tuple[str, Any], ...] = ()
            if command == "MobilePosition":
                fields = (("Interval", self.config.position_s),)
            if command == "Alarm":
                fields = (
                    ("StartAlarmPriority", 0), ("EndAlarmPriority", 0), ("AlarmMethod", 0),
                )  # fmt: skip
            body = manscdp.encode("Query", command, self._next(), device.known.code, fields, device.charset)
            headers = self.headers(device, "SUBSCRIBE", subscription)
            request = sip.request(
                "SUBSCRIBE", self.uri(device),
                [*headers, self.contact(device), ("Event", event), ("Expires", str(self.config.subscribe_s))],
                body, sip.MANSCDP,
            )  # fmt: skip
            try:
                answer = await self.signalling.ask(request, device.peer, self.config.answer_s)
            except NoAnswer:
                answer = None
            if answer is None or answer.status >= 300:
                device.subscriptions.pop(command, None)
                if (
                    subscription is None and answer is not None
                ):  # it does not know how: asked again when it comes anew
                    device.subscriptions[command] = _Subscription("", "", "", 0, float("inf"))
                self.counts["subscriptions_refused"] += 1
                continue
            granted = answer.expires or self.config.subscribe_s
            device.subscriptions[command] = _Subscription(
                request.call_id, sip.parameter(request.header("From"), "tag"), answer.header("To"),
                request.cseq[0], time.monotonic() + max(5.0, 0.8 * granted),
            )  # fmt: skip
            self.counts["subscribed"] += 1

    # ---- parts of messages ----------------------------------------------------------------------------------------

    def uri(self, device: Registered, target: str = "") -> str:
        host = f"[{device.peer.host}]" if ":" in device.peer.host else device.peer.host
        return f"sip:{target or device.known.code}@{host}:{device.peer.port}"

    def headers(
        self, device: Registered, method: str, dialog: "_Subscription | None" = None, target: str = ""
    ) -> list[tuple[str, str]]:
        """Via, From, To, Call-ID and CSeq of a new request."""
        call = dialog if dialog is not None and dialog.call_id else None
        return [
            self.signalling.via(device.peer, self.config.address),
            (
                "From",
                f"<sip:{self.config.server}@{self.config.domain}>;tag={call.tag if call else self._tag()}",
            ),
            ("To", call.to if call else f"<sip:{target or device.known.code}@{self.config.domain}>"),
            ("Call-ID", call.call_id if call else secrets.token_hex(12)),
            ("CSeq", f"{call.number + 1 if call else 1} {method}"),
            ("User-Agent", "Fengsui"),
        ]

    def contact(self, device: Registered) -> tuple[str, str]:
        host = self.config.address or self.signalling.local_address(device.peer)
        host = f"[{host}]" if ":" in host else host
        return "Contact", f"<sip:{self.config.server}@{host}:{self.signalling.port}>"

    def _challenges(self, message: Message, peer: Peer, stale: bool = False) -> list[tuple[str, str]]:
        """One challenge for each algorithm on offer, the best first; a device of 2016 gets MD5 alone (RFC 8760)."""
        offered = self.config.digests
        if not message.header("X-GB-Ver").startswith("3") and "MD5" in offered:
            offered = ("MD5",)
        nonce = self._nonce(peer, f"{clock.now_ms() // 1000:x}", secrets.token_hex(4))
        return [
            (
                "WWW-Authenticate",
                str(digest.Challenge(self.config.domain_of_trust, nonce, one, "auth", stale)),
            )
            for one in offered
        ]

    def _nonce(self, peer: Peer, at: str, salt: str) -> str:
        """When, something that never comes twice, and the proof that we said so to this address."""
        mac = hmac.new(self._secret, f"{at} {salt} {peer.host}".encode(), hashlib.sha256).hexdigest()[:24]
        return f"{at}-{salt}-{mac}"

    def _fresh(self, given: digest.Credentials, peer: Peer) -> bool:
        """Whether a nonce is ours, for this address, young, and not used with this count before."""
        parts = given.nonce.split("-")
        if len(parts) != 3:
            return False
        ours = self._nonce(peer, parts[0], parts[1])
        if not hmac.compare_digest(given.nonce.encode("utf-8", "replace"), ours.encode("utf-8", "replace")):
            return False
        at = int(parts[0], 16)
        return 0 <= clock.now_ms() / 1000 - at <= NONCE_S and (given.nonce, given.nc) not in self._used

    def _use(self, given: digest.Credentials) -> None:
        now = time.monotonic()
        self._used[given.nonce, given.nc] = now
        while self._used and (
            now - next(iter(self._used.values())) > NONCE_S + 5 or len(self._used) > 100_000
        ):
            self._used.popitem(last=False)

    def _tag(self) -> str:
        return secrets.token_hex(5)

    def _next(self) -> int:
        self._number = self._number % 999_999_999 + 1
        return self._number

    # ---- the database ---------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        self.known, rows = await in_worker(_read)
        self.channels = {(row.device, row.code): row for row in rows}
        for code, device in list(self.devices.items()):
            known = self.known.get(code)
            if known is None or not known.is_active or known.password != device.known.password:
                if device.online:
                    self._spawn(self._set_offline(device, "taken out of use"))
                del self.devices[code]
            else:
                device.known = known

    async def _follow(self) -> None:
        async for _moved in self._watch.follow():
            try:
                await self._load()
                await self.out.refresh()
            except (DatabaseError, OSError) as error:
                log.warning("video.stale", error=repr(error))

    async def _write_seen(self) -> None:
        while True:
            await asyncio.sleep(SEEN_S)
            await self._flush_seen()

    async def _flush_seen(self) -> None:
        seen, self._seen = self._seen, {}
        if seen:
            await self._store(services.note_seen, seen)

    async def _store(self, deed: Any, *arguments: Any, **named: Any) -> None:
        """Write a state; a database that is away costs the state, not the device."""
        try:
            await in_worker_of(deed, *arguments, **named)
        except (DatabaseError, OSError) as error:
            self.counts["unkept"] += 1
            log.warning("video.unkept", deed=deed.__name__, error=repr(error))

    def _unreadable(self, refused: BadFrame, peer: Peer) -> None:
        self._refusals.counts[f"gb28181.{refused.reason}"] += 1
        log.info(
            "video.refused", peer=str(peer), reason=refused.reason, why=str(refused), bytes=len(refused.data)
        )
        device = next((d for d in self.devices.values() if d.peer == peer and d.online), None)
        if device is not None and time.monotonic() - device.unread >= UNREAD_S:
            device.unread = time.monotonic()
            self._spawn(self.out.keep(device.known.site_id, device.known.code, refused.data))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def in_worker(deed: Any, *arguments: Any) -> Any:
    """A deed on the database in a thread."""
    return await asyncio.to_thread(in_thread, deed, *arguments)


async def in_worker_of(deed: Any, *arguments: Any, **named: Any) -> Any:
    """The same with named arguments."""
    return await asyncio.to_thread(in_thread, lambda: deed(*arguments, **named))


async def _quietly(work: Any) -> None:
    try:
        await work
    except (NoAnswer, VideoRefused, Busy) as error:
        log.info("video.unanswered", why=str(error))
    except Exception as error:
        log.error("video.failed", error=repr(error))


def _read() -> tuple[Mapping[str, Known], list[Channel]]:
    return services.known(), services.channels()


def _listed(item: manscdp.Node) -> Listed | None:
    """An item of a catalogue; None when it has no code."""
    code = item.find("DeviceID")
    if codes.read(code) is None:
        return None
    longitude, latitude = manscdp.real(item.find("Longitude")), manscdp.real(item.find("Latitude"))
    placed = longitude is not None and latitude is not None and abs(longitude) <= 180 and abs(latitude) <= 90
    kind = manscdp.whole(item.find("Info", "PTZType") or item.find("PTZType")) or 0
    return Listed(
        code, _shown(item.find("Name"), 120) or code, _shown(item.find("Manufacturer"), 64),
        _shown(item.find("Model"), 64), _shown(item.find("ParentID"), 64), _shown(item.find("CivilCode"), 20),
        _shown(item.find("Address"), 200), min(kind, 99), longitude if placed else None, latitude if placed else None,
        item.find("Status").upper() not in ("OFF", "OFFLINE"),
    )  # fmt: skip


def _shown(text: str, most: int) -> str:
    """Text of a device that every store can keep."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()
