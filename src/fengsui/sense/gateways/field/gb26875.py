"""GB/T 26875.3 in conversation: the source address says who speaks; the protocol has no password.

What is sent (command 2) is confirmed once it is durable; what cannot be read, or comes from nobody we know, is denied.
A device's own requests (4) are denied: the centre has no data for it.  Confirmations and answers of the device settle
our commands by their serial.  Source: GB/T 26875.3-2011, 6 to 8; docs/protocols/gb26875.md says what is verified.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import gb26875
from fengsui.sense.gateways.field.adapter import (
    UNKNOWN_DEVICE,
    Adapter,
    Asked,
    BadCommand,
    Find,
    Heard,
    Identity,
    Settled,
    whole,
)

ASKED_AT_ONCE = 64
CENTRE = 0  # our own address towards a device that has not said to whom it reports


class Session:
    """One connection or sender of datagrams: one transmission device."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._serial = 0
        self._speaks: dict[str, tuple[int, tuple[int, int]]] = {}  # source → target and version
        self._asked: OrderedDict[tuple[str, int], bool] = OrderedDict()  # → whether data are to come

    def take(self, frame: gb26875.Frame, now_ms: int) -> Heard:
        name = str(frame.source)
        identity = self._find(name)
        heard = Heard(frame.raw, name, identity)
        if identity is None:
            heard.problem = UNKNOWN_DEVICE
            if frame.command in (gb26875.SEND, gb26875.REQUEST):
                heard.answers.append(gb26875.deny(frame, _at(now_ms)))
            return heard
        self._speaks[name] = (frame.target, frame.version)
        heard.readings = gb26875.measured(frame)
        if frame.command == gb26875.SEND:
            heard.answers.append(gb26875.confirm(frame, _at(now_ms)))
        elif frame.command == gb26875.REQUEST:
            heard.answers.append(gb26875.deny(frame, _at(now_ms)))
        elif frame.command in (gb26875.CONFIRM, gb26875.ANSWER, gb26875.DENY):
            self._settle(heard, frame)
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        frame = refused.seen
        if (
            refused.reason == "cut"
            or not isinstance(frame, gb26875.Frame)
            or self._find(str(frame.source)) is None
        ):
            return []
        return [gb26875.deny(frame, _at(now_ms))]

    def end(self, now_ms: int) -> list[BadFrame]:
        return []

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        made = _COMMANDS.get(command)
        if made is None:
            raise BadCommand(f"GB/T 26875.3 has the commands {', '.join(_COMMANDS)}, not {command}")
        kind, objects, is_request = made(arguments, now_ms)
        if not identity.identity.isdigit():
            raise BadCommand(f"{identity.identity!r} is no address of GB/T 26875.3")
        target, version = self._speaks.get(identity.identity, (CENTRE, (1, 1)))
        self._serial = (self._serial + 1) & 0xFFFF
        data = gb26875.encode(
            serial=self._serial, at=_at(now_ms), source=target, target=int(identity.identity),
            command=gb26875.REQUEST if is_request else gb26875.CONTROL, unit=gb26875.unit(kind, objects),
            version=version,
        )  # fmt: skip
        key = (identity.identity, self._serial)
        self._asked[key] = is_request
        while len(self._asked) > ASKED_AT_ONCE:
            self._asked.popitem(last=False)
        return Asked(data, key)

    def _settle(self, heard: Heard, frame: gb26875.Frame) -> None:
        key = (heard.name, frame.serial)
        wants_data = self._asked.get(key)
        if wants_data is None:
            return
        ok = frame.command != gb26875.DENY
        final = not ok or frame.command == gb26875.ANSWER or not wants_data
        if final:
            del self._asked[key]
        heard.settled.append(Settled(key, final, ok, gb26875.describe(frame)))


def _at(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, UTC)


_Make = Callable[[Mapping[str, Any], int], tuple[int, list[dict[str, Any]], bool]]


def _system(kind: int) -> _Make:
    def make(arguments: Mapping[str, Any], now_ms: int) -> tuple[int, list[dict[str, Any]], bool]:
        one = {
            "system_type": whole(arguments, "system_type", 0, 255, 1),
            "system_addr": whole(arguments, "system_addr", 0, 255, 0),
        }
        return kind, [one], True

    return make


_COMMANDS: dict[str, _Make] = {
    "poll": lambda a, now: (81, [{"reserved": 0}], True),
    "system_state": _system(61),
    "get_time": lambda a, now: (88, [{"reserved": 0}], True),
    "set_time": lambda a, now: (90, [{"time": _at(now)}], False),
    "check_duty": lambda a, now: (91, [{"minutes": whole(a, "minutes", 1, 255, 10)}], False),
}
ADAPTER = Adapter(
    gb26875.CODEC,
    Session,
    {
        "poll": (),
        "system_state": ("system_type", "system_addr"),
        "get_time": (),
        "set_time": (),
        "check_duty": ("minutes",),
    },
    longest=gb26875.HEAD_BYTES + gb26875.MAX_UNIT + gb26875.TAIL_BYTES,
    udp=True,
)
