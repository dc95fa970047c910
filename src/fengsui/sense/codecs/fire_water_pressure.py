"""Frames of wireless fire-water pressure terminals (``A5 5A … 55 AA``): bytes in, reports out.

A vendor's protocol (MEOKON V3.0), seen at hydrants and sprinkler mains.  Big-endian: ``A5 5A`` · command 1 · length
of the whole frame 2 · device id 12 · battery 1 · signal dBm 1 · interval s 2 · records 2 · type 1 · alarm 1 · limits
low and high · present value · time 4 (UTC seconds of the newest record) · records, oldest first · CRC 2 · ``55 AA``.
The CRC is Modbus's over everything before it, high byte first; the other order is taken too, and named.
"""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import scan
from fengsui.sense.codecs.frame import Codec, Cut, Row, Term
from fengsui.sense.codecs.measured import Measured, milliseconds, plain
from fengsui.sense.codecs.modbus.framing import crc16
from fengsui.sense.codecs.rows import Rows

HEADER, TAIL = b"\xa5\x5a", b"\x55\xaa"
MOST_RECORDS = 600  # the vendor's own limit
SHORTEST, LONGEST = 39, 39 + 2 * MOST_RECORDS
UPLOAD = 0x00  # the only command that is documented

TYPES = {  # unit, and what one count is worth
    0: ("kPa", 0.1),
    1: ("MPa", 0.001),
    2: ("bar", 0.01),
}
UNIT = {"kPa": "kPa", "MPa": "MPa", "bar": "bar"}  # codes of base/units.py
ALARM = {
    0: "low",
    1: "high",
    2: "battery",
    3: "sensor_fault",
    4: "hardware_fault",
    5: "second_sensor_low",
    6: "second_sensor_high",
    7: "third_sensor",
}
SUPPLY = {0: "battery_and_external", 1: "battery_only", 2: "external_only", 3: "reserved"}

_MARK = re.compile(re.escape(HEADER))
_MARK_BEGUN = re.compile(rb"\xa5\Z")
_HEAD = struct.Struct(">2sBH12sBbHHBB")
_TIME = struct.Struct(">I")


_ALARMS = {
    "low": "低压",
    "high": "高压",
    "battery": "电池电量低",
    "sensor_fault": "传感器故障",
    "hardware_fault": "硬件故障",
    "second_sensor_low": "第二路低限",
    "second_sensor_high": "第二路高限",
    "third_sensor": "第三路报警",
}
_SUPPLIES = {
    "battery_and_external": "电池和外接电源",
    "battery_only": "电池",
    "external_only": "外接电源",
    "reserved": "保留",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One report as sent; ``decode`` reads it."""

    raw: bytes

    @property
    def crc_low_first(self) -> bool:
        computed = _crc(self.raw)
        return self.raw[-4:-2] == computed.to_bytes(2, "little") != computed.to_bytes(2, "big")

    @property
    def departures(self) -> tuple[str, ...]:
        return ("crc_low_byte_first",) if self.crc_low_first else ()


class _Head(NamedTuple):
    size: int


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole frame off ``buffer``.  Never raises."""
    return scan.cut(
        buffer, ended, mark=_MARK, begun=_MARK_BEGUN, head=_head, fits=_fits, frame=_frame, refusal=_refusal
    )


def decode(frame: Frame) -> dict[str, Any]:
    """The fields of a report.  Never raises.

    ``alarm_low``, ``alarm_high``, ``value`` and ``records`` in ``unit``; of a type that is not known they are plain
    counts when the frame has the length of one 16-bit value, otherwise everything is under ``payload``.
    """
    data = frame.raw
    _, command, length, device, battery, signal, interval, count, kind, alarm = _HEAD.unpack_from(data)
    body = data[_HEAD.size : -4]
    fields: dict[str, Any] = {
        "command": command,
        "length": length,
        "device": device.decode("ascii", "replace").strip("\0 "),
        "externally_powered": bool(battery & 0x80),
        "supply": SUPPLY[battery >> 5 & 3],
        "battery_percent": (battery & 0x1F) * 5,
        "signal_dbm": signal,
        "interval_s": interval,
        "record_count": count,
        "type": kind,
        "alarm": alarm,
        "alarm_set": [ALARM[n] for n in range(8) if alarm >> n & 1],
        "crc": data[-4:-2].hex(),
        "crc_order": "low byte first" if frame.crc_low_first else "high byte first",
    }
    if len(body) != 10 + 2 * count:
        return {**fields, "payload": body}
    unit, step = TYPES.get(kind, ("count", 1))
    low, high, value = struct.unpack_from(">hhh", body)
    records = struct.unpack_from(f">{count}h", body, 10)
    newest = datetime.fromtimestamp(_TIME.unpack_from(body, 6)[0], UTC)
    return {
        **fields,
        "unit": unit,
        "alarm_low": _scaled(low, step),
        "alarm_high": _scaled(high, step),
        "value": _scaled(value, step),
        "time": newest,
        "records": [_scaled(record, step) for record in records],
        "record_times": [newest - timedelta(seconds=interval * (count - 1 - n)) for n in range(count)],
    }


def readings(frame: Frame) -> list[Measured]:
    """The present value, each record at its own time, charge, signal, and the alarm bits as 0 or 1."""
    fields = decode(frame)
    device, at = fields["device"], milliseconds(fields.get("time"))
    unit = UNIT.get(fields.get("unit", ""), "")
    found = [
        Measured(device, "battery_percent", at, float(fields["battery_percent"]), "%"),
        Measured(device, "signal_dbm", at, float(fields["signal_dbm"])),
    ]
    for bit, name in ALARM.items():
        found.append(Measured(device, f"alarm_{name}", at, float(fields["alarm"] >> bit & 1), "1"))
    if "value" in fields:
        found.append(Measured(device, "value", at, float(fields["value"]), unit))
        for time, record in zip(fields["record_times"], fields["records"], strict=True):
            found.append(Measured(device, "record", milliseconds(time), float(record), unit))
    return found


def describe(frame: Frame) -> dict[str, Any]:
    """The fields of one frame as plain JSON values."""
    return {**plain(decode(frame)), "departures": list(frame.departures)}


def explain(frame: Frame) -> list[Row]:
    """Every field of a frame, also of one that was refused."""
    fields, rows = plain(decode(frame)), Rows(frame.raw)
    supply, unit = fields["supply"], fields.get("unit", "")
    rows.add(2, Term("帧头", "header"), "A5 5A")
    rows.add(1, Term("命令", "command"), _or(fields["command"], {UPLOAD: Term("上报数据", "upload")}))
    rows.add(2, Term("帧长度", "length of the frame"), str(fields["length"]))
    rows.add(12, Term("设备编号", "device id"), fields["device"])
    charge, outside = fields["battery_percent"], fields["externally_powered"]
    rows.add(
        1,
        Term("电池电量", "battery"),
        Term(
            f"{charge} %，{_SUPPLIES[supply]}{'，外接供电' if outside else ''}",
            f"{charge} %, {supply}{', powered from outside' if outside else ''}",
        ),
    )
    rows.add(1, Term("信号强度", "signal"), f"{fields['signal_dbm']} dBm")
    rows.add(2, Term("采集间隔", "interval"), f"{fields['interval_s']} s")
    rows.add(2, Term("记录条数", "records"), str(fields["record_count"]))
    rows.add(1, Term("数据类型", "type"), f"{fields['type']} {unit}".strip())
    alarms = fields["alarm_set"]
    said = Term("、".join(_ALARMS[one] for one in alarms), ", ".join(alarms))
    rows.add(1, Term("报警标志", "alarm"), said if alarms else Term("无", "none"))
    if "payload" in fields:
        rows.add(rows.left - 4, Term("数据", "data"), Term("格式未知", "of a form that is not known"))
    else:
        rows.add(2, Term("低压报警值", "low limit"), f"{fields['alarm_low']} {unit}")
        rows.add(2, Term("高压报警值", "high limit"), f"{fields['alarm_high']} {unit}")
        rows.add(2, Term("当前值", "present value"), f"{fields['value']} {unit}")
        rows.add(4, Term("时间", "time of the newest record"), fields["time"])
        for n, (at, value) in enumerate(zip(fields["record_times"], fields["records"], strict=True), 1):
            rows.add(2, Term(f"记录 {n}", f"record {n}"), f"{value} {unit} {at}")
    computed = f"{_crc(frame.raw):04X}"
    fits = (
        Term("正确", "fits")
        if _checks(frame.raw)
        else Term(f"不符，应为 {computed}", f"wrong, should be {computed}")
    )
    if frame.crc_low_first:
        fits = Term("正确，低字节在前", "fits, low byte first")
    rows.add(2, Term("CRC 校验", "CRC"), fits)
    rows.add(2, Term("帧尾", "tail"), "55 AA")
    return rows.rows


def _or(number: int, known: dict[int, Term]) -> Term | str:
    return known.get(number, str(number))


def encode(
    device: str,
    records: list[float],
    newest: datetime,
    *,
    kind: int = 1,
    interval_s: int = 60,
    battery: int = 0x34,
    signal_dbm: int = -60,
    alarm: int = 0,
    limits: tuple[float, float] = (0.0, 0.0),
    value: float | None = None,
) -> bytes:
    """A report as a terminal sends it, for simulators.  Raises ValueError."""
    if len(records) > MOST_RECORDS or len(device.encode()) > 12:
        raise ValueError(f"at most {MOST_RECORDS} records and 12 letters of device id")
    _, step = TYPES.get(kind, ("count", 1))
    present = value if value is not None else (records[-1] if records else 0.0)
    counts = [round(number / step) for number in (*limits, present)]
    try:
        body = struct.pack(">hhh", *counts) + _TIME.pack(int(newest.timestamp()))
        body += struct.pack(f">{len(records)}h", *(round(record / step) for record in records))
        length = _HEAD.size + len(body) + 4
        id_ = device.encode().ljust(12, b"\0")
        head = _HEAD.pack(
            HEADER, UPLOAD, length, id_, battery, signal_dbm, interval_s, len(records), kind, alarm
        )
    except struct.error as error:
        raise ValueError(f"a value does not fit: {error}") from None
    return head + body + _crc(head + body + b"\0\0\0\0").to_bytes(2, "big") + TAIL


def _head(buffer: bytes, at: int) -> _Head | None:
    if len(buffer) < at + 5:
        return None
    length = buffer[at + 3] << 8 | buffer[at + 4]
    return _Head(length if SHORTEST <= length <= LONGEST else 0)


def _fits(buffer: bytes, at: int, head: _Head) -> bool:
    data = buffer[at : at + head.size]
    return len(data) == head.size and data.endswith(TAIL) and _checks(data)


def _checks(data: bytes) -> bool:
    return _crc(data) in (int.from_bytes(data[-4:-2], "big"), int.from_bytes(data[-4:-2], "little"))


def _frame(raw: bytes, head: _Head) -> Frame:
    return Frame(raw)


def _refusal(raw: bytes, span: bytes, head: _Head) -> BadFrame:
    if len(raw) < head.size:
        return BadFrame("cut", raw, "the frame ends before its length says", {"declared_length": head.size})
    if not raw.endswith(TAIL):
        return BadFrame("tail", raw, "the frame does not end in 55 AA", {}, Frame(raw))
    facts = {"crc": raw[-4:-2].hex().upper(), "crc_computed": f"{_crc(raw):04X}"}
    return BadFrame("checksum", raw, "the CRC does not fit", facts, Frame(raw))


def _crc(data: bytes) -> int:
    return crc16(data[:-4])


def _scaled(count: int, step: float) -> float | int:
    return count if step == 1 else round(count * step, 4)


CODEC = Codec(
    name="fire-water-pressure",
    standard="(vendor)",
    title=Term("消防水压终端", "fire-water pressure terminal"),
    feed=feed,
    describe=describe,
    explain=explain,
    measured=readings,
)
