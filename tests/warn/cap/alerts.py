"""Random alerts and messages of the Chinese profile, and a few by hand, for properties and golden files."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from fengsui.warn.cap import china
from fengsui.warn.cap import message as m
from fengsui.warn.cap.events import EVENT_TYPES
from fengsui.warn.cap.shapes import read_polygon, ring_of, write_polygon
from fengsui.warn.cap.times import BEIJING

# What XML can carry as it is: without controls and surrogates; blanks at the ends are not kept, by rule.
_CHARACTERS = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff\x85\u2028")
# A text that no rule against HTML or double escapes can break.
texts = st.text(_CHARACTERS.filter(lambda c: c not in "<&"), max_size=40).map(str.strip)
needed = texts.filter(bool)
raw = st.text(_CHARACTERS, max_size=60).map(str.strip)  # for the escaping: < and & too
tokens = st.text("ABCabc0123456789._-@", min_size=1, max_size=30)
zones = st.sampled_from(
    [UTC, BEIJING, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))]
)
moments = st.builds(
    lambda at, zone: at.replace(microsecond=0, tzinfo=UTC).astimezone(zone),
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    zones,
)
maybe_moments = st.none() | moments
pairs = st.builds(m.Pair, needed, texts)


@st.composite
def polygons(draw):
    """A ring that does not cross itself: a circle seen from its middle, bent at random."""
    centre = (draw(st.floats(-60, 60)), draw(st.floats(-170, 170)))
    sides = draw(st.integers(3, 12))
    ring = ring_of(m.Circle(centre, draw(st.floats(1, 300))), sides)
    points, broken = read_polygon(write_polygon(ring))
    return points if not set(broken) - {"polygon.swapped"} else read_polygon("1,1 1,2 2,2 1,1")[0]


circles = st.builds(
    m.Circle,
    st.tuples(st.integers(-80, 80).map(float), st.integers(-170, 170).map(float)),
    st.integers(0, 900).map(float),
)
areas = st.builds(
    lambda desc, polygons, circles, geocodes, levels: m.Area(desc, polygons, circles, geocodes, *levels),
    needed,
    st.lists(polygons(), max_size=2).map(tuple),
    st.lists(circles, max_size=2).map(tuple),
    st.lists(pairs, max_size=2).map(tuple),
    st.sampled_from([(None, None), (0.0, None), (100.5, 2000.0)]),
)
resources = st.builds(
    m.Resource,
    needed,
    st.sampled_from(["image/png", "audio/mpeg", "application/x-whatever"]),
    st.none() | st.integers(0, 10**9),
    st.sampled_from(["", "https://example.org/a%20b?x=1&y=2"]),
)
infos = st.builds(
    m.Info,
    categories=st.lists(st.sampled_from(m.CATEGORIES), min_size=1, max_size=3, unique=True).map(tuple),
    event=needed,
    urgency=st.sampled_from(m.URGENCIES),
    severity=st.sampled_from(m.SEVERITIES),
    certainty=st.sampled_from(m.CERTAINTIES),
    language=st.sampled_from(["zh-CN", "en-US", "fr-CA", "bo"]),
    responses=st.lists(st.sampled_from(m.RESPONSES), max_size=2, unique=True).map(tuple),
    audience=texts,
    event_codes=st.lists(pairs, max_size=2).map(tuple),
    effective=maybe_moments,
    onset=maybe_moments,
    expires=maybe_moments,
    sender_name=raw,
    headline=raw,
    description=raw,
    instruction=raw,
    web=st.sampled_from(["", "https://example.org/?a=1&b=2"]),
    contact=texts,
    parameters=st.lists(pairs, max_size=3).map(tuple),
    resources=st.lists(resources, max_size=1).map(tuple),
    areas=st.lists(areas, max_size=2).map(tuple),
)
references = st.builds(m.Reference, tokens, tokens, st.just("2001-01-01T00:00:00-00:00"))
alerts = st.builds(
    m.Alert,
    identifier=tokens,
    sender=tokens,
    sent=moments,
    status=st.sampled_from(m.STATUSES),
    msg_type=st.sampled_from(m.MESSAGE_TYPES),
    scope=st.sampled_from(m.SCOPES),
    source=texts,
    addresses=st.lists(needed.filter(lambda t: '"' not in t), max_size=3).map(tuple),
    codes=st.lists(needed, max_size=2).map(tuple),
    note=texts,
    references=st.lists(references, max_size=3, unique=True).map(tuple),
    incidents=st.lists(tokens, max_size=2).map(tuple),
    infos=st.lists(infos, max_size=3).map(tuple),
)

units = st.text("0123456789", min_size=14, max_size=14)
beijing = moments.map(lambda at: at.astimezone(BEIJING))
maybe_beijing = st.none() | beijing
identifiers = st.builds(china.identifier, units, beijing, st.integers(0, 9))
old_identifiers = identifiers.map(lambda text: text[:29])
methods = st.builds(
    china.Method,
    st.sampled_from(["SMS", "WEB", "SPEAKER", "TV", "APP"]),
    needed,
    st.text("0123456789abcdef-,", max_size=20),
)
places = st.builds(
    china.Place,
    needed,
    st.lists(polygons(), max_size=2).map(tuple),
    st.lists(circles, max_size=2).map(tuple),
    st.lists(st.sampled_from(["420000", "420502", "420502001", "420502001002"]), max_size=3, unique=True).map(
        tuple
    ),
)
messages = st.builds(
    china.Message,
    identifier=identifiers | old_identifiers,
    sender=needed.filter(lambda t: not t.isdigit()),
    sender_code=units,
    sent=beijing,
    status=st.sampled_from(m.STATUSES),
    msg_type=st.sampled_from(m.MESSAGE_TYPES),
    scope=st.sampled_from(m.SCOPES),
    event_type=st.sampled_from([*EVENT_TYPES, "11Z99"]),
    severity=st.sampled_from(china.COLOURS),
    sender_name=texts,
    methods=st.lists(methods, max_size=2).map(tuple),
    classification=st.sampled_from(["None", "Secret"]),
    note=texts,
    references=st.lists(identifiers | old_identifiers, max_size=2, unique=True).map(tuple),
    language=st.sampled_from(["zh-CN", "en-US"]),
    urgency=st.sampled_from([*m.URGENCIES, "Now"]),
    certainty=st.sampled_from([*m.CERTAINTIES, "Very Likely"]),
    effective=maybe_beijing,
    onset=maybe_beijing,
    expires=maybe_beijing,
    headline=texts,
    description=raw,
    instruction=texts,
    web=st.sampled_from(["", "https://example.org/?a=1&b=2"]),
    places=st.lists(places, max_size=2).map(tuple),
)


def rainstorm(msg_type: str = "Alert", number: int = 0, **changes) -> m.Alert:
    """A rainstorm warning in two languages; with ``changes`` of the alert."""
    sent = datetime(2026, 11, 26, 20, 30, number, tzinfo=BEIJING)
    area = m.Area(
        "西陵区、夷陵区东部",
        (((30.6, 111.2), (30.6, 111.35), (30.8, 111.35), (30.8, 111.2), (30.6, 111.2)),),
        (m.Circle((30.7, 111.3), 5.0),),
        (m.Pair("GB2260", "420502"), m.Pair("GB2260", "420506")),
    )
    chinese = m.Info(
        categories=("Met",),
        event="暴雨",
        urgency="Expected",
        severity="Severe",
        certainty="Likely",
        language="zh-CN",
        responses=("Prepare", "Avoid"),
        event_codes=(m.Pair("CN:eventType", "11B03"),),
        effective=sent,
        onset=sent + timedelta(minutes=30),
        expires=sent + timedelta(hours=6),
        sender_name="宜昌市气象台",
        headline="宜昌市气象台发布暴雨橙色预警",
        description="预计未来三小时降雨量将达五十毫米以上（3 h > 50 mm & 雷电 < 1 h）。",
        instruction="请远离低洼地带，减少外出。",
        web="https://example.org/?id=1&lang=zh",
        contact="0717-0000000",
        parameters=(m.Pair("CN:severity", "Orange"),),
        areas=(area,),
    )
    english = m.Info(
        categories=("Met",),
        event="Rainstorm",
        urgency="Expected",
        severity="Severe",
        certainty="Likely",
        language="en-US",
        responses=("Prepare", "Avoid"),
        event_codes=(m.Pair("CN:eventType", "11B03"),),
        effective=sent,
        onset=sent + timedelta(minutes=30),
        expires=sent + timedelta(hours=6),
        sender_name="Yichang Meteorological Observatory",
        headline="Yichang Meteorological Observatory: orange warning of rainstorm",
        description="More than 50 mm of rain are expected within three hours.",
        instruction="Stay away from low ground and go out only if you must.",
        parameters=(m.Pair("CN:severity", "Orange"),),
        areas=(m.Area("Xiling District, east of Yiling District", *area_parts(area)),),
    )
    values = {
        "identifier": f"42050041600000_2026112620300{number}_0",
        "sender": "42050041600000",
        "sent": sent,
        "status": "Actual",
        "msg_type": msg_type,
        "scope": "Public",
        "infos": (chinese, english),
    }
    return m.Alert(**(values | changes))


def area_parts(area: m.Area):
    return area.polygons, area.circles, area.geocodes
