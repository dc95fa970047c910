"""What a fence says, checked: its area on the plane and its hours.  GeoJSON in, ``base.place`` out."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from fengsui.base import place
from fengsui.base.place import Shape
from fengsui.warn.engine.moving import Hours, minutes_of_week
from fengsui.warn.fences.errors import BadFence

CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
GEOMETRY = {
    "polygon": ("Polygon", "MultiPolygon"),
    "circle": ("Point",),
    "corridor": ("LineString", "MultiLineString"),
}


def shape_of(kind: str, geometry: Any, radius_m: float | None) -> Shape:
    """The area.  Raises BadShape, BadFence."""
    if not isinstance(geometry, Mapping) or geometry.get("type") not in GEOMETRY.get(kind, ()):
        raise BadFence(
            _("A fence of this form is drawn as %(types)s in GeoJSON.")
            % {"types": ", ".join(GEOMETRY.get(kind, ("?",)))}
        )
    found = geometry.get("coordinates")
    if not isinstance(found, Sequence) or not found:
        raise BadFence(_("The geometry has no coordinates."))
    if kind == "polygon":
        rings = found if geometry["type"] == "Polygon" else [ring for part in found for ring in part]
        return place.polygon(rings)
    if radius_m is None:
        raise BadFence(_("A circle and a corridor need a radius in metres."))
    if kind == "circle":
        return place.circle(found, radius_m)
    if geometry["type"] == "MultiLineString":
        if len(found) != 1:
            raise BadFence(_("A corridor is one line."))
        found = found[0]
    return place.corridor(found, radius_m)


def spans(weekly: Any) -> list[tuple[int, int, int]]:
    """Day, first and last minute of each span.  Raises BadFence."""
    if not isinstance(weekly, Sequence) or isinstance(weekly, str) or len(weekly) > 100:
        raise BadFence(_("Hours are a list of day, from and to."))
    out = []
    for one in weekly:
        try:
            day, begin, end = one
            out.append((_day(day), _minute(begin), _minute(end)))
        except (TypeError, ValueError):
            raise BadFence(
                _('Hours are written as [1, "08:00", "18:00"]: the day (1 Monday … 7 Sunday), from and to.')
            ) from None
        if out[-1][1] == out[-1][2]:
            raise BadFence(_("Hours that begin when they end say nothing."))
    return out


def hours_of(
    valid_from: datetime | None, valid_until: datetime | None, weekly: Any, zone: str, at: datetime
) -> Hours:
    """When a fence is in force, by the clock of ``zone`` as it is at ``at``.  Raises BadFence."""
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        raise BadFence(_("The end must be after the beginning."))
    offset = at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    found = spans(weekly)
    plain = Hours()
    return Hours(
        plain.from_ms if valid_from is None else round(valid_from.timestamp() * 1000),
        plain.until_ms if valid_until is None else round(valid_until.timestamp() * 1000),
        minutes_of_week(found) if found else None,
        round(offset.total_seconds() * 1000),
    )


def _day(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 7:
        raise ValueError
    return value


def _minute(text: Any) -> int:
    found = CLOCK.fullmatch(str(text))
    if found is None:
        raise ValueError
    minute = int(found[1]) * 60 + int(found[2])
    if minute > 1440:
        raise ValueError
    return minute
