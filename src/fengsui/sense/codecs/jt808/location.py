"""The position report 0x0200 of JT/T 808, which other messages carry too: 28 bytes, then additional items.

Alarm and status bits: JT/T 808-2013 tables 24 and 25, JT/T 808-2019 tables 24 and 25.  Additional items: table 27 of
either, 0x14 to 0x18 from JT/T 1078-2016 table 13, 0x64 to 0x67 from the active-safety standards (``safety.py``).
What is not in the tables is kept as bytes under ``item_0x..``.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fengsui.sense.codecs.jt808 import safety
from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Fields,
    Instant,
    Kind,
    Layout,
    Many,
    Number,
    Reader,
    Scaled,
    Short,
    Tracer,
    instant,
    read,
    write,
)

ALARM = {
    0: "emergency",
    1: "overspeed",
    2: "fatigue",
    3: "dangerous_driving",  # 2013: danger warning
    4: "gnss_module_fault",
    5: "gnss_antenna_open",
    6: "gnss_antenna_short",
    7: "main_power_low",
    8: "main_power_off",
    9: "display_fault",
    10: "tts_fault",
    11: "camera_fault",
    12: "ic_card_module_fault",
    13: "overspeed_warning",
    14: "fatigue_warning",
    15: "driving_against_rules",  # 2019
    16: "tyre_pressure_warning",  # 2019
    17: "right_turn_blind_spot",  # 2019
    18: "driving_time_of_day_exceeded",
    19: "parking_too_long",
    20: "area_entered_or_left",
    21: "route_entered_or_left",
    22: "section_time_short_or_long",
    23: "off_route",
    24: "vss_fault",
    25: "fuel_abnormal",
    26: "stolen",
    27: "illegal_ignition",
    28: "illegal_movement",
    29: "collision",  # 2013: collision warning; 2019: collision or rollover
    30: "rollover_warning",
    31: "illegal_door_opening",
}
STATUS = {
    0: "acc_on",
    1: "fixed",
    2: "south",
    3: "west",
    4: "out_of_service",
    5: "position_encrypted",
    6: "forward_collision_warning",  # 2019
    7: "lane_departure_warning",  # 2019
    10: "fuel_cut",
    11: "circuit_cut",
    12: "doors_locked",
    13: "front_door_open",
    14: "middle_door_open",
    15: "rear_door_open",
    16: "driver_door_open",
    17: "door_5_open",
    18: "gps",
    19: "beidou",
    20: "glonass",
    21: "galileo",
    22: "moving",  # 2019
}
LOAD = ("empty", "half", "reserved", "full")  # status bits 8 and 9 together
SIGNALS = {
    0: "low_beam",
    1: "high_beam",
    2: "right_turn",
    3: "left_turn",
    4: "brake",
    5: "reverse",
    6: "fog_lamp",
    7: "outline_lamp",
    8: "horn",
    9: "air_conditioner",
    10: "neutral",
    11: "retarder",
    12: "abs",
    13: "heater",
    14: "clutch",
}
VIDEO_ALARM = {
    0: "video_signal_lost",
    1: "video_signal_covered",
    2: "storage_fault",
    3: "other_video_fault",
    4: "overcrowded",
    5: "abnormal_driving",
    6: "special_recording_near_limit",
}
ABNORMAL_DRIVING = {0: "fatigue", 1: "phone_call", 2: "smoking"}
PLACE = {0: "none", 1: "circle", 2: "rectangle", 3: "polygon", 4: "section"}

_alarm, _status = Bits(4, ALARM), Bits(4, STATUS)
_BASE = struct.Struct(">IIIIhHH6s")
BASE_SIZE = _BASE.size  # 28
_SOUTH, _WEST = 1 << 2, 1 << 3


# where the fields stand in the 28 bytes, for people; ``read_location`` reads them
_LAYOUT: Layout = (
    ("alarm", _alarm),
    ("status", _status),
    ("latitude", Scaled(4, 1e-6, 6)),
    ("longitude", Scaled(4, 1e-6, 6)),
    ("altitude_m", WORD),
    ("speed_km_h", Scaled(2, 0.1, 1)),
    ("direction_deg", WORD),
    ("time", Instant()),
)


def read_location(data: bytes, is_2019: bool) -> Fields:
    """The fields of a position report.  Raises Short below 28 bytes; anything after them is read or kept.

    ``latitude`` and ``longitude`` degrees, south and west negative by their status bits · ``altitude_m`` signed ·
    ``speed_km_h`` · ``direction_deg`` from north, clockwise · ``time`` aware UTC · ``additional`` items by name.
    """
    if len(data) < BASE_SIZE:
        raise Short
    alarm, status, latitude, longitude, altitude, speed, direction, time = _BASE.unpack_from(data)
    fields: Fields = {
        "alarm": alarm,
        "alarm_set": _alarm.names_of(alarm) if alarm else [],
        "status": status,
        "status_set": _status.names_of(status & ~0x300),
        "load": LOAD[status >> 8 & 3],
        "latitude": (-latitude if status & _SOUTH else latitude) / 1e6,
        "longitude": (-longitude if status & _WEST else longitude) / 1e6,
        "altitude_m": altitude,
        "speed_km_h": speed / 10,
        "direction_deg": direction,
        "time": instant(time),
    }
    if len(data) > BASE_SIZE:
        fields["additional"] = read_items(data[BASE_SIZE:], is_2019)
    return fields


def _trace(reader: Tracer, fields: Fields) -> None:
    """Tell where the ``fields`` of a position report stand, and its items."""
    for name, kind in _LAYOUT:
        at = reader.at
        kind.read(reader, fields)
        reader.tell(name, kind, at, fields[name])
    items: Fields = {}
    for number, start, data, end in _places(reader.data[BASE_SIZE:]):
        reader.at = BASE_SIZE + data
        inner, before = reader.inner(end - data), set(items)
        _read_item(items, number, inner)
        (name,) = [name for name in items if name not in before and not name.endswith("_set")]
        how = ITEMS[number].kind if number in ITEMS and not name.startswith("item_0x") else None
        reader.tell(name, how, BASE_SIZE + start, items[name])


def write_location(fields: Mapping[str, Any], is_2019: bool) -> bytes:
    """The bytes of a position report; the hemisphere bits follow the signs.  Raises ValueError."""
    latitude, longitude = fields.get("latitude", 0.0), fields.get("longitude", 0.0)
    status = fields.get("status", 0) & ~(_SOUTH | _WEST)
    status |= (_SOUTH if latitude < 0 else 0) | (_WEST if longitude < 0 else 0)
    try:
        base = _BASE.pack(
            fields.get("alarm", 0),
            status,
            abs(round(latitude * 1e6)),
            abs(round(longitude * 1e6)),
            fields.get("altitude_m", 0),
            round(fields.get("speed_km_h", 0) * 10),
            fields.get("direction_deg", 0),
            Instant().write(fields.get("time"), {}, is_2019),
        )
    except struct.error as error:
        raise ValueError(f"a position that does not fit its fields: {error}") from None
    return base + write_items(fields.get("additional", {}), is_2019)


class Location:
    """A position report as a field of another message: ``size`` bytes of it, or all that is left."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> Fields:
        inner = reader.inner(reader.left() if self.size is None else self.size)
        fields = read_location(inner.data, reader.is_2019)
        if isinstance(inner, Tracer):
            _trace(inner, fields)
        return fields

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        data = write_location(value or {}, is_2019)
        return data if self.size is None else data[: self.size]


# ---- additional items -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One additional item: its name, the lengths it may have (none: any), how it is read and written."""

    name: str
    sizes: tuple[int, ...]
    kind: Kind


def read_items(data: bytes, is_2019: bool) -> Fields:
    """Items by name.  Never raises: what cannot be read is under ``item_0x..``, what has no form under ``rest``."""
    items: Fields = {}
    at, size = 0, len(data)
    while at < size:
        if data[at] == 0 or at + 2 > size or (end := at + 2 + data[at + 1]) > size:
            return _read_wide(data, at, items, is_2019)
        number, body = data[at], data[at + 2 : end]
        plain = _PLAIN.get(number << 8 | len(body))
        if plain is not None and plain[0] not in items:
            name, scale, bits = plain
            value = int.from_bytes(body, "big")
            items[name] = value if scale is None else value / scale
            if bits is not None:
                items[f"{name}_set"] = bits.names_of(value) if value else []
        else:
            _read_item(items, number, Reader(body, is_2019))
        at = end
    return items


def write_items(items: Mapping[str, Any], is_2019: bool) -> bytes:
    """Items as bytes; ``item_0x..`` takes bytes.  Raises ValueError for a name that is not known."""
    written = []
    for name, value in items.items():
        if name.endswith("_set") or name == "rest":
            continue
        if name.startswith("item_0x"):
            number, data = int(name.removeprefix("item_0x").split("_")[0], 16), bytes(value)
        elif name in _NUMBERS:
            number = _NUMBERS[name]
            data = ITEMS[number].kind.write(value, {}, is_2019)
        else:
            raise ValueError(f"{name!r} is no additional item")
        if number > 0xFF or len(data) > 0xFF:
            raise ValueError(f"{name!r} does not fit an item")
        written.append(bytes([number, len(data)]) + data)
    return b"".join(written)


_Span = tuple[int, int, int]  # the item's id, where its data begins, where it ends


def _read_item(items: Fields, number: int, reader: Reader) -> None:
    item, data = ITEMS.get(number), reader.data
    if item is not None and (not item.sizes or len(data) in item.sizes):
        try:
            value = item.kind.read(reader, items)
        except Short:
            value = None
        if value is not None and not reader.left():
            name = _free(items, item.name)
            items[name] = value
            if isinstance(item.kind, Bits):
                items[f"{name}_set"] = item.kind.names_of(value)
            return
    reader.forget()
    items[_free(items, f"item_0x{number:02x}")] = data


def _free(items: Fields, name: str) -> str:
    """``name``, or ``name_2`` and so on when an item stands there more than once."""
    if name not in items:
        return name
    n = 2
    while f"{name}_{n}" in items:
        n += 1
    return f"{name}_{n}"


def _places(data: bytes) -> list[tuple[int, int, int, int]]:
    """Every item as ``read_items`` finds it: its id, where it begins, where its data begins, where it ends."""
    found: list[tuple[int, int, int, int]] = []
    at = 0
    while at < len(data):
        if data[at] == 0 or at + 2 > len(data) or (end := at + 2 + data[at + 1]) > len(data):
            spans = _wide(data)
            if spans is not None:
                starts = [0, *(end for _, _, end in spans)]
                found = [
                    (n, begin, start, end) for begin, (n, start, end) in zip(starts, spans, strict=False)
                ]
            break
        found.append((data[at], at, at + 2, end))
        at = end
    return found


def _read_wide(data: bytes, at: int, items: Fields, is_2019: bool) -> Fields:
    """Items of which one is not id 1, length 1, data: found by the search, or kept from ``at`` on."""
    spans = _wide(data)
    if spans is None:
        items["rest"] = data[at:]
        return items
    found: Fields = {}
    for number, start, end in spans:
        _read_item(found, number, Reader(data[start:end], is_2019))
    return found


def _wide(data: bytes) -> list[_Span] | None:
    """The items when some vendor's have ids of 2 bytes or lengths of 2 or 4, found by what fits to the last byte.

    The standard lets vendors use 0xE1 and above and not all keep to one byte.  The standard's own items have their own
    lengths, which is what makes the search find one way through; a place that led nowhere is not tried again.
    """
    size = len(data)
    dead: set[int] = set()
    path: list[tuple[_Span, Iterator[_Span]]] = []
    at, ways = 0, _forms(data, 0)
    while at < size:
        span = next(ways, None)
        if span is None:
            dead.add(at)
            if not path:
                return None
            _, ways = path.pop()
            at = path[-1][0][2] if path else 0
        elif span[2] not in dead:
            path.append((span, ways))
            at = span[2]
            ways = _forms(data, at)
    return [span for span, _ in path]


def _forms(data: bytes, at: int) -> Iterator[_Span]:
    """Every item that may begin at ``at``: the standard's form first."""
    size = len(data)
    known = ITEMS.get(data[at]) if at < size else None
    for wide_id, wide_length in ((1, 1), (1, 2), (1, 4), (2, 1), (2, 2)):
        start = at + wide_id + wide_length
        if start > size:
            continue
        number = int.from_bytes(data[at : at + wide_id], "big")
        end = start + int.from_bytes(data[at + wide_id : start], "big")
        if number == 0 or end > size or (wide_id == 1 and end == start):
            continue
        if wide_id == 2 and number > 0xFF:
            continue
        wrong_size = known is not None and bool(known.sizes) and end - start not in known.sizes
        if wide_id == 1 and known is not None and (wide_length > 1 or wrong_size):
            continue
        yield number, start, end


class _Temperature:
    """Degrees in 16 bits with the top bit for the sign; terminals send two's complement as well.

    The one of the two readings that is nearer to zero is taken: the other is below -16,000 degrees.
    """

    def read(self, reader: Reader, above: Fields) -> int:
        value = reader.number(2)
        if value < 0x8000:
            return value
        return max(0x8000 - value, value - 0x10000)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return (value if value >= 0 else 0x8000 - value).to_bytes(2, "big")


class _Tyres:
    """30 bytes, one a wheel from the front left, row by row; 0xFF is no wheel (None)."""

    def read(self, reader: Reader, above: Fields) -> list[int | None]:
        return [None if byte == 0xFF else byte for byte in reader.rest()]

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return bytes(0xFF if byte is None else byte for byte in value).ljust(30, b"\xff")


class _Analogue:
    """Bits 0 to 15 are AD0, bits 16 to 31 AD1."""

    def read(self, reader: Reader, above: Fields) -> Fields:
        ad1, ad0 = reader.number(2), reader.number(2)
        return {"ad0": ad0, "ad1": ad1}

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return WORD.write(value.get("ad1"), above, is_2019) + WORD.write(value.get("ad0"), above, is_2019)


class _Channels:
    """One bit a channel, as the numbers of the channels (from 1)."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> list[int]:
        value = reader.number(self.size)
        return [n + 1 for n in range(8 * self.size) if value >> n & 1]

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return sum(1 << n - 1 for n in value).to_bytes(self.size, "big")


class _Fields:
    """A small layout of its own."""

    def __init__(self, *layout: tuple[str, Kind], until: Callable[[int], int] = lambda size: 99) -> None:
        self.layout: Layout = layout
        self.until = until  # how many of the fields an item of this size has

    def read(self, reader: Reader, above: Fields) -> Fields:
        return read(self.layout[: self.until(reader.left())], reader)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        layout = tuple((name, kind) for name, kind in self.layout if name in value)
        return write(layout, value, is_2019)


_SATELLITES = Many(1, _Fields(("number", BYTE), ("elevation_deg", BYTE), ("azimuth_deg", WORD)))

ITEMS = {
    0x01: Item("mileage_km", (4,), Scaled(4, 0.1, 1)),
    0x02: Item("fuel_l", (2,), Scaled(2, 0.1, 1)),
    0x03: Item("recorder_speed_km_h", (2,), Scaled(2, 0.1, 1)),
    0x04: Item("alarm_event_id", (2,), WORD),
    0x05: Item("tyre_pressure", (30,), _Tyres()),
    0x06: Item("cabin_temperature_c", (2,), _Temperature()),
    0x07: Item(
        "satellites",
        (),
        _Fields(
            ("beidou", _SATELLITES), ("gps", _SATELLITES), ("glonass", _SATELLITES), ("galileo", _SATELLITES)
        ),
    ),
    0x11: Item(
        "overspeed",
        (1, 5),
        _Fields(("place", Choice(1, PLACE)), ("area_id", DWORD), until=lambda size: 2 if size > 1 else 1),
    ),
    0x12: Item(
        "area_or_route",
        (6,),
        _Fields(
            ("place", Choice(1, PLACE)), ("area_id", DWORD), ("direction", Choice(1, {0: "in", 1: "out"}))
        ),
    ),
    0x13: Item(
        "section_time",
        (7,),
        _Fields(
            ("section_id", DWORD), ("time_s", WORD), ("result", Choice(1, {0: "too_short", 1: "too_long"}))
        ),
    ),
    0x14: Item("video_alarm", (4,), Bits(4, VIDEO_ALARM)),
    0x15: Item("video_signal_lost_channels", (4,), _Channels(4)),
    0x16: Item("video_signal_covered_channels", (4,), _Channels(4)),
    0x17: Item(
        "storage_fault",
        (2,),
        Bits(2, {n: f"main_{n + 1}" if n < 12 else f"spare_{n - 11}" for n in range(16)}),
    ),
    0x18: Item(
        "abnormal_driving",
        (2, 3),
        _Fields(
            ("kind", Bits(2, ABNORMAL_DRIVING)), ("fatigue", BYTE), until=lambda size: 2 if size > 2 else 1
        ),
    ),
    0x25: Item("vehicle_signals", (4,), Bits(4, SIGNALS)),
    0x2A: Item("io_status", (2,), Bits(2, {0: "deep_sleep", 1: "sleep"})),
    0x2B: Item("analogue", (4,), _Analogue()),
    0x30: Item("signal_strength", (1,), BYTE),
    0x31: Item("satellite_count", (1,), BYTE),
    0x64: Item("driver_assistance_alarm", (47, 71), _Fields(*safety.DRIVER_ASSISTANCE)),
    0x65: Item("driver_state_alarm", (47, 71), _Fields(*safety.DRIVER_STATE)),
    0x66: Item("tyre_alarm", (), _Fields(*safety.TYRES)),
    0x67: Item("blind_spot_alarm", (41, 65), _Fields(*safety.BLIND_SPOT)),
}
_NUMBERS = {item.name: number for number, item in ITEMS.items()}
# items that are one number: by id and length, with what divides it and the names of its bits
_PLAIN: dict[int, tuple[str, int | None, Bits | None]] = {
    number << 8 | item.sizes[0]: (
        item.name,
        round(1 / item.kind.step) if isinstance(item.kind, Scaled) else None,
        item.kind if isinstance(item.kind, Bits) else None,
    )
    for number, item in ITEMS.items()
    if isinstance(item.kind, Number)
}
