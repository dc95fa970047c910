"""Kinds of events of the Chinese warning system: code, names, and CAP's category.

From memory, as its reference says of itself: numbers beyond the first twenty or so differ between provinces, so the
name always goes with the code, and a bureau corrects the table (admin pages, *Kinds of warned events*).  ``doubtful``
marks those of which even the source was unsure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    code: str
    zh: str
    en: str
    category: str
    doubtful: bool = False


EVENT_TYPES: dict[str, EventType] = {
    one.code: one
    for one in (
        EventType("11B01", "台风", "Typhoon", "Met"),
        EventType("11B03", "暴雨", "Rainstorm", "Met"),
        EventType("11B04", "暴雪", "Snowstorm", "Met"),
        EventType("11B05", "寒潮", "Cold wave", "Met"),
        EventType("11B06", "大风", "Gale", "Met"),
        EventType("11B07", "沙尘暴", "Sandstorm", "Met"),
        EventType("11B08", "低温冻害", "Low temperature", "Met", True),
        EventType("11B09", "高温", "High temperature", "Met"),
        EventType("11B11", "干热风", "Dry hot wind", "Met"),
        EventType("11B14", "雷电", "Lightning", "Met"),
        EventType("11B15", "冰雹", "Hail", "Met"),
        EventType("11B16", "霜冻", "Frost", "Met"),
        EventType("11B17", "大雾", "Dense fog", "Met"),
        EventType("11B19", "霾", "Haze", "Met"),
        EventType("11B20", "雷雨大风", "Thunderstorm gale", "Met"),
        EventType("11B21", "道路结冰", "Road icing", "Met"),
        EventType("11B22", "干旱", "Drought", "Met"),
        EventType("11B23", "海上大风", "Gale at sea", "Met"),
        EventType("11B25", "森林火险", "Forest fire danger", "Fire"),
        EventType("11B26", "草原火险", "Grassland fire danger", "Fire"),
        EventType("11B27", "冰冻", "Freezing", "Met"),
        EventType("11B29", "重污染天气", "Heavy air pollution", "Env", True),
        EventType("11B31", "强对流", "Severe convection", "Met"),
        EventType("11B37", "地质灾害气象风险", "Geological hazard by weather", "Geo", True),
        EventType("11A01", "洪水", "Flood", "Met"),
        EventType("11A02", "内涝", "Waterlogging", "Met"),
        EventType("11A06", "山洪", "Flash flood", "Met", True),
        EventType("11C01", "地震", "Earthquake", "Geo"),
        EventType("11D01", "滑坡", "Landslide", "Geo"),
        EventType("11D02", "泥石流", "Debris flow", "Geo"),
        EventType("11G01", "森林火灾", "Forest fire", "Fire"),
    )
}
# Names that notices use for the same kinds; the longest is looked for first.
ALIASES = {
    "雾": "11B17",
    "浓雾": "11B17",
    "大雪": "11B04",
    "雨雪冰冻": "11B27",
    "低温": "11B08",
    "山洪灾害": "11A06",
}
_BY_NAME = {one.zh: code for code, one in EVENT_TYPES.items()} | ALIASES
LONGEST_FIRST = sorted(_BY_NAME, key=len, reverse=True)


def by_name(name: str) -> EventType | None:
    """The kind with this name, or None."""
    code = _BY_NAME.get(name.strip())
    return EVENT_TYPES[code] if code else None
