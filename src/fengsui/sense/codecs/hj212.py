"""HJ 212-2017 frames (monitoring of pollution sources over TCP): bytes in, frames out, answers back.

A frame is ``##``, four digits of length, the data segment, four hex digits of CRC, CR LF.  The data segment is
``QN=…;ST=…;CN=…;PW=…;MN=…;Flag=…;CP=&&…&&``; inside CP ``;`` stands between items and ``,`` between the values of one.
Source: HJ 212-2017, 6.3 (frame), 6.4 (dialogues), annex A (CRC).  HJ 212-2005 has the same frame, other codes and no
version in Flag; of HJ 212-2025 only the new command numbers are known.  No sockets here and no clock.

What is wrong in form but certain in content is read, and the frame's ``departures`` name it.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.base.quality import Quality
from fengsui.sense.codecs import hj212_words as words
from fengsui.sense.codecs.frame import Codec, Cut, Part, Row, Term
from fengsui.sense.codecs.hj212_factors import Factor, factor
from fengsui.sense.codecs.measured import Measured, milliseconds

MAX_DATA = 1024  # 6.3.1; longer ones, up to what four digits say, are read and named
MAX_NUMBER = 40  # characters; the standard asks for at most 18
MAX_CP = 950  # 6.3.2: characters of the CP field
HEAD_BYTES, CRC_BYTES = 6, 4
CHINA = timezone(timedelta(hours=8))

_HEADER = re.compile(rb"##(\d{4})")
_HEADER_BEGUN = re.compile(rb"#(?:#\d{0,3})?\Z")
_TAIL = re.compile(rb"&&([0-9A-Fa-f]{4})\r?\n")
_LAST = re.compile(rb"&&([0-9A-Fa-f]{4})\Z")
_BLANKS = " \t\r\n\0"  # not all that str.strip takes for blank: the text is bytes read as Latin-1
_BLANK = re.compile(f"[{_BLANKS}]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}\Z")

Item = tuple[str, str | None]  # a name and its value; None where the device sent no ``=``
Group = tuple[Item, ...]


class Frame(NamedTuple):
    """``head`` the fields before CP in their order · ``cp`` the items of CP, each a group of values.

    ``packets``: the frames that a joined message came in.
    """

    raw: bytes
    data: bytes  # the data segment as sent
    declared: int  # the four digits of length
    crc: str  # the four digits as sent
    head: Group
    cp: tuple[Group, ...]
    departures: tuple[str, ...] = ()
    packets: tuple["Frame", ...] = ()

    def get(self, name: str) -> str | None:
        """The value of a field of the head, or None."""
        return next((value for key, value in self.head if key == name), None)

    @property
    def flag(self) -> int:
        """The number in Flag; 0 where there is none (HJ/T 212-2005 allows that)."""
        text = self.get("Flag") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0

    @property
    def answer_needed(self) -> bool:
        return bool(self.flag & 1)

    @property
    def version(self) -> str:
        return words.VERSIONS.get(self.flag >> 2, "unknown")


class Value(NamedTuple):
    """One value of one factor: ``a34004-Rtd=36.9,a34004-Flag=N``.  ``value`` is None where no number was sent."""

    code: str
    field: str  # Rtd, Avg, Min, Max, Cou, ZsRtd, RS, RT, Data …
    text: str
    value: float | None
    flag: str | None
    quality: Quality
    sampled_at: datetime | None
    factor: Factor | None


def _table() -> tuple[int, ...]:
    """What eight steps of the shift register make of each byte."""
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
    """What two bytes make of the register, by the first of them (already met by its high byte) and the second."""
    table = _TABLE
    return tuple(table[(table[pair & 0xFF] >> 8) ^ (pair >> 8)] for pair in range(0x10000))


def crc16(data: bytes) -> int:
    """CRC of annex A: starts at 0xFFFF, the high byte meets the data, polynomial 0xA001.  Not that of Modbus."""
    register, pairs, half = 0xFFFF, _pairs(), len(data) // 2
    for pair in struct.unpack(f"<{half}H", data[: 2 * half]):
        register = pairs[(register >> 8) ^ pair]
    return _TABLE[(register >> 8) ^ data[-1]] if len(data) % 2 else register


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole frame off ``buffer``.  Never raises.

    A data segment never holds ``##`` and four digits: where they stand before a frame's end, that frame was cut or its
    length is wrong, and reading goes on there.  So a false header never costs the frame behind it.
    """
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    at = 0
    while True:
        header = _HEADER.search(buffer, at)
        if header is None:
            begun = None if ended else _HEADER_BEGUN.search(buffer, at)
            stop = begun.start() if begun else len(buffer)
            _noise(buffer[at:stop], refused)
            return Cut(frames, refused, buffer[stop:])
        _noise(buffer[at : header.start()], refused)
        at = header.start()
        end = _read(buffer, at, int(header[1]), ended, frames, refused)
        if end is None:
            return Cut(frames, refused, buffer[at:])
        at = end


def _read(
    buffer: bytes, at: int, declared: int, ended: bool, frames: list[Frame], refused: list[BadFrame]
) -> int | None:
    """Read what begins at ``at``; return where reading goes on, or None when more bytes are needed."""
    start = at + HEAD_BYTES
    following = _HEADER.search(buffer, start)
    whole = ended or following is not None  # nothing of this frame is still to come
    limit = following.start() if following else len(buffer)
    if limit - start < declared + CRC_BYTES:
        if not whole:
            return None
        refused.append(_refusal(buffer[at:limit], declared))
        return limit
    departures: list[str] = []
    end = start + declared
    if not _fits(buffer[start:end], buffer[end : end + CRC_BYTES]):
        reach = _reach_in_characters(buffer[start:limit], declared)
        more = reach is None or (reach == 0 and _HEADER_BEGUN.search(buffer, start, limit) is not None)
        if more and not whole:
            return None
        if not reach:
            tail = _TAIL.search(buffer, start, limit)
            stop = tail.end() if tail else end + CRC_BYTES
            refused.append(_refusal(buffer[at:stop], declared))
            return stop
        end = start + reach
        departures.append("length_in_characters")
    stop = end + CRC_BYTES
    if buffer.startswith(b"\r\n", stop):
        stop += 2
    elif not ended and buffer[stop:] in (b"", b"\r"):
        return None
    else:
        departures.append("no_tail")
    given = buffer[end : end + CRC_BYTES]
    frames.append(_frame(buffer[at:stop], buffer[start:end], declared, given, departures))
    return stop


def _fits(data: bytes, given: bytes) -> bool:
    return _HEX4.match(given) is not None and int(given, 16) == crc16(data)


def _reach_in_characters(data: bytes, declared: int) -> int | None:
    """How many bytes the segment has if its length counts characters; 0 if it does not, None if more must come."""
    if data[:declared].isascii():
        return 0
    short = False
    for encoding in ("utf-8", "gb18030"):
        text = data[: 4 * declared].decode(encoding, "ignore")[:declared]
        reach = len(text.encode(encoding))
        if len(text) < declared or len(data) < reach + CRC_BYTES:
            short = True
        elif _fits(data[:reach], data[reach : reach + CRC_BYTES]):
            return reach
    return None if short else 0


def _noise(data: bytes, refused: list[BadFrame]) -> None:
    """Keep bytes that belong to no frame; line ends between frames are nobody's loss."""
    if data.strip(b"\r\n"):
        refused.append(BadFrame("noise", data, "bytes that begin no frame"))


def _refusal(raw: bytes, declared: int) -> BadFrame:
    """Why a frame is refused, with the length and CRC it should have had, and its fields as far as they can be read."""
    body = raw[HEAD_BYTES:].rstrip(b"\r\n")
    last = _LAST.search(body)
    if last is not None:  # it ends as a frame does: its real length is known
        data, given = body[:-CRC_BYTES], last[1]
    else:
        data, given = body[:declared], body[declared : declared + CRC_BYTES]
    computed = f"{crc16(data):04X}"
    facts = {
        "declared_length": declared,
        "actual_length": len(data),
        "crc": given.decode("latin-1"),
        "crc_computed": computed,
    }
    seen = _frame(raw, data, declared, given, [])
    if last is None and len(body) < declared + CRC_BYTES:
        return BadFrame("cut", raw, "the frame ends before its length says", facts, seen)
    if len(data) != declared:
        return BadFrame("length", raw, "the length is not that of the data segment", facts, seen)
    return BadFrame("crc", raw, "the CRC does not fit the data segment", facts, seen)


def _frame(raw: bytes, data: bytes, declared: int, given: bytes, departures: list[str]) -> Frame:
    if declared > MAX_DATA:
        departures.append("longer_than_1024")
    crc = given.decode("latin-1")
    if crc != crc.upper():
        departures.append("crc_in_lower_case")
    head, cp = _parse(data, departures)
    return Frame(raw, data, declared, crc, head, cp, tuple(departures))


# -- the data segment -------------------------------------------------------------------------------------------


def _parse(data: bytes, departures: list[str]) -> tuple[Group, tuple[Group, ...]]:
    encoding = encoding_of(data)
    if encoding != "utf-8":
        departures.append("not_utf8")
    text = data.decode("latin-1")  # a character a byte: the separators are ASCII in every encoding met here

    def careful(piece: str) -> Item:
        key, equals, value = piece.partition("=")
        return _said(key, encoding), _said(value, encoding) if equals else None

    def plain(piece: str) -> Item:
        key, equals, value = piece.partition("=")
        return key, value if equals else None

    is_plain = data.isascii() and _BLANK.search(text) is None
    item = plain if is_plain else careful
    before, begins, body = text.partition("CP=&&")
    if not begins:
        departures.append("no_cp")
    elif body.endswith("&&"):
        body = body[:-2]
    else:
        departures.append("cp_not_closed")
    if "," in before:
        departures.append("comma_in_head")
        before = before.replace(",", ";")
    head = tuple(item(piece) for piece in before.split(";") if piece.strip(_BLANKS))
    if len({key for key, _ in head}) < len(head):
        departures.append("field_twice")
    if len(body) > MAX_CP:
        departures.append("cp_longer_than_950")
    groups = []
    for pieces in _split(body):
        if is_plain:
            parts = [piece.partition("=") for piece in pieces if piece]
            group = tuple([(key, value if equals else None) for key, equals, value in parts])
        else:
            group = tuple([item(piece) for piece in pieces if piece and piece.strip(_BLANKS)])
        if group:
            groups.append(group)
    return head, tuple(groups)


def _said(piece: str, encoding: str) -> str:
    piece = piece.strip(_BLANKS)
    return piece if piece.isascii() else piece.encode("latin-1").decode(encoding, "replace")


def encoding_of(data: bytes) -> str:
    """UTF-8 as the standard wants it; GB18030 as old devices send it; else Latin-1, which loses nothing."""
    if data.isascii():
        return "utf-8"
    for encoding in ("utf-8", "gb18030"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _split(body: str) -> Iterator[list[str]]:
    """The groups of CP, each a list of ``name=value``.  A log between ``//`` and ``//`` may hold the separators."""
    if "=//" not in body:
        for group in body.split(";"):
            yield group.split(",")
        return
    pieces: list[str] = []
    begin = at = 0
    while at < len(body):
        if body.startswith("=//", at) and (close := body.find("//", at + 3)) >= 0:
            at = close + 2
        elif body[at] in ",;":
            pieces.append(body[begin:at])
            if body[at] == ";":
                yield pieces
                pieces = []
            at = begin = at + 1
        else:
            at += 1
    yield [*pieces, body[begin:]]


def parse_time(text: str | None) -> datetime | None:
    """``YYYYMMDDhhmmss`` with or without milliseconds, Beijing time; None where it is no such time."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) not in (14, 17):
        return None
    try:
        return datetime(
            int(text[:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[8:10]),
            int(text[10:12]),
            int(text[12:14]),
            int(text[14:] or 0) * 1000,
            CHINA,
        )
    except ValueError:
        return None


def data_time(frame: Frame) -> datetime | None:
    """The DataTime of a frame: the start of the period for 2031, 2041, 2051 and 2061, the instant for the others."""
    return parse_time(next((value for group in frame.cp for key, value in group if key == "DataTime"), None))


def values(frame: Frame) -> list[Value]:
    """Every value of every factor in a frame, in order, with its data flag.

    A flag belongs to the values of its own item; one that stands in an item alone belongs to its factor's values.
    """
    found: list[Value] = []
    lone: dict[str, str] = {}
    for group in frame.cp:
        named: dict[str, dict[str, str]] = {}
        for key, value in group:
            code, dash, field = key.rpartition("-")
            if dash and value is not None:
                if code in named:
                    named[code][field] = value
                else:
                    named[code] = {field: value}
        for code, fields in named.items():
            flag = fields.get("Flag")
            if flag is not None and len(fields) == 1:
                lone[code] = flag
                continue
            quality = _quality(flag)
            sampled_at = parse_time(fields["SampleTime"]) if "SampleTime" in fields else None
            known = factor(code)
            for field, text in fields.items():
                if field not in words.NOT_VALUES:
                    found.append(Value(code, field, text, _number(text), flag, quality, sampled_at, known))
    if lone:
        found = [
            one._replace(flag=lone[one.code], quality=_quality(lone[one.code]))
            if one.flag is None and one.code in lone
            else one
            for one in found
        ]
    return found


def _quality(flag: str | None) -> Quality:
    if flag is None:
        return Quality.GOOD
    known = words.FLAGS.get(flag)
    return Quality.UNCERTAIN if known is None else known.quality


def measured(frame: Frame) -> list[Measured]:
    """The values of a frame as readings by the names of the protocol: ``a34004-Rtd``, in the unit of the standard.

    A value without a sampling time of its own has the frame's DataTime.
    """
    device, at = frame.get("MN") or "", milliseconds(data_time(frame))
    return [
        Measured(
            device,
            f"{one.code}-{one.field}",
            milliseconds(one.sampled_at) if one.sampled_at else at,
            math.nan if one.value is None else one.value,
            _unit(one),
            one.quality,
        )
        for one in values(frame)
    ]


def _unit(one: Value) -> str:
    """The unit of a value; sums have the unit of the total, equipment states and hours have none of the factor's."""
    if one.factor is None or one.field in ("RS", "RT"):
        return "h" if one.field == "RT" else ""
    return one.factor.total_unit if one.field == "Cou" else one.factor.unit


def _number(text: str) -> float | None:
    """A plain decimal number, as the standard writes them; no infinities, no underscores, no endless rows of digits."""
    return float(text) if len(text) <= MAX_NUMBER and _NUMBER.fullmatch(text) else None


# -- frames out -------------------------------------------------------------------------------------------------


def encode(data: bytes | str) -> bytes:
    """A data segment in its frame.  Raises ValueError when it is longer than four digits can say."""
    body = data.encode() if isinstance(data, str) else data
    if len(body) > 9999:
        raise ValueError(f"a data segment of {len(body)} bytes has no length of four digits")
    return b"##%04d%s%04X\r\n" % (len(body), body, crc16(body))


def message(
    *,
    qn: str,
    st: str,
    cn: str,
    pw: str,
    mn: str,
    flag: int = 4,
    cp: str = "&&&&",
    pnum: int | None = None,
    pno: int | None = None,
) -> bytes:
    """One message in its frame.  ``cp`` with its ampersands: ``&&DataTime=…;w01018-Rtd=63.0&&``."""
    packets = "" if pnum is None else f"PNUM={pnum};PNO={pno};"
    return encode(f"QN={qn};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};{packets}CP={cp}")


def split_message(
    *,
    qns: Sequence[str],
    st: str,
    cn: str,
    pw: str,
    mn: str,
    flag: int = 4,
    packets: Sequence[str],
) -> list[bytes]:
    """One message in several packets, each with its own QN (6.3.3).  ``packets`` are their CP, with ampersands."""
    return [
        message(qn=qn, st=st, cn=cn, pw=pw, mn=mn, flag=flag | 2, cp=cp, pnum=len(packets), pno=number)
        for number, (qn, cp) in enumerate(zip(qns, packets, strict=True), 1)
    ]


def answer_request(frame: Frame, qn_rtn: int) -> bytes:
    """9011: what becomes of a request (``hj212_words.QN_RTN``)."""
    return _answer(frame, "9011", f"QnRtn={qn_rtn}")


def answer_executed(frame: Frame, exe_rtn: int) -> bytes:
    """9012: how a request was carried out (``hj212_words.EXE_RTN``)."""
    return _answer(frame, "9012", f"ExeRtn={exe_rtn}")


def answer_notice(frame: Frame) -> bytes:
    """9013: a notice (1013, 2012, 2022) has arrived."""
    return _answer(frame, "9013", "")


def answer_data(frame: Frame) -> bytes:
    """9014: uploaded data have arrived; each packet of a split message is answered by its own."""
    return _answer(frame, "9014", "")


def _answer(frame: Frame, cn: str, body: str) -> bytes:
    """ST=91, the version of the asker and its QN.  HJ/T 212-2005 carries the QN inside CP."""
    qn = frame.get("QN") or ""
    head = f"ST=91;CN={cn};PW={frame.get('PW') or ''};MN={frame.get('MN') or ''};Flag={frame.flag & ~3}"
    if frame.flag >> 2 == 0:
        return encode(f"{head};CP=&&{';'.join(part for part in (f'QN={qn}' if qn else '', body) if part)}&&")
    return encode(f"QN={qn};{head};CP=&&{body}&&")


# -- split messages ---------------------------------------------------------------------------------------------


def part_of(frame: Frame) -> Part | None:
    """Its place among the packets of a message.  PNUM and PNO count also where bit D of Flag was forgotten."""
    total, number = (_count(frame.get(name)) for name in ("PNUM", "PNO"))
    if not 1 <= number <= total or total < 2:
        return None
    at = parse_time(frame.get("QN"))
    return Part(
        (frame.get("MN"), frame.get("ST"), frame.get("CN"), total),
        number,
        total,
        None if at is None else int(at.timestamp() * 1000),
        data_time(frame),
    )


def _count(text: str | None) -> int:
    return int(text) if text is not None and re.fullmatch(r"\d{1,4}", text, re.ASCII) else 0


def join(frames: list[Frame]) -> Frame:
    """The packets of one message as one frame: the head of the first without PNUM and PNO, the items of all.

    Items that every packet repeats, such as DataTime, stand once.
    """
    first = frames[0]
    groups: dict[Group, None] = {}
    for frame in frames:
        groups.update(dict.fromkeys(group for group in frame.cp if group[0][0] == "DataTime"))
    once = tuple(groups)[:1]
    items = tuple(g for frame in frames for g in frame.cp if g not in once)
    head = tuple(item for item in first.head if item[0] not in ("PNUM", "PNO"))
    departures = tuple(dict.fromkeys(word for frame in frames for word in frame.departures))
    return Frame(
        b"".join(frame.raw for frame in frames),
        b"".join(frame.data for frame in frames),
        sum(frame.declared for frame in frames),
        frames[-1].crc,
        head,
        once + items,
        departures,
        tuple(frames),
    )


# -- for people and programs ------------------------------------------------------------------------------------


def describe(frame: Frame) -> dict[str, Any]:
    """The fields under the names of the standard, then what they mean."""
    told: dict[str, Any] = {"length": frame.declared}
    told.update({key: value for key, value in frame.head if key in words.FIELDS})
    told["CP"] = [_group(group) for group in frame.cp]
    if not frame.packets:
        told["crc"] = frame.crc
        told["crc_computed"] = f"{crc16(frame.data):04X}"
    told["version"] = frame.version
    told["answer_needed"] = frame.answer_needed
    told["split"] = part_of(frame) is not None
    told["names"] = {key: meaning._asdict() for key, meaning in _meanings(frame) if isinstance(meaning, Term)}
    at = data_time(frame)
    told["data_time"] = at.isoformat() if at else None
    told["values"] = [_value(one) for one in values(frame)]
    told["other_fields"] = {key: value for key, value in frame.head if key not in words.FIELDS}
    told["departures"] = list(frame.departures)
    return told


def _group(group: Group) -> dict[str, Any]:
    """One item; a name that stands twice in it keeps both values in a list."""
    told: dict[str, Any] = {}
    for key, value in group:
        if key not in told:
            told[key] = value
        else:
            told[key] = [*told[key], value] if isinstance(told[key], list) else [told[key], value]
    return told


def _value(one: Value) -> dict[str, Any]:
    told: dict[str, Any] = {
        "code": one.code,
        "name": one.factor.name if one.factor else None,
        "field": one.field,
        "value": one.value if one.value is not None else one.text,
        "unit": _unit(one) or None,
        "flag": one.flag,
        "quality": one.quality.name.lower(),
    }
    if one.sampled_at is not None:
        told["sampled_at"] = one.sampled_at.isoformat()
    return told


def _meanings(frame: Frame) -> Iterator[tuple[str, Term | str]]:
    for key, value in frame.head:
        yield key, _meaning(frame, key, value)
    for group in frame.cp:
        for key, value in group:
            if key in ("QnRtn", "ExeRtn"):
                yield key, _meaning(frame, key, value)


def _meaning(frame: Frame, key: str, value: str | None) -> Term | str:
    """What a value says, where the standard has a word for it; else the value."""
    text = value or ""
    number = int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else None
    if key == "ST":
        return words.SYSTEMS.get(text, text)
    if key == "CN":
        return words.command(text, frame.version) or text
    if key == "QnRtn" and number is not None:
        return words.QN_RTN.get(number, text)
    if key == "ExeRtn" and number is not None:
        return words.EXE_RTN.get(number, text)
    if key == "Flag":
        return Term(
            f"版本 {frame.version}，{'要' if frame.flag & 1 else '不要'}应答，{'有' if frame.flag & 2 else '无'}包号",
            f"version {frame.version}, {'answer needed' if frame.flag & 1 else 'no answer'}, "
            f"{'packets numbered' if frame.flag & 2 else 'no packet numbers'}",
        )
    if key in ("QN", "DataTime", "BeginTime", "EndTime", "SystemTime", "RestartTime"):
        at = parse_time(text)
        return at.isoformat() if at else text
    code, dash, field = key.rpartition("-")
    if dash and field == "Flag" and text in words.FLAGS:
        return words.FLAGS[text].name
    if dash and field == "RS" and number is not None and number in words.RUNNING_STATES:
        return words.RUNNING_STATES[number]
    if dash and (known := factor(code)) is not None:
        return text if field in words.NOT_VALUES or known.unit == "1" else f"{text} {known.unit}".strip()
    return text


def explain(frame: Frame) -> list[Row]:
    """Every field of the frame as it lies in the bytes; of a joined message, packet by packet."""
    rows: list[Row] = []
    for packet in frame.packets or (frame,):
        rows += _explain(packet, rows[-1].offset + len(rows[-1].data) if rows else 0)
    return rows


def _explain(frame: Frame, base: int) -> list[Row]:
    rows: list[Row] = []

    def add(size: int, name: Term, meaning: Term | str) -> None:
        if size:
            offset = rows[-1].offset + len(rows[-1].data) if rows else base
            rows.append(Row(offset, raw[offset - base : offset - base + size], name, meaning))

    raw, encoding = frame.raw, encoding_of(frame.data)
    text = frame.data.decode("latin-1")

    def said(piece: str) -> str:
        return piece.encode("latin-1").decode(encoding, "replace")

    add(2, Term("包头", "header"), "##")
    add(4, Term("数据段长度", "length of the data segment"), str(frame.declared))
    before, begins, body = text.partition("CP=&&")
    for piece in re.findall(r"[^;,]*[;,]?", before):
        key, _, value = said(piece.rstrip(";,")).partition("=")
        add(len(piece), _name(key), _meaning(frame, key, value))
    add(len(begins), Term("指令参数", "parameters begin"), "CP=&&")
    closed = body.endswith("&&")
    body = body[:-2] if closed else body
    left = len(body)
    for group in _split(body):
        for piece in group:
            size = min(len(piece) + 1, left)  # with the separator behind it
            left -= size
            key, _, value = said(piece).partition("=")
            add(size, _name(key), _meaning(frame, key, value))
    if closed:
        add(2, Term("参数结束", "parameters end"), "&&")
    at = HEAD_BYTES + len(frame.data)
    computed = f"{crc16(frame.data):04X}"
    fits = frame.crc.upper() == computed
    add(
        len(raw[at : at + len(frame.crc)]),
        Term("CRC 校验", "CRC"),
        Term("正确", "fits") if fits else Term(f"不符，应为 {computed}", f"wrong, should be {computed}"),
    )
    add(len(raw) - at - len(frame.crc), Term("包尾", "tail"), "CR LF")
    return rows


def _name(key: str) -> Term:
    code, dash, field = key.rpartition("-")
    if not key:
        return Term("空", "empty")
    if key in words.FIELDS or not dash:
        return words.FIELDS.get(key, Term(key, key))
    known, suffix = factor(code), words.SUFFIXES.get(field, Term(field, field))
    zh = known.name if known else code
    return Term(f"{zh} {suffix.zh}", f"{code} {suffix.en}")


CODEC = Codec(
    name="hj212",
    standard="HJ 212-2017",
    title=Term("污染物在线监控（监测）系统数据传输标准", "monitoring of pollution sources"),
    feed=feed,
    describe=describe,
    explain=explain,
    measured=measured,
    part_of=part_of,
    join=join,
)
