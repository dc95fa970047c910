"""What a JT/T 808 message measured: positions, speeds and items that are one number; apart, alarm and status bits."""

from collections.abc import Iterator

from fengsui.sense.codecs.jt808.frame import Frame
from fengsui.sense.codecs.jt808.layout import Fields
from fengsui.sense.codecs.jt808.location import ALARM, STATUS
from fengsui.sense.codecs.jt808.message import decode
from fengsui.sense.codecs.measured import Measured, milliseconds

UNITS = {
    "altitude_m": "m",
    "speed_km_h": "km/h",
    "direction_deg": "°",
    "mileage_km": "km",
    "fuel_l": "L",
    "recorder_speed_km_h": "km/h",
    "cabin_temperature_c": "°C",
    "signal_strength": "1",
    "satellite_count": "1",
}
_FIXED, _ENCRYPTED = 1 << 1, 1 << 5
_FLAGS = (
    *(("alarm", 1 << bit, f"alarm_{name}") for bit, name in ALARM.items()),
    *(("status", 1 << bit, f"status_{name}") for bit, name in STATUS.items()),
)


def readings(frame: Frame) -> list[Measured]:
    """The readings of the position reports that a message holds; none of any other message.

    A position without a fix, encrypted, or off the globe gives no longitude and latitude; everything else of it counts.
    The alarm and status words come as the numbers they are; see ``flags`` for their bits.
    """
    fields = decode(frame).fields
    device = frame.phone.lstrip("0") or "0"
    return [reading for report in _reports(frame, fields) for reading in _of(device, report)]


def flags(frame: Frame) -> list[Measured]:
    """Every alarm and status bit of the position reports in a message, as 0 or 1."""
    fields = decode(frame).fields
    device = frame.phone.lstrip("0") or "0"
    return [
        Measured(device, name, milliseconds(report["time"]), float(bool(report[word] & bit)), "1")
        for report in _reports(frame, fields)
        for word, bit, name in _FLAGS
    ]


def _reports(frame: Frame, fields: Fields) -> Iterator[Fields]:
    if "latitude" in fields:
        yield fields
    elif "latitude" in (fields.get("location") or {}):
        yield fields["location"]
    elif frame.message_id == 0x0704:
        yield from (report for report in fields.get("locations", ()) if "latitude" in report)


def _of(device: str, report: Fields) -> Iterator[Measured]:
    at = milliseconds(report["time"])
    status = report["status"]
    longitude, latitude = report["longitude"], report["latitude"]
    if status & _FIXED and not status & _ENCRYPTED and abs(longitude) <= 180 and abs(latitude) <= 90:
        yield Measured(device, "longitude", at, longitude, "°")
        yield Measured(device, "latitude", at, latitude, "°")
    for name in ("altitude_m", "speed_km_h", "direction_deg", "alarm", "status"):
        yield Measured(device, name, at, float(report[name]), UNITS.get(name, ""))
    for name, value in report.get("additional", {}).items():
        if name in UNITS:
            yield Measured(device, name, at, float(value), UNITS[name])
        elif isinstance(value, dict) and "ad0" in value:
            yield Measured(device, "ad0", at, float(value["ad0"]))
            yield Measured(device, "ad1", at, float(value["ad1"]))
