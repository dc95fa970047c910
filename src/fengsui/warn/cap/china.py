"""The Chinese profile: messages of the national warning system, and CAP 1.2 of the same content, both ways.

Value rules: GB/T 35965.1-2018, annex A (identifier, unit code, times, status), read in a copy.  Element names and order
follow a message of a provincial centre of 2020 seen in public; the parts it did not show (onset, circle) are from
memory.  What CAP has no place for goes into parameters ``CN:…`` and comes back out of them, so that
``to_china(to_cap(x)) == x`` for every message, and ``to_cap(to_china(a)) == a`` for every alert that ``to_cap`` makes.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from fengsui.warn.cap import message as m
from fengsui.warn.cap import shapes, times
from fengsui.warn.cap.events import EVENT_TYPES
from fengsui.warn.cap.reading import Problems, is_division
from fengsui.warn.cap.rules import Problem
from fengsui.warn.cap.tree import Element
from fengsui.warn.cap.writing import escaped

COLOURS = ("Red", "Orange", "Yellow", "Blue", "Unknown")
LEVEL_OF = {"Red": 1, "Orange": 2, "Yellow": 3, "Blue": 4}
COLOUR_ZH = {"Red": "红色", "Orange": "橙色", "Yellow": "黄色", "Blue": "蓝色"}
COLOUR_OF_ZH = {"红": "Red", "橙": "Orange", "黄": "Yellow", "蓝": "Blue"}
SEVERITY_OF = {
    "Red": "Extreme",
    "Orange": "Severe",
    "Yellow": "Moderate",
    "Blue": "Minor",
    "Unknown": "Unknown",
}

EVENT_TYPE, COLOUR, DIVISION = "CN:eventType", "CN:severity", "GB2260"
SENDER, CLASSIFICATION, METHOD, URGENCY, CERTAINTY = (
    "CN:sender", "CN:secClassification", "CN:method", "CN:urgency", "CN:certainty",
)  # fmt: skip

_IDENTIFIER = re.compile(r"(\d{14})_(\d{14})(?:_(\d))?\Z", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:([+-])(\d\d):(\d\d))?\Z", re.ASCII)
_LIST = re.compile(r"[,，;；\s]+")
_COLOUR = re.compile("([红橙黄蓝])色")


@dataclass(frozen=True, slots=True)
class Method:
    """One way of dissemination with its own wording: SMS, WEB, SPEAKER …"""

    name: str
    message: str
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One area; ``polygon`` and ``circle`` as CAP writes them."""

    desc: str
    polygons: tuple[tuple[m.Point, ...], ...] = ()
    circles: tuple[m.Circle, ...] = ()
    geocodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the national system.  Times are Beijing time; ``severity`` is a colour."""

    identifier: str
    sender: str
    sender_code: str
    sent: datetime
    status: str
    msg_type: str
    scope: str
    event_type: str
    severity: str
    sender_name: str = ""
    methods: tuple[Method, ...] = ()
    classification: str = "None"
    note: str = ""
    references: tuple[str, ...] = ()
    language: str = "zh-CN"
    urgency: str = "Unknown"
    certainty: str = "Unknown"
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    places: tuple[Place, ...] = ()


# ---- identifiers and times ----------------------------------------------------------------------------------


def identifier(unit_code: str, at: datetime, number: int) -> str:
    """``ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N``, Beijing time.  Raises ValueError."""
    if not re.fullmatch(r"\d{14}", unit_code, re.ASCII) or not 0 <= number <= 9:
        raise ValueError(f"no unit code of 14 digits, or no digit: {unit_code!r}, {number}")
    return f"{unit_code}_{at.astimezone(times.BEIJING):%Y%m%d%H%M%S}_{number}"


def entered_at(text: str) -> datetime | None:
    """The time of entry in an identifier of the profile, with or without its last digit; None for any other text."""
    found = _IDENTIFIER.match(text)
    if not found:
        return None
    try:
        return datetime.strptime(found[2], "%Y%m%d%H%M%S").replace(tzinfo=times.BEIJING)
    except ValueError:
        return None


def is_identifier(text: str) -> bool:
    return len(text) == 31 and entered_at(text) is not None


def write_time(at: datetime) -> str:
    return f"{at.astimezone(times.BEIJING):%Y-%m-%d %H:%M:%S}+08:00"


def read_time(text: str) -> datetime | None:
    """The extended form; without zone it is Beijing time, which is what the profile says of all its times."""
    found = _TIME.match(text.strip())
    if not found:
        return None
    zone = f"{found[3]}{found[4]}:{found[5]}" if found[3] else "+08:00"
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(times.BEIJING)
    except (ValueError, OverflowError):
        return None


# ---- the two forms ------------------------------------------------------------------------------------------


def to_cap(message: Message) -> m.Alert:
    """The same as CAP 1.2: colours become severities, and stay as parameters."""
    kind = EVENT_TYPES.get(message.event_type)
    extra = [m.Pair(COLOUR, message.severity), m.Pair(SENDER, message.sender)]
    extra.append(m.Pair(CLASSIFICATION, message.classification))
    urgency, certainty = message.urgency, message.certainty
    if urgency not in m.URGENCIES:
        extra.append(m.Pair(URGENCY, urgency))
        urgency = "Unknown"
    if certainty not in m.CERTAINTIES:
        extra.append(m.Pair(CERTAINTY, certainty))
        certainty = "Unknown"
    extra += [m.Pair(METHOD, _method_text(one)) for one in message.methods]
    info = m.Info(
        categories=(kind.category if kind else "Other",),
        event=kind.zh if kind else message.event_type,
        urgency=urgency,
        severity=SEVERITY_OF.get(message.severity, "Unknown"),
        certainty=certainty,
        language=message.language,
        event_codes=(m.Pair(EVENT_TYPE, message.event_type),),
        effective=message.effective,
        onset=message.onset,
        expires=message.expires,
        sender_name=message.sender_name,
        headline=message.headline,
        description=message.description,
        instruction=message.instruction,
        web=message.web,
        parameters=tuple(extra),
        areas=tuple(
            m.Area(
                one.desc, one.polygons, one.circles, tuple(m.Pair(DIVISION, code) for code in one.geocodes)
            )
            for one in message.places
        ),
    )
    return m.Alert(
        identifier=message.identifier,
        sender=message.sender_code,
        sent=message.sent,
        status=message.status,
        msg_type=message.msg_type,
        scope=message.scope,
        note=message.note,
        references=tuple(_reference(one, message.sender_code) for one in message.references),
        infos=(info,),
    )


def to_china(alert: m.Alert) -> Message | None:
    """The message of the profile that says the same; None for an alert that is none of the profile.

    One info is taken: the Chinese one, or the first.  What the profile has no place for (resources, contact, several
    languages) is left behind.
    """
    info = alert.info("zh")
    if info is None:
        return None
    said = {pair.name: pair.value for pair in info.parameters}
    event_type = next((pair.value for pair in info.event_codes if pair.name == EVENT_TYPE), "")
    if not event_type:
        return None
    by_severity = {severity: colour for colour, severity in SEVERITY_OF.items()}
    return Message(
        identifier=alert.identifier,
        sender=said.get(SENDER, info.sender_name),
        sender_code=alert.sender,
        sent=alert.sent.astimezone(times.BEIJING),
        status=alert.status,
        msg_type=alert.msg_type,
        scope=alert.scope,
        event_type=event_type,
        severity=said.get(COLOUR, by_severity[info.severity]),
        sender_name=info.sender_name,
        methods=tuple(_method(pair.value) for pair in info.parameters if pair.name == METHOD),
        classification=said.get(CLASSIFICATION, "None"),
        note=alert.note,
        references=tuple(one.identifier for one in alert.references),
        language=info.language,
        urgency=said.get(URGENCY, info.urgency),
        certainty=said.get(CERTAINTY, info.certainty),
        effective=_beijing(info.effective),
        onset=_beijing(info.onset),
        expires=_beijing(info.expires),
        headline=info.headline,
        description=info.description,
        instruction=info.instruction,
        web=info.web,
        places=tuple(
            Place(
                area.desc,
                area.polygons,
                area.circles,
                tuple(pair.value for pair in area.geocodes if pair.name == DIVISION),
            )
            for area in info.areas
        ),
    )


def _beijing(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(times.BEIJING)


def _reference(text: str, sender: str) -> m.Reference:
    """An identifier alone as CAP's triplet: the profile's identifier holds its sender and its time of entry."""
    at = entered_at(text)
    return m.Reference(
        text[:14] if at else sender, text, times.write(at or datetime(1970, 1, 1, tzinfo=times.BEIJING))
    )


def _method_text(method: Method) -> str:
    return "\n".join((method.name, method.audience, method.message))


def _method(text: str) -> Method:
    name, _, rest = text.partition("\n")
    audience, _, words = rest.partition("\n")
    return Method(name, words, audience)


# ---- XML ----------------------------------------------------------------------------------------------------


def is_china(element: Element) -> bool:
    """Is this ``alert`` one of the national system's own form?"""
    if element.local != "alert" or element.space.startswith("urn:oasis"):
        return False
    names = {one.local for one in element.elements}
    info = element.first("info")
    return bool(names & {"senderCode", "sendTime", "secClassification"}) or (
        info is not None and info.first("eventType") is not None
    )


def write(message: Message) -> bytes:
    """The message in the national system's form, elements that are empty included."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>', "<alert>"]

    def put(name: str, text: str, depth: int = 1) -> None:
        out.append(f"{' ' * depth}<{name}>{escaped(text)}</{name}>" if text else f"{' ' * depth}<{name}/>")

    def moment(name: str, at: datetime | None) -> None:
        put(name, "" if at is None else write_time(at), 2)

    put("identifier", message.identifier)
    put("sender", message.sender)
    put("senderCode", message.sender_code)
    put("sendTime", write_time(message.sent))
    put("status", message.status)
    put("msgType", message.msg_type)
    put("scope", message.scope)
    out.append(" <code>")
    for one in message.methods:
        out.append("  <method>")
        put("methodName", one.name, 3)
        put("message", one.message, 3)
        put("audienceGrp", one.audience, 3)
        out.append("  </method>")
    out.append(" </code>")
    put("secClassification", message.classification)
    put("note", message.note)
    put("references", ",".join(message.references))
    out.append(" <info>")
    put("language", message.language, 2)
    put("eventType", message.event_type, 2)
    put("urgency", message.urgency, 2)
    put("severity", message.severity, 2)
    put("certainty", message.certainty, 2)
    moment("effective", message.effective)
    moment("onset", message.onset)
    moment("expires", message.expires)
    put("senderName", message.sender_name, 2)
    put("headline", message.headline, 2)
    put("description", message.description, 2)
    put("instruction", message.instruction, 2)
    put("web", message.web, 2)
    for place in message.places:
        out.append("  <area>")
        put("areaDesc", place.desc, 3)
        for polygon in place.polygons or ((),):
            put("polygon", shapes.write_polygon(polygon), 3)
        for circle in place.circles or (None,):
            put("circle", shapes.write_circle(circle) if circle else "", 3)
        put("geocode", ",".join(place.geocodes), 3)
        out.append("  </area>")
    out += [" </info>", "</alert>", ""]
    return "\n".join(out).encode()


def read(element: Element) -> tuple[Message | None, tuple[Problem, ...]]:
    """The message in ``element``, and what is wrong with it; None where it has no identity."""
    problems = Problems()
    add = problems.add

    def moment(at: Element, name: str, needed: bool = False) -> datetime | None:
        text = at.words(name)
        found = read_time(text)
        if text and found is None:
            add("cn.time", at.first(name) or at, value=text)
        elif needed and not text:
            add("schema.missing", at, element=name)
        return found

    def one_of(at: Element, name: str, known: tuple[str, ...], rule: str, default: str) -> str:
        text = at.words(name)
        right = next((one for one in known if one.lower() == text.lower()), "")
        if text and not right:
            add(rule, at.first(name) or at, element=name, value=text, known=", ".join(known))
        elif not text and default == "":
            add("schema.missing", at, element=name)
        return right or default

    info = element.first("info")
    code, name = element.words("senderCode"), element.words("sender")
    if not code and name.isdigit():
        code = name  # the standard's own example has the code where others have the name
    number = element.words("identifier")
    sent = moment(element, "sendTime") or moment(element, "sent", needed=not element.words("sendTime"))
    if not number:
        add("schema.missing", element, element="identifier")
    elif not is_identifier(number):
        add("cn.identifier", element.first("identifier") or element, value=number)
    if not code:
        add("schema.missing", element, element="senderCode")
    status = one_of(element, "status", m.STATUSES, "enum.unknown", "Actual")
    msg_type = one_of(element, "msgType", m.MESSAGE_TYPES, "enum.unknown", "")
    scope = one_of(element, "scope", m.SCOPES, "enum.unknown", "Public")
    references = tuple(t for t in _LIST.split(element.words("references")) if t)
    if number and number in references:
        add("reference.self", element.first("references") or element)
    elif not references and msg_type in ("Update", "Cancel"):
        add("reference.missing", element, type=msg_type)
    if info is None:
        add("info.missing", element)
        info = Element("", "info", "", [], {}, element.line, element.column, element)
    event_type = info.words("eventType")
    if not event_type:
        add("schema.missing", info, element="eventType")
    elif event_type not in EVENT_TYPES:
        add("cn.event_type", info.first("eventType") or info, value=event_type)
    severity = one_of(info, "severity", COLOURS, "cn.severity", "Unknown")
    headline, description = info.words("headline"), info.words("description")
    problem = colour_problem(headline, severity)
    if problem:
        add("cn.colour", info.first("headline") or info, said=problem, severity=severity)
    expires = moment(info, "expires")
    if expires is None and not info.words("expires"):
        add("time.no_end", info)
    if not info.words("instruction"):
        add("info.no_instruction", info)
    places = tuple(_place(one, problems) for one in info.all("area"))
    if not places:
        add("area.missing", info)
    if not (number and code and sent and event_type):
        return None, problems.sorted()
    message = Message(
        identifier=number,
        sender=name,
        sender_code=code,
        sent=sent,
        status=status,
        msg_type=msg_type or "Alert",
        scope=scope,
        event_type=event_type,
        severity=severity,
        sender_name=info.words("senderName"),
        methods=tuple(
            Method(one.words("methodName"), one.words("message"), one.words("audienceGrp"))
            for holder in element.all("code")
            for one in holder.all("method")
        ),
        classification=element.words("secClassification") or "None",
        note=element.words("note"),
        references=references,
        language=info.words("language") or "zh-CN",
        urgency=info.words("urgency") or "Unknown",
        certainty=info.words("certainty") or "Unknown",
        effective=moment(info, "effective"),
        onset=moment(info, "onset"),
        expires=expires,
        headline=headline,
        description=description,
        instruction=info.words("instruction"),
        web=info.words("web"),
        places=places,
    )
    return message, problems.sorted()


def _place(area: Element, problems: Problems) -> Place:
    polygons, circles = [], []
    for one in area.all("polygon"):
        if text := one.text.strip():
            points, broken = shapes.read_polygon(text)
            for rule in broken:
                problems.add(rule, one, value=text, count=len(points or ()))
            if points:
                polygons.append(points)
    for one in area.all("circle"):
        if text := one.text.strip():
            circle, broken = shapes.read_circle(text)
            for rule in broken:
                problems.add(
                    rule, one, value=circle.radius_km if circle and rule == "circle.radius" else text
                )
            if circle:
                circles.append(circle)
    codes: list[str] = []
    for one in area.all("geocode"):
        given = one.words("value") if one.elements else one.text
        for text in _LIST.split(given.strip()):
            if text and not is_division(text):
                problems.add("geocode.division", one, value=text)
            if text and text not in codes:
                codes.append(text)
    if not (polygons or circles or codes):
        problems.add("area.words_only", area)
    return Place(area.words("areaDesc"), tuple(polygons), tuple(circles), tuple(codes))


def colour_problem(words: str, severity: str) -> str:
    """The colour that ``words`` speak of where it is another than ``severity`` says; "" where they agree."""
    said = {one for one in _COLOUR.findall(words)}
    if len(said) == 1 and severity in LEVEL_OF:
        (character,) = said
        if COLOUR_OF_ZH[character] != severity:
            return f"{character}色"
    return ""
