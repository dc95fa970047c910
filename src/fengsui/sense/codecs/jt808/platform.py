"""What platforms send: the bodies of the messages 0x8001 to 0x8FFF of JT/T 808-2013 and -2019.

Source: JT/T 808-2013 and -2019, chapter 8.  Forms as in ``terminal.py``.
"""

from datetime import timedelta

from fengsui.sense.codecs.jt808 import areas
from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Counted,
    Form,
    Group,
    IfLeft,
    Instant,
    Layout,
    Many,
    Raw,
    Text,
    as_forms,
    only_2019,
)
from fengsui.sense.codecs.jt808.parameters import Parameters
from fengsui.sense.codecs.jt808.terminal import (
    GENERAL_ANSWER,
    MEDIA,
    MEDIA_EVENT,
    RESEND,
    TRANSPARENT_BODY,
    UPGRADE,
)

REGISTRATION = {0: "success", 1: "vehicle_exists", 2: "no_vehicle", 3: "terminal_exists", 4: "no_terminal"}
CONTROL = {
    1: "upgrade",
    2: "connect_to_server",
    3: "switch_off",
    4: "reset",
    5: "factory_reset",
    6: "stop_data",
    7: "stop_all_radio",
}
TEXT_FLAG = {0: "urgent", 2: "display", 3: "read_aloud", 4: "advertising_screen", 5: "can_fault_code"}
TEXT_TYPE = {1: "notice", 2: "service"}
CONFIRMED = {
    0: "emergency",
    3: "danger_warning",
    20: "area_entered_or_left",
    21: "route_entered_or_left",
    22: "section_time_short_or_long",
    27: "illegal_ignition",
    28: "illegal_movement",
}
SETTING = {0: "clear", 1: "update", 2: "append", 3: "change", 4: "delete"}
CONTACT = {1: "incoming", 2: "outgoing", 3: "both"}
RESOLUTION = {
    0: "lowest",
    1: "320x240",
    2: "640x480",
    3: "800x600",
    4: "1024x768",
    5: "qcif",
    6: "cif",
    7: "hd1",
    8: "d1",
    0xFF: "highest",
}

_search: Layout = (
    ("media_type", Choice(1, MEDIA)),
    ("channel", BYTE),
    ("event", Choice(1, MEDIA_EVENT)),
    ("from", Instant()),
    ("to", Instant()),
)
_keep = Choice(1, {0: "keep", 1: "delete"})
_store = Choice(1, {0: "upload", 1: "store"})

_MESSAGES: dict[int, tuple[str, tuple[Layout | Form, ...]]] = {
    0x8001: ("platform_general_answer", (GENERAL_ANSWER,)),
    0x8003: ("platform_resend_request", (RESEND,)),
    0x8004: ("server_time", ((("time", Instant(timedelta(0))),),)),  # the one time that is UTC on the wire
    0x8100: (
        "registration_answer",
        ((("reply_serial", WORD), ("result", Choice(1, REGISTRATION)), ("code", IfLeft(Text()))),),
    ),
    0x8103: ("set_parameters", ((("parameters", Parameters()),),)),
    0x8104: ("query_parameters", ((),)),
    0x8105: ("control", ((("command", Choice(1, CONTROL)), ("arguments", IfLeft(Text()))),)),
    0x8106: ("query_some_parameters", ((("ids", Many(1, DWORD)),),)),
    0x8107: ("query_attributes", ((),)),
    0x8108: (
        "upgrade",
        (
            (
                ("upgrade", Choice(1, UPGRADE)),
                ("maker", Text(5)),
                ("version", Counted(1)),
                ("package", Counted(4, Raw())),
            ),
            (
                ("upgrade", Choice(1, UPGRADE)),
                ("maker", Text(11)),
                ("version", Counted(1)),
                ("package", Counted(4, Raw())),
            ),
        ),
    ),
    0x8201: ("query_location", ((),)),
    0x8202: ("track", ((("interval_s", WORD), ("for_s", IfLeft(DWORD))),)),
    0x8203: ("confirm_alarms", ((("alarm_serial", WORD), ("alarms", Bits(4, CONFIRMED))),)),
    0x8204: ("link_check", ((),)),
    0x8300: (
        "text",
        ((("flag", Bits(1, TEXT_FLAG)), ("text_type", only_2019(Choice(1, TEXT_TYPE))), ("text", Text())),),
    ),
    0x8301: (
        "set_events",
        (
            (
                ("setting", Choice(1, SETTING)),
                ("events", IfLeft(Many(1, Group(("id", BYTE), ("text", IfLeft(Counted(1))))))),
            ),
        ),
    ),
    0x8302: (
        "question",
        (
            (
                ("flag", Bits(1, {0: "urgent", 3: "read_aloud", 4: "advertising_screen"})),
                ("question", Counted(1)),
                ("answers", Many(0, Group(("id", BYTE), ("text", Counted(2))))),
            ),
        ),
    ),
    0x8303: (
        "set_information_menu",
        (
            (
                ("setting", Choice(1, {0: "delete_all", 1: "update", 2: "append", 3: "change"})),
                ("items", IfLeft(Many(1, Group(("information_type", BYTE), ("name", Counted(2)))))),
            ),
        ),
    ),
    0x8304: ("information", ((("information_type", BYTE), ("text", Counted(2))),)),
    0x8400: ("call_back", ((("kind", Choice(1, {0: "call", 1: "listen"})), ("phone", Text())),)),
    0x8401: (
        "set_phone_book",
        (
            (
                ("setting", Choice(1, {0: "delete_all", 1: "update", 2: "append", 3: "change"})),
                (
                    "contacts",
                    IfLeft(
                        Many(
                            1,
                            Group(("flag", Choice(1, CONTACT)), ("phone", Counted(1)), ("name", Counted(1))),
                        )
                    ),
                ),
            ),
        ),
    ),
    0x8500: (
        "vehicle_control",
        (
            (("controls", Many(2, Group(("control", Choice(2, {1: "doors"})), ("value", BYTE)))),),  # 2019
            (("flag", Bits(1, {0: "lock_doors"})),),  # 2013
            (("control", Choice(2, {1: "doors"})), ("value", BYTE)),  # seen: one control and no count
        ),
    ),
    0x8600: ("set_circles", (areas.SET_CIRCLES,)),
    0x8601: ("delete_circles", (areas.IDS,)),
    0x8602: ("set_rectangles", (areas.SET_RECTANGLES,)),
    0x8603: ("delete_rectangles", (areas.IDS,)),
    0x8604: ("set_polygon", (areas.POLYGON,)),
    0x8605: ("delete_polygons", (areas.IDS,)),
    0x8606: ("set_route", (areas.ROUTE,)),
    0x8607: ("delete_routes", (areas.IDS,)),
    0x8608: ("query_areas", (areas.QUERY,)),
    0x8700: ("collect_recorder_data", ((("command", BYTE), ("data", IfLeft(Raw()))),)),
    0x8701: ("set_recorder", ((("command", BYTE), ("data", Raw())),)),
    0x8702: ("query_driver", ((),)),
    0x8800: ("media_answer", ((("media_id", DWORD), ("indices", IfLeft(Many(1, WORD)))),)),
    0x8801: (
        "camera",
        (
            (
                ("channel", BYTE),
                ("command", Choice(2, {0: "stop", 0xFFFF: "record"}, otherwise="pictures")),
                ("interval_s", WORD),
                ("store", _store),
                ("resolution", Choice(1, RESOLUTION)),
                ("quality", BYTE),
                ("brightness", BYTE),
                ("contrast", BYTE),
                ("saturation", BYTE),
                ("chroma", BYTE),
            ),
        ),
    ),
    0x8802: ("search_media", (_search,)),
    0x8803: ("upload_media", ((*_search, ("then", _keep)),)),
    0x8804: (
        "record_sound",
        (
            (
                ("command", Choice(1, {0: "stop", 1: "start"})),
                ("for_s", WORD),
                ("store", _store),
                ("sampling_rate", Choice(1, {0: "8k", 1: "11k", 2: "23k", 3: "32k"})),
            ),
        ),
    ),
    0x8805: ("upload_one_media", ((("media_id", DWORD), ("then", _keep)),)),
    0x8900: ("transparent_down", (TRANSPARENT_BODY,)),
    0x8A00: ("platform_public_key", ((("e", DWORD), ("n", Raw(128))),)),
}
PLATFORM = as_forms(_MESSAGES)
