"""What a draft says, as the form and the database keep it, and as CAP 1.2.

Places are longitude before latitude here, as everywhere in the platform; CAP's own order is made in ``to_alert``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from fengsui.base import codes
from fengsui.base.errors import BadInput
from fengsui.warn.cap import china, shapes
from fengsui.warn.cap import message as cap
from fengsui.warn.cap.events import EVENT_TYPES, EventType
from fengsui.warn.warnings.errors import BadWarning
from fengsui.warn.warnings.models import EventKind

COLOURS = {1: "Red", 2: "Orange", 3: "Yellow", 4: "Blue"}
COLOUR_EN = {1: "red", 2: "orange", 3: "yellow", 4: "blue"}
TEXTS = {
    "headline": 160, "description": 4000, "instruction": 4000,
    "headline_en": 160, "description_en": 6000, "instruction_en": 6000,
    "area_desc": 400, "area_desc_en": 400, "contact": 200, "web": 200, "note": 400,
}  # fmt: skip
MOST_SHAPES = 50
MOST_DIVISIONS = 500


@dataclass(frozen=True, slots=True)
class Content:
    """Words in both languages, who is to do what, and where.  ``polygons`` are rings of (lon, lat), closed."""

    headline: str = ""
    description: str = ""
    instruction: str = ""
    headline_en: str = ""
    description_en: str = ""
    instruction_en: str = ""
    area_desc: str = ""
    area_desc_en: str = ""
    contact: str = ""
    web: str = ""
    note: str = ""  # for an exercise: which one
    urgency: str = "Expected"
    certainty: str = "Likely"
    responses: tuple[str, ...] = ()
    divisions: tuple[str, ...] = ()
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def event_kinds() -> dict[str, EventType]:
    """The kinds to choose from: the platform's table as the bureau corrected it."""
    kinds = dict(EVENT_TYPES)
    for row in EventKind.objects.all():
        if row.is_active:
            kinds[row.code] = EventType(row.code, row.name, row.name_en, row.category)
        else:
            kinds.pop(row.code, None)
    return kinds


def read(values: Mapping[str, Any]) -> Content:
    """Content out of a form or a row.  Raises BadWarning that names the field."""
    texts = {}
    for name, longest in TEXTS.items():
        text = str(values.get(name, "") or "").replace("\x00", "").replace("\r\n", "\n").strip()
        if len(text) > longest:
            raise BadWarning(
                _("%(field)s: %(count)s characters; at most %(most)s are kept.")
                % {"field": name, "count": len(text), "most": longest}
            )
        texts[name] = text
    urgency, certainty = str(values.get("urgency", "Expected")), str(values.get("certainty", "Likely"))
    responses = tuple(str(one) for one in values.get("responses", ()))
    for one, known in (
        (urgency, cap.URGENCIES),
        (certainty, cap.CERTAINTIES),
        *((r, cap.RESPONSES) for r in responses),
    ):
        if one not in known:
            raise BadWarning(_("“%(value)s” is not one of CAP's words.") % {"value": one[:40]})
    return Content(
        **texts,
        urgency=urgency,
        certainty=certainty,
        responses=responses,
        divisions=_divisions(values.get("divisions", ())),
        polygons=_polygons(values.get("polygons", ())),
        circles=_circles(values.get("circles", ())),
    )


def _divisions(given: Any) -> tuple[str, ...]:
    found = list(dict.fromkeys(str(one).strip() for one in given if str(one).strip()))
    if len(found) > MOST_DIVISIONS:
        raise BadWarning(_("At most %(most)s divisions.") % {"most": MOST_DIVISIONS})
    for one in found:
        try:
            codes.level(one)
        except BadInput as error:
            raise BadWarning(_("“%(code)s” is no division code.") % {"code": one[:20]}) from error
    return tuple(found)


def _polygons(given: Any) -> tuple[tuple[tuple[float, float], ...], ...]:
    found = []
    for number, ring in enumerate(given, 1):
        points = [(float(lon), float(lat)) for lon, lat in ring]
        if points and points[0] != points[-1]:
            points.append(points[0])  # what is drawn is meant to be closed
        _text, broken = shapes.read_polygon(shapes.write_polygon([(lat, lon) for lon, lat in points]))
        if broken:
            raise BadWarning(_("Polygon %(number)s: %(why)s.") % {"number": number, "why": _why(broken[0])})
        found.append(tuple(points))
    if len(found) > MOST_SHAPES:
        raise BadWarning(_("At most %(most)s polygons.") % {"most": MOST_SHAPES})
    return tuple(found)


def _circles(given: Any) -> tuple[tuple[float, float, float], ...]:
    found = []
    for number, (lon, lat, radius_km) in enumerate(given, 1):
        circle = cap.Circle((float(lat), float(lon)), float(radius_km))
        _circle, broken = shapes.read_circle(shapes.write_circle(circle))
        if broken:
            raise BadWarning(_("Circle %(number)s: %(why)s.") % {"number": number, "why": _why(broken[0])})
        found.append((float(lon), float(lat), float(radius_km)))
    if len(found) > MOST_SHAPES:
        raise BadWarning(_("At most %(most)s circles.") % {"most": MOST_SHAPES})
    return tuple(found)


def _why(rule: str) -> str:
    return {
        "polygon.few": _("it needs at least three different points"),
        "polygon.range": _("a coordinate is out of range"),
        "polygon.swapped": _("latitude and longitude are swapped"),
        "polygon.crossing": _("its sides cross"),
        "polygon.flat": _("it has no area"),
        "polygon.dateline": _("it crosses the meridian of 180°"),
        "polygon.repeated": _("a point is given twice in a row"),
        "circle.range": _("its centre is out of range"),
        "circle.swapped": _("latitude and longitude are swapped"),
        "circle.radius": _("its radius is not plausible; it is in kilometres"),
    }.get(rule, _("it cannot be read"))


def fingerprint(warning: Any) -> str:
    """SHA-256 of everything that goes out: what was reviewed is what is sent."""
    said = {
        "issuer": warning.issuer_id,
        "type": warning.msg_type,
        "status": warning.status,
        "level": warning.level,
        "event": warning.event_type,
        "onset": warning.onset_at.isoformat() if warning.onset_at else None,
        "expires": warning.expires_at.isoformat() if warning.expires_at else None,
        "about": warning.about_id,
        "content": read(warning.content).plain(),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def to_alert(warning: Any, identifier: str, sent: datetime) -> cap.Alert:
    """The warning as a CAP 1.2 alert with one info a language.  Never raises for what a draft still lacks."""
    content = read(warning.content)
    kind = event_kinds().get(warning.event_type) or EventType(
        warning.event_type, warning.event_type, warning.event_type, "Other"
    )
    issuer, colour = warning.issuer, COLOURS[warning.level]
    is_cancel = warning.msg_type == "Cancel"
    areas = _areas(content)
    chinese = cap.Info(
        categories=(kind.category,),
        event=kind.zh,
        urgency="Past" if is_cancel else content.urgency,
        severity=china.SEVERITY_OF[colour],
        certainty="Observed" if is_cancel else content.certainty,
        language="zh-CN",
        responses=("AllClear",) if is_cancel else content.responses,
        event_codes=(cap.Pair(china.EVENT_TYPE, kind.code),),
        effective=_second(sent),
        onset=_second(warning.onset_at),
        expires=_second(warning.expires_at),
        sender_name=issuer.name,
        headline=content.headline,
        description=content.description,
        instruction=content.instruction,
        web=content.web or issuer.web,
        contact=content.contact or issuer.contact,
        parameters=(cap.Pair(china.COLOUR, colour),),
        areas=areas,
    )
    infos = [chinese]
    if content.headline_en or content.description_en:
        infos.append(
            replace(
                chinese,
                language="en-US",
                event=kind.en,
                headline=content.headline_en,
                description=content.description_en,
                instruction=content.instruction_en,
                sender_name=issuer.name_en or issuer.name,
                areas=tuple(replace(one, desc=content.area_desc_en or one.desc) for one in areas),
            )
        )
    about = warning.about
    return cap.Alert(
        identifier=identifier,
        sender=issuer.code,
        sent=_second(sent) or sent,
        status=warning.status,
        msg_type=warning.msg_type,
        scope="Public",
        note=content.note,
        references=() if about is None else (cap.Reference(about.sender, about.identifier, about.sent_text),),
        infos=tuple(infos),
    )


def _areas(content: Content) -> tuple[cap.Area, ...]:
    if not (content.area_desc or content.divisions or content.polygons or content.circles):
        return ()
    return (
        cap.Area(
            desc=content.area_desc,
            polygons=tuple(tuple((lat, lon) for lon, lat in ring) for ring in content.polygons),
            circles=tuple(cap.Circle((lat, lon), radius_km) for lon, lat, radius_km in content.circles),
            geocodes=tuple(cap.Pair(china.DIVISION, code) for code in content.divisions),
        ),
    )


def _second(at: datetime | None) -> datetime | None:
    from fengsui.warn.cap.times import BEIJING

    return None if at is None else at.astimezone(BEIJING).replace(microsecond=0)
