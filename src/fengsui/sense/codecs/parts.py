"""Packets of one message, collected until all are there: pure, the clock is an argument.

HJ 212, SL 651 and others split what is too long for one frame.  Packets may come twice, late, in any order or
never.  What is held is bounded; a message that is given up is a refusal with the numbers that are missing.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Part

SPAN_MS = 120_000  # between two packets of one message: three time-outs of 10 s, and patience
MAX_OPEN = 256  # messages of one connection that are begun and not whole
MAX_BYTES = 8 << 20  # held for one connection


class Joined(NamedTuple):
    """``frame`` is what is whole now: a frame that was never split, or a message of all its packets; else None."""

    frame: Any
    refused: list[BadFrame]


@dataclass(slots=True)
class _Message:
    part: Part  # of the packet that came last
    seen_ms: int
    packets: dict[int, Any] = field(default_factory=dict)
    size: int = 0


class Joiner:
    """The packets of one connection."""

    def __init__(self, codec: Codec, *, max_open: int = MAX_OPEN, max_bytes: int = MAX_BYTES) -> None:
        self._codec = codec
        self._max_open, self._max_bytes = max_open, max_bytes
        self._open: OrderedDict[tuple[Any, ...], _Message] = OrderedDict()
        self._done: OrderedDict[tuple[Any, ...], dict[int, int]] = OrderedDict()
        self._size = 0

    def add(self, frame: Any, now_ms: int) -> Joined:
        """Take one frame in; ``now_ms`` is when it came."""
        part = self._part_of(frame)
        if part is None:
            return Joined(frame, [])
        refused: list[BadFrame] = []
        message = self._open.get(part.key)
        if message is None and self._done.get(part.key, {}).get(part.number) == hash(frame.raw):
            return Joined(None, [])  # a packet of the message that was whole last, sent once more
        if message is not None and self._is_another(message, part, frame, now_ms):
            refused.append(self._give_up(part.key))
            message = None
        if message is None:
            message = self._open[part.key] = _Message(part, now_ms)
        if part.number not in message.packets:
            message.packets[part.number] = frame
            message.size += len(frame.raw)
            self._size += len(frame.raw)
        message.part, message.seen_ms = part, now_ms
        self._open.move_to_end(part.key)
        if len(message.packets) == part.total:
            return Joined(self._finish(part), refused)
        while len(self._open) > self._max_open or self._size > self._max_bytes:
            refused.append(self._give_up(next(iter(self._open))))
        return Joined(None, refused)

    def missing(self, frame: Any) -> list[int]:
        """The numbers still missing of the message that a packet belongs to; empty when it is whole."""
        part = self._part_of(frame)
        message = self._open.get(part.key) if part else None
        return _missing(message) if message else []

    def quiet(self, now_ms: int, for_ms: int) -> list[tuple[Any, list[int]]]:
        """A packet of each message for which nothing has come for so long, and the numbers it lacks."""
        return [
            (next(iter(message.packets.values())), _missing(message))
            for message in self._open.values()
            if now_ms - message.seen_ms >= for_ms
        ]

    def expire(self, now_ms: int) -> list[BadFrame]:
        """Give up what nothing has come for in a while."""
        late = [key for key, message in self._open.items() if now_ms - message.seen_ms > SPAN_MS]
        return [self._give_up(key) for key in late]

    def end(self) -> list[BadFrame]:
        """Give up everything: the connection is closed."""
        return [self._give_up(key) for key in list(self._open)]

    def _part_of(self, frame: Any) -> Part | None:
        """Its place; in the one open message that lacks it, when it was sent again under another number."""
        part = self._codec.part_of(frame) if self._codec.part_of else None
        if part is None or part.kin is None or part.number == 1 or part.key in self._open:
            return part
        if part.key in self._done:
            return part
        lacking = [
            key
            for key, message in self._open.items()
            if message.part.kin == part.kin
            and part.number not in message.packets
            and len(message.packets) > 1
        ]
        return part._replace(key=lacking[0]) if len(lacking) == 1 else part

    def _is_another(self, message: _Message, part: Part, frame: Any, now_ms: int) -> bool:
        """Whether a packet cannot belong to the message that is open under its key."""
        last, held = message.part, message.packets.get(part.number)
        if held is not None and held.raw != frame.raw:
            return True
        if last.about is not None and part.about is not None and last.about != part.about:
            return True
        if last.at_ms is not None and part.at_ms is not None:
            return abs(part.at_ms - last.at_ms) > SPAN_MS
        return now_ms - message.seen_ms > SPAN_MS

    def _finish(self, part: Part) -> Any:
        message = self._open.pop(part.key)
        self._size -= message.size
        self._done[part.key] = {number: hash(frame.raw) for number, frame in message.packets.items()}
        self._done.move_to_end(part.key)
        while len(self._done) > self._max_open:
            self._done.popitem(last=False)
        return self._joined(message)

    def _give_up(self, key: tuple[Any, ...]) -> BadFrame:
        message = self._open.pop(key)
        self._size -= message.size
        seen = self._joined(message)
        return BadFrame(
            "incomplete",
            seen.raw,
            "packets of a split message are missing",
            {"total": message.part.total, "missing": _missing(message)},
            seen,
        )

    def _joined(self, message: _Message) -> Any:
        assert self._codec.join is not None, "a codec that splits also joins"
        return self._codec.join([message.packets[number] for number in sorted(message.packets)])


def _missing(message: _Message) -> list[int]:
    return [number for number in range(1, message.part.total + 1) if number not in message.packets]
