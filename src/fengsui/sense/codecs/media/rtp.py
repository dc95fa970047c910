"""RTP packets (RFC 3550): out of datagrams or a TCP stream (RFC 4571), and back into order."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut

HEADER = struct.Struct(">BBHII")
VERSION_2 = 0x80
MAX_PAYLOAD = 1400  # of a packet we write: below any MTU
CLOCK_HZ = 90_000
MAX_DROPOUT, MAX_MISORDER = 3000, 100  # RFC 3550, appendix A.1


class Packet(NamedTuple):
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


def read(data: bytes) -> Packet | BadFrame:
    """One packet.  Never raises."""
    if len(data) < HEADER.size or data[0] & 0xC0 != VERSION_2:
        return BadFrame("rtp", data[:64], "not an RTP packet of version 2")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    begin, end = HEADER.size + 4 * (first & 0x0F), len(data)
    if first & 0x10 and begin + 4 <= end:
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if first & 0x20 and end > begin:
        end -= data[-1]
    if begin > end:
        return BadFrame("length", data[:64], "the RTP header is longer than the packet")
    return Packet(second & 0x7F, sequence, timestamp, ssrc, bool(second & 0x80), data[begin:end])


def encode(packet: Packet) -> bytes:
    """The packet with the plain header of 12 bytes."""
    return (
        HEADER.pack(
            VERSION_2,
            packet.payload_type | packet.marker << 7,
            packet.sequence & 0xFFFF,
            packet.timestamp & 0xFFFFFFFF,
            packet.ssrc & 0xFFFFFFFF,
        )
        + packet.payload
    )


def packetise(
    data: bytes, *, sequence: int, timestamp: int, ssrc: int, payload_type: int = 96
) -> list[Packet]:
    """``data`` of one frame as packets; the last one carries the marker."""
    pieces = [data[at : at + MAX_PAYLOAD] for at in range(0, len(data), MAX_PAYLOAD)] or [b""]
    return [
        Packet(
            payload_type, (sequence + n) & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, n == len(pieces) - 1, piece
        )
        for n, piece in enumerate(pieces)
    ]


def framed(packet: Packet) -> bytes:
    """The packet behind two bytes of length, for TCP (RFC 4571)."""
    data = encode(packet)
    return len(data).to_bytes(2, "big") + data


def feed_tcp(buffer: bytes, ended: bool = False) -> Cut:
    """Cut packets off a TCP stream.  Bytes where a length and version 2 do not fit are refused one run at a time."""
    packets: list[Packet] = []
    refused: list[BadFrame] = []
    at = kept = 0

    def refuse(until: int, reason: str = "noise") -> None:
        nonlocal kept
        if kept < until:
            refused.append(BadFrame(reason, buffer[kept:until], "bytes that begin no RTP packet"))
        kept = until

    while len(buffer) - at >= 3:
        length = int.from_bytes(buffer[at : at + 2], "big")
        if length < HEADER.size or buffer[at + 2] & 0xC0 != VERSION_2:
            at += 1
            continue
        if len(buffer) - at - 2 < length:
            if not ended:
                break
            at += 1
            continue
        packet = read(buffer[at + 2 : at + 2 + length])
        if isinstance(packet, BadFrame):
            at += 1
            continue
        refuse(at)
        packets.append(packet)
        kept = at = at + 2 + length
    if ended:
        at = len(buffer)
    refuse(at, "cut" if ended else "noise")
    return Cut(packets, refused, buffer[at:])


@dataclass(slots=True)
class Counts:
    """What became of the packets of a stream."""

    received: int = 0
    late: int = 0  # came after their place was given up, or twice
    lost: int = 0  # never came
    reordered: int = 0
    foreign: int = 0  # of another SSRC


class Reorder:
    """Puts packets in order.  A gap is waited for until ``window`` later packets are there, then given up.

    Pure: no clock; a stream that stalls with a gap is the caller's to notice.
    """

    def __init__(self, window: int = 64) -> None:
        self.counts = Counts()
        self._window = window
        self._next: int | None = None
        self._waiting: dict[int, Packet] = {}

    def push(self, packet: Packet) -> list[Packet | None]:
        """What can go on now, in order; None stands where packets were lost."""
        self.counts.received += 1
        if self._next is None:
            self._next = packet.sequence
        ahead = (packet.sequence - self._next) & 0xFFFF
        if (
            MAX_DROPOUT <= ahead <= 0x10000 - MAX_MISORDER
        ):  # the sender began anew: its old place means nothing
            out = self.flush()
            self._next = (packet.sequence + 1) & 0xFFFF
            return [*out, None, packet]
        if ahead >= MAX_DROPOUT:
            self.counts.late += 1
            return []
        if packet.sequence in self._waiting:
            self.counts.late += 1
            return []
        if ahead:
            self.counts.reordered += bool(self._waiting) and ahead < self._farthest()
        self._waiting[packet.sequence] = packet
        out = self._ready()
        while len(self._waiting) > self._window:
            out += self._give_up()
        return out

    def flush(self) -> list[Packet | None]:
        """Everything that waits, with its gaps: the stream has ended."""
        out: list[Packet | None] = []
        while self._waiting:
            out += self._give_up()
        return out

    def _farthest(self) -> int:
        assert self._next is not None
        return max(((s - self._next) & 0xFFFF for s in self._waiting), default=0)

    def _ready(self) -> list[Packet | None]:
        out: list[Packet | None] = []
        while self._next in self._waiting:
            out.append(self._waiting.pop(self._next))
            self._next = (self._next + 1) & 0xFFFF
        return out

    def _give_up(self) -> list[Packet | None]:
        """Leave out what is missing before the first packet that waits."""
        assert self._next is not None
        nearest = min(self._waiting, key=lambda s: (s - (self._next or 0)) & 0xFFFF)
        missing = (nearest - self._next) & 0xFFFF
        self.counts.lost += missing
        self._next = nearest
        ready = self._ready()
        return [None, *ready] if missing else ready
