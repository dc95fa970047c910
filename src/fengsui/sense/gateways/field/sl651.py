"""SL 651 in conversation: the station address and its password say who speaks; reports are confirmed.

Modes M1 and M2 look alike on the wire: every report is confirmed (6.5), and a station of M1 does not listen.  A report
that ends with ETX gets EOT (it may leave), or ESC where the station's type of device is ``online``; one that ends with
ETB gets ACK.  Packets of M3 are confirmed once all are there; after the last one NAK asks for one that is missing.  The
keep-alive (2F) is not answered.  Answers to queries (M4) settle them and get EOT or ESC.  Source: SL 651-2014, 6.2-6.6.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import sl651
from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.parts import Joiner
from fengsui.sense.gateways.field.adapter import (
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
    text,
)

KEEP_ALIVE = 0x2F
ONLINE = "online"  # the type of device of stations that stay connected
CENTRE = 1  # our own address towards a station that has not said to whom it reports
CODE = re.compile(r"[0-9A-Fa-f]{2}")


class Session:
    """One connection: one station, or a relay with several behind it."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._joiner = Joiner(sl651.CODEC)
        self._speaks: dict[str, tuple[int, bool]] = {}  # station → centre it reports to, and whether in ASCII
        self._asked: set[tuple[str, int]] = set()

    def take(self, frame: sl651.Frame, now_ms: int) -> Heard:
        name = frame.station.upper()
        identity = self._find(name)
        heard = Heard(frame.raw, name, identity)
        if identity is None or not identity.admits(frame.password.upper()):
            heard.problem = WRONG_PASSWORD if identity else UNKNOWN_DEVICE
            return heard  # the standard has no answer for it: a station repeats what is not confirmed
        if frame.down:
            heard.refused.append(BadFrame("downlink", frame.raw, "a frame of a centre, from a station"))
            return heard
        self._speaks[name] = (frame.centre, frame.ascii)
        heard.refused += self._joiner.expire(now_ms)
        missing: list[int] = []
        whole, refused = self._joiner.add(frame, now_ms)
        heard.refused += refused
        if whole is None:
            missing = self._joiner.missing(frame) if frame.end == words.ETX else []
            if missing:
                heard.answers.append(sl651.answer(frame, _at(now_ms), words.NAK, missing[0]))
            return heard
        heard.readings = sl651.measured(whole)
        key = (name, frame.function)
        if key in self._asked:
            self._asked.discard(key)
            heard.settled.append(Settled(key, True, True, sl651.describe(whole)))
        if frame.function != KEEP_ALIVE:
            confirmed = [sl651.answer(whole, _at(now_ms), _end(whole, identity))]
            heard.media = [Media(picture, time_ms=at) for picture, at in sl651.pictures(whole)]
            if (
                heard.media
            ):  # what is not kept is not confirmed: the station sends it again, as often as it may
                heard.media[-1].kept = confirmed
            else:
                heard.answers += confirmed
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        return []

    def end(self, now_ms: int) -> list[BadFrame]:
        return self._joiner.end()

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        made = _COMMANDS.get(command)
        if made is None:
            raise BadCommand(f"SL 651 has the commands {', '.join(_COMMANDS)}, not {command}")
        function, parameters = made(arguments)
        centre, in_ascii = self._speaks.get(identity.identity, (CENTRE, False))
        if in_ascii and parameters:
            raise BadCommand("a station that speaks ASCII takes commands without parameters only")
        try:
            data = sl651.query(
                centre=centre, station=identity.identity, password=identity.secret or "0000", function=function,
                at=_at(now_ms), parameters=parameters, in_ascii=in_ascii,
            )  # fmt: skip
        except ValueError as error:
            raise BadCommand(str(error)) from None
        key = (identity.identity, function)
        self._asked.add(key)
        return Asked(data, key)


def _at(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, UTC)


def _end(whole: sl651.Frame, identity: Identity) -> int:
    if whole.end == words.ETB:
        return words.ACK
    return words.ESC if identity.model == ONLINE else words.EOT


def _elements(arguments: Mapping[str, Any]) -> tuple[int, bytes]:
    codes = text(arguments, "codes").replace(",", " ").split()
    if not codes or not all(CODE.fullmatch(code) for code in codes):
        raise BadCommand("codes are identifiers of two hex digits, such as 39,26")
    return 0x3A, b"".join(bytes([int(code, 16), int(code, 16)]) for code in codes)


def _raw(arguments: Mapping[str, Any]) -> tuple[int, bytes]:
    function = text(arguments, "function")
    if not CODE.fullmatch(function):
        raise BadCommand("function is two hex digits, such as 37")
    try:
        return int(function, 16), bytes.fromhex(text(arguments, "hex", ""))
    except ValueError:
        raise BadCommand("hex is hex digits") from None


_Make = Callable[[Mapping[str, Any]], tuple[int, bytes]]


def _plain(function: int) -> _Make:
    return lambda arguments: (function, b"")


_COMMANDS: dict[str, _Make] = {
    "poll": _plain(0x37),
    "elements": _elements,
    "set_time": _plain(0x4A),
    "get_time": _plain(0x51),
    "version": _plain(0x45),
    "state": _plain(0x46),
    "events": _plain(0x50),
    "request": _raw,
}
ADAPTER = Adapter(
    sl651.CODEC,
    Session,
    {
        "poll": (),
        "elements": ("codes",),
        "set_time": (),
        "get_time": (),
        "version": (),
        "state": (),
        "events": (),
        "request": ("function", "hex"),
    },
    longest=sl651.MAX_PACKET + 64,
    udp=True,
)
