"""Natural hazards: who is under what now and within 24 h, by division, site and hazard; the map of the next day."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from fengsui.people.orgs import access
from fengsui.show.lists import naturals as lists
from fengsui.show.portal import naturalwords
from fengsui.show.portal.pages.page import choice, first_url, one_or_404, page, show
from fengsui.stores import clock
from fengsui.warn.alarms.models import Priority
from fengsui.warn.natural import thresholds
from fengsui.warn.naturals import services
from fengsui.warn.naturals.models import ThresholdSet

OF = (
    ("hazard", gettext_lazy("Hazards")),
    ("county", gettext_lazy("Counties")),
    ("city", gettext_lazy("Cities")),
    ("enterprise", gettext_lazy("Enterprises")),
    ("site", gettext_lazy("Sites")),
)
HOURS = ("0", "6", "12", "24")


@require_safe
@page("natural.view")
def natural_list(request: HttpRequest) -> HttpResponse:
    of = choice(request, "of", [key for key, _words in OF], "hazard")
    kind = choice(request, "kind", lists.KINDS)
    level = choice(request, "level", [str(number) for number in Priority.values])
    hours = choice(request, "hours", HOURS, "24")
    filters = lists.Filters(
        request.GET.get("q", "")[:80], kind, int(level) if level else None, int(hours)
    )  # fmt: skip
    now = clock.now()
    context: dict[str, Any] = {
        "of": of,
        "tabs": OF,
        "filters": filters,
        "level": level,
        "hours": hours,
        "hour_choices": HOURS,
        "levels": Priority.choices,
        "kinds": naturalwords.KINDS.items(),
        "filtered": bool(filters.q or kind or level),
        "limits": _limits(services.in_force()),
        "now": now,
        "sources": lists.sources(request.user) if access.may(request.user, "natural.edit") else [],
    }
    if of == "site":
        items, after, _seen = lists.site_page(request.user, now, filters, request.GET.get("cursor"))
        query = request.GET.copy()
        query["cursor"] = after or ""
        context |= {
            "rows": [row_of(item) for item in items],
            "next": "?" + query.urlencode() if after else "",
            "first": first_url(request),
        }
    elif of == "hazard":
        told = lists.hazard_counts(request.user, now, filters)
        context["hazards"] = [
            {"hazard": one, "now": here, "ahead": ahead}
            | {"kind": naturalwords.KINDS[one.kind], "why": naturalwords.why(one)}
            for one, here, ahead in told
        ]
    else:
        parts = lists.parts(request.user, now, of, filters)
        context["parts"] = [
            {"part": one, "kinds": [(naturalwords.KINDS[name], worst) for name, worst in one.kinds]}
            for one in parts
        ]
    return show(request, "natural", context, part="parts/natural_list")


@require_safe
@page("natural.view")
def natural_map(request: HttpRequest) -> HttpResponse:
    return show(request, "natural_map", {"kinds": naturalwords.KINDS.items()})


@require_safe
@page("natural.view")
def site_natural(request: HttpRequest, code: str) -> HttpResponse:
    """Everything one site is under; as a part it stands on the site's own page."""
    site = one_or_404(lists.sites(request.user), code=code)
    item = lists.of_site(request.user, site, clock.now())
    context = {"row": row_of(item), "site": site, "by": services.in_force()}
    return show(request, "site_natural", context, part="parts/site_natural")


def row_of(item: lists.SiteUnder) -> dict[str, Any]:
    return {
        "site": item.site,
        "now": item.now,
        "worst": item.worst,
        "under": [
            {"one": one, "kind": naturalwords.KINDS[one.hazard.kind], "why": naturalwords.why(one.hazard)}
            for one in item.under
        ],
    }


def _limits(by: thresholds.Thresholds) -> dict[str, Any]:
    """Which table levels are found by, in words: whose, which version, since when, and what each kind rests on."""
    return {
        "by": by,
        "row": ThresholdSet.objects.first(),
        "sources": [
            (naturalwords.KINDS[kind], by.basis[kind], kind in by.from_memory) for kind in thresholds.KINDS
        ],
        "from_memory": len(by.from_memory),
        "all": len(thresholds.KINDS),
    }
