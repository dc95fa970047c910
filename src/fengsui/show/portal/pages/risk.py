"""Live risk: sites and parts of the tree, worst first; each point of a site; what people declare."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists import risk as lists
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
from fengsui.show.words import say
from fengsui.stores import clock
from fengsui.warn.alarms.models import Priority
from fengsui.warn.risks import importing, services
from fengsui.warn.risks.errors import BadFact
from fengsui.warn.risks.models import FactKind

OF = (
    ("site", gettext_lazy("Sites")),
    ("enterprise", gettext_lazy("Enterprises")),
    ("park", gettext_lazy("Parks")),
    ("industry", gettext_lazy("Industries")),
    ("county", gettext_lazy("Counties")),
    ("city", gettext_lazy("Cities")),
    ("province", gettext_lazy("Provinces")),
)


@require_safe
@page("risk.view")
def risk_list(request: HttpRequest) -> HttpResponse:
    of = choice(request, "of", [key for key, _words in OF], "site")
    level = choice(request, "level", [str(number) for number in Priority.values])
    filters = {"q": request.GET.get("q", "")[:80]}
    context: dict[str, Any] = {
        "of": of,
        "kinds": OF,
        "level": level,
        "levels": Priority.choices,
        "filters": filters,
        "filtered": bool(level or filters["q"]),
        "weights": services.in_force(),
        "may_declare": access.may(request.user, "risk.declare"),
    }
    if of == "site":
        found = lists.risk_page(
            request.user,
            level=int(level) if level else None,
            q=filters["q"],
            cursor=request.GET.get("cursor"),
        )
        context |= {"rows": found.items, "next": next_url(request, found), "first": first_url(request)}
    else:
        context["nodes"] = lists.tree(request.user, of)[:500]
    return show(request, "risk", context, part="parts/risk_list")


@require_safe
@page("risk.view")
def risk_map(request: HttpRequest) -> HttpResponse:
    """The cloud map; without a map, the same moment as a table."""
    return show(request, "risk_map", {"wall": request.GET.get("look") == "wall"})


@require_safe
@page("risk.view")
def site_risk(request: HttpRequest, code: str) -> HttpResponse:
    risk = one_or_404(lists.risks(request.user), site__code=code)
    weights = services.in_force()
    now = clock.now()
    context = {
        "risk": risk,
        "site": risk.site,
        "lines": lists.explained(request.user, risk, weights),
        "neighbours": lists.neighbours(request.user, risk),
        "facts": lists.facts(request.user)
        .filter(site=risk.site, withdrawn_at=None)
        .exclude(ends_at__lte=now)[:100],
        "changes": lists.changes(request.user).filter(site=risk.site)[:50],
        "weights": weights,
        "is_behind": risk.weights_sha256 != weights.sha256,
        "kinds": FactKind.choices,
        "may_declare": access.may(request.user, "risk.declare", risk.site.org_path),
    }
    return show(request, "site_risk", context)


@require_POST
@page("risk.declare")
def fact_new(request: HttpRequest, code: str) -> HttpResponse:
    risk = one_or_404(lists.risks(request.user), site__code=code)
    begins, ends = request.POST.get("begins_at", ""), request.POST.get("ends_at", "")
    try:
        begins_at = instant(begins) if begins else clock.now()
        ends_at = instant(ends) if ends else None
        if begins_at is None or (ends and ends_at is None):
            raise BadFact(_("This is no time."))
        services.declare(
            request.user,
            risk.site,
            request.POST.get("kind", ""),
            begins_at,
            ends_at,
            request.POST.get("source", ""),
        )
        messages.success(request, _("Declared; the index follows in a moment."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/risk/sites/{risk.site.code}/")


@require_POST
@page("risk.declare")
def facts_import(request: HttpRequest) -> HttpResponse:
    """Facts from a file: checked, or declared all together."""
    file, report, problem = request.FILES.get("file"), None, ""
    try:
        if file is None:
            problem = _("Choose a file.")
        else:
            raw = file.read(importing.MAX_BYTES + 1)
            report = importing.import_facts(request.user, raw, dry_run=request.POST.get("deed") != "import")
    except FengsuiError as error:
        problem = say(error)
    bad = bool(problem or (report and report.bad))
    context = {"report": report, "problem": problem, "shown": report.bad[:500] if report else []}
    return show(request, "risk_facts", context, status=422 if bad else 200)


@require_POST
@page("risk.declare")
def fact_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    fact = one_or_404(lists.facts(request.user), pk=pk)
    try:
        services.withdraw(request.user, fact)
        messages.success(request, _("Withdrawn; the row stays in the record."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/risk/sites/{fact.site.code}/")
