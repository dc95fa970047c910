"""Sites: the list, the screen of one site, and the same as plain tables."""

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from fengsui.people.orgs import access
from fengsui.sense.devices.models import AssetRelation, SiteKind
from fengsui.show.lists import alarms as alarm_lists
from fengsui.show.lists import cameras as camera_lists
from fengsui.show.lists import naturals as natural_lists
from fengsui.show.lists import readings
from fengsui.show.lists import sites as lists
from fengsui.show.lists.freshness import freshness
from fengsui.show.live.hub import now_ms
from fengsui.show.portal.pages import natural
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, show
from fengsui.stores import clock
from fengsui.warn.alarms.models import Rule
from fengsui.warn.naturals import services as thresholds

RELATIONS_MOST = 200  # shown of one site; the admin has them all


@require_safe
@page("site.view")
def site_list(request: HttpRequest) -> HttpResponse:
    kind = choice(request, "kind", SiteKind.values)
    filters = {"q": request.GET.get("q", "")[:80], "kind": kind, "org": request.GET.get("org", "")[:64]}
    found = lists.site_page(request.user, **filters, cursor=request.GET.get("cursor"))
    context = {
        "sites": lists.states(found.items),
        "next": next_url(request, found),
        "first": first_url(request),
        "kinds": SiteKind.choices,
        "filters": filters,
        "filtered": any(filters.values()),
        "may_import": access.may(request.user, "site.edit"),
    }
    return show(request, "sites", context, part="parts/sites_list")


@require_safe
@page("site.view")
def site_screen(request: HttpRequest, code: str) -> HttpResponse:
    """The screen with live charts; the tables of ``site_tables`` need no JavaScript."""
    site = one_or_404(lists.sites(request.user), code=code)
    return render(request, "portal/site_screen.html", {"site": site})


@require_safe
@page("site.view")
def site_tables(request: HttpRequest, code: str) -> HttpResponse:
    site = one_or_404(lists.sites(request.user), code=code)
    rules = Rule.objects.filter(withdrawn_at=None).order_by("priority", "kind")
    streams = list(
        site.datastreams.select_related("observed_property", "thing")
        .prefetch_related(Prefetch("rules", rules))
        .order_by("code")
    )
    now = now_ms()
    latest = readings.latest(site.pk, [s.pk for s in streams], now)
    found = alarm_lists.alarm_page(request.user, alarm_lists.Filters(standing=True, site=code))
    context = {
        "state": lists.states([site])[0],
        "rows": value_rows(streams, latest, now),
        "source": latest.source,
        "alarms": found.items,
        "cameras": camera_lists.of_site(request.user, site),
        "cameras_site": site,
        "relations": AssetRelation.objects.visible_to(request.user)
        .of_site(site)
        .prefetch_related("changes")[:RELATIONS_MOST],
        "may_import": access.may(request.user, "device.edit", site.org_path),
        "by": thresholds.in_force(),
        "natural": natural.row_of(natural_lists.of_site(request.user, site, clock.now())),
        "more_alarms": found.next is not None,
        "now": timezone.now(),
        "may_rule": access.may(request.user, "rule.edit", site.org_path),
    }
    return show(request, "site_tables", context, part="parts/site_values")


def value_rows(streams: list[Any], latest: readings.Latest, now: int) -> list[dict[str, Any]]:
    """Each datastream with its newest value and how old that is."""
    places = {pk: i for i, pk in enumerate(latest.ids)}
    rows = []
    for stream in streams:
        place = places.get(stream.pk)
        at_ms = None if place is None else latest.time_ms[place]
        rows.append(
            {
                "stream": stream,
                "at_ms": at_ms,
                "value": None if place is None else latest.value[place],
                "quality": 0 if place is None else latest.quality[place],
                "reason": 0 if place is None else latest.reason[place],
                "freshness": freshness(at_ms, stream.period_ms, now),
            }
        )
    return rows
