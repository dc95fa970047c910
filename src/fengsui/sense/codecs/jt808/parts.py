"""Joining the subpackages of a long JT/T 808 message, and saying which of them to ask for again.

Pure: time is an argument.  Bounded: what stays incomplete too long, or is too much, comes back as a refusal.
"""

from dataclasses import dataclass, field, replace

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Part
from fengsui.sense.codecs.jt808.frame import Frame

PATIENCE_MS = 120_000  # how long a message may stay incomplete
MAX_BYTES = 8 * 1024 * 1024  # of all incomplete messages together: a picture has tens of kilobytes
MAX_OPEN = 64


def part_of(frame: Frame) -> Part | None:
    """Its place among the subpackages of a message, by the serial of the first; None where it is whole."""
    if not 1 <= frame.index <= frame.total:
        return None
    key = (frame.phone, frame.message_id, _first_serial(frame), frame.total)
    return Part(key, frame.index, frame.total)


def join(frames: list[Frame]) -> Frame:
    """The subpackages of one message, in order, as one frame with the serial of the first."""
    return replace(
        frames[0],
        serial=_first_serial(frames[0]),
        body=b"".join(frame.body for frame in frames),
        total=0,
        index=0,
        departures=tuple(dict.fromkeys(word for frame in frames for word in frame.departures)),
        raw=b"".join(frame.raw for frame in frames),
        packets=tuple(frames),
    )


def _first_serial(frame: Frame) -> int:
    return (frame.serial - frame.index + 1) & 0xFFFF


@dataclass(slots=True)
class _Open:
    first: Frame  # any part: gives the header
    first_serial: int
    since_ms: int
    bodies: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """What 0x8003 (platform) or 0x0005 (terminal) asks for again: serial of part 1, and the indices."""

    phone: str
    first_serial: int
    indices: tuple[int, ...]
    is_2019: bool


class Parts:
    """The incomplete messages of one connection."""

    def __init__(self, patience_ms: int = PATIENCE_MS, max_bytes: int = MAX_BYTES) -> None:
        self.patience_ms, self.max_bytes = patience_ms, max_bytes
        self._open: dict[tuple[str, int, int, int], _Open] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, frame: Frame, now_ms: int) -> tuple[Frame | None, list[BadFrame]]:
        """Take one frame; give the whole message when this completes it, and what had to be given up.

        A frame that is no subpackage comes back at once.  A part that comes twice counts once; a part with other bytes
        in the same place begins the message anew.
        """
        refused = self._expire(now_ms)
        if not frame.total:
            return frame, refused
        if not 1 <= frame.index <= frame.total:
            return None, [*refused, BadFrame("subpackage index", frame.body)]
        key = self._key(frame)
        held = self._open.get(key)
        if held is not None and held.bodies.get(frame.index, frame.body) != frame.body:
            refused.append(self._give_up(key, "subpackage replaced"))
            held = None
        if held is None:
            while len(self._open) >= MAX_OPEN:
                refused.append(self._give_up(next(iter(self._open)), "too many incomplete messages"))
            held = self._open[key] = _Open(frame, key[2], now_ms)
        if frame.index not in held.bodies:
            held.bodies[frame.index] = frame.body
            self._bytes += len(frame.body)
        if len(held.bodies) == frame.total:
            return self._whole(key), refused
        while self._bytes > self.max_bytes:
            refused.append(self._give_up(next(iter(self._open)), "incomplete messages too large"))
        return None, refused

    def missing(self, now_ms: int, quiet_ms: int = 0) -> list[Missing]:
        """What to ask for again, of messages that began at least ``quiet_ms`` ago; at most 255 indices each."""
        return [
            Missing(
                held.first.phone,
                held.first_serial,
                tuple(n for n in range(1, held.first.total + 1) if n not in held.bodies)[:255],
                held.first.is_2019,
            )
            for held in self._open.values()
            if now_ms - held.since_ms >= quiet_ms
        ]

    def _key(self, frame: Frame) -> tuple[str, int, int, int]:
        """The message a part belongs to, by the serial of its first part.

        A part sent again may carry a new serial; it joins the one open message that lacks it.
        """
        key = (frame.phone, frame.message_id, _first_serial(frame), frame.total)
        if key in self._open:
            return key
        lacking = [
            other
            for other, held in self._open.items()
            if (other[0], other[1], other[3]) == (frame.phone, frame.message_id, frame.total)
            and frame.index not in held.bodies
            and len(held.bodies) > 1
        ]
        return lacking[0] if len(lacking) == 1 and frame.index != 1 else key

    def _whole(self, key: tuple[str, int, int, int]) -> Frame:
        held = self._open.pop(key)
        body = b"".join(held.bodies[n] for n in sorted(held.bodies))
        self._bytes -= len(body)
        return replace(held.first, serial=held.first_serial, body=body, total=0, index=0)

    def _give_up(self, key: tuple[str, int, int, int], reason: str) -> BadFrame:
        held = self._open.pop(key)
        body = b"".join(held.bodies[n] for n in sorted(held.bodies))
        self._bytes -= len(body)
        return BadFrame(reason, body)

    def _expire(self, now_ms: int) -> list[BadFrame]:
        late = [key for key, held in self._open.items() if now_ms - held.since_ms > self.patience_ms]
        return [self._give_up(key, "subpackages missing") for key in late]
