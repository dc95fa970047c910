"""JT/T 808 in conversation: a terminal registers, shows the code it was given, and then its messages count.

The identity is the phone number without leading zeros.  Registration (0100) of a number we know is answered by 8100
with the code; authentication (0102) with that code opens the conversation; before it every other message is answered
"failure" and refused.  Messages are confirmed by 8001 once they are durable (8004 for the time);
subpackages once the message is whole, and those that are missing are asked for by 8003.  What a terminal of 2019
misses of a long message of ours (0005) is sent again.
Where a vehicle is comes as ``position.longitude``, ``position.latitude``, ``position.altitude`` (m),
``position.speed`` (km/h) and ``position.direction`` (°).
Source: JT/T 808-2013 and -2019, chapters 7 and 8.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.jt808 import frame as frames
from fengsui.sense.codecs.jt808.message import RESULTS, answer, decode, encode
from fengsui.sense.codecs.jt808.parts import first_serial
from fengsui.sense.codecs.jt808.platform import REGISTRATION
from fengsui.sense.codecs.jt808.readings import readings
from fengsui.sense.codecs.jt808.terminal import MEDIA as KINDS
from fengsui.sense.codecs.measured import plain
from fengsui.sense.codecs.parts import Joiner
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.gateways.field.adapter import (
    NOT_LOGGED_IN,
    UNKNOWN_DEVICE,
    WRONG_PASSWORD,
    Adapter,
    Asked,
    BadCommand,
    Find,
    Heard,
    Identity,
    Media,
    Settled,
    number,
    text,
    whole,
)

GENERAL, QUERY_TIME, RESEND, REGISTER, LOG_IN, MEDIA = 0x0001, 0x0004, 0x0005, 0x0100, 0x0102, 0x0801
SEARCHED, CAMERA = 0x0802, 0x0805
UNANSWERED = frozenset(
    (GENERAL, 0x0104, 0x0107, 0x0201, 0x0302, 0x0500, 0x0700, 0x0802, 0x0805, 0x1003)
)  # are answers
ASKED_AT_ONCE = 64
LONG_KEPT = 8  # long messages of ours, of which a terminal may miss a part
QUIET_MS = 10_000  # after so long without a subpackage the missing ones are asked for, again after as long
ASKED_AGAIN = 3  # times for one message at most
INDICES = 125  # in one request: what fits a frame, and the count of the form of 2013
UPLOADED, STORED = 0, 1  # what a terminal does with what it takes
LISTED = 0x0802, 0x0805, 0x0800  # messages that say which media there are
MEDIA_INDICES = 255  # in one 0x8800: its count has one byte
FINISHED_KEPT = 64  # uploads of which we know what became of them, for packets that are sent again
WANTED_KEPT = 256  # media that a command asked for and that may come later
MIDDLE = {"brightness": 127, "contrast": 63, "saturation": 63, "chroma": 127}  # of 255, 127, 127, 255
POSITION = {
    "longitude": "position.longitude",
    "latitude": "position.latitude",
    "altitude_m": "position.altitude",
    "speed_km_h": "position.speed",
    "direction_deg": "position.direction",
}
_REGISTERED = {name: value for value, name in REGISTRATION.items()}


class Session:
    """One connection: one terminal."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._joiner = Joiner(CODECS["jt808"], max_open=ASKED_AT_ONCE)
        self._missed: OrderedDict[tuple[Any, ...], tuple[int, int]] = (
            OrderedDict()
        )  # message → times asked, when
        self._long: OrderedDict[tuple[str, int], list[bytes]] = (
            OrderedDict()
        )  # ours: (phone, first serial) → frames
        self._logged_in: dict[str, bool] = {}  # phone → whether it speaks the form of 2019
        self._phones: dict[str, str] = {}  # identity → phone as sent
        self._serial = -1
        self._looked_ms = 0
        self._asked: OrderedDict[tuple[str, int], int] = OrderedDict()  # → message that answers it
        self._numbers: OrderedDict[tuple[str, int], int] = (
            OrderedDict()
        )  # uploads under way: (phone, first serial) → the medium's number, from the first packet
        self._uploads: OrderedDict[tuple[str, int], Media] = OrderedDict()  # that were whole, by the same
        self._wanted: OrderedDict[tuple[str, int], tuple[Any, ...]] = (
            OrderedDict()
        )  # (name, number of the medium) → the command that it answers
        self._sought: OrderedDict[tuple[Any, ...], Mapping[str, Any]] = (
            OrderedDict()
        )  # commands that bring media of any number, with what they asked for

    def take(self, frame: frames.Frame, now_ms: int) -> Heard:
        name = frame.phone.lstrip("0") or "0"
        identity = self._find(name)
        heard = Heard(frames.encode(frame), name, identity)
        if frame.message_id == REGISTER:
            return self._register(heard, frame)
        if identity is None:
            heard.problem = UNKNOWN_DEVICE
            return self._failed(heard, frame)
        if frame.message_id == LOG_IN:
            code = decode(frame).fields.get("code")
            if not isinstance(code, str) or not identity.secret or not identity.admits(code):
                heard.problem = WRONG_PASSWORD
                self._logged_in.pop(name, None)
                return self._failed(heard, frame)
            self._logged_in[name], self._phones[name] = frame.is_2019, frame.phone
            heard.answers.append(answer(frame, "success", self._number()))
            return heard
        if name not in self._logged_in:
            heard.problem = NOT_LOGGED_IN
            return self._failed(heard, frame)
        if frame.total and not 1 <= frame.index <= frame.total:
            heard.refused.append(BadFrame("subpackage_index", frame.raw))
            return heard
        heard.refused += self._joiner.expire(now_ms)
        if frame.message_id == MEDIA and frame.index == 1 and len(frame.body) >= 4:
            _remember(
                self._numbers,
                (frame.phone, frame.serial),
                int.from_bytes(frame.body[:4], "big"),
                ASKED_AT_ONCE,
            )
        message, refused = self._joiner.add(frame, now_ms)
        heard.refused += refused
        if message is not None:
            self._whole(heard, message, now_ms)
        elif not (
            missing := self._joiner.missing(frame)
        ):  # of a message that was whole before: our answer was lost
            heard.answers += self._once_more(frame)
        elif frame.index == frame.total:
            heard.answers += self._ask_for(frame, missing, now_ms)
        if now_ms - self._looked_ms >= QUIET_MS // 10:
            self._looked_ms = now_ms
            for packet, lacking in self._joiner.quiet(now_ms, QUIET_MS):
                heard.answers += self._ask_for(packet, lacking, now_ms)
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        return []  # a terminal repeats what is not answered

    def end(self, now_ms: int) -> list[BadFrame]:
        return self._joiner.end()

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        made = _COMMANDS.get(command)
        if made is None:
            raise BadCommand(f"JT/T 808 has the commands {', '.join(_COMMANDS)}, not {command}")
        message_id, fields, answered_by = made(arguments)
        phone = self._phones.get(identity.identity, identity.identity)
        is_2019 = self._logged_in.get(identity.identity, False)
        serial = self._number()
        if not is_2019:
            fields.pop("text_type", None)
        try:
            sent = encode(message_id, fields, phone=phone, serial=serial, is_2019=is_2019)
        except (ValueError, KeyError, TypeError) as error:
            raise BadCommand(str(error)) from None
        if len(sent) > 1:  # subpackages have numbers that follow each other
            self._serial = (serial + len(sent) - 1) & 0xFFFF
            self._long[phone, serial] = sent
            while len(self._long) > LONG_KEPT:
                self._long.popitem(last=False)
        key = (identity.identity, serial)
        _remember(self._asked, key, answered_by, ASKED_AT_ONCE)
        if message_id == 0x8805:
            _remember(self._wanted, (identity.identity, fields["media_id"]), key, WANTED_KEPT)
        elif message_id in (0x8801, 0x8803):
            _remember(self._sought, key, fields, ASKED_AT_ONCE)
        return Asked(b"".join(sent), key)

    def _register(self, heard: Heard, frame: frames.Frame) -> Heard:
        fields: dict[str, Any] = {"reply_serial": frame.serial, "result": _REGISTERED["no_terminal"]}
        if heard.identity is None:
            heard.problem = UNKNOWN_DEVICE
        else:
            fields |= {"result": _REGISTERED["success"], "code": heard.identity.secret}
        heard.answers += encode(
            0x8100, fields, phone=frame.phone, serial=self._number(), is_2019=frame.is_2019
        )
        return heard

    def _failed(self, heard: Heard, frame: frames.Frame) -> Heard:
        if frame.message_id != GENERAL:
            heard.answers.append(answer(frame, "failure", self._number()))
        return heard

    def _ask_for(self, packet: frames.Frame, missing: list[int], now_ms: int) -> list[bytes]:
        """0x8003 (0x8800 of a medium) for what is missing, unless it was asked for just now or often enough."""
        first = first_serial(packet)
        key = (packet.phone, packet.message_id, packet.total, first)
        times, at = self._missed.get(key, (0, now_ms - QUIET_MS))
        if times >= ASKED_AGAIN or now_ms - at < QUIET_MS:
            return []
        self._missed[key] = times + 1, now_ms
        while len(self._missed) > ASKED_AT_ONCE:
            self._missed.popitem(last=False)
        number = self._numbers.get((packet.phone, first)) if packet.message_id == MEDIA else None
        if number is not None:
            return self._media_answer(packet, number, missing[:MEDIA_INDICES])
        fields = {"first_serial": first, "indices": missing[:INDICES]}
        return encode(0x8003, fields, phone=packet.phone, serial=self._number(), is_2019=packet.is_2019)

    def _media_answer(self, packet: frames.Frame, number: int, missing: list[int] | None) -> list[bytes]:
        """0x8800: the medium is here, or these packets of it are wanted again."""
        fields: dict[str, Any] = {"media_id": number}
        if missing:
            fields["indices"] = missing
        return encode(0x8800, fields, phone=packet.phone, serial=self._number(), is_2019=packet.is_2019)

    def _once_more(self, packet: frames.Frame) -> list[bytes]:
        """To a packet of a message that was whole before: the answer that was lost."""
        media = self._uploads.get((packet.phone, first_serial(packet)))
        if packet.message_id != MEDIA or media is None:
            return [answer(packet, "success", self._number())]
        if media.problem is None:
            return []  # it is being kept: the answer is on its way
        said = [answer(packet, "failure" if media.problem else "success", self._number())]
        if not media.problem and packet.index == packet.total and media.number is not None:
            said += self._media_answer(packet, media.number, None)
        return said

    def _send_again(self, message: frames.Frame, fields: Mapping[str, Any]) -> list[bytes]:
        """The subpackages of ours that a terminal asks for; "failure" when they are gone."""
        first, indices = fields.get("first_serial"), fields.get("indices")
        kept = self._long.get((message.phone, first)) if isinstance(first, int) else None
        if kept is None or not isinstance(indices, list | tuple):
            return [answer(message, "failure", self._number())]
        return [kept[n - 1] for n in dict.fromkeys(indices) if isinstance(n, int) and 1 <= n <= len(kept)]

    def _whole(self, heard: Heard, message: frames.Frame, now_ms: int) -> None:
        heard.readings = [
            one._replace(code=POSITION.get(one.code, one.code), device=heard.name)
            for one in readings(message)
        ]
        fields = decode(message).fields
        self._settle(heard, message, fields)
        if message.message_id in UNANSWERED:
            return
        about: dict[str, Any] = {"phone": message.phone, "is_2019": message.is_2019}
        if message.message_id == QUERY_TIME:
            at = datetime.fromtimestamp(now_ms // 1000, UTC)
            heard.answers += encode(0x8004, {"time": at}, serial=self._number(), **about)
            return
        if message.message_id == RESEND:
            heard.answers += self._send_again(message, fields)
            return
        packets = message.packets or (message,)
        if message.message_id == MEDIA:
            self._upload(heard, message, fields, packets)
            return
        heard.answers += [answer(packet, "success", self._number()) for packet in packets]

    def _upload(
        self, heard: Heard, message: frames.Frame, fields: Mapping[str, Any], packets: Sequence[frames.Frame]
    ) -> None:
        """A medium that is whole.  0x8800 lets the terminal drop it: only once it is kept."""
        number, data = fields.get("media_id"), fields.get("data")
        if not isinstance(number, int) or not isinstance(data, bytes):
            heard.refused.append(BadFrame("media_unreadable", message.raw))
            heard.answers += [answer(packet, "wrong_message", self._number()) for packet in packets]
            return
        media = _media(fields, data)
        media.asked = self._asked_for(heard.name, media)
        media.kept = [answer(packet, "success", self._number()) for packet in packets]
        media.kept += self._media_answer(message, number, None)
        media.lost = [answer(packet, "failure", self._number()) for packet in packets]
        heard.media.append(media)
        _remember(self._uploads, (message.phone, message.serial), media, FINISHED_KEPT)

    def _asked_for(self, name: str, media: Media) -> tuple[Any, ...] | None:
        """The command that an upload answers: one that named it, or else the latest that it fits."""
        if media.number is not None and (named := self._wanted.get((name, media.number))):
            return named
        for key, sought in reversed(self._sought.items()):
            kind = KINDS.get(sought.get("media_type", 0))
            channels = (0, media.channel)
            if key[0] != name or kind != media.kind or sought.get("channel", 0) not in channels:
                continue
            if sought.get("event", 0) == media.event:
                return key
        return None

    def _listed(self, heard: Heard, message_id: int, fields: Mapping[str, Any], key: Any) -> None:
        """Media that a terminal says it has (0x0800, 0x0802, 0x0805)."""
        if message_id == CAMERA:
            sought = self._sought.get(key, {}) if key else {}
            for number in fields.get("media_ids") or ():
                heard.media.append(Media(None, number, event=0, channel=sought.get("channel"), asked=key))
                if key:
                    _remember(self._wanted, (heard.name, number), key, WANTED_KEPT)
            return
        for item in fields.get("items") or () if message_id == SEARCHED else (fields,):
            if isinstance(item.get("media_id"), int):
                one = _media(item, None)
                one.listed = message_id == SEARCHED
                heard.media.append(one)

    def _settle(self, heard: Heard, message: frames.Frame, fields: Mapping[str, Any]) -> None:
        serial = fields.get("reply_serial")
        key = (heard.name, serial) if isinstance(serial, int) else None
        if key is None:  # answers that do not say to what: 0107, 0702, 1003
            key = next((k for k, by in self._asked.items() if by == message.message_id), None)
        if message.message_id in LISTED:
            self._listed(heard, message.message_id, fields, key if key in self._asked else None)
        if key is None or key not in self._asked:
            return
        if message.message_id == GENERAL:
            ok = fields.get("result") in (RESULTS["success"], RESULTS["alarm_confirmed"])
            final = not ok or self._asked[key] == GENERAL
        else:
            ok, final = message.message_id != CAMERA or fields.get("result") == 0, True
        if final:
            del self._asked[key]
        heard.settled.append(Settled(key, final, ok, plain(fields)))

    def _number(self) -> int:
        self._serial = (self._serial + 1) & 0xFFFF
        return self._serial


def _media(fields: Mapping[str, Any], data: bytes | None) -> Media:
    """What a message says of a medium.  A place without a fix is none."""
    place = fields.get("location") or {}
    at = place.get("time")
    fixed = "fixed" in (place.get("status_set") or ())
    return Media(
        data,
        fields["media_id"],
        kind=KINDS.get(fields.get("media_type", 0), "picture"),
        event=_code(fields.get("event")),
        channel=_code(fields.get("channel")),
        time_ms=round(at.timestamp() * 1000) if isinstance(at, datetime) else None,
        longitude=place.get("longitude") if fixed else None,
        latitude=place.get("latitude") if fixed else None,
        speed_km_h=place.get("speed_km_h") if fixed else None,
        direction_deg=place.get("direction_deg") if fixed else None,
    )


def _code(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _remember(held: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Keep the newest ``most``."""
    held[key] = value
    held.move_to_end(key)
    while len(held) > most:
        held.popitem(last=False)


_Make = Callable[[Mapping[str, Any]], tuple[int, dict[str, Any], int]]


def _threshold(arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any], int]:
    return 0x8103, {"parameters": {"highest_speed_km_h": round(number(arguments, "speed_km_h"))}}, GENERAL


def _picture(arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any], int]:
    """0x8801: pictures that the terminal uploads at once or (``store`` 1) stores; it names them in its answer."""
    fields = {
        "channel": whole(arguments, "channel", 1, 127, 1),
        "command": whole(arguments, "count", 1, 100, 1),
        "interval_s": whole(arguments, "interval_s", 0, 65535, 0),
        "store": whole(arguments, "store", UPLOADED, STORED, UPLOADED),
        "resolution": whole(arguments, "resolution", 1, 8, 2),
        "quality": whole(arguments, "quality", 1, 10, 5),
        **MIDDLE,
    }
    return 0x8801, fields, CAMERA


def _search(arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any], int]:
    """0x8802: what the terminal has stored; all zeros mean any time."""
    return 0x8802, _sought(arguments), SEARCHED


def _upload(arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any], int]:
    """0x8803: all of that is uploaded, and perhaps deleted at the terminal."""
    return 0x8803, {**_sought(arguments), "then": whole(arguments, "delete", 0, 1, 0)}, GENERAL


def _upload_one(arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any], int]:
    """0x8805: one medium by its number."""
    fields = {
        "media_id": whole(arguments, "media_id", 0, 2**32 - 1),
        "then": whole(arguments, "delete", 0, 1, 0),
    }
    return 0x8805, fields, GENERAL


def _sought(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "media_type": whole(arguments, "media_type", 0, 2, 0),
        "channel": whole(arguments, "channel", 0, 127, 0),
        "event": whole(arguments, "event", 0, 255, 0),
        "from": _instant(arguments, "from"),
        "to": _instant(arguments, "to"),
    }


def _instant(arguments: Mapping[str, Any], name: str) -> datetime | None:
    told = text(arguments, name, "")
    try:
        at = datetime.fromisoformat(told) if told else None
    except ValueError:
        raise BadCommand(f"{name} is a time such as 2026-05-01T08:00:00+08:00, not {told!r}") from None
    if at is not None and at.tzinfo is None:
        raise BadCommand(f"{name} has no zone: write {told}+08:00 for Beijing time")
    return at


_COMMANDS: dict[str, _Make] = {
    "poll": lambda a: (0x8201, {}, 0x0201),
    "track": lambda a: (
        0x8202, {"interval_s": whole(a, "interval_s", 0, 65535), "for_s": whole(a, "for_s", 0, 2**31, 3600)}, GENERAL,
    ),
    "text": lambda a: (
        0x8300, {"flag": whole(a, "flag", 0, 255, 0x0C), "text_type": 1, "text": text(a, "text")}, GENERAL,
    ),
    "parameters": lambda a: (0x8104, {}, 0x0104),
    "attributes": lambda a: (0x8107, {}, 0x0107),
    "set_speed_limit": _threshold,
    "confirm_alarms": lambda a: (
        0x8203, {"alarm_serial": whole(a, "alarm_serial", 0, 65535, 0), "alarms": whole(a, "alarms", 0, 2**32 - 1, 1)},
        GENERAL,
    ),
    "link_check": lambda a: (0x8204, {}, GENERAL),
    "take_picture": _picture,
    "search_media": _search,
    "upload_media": _upload,
    "upload_one_media": _upload_one,
}  # fmt: skip
ADAPTER = Adapter(
    CODECS["jt808"],
    Session,
    {
        "poll": (),
        "track": ("interval_s", "for_s"),
        "text": ("text",),
        "parameters": (),
        "attributes": (),
        "set_speed_limit": ("speed_km_h",),
        "confirm_alarms": ("alarm_serial", "alarms"),
        "link_check": (),
        "take_picture": ("channel", "count", "interval_s", "store", "resolution", "quality"),
        "search_media": ("media_type", "channel", "event", "from", "to"),
        "upload_media": ("media_type", "channel", "event", "from", "to", "delete"),
        "upload_one_media": ("media_id", "delete"),
    },
    longest=frames.MAX_SEGMENT + 2,
    udp=True,
)
