"""JT/T 808 frames: bytes in, frames out, and back.

A frame is ``7E``, header, body, one byte of XOR over both, ``7E``; between the flags 7E is written ``7D 02`` and 7D
``7D 01``.  The header is: message id 2 · properties 2 · [2019: protocol version 1] · phone BCD 6 [2019: 10] · serial 2
· [subpackage: total 2, index 2].  Properties: bits 0-9 length of the body, 10-12 encryption, 13 subpackage, 14 the 2019
form.  Source: JT/T 808-2013 and JT/T 808-2019, 4.4.  No sockets here and no clock.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut

FLAG = b"\x7e"
_FLAG = 0x7E
MAX_BODY = 1023  # ten bits of length
MAX_SEGMENT = 2 * (21 + MAX_BODY + 1)  # the longest header, body and check byte, all of it escaped
MAX_REST = MAX_SEGMENT + 1  # with its flag
ENCRYPTION = {0: "none", 1: "rsa"}  # bits 10-12; the rest is reserved

_HEX = frozenset("0123456789abcdefABCDEF")
_SUBPACKAGE, _FORM_2019, _LENGTH = 0x2000, 0x4000, 0x03FF


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, header read and body as sent.

    ``phone`` the digits of the terminal's number as sent, with leading zeros · ``protocol`` the version byte of the
    2019 form, 0 in the 2013 form · ``total`` and ``index`` of a subpackage (index from 1), 0 and 0 when it is whole ·
    ``raw`` as it came, flags and escapes included · ``packets``: the frames that a joined message came in.
    """

    message_id: int
    phone: str
    serial: int
    body: bytes = b""
    is_2019: bool = False
    protocol: int = 0
    encryption: int = 0
    total: int = 0
    index: int = 0
    departures: tuple[str, ...] = ()
    raw: bytes = field(default=b"", compare=False, repr=False)
    packets: tuple["Frame", ...] = field(default=(), compare=False, repr=False)

    @property
    def properties(self) -> int:
        form = (_SUBPACKAGE if self.total else 0) | (_FORM_2019 if self.is_2019 else 0)
        return form | self.encryption << 10 | len(self.body) & _LENGTH


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole frame off ``buffer``.  Never raises.

    Flags part the bytes.  What stands between two of them is a frame where its length and check byte fit, also when
    the flag before it is that of the frame in front; so noise with a flag in it costs no frame.
    """
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    at, size = 0, len(buffer)
    while at < size:
        flagged = buffer[at] == _FLAG
        close = buffer.find(FLAG, at + flagged)
        if close < 0:
            break
        if close == at + 1 and flagged:  # two flags: the first ends nothing
            at = close
            continue
        segment = buffer[at + flagged : close]
        frame = _frame(segment, buffer[at : close + 1], flagged)
        if isinstance(frame, Frame):
            frames.append(frame)
            at = close + 1
            continue
        if not flagged:
            refused.append(BadFrame("noise", buffer[at:close], "bytes that begin no frame"))
            at = close
            continue
        if close + 1 == size and not ended:
            break  # the next byte tells whether its last flag is the first of another frame
        end = close + 1 if close + 1 == size or buffer[close + 1] == _FLAG else close
        refused.append(_refusal(frame, buffer[at:end], segment))
        at = end
    rest = buffer[at:]
    if ended:
        if rest not in (b"", FLAG):
            reason = "cut" if rest[0] == _FLAG else "noise"
            refused.append(BadFrame(reason, rest, "the frame has no end" if reason == "cut" else ""))
        return Cut(frames, refused, b"")
    if (
        over := len(rest) - MAX_REST
    ) > 0:  # what stays is too long for a frame and will be refused in its turn
        refused.append(BadFrame("no end", rest[:over], "more bytes than a frame has, and no flag"))
        rest = rest[over:]
    return Cut(frames, refused, rest)


def encode(frame: Frame) -> bytes:
    """The bytes of ``frame``.  Raises ValueError when its body is too long for one frame: see ``split``."""
    if len(frame.body) > MAX_BODY:
        raise ValueError(f"a body of {len(frame.body)} bytes needs subpackages")
    digits = frame.phone.rjust(20 if frame.is_2019 else 12, "0")
    if len(digits) > (20 if frame.is_2019 else 12) or not set(digits) <= _HEX:  # sent back as they came
        raise ValueError(f"{frame.phone!r} is no phone number of this form")
    plain = b"".join(
        (
            frame.message_id.to_bytes(2, "big"),
            frame.properties.to_bytes(2, "big"),
            bytes([frame.protocol or 1]) if frame.is_2019 else b"",
            bytes.fromhex(digits),
            (frame.serial & 0xFFFF).to_bytes(2, "big"),
            frame.total.to_bytes(2, "big") + frame.index.to_bytes(2, "big") if frame.total else b"",
            frame.body,
        )
    )
    checked = plain + bytes([xor(plain)])
    return FLAG + checked.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + FLAG


def split(frame: Frame, size: int = MAX_BODY) -> list[Frame]:
    """``frame`` as it is, or as subpackages of at most ``size`` bytes with serials that follow each other."""
    if len(frame.body) <= size:
        return [frame]
    parts = [frame.body[at : at + size] for at in range(0, len(frame.body), size)]
    return [
        replace(frame, body=part, serial=(frame.serial + n) & 0xFFFF, total=len(parts), index=n + 1)
        for n, part in enumerate(parts)
    ]


def xor(data: bytes) -> int:
    """All bytes of ``data`` exclusive-ored."""
    size, folded = len(data), int.from_bytes(data, "big")
    while size > 1:  # the upper half over the lower one: log2(n) steps instead of n
        size = (size + 1) >> 1
        folded = (folded >> 8 * size) ^ (folded & ((1 << 8 * size) - 1))
    return folded


def unescaped(segment: bytes) -> bytes:
    """What stands between two flags as it was before 7D and 7E in it were escaped."""
    return segment.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def _frame(segment: bytes, raw: bytes, flagged: bool = True) -> Frame | str:
    """The frame between two flags, or the reason why it is none."""
    if len(segment) > MAX_SEGMENT:
        return "no end"
    if b"\x7d" in segment:
        if segment.count(b"\x7d") != segment.count(b"\x7d\x01") + segment.count(b"\x7d\x02"):
            return "escape"
        segment = unescaped(segment)
    if len(segment) < 13:
        return "too short"
    if xor(segment):
        return "checksum"
    departures = () if flagged else ("shared_flag",)
    return _unchecked(segment, raw, departures) or "length"


def _unchecked(segment: bytes, raw: bytes, departures: tuple[str, ...]) -> Frame | None:
    """The frame whatever its check byte says, None where its length does not fit."""
    properties = segment[2] << 8 | segment[3]
    is_2019 = bool(properties & _FORM_2019)
    frame = _read(segment, properties, is_2019, raw, departures)
    if frame is None and not is_2019 and len(segment) >= 18 and segment[4] == 1:
        # seen in the field: the 2019 header without its bit
        return _read(segment, properties, True, raw, (*departures, "no_version_bit"))
    return frame


def _refusal(reason: str, data: bytes, segment: bytes) -> BadFrame:
    plain = unescaped(segment)
    if reason == "no end" or len(plain) < 13:
        return BadFrame(reason, data, "" if reason == "no end" else "too few bytes for a header")
    seen = _unchecked(plain, data, ())
    facts: dict[str, Any] = {"checksum": f"{plain[-1]:02X}", "checksum_computed": f"{xor(plain[:-1]):02X}"}
    if reason == "length":
        facts = {"declared_length": (plain[2] << 8 | plain[3]) & _LENGTH, "bytes": len(plain)}
    return BadFrame(reason, data, _MESSAGES[reason], facts, seen)


_MESSAGES = {
    "escape": "7D is followed by neither 01 nor 02",
    "checksum": "the check byte does not fit",
    "length": "the length is not that of the body",
}


def _read(
    segment: bytes, properties: int, is_2019: bool, raw: bytes, departures: tuple[str, ...]
) -> Frame | None:
    phone, end = (5, 15) if is_2019 else (4, 10)
    body = end + (6 if properties & _SUBPACKAGE else 2)
    if len(segment) - body - 1 != properties & _LENGTH:
        return None
    total = index = 0
    if properties & _SUBPACKAGE:
        total = segment[end + 2] << 8 | segment[end + 3]
        index = segment[end + 4] << 8 | segment[end + 5]
    return Frame(
        segment[0] << 8 | segment[1],
        segment[phone:end].hex(),
        segment[end] << 8 | segment[end + 1],
        segment[body:-1],
        is_2019,
        segment[4] if is_2019 else 0,
        properties >> 10 & 7,
        total,
        index,
        departures,
        raw,
    )
