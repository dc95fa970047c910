"""Alarms: the standing queue (worst and newest first) and the record (newest first)."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, FloatField, Func, QuerySet
from django.db.models.functions import Floor
from django.utils import timezone

from fengsui.loops.models import Loop
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.alarms.models import Alarm

QUEUE = ("priority", "-raised_at", "-id")
RECORD = ("-raised_at", "-id")


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list; an empty value means "any".  ``org`` and ``site`` are codes, times are instants."""

    standing: bool = False
    level: tuple[int, ...] = ()
    site: str = ""
    org: str = ""
    kind: str = ""
    unacked: bool = False
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    folded: bool | None = None  # into another alarm


def alarms(user: Any) -> QuerySet[Alarm]:
    """Every alarm that ``user`` sees, with what a row of a list shows."""
    rows = Alarm.objects.select_related("site", "datastream", "acked_by", "org", "rule")
    return visible_to(rows, user, "alarm.view")


def alarm_page(user: Any, filters: Filters, *, cursor: str | None = None, size: int = 50) -> Page[Alarm]:
    """One page: the standing queue in order of urgency, or the record in order of time."""
    rows = alarms(user)
    if filters.standing:
        rows = rows.standing()
    if filters.unacked:
        rows = rows.filter(acked_at=None)
    if filters.level:
        rows = rows.filter(priority__in=filters.level)
    if filters.kind:
        rows = rows.filter(kind=filters.kind)
    if filters.site:
        rows = rows.filter(site__code=filters.site)
    if filters.org:
        from fengsui.people.orgs.models import Org

        found = Org.objects.filter(code=filters.org).first()
        rows = rows.filter(org_path__startswith=found.path) if found else rows.none()
    if filters.folded is not None:
        rows = rows.exclude(parent=None) if filters.folded else rows.unfolded()
    if filters.since:
        rows = rows.filter(raised_at__gte=filters.since)
    if filters.until:
        rows = rows.filter(raised_at__lt=filters.until)
    return page(rows, QUEUE if filters.standing else RECORD, cursor, size)


def of_thing(user: Any, thing_id: int, most: int = 20) -> list[Alarm]:
    """The newest alarms of one thing."""
    return list(alarms(user).filter(datastream__thing=thing_id).order_by(*RECORD)[:most])


def loop_ids(found: Iterable[Alarm]) -> dict[int, int]:
    """Alarm id → id of the loop that disposes of it, for the alarms of one page."""
    keys = {f"alarm:{alarm.key}": alarm.pk for alarm in found}
    return {keys[key]: pk for key, pk in Loop.objects.filter(key__in=keys).values_list("key", "pk")}


SPAN_MINUTES = {1: 1, 6: 5, 24: 15, 168: 60}  # hours shown → minutes of one bar


class Epoch(Func):
    """Seconds since 1970 UTC; Django's own Extract would first turn the instant into local time."""

    template = "extract(epoch FROM %(expressions)s)::float8"
    output_field: Any = FloatField()


@dataclass(frozen=True, slots=True)
class Timeline:
    """Alarms raised: ``levels[priority - 1][bucket]``; the last bucket holds now."""

    from_ms: int
    bucket_ms: int
    levels: list[list[int]]


def timeline(user: Any, hours: int = 24) -> Timeline:
    """How many alarms were raised, by level, in equal spans of the last ``hours``: 1, 6, 24 or 168."""
    bucket_ms = SPAN_MINUTES.get(hours, 15) * 60_000
    count = (hours if hours in SPAN_MINUTES else 24) * 3_600_000 // bucket_ms
    to_ms = (int(timezone.now().timestamp() * 1000) // bucket_ms + 1) * bucket_ms
    from_ms = to_ms - count * bucket_ms
    since = datetime.datetime.fromtimestamp(from_ms / 1000, datetime.UTC)
    rows = visible_to(Alarm.objects.filter(raised_at__gte=since), user, "alarm.view")
    place = (Epoch(F("raised_at")) * 1000.0 - from_ms) / bucket_ms
    counted = rows.values("priority").annotate(place=Floor(place), count=Count("pk")).order_by()
    levels = [[0] * count for _ in range(4)]
    for row in counted:
        if 0 <= int(row["place"]) < count:
            levels[row["priority"] - 1][int(row["place"])] = row["count"]
    return Timeline(from_ms, bucket_ms, levels)
