"""The quarantine, where a data steward corrects, replays or dismisses; and the loss ledger."""

import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.base.quality import REFUSED
from fengsui.govern.ledger.models import Boundary
from fengsui.govern.ledger.services import totals
from fengsui.govern.quarantine import services
from fengsui.govern.quarantine.models import Held
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.show import words
from fengsui.show.lists import govern as lists
from fengsui.show.portal.forms import CorrectionForm
from fengsui.show.portal.pages.page import (
    choice,
    first_url,
    instant,
    next_url,
    one_or_404,
    page,
    refused,
    show,
)

SPANS = {"1": 1, "6": 6, "24": 24, "168": 168}  # hours


@require_safe
@page("quarantine.view")
def quarantine(request: HttpRequest) -> HttpResponse:
    filters = _filters(request)
    found = lists.held_page(request.user, filters, request.GET.get("cursor"))
    sites = lists.sites_of(found.items)
    context = {
        "rows": [{"held": row, "site": sites.get(row.site_id)} for row in found.items],
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": filters,
        "reason": "" if filters.reason is None else str(filters.reason),
        "since": request.GET.get("since", "") if filters.since else "",
        "until": request.GET.get("until", "") if filters.until else "",
        "reasons": [(str(int(r)), words.reason(r)) for r in sorted(REFUSED)],
        "statuses": Held.Status.choices,
        "filtered": request.GET.urlencode() not in ("", "status=held"),
        "may_resolve": filters.status == "held" and access.may(request.user, "quarantine.resolve"),
        "form": CorrectionForm(),
    }
    return show(request, "quarantine", context, part="parts/quarantine_list")


@require_safe
@page("quarantine.view")
def held_detail(request: HttpRequest, pk: int) -> HttpResponse:
    row = one_or_404(lists.held(request.user, lists.HeldFilters(status="")), pk=pk)
    site = lists.sites_of([row]).get(row.site_id)
    return show(request, "held", _held_context(request, row, site, CorrectionForm()))


@require_POST
@page("quarantine.view")
def resolve(request: HttpRequest) -> HttpResponse:
    """Replay or dismiss what was chosen: ``ids``, or everything that matches the filters of the address."""
    if request.POST.get("scope") == "all":
        rows = lists.held(request.user, _filters(request))
    else:
        ids = [int(pk) for pk in request.POST.getlist("ids") if pk.isdecimal() and len(pk) < 19]
        rows = lists.held(request.user, lists.HeldFilters()).filter(pk__in=ids)
    form = CorrectionForm(request.POST)
    single = request.POST.get("single", "")
    target = f"/quarantine/{single}/" if single.isdecimal() else "/quarantine/?" + request.GET.urlencode()
    if not form.is_valid():
        for field, errors in form.errors.items():
            label = form.fields[field].label if field in form.fields else ""
            messages.error(request, f"{label}: {' '.join(map(str, errors))}")
        return _again(request, single, form)
    try:
        # no select_related: the rows are locked, and a nullable join cannot be
        if request.POST.get("deed") == "dismiss":
            done = services.dismiss(request.user, rows.select_related(None), form.cleaned_data["note"])
            said = ngettext("%(n)d reading dismissed.", "%(n)d readings dismissed.", done.rows)
        else:
            correction = services.Correction(**form.correction())
            done = services.replay(
                request.user, rows.select_related(None), correction, form.cleaned_data["note"]
            )
            said = ngettext("%(n)d reading is sent again.", "%(n)d readings are sent again.", done.rows)
    except FengsuiError as error:
        refused(request, error)
        return _again(request, single, form)
    messages.success(request, said % {"n": done.rows})
    return redirect(target)


def _again(request: HttpRequest, single: str, form: CorrectionForm) -> HttpResponse:
    """Back to where it was asked; what was typed for one reading is kept."""
    if single.isdecimal() and len(single) < 19:
        row = one_or_404(lists.held(request.user, lists.HeldFilters(status="")), pk=int(single))
        site = lists.sites_of([row]).get(row.site_id)
        return show(request, "held", _held_context(request, row, site, form), status=422)
    return redirect("/quarantine/?" + request.GET.urlencode())


def _held_context(request: HttpRequest, row: Held, site: Any, form: CorrectionForm) -> dict[str, Any]:
    streams = Datastream.objects.filter(site_id=row.site_id, is_active=True).order_by("code")[:500]
    form.offer(streams)
    return {
        "held": row,
        "site": site,
        "form": form,
        "may_resolve": row.status == Held.Status.HELD
        and access.may(request.user, "quarantine.resolve", row.org_path),
    }


def _filters(request: HttpRequest) -> lists.HeldFilters:
    reason = choice(request, "reason", [str(int(r)) for r in REFUSED])
    return lists.HeldFilters(
        status=choice(request, "status", Held.Status.values, "held"),
        reason=int(reason) if reason else None,
        site=request.GET.get("site", "")[:64],
        source=request.GET.get("source", "")[:80],
        since=instant(request.GET.get("since", "")),
        until=instant(request.GET.get("until", "")),
    )


@require_safe
@page("ledger.view")
def ledger(request: HttpRequest) -> HttpResponse:
    hours = SPANS[choice(request, "hours", SPANS, "1")]
    which = choice(request, "show", ("all", "unbalanced"), "all")
    source = request.GET.get("source", "")[:80]
    now = timezone.now()
    found = lists.ledger_page(
        request.user,
        now - datetime.timedelta(hours=hours),
        now,
        source=source,
        unbalanced_only=which == "unbalanced",
        cursor=request.GET.get("cursor"),
    )
    sums = totals(found.entries)
    context = {
        "entries": found.entries,
        "totals": [(Boundary(name).label, count) for name, count in sums.items()],
        "next": next_url(request, found),
        "first": first_url(request),
        "hours": str(hours),
        "spans": [
            ("1", _("Last hour")),
            ("6", _("Last 6 hours")),
            ("24", _("Last day")),
            ("168", _("Last week")),
        ],
        "which": which,
        "source": source,
    }
    return show(request, "ledger", context, part="parts/ledger_list")
