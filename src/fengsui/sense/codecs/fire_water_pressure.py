"""Frames of wireless fire-water pressure terminals (``A5 5A … 55 AA``): bytes in, reports out.

A vendor's protocol (MEOKON V3.0), seen at hydrants and sprinkler mains.  Big-endian: ``A5 5A`` · command 1 · length
of the whole frame 2 · device id 12 · battery 1 · signal dBm 1 · interval s 2 · records 2 · type 1 · alarm 1 · limits
low and high · present value · time 4 (UTC seconds of the newest record) · records, oldest first · CRC 2 · ``55 AA``.
The CRC is Modbus's over everything before it, high byte first; the other order is taken too, and named.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.measured import Measured, milliseconds, plain
from fengsui.sense.codecs.modbus.framing import crc16

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

_HEAD = struct.Struct(">2sBH12sBbHHBB")
_TIME = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One report as sent; ``decode`` reads it."""

    data: bytes
    crc_low_first: bool = False


def feed(buffer: bytes) -> tuple[list[Frame], list[BadFrame], bytes]:
    """Cut every whole frame off ``buffer``; return frames, refusals and the unread rest.  Never raises.

    A false header costs nothing: what follows is searched for frames while its own end is awaited.
    """
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    at = 0
    while (start := buffer.find(HEADER, at)) >= 0:
        if start > at:
            refused.append(BadFrame("noise", buffer[at:start]))
        at = start
        end, reason = _end(buffer, start)
        if end and not reason:
            data = buffer[start:end]
            frames.append(Frame(data, data[-4:-2] != _crc(data).to_bytes(2, "big")))
            at = end
        elif reason:
            refused.append(BadFrame(reason, buffer[start : end or start + 5]))
            at = start + 2
        elif (inner := _whole_inside(buffer, start)) >= 0:
            refused.append(BadFrame("no end", buffer[start:inner]))
            at = inner
        else:
            return frames, refused, buffer[start:]
    rest = buffer[at:]
    keep = 1 if rest.endswith(HEADER[:1]) else 0
    if len(rest) > keep:
        refused.append(BadFrame("noise", rest[: len(rest) - keep]))
    return frames, refused, rest[len(rest) - keep :]


def decode(frame: Frame) -> dict[str, Any]:
    """The fields of a report.  Never raises.

    ``alarm_low``, ``alarm_high``, ``value`` and ``records`` in ``unit``; of a type that is not known they are plain
    counts when the frame has the length of one 16-bit value, otherwise everything is under ``payload``.
    """
    data = frame.data
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


def explain(frame: Frame) -> dict[str, Any]:
    """The fields of one frame as plain JSON values."""
    return plain(decode(frame))


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


def _end(buffer: bytes, start: int) -> tuple[int, str]:
    """Where the frame at ``start`` ends, and why it is none; (0, "") when more bytes are needed."""
    if len(buffer) < start + 5:
        return 0, ""
    length = buffer[start + 3] << 8 | buffer[start + 4]
    if not SHORTEST <= length <= LONGEST:
        return 0, "length"
    end = start + length
    if len(buffer) < end:
        return 0, ""
    data = buffer[start:end]
    if data[-2:] != TAIL:
        return end, "tail"
    crc = _crc(data)
    if int.from_bytes(data[-4:-2], "big") != crc and int.from_bytes(data[-4:-2], "little") != crc:
        return end, "checksum"
    return end, ""


def _whole_inside(buffer: bytes, start: int) -> int:
    """Where the first whole frame after ``start`` begins, -1 if there is none."""
    while (start := buffer.find(HEADER, start + 2)) >= 0:
        end, reason = _end(buffer, start)
        if end and not reason:
            return start
    return -1


def _crc(data: bytes) -> int:
    return crc16(data[:-4])


def _scaled(count: int, step: float) -> float | int:
    return count if step == 1 else round(count * step, 4)
