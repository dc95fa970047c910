"""Modbus on its three transports: TCP (MBAP header), RTU (CRC) and ASCII (LRC).  Bytes in, frames out, and back.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3; MODBUS over Serial Line V1.02, 2.5.
An RTU stream has no marks: a frame is where a length that its function allows ends in the right CRC.  On a serial line
the pause between frames tells; a gateway that sees pauses gives each piece to ``rtu_frame`` on its own.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut
from fengsui.sense.codecs.modbus import pdu as pdus
from fengsui.sense.codecs.modbus.pdu import Pdu, Side

Framing = Literal["tcp", "rtu", "ascii"]
LONGEST_PDU = 253
LONGEST_TCP, LONGEST_RTU, LONGEST_ASCII = 260, 256, 513

_MBAP = 7
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Frame:
    """``unit`` the server's address, 0 for all · ``transaction`` of TCP, 0 elsewhere · ``raw`` as it came."""

    framing: Framing
    unit: int
    pdu: Pdu
    transaction: int = 0
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def departures(self) -> tuple[str, ...]:
        return ("illegal_count",) if "illegal_count" in self.pdu.fields else ()


def feed_tcp(buffer: bytes, side: Side | None = None, *, ended: bool = False) -> Cut:
    """Frames of a TCP stream.  There is no checksum: what has no sense as a header is skipped byte by byte."""
    return _stream(buffer, LONGEST_TCP, lambda data: _tcp(data, side), ended)


def feed_rtu(buffer: bytes, side: Side | None = None, *, ended: bool = False, patient: bool = False) -> Cut:
    """Frames of an RTU stream without pauses.

    A function whose length is not known here ends where the stream does.  ``patient`` waits for that; otherwise it
    has to be the end of the buffer now, so that noise does not hold back the answer behind it.
    """
    return _stream(buffer, LONGEST_RTU, lambda data: _rtu(data, side, patient and not ended), ended)


def feed_ascii(buffer: bytes, side: Side | None = None, *, ended: bool = False) -> Cut:
    """Frames of an ASCII stream: ``:``, hex digits, CR LF.  A colon always begins anew."""
    cut = _feed_ascii(buffer, side)
    if ended and cut.rest:
        cut = Cut(cut.frames, [*cut.refused, BadFrame("cut", cut.rest, "the frame has no end")], b"")
    return cut


def _feed_ascii(buffer: bytes, side: Side | None) -> Cut:
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    at = 0
    while (start := buffer.find(b":", at)) >= 0:
        if start > at:
            refused.append(BadFrame("noise", buffer[at:start]))
        again, end = buffer.find(b":", start + 1), buffer.find(b"\r\n", start)
        if end < 0 and again < 0:
            if len(buffer) - start <= LONGEST_ASCII:
                return Cut(frames, refused, buffer[start:])
            refused.append(BadFrame("no end", buffer[start:]))
            return Cut(frames, refused, b"")
        if end < 0 or 0 <= again < end:
            refused.append(BadFrame("no end", buffer[start:again]))
            at = again
            continue
        text = buffer[start : end + 2]
        found = _ascii(text, side)
        if isinstance(found, Frame):
            frames.append(found)
        else:
            refused.append(found)
        at = end + 2
    if at < len(buffer):
        refused.append(BadFrame("noise", buffer[at:]))
    return Cut(frames, refused, b"")


def encode(frame: Frame) -> bytes:
    """The bytes of ``frame`` on its transport.  Raises ValueError."""
    data = bytes([frame.unit]) + pdus.encode(frame.pdu)
    if len(data) > LONGEST_PDU + 1:
        raise ValueError(f"a request or answer of {len(data) - 1} bytes; at most {LONGEST_PDU}")
    if frame.framing == "tcp":
        return (frame.transaction & 0xFFFF).to_bytes(2, "big") + b"\0\0" + len(data).to_bytes(2, "big") + data
    if frame.framing == "rtu":
        return data + crc16(data).to_bytes(2, "little")
    return b":" + (data + bytes([lrc(data)])).hex().upper().encode() + b"\r\n"


def rtu_frame(data: bytes, side: Side | None = None) -> Frame | BadFrame:
    """One RTU frame between two pauses, of any function."""
    if len(data) < 4:
        return BadFrame("too short", data)
    if crc16(data[:-2]) != int.from_bytes(data[-2:], "little"):
        return BadFrame("checksum", data)
    found = pdus.decode(data[1:-2], side)
    return Frame("rtu", data[0], found, raw=data) if isinstance(found, Pdu) else BadFrame(found, data)


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus: register 0xFFFF, polynomial 0xA001; sent low byte first."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ _TABLE[(register ^ byte) & 0xFF]
    return register


def lrc(data: bytes) -> int:
    """Longitudinal check of Modbus ASCII: two's complement of the sum."""
    return -sum(data) & 0xFF


def _entry(register: int) -> int:
    for _ in range(8):
        register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


_TABLE = tuple(_entry(n) for n in range(256))

# What stands at the beginning of a buffer: a frame and its length, a reason, or None while more bytes may tell.
_Found = tuple[Frame, int] | str | None


def _stream(buffer: bytes, longest: int, at_start: Callable[[bytes], _Found], ended: bool) -> Cut:
    """Frames of a stream without marks; bytes that begin none are gathered into one refusal each run."""
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    at, noise, reason = 0, 0, ""
    while at < len(buffer):
        found = at_start(buffer[at : at + longest])
        if found is None and not ended:
            break
        if found is None:
            found = "cut"
        if isinstance(found, str):
            reason = reason or found
            at += 1
            continue
        if at > noise:
            refused.append(_refusal(reason, buffer[noise:at]))
        frames.append(found[0])
        at += found[1]
        noise, reason = at, ""
    if at > noise:
        refused.append(_refusal(reason, buffer[noise:at]))
    return Cut(frames, refused, buffer[at:])


def _refusal(reason: str, data: bytes) -> BadFrame:
    """Why bytes are refused; where they could be one RTU frame with a wrong CRC, how it would read."""
    if reason != "checksum" or not 4 <= len(data) <= LONGEST_RTU:
        return BadFrame(reason, data, "" if reason != "cut" else "the frame ends before its length says")
    found = pdus.decode(data[1:-2])
    seen = Frame("rtu", data[0], found, raw=data) if isinstance(found, Pdu) else None
    computed = crc16(data[:-2]).to_bytes(2, "little").hex().upper()
    facts = {"crc": data[-2:].hex().upper(), "crc_computed": computed}
    return BadFrame(reason, data, "the CRC does not fit", facts, seen)


def _tcp(data: bytes, side: Side | None) -> _Found:
    if any(data[2:4]):
        return "protocol"
    if len(data) < 6:
        return None
    length = data[4] << 8 | data[5]
    if not 2 <= length <= LONGEST_PDU + 1:
        return "length"
    if len(data) < 6 + length:
        return None
    found = pdus.decode(data[_MBAP : 6 + length], side)
    if isinstance(found, str):
        return found
    end = 6 + length
    return Frame("tcp", data[6], found, data[0] << 8 | data[1], data[:end]), end


def _rtu(data: bytes, side: Side | None, waits: bool) -> _Found:
    if len(data) < 2:
        return None
    code = data[1]
    if code == 0:
        return "function"
    sizes = pdus.lengths(code, data[2:], side)
    if not sizes:
        if waits and len(data) < LONGEST_RTU:
            return None
        whole = rtu_frame(data, side)
        return (whole, len(data)) if isinstance(whole, Frame) else "function"
    sizes = [size for size in sizes if size <= LONGEST_PDU]
    for size in sizes:
        body, end = size + 1, size + 3
        if len(data) >= end and crc16(data[:body]) == int.from_bytes(data[body:end], "little"):
            found = pdus.decode(data[1:body], side)
            if isinstance(found, Pdu):
                return Frame("rtu", data[0], found, raw=data[:end]), end
    return "checksum" if not sizes or len(data) >= 3 + max(sizes) else None


def _ascii(text: bytes, side: Side | None) -> Frame | BadFrame:
    if len(text) > LONGEST_ASCII:
        return BadFrame("length", text)
    if _HEX.fullmatch(text, 1, len(text) - 2) is None:
        return BadFrame("hex", text, "not all of it are pairs of hex digits")
    data = bytes.fromhex(text[1:-2].decode("ascii"))
    if len(data) < 3:
        return BadFrame("length", text)
    found = pdus.decode(data[1:-1], side)
    frame = Frame("ascii", data[0], found, raw=text) if isinstance(found, Pdu) else None
    if (computed := lrc(data[:-1])) != data[-1]:
        facts = {"lrc": f"{data[-1]:02X}", "lrc_computed": f"{computed:02X}"}
        return BadFrame("checksum", text, "the LRC does not fit", facts, frame)
    return frame or BadFrame(str(found), text)
