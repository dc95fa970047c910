"""What is folded into what, as pages and the API show it; and the storms of this moment."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.show.lists import alarms as lists
from fengsui.show.lists.keyset import Page, page
from fengsui.stores import clock
from fengsui.warn.alarms.models import Alarm, Storm
from fengsui.warn.folding.storm import WINDOW_MS

ORDER = ("raised_at", "id")


@dataclass(frozen=True, slots=True)
class Behind:
    """What is folded into an alarm: all of it, how much of it is in sight, and not acknowledged."""

    all: int
    seen: int
    unacked: int  # that the user may acknowledge


@dataclass(frozen=True, slots=True)
class StormNow:
    """A storm of a site: alarms raised in the last ten minutes, and how many of these are folded."""

    storm: Storm
    site: Site
    folded: int


def explained(user: Any) -> QuerySet[Alarm]:
    """Alarms in sight with what explains them."""
    return lists.alarms(user).select_related(
        "site", "datastream", "acked_by", "org", "rule", "cause__site", "cause__datastream__thing"
    )


def children(user: Any, parent: Alarm, *, cursor: str | None = None, size: int = 50) -> Page[Alarm]:
    """What is folded into ``parent``, first raised first."""
    return page(explained(user).filter(parent=parent), ORDER, cursor, size)


def behind(user: Any, parent: Alarm) -> Behind:
    if not parent.folded_count:
        return Behind(0, 0, 0)
    rows = lists.alarms(user).filter(parent=parent)
    mine = rows.filter(access.rows_where(user, "alarm.ack"), acked_at=None)
    return Behind(parent.folded_count, rows.count(), mine.count())


def folded_now(user: Any) -> int:
    """How many standing alarms in sight are folded into others."""
    return lists.alarms(user).standing().exclude(parent=None).count()


def storms(user: Any, most: int = 20) -> list[StormNow]:
    """Storms in sight that go on, the strongest first."""
    rows = list(
        Storm.objects.visible_to(user)
        .filter(ended_at=None)
        .select_related("site")
        .order_by("-raised", "pk")[:most]
    )
    if not rows:
        return []
    recent = Alarm.objects.filter(
        site__in=[row.site_id for row in rows], raised_at__gt=clock.now() - timedelta(milliseconds=WINDOW_MS)
    )
    counted = recent.exclude(parent=None).values("site").annotate(n=Count("pk")).order_by()
    folded = {row["site"]: row["n"] for row in counted}
    return [StormNow(row, row.site, folded.get(row.site_id, 0)) for row in rows]
