"""Sites with their state: the worst standing alarm and how fresh their data is."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from fengsui.sense.devices.models import Datastream, Site, SiteStatus
from fengsui.show.lists import grams
from fengsui.show.lists.freshness import freshness
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.show.portal.models import SitePeriod
from fengsui.warn.alarms.models import Alarm

ORDER = ("code",)


@dataclass(slots=True)
class SiteState:
    """A site and what a marker or a row of a list says about it.  Times in ms UTC."""

    site: Site
    observed_at: datetime.datetime | None = None
    received_at: datetime.datetime | None = None
    period_ms: int | None = None
    datastreams: int = 0
    priority: int | None = None  # of the worst standing alarm, 1 red … 4 blue
    standing: int = 0  # alarms that are shown for themselves
    folded: int = 0  # and those folded into others
    freshness: str = "never"


def sites(user: Any) -> QuerySet[Site]:
    """Every site that ``user`` sees."""
    return visible_to(Site.objects.select_related("org"), user, "site.view")


def site_page(
    user: Any, *, q: str = "", kind: str = "", org: str = "", cursor: str | None = None, size: int = 50
) -> Page[Site]:
    """Sites by code.  ``q`` is any part of code or name, ``org`` the code of an organisation (all below count)."""
    rows = sites(user)
    if kind:
        rows = rows.filter(kind=kind)
    if org:
        from fengsui.people.orgs.models import Org

        found = Org.objects.filter(code=org).first()
        rows = rows.filter(org_path__startswith=found.path) if found else rows.none()
    if q:
        rows = grams.matching(rows, q)
    return page(rows, ORDER, cursor, size)


def states(found: list[Site], at: datetime.datetime | None = None) -> list[SiteState]:
    """The state of each site of one page: three statements however many sites."""
    at = at or timezone.now()
    now_ms = int(at.timestamp() * 1000)
    out = {site.pk: SiteState(site) for site in found}
    for status in SiteStatus.objects.filter(site_id__in=out):
        state = out[status.site_id]
        state.observed_at, state.received_at = status.last_observed_at, status.last_received_at
    for row in SitePeriod.objects.filter(site_id__in=out):
        out[row.site_id].period_ms, out[row.site_id].datastreams = row.period_ms, row.datastreams
    alarms = Alarm.objects.annunciated(at).filter(site_id__in=out).values("site_id")
    shown, folded = Count("pk", filter=Q(parent=None)), Count("parent")
    for row in alarms.annotate(worst=Min("priority"), shown=shown, folded=folded).order_by():
        state = out[row["site_id"]]
        state.priority, state.standing, state.folded = row["worst"], row["shown"], row["folded"]
    for state in out.values():
        last = state.observed_at or state.received_at
        state.freshness = freshness(int(last.timestamp() * 1000) if last else None, state.period_ms, now_ms)
    return list(out.values())


def datastreams(user: Any) -> QuerySet[Datastream]:
    """Every datastream of a site that ``user`` sees."""
    rows = Datastream.objects.select_related("site", "site__org", "thing", "observed_property")
    return visible_to(rows, user, "site.view", "site__org_path")
