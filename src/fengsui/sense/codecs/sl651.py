"""SL 651-2014 frames (hydrological monitoring): bytes in, frames out, answers and queries back.

Two encodings of one message: HEX/BCD, which begins with 7E 7E, and ASCII, which begins with SOH.  Station and centre
change places between the directions.  Modes: M1 reports without an answer, M2 is confirmed, M3 sends several packets
(SYN instead of STX, joined by ``parts``), M4 is asked for.  Source: SL 651-2014 (approval draft), 6.2 to 6.5.
The body is read by ``sl651_body``.  No sockets here and no clock.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import scan, sl651_body
from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.frame import Codec, Cut, Part, Row, Term
from fengsui.sense.codecs.measured import Measured, milliseconds
from fengsui.sense.codecs.sl651_words import ENDS, STX, SYN

MAX_BODY = 4095  # tables 16 and 20
MAX_PACKET = 0xFFFF  # table 22: the length of a packet has all sixteen bits
HEX_HEAD, ASCII_HEAD = 14, 24  # up to and with STX or SYN

_MARK = re.compile(rb"\x7e\x7e|\x01[0-9A-Fa-f]{22}[\x02\x16]")
_MARK_BEGUN = re.compile(rb"(?:\x7e|\x01[0-9A-Fa-f]{0,22})\Z")


class Frame(NamedTuple):
    """``body`` lies between STX (or SYN and its packet numbers) and the end mark.  ``packets``: of a joined message."""

    raw: bytes
    ascii: bool
    down: bool
    centre: int
    station: str  # ten hex digits as sent
    password: str  # four hex digits
    function: int
    length: int  # as declared
    start: int
    total: int | None  # of packets; None unless SYN
    number: int | None
    body: bytes
    end: int
    crc: int
    packets: tuple["Frame", ...] = ()
    departures: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether ``body`` is a whole message and no packet of one."""
        return bool(self.packets) or self.total is None or self.total == 1


def _table() -> tuple[int, ...]:
    made = []
    for start in range(256):
        register = start
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
        made.append(register)
    return tuple(made)


_TABLE = _table()


@cache
def _pairs() -> tuple[int, ...]:
    """What two bytes make of a register that they have met."""
    half = [(register >> 8) ^ _TABLE[register & 0xFF] for register in range(0x10000)]
    return tuple(half[half[register]] for register in range(0x10000))


def crc16(data: bytes) -> int:
    """X16+X15+X2+1 as Modbus reckons it; sent high byte first, which Modbus does not."""
    register, pairs, half = 0xFFFF, _pairs(), len(data) // 2
    for pair in struct.unpack(f"<{half}H", data[: 2 * half]):
        register = pairs[register ^ pair]
    return (register >> 8) ^ _TABLE[(register ^ data[-1]) & 0xFF] if len(data) % 2 else register


@cache
def _powers() -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """What 1, 2, 4 … 65536 zero bytes make of a register, as tables of its low and high byte."""
    step = [(register >> 8) ^ _TABLE[register & 0xFF] for register in range(0x10000)]
    made = []
    for _ in range(17):
        made.append((tuple(step[:256]), tuple(step[byte << 8] for byte in range(256))))
        low, high = made[-1]
        step = [low[(r := step[register]) & 0xFF] ^ high[r >> 8] for register in range(0x10000)]
    return tuple(made)


class Checksums:
    """CRCs of many overlapping pieces of one buffer: what a flood of false headers asks for.

    The first few times the length of the buffer are reckoned byte by byte; then the registers of all places are noted
    once, and a piece costs a handful of steps whatever its length.
    """

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._left = 4 * len(buffer)
        self._registers: list[int] = []

    def of(self, begin: int, end: int) -> int:
        """The CRC of ``buffer[begin:end]``."""
        if end - begin <= self._left:
            self._left -= end - begin
            return crc16(self._buffer[begin:end])
        if not self._registers:
            register, table = 0xFFFF, _TABLE
            self._registers.append(register)
            for byte in self._buffer:
                register = (register >> 8) ^ table[(register ^ byte) & 0xFF]
                self._registers.append(register)
        # the CRC is linear: the register at the end, less what the bytes before ``begin`` have left in it
        register = self._registers[begin] ^ 0xFFFF
        for bit, (low, high) in enumerate(_powers()):
            if (end - begin) >> bit & 1:
                register = low[register & 0xFF] ^ high[register >> 8]
        return self._registers[end] ^ register


# -- frames in --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Head:
    """A header as it stands in the buffer; ``size`` is that of the whole frame."""

    ascii: bool
    down: bool
    length: int
    start: int
    total: int | None
    number: int | None
    body_at: int  # from the first byte of the frame
    size: int

    @property
    def tail(self) -> int:
        """The end mark and the CRC."""
        return 5 if self.ascii else 3


_INVALID = _Head(False, False, 0, 0, None, None, 0, 0)


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole frame off ``buffer``.  Never raises."""
    sums = Checksums(buffer)

    def fits(data: bytes, at: int, head: _Head) -> bool:
        return _fits(data, at, head, sums)

    return scan.cut(
        buffer, ended, mark=_MARK, begun=_MARK_BEGUN, head=_head, fits=fits, frame=_frame, refusal=_refusal
    )


def _head(buffer: bytes, at: int) -> _Head | None:
    """The header at ``at``; ``_INVALID`` where it cannot be one, None where more bytes are needed to tell."""
    if buffer[at] == 0x01:
        text = buffer[at + 1 : at + 23].decode("ascii")
        flags, start, mark = int(text[18:22], 16), buffer[at + 23], ASCII_HEAD
        wide, tail = 6, 5
    else:
        if len(buffer) < at + HEX_HEAD:
            return None
        flags, start, mark = int.from_bytes(buffer[at + 11 : at + 13], "big"), buffer[at + 13], HEX_HEAD
        wide, tail = 3, 3
    if start not in (STX, SYN):
        return _INVALID
    is_ascii, down, length = mark == ASCII_HEAD, flags >> 12 == 8, flags & 0xFFF
    if start == STX:
        if flags >> 12 not in (0, 8) or length == 0:
            return _INVALID
        return _Head(is_ascii, down, length, start, None, None, mark, mark + length + tail)
    numbers = buffer[at + mark : at + mark + wide]
    if len(numbers) < wide:
        return None
    try:
        both = int(numbers, 16) if is_ascii else int.from_bytes(numbers, "big")
    except ValueError:
        return _INVALID
    total, number = both >> 12, both & 0xFFF
    if not 1 <= number <= total:
        return _INVALID
    if is_ascii and flags >> 12 not in (0, 8):
        return _INVALID
    if not is_ascii and flags >> 12 and not (down and length <= 255):
        down, length = False, flags  # an uplink packet may use all sixteen bits
    if length < wide:
        return _INVALID
    return _Head(is_ascii, down, length, start, total, number, mark + wide, mark + length + tail)


def _fits(buffer: bytes, at: int, head: _Head, sums: Checksums) -> bool:
    """Whether the frame is all here, ends with an end mark and has the right CRC."""
    if len(buffer) < at + head.size:
        return False
    end_at = at + head.size - head.tail
    if buffer[end_at] not in ENDS:
        return False
    given, computed = buffer[end_at + 1 : at + head.size], sums.of(at, end_at + 1)
    return _crc(given, head.ascii) == computed or (not head.ascii and given == computed.to_bytes(2, "little"))


def _crc(given: bytes, is_ascii: bool) -> int:
    """The CRC as sent; -1 where those are not its digits."""
    if not is_ascii:
        return int.from_bytes(given, "big")
    return int(given, 16) if re.fullmatch(rb"[0-9A-Fa-f]{4}", given) else -1


def _frame(raw: bytes, head: _Head) -> Frame:
    """The fields of a frame, also of one that is cut or does not fit; its header is whole."""
    end_at = head.size - head.tail if len(raw) >= head.size else len(raw)
    departures: list[str] = []
    end = raw[end_at] if end_at < len(raw) else 0
    if end not in ENDS:
        departures.append("unknown_end")
    elif end not in (words.DOWN_ENDS if head.down else words.UP_ENDS):
        departures.append("end_of_other_direction")
    crc = _crc(raw[end_at + 1 :], head.ascii)
    swapped = crc16(raw[: end_at + 1]).to_bytes(2, "little")
    if len(raw) < head.size:
        departures = ["cut"]
    elif not head.ascii and raw[end_at + 1 :] == swapped != swapped[::-1]:
        departures.append("crc_low_byte_first")
    if head.ascii:
        text = raw[1:23].decode("ascii").upper()
        station, centre = (text[:10], text[10:12]) if head.down else (text[2:12], text[:2])
        password, function = text[12:16], int(text[16:18], 16)
    else:
        text = raw[2:11].hex().upper()
        station, centre = (text[:10], text[10:12]) if head.down else (text[2:12], text[:2])
        password, function = text[12:16], raw[10]
    return Frame(
        raw,
        head.ascii,
        head.down,
        int(centre, 16),
        station,
        password,
        function,
        head.length,
        head.start,
        head.total,
        head.number,
        raw[head.body_at : end_at],
        end,
        max(crc, 0),
        (),
        tuple(departures),
    )


def _refusal(raw: bytes, span: bytes, head: _Head) -> BadFrame:
    """Why a frame is refused.  If ``span`` ends with the right CRC, it is the length that is wrong."""
    if len(span) >= head.body_at + head.tail and len(span) != head.size:
        given, computed = span[1 - head.tail :], crc16(span[: 1 - head.tail])
        if span[-head.tail] in ENDS and _crc(given, head.ascii) == computed:
            facts = {
                "declared_length": head.length,
                "actual_length": head.length + len(span) - head.size,
                "crc": f"{computed:04X}",
                "crc_computed": f"{computed:04X}",
            }
            seen = _frame(span, replace(head, size=len(span)))
            return BadFrame("length", span, "the length is not that of the body", facts, seen)
    if len(raw) < head.body_at:
        return BadFrame("cut", raw, "the frame ends within its header")
    seen = _frame(raw, head)
    if len(raw) < head.size:
        facts = {"declared_length": head.length, "missing_bytes": head.size - len(raw)}
        return BadFrame("cut", raw, "the frame ends before its length says", facts, seen)
    given, computed = raw[1 - head.tail :], crc16(raw[: 1 - head.tail])
    facts = {
        "declared_length": head.length,
        "crc": given.decode("latin-1").upper() if head.ascii else given.hex().upper(),
        "crc_computed": f"{computed:04X}",
    }
    if seen.end not in ENDS:
        return BadFrame("length", raw, "no end mark stands where the length says", facts, seen)
    return BadFrame("crc", raw, "the CRC does not fit the frame", facts, seen)


# -- frames out -------------------------------------------------------------------------------------------------


def encode(
    *,
    down: bool,
    centre: int,
    station: str,
    password: str,
    function: int,
    body: bytes,
    end: int,
    packet: tuple[int, int] | None = None,
    in_ascii: bool = False,
) -> bytes:
    """One frame.  ``station`` ten hex digits, ``password`` four; ``packet`` is (total, number).  Raises ValueError."""
    numbers = b"" if packet is None else (packet[0] << 12 | packet[1]).to_bytes(3, "big")
    if in_ascii:
        numbers = numbers.hex().upper().encode()
    length = len(numbers) + len(body)
    wide = packet is not None and not down and not in_ascii
    if not 1 <= length <= (MAX_PACKET if wide else MAX_BODY):
        raise ValueError(f"a body of {length} bytes has no length in SL 651")
    flags = length if wide else length | (0x8000 if down else 0)
    sent, own = bytes.fromhex(station), bytes([centre])
    head = (sent + own if down else own + sent) + bytes.fromhex(password) + bytes([function])
    head += flags.to_bytes(2, "big")
    start = bytes([STX if packet is None else SYN])
    if in_ascii:
        data = b"\x01" + head.hex().upper().encode() + start + numbers + body + bytes([end])
        return data + b"%04X" % crc16(data)
    data = b"\x7e\x7e" + head + start + numbers + body + bytes([end])
    return data + crc16(data).to_bytes(2, "big")


def answer(frame: Frame, at: datetime, end: int, missing: int | None = None) -> bytes:
    """The centre's answer to an uplink frame: same serial, the time ``at``, and ``end`` (EOT, ESC or ACK).

    To packets: EOT or ESC once all are there, or NAK with the number of a missing one.
    """
    said = sl651_body.read(frame.packets[0] if frame.packets else frame)
    body = sl651_body.opening(said.serial or 0, at, frame.ascii)
    packet = None
    if frame.total is not None:
        packet = (frame.total, frame.total if missing is None else missing)
    return encode(
        down=True,
        centre=frame.centre,
        station=frame.station,
        password=frame.password,
        function=frame.function,
        body=body,
        end=words.NAK if missing is not None else end,
        packet=packet,
        in_ascii=frame.ascii,
    )


def query(
    *,
    centre: int,
    station: str,
    password: str,
    function: int,
    at: datetime,
    parameters: bytes = b"",
    in_ascii: bool = False,
) -> bytes:
    """A query or command of the centre, serial 0: 37 for real-time data, 4A sets the clock to ``at``, and so on."""
    return encode(
        down=True,
        centre=centre,
        station=station,
        password=password,
        function=function,
        body=sl651_body.opening(0, at, in_ascii) + parameters,
        end=words.ENQ,
        in_ascii=in_ascii,
    )


def split(body: bytes, size: int, **head: Any) -> list[bytes]:
    """A long body in packets of M3, ``size`` bytes each; the last ends with ETX, the others with ETB."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        encode(
            body=piece,
            end=words.ETX if number == len(pieces) else words.ETB,
            packet=(len(pieces), number),
            **head,
        )
        for number, piece in enumerate(pieces, 1)
    ]


# -- packets ----------------------------------------------------------------------------------------------------


def part_of(frame: Frame) -> Part | None:
    """Its place among the packets of a message; a downlink frame with packet numbers is an answer and no packet."""
    if frame.whole or frame.down or frame.total is None or frame.number is None:
        return None
    key = (frame.ascii, frame.station, frame.centre, frame.function, frame.total)
    return Part(key, frame.number, frame.total)


def join(frames: Iterable[Frame]) -> Frame:
    """All packets as one message."""
    packets = tuple(frames)
    first, last = packets[0], packets[-1]
    return Frame(
        b"".join(one.raw for one in packets),
        first.ascii,
        first.down,
        first.centre,
        first.station,
        first.password,
        first.function,
        sum(one.length for one in packets),
        first.start,
        first.total,
        first.number,
        b"".join(one.body for one in packets),
        last.end,
        last.crc,
        packets,
        tuple(dict.fromkeys(word for one in packets for word in one.departures)),
    )


# -- for people and programs ------------------------------------------------------------------------------------


def describe(frame: Frame) -> dict[str, Any]:
    """Header, then the body by elements; a packet of a message tells its place and what it carries."""
    told: dict[str, Any] = {
        "encoding": "ascii" if frame.ascii else "hex",
        "direction": "down" if frame.down else "up",
        "center": frame.centre,
        "station": frame.station,
        "station_code": sl651_body.station_code(frame.station),
        "password": frame.password,
        "func": f"{frame.function:02X}",
        "func_name": words.function_name(frame.function).zh,
        "func_name_en": words.function_name(frame.function).en,
        "length": frame.length,
        "start": f"{frame.start:02X}",
        "end": f"{frame.end:02X}",
        "end_name": words.ENDS[frame.end]._asdict() if frame.end in words.ENDS else None,
    }
    if not frame.packets and "cut" not in frame.departures:
        told["crc"] = f"{frame.crc:04X}"
        told["crc_computed"] = f"{crc16(frame.raw[: len(frame.raw) - (4 if frame.ascii else 2)]):04X}"
    if frame.total is not None:
        told["packets_total"] = frame.total
        told["packet_seq"] = frame.number
        told["payload_bytes"] = len(frame.body)
    if frame.whole or frame.number == 1 or frame.down:
        told.update(sl651_body.describe(sl651_body.read(frame)))
    else:
        told["payload_hex"] = frame.body.hex().upper()
    told["departures"] = list(frame.departures)
    return told


def measured(frame: Frame) -> list[Measured]:
    """The elements of a report by their identifiers (``39``), each at its time.  Test reports measure nothing.

    A missing value (all F) is there as NaN.  Rain and levels of an hour (F4 to FC) are twelve readings of one code,
    even periods (31, 38) one for each step.
    """
    if frame.down or not frame.whole or frame.function == 0x30 or 0x40 <= frame.function <= 0x43:
        return []
    found: list[Measured] = []
    last, time_ms = None, None
    for station, item, at, value in sl651_body.readings(sl651_body.read(frame)):
        if at is not last:
            last, time_ms = at, milliseconds(at)
        found.append(Measured(station, item.code, time_ms, value, item.unit))
    return found


def pictures(frame: Frame) -> list[tuple[bytes, int | None]]:
    """The pictures of a whole report (F3), each with the time it was taken at, or else sent; ms UTC."""
    if frame.down or not frame.whole:
        return []
    return [
        (bytes.fromhex(item.value), milliseconds(at))
        for item, at in sl651_body.pictures(sl651_body.read(frame))
    ]


def explain(frame: Frame) -> list[Row]:
    """Every field as it lies in the bytes; of a joined message, packet by packet."""
    rows: list[Row] = []
    for packet in frame.packets or (frame,):
        rows += _explain(packet, rows[-1].offset + len(rows[-1].data) if rows else 0)
    return rows


def _explain(frame: Frame, base: int) -> list[Row]:
    rows: list[Row] = []
    raw = frame.raw

    def add(size: int, name: Term, meaning: Term | str) -> None:
        offset = rows[-1].offset + len(rows[-1].data) if rows else base
        data = raw[offset - base : offset - base + size]
        if data:
            rows.append(Row(offset, data, name, meaning))

    twice = 2 if frame.ascii else 1
    add(1 if frame.ascii else 2, Term("帧起始符", "mark"), "ASCII" if frame.ascii else "HEX/BCD")
    centre = (1 * twice, Term("中心站地址", "centre"), str(frame.centre))
    station = (5 * twice, Term("遥测站地址", "station"), sl651_body.station_code(frame.station))
    for field in (station, centre) if frame.down else (centre, station):
        add(*field)
    add(2 * twice, Term("密码", "password"), frame.password)
    add(twice, Term("功能码", "function"), words.function_name(frame.function))
    way = Term("下行", "down") if frame.down else Term("上行", "up")
    add(
        2 * twice,
        Term("上下行标识及长度", "direction and length"),
        Term(f"{way.zh} {frame.length}", f"{way.en} {frame.length}"),
    )
    add(1, Term("报文起始符", "start of body"), words.STARTS.get(frame.start, f"{frame.start:02X}"))
    if frame.total is not None:
        add(3 * twice, Term("包总数及序列号", "packets and number"), f"{frame.number} / {frame.total}")
    if frame.whole or frame.number == 1 or frame.down:
        for size, name, meaning in sl651_body.explain(sl651_body.read(frame)):
            add(size, name, meaning)
    else:
        add(len(frame.body), Term("包数据", "bytes of the packet"), f"{len(frame.body)}")
    if "cut" in frame.departures:
        return rows
    add(1, Term("报文结束符", "end mark"), words.ENDS.get(frame.end, f"{frame.end:02X}"))
    tail = 4 if frame.ascii else 2
    computed = crc16(raw[: len(raw) - tail])
    fits = frame.crc == computed or "crc_low_byte_first" in frame.departures
    add(tail, Term("校验码", "CRC"), Term("正确", "fits") if fits else Term("不符", "does not fit"))
    return rows


CODEC = Codec(
    name="sl651",
    standard="SL 651-2014",
    title=Term("水文监测数据通信规约", "hydrological monitoring"),
    feed=feed,
    describe=describe,
    explain=explain,
    measured=measured,
    part_of=part_of,
    join=join,
)
