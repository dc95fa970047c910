"""Sites: the list, one site with its datastreams and rules, its latest values."""

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest
from ninja import Router

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.api.schemas import LatestOut, SiteDetail, SitePage
from fengsui.show.lists import readings
from fengsui.show.lists import sites as lists
from fengsui.show.live.hub import now_ms
from fengsui.warn.alarms.models import Rule

router = Router(tags=["sites"])


@router.get("sites", response=SitePage)
def list_sites(
    request: HttpRequest, q: str = "", kind: str = "", org: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Sites by code, with their state.  ``q`` is a part of code or name; ``org`` an organisation's code."""
    page = lists.site_page(request.user, q=q, kind=kind, org=org, cursor=cursor, size=size)
    return {"items": [shapes.site(s) for s in lists.states(page.items)], "next": page.next}


@router.get("sites/{code}", response=SiteDetail)
def get_site(request: HttpRequest, code: str) -> dict[str, Any]:
    """One site, its things, its datastreams and the rules over them."""
    site = one(lists.sites(request.user), code=code)
    rules = Rule.objects.filter(withdrawn_at=None).order_by("priority", "kind")
    streams = (
        Datastream.objects.filter(site=site)
        .select_related("observed_property")
        .prefetch_related(Prefetch("rules", rules))
        .order_by("code")
    )
    actions = ("alarm.ack", "alarm.shelve", "rule.edit", "site.edit")
    return {
        "site": shapes.site(lists.states([site])[0]),
        "things": site.things.order_by("code"),
        "streams": [shapes.datastream(s) for s in streams],
        "may": {action: access.may(request.user, action, site.org_path) for action in actions},
    }


@router.get("sites/{code}/latest", response=LatestOut)
def get_latest(request: HttpRequest, code: str) -> dict[str, Any]:
    """The newest reading of every datastream of a site; the age is for the reader to show."""
    site = one(lists.sites(request.user), code=code)
    now = now_ms()
    ids = list(site.datastreams.values_list("pk", flat=True))
    found = readings.latest(site.pk, ids, now)
    return {
        "site": site.pk,
        "at_ms": now,
        "source": found.source,
        "ids": found.ids,
        "time_ms": found.time_ms,
        "v": [shapes.number(v) for v in found.value],
        "q": found.quality,
        "reason": found.reason,
    }
