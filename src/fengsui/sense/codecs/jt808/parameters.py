"""Terminal parameters of JT/T 808 (0x8103, 0x0104): id 4, length 1, value.

Source: JT/T 808-2013 table 12, JT/T 808-2019 table 12; 0x0075 to 0x007C from JT/T 1078-2016; 0xF364 to 0xF367 from
T/JSATL 12-2017.  A parameter that is not in the table keeps its bytes under ``parameter_0x....``.
"""

from typing import Any

from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Clock,
    Fields,
    Group,
    Kind,
    Many,
    Raw,
    Reader,
    Short,
    Text,
)
from fengsui.sense.codecs.jt808.location import ALARM

_TEXT = Text()


class Parameters:
    """``count`` 1, then the parameters, as a dict by name."""

    def read(self, reader: Reader, above: Fields) -> Fields:
        count = reader.number(1)
        found: Fields = {}
        for _ in range(count):
            if not reader.left():
                raise Short
            at, number = reader.at, reader.number(4)
            name, value = _value(number, reader.inner(reader.number(1)))
            found[name] = value
            reader.tell(name, PARAMETERS.get(number, ("", None))[1], at, value)
            if isinstance(kind := PARAMETERS.get(number, ("", None))[1], Bits) and isinstance(value, int):
                found[f"{name}_set"] = kind.names_of(value)
        return found

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        items = [item for item in (value or {}).items() if not item[0].endswith("_set")]
        if len(items) > 0xFF:
            raise ValueError("more than 255 parameters: send them in several messages")
        return bytes([len(items)]) + b"".join(_write(name, wanted, is_2019) for name, wanted in items)


def number_of(name: str) -> int:
    """The id of a parameter by its name, or by ``parameter_0x....``.  Raises ValueError."""
    if name.startswith("parameter_0x"):
        return int(name.removeprefix("parameter_0x"), 16)
    if name not in _NUMBERS:
        raise ValueError(f"{name!r} is no parameter")
    return _NUMBERS[name]


def _value(number: int, reader: Reader) -> tuple[str, Any]:
    name, kind = PARAMETERS.get(number, (f"parameter_0x{number:04x}", Raw()))
    try:
        value = kind.read(reader, {})
    except Short:
        value = None
    if value is None or reader.left():
        reader.forget()
        return name, reader.data
    return name, value


def _write(name: str, value: Any, is_2019: bool) -> bytes:
    number = number_of(name)
    _, kind = PARAMETERS.get(number, ("", Raw()))
    data = value if isinstance(value, bytes) else kind.write(value, {}, is_2019)
    if len(data) > 0xFF:
        raise ValueError(f"{name!r} is longer than 255 bytes")
    return number.to_bytes(4, "big") + bytes([len(data)]) + data


_VIDEO = (
    ("live_encoding", Choice(1, {0: "constant_rate", 1: "variable_rate", 2: "average_rate"})),
    ("live_resolution", BYTE),
    ("live_key_frame_interval", WORD),
    ("live_frame_rate", BYTE),
    ("live_kbit_s", DWORD),
    ("stored_encoding", Choice(1, {0: "constant_rate", 1: "variable_rate", 2: "average_rate"})),
    ("stored_resolution", BYTE),
    ("stored_key_frame_interval", WORD),
    ("stored_frame_rate", BYTE),
    ("stored_kbit_s", DWORD),
    (
        "overlay",
        Bits(
            2,
            {
                0: "time",
                1: "plate",
                2: "channel",
                3: "position",
                4: "recorder_speed",
                5: "gnss_speed",
                6: "driving_time",
            },
        ),
    ),
)


class _ChannelTable:
    """Numbers of channels, then 4 bytes a channel."""

    _each = Group(
        ("physical_channel", BYTE),
        ("logical_channel", BYTE),
        ("kind", Choice(1, {0: "audio_and_video", 1: "audio", 2: "video"})),
        ("pan_tilt", BYTE),
    )

    def read(self, reader: Reader, above: Fields) -> Fields:
        counts = {name: reader.number(1) for name in ("audio_and_video", "audio", "video")}
        channels = []
        for n in range(sum(counts.values())):
            at = reader.at
            channels.append(self._each.read(reader, above))
            reader.tell(str(n + 1), self._each, at, channels[-1])
        return {**counts, "channels": channels}

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        counts = bytes(value.get(name, 0) for name in ("audio_and_video", "audio", "video"))
        return counts + b"".join(self._each.write(item, above, is_2019) for item in value.get("channels", ()))


class _Settings:
    """Numbers of given sizes under given names, as far as the value goes; the Guangdong form has more of them."""

    def __init__(self, *fields: tuple[str, int]) -> None:
        self.fields = fields

    def read(self, reader: Reader, above: Fields) -> Fields:
        found: Fields = {}
        for name, size in self.fields:
            if reader.left() < size:
                break
            at = reader.at
            found[name] = reader.number(size)
            reader.tell(name, None, at, found[name])
        if reader.left():
            found["rest"] = reader.rest()
        return found

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        written = b"".join(value[name].to_bytes(size, "big") for name, size in self.fields if name in value)
        return written + bytes(value.get("rest", b""))


def _capture(name: str) -> tuple[tuple[str, int], ...]:
    return (
        (f"{name}_level_speed_km_h", 1),
        (f"{name}_video_s", 1),
        (f"{name}_pictures", 1),
        (f"{name}_picture_interval_100_ms", 1),
    )


_COMMON = (
    ("speed_threshold_km_h", 1),
    ("volume", 1),
    ("picture_strategy", 1),
    ("picture_interval_s", 2),
    ("picture_distance_100_m", 2),
    ("pictures", 1),
    ("picture_gap_100_ms", 1),
    ("picture_resolution", 1),
    ("video_resolution", 1),
    ("alarms_enabled", 4),
    ("events_enabled", 4),
)
_DRIVER_ASSISTANCE = _Settings(
    *_COMMON,
    ("reserved", 1),
    ("obstacle_distance_100_ms", 1),
    *_capture("obstacle"),
    ("lane_change_window_s", 1),
    ("lane_change_count", 1),
    *_capture("lane_change"),
    *_capture("lane_departure"),
    ("forward_collision_time_100_ms", 1),
    *_capture("forward_collision"),
    ("pedestrian_time_100_ms", 1),
    *_capture("pedestrian"),
    ("distance_time_100_ms", 1),
    *_capture("distance"),
    ("road_sign_pictures", 1),
    ("road_sign_picture_interval_100_ms", 1),
    *_capture("solid_line"),
    ("aisle_level_speed_km_h", 1),
)
_DRIVER_STATE = _Settings(
    *_COMMON,
    ("smoking_interval_s", 2),
    ("phone_interval_s", 2),
    ("reserved", 3),
    *_capture("fatigue"),
    *_capture("phone"),
    *_capture("smoking"),
    *_capture("distracted"),
    *_capture("abnormal"),
    ("identification", 1),
    ("camera_covered_level_speed_km_h", 1),
    *_capture("seat_belt"),
    *_capture("sunglasses"),
    *_capture("hands_off"),
    *_capture("phone_play"),
    ("reserved_2", 1),
)
_WAKE = [(f"{side}_{n}", Clock()) for n in range(1, 5) for side in ("wake", "sleep")]

PARAMETERS: dict[int, tuple[str, Kind]] = {
    0x0001: ("heartbeat_interval_s", DWORD),
    0x0002: ("tcp_answer_timeout_s", DWORD),
    0x0003: ("tcp_repeats", DWORD),
    0x0004: ("udp_answer_timeout_s", DWORD),
    0x0005: ("udp_repeats", DWORD),
    0x0006: ("sms_answer_timeout_s", DWORD),
    0x0007: ("sms_repeats", DWORD),
    0x0010: ("main_apn", _TEXT),
    0x0011: ("main_user", _TEXT),
    0x0012: ("main_password", _TEXT),
    0x0013: ("main_address", _TEXT),
    0x0014: ("backup_apn", _TEXT),
    0x0015: ("backup_user", _TEXT),
    0x0016: ("backup_password", _TEXT),
    0x0017: ("backup_address", _TEXT),
    0x0018: ("tcp_port", DWORD),
    0x0019: ("udp_port", DWORD),
    0x001A: ("card_main_address", _TEXT),
    0x001B: ("card_tcp_port", DWORD),
    0x001C: ("card_udp_port", DWORD),
    0x001D: ("card_backup_address", _TEXT),
    0x0020: ("report_strategy", Choice(4, {0: "time", 1: "distance", 2: "time_and_distance"})),
    0x0021: ("report_scheme", Choice(4, {0: "acc", 1: "login_then_acc"})),
    0x0022: ("interval_logged_out_s", DWORD),
    0x0023: ("slave_apn", _TEXT),
    0x0024: ("slave_user", _TEXT),
    0x0025: ("slave_password", _TEXT),
    0x0026: ("slave_address", _TEXT),
    0x0027: ("interval_asleep_s", DWORD),
    0x0028: ("interval_emergency_s", DWORD),
    0x0029: ("interval_s", DWORD),
    0x002C: ("distance_m", DWORD),
    0x002D: ("distance_logged_out_m", DWORD),
    0x002E: ("distance_asleep_m", DWORD),
    0x002F: ("distance_emergency_m", DWORD),
    0x0030: ("turn_angle_deg", DWORD),
    0x0031: ("fence_radius_m", WORD),
    0x0032: ("illegal_driving_hours", Group(("from", Clock()), ("to", Clock()))),
    0x0040: ("platform_phone", _TEXT),
    0x0041: ("reset_phone", _TEXT),
    0x0042: ("factory_reset_phone", _TEXT),
    0x0043: ("platform_sms_phone", _TEXT),
    0x0044: ("alarm_sms_phone", _TEXT),
    0x0045: ("answer_strategy", DWORD),
    0x0046: ("call_longest_s", DWORD),
    0x0047: ("call_month_longest_s", DWORD),
    0x0048: ("listening_phone", _TEXT),
    0x0049: ("privileged_sms_phone", _TEXT),
    0x0050: ("alarm_mask", Bits(4, ALARM)),
    0x0051: ("alarm_sms", Bits(4, ALARM)),
    0x0052: ("alarm_picture", Bits(4, ALARM)),
    0x0053: ("alarm_picture_stored", Bits(4, ALARM)),
    0x0054: ("alarm_key", Bits(4, ALARM)),
    0x0055: ("highest_speed_km_h", DWORD),
    0x0056: ("overspeed_for_s", DWORD),
    0x0057: ("driving_longest_s", DWORD),
    0x0058: ("driving_day_longest_s", DWORD),
    0x0059: ("rest_shortest_s", DWORD),
    0x005A: ("parking_longest_s", DWORD),
    0x005B: ("overspeed_warning_0_1_km_h", WORD),
    0x005C: ("fatigue_warning_s", WORD),
    0x005D: ("collision", WORD),
    0x005E: ("rollover_deg", WORD),
    0x0064: ("timed_pictures", DWORD),
    0x0065: ("distance_pictures", DWORD),
    0x0070: ("picture_quality", DWORD),
    0x0071: ("brightness", DWORD),
    0x0072: ("contrast", DWORD),
    0x0073: ("saturation", DWORD),
    0x0074: ("chroma", DWORD),
    0x0075: ("video", Group(*_VIDEO, ("audio", BYTE))),
    0x0076: ("channels", _ChannelTable()),
    0x0077: ("video_of_channels", Many(1, Group(("channel", BYTE), *_VIDEO))),
    0x0079: (
        "special_recording",
        Group(("storage_percent", BYTE), ("longest_min", BYTE), ("before_min", BYTE)),
    ),
    0x007A: ("video_alarm_mask", DWORD),
    0x007B: ("picture_analysis", Group(("seats", BYTE), ("fatigue_threshold", BYTE))),
    0x007C: (
        "wake_up",
        Group(
            ("mode", Bits(1, {0: "condition", 1: "timed", 2: "manual"})),
            ("condition", Bits(1, {0: "emergency", 1: "collision", 2: "door_opened"})),
            ("weekdays", Bits(1, dict(enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))))),
            ("periods", BYTE),
            *_WAKE,
        ),
    ),
    0x0080: ("odometer_0_1_km", DWORD),
    0x0081: ("province", WORD),
    0x0082: ("city", WORD),
    0x0083: ("plate", _TEXT),
    0x0084: ("plate_colour", BYTE),
    0x0090: ("gnss_mode", Bits(1, {0: "gps", 1: "beidou", 2: "glonass", 3: "galileo"})),
    0x0091: ("gnss_baud_rate", BYTE),
    0x0092: ("gnss_output_rate", BYTE),
    0x0093: ("gnss_interval_s", DWORD),
    0x0094: ("gnss_upload_mode", BYTE),
    0x0095: ("gnss_upload_setting", DWORD),
    0x0100: ("can_1_interval_ms", DWORD),
    0x0101: ("can_1_upload_s", WORD),
    0x0102: ("can_2_interval_ms", DWORD),
    0x0103: ("can_2_upload_s", WORD),
    0x0110: ("can_id", Raw(8)),
    0xF364: ("driver_assistance", _DRIVER_ASSISTANCE),
    0xF365: ("driver_state", _DRIVER_STATE),
    0xF366: (
        "tyres",
        Group(
            ("type", Text(12)),
            ("pressure_unit", Choice(2, {0: "kg_cm2", 1: "bar", 2: "kpa", 3: "psi"})),
            ("normal", WORD),
            ("unbalanced_percent", WORD),
            ("slow_leak_percent", WORD),
            ("low", WORD),
            ("high", WORD),
            ("high_temperature_c", WORD),
            ("battery_percent", WORD),
            ("interval_s", WORD),
            ("reserved", Raw(6)),
        ),
    ),
    0xF367: ("blind_spot", Group(("rear_time_s", BYTE), ("side_time_s", BYTE))),
}
_NUMBERS = {name: number for number, (name, _) in PARAMETERS.items()}
