"""What the codes of a protocol mean where nobody has said otherwise: observed properties and default mappings.

Made of the codecs' own tables, so that names and units stand in one place.  A code means an observed property; which
datastream that is, is said by the device's thing.  Left out on purpose: averages and extremes of HJ 212 (their time is
the start of a period: they need a datastream of their own), its PM10 and PM2.5 (devices send other units than the
standard prints), and the parts of GB/T 26875.3: their addresses are those of one building.  Its transmission device and
its fire systems of address 0, the only one of their kind, are the same everywhere.
"""

import csv
import io
from typing import NamedTuple

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.sense.codecs import gb26875_words, sl651_words
from fengsui.sense.codecs.hj212_factors import table

# the factors that sites of all kinds send, of HJ 212-2017 annex B
HJ212 = (
    "w00000", "w01001", "w01009", "w01010", "w01014", "w01018", "w01019", "w21001", "w21003", "w21011", "a00000",
    "a01001", "a01002", "a01006", "a01007", "a01008", "a01011", "a01012", "a01013", "a01014", "a19001", "a21002",
    "a21005", "a21026", "a21028", "a24088", "a25002", "a34013",
)  # fmt: skip
JT808 = (
    ("position.longitude", "longitude", "经度", "Longitude", "°"),
    ("position.latitude", "latitude", "纬度", "Latitude", "°"),
    ("position.altitude", "altitude", "高程", "Altitude", "m"),
    ("position.speed", "speed", "速度", "Speed", "km/h"),
    ("position.direction", "direction", "方向", "Direction", "°"),
    ("mileage_km", "mileage", "里程", "Mileage", "km"),
    ("fuel_l", "fuel", "油量", "Fuel", "L"),
    ("recorder_speed_km_h", "recorder-speed", "行驶记录仪速度", "Speed by the recorder", "km/h"),
    ("cabin_temperature_c", "cabin-temperature", "车厢温度", "Temperature of the cabin", "°C"),
    ("signal_strength", "signal-strength", "信号强度", "Signal strength", "1"),
    ("satellite_count", "satellite-count", "定位卫星数", "Satellites in use", "1"),
)
PROTOCOLS = ("hj212", "sl651", "jt808", "gb26875")


class Default(NamedTuple):
    """``code`` of the protocol means ``observed_property``, in ``unit``."""

    code: str
    observed_property: str
    name: str
    name_en: str
    unit: str


def defaults(protocol: str) -> list[Default]:
    """What one of PROTOCOLS says.  Raises KeyError for another."""
    return {"hj212": _hj212, "sl651": _sl651, "jt808": _jt808, "gb26875": _gb26875}[protocol]()


def files(protocol: str, properties: set[str], codes: set[str]) -> tuple[bytes, bytes, int]:
    """Tables of properties and of default mappings to import, and how many mappings; without those that are there."""
    rows = [row for row in defaults(protocol) if row.code not in codes]
    missing = {row.observed_property: row for row in rows if row.observed_property not in properties}
    return (
        _csv(
            ("code", "name", "name_en"), [(r.observed_property, r.name, r.name_en) for r in missing.values()]
        ),
        _csv(
            ("protocol", "code", "observed_property", "unit"),
            [(protocol, r.code, r.observed_property, r.unit) for r in rows],
        ),
        len(rows),
    )


def _hj212() -> list[Default]:
    by_code = {one.code: one for one in reversed(table())}
    return [
        Default(f"{code}-Rtd", f"hj212-{code}", by_code[code].name, "", _known(by_code[code].unit))
        for code in HJ212
    ]


def _sl651() -> list[Default]:
    return [
        Default(f"{one.code:02X}", f"sl651-{one.sign}", one.name.zh, one.name.en, _known(one.unit))
        for one in sl651_words.ELEMENTS.values()
        if one.sign and one.digits and one.kind == "bcd"
    ]


def _jt808() -> list[Default]:
    return [Default(*row) for row in JT808]


def _gb26875() -> list[Default]:
    """States, 0 or 1, of the transmission device and of each kind of fire system."""
    device = [
        Default(f"device-{bit.key}", f"gb26875-device-{bit.key}", f"用户信息传输装置{bit.one.zh}",
                f"Transmission device: {bit.one.en}", "1")
        for bit in gb26875_words.DEVICE_BITS
    ]  # fmt: skip
    systems = [
        Default(f"{kind}.0-{bit.key}", f"gb26875-system{kind}-{bit.key}", f"{system.zh}{bit.one.zh}",
                f"{system.en.capitalize()}: {bit.one.en}", "1")
        for kind, system in gb26875_words.SYSTEMS.items()
        if kind
        for bit in gb26875_words.SYSTEM_BITS
    ]  # fmt: skip
    return device + systems


def _known(unit: str) -> str:
    """A unit of ours; empty where there is none: then the protocol's own is in force."""
    try:
        return units.unit(unit).code if unit else ""
    except UnknownUnit:
        return ""


def _csv(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode()
