"""Major hazards: the list, a site's inventory with the identification worked step by step, and its report."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists import hazards as lists
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.reports import hazards as paper
from fengsui.show.words import say
from fengsui.warn.inventories import services
from fengsui.warn.inventories.models import GRADES


@require_safe
@page("hazard.view")
def hazard_list(request: HttpRequest) -> HttpResponse:
    grade = choice(request, "grade", [str(number) for number, _name in GRADES])
    filters = {"q": request.GET.get("q", "")[:80]}
    found = lists.hazard_page(
        request.user, grade=int(grade) if grade else None, q=filters["q"], cursor=request.GET.get("cursor")
    )
    context = {
        "rows": found.items,
        "grade": grade,
        "grades": GRADES,
        "filters": filters,
        "filtered": bool(grade or filters["q"]),
        "sites": lists.sites(request.user).filter(is_active=True)[:200],
        "next": next_url(request, found),
        "first": first_url(request),
    }
    return show(request, "hazards", context, part="parts/hazards_list")


@require_http_methods(["GET", "HEAD", "POST"])
@page("hazard.view")
def site_hazards(request: HttpRequest, code: str) -> HttpResponse:
    """The newest version, or the one that ``version`` names; a file is checked, or kept as the next version."""
    site = one_or_404(lists.sites(request.user), code=code)
    may_edit = access.may(request.user, "hazard.edit", site.org_path)
    problem, checked = "", None
    if request.method == "POST":
        file = request.FILES.get("file")
        try:
            if not may_edit:
                access.require(request.user, "hazard.edit", site.org_path, site)
            if file is None:
                problem = _("Choose a file.")
            elif request.POST.get("deed") == "import":
                kept = services.keep(
                    request.user,
                    site,
                    file.read(services.MAX_BYTES + 1),
                    file.name or "",
                    request.POST.get("note", ""),
                )
                messages.success(request, _("Kept as version %(number)s.") % {"number": kept.number})
                return redirect(f"/hazards/sites/{site.code}/")
            else:
                checked = services.check(file.read(services.MAX_BYTES + 1))
        except FengsuiError as error:
            problem = say(error)
    versions = lists.inventories(request.user).filter(site=site).order_by("-number")
    number = request.GET.get("version", "")
    which = {"number": int(number)} if number.isdecimal() and len(number) < 9 else {}
    chosen = one_or_404(versions, **which) if which else versions.first()
    run = chosen.identifications.first() if chosen is not None else None
    context: dict[str, Any] = {
        "site": site,
        "versions": versions[:50],
        "chosen": chosen,
        "run": run,
        "runs": chosen.identifications.defer("answer", "tables")[:20] if chosen is not None else [],
        "rows": chosen.rows.all()[:1000] if chosen is not None else [],
        "answer": checked.answer if checked else run.answer if run else None,
        "checked": checked,
        "problem": problem,
        "may_edit": may_edit,
        "is_newest": chosen is not None and chosen == versions.first(),
    }
    bad = bool(problem or (checked and not checked.is_readable))
    return show(request, "site_hazards", context, status=422 if bad else 200)


@require_POST
@page("hazard.view")
def again(request: HttpRequest, code: str) -> HttpResponse:
    """Identify the newest version with the tables of today."""
    site = one_or_404(lists.sites(request.user), code=code)
    newest = one_or_404(lists.inventories(request.user).order_by("-number"), site=site)
    try:
        services.identify_again(request.user, newest)
        messages.success(request, _("Identified again."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/hazards/sites/{site.code}/")


@require_safe
@page("hazard.view")
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """One identification on paper, as it was kept."""
    run = one_or_404(lists.identifications(request.user), pk=pk)
    made = run.inventory
    try:
        body = paper.make(run.answer, f"{made.site.name} · {made.source}", made.sha256, run.at)
    except FengsuiError as error:
        refused(request, error)
        return redirect(f"/hazards/sites/{made.site.code}/")
    response = HttpResponse(body, content_type="application/pdf")
    name = f"{made.site.code}-hazards-{made.number}.pdf"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
