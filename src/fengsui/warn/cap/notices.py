"""Chinese warning notices as weather services hand them out: JSON objects in several shapes, or plain text.

A notice says in one sentence who issues which warning in which colour and when: that sentence is read, and the fields
beside it where there are some.  What is not said is not made up; the alert that comes out carries the whole text.
Shapes met: weather.com.cn ``alarminfo`` (upper case keys), its application (``type_name`` …), ``text`` alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fengsui.warn.cap import china, times
from fengsui.warn.cap import message as m
from fengsui.warn.cap.events import LONGEST_FIRST, EventType, by_name
from fengsui.warn.cap.rules import Problem

MOST_TEXT = 20_000
PLACES = (
    "PROVINCE",
    "province",
    "CITY",
    "city",
    "STATIONNAME",
    "county",
)  # keys of the place, the largest first

_ISSUED = re.compile(
    r"(?P<unit>[\u4e00-\u9fff（）()·]{2,40}?)?(?P<date>(?:(?P<y>\d{4}|\d{2})年)?(?:(?P<mo>\d{1,2})月)?(?P<d>\d{1,2})日)"
    r"(?P<h>\d{1,2})[时:：](?:(?P<mi>\d{1,2})分?)?(?P<verb>继续|升级|变更|更新|确认|解除|联合)*发布"
    r"(?P<kind>[\u4e00-\u9fff]{1,12}?)(?P<colour>[红橙黄蓝])色预警"
)
_ENDED = re.compile(r"解除(?P<kind>[\u4e00-\u9fff]{1,12}?)(?P<colour>[红橙黄蓝])色预警")
_CHANGED = re.compile(
    r"(?:更新|变更|升级|降级|调整)[\u4e00-\u9fff]{0,20}?为(?P<kind>[\u4e00-\u9fff]{1,12}?)(?P<colour>[红橙黄蓝])色预警"
)
_DATED = re.compile(
    r"(?P<before>[\u4e00-\u9fff（）()·]{2,40}?)?"
    r"(?P<date>(?P<y>\d{4}|\d{2})年(?P<mo>\d{1,2})月(?P<d>\d{1,2})日)(?P<h>\d{1,2})[时:：](?:(?P<mi>\d{1,2})分?)?"
    r"[，,]?(?P<unit>[\u4e00-\u9fff（）()·]{2,40}?)?(?:继续|升级|变更|更新|确认|解除|联合)*(?:发布|更新|变更|解除)"
)
_LEVELLED = re.compile(r"(?P<kind>[\u4e00-\u9fff]{1,12}?)(?P<colour>[红橙黄蓝])色预警")
_UNIT = re.compile(r"^(?P<unit>[\u4e00-\u9fff（）()·]{2,40}?)(?=\d|升级|继续|发布|解除)")
_PLACE = re.compile(
    r"(?:中心|市|省|县|区|自治区)?(?:气象台|气象局|气象中心|气象服务中心|应急管理局|水利局|防汛.*)$"
)
_CLOCK = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?")
_MARKED = re.compile(r"(\d{14})_(\d{12,14})(?:_(\d))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.  ``alert`` is None where nothing certain could be read; ``level`` is 1 red … 4 blue, 0 unknown."""

    alert: m.Alert | None
    level: int
    problems: tuple[Problem, ...]
    line: int


def is_notices(data: bytes) -> bool:
    """Could these bytes be notices rather than XML?"""
    head = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return head not in (b"<", b"") and data[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\x00<")


def read(data: bytes) -> list[Notice]:
    """Every notice of a file: a JSON object, a list of them, JSON lines, or text, one notice a line.  Never raises."""
    text = data[: 8 << 20].decode("utf-8-sig", "replace")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict):
        return [read_object(whole, 1)]
    if isinstance(whole, list):
        return [_object_or_text(one, i) for i, one in enumerate(whole, 1)]
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            one: Any = json.loads(line)
        except (ValueError, RecursionError):
            one = line
        found.append(_object_or_text(one, number))
    return found or [_nothing("empty", 1)]


def _object_or_text(one: Any, line: int) -> Notice:
    if isinstance(one, dict):
        return read_object(one, line)
    if isinstance(one, str):
        return read_object({"text": one}, line)
    return _nothing("neither an object nor text", line)


def _nothing(why: str, line: int) -> Notice:
    return Notice(None, 0, (Problem("cn.not_a_notice", "", line, 1, {"why": why}),), line)


def read_object(given: Mapping[str, Any], line: int = 1) -> Notice:
    """The notice in ``given``, by whichever keys it has."""
    problems: list[Problem] = []

    def add(rule: str, at: str = "", **facts: Any) -> None:
        problems.append(Problem(rule, f"/{at}" if at else "", line, 1, facts))

    def word(*keys: str) -> str:
        for key in keys:
            value = given.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value).strip()[:MOST_TEXT]
        return ""

    body = word("ISSUECONTENT", "detail", "text", "content", "description")
    title = word("head", "title", "headline")
    if not body and not title:
        return _nothing("no text", line)
    said = _ISSUED.search(body) or _ISSUED.search(title)
    levelled = said or _levelled(title, body)
    said = said or _DATED.search(body) or _DATED.search(title)
    kind = _kind(word("SIGNALTYPE", "type_name"), levelled["kind"] if levelled else "")
    colour = china.COLOUR_OF_ZH.get(word("SIGNALLEVEL", "level_name")[:1], "") or (
        china.COLOUR_OF_ZH[levelled["colour"]] if levelled else ""
    )
    if kind is None and not (levelled and levelled["kind"]):
        return _nothing("no kind of event", line)
    if not colour:
        add("cn.no_level")
    elif levelled and china.COLOUR_OF_ZH[levelled["colour"]] != colour:
        add("cn.colour", "SIGNALLEVEL", said=f"{levelled['colour']}色", severity=colour)
    sent = _sent(word("ISSUETIME", "update_time", "pub_time"), given.get("pubtimestamp"), said, add)
    if sent is None:
        return Notice(None, china.LEVEL_OF.get(colour, 0), tuple(problems), line)
    found = _UNIT.match(body) or _UNIT.match(title)
    unit = said["unit"] if said and said["unit"] else found["unit"] if found else ""
    place = _place(given, unit)
    for key in PLACES:
        if given.get(key) == "":
            add("cn.empty", key, key=key)
    if not place:
        add("cn.no_place")
    number, sender, reference = _identity(word("identifier"), word("references"), sent, place, add)
    ends = _moment(word("RELIEVETIME", "expires", "RELIEVE_TIME"))
    if ends is None:
        add("time.no_end")
    elif ends <= sent:
        add("time.expired_when_sent", "RELIEVETIME")
    event = kind.zh if kind else levelled["kind"]  # type: ignore[index]
    msg_type = word("msgType")
    over = "解除" in title or (levelled is not None and levelled.re is _ENDED)
    if msg_type not in m.MESSAGE_TYPES:
        verbs = re.findall("升级|变更|更新|继续|确认", f"{title} {said[0] if said else ''}")
        msg_type = "Cancel" if over else "Update" if verbs else "Alert"
    colour_zh = china.COLOUR_ZH.get(colour, "")
    info = m.Info(
        categories=(kind.category if kind else "Met",),
        event=event,
        urgency="Unknown",
        severity=china.SEVERITY_OF.get(colour, "Unknown"),
        certainty="Unknown",
        language="zh-CN",
        event_codes=(m.Pair(china.EVENT_TYPE, kind.code),) if kind else (),
        effective=sent,
        expires=ends,
        sender_name=unit,
        headline=title or f"{unit}{'解除' if over else '发布'}{event}{colour_zh}预警",
        description=body,
        parameters=((m.Pair(china.COLOUR, colour),) if colour else ()),
        areas=(m.Area(place, geocodes=_codes(number)),) if place else (),
    )
    alert = m.Alert(
        identifier=number,
        sender=sender,
        sent=sent,
        status="Actual",
        msg_type=msg_type,
        scope="Public",
        references=(reference,) if reference else (),
        infos=(info,),
    )
    return Notice(alert, china.LEVEL_OF.get(colour, 0), tuple(problems), line)


def _levelled(title: str, body: str) -> re.Match[str] | None:
    """The kind and colour of a text that does not say them in the usual sentence."""
    for form in (_CHANGED, _ENDED, _LEVELLED):
        for text in (title, body):
            if found := form.search(text):
                return found
    return None


def _kind(named: str, said: str) -> EventType | None:
    for text in (named, said):
        if text and (kind := by_name(text)):
            return kind
    for text in (named, said):
        for name in LONGEST_FIRST:
            if text and name in text and len(name) > 1:
                return by_name(name)
    return None


def _moment(text: str) -> datetime | None:
    found = _CLOCK.match(text)
    if not found:
        return None
    year, month, day, hour, minute = (int(part) for part in found.groups()[:5])
    try:
        return datetime(year, month, day, hour, minute, int(found[6] or 0), tzinfo=times.BEIJING)
    except ValueError:
        return None


def _sent(field: str, stamp: Any, said: re.Match[str] | None, add: Any) -> datetime | None:
    """When it was issued: the field, a stamp, or the sentence.  The sentence's own quirks are named."""
    if said and said["y"] and len(said["y"]) == 2:
        add("cn.short_year", "text", value=said["date"])
    at = _moment(field)
    if field and at is None:
        add("cn.time", "ISSUETIME", value=field)
    if at is None and isinstance(stamp, int | float) and 0 < stamp < 4e9:
        at = datetime.fromtimestamp(stamp, UTC).astimezone(times.BEIJING)
    if at is not None:
        return at
    if said is None:
        add("cn.no_date", "text", value="")
        return None
    year = said["y"]
    if not year or not said["mo"]:
        add("cn.no_date", "text", value=said["date"])
        return None
    try:
        full = int(year) if len(year) == 4 else 2000 + int(year)
        return datetime(
            full,
            int(said["mo"]),
            int(said["d"]),
            int(said["h"]) % 24,
            int(said["mi"] or 0),
            tzinfo=times.BEIJING,
        ) + timedelta(days=int(said["h"]) // 24)
    except ValueError:
        add("cn.time", "text", value=said[0][:60])
        return None


def _place(given: Mapping[str, Any], unit: str) -> str:
    names: list[str] = []
    for key in PLACES:
        value = given.get(key)
        if isinstance(value, str) and value.strip() and value.strip() not in names:
            names.append(value.strip())
    return "".join(names) or _PLACE.sub(
        lambda found: found[0][:1] if found[0][:1] in "市省县区" else "", unit
    )


def _identity(
    number: str, references: str, sent: datetime, place: str, add: Any
) -> tuple[str, str, m.Reference | None]:
    """Identifier, sender and what is referred to.  A notice without a number gets one from place and time."""
    marked = _MARKED.match(number)
    sender = marked[1] if marked else "12379.cn"
    reference = None
    if number and not china.is_identifier(number):
        add("cn.identifier", "identifier", value=number)
    if references and references == number:
        add("reference.self", "references")
    elif references:
        at = china.entered_at(references)
        reference = m.Reference(references[:14] if at else sender, references, times.write(at or sent))
    if not number:
        digits = "".join(f"{ord(c):x}" for c in place[-6:])
        number = f"{sent.astimezone(times.BEIJING):%Y%m%d%H%M%S}-{digits or '0'}"
    return re.sub(r"[\s,<&]", "-", number), sender, reference


def _codes(number: str) -> tuple[m.Pair, ...]:
    """The division in the unit code, where there is one."""
    from fengsui.warn.cap.reading import is_division

    marked = _MARKED.match(number)
    code = marked[1][:6] if marked else ""
    return (m.Pair(china.DIVISION, code),) if code and is_division(code) else ()
