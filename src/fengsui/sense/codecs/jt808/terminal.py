"""What terminals send: the bodies of the messages 0x0001 to 0x0FFF of JT/T 808-2013 and -2019.

A message with several forms lists them in the order in which they are tried (``message.py``): the first that takes the
body to its last byte and makes sense is the one.  Source: JT/T 808-2013 and -2019, chapter 8.
"""

from datetime import datetime
from typing import Any

from fengsui.sense.codecs.jt808 import areas, safety
from fengsui.sense.codecs.jt808.layout import (
    ABSENT,
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Counted,
    CountOf,
    Digits,
    Fields,
    Form,
    Group,
    IfLeft,
    Instant,
    Layout,
    Many,
    Raw,
    Reader,
    Short,
    Text,
    as_forms,
    read,
    write,
)
from fengsui.sense.codecs.jt808.location import Location
from fengsui.sense.codecs.jt808.parameters import Parameters

RESULT = {0: "success", 1: "failure", 2: "wrong_message", 3: "not_supported", 4: "alarm_confirmed"}
PLATE_COLOUR = {0: "no_plate", 1: "blue", 2: "yellow", 3: "black", 4: "white", 5: "green", 9: "other"}
MEDIA = {0: "picture", 1: "audio", 2: "video"}
MEDIA_FORMAT = {0: "jpeg", 1: "tif", 2: "mp3", 3: "wav", 4: "wmv"}
MEDIA_EVENT = {
    0: "platform_order",
    1: "timed",
    2: "robbery",
    3: "collision_or_rollover",
    4: "door_opened",
    5: "door_closed",
    6: "door_closed_speed_over_20",
    7: "distance",
}
TRANSPARENT = {0x00: "gnss_module", 0x0B: "ic_card", 0x41: "serial_1", 0x42: "serial_2"}
UPGRADE = {0: "terminal", 12: "ic_card_reader", 52: "beidou_module"}
TERMINAL_TYPE = {
    0: "passenger_vehicle",
    1: "dangerous_goods",
    2: "freight",
    3: "taxi",
    6: "hard_disk_video",
    7: "split_device",
    8: "trailer",
}
GNSS = {0: "gps", 1: "beidou", 2: "glonass", 3: "galileo"}
CARD = {0: "read", 1: "not_verified", 2: "locked", 3: "pulled_out", 4: "check_failed"}
NETWORK = {0: "gprs", 1: "cdma", 2: "td_scdma", 3: "wcdma", 4: "cdma2000", 5: "td_lte", 7: "other"}


def _registration(maker: int, model: int, terminal: int, is_2019: bool = False) -> Form:
    layout: Layout = (
        ("province", WORD),
        ("city", WORD),
        ("maker", Text(maker)),
        ("model", Text(model)),
        ("terminal_id", Text(terminal)),
        ("plate_colour", Choice(1, PLATE_COLOUR)),
        ("plate", Text()),  # the vehicle's number (VIN) when the colour is 0
    )
    return Form(
        layout, is_2019, lambda fields: fields["plate_colour"] < 0x20 and "\ufffd" not in fields["plate"]
    )


def _attributes(maker: int, model: int, terminal: int, is_2019: bool = False) -> Form:
    layout: Layout = (
        ("terminal_type", Bits(2, TERMINAL_TYPE)),
        ("maker", Text(maker)),
        ("model", Text(model)),
        ("terminal_id", Text(terminal)),
        ("iccid", Digits(10)),
        ("hardware_version", Counted(1)),
        ("firmware_version", Counted(1)),
        ("gnss", Bits(1, GNSS)),
        ("network", Bits(1, NETWORK)),
    )
    return Form(layout, is_2019)


class ResendIds:
    """Indices of subpackages wanted again: ``count`` of one byte (2013) or two (2019), whichever fits the body."""

    def read(self, reader: Reader, above: Fields) -> list[int]:
        left = reader.left()
        count = reader.number(1) if (left - 1) % 2 == 0 else reader.number(2)
        found = [reader.number(2) for _ in range(count)]
        if reader.left():
            raise Short
        return found

    def write(self, value: list[int] | None, above: Fields, is_2019: bool) -> bytes:
        ids = value or []
        return len(ids).to_bytes(2 if is_2019 else 1, "big") + b"".join(n.to_bytes(2, "big") for n in ids)


RESEND: Layout = (("first_serial", WORD), ("indices", ResendIds()))
GENERAL_ANSWER: Layout = (("reply_serial", WORD), ("reply_id", WORD), ("result", Choice(1, RESULT)))


_MEDIA_BEGINS = (
    b"\xff\xd8",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"ID3",
    b"\x30\x26\xb2\x75",
)  # JPEG, WAV, TIF, MP3, WMV


def _has_position(left: bytes) -> bool:
    """Whether 28 bytes of position follow (2013 and later); the form of 2011 goes on with the data at once."""
    if len(left) < 28 or left.startswith(_MEDIA_BEGINS):
        return False
    return all(byte >> 4 < 10 and byte & 15 < 10 for byte in left[22:28])  # its time is BCD


class MediaPosition:
    """The position in 0x0801, where there is one."""

    _location = Location(28)

    def read(self, reader: Reader, above: Fields) -> Any:
        if not _has_position(reader.data[reader.at :]):
            return ABSENT
        return self._location.read(reader, above)

    def write(self, value: Fields | None, above: Fields, is_2019: bool) -> bytes:
        return b"" if value is None else self._location.write(value, above, is_2019)


class Content:
    """What 0x0900 and 0x8900 carry: read for the types of the active-safety standards, bytes otherwise."""

    _known = {0xF7: safety.PERIPHERAL_STATE, 0xF8: safety.PERIPHERAL_ABOUT}

    def read(self, reader: Reader, above: Fields) -> bytes | list:
        kind = self._known.get(above.get("type", 0))
        if kind is None:
            return reader.rest()
        inner = reader.inner(reader.left())
        try:
            found = kind.read(inner, {})
        except Short:
            found = None
        if found is None or inner.left():
            inner.forget()
            return inner.data
        return found

    def write(self, value: bytes | list | None, above: Fields, is_2019: bool) -> bytes:
        if isinstance(value, list):
            return self._known[above["type"]].write(value, {}, is_2019)
        return value or b""


TRANSPARENT_BODY: Layout = (
    ("type", Choice(1, {**TRANSPARENT, 0xF7: "peripheral_state", 0xF8: "peripheral_about"})),
    ("content", Content()),
)

_media: Layout = (
    ("media_id", DWORD),
    ("media_type", Choice(1, MEDIA)),
    ("format", Choice(1, MEDIA_FORMAT)),
    ("event", Choice(1, MEDIA_EVENT)),
    ("channel", BYTE),
)
_driver: Layout = (
    ("state", Choice(1, {1: "card_in", 2: "card_out"})),
    ("time", Instant()),
    ("card_result", IfLeft(Choice(1, CARD))),
    ("name", IfLeft(Counted(1))),
    ("certificate", IfLeft(Text(20))),
    ("issuer", IfLeft(Counted(1))),
    ("valid_until", IfLeft(Digits(4))),
    ("identity_card", IfLeft(Text(20))),  # 2019
)
_driver_2011: Layout = (
    ("name", Counted(1)),
    ("identity_card", Text(20)),
    ("certificate", Text(40)),
    ("issuer", Counted(1)),
)


class _CanTime:
    """hh mm ss and milliseconds in four digits, BCD, of no date."""

    def read(self, reader: Reader, above: Fields) -> str:
        d = reader.take(5).hex()
        return f"{d[:2]}:{d[2:4]}:{d[4:6]}.{d[6:]}"

    def write(self, value: str | None, above: Fields, is_2019: bool) -> bytes:
        return Digits(5).write((value or "").replace(":", "").replace(".", ""), above, is_2019)


class _CanItem:
    """One CAN frame: bit 31 of the id is the channel, 30 the extended form, 29 sampled or averaged, 28-0 the id."""

    def read(self, reader: Reader, above: Fields) -> Fields:
        word = reader.number(4)
        return {
            "can_id": word & 0x1FFFFFFF,
            "channel": 2 if word >> 31 else 1,
            "extended": bool(word >> 30 & 1),
            "averaged": bool(word >> 29 & 1),
            "data": reader.take(8),
        }

    def write(self, value: Fields, above: Fields, is_2019: bool) -> bytes:
        word = value.get("can_id", 0) & 0x1FFFFFFF
        word |= (value.get("channel", 1) == 2) << 31 | bool(value.get("extended")) << 30
        return (word | bool(value.get("averaged")) << 29).to_bytes(4, "big") + value.get("data", b"").ljust(
            8, b"\0"
        )


class _Areas:
    """What 0x0608 answers with: areas of the kind asked for, as 0x8600 to 0x8606 write them."""

    def read(self, reader: Reader, above: Fields) -> list:
        layout = areas.ITEM.get(above.get("kind", 0))
        count = reader.number(4)
        if layout is None:
            return [{"count": count, "data": reader.rest()}]
        found: list = []
        while len(found) < count:
            at = reader.at
            found.append(read(layout, reader))
            reader.tell(str(len(found)), None, at, found[-1])
        return found

    def write(self, value: list | None, above: Fields, is_2019: bool) -> bytes:
        layout = areas.ITEM.get(above.get("kind", 0), ())
        items = [write(layout, item, is_2019) for item in value or ()]
        return len(items).to_bytes(4, "big") + b"".join(items)


_MESSAGES: dict[int, tuple[str, tuple[Layout | Form, ...]]] = {
    0x0001: ("terminal_general_answer", (GENERAL_ANSWER,)),
    0x0002: ("heartbeat", ((),)),
    0x0003: ("log_out", ((),)),
    0x0004: ("query_server_time", ((),)),
    0x0005: ("terminal_resend_request", (RESEND,)),
    0x0100: (
        "registration",
        (_registration(11, 30, 30, True), _registration(5, 20, 7), _registration(5, 8, 7)),
    ),
    0x0102: (
        "authentication",
        (
            Form((("code", Counted(1)), ("imei", Text(15)), ("software_version", Text(20))), True),
            Form((("code", Text()),), False),
        ),
    ),
    0x0104: ("parameters_answer", ((("reply_serial", WORD), ("parameters", Parameters())),)),
    0x0107: (
        "attributes_answer",
        (
            _attributes(5, 30, 30, True),
            _attributes(11, 30, 30, True),
            _attributes(5, 20, 7),
            _attributes(5, 8, 7),
        ),
    ),
    0x0108: (
        "upgrade_result",
        (
            (
                ("upgrade", Choice(1, UPGRADE)),
                ("result", Choice(1, {0: "success", 1: "failure", 2: "cancelled"})),
            ),
        ),
    ),
    0x0200: ("location", ((("location", Location()),),)),
    0x0201: ("location_answer", ((("reply_serial", WORD), ("location", Location())),)),
    0x0301: ("event_report", ((("event_id", BYTE),),)),
    0x0302: ("question_answer", ((("reply_serial", WORD), ("answer_id", BYTE)),)),
    0x0303: (
        "information_order",
        ((("information_type", BYTE), ("order", Choice(1, {0: "cancel", 1: "order"}))),),
    ),
    0x0500: ("vehicle_control_answer", ((("reply_serial", WORD), ("location", Location())),)),
    0x0608: ("areas_answer", ((("kind", Choice(1, areas.KIND)), ("areas", _Areas())),)),
    0x0700: ("recorder_data", ((("reply_serial", WORD), ("command", BYTE), ("data", Raw())),)),
    0x0701: ("waybill", ((("content", Counted(4, Text())),),)),
    0x0702: (
        "driver",
        (
            Form(
                _driver,
                None,
                lambda fields: fields["state"] in (1, 2) and isinstance(fields["time"], datetime),
            ),
            Form(_driver_2011, False),
        ),
    ),
    0x0704: (
        "location_batch",
        (
            (
                ("count", CountOf(2, "locations")),
                ("kind", Choice(1, {0: "normal", 1: "blind_area"})),
                ("locations", Many(0, Location(), each=2)),
            ),
        ),
    ),
    0x0705: (
        "can_data",
        ((("count", CountOf(2, "items")), ("received_at", _CanTime()), ("items", Many(0, _CanItem()))),),
    ),
    0x0800: ("media_event", (_media,)),
    0x0801: ("media_data", ((*_media, ("location", MediaPosition()), ("data", Raw())),)),
    0x0802: (
        "media_search_answer",
        (
            (
                ("reply_serial", WORD),
                (
                    "items",
                    Many(
                        2,
                        Group(
                            ("media_id", DWORD),
                            ("media_type", Choice(1, MEDIA)),
                            ("channel", BYTE),
                            ("event", Choice(1, MEDIA_EVENT)),
                            ("location", Location(28)),
                        ),
                    ),
                ),
            ),
        ),
    ),
    0x0805: (
        "camera_answer",
        (
            (
                ("reply_serial", WORD),
                ("result", Choice(1, {0: "success", 1: "failure", 2: "channel_not_supported"})),
                ("media_ids", IfLeft(Many(2, DWORD))),
            ),
        ),
    ),
    0x0900: ("transparent_up", (TRANSPARENT_BODY,)),
    0x0901: ("compressed", ((("compressed", Counted(4, Raw())),),)),
    0x0A00: ("terminal_public_key", ((("e", DWORD), ("n", Raw(128))),)),
}
TERMINAL = as_forms(_MESSAGES)
