"""Areas and routes of JT/T 808: what 0x8600 to 0x8606 set, and 0x0608 gives back.

Which fields an area has depends on its attribute bits: bit 0 brings the times, bit 1 the speeds; the 2019 form adds a
speed for the night and a name.  Source: JT/T 808-2013 and -2019, tables of 0x8600, 0x8602, 0x8604 and 0x8606.
"""

from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    DWORD,
    WORD,
    Bits,
    Choice,
    Counted,
    Group,
    Instant,
    Layout,
    Many,
    Scaled,
    When,
    if_bit,
    only_2019,
)

KIND = {1: "circle", 2: "rectangle", 3: "polygon", 4: "route"}
SETTING = {0: "update", 1: "append", 2: "change"}
ATTRIBUTE = {
    0: "by_time",
    1: "speed_limited",
    2: "entering_tells_driver",
    3: "entering_tells_platform",
    4: "leaving_tells_driver",
    5: "leaving_tells_platform",
    6: "south",
    7: "west",
    8: "doors_stay_closed",
    14: "no_communication",
    15: "collects_satellite_data",
}
SECTION = {0: "time_limited", 1: "speed_limited", 2: "south", 3: "west"}

_degrees = Scaled(4, 1e-6, 6)  # always positive; attribute bits 6 and 7 say south and west
_id_and_attribute: Layout = (("id", DWORD), ("attribute", Bits(2, ATTRIBUTE)))
_times: Layout = (
    ("from", if_bit("attribute", 0, Instant())),
    ("to", if_bit("attribute", 0, Instant())),
)
_speeds: Layout = (
    ("highest_speed_km_h", if_bit("attribute", 1, WORD)),
    ("overspeed_for_s", if_bit("attribute", 1, BYTE)),
)
_night_and_name: Layout = (
    (
        "night_highest_speed_km_h",
        When(lambda above, is_2019: is_2019 and bool(above.get("attribute", 0) >> 1 & 1), WORD),
    ),
    ("name", only_2019(Counted(2))),
)
_point: Layout = (("latitude", _degrees), ("longitude", _degrees))

CIRCLE: Layout = (
    *_id_and_attribute,
    ("latitude", _degrees),
    ("longitude", _degrees),
    ("radius_m", DWORD),
    *_times,
    *_speeds,
    *_night_and_name,
)
RECTANGLE: Layout = (
    *_id_and_attribute,
    ("upper_left", Group(*_point)),
    ("lower_right", Group(*_point)),
    *_times,
    *_speeds,
    *_night_and_name,
)
POLYGON: Layout = (
    *_id_and_attribute,
    *_times,
    *_speeds,
    ("points", Many(2, Group(*_point))),
    *_night_and_name,
)
ROUTE: Layout = (
    *_id_and_attribute,
    *_times,
    (
        "points",
        Many(
            2,
            Group(
                ("id", DWORD),
                ("section_id", DWORD),
                *_point,
                ("width_m", BYTE),
                ("section", Bits(1, SECTION)),
                ("longest_s", if_bit("section", 0, WORD)),
                ("shortest_s", if_bit("section", 0, WORD)),
                ("highest_speed_km_h", if_bit("section", 1, WORD)),
                ("overspeed_for_s", if_bit("section", 1, BYTE)),
                (
                    "night_highest_speed_km_h",
                    When(lambda above, is_2019: is_2019 and bool(above.get("section", 0) >> 1 & 1), WORD),
                ),
            ),
        ),
    ),
    ("name", only_2019(Counted(2))),
)
ITEM: dict[int, Layout] = {1: CIRCLE, 2: RECTANGLE, 3: POLYGON, 4: ROUTE}

SET_CIRCLES: Layout = (("setting", Choice(1, SETTING)), ("areas", Many(1, Group(*CIRCLE))))
SET_RECTANGLES: Layout = (("setting", Choice(1, SETTING)), ("areas", Many(1, Group(*RECTANGLE))))
IDS: Layout = (("ids", Many(1, DWORD)),)  # of 0x8601, 0x8603, 0x8605 and 0x8607; none of them means all
QUERY: Layout = (("kind", Choice(1, KIND)), ("ids", Many(4, DWORD)))
