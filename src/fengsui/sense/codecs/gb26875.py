"""GB/T 26875.3-2011 frames (fire alarm systems of buildings, through a transmission device): bytes in, frames out.

A frame is 40 40, a header with serial, version, time and two addresses, a command, an application data unit of up
to 1024 bytes, the low byte of a sum, and 23 23; numbers have their low byte first.  A unit is a type, a count and that
many objects.  Source: GB/T 26875.3-2011, 6 to 8, by open code and from memory: docs/protocols/gb26875.md says what is
which.  No sockets here and no clock.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import gb26875_words as words
from fengsui.sense.codecs import scan
from fengsui.sense.codecs.frame import Codec, Cut, Row, Term
from fengsui.sense.codecs.measured import Measured, milliseconds

MAX_UNIT = 1024
HEAD_BYTES, TAIL_BYTES = 27, 3  # up to and with the command; sum and end mark
TEXT_BYTES = 31
CHINA = timezone(timedelta(hours=8))
CONTROL, SEND, CONFIRM, REQUEST, ANSWER, DENY = range(1, 7)

_MARK = re.compile(rb"\x40\x40")
_MARK_BEGUN = re.compile(rb"\x40\Z")


class Frame(NamedTuple):
    """``unit`` is the application data unit as sent; ``read_unit`` reads it further."""

    raw: bytes
    serial: int
    version: tuple[int, int]  # main and user
    sent_at: datetime | None
    source: int
    target: int
    length: int
    command: int
    unit: bytes
    checksum: int
    departures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of an object: its key, bytes (0: as many as the field before says) and kind."""

    key: str
    size: int
    kind: str
    name: Term


def _field(key: str, size: int, kind: str, zh: str, en: str) -> _Field:
    return _Field(key, size, kind, Term(zh, en))


_SYSTEM = (
    _field("system_type", 1, "system", "系统类型", "kind of system"),
    _field("system_addr", 1, "number", "系统地址", "system address"),
)
_PART = (
    *_SYSTEM,
    _field("component_type", 1, "part", "部件类型", "kind of part"),
    _field("component_addr", 4, "number", "部件地址", "part address"),
)
_TIME = _field("time", 6, "time", "时间", "time")
_VERSION = _field("version", 2, "version", "软件版本", "software version")
_TEXT = _field("description", TEXT_BYTES, "text", "部件说明", "description")
_CONFIGURATION = (
    _field("length", 1, "number", "说明长度", "length of the description"),
    _field("description", 0, "text", "配置说明", "configuration"),
)
_OPERATOR = _field("operator", 1, "number", "操作员编号", "operator")
_RECORDS = (
    _field("records", 1, "number", "操作信息记录数目", "number of records"),
    _field("time", 6, "time", "记录起始时间", "first record from"),
)
_RESERVED = (_field("reserved", 1, "number", "预留", "reserved"),)

# type → the fields of one object
OBJECTS: dict[int, tuple[_Field, ...]] = {
    1: (*_SYSTEM, _field("status", 2, "system_bits", "系统状态", "state of the system"), _TIME),
    2: (*_PART, _field("status", 2, "part_bits", "部件状态", "state of the part"), _TEXT, _TIME),
    3: (
        *_PART,
        _field("analog_type", 1, "analogue", "模拟量类型", "kind of value"),
        _field("analog_raw", 2, "signed", "模拟量值", "value"),
        _TIME,
    ),
    4: (*_SYSTEM, _field("operation", 1, "operation_bits", "操作标志", "operation"), _OPERATOR, _TIME),
    5: (*_SYSTEM, _VERSION),
    6: (*_SYSTEM, *_CONFIGURATION),
    7: (*_PART, _TEXT),
    8: (*_SYSTEM, _TIME),
    21: (_field("status", 1, "device_bits", "运行状态", "state of the device"), _TIME),
    24: (_field("operation", 1, "device_operation_bits", "操作标志", "operation"), _OPERATOR, _TIME),
    25: (_VERSION,),
    26: _CONFIGURATION,
    28: (_TIME,),
    61: _SYSTEM,
    62: _PART,
    63: _PART,
    64: (*_SYSTEM, *_RECORDS),
    65: _SYSTEM,
    66: _SYSTEM,
    67: _PART,
    68: _SYSTEM,
    81: _RESERVED,
    84: _RECORDS,
    85: _RESERVED,
    86: _RESERVED,
    88: _RESERVED,
    89: _RESERVED,
    90: (_TIME,),
    91: (_field("minutes", 1, "number", "应答等待时间（分钟）", "minutes to answer"),),
}
_BITS = {
    "system_bits": words.SYSTEM_BITS,
    "part_bits": words.PART_BITS,
    "device_bits": words.DEVICE_BITS,
    "operation_bits": words.OPERATION_BITS,
    "device_operation_bits": words.DEVICE_OPERATION_BITS,
}


# -- frames in --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Head:
    length: int
    size: int


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole frame off ``buffer``.  Never raises."""
    return scan.cut(
        buffer, ended, mark=_MARK, begun=_MARK_BEGUN, head=_head, fits=_fits, frame=_frame, refusal=_refusal
    )


def _head(buffer: bytes, at: int) -> _Head | None:
    if len(buffer) < at + HEAD_BYTES:
        return None
    length = int.from_bytes(buffer[at + 24 : at + 26], "little")
    return _Head(length, HEAD_BYTES + length + TAIL_BYTES if length <= MAX_UNIT else 0)


def checksum(data: bytes) -> int:
    """The low byte of the sum from the serial to the end of the unit."""
    return sum(data) & 0xFF


def _fits(buffer: bytes, at: int, head: _Head) -> bool:
    end = at + head.size
    return (
        len(buffer) >= end
        and buffer[end - 2 : end] == b"##"
        and buffer[end - 3] == checksum(buffer[at + 2 : end - 3])
    )


def _frame(raw: bytes, head: _Head) -> Frame:
    """The fields of a frame, also of one that does not fit; its header is whole."""
    whole = len(raw) >= head.size
    sent_at = _time(raw[6:12])
    departures = [] if whole else ["cut"]
    if sent_at is None:
        departures.append("no_time")
    if raw[26] not in words.COMMANDS:
        departures.append("unknown_command")
    unit = raw[HEAD_BYTES : head.size - TAIL_BYTES] if whole else raw[HEAD_BYTES:]
    return Frame(
        raw,
        int.from_bytes(raw[2:4], "little"),
        (raw[4], raw[5]),
        sent_at,
        int.from_bytes(raw[12:18], "little"),
        int.from_bytes(raw[18:24], "little"),
        head.length,
        raw[26],
        unit,
        raw[head.size - TAIL_BYTES] if whole else 0,
        tuple(departures),
    )


def _refusal(raw: bytes, span: bytes, head: _Head) -> BadFrame:
    """Why a frame is refused.  If ``span`` ends as a frame does, with the right sum, it is the length that is wrong."""
    if (
        len(span) >= HEAD_BYTES + TAIL_BYTES
        and len(span) != head.size
        and span.endswith(b"##")
        and span[-3] == checksum(span[2:-3])
    ):
        facts = {"declared_length": head.length, "actual_length": len(span) - HEAD_BYTES - TAIL_BYTES}
        return BadFrame(
            "length",
            span,
            "the length is not that of the unit",
            facts,
            _frame(span, _Head(head.length, len(span))),
        )
    if len(raw) < HEAD_BYTES:
        return BadFrame("cut", raw, "the frame ends within its header")
    seen = _frame(raw, head)
    if len(raw) < head.size:
        facts = {"declared_length": head.length, "missing_bytes": head.size - len(raw)}
        return BadFrame("cut", raw, "the frame ends before its length says", facts, seen)
    if not raw.endswith(b"##"):
        facts = {"declared_length": head.length}
        return BadFrame("length", raw, "no end mark stands where the length says", facts, seen)
    facts = {"checksum": raw[-3], "checksum_computed": checksum(raw[2:-3])}
    return BadFrame("checksum", raw, "the sum does not fit the frame", facts, seen)


def _time(data: bytes) -> datetime | None:
    """Second, minute, hour, day, month, year of this century, Beijing time; None where it is no such time."""
    if len(data) != 6:
        return None
    second, minute, hour, day, month, year = data
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CHINA)
    except ValueError:
        return None


def _time_bytes(at: datetime) -> bytes:
    at = at.astimezone(CHINA)
    return bytes([at.second, at.minute, at.hour, at.day, at.month, at.year - 2000])


# -- the application data unit ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unit:
    """``objects`` by the keys of their fields · ``unread`` what follows them, or all of an unknown type."""

    type: int | None
    count: int | None
    objects: list[dict[str, Any]]
    used: int
    unread: bytes

    @property
    def departures(self) -> list[str]:
        found = ["unread_bytes"] if self.unread else []
        if self.type is not None and self.type not in OBJECTS:
            found.append("unknown_type")
        elif self.count is not None and len(self.objects) < self.count:
            found.append("objects_missing")
        return found


def read_unit(data: bytes) -> Unit:
    """The objects of a unit, as many as are whole.  Never raises."""
    if len(data) < 2:
        return Unit(data[0] if data else None, None, [], 0, data)
    kind, count = data[0], data[1]
    objects, at = [], 2
    fields = OBJECTS.get(kind)
    if fields is None:
        return Unit(kind, count, [], 2, data[2:])
    for _ in range(count):
        one = list(_values(data, at, fields))
        if len(one) < len(fields):
            break
        objects.append(_object(one))
        at = one[-1][1] + len(one[-1][2])
    return Unit(kind, count, objects, at, data[at:])


def _values(data: bytes, at: int, fields: Sequence[_Field]) -> Iterator[tuple[_Field, int, bytes]]:
    """The fields of one object with their places and bytes, as many as are whole."""
    size = 0
    for one in fields:
        if one.size:
            size = one.size
        elif one.kind == "text":
            size = data[at - 1]  # the length stands in front
        if at + size > len(data):
            return
        yield one, at, data[at : at + size]
        at += size


def _object(values: list[tuple[_Field, int, bytes]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for one, _, data in values:
        number = int.from_bytes(data, "little")
        if one.kind == "text":
            told[one.key] = text(data)
        elif one.kind == "time":
            at = _time(data)
            told[one.key] = at.isoformat() if at else None
            if at is None:
                told["time_hex"] = data.hex().upper()
        elif one.kind == "version":
            told[one.key] = f"{data[0]}.{data[1]}"
        elif one.kind == "signed":
            told[one.key] = int.from_bytes(data, "little", signed=True)
        else:
            told[one.key] = number
        if one.kind == "system":
            told["system_name"] = words.ranged(words.SYSTEMS, number)._asdict()
        elif one.kind == "part":
            told["component_name"] = words.ranged(words.PARTS, number)._asdict()
        elif one.kind in _BITS:
            told["set"] = [bit.key for index, bit in enumerate(_BITS[one.kind]) if number >> index & 1]
    known = words.ANALOGUES.get(told.get("analog_type", -1))
    if known is not None:
        told["analog_name"] = known.name._asdict()
        told["analog_value"] = (
            told["analog_raw"] / 10**known.decimals if known.decimals else told["analog_raw"]
        )
        told["unit"] = known.unit
    return told


def text(data: bytes) -> str:
    """GB 18030 up to the first zero byte; what is none is shown by replacement characters."""
    return data.split(b"\0", 1)[0].decode("gb18030", "replace")


# -- frames out -------------------------------------------------------------------------------------------------


def encode(
    *,
    serial: int,
    at: datetime,
    source: int,
    target: int,
    command: int,
    unit: bytes = b"",
    version: tuple[int, int] = (1, 1),
) -> bytes:
    """One frame.  Raises ValueError when the unit is longer than 1024 bytes."""
    if len(unit) > MAX_UNIT:
        raise ValueError(f"a unit of {len(unit)} bytes is longer than {MAX_UNIT}")
    data = serial.to_bytes(2, "little") + bytes(version) + _time_bytes(at)
    data += source.to_bytes(6, "little") + target.to_bytes(6, "little") + len(unit).to_bytes(2, "little")
    data += bytes([command]) + unit
    return b"@@" + data + bytes([checksum(data)]) + b"##"


def confirm(frame: Frame, at: datetime) -> bytes:
    """The answer to what was understood: same serial, addresses the other way, no unit."""
    return _reply(frame, at, CONFIRM)


def deny(frame: Frame, at: datetime) -> bytes:
    """The answer to what was not: as ``confirm``, with the other command."""
    return _reply(frame, at, DENY)


def _reply(frame: Frame, at: datetime, command: int) -> bytes:
    return encode(
        serial=frame.serial,
        at=at,
        source=frame.target,
        target=frame.source,
        command=command,
        version=frame.version,
    )


def unit(kind: int, objects: Sequence[Mapping[str, Any]]) -> bytes:
    """An application data unit of objects with the keys that ``read_unit`` gives; times are aware datetimes.

    Raises KeyError for a type without a layout or a field that is missing, ValueError for a text that is too long.
    """
    data = bytes([kind, len(objects)])
    for one in objects:
        for each in OBJECTS[kind]:
            data += _bytes(each, one)
    return data


def _bytes(each: _Field, values: Mapping[str, Any]) -> bytes:
    if each.key == "length":
        return bytes([len(values["description"].encode("gb18030"))])
    value = values.get(each.key, 0) if each.key == "reserved" else values[each.key]
    if each.kind == "text":
        encoded = value.encode("gb18030")
        if each.size and len(encoded) > each.size:
            raise ValueError(f"{value!r} is longer than {each.size} bytes")
        return encoded.ljust(each.size, b"\0")
    if each.kind == "time":
        return _time_bytes(value)
    if each.kind == "version":
        return bytes(int(number) for number in value.split("."))
    return int(value).to_bytes(each.size, "little", signed=each.kind == "signed")


# -- for people and programs ------------------------------------------------------------------------------------


def describe(frame: Frame) -> dict[str, Any]:
    """Header, unit and objects."""
    told: dict[str, Any] = {
        "serial": frame.serial,
        "version": f"{frame.version[0]}.{frame.version[1]}",
        "time": frame.sent_at.isoformat() if frame.sent_at else None,
        "source_addr": frame.source,
        "target_addr": frame.target,
        "app_len": frame.length,
        "command": frame.command,
        "command_name": words.ranged(words.COMMANDS, frame.command)._asdict(),
        "app_data_hex": frame.unit.hex(),
    }
    departures = list(frame.departures)
    if "cut" not in departures:
        told["checksum"] = frame.checksum
        told["checksum_computed"] = checksum(frame.raw[2:-TAIL_BYTES])
    if frame.unit:
        told["unit"] = describe_unit(frame.unit)
        departures += told["unit"].pop("departures")
    told["departures"] = departures
    return told


def describe_unit(data: bytes) -> dict[str, Any]:
    """An application data unit alone."""
    read = read_unit(data)
    told: dict[str, Any] = {
        "type_flag": read.type,
        "type_name": None if read.type is None else words.ranged(words.TYPES, read.type)._asdict(),
        "count": read.count,
        "objects": read.objects,
        "bytes_used": read.used,
        "bytes_total": len(data),
        "departures": read.departures,
    }
    if read.unread:
        told["unread_hex"] = read.unread.hex()
    return told


def measured(frame: Frame) -> list[Measured]:
    """States bit by bit (0 or 1) and analogue values, of data sent or answered.

    The device is the source address.  A code is ``system.address[.part.address]-what``: ``1.3.40.393433-fire`` or, for
    the transmission device itself, ``device-fire``; analogue values end in ``-analog3`` and so on.
    """
    if frame.command not in (SEND, ANSWER):
        return []
    found: list[Measured] = []
    read = read_unit(frame.unit)
    kinds = {1: words.SYSTEM_BITS, 2: words.PART_BITS, 21: words.DEVICE_BITS}
    for one in read.objects:
        where = ".".join(
            str(one[key])
            for key in ("system_type", "system_addr", "component_type", "component_addr")
            if key in one
        )
        at = datetime.fromisoformat(one["time"]) if one.get("time") else frame.sent_at
        time_ms, device = milliseconds(at), str(frame.source)
        if read.type == 3:
            known = words.ANALOGUES.get(one["analog_type"])
            value = float(one.get("analog_value", one["analog_raw"]))
            unit_code = known.unit if known else ""
            found.append(Measured(device, f"{where}-analog{one['analog_type']}", time_ms, value, unit_code))
        for index, bit in enumerate(kinds.get(read.type or 0, ())):
            value = float(one["status"] >> index & 1)
            found.append(Measured(device, f"{where or 'device'}-{bit.key}", time_ms, value, "1"))
    return found


def explain(frame: Frame) -> list[Row]:
    """Every field as it lies in the bytes."""
    rows: list[Row] = []
    raw = frame.raw

    def add(size: int, name: Term, meaning: Term | str) -> None:
        offset = rows[-1].offset + len(rows[-1].data) if rows else 0
        data = raw[offset : offset + size]
        if data:
            rows.append(Row(offset, data, name, meaning))

    add(2, Term("启动符", "mark"), "@@")
    add(2, Term("业务流水号", "serial"), str(frame.serial))
    add(2, Term("协议版本号", "version"), f"{frame.version[0]}.{frame.version[1]}")
    add(
        6,
        Term("时间标签", "time"),
        frame.sent_at.isoformat() if frame.sent_at else Term("无效时间", "no such time"),
    )
    add(6, Term("源地址", "source"), str(frame.source))
    add(6, Term("目的地址", "target"), str(frame.target))
    add(2, Term("应用数据单元长度", "length of the unit"), str(frame.length))
    add(1, Term("命令字节", "command"), words.ranged(words.COMMANDS, frame.command))
    for size, name, meaning in _explain_unit(frame.unit):
        add(size, name, meaning)
    if "cut" not in frame.departures:
        computed = checksum(raw[2:-TAIL_BYTES])
        fits = frame.checksum == computed
        wrong = Term(f"不符，应为 {computed:02X}", f"wrong, should be {computed:02X}")
        add(1, Term("校验和", "sum"), Term("正确", "fits") if fits else wrong)
        add(2, Term("结束符", "end mark"), "##" if raw.endswith(b"##") else Term("缺失", "missing"))
    return rows


def _explain_unit(data: bytes) -> Iterator[tuple[int, Term, Term | str]]:
    if not data:
        return
    yield 1, Term("类型标志", "type"), words.ranged(words.TYPES, data[0])
    if len(data) == 1:
        return
    yield 1, Term("信息对象数目", "objects"), str(data[1])
    at = 2
    for _ in range(data[1] if data[0] in OBJECTS else 0):
        values = list(_values(data, at, OBJECTS[data[0]]))
        if len(values) < len(OBJECTS[data[0]]):
            break
        told = _object(values)
        for each, _, piece in values:
            yield len(piece), each.name, _meaning(each, piece, told)
        at = values[-1][1] + len(values[-1][2])
    if at < len(data):
        yield len(data) - at, Term("未识别数据", "not readable"), data[at:].hex(" ").upper()


def _meaning(each: _Field, data: bytes, told: dict[str, Any]) -> Term | str:
    number = int.from_bytes(data, "little")
    if each.kind == "system":
        return words.ranged(words.SYSTEMS, number)
    if each.kind == "part":
        return words.ranged(words.PARTS, number)
    if each.kind in _BITS:
        bits = _BITS[each.kind]
        on = [
            bit.one if number >> index & 1 else bit.zero
            for index, bit in enumerate(bits)
            if number >> index & 1 or index == 0
        ]
        if each.kind.endswith("operation_bits"):
            on = [bit.one for index, bit in enumerate(bits) if number >> index & 1]
        return Term("，".join(one.zh for one in on), ", ".join(one.en for one in on))
    if each.kind == "analogue":
        known = words.ANALOGUES.get(number)
        return known.name if known else words.ranged({}, number)
    if each.kind == "signed":
        return f"{told.get('analog_value', told['analog_raw'])} {told.get('unit', '')}".strip()
    shown = told[each.key]
    return Term("无效时间", "no such time") if shown is None else str(shown)


CODEC = Codec(
    name="gb26875",
    standard="GB/T 26875.3-2011",
    title=Term("城市消防远程监控系统 报警传输网络通信协议", "remote monitoring of fire alarm systems"),
    feed=feed,
    describe=describe,
    explain=explain,
    measured=measured,
    pieces={"app_data_hex": describe_unit},
)
