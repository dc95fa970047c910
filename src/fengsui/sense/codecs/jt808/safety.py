"""Active-safety messages and items carried over JT/T 808: driver assistance, driver state, tyres, blind spots.

Source: T/JSATL 12-2017 (Jiangsu), with a terminal id of 7 bytes; the Guangdong form of it has 30 and goes with the 2019
header.  Neither is part of JT/T 808.  Layouts read in open implementations, not in the standards' own text.
"""

from typing import Any

from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Counted,
    Fields,
    Group,
    Instant,
    Layout,
    Many,
    Raw,
    Reader,
    Scaled,
    Text,
    read,
    write,
)

STATE = {0: "not_available", 1: "begin", 2: "end"}
DRIVER_ASSISTANCE_KIND = {
    1: "forward_collision",
    2: "lane_departure",
    3: "too_close",
    4: "pedestrian_collision",
    5: "frequent_lane_change",
    6: "road_sign_exceeded",
    7: "obstacle",
    16: "road_sign_seen",
    17: "picture_taken",
    18: "solid_line_crossed",
    19: "person_in_aisle",
}
DRIVER_STATE_KIND = {
    1: "fatigue",
    2: "phone_call",
    3: "smoking",
    4: "distracted",
    5: "driver_abnormal",
    6: "camera_covered",
    8: "driving_too_long",
    10: "no_seat_belt",
    11: "sunglasses_block_infrared",
    12: "hands_off_wheel",
    13: "playing_with_phone",
    16: "picture_taken",
    17: "driver_changed",
}
BLIND_SPOT_KIND = {1: "rear", 2: "rear_left", 3: "rear_right"}
TYRE_STATE = {
    0: "regular_report",
    1: "pressure_high",
    2: "pressure_low",
    3: "temperature_high",
    4: "sensor_abnormal",
    5: "pressure_unbalanced",
    6: "slow_leak",
    7: "battery_low",
}
VEHICLE = {
    0: "acc_on",
    1: "left_turn",
    2: "right_turn",
    3: "wiper",
    4: "brake",
    5: "card_inserted",
    10: "fixed",
}
PERIPHERAL = {0x64: "driver_assistance", 0x65: "driver_state", 0x66: "tyres", 0x67: "blind_spot"}
WORK_STATE = {1: "working", 2: "standby", 3: "upgrading", 4: "fault", 0x10: "not_connected"}
PERIPHERAL_ALARM = {
    0: "camera",
    1: "main_storage",
    2: "spare_storage",
    3: "infrared_light",
    4: "speaker",
    5: "battery",
    10: "radio",
    11: "positioning",
}
FILE = {0: "picture", 1: "audio", 2: "video", 3: "text", 4: "face_picture", 5: "other"}


class AlarmNumber:
    """The mark that joins an alarm with its pictures: terminal id, time, sequence, number of files, reserve.

    16 bytes, or 40 in the Guangdong form: whichever the bytes are when nothing follows, otherwise by the header.
    """

    def read(self, reader: Reader, above: Fields) -> Fields:
        is_long = reader.left() >= 40 if reader.left() in (16, 40) else reader.is_2019
        return read(_long_alarm if is_long else _short_alarm, reader)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return write(_long_alarm if is_2019 else _short_alarm, value or {}, is_2019)


def _alarm_number(terminal: int, reserve: int) -> Layout:
    return (
        ("terminal_id", Text(terminal)),
        ("time", Instant()),
        ("sequence", BYTE),
        ("files", BYTE),
        ("reserved", Raw(reserve)),
    )


_short_alarm, _long_alarm = _alarm_number(7, 1), _alarm_number(30, 2)

_where: Layout = (
    ("speed_km_h", BYTE),
    ("altitude_m", WORD),
    ("latitude", Scaled(4, 1e-6, 6)),
    ("longitude", Scaled(4, 1e-6, 6)),
    ("time", Instant()),
    ("vehicle", Bits(2, VEHICLE)),
    ("alarm_number", AlarmNumber()),
)

DRIVER_ASSISTANCE: Layout = (
    ("alarm_id", DWORD),
    ("state", Choice(1, STATE)),
    ("kind", Choice(1, DRIVER_ASSISTANCE_KIND)),
    ("level", BYTE),
    ("front_speed_km_h", BYTE),
    ("front_distance_100_ms", BYTE),
    ("departure", Choice(1, {0: "none", 1: "left", 2: "right"})),
    (
        "road_sign",
        Choice(1, {0: "none", 1: "speed", 2: "height", 3: "weight", 4: "no_entry", 5: "no_stopping"}),
    ),
    ("road_sign_value", BYTE),
    *_where,
)
DRIVER_STATE: Layout = (
    ("alarm_id", DWORD),
    ("state", Choice(1, STATE)),
    ("kind", Choice(1, DRIVER_STATE_KIND)),
    ("level", BYTE),
    ("fatigue", BYTE),
    ("reserved", Raw(4)),
    *_where,
)
BLIND_SPOT: Layout = (
    ("alarm_id", DWORD),
    ("state", Choice(1, STATE)),
    ("kind", Choice(1, BLIND_SPOT_KIND)),
    *_where,
)


class _TyreAlarmNumber(AlarmNumber):
    """As AlarmNumber, where a counted list of tyres of 9 bytes each follows and tells the two forms apart."""

    def read(self, reader: Reader, above: Fields) -> Fields:
        def fits(size: int) -> bool:
            left = reader.left() - size - 1
            return left >= 0 and left == 9 * reader.data[reader.at + size]

        return read(_long_alarm if fits(40) and (reader.is_2019 or not fits(16)) else _short_alarm, reader)


TYRES: Layout = (
    ("alarm_id", DWORD),
    ("state", Choice(1, STATE)),
    *_where[:-1],
    ("alarm_number", _TyreAlarmNumber()),
    (
        "tyres",
        Many(
            1,
            Group(
                ("position", BYTE),
                ("alarm", Bits(2, TYRE_STATE)),
                ("pressure_kpa", WORD),
                ("temperature_c", WORD),
                ("battery_percent", WORD),
            ),
        ),
    ),
)


class TerminalId:
    """A terminal's id on its own: 7 bytes, 30 with the 2019 header."""

    def read(self, reader: Reader, above: Fields) -> str:
        return Text(30 if reader.is_2019 else 7).read(reader, above)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return Text(30 if is_2019 else 7).write(value, above, is_2019)


ALARM_FILES: Layout = (
    ("terminal_id", TerminalId()),
    ("alarm_number", AlarmNumber()),
    ("alarm_code", Text(32)),
    ("kind", Choice(1, {0: "first", 1: "again"})),
    ("files", Many(1, Group(("name", Counted(1)), ("size", DWORD)))),
)
FILE_INFO: Layout = (("name", Counted(1)), ("file_type", Choice(1, FILE)), ("size", DWORD))
FILES_WANTED: Layout = (
    ("server", Counted(1)),
    ("tcp_port", WORD),
    ("udp_port", WORD),
    ("alarm_number", AlarmNumber()),
    ("alarm_code", Text(32)),
    ("reserved", Raw(16)),
)
FILE_RECEIVED: Layout = (
    ("name", Counted(1)),
    ("file_type", Choice(1, FILE)),
    ("result", Choice(1, {0: "complete", 1: "parts_missing"})),
    ("missing", Many(1, Group(("offset", DWORD), ("length", DWORD)))),
)


# 0x0900 and 0x8900 with type 0xF7 and 0xF8: what hangs on the terminal's serial buses
class _PeripheralState:
    """Length, work state, alarm bits; what a vendor adds is under ``rest``."""

    _layout: Layout = (("work_state", Choice(1, WORK_STATE)), ("alarm", Bits(4, PERIPHERAL_ALARM)))

    def read(self, reader: Reader, above: Fields) -> Fields:
        inner = reader.inner(reader.number(1))
        fields = read(self._layout, inner)
        return {**fields, "rest": inner.rest()} if inner.left() else fields

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        data = write(self._layout, value, is_2019) + bytes(value.get("rest", b""))
        return bytes([len(data)]) + data


PERIPHERAL_STATE = Many(1, Group(("id", Choice(1, PERIPHERAL)), ("state", _PeripheralState())))
PERIPHERAL_ABOUT = Many(
    1,
    Group(
        ("id", BYTE),
        ("length", BYTE),
        ("company", Counted(1)),
        ("model", Counted(1)),
        ("hardware_version", Counted(1)),
        ("firmware_version", Counted(1)),
        ("device_id", Counted(1)),
        ("user_code", Counted(1)),
    ),
)
