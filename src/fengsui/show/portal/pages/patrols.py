"""Online patrols: what waits for a look, the page of a look, draws, and what nobody looked at for long."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.loops import kinds
from fengsui.loops.models import Loop
from fengsui.people.orgs import access
from fengsui.show import words
from fengsui.show.lists import alarms as alarm_lists
from fengsui.show.lists import cameras as camera_lists
from fengsui.show.lists import commitments as commitment_lists
from fengsui.show.lists import loops as loop_lists
from fengsui.show.lists import patrols as lists
from fengsui.show.lists import readings
from fengsui.show.lists import sites as site_lists
from fengsui.show.live.hub import now_ms
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.portal.pages.sites import value_rows
from fengsui.stores import clock
from fengsui.warn.alarms.models import Priority
from fengsui.warn.patrols import services
from fengsui.warn.patrols.drawing import Candidate
from fengsui.warn.risks.models import SiteRisk

SHOWN = 200


@require_safe
@page("patrol.view")
def patrol_list(request: HttpRequest) -> HttpResponse:
    may_do = access.may(request.user, "patrol.do")
    which = choice(request, "show", ("mine", "open", "done", "dropped", "all"), "mine" if may_do else "done")
    q = request.GET.get("q", "")[:80]
    found = lists.patrol_page(
        request.user,
        mine=which == "mine",
        state=which if which in ("open", "done", "dropped") else "",
        q=q,
        cursor=request.GET.get("cursor"),
    )
    now = clock.now()
    context = {
        "which": which,
        "q": q,
        "rows": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "figures": lists.figures(request.user, *lists.month(now), now),
        "officers": lists.officers(request.user, *lists.month(now)),
        "may_do": may_do,
        "orgs": access.orgs_where(request.user, "patrol.do").exclude(kind="township").order_by("path")[:300],
        "draws": lists.draws(request.user)[:10],
    }
    return show(request, "patrols", context, part="parts/patrols_list")


@require_safe
@page("patrol.view")
def coverage(request: HttpRequest) -> HttpResponse:
    """Sites that nobody looked at for so many days."""
    text = request.GET.get("days", "30")
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 30
    rows = lists.coverage(request.user, clock.now(), days)
    context = {
        "days": days,
        "rows": [{"one": one, "may": lists.may_do(request.user, one.site)} for one in rows[:SHOWN]],
        "total": len(rows),
        "sites": lists.sites(request.user).count(),
    }
    return show(request, "patrol_coverage", context)


@require_POST
@page("patrol.do")
def draw(request: HttpRequest) -> HttpResponse:
    """Draw sites below an organisation."""
    org = one_or_404(access.orgs_where(request.user, "patrol.do"), code=request.POST.get("org", ""))
    size = request.POST.get("size", "")
    officer = request.user if request.POST.get("officer") == "me" else None
    try:
        number = int(size) if size.isascii() and size.isdecimal() and len(size) < 5 else 0
        made = services.draw_sites(request.user, org, number, officer, request.POST.get("reason", ""))
    except FengsuiError as error:
        refused(request, error)
        return redirect("/patrols/")
    return redirect(f"/patrols/draws/{made.pk}/")


@require_POST
@page("patrol.do")
def send(request: HttpRequest) -> HttpResponse:
    """Have one site looked at."""
    site = one_or_404(lists.sites(request.user), code=request.POST.get("site", ""))
    officer = request.user if request.POST.get("officer") == "me" else None
    try:
        made = services.send(request.user, site, request.POST.get("reason", ""), officer)
    except FengsuiError as error:
        refused(request, error)
        return redirect("/patrols/")
    return redirect(f"/patrols/{made.pk}/")


@require_safe
@page("patrol.do")
def draw_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What was drawn, among what, with which seed; drawn again while you look."""
    made = one_or_404(lists.draws(request.user), pk=pk)
    among = [Candidate(*row) for row in made.candidates]
    total = sum(one.weight for one in among)
    context = {
        "made": made,
        "patrols": sorted(
            lists.patrols(request.user).filter(draw=made), key=lambda one: made.chosen.index(one.site.code)
        ),
        "among": [
            {"one": one, "share": one.weight / total, "chosen": one.code in made.chosen}
            for one in sorted(among, key=lambda one: (-one.weight, one.code))[:500]
        ],
        "total": total,
        "is_true": services.is_true(made),
    }
    return show(request, "patrol_draw", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("patrol.view")
def patrol_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything of the site on one page, and what the officer says of it."""
    patrol = one_or_404(lists.patrols(request.user), pk=pk)
    typed: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        deed = request.POST.get("deed", "")
        try:
            if deed == "find":
                level = request.POST.get("level", "")
                services.find(
                    request.user, patrol, request.POST.get("what", ""), int(level) if level in "1234" and level else 0,
                    request.FILES.getlist("files"),
                )  # fmt: skip
                messages.success(request, _("Sent to the enterprise; its answer comes back to the county."))
            elif deed == "drop":
                services.drop(request.user, patrol, request.POST.get("reason", ""))
                messages.success(request, _("Dropped; it stays in the record."))
            else:
                services.end(request.user, patrol, _answers(request), request.POST.get("note", ""))
                messages.success(request, _("Done."))
            return redirect(f"/patrols/{patrol.pk}/")
        except FengsuiError as error:
            refused(request, error)
            typed, status = {"answers": _answers(request), "note": request.POST.get("note", "")}, 422
            typed["what"] = request.POST.get("what", "")
    return show(request, "patrol", _context(request, patrol, typed), status=status)


def _answers(request: HttpRequest) -> dict[str, dict[str, str]]:
    return {
        item: {"state": request.POST.get(f"s-{item}", ""), "note": request.POST.get(f"n-{item}", "")}
        for item in services.ITEMS
    }


def _context(request: HttpRequest, patrol: Any, typed: dict[str, Any]) -> dict[str, Any]:
    site, now = patrol.site, clock.now()
    is_open = patrol.done_at is None and patrol.dropped_at is None
    answers = patrol.answers or typed.get("answers") or {}
    found = services.findings(patrol)
    known = loop_lists.definitions(found)
    context: dict[str, Any] = {
        "patrol": patrol,
        "site": site,
        "is_open": is_open,
        "may_do": lists.may_do(request.user, site),
        "typed": typed,
        "items": [
            {
                "key": item,
                "words": label,
                "state": (answers.get(item) or {}).get("state", ""),
                "note": (answers.get(item) or {}).get("note", ""),
            }
            for item, label in services.ITEMS.items()
        ],
        "states": list(services.STATES.items()),
        "findings": [
            {
                "loop": loop,
                "step": words.loop_step(known[loop.pk], loop.step),
                "overdue": bool(loop.closed_at is None and loop.due_at and loop.due_at < now),
            }
            for loop in found
        ],
        "limits": _limits(),
    }
    if not is_open:
        return context
    streams = list(site.datastreams.filter(is_active=True).select_related("thing").order_by("code"))
    latest = readings.latest(site.pk, [s.pk for s in streams], now_ms())
    alarms = alarm_lists.alarm_page(request.user, alarm_lists.Filters(standing=True, site=site.code))
    overdue = Loop.objects.visible_to(request.user).overdue(now).filter(org_path__startswith=site.org_path)
    mine = commitment_lists.commitments(request.user).filter(site=site)
    return context | {
        "state": site_lists.states([site])[0],
        "rows": value_rows(streams, latest, now_ms()),
        "alarms": alarms.items,
        "more_alarms": alarms.next is not None,
        "commitment": mine.filter(day=timezone.localdate(now)).order_by("-number").first(),
        "cameras": camera_lists.of_site(request.user, site),
        "cameras_site": site,
        "overdue": overdue.order_by("due_at")[:20],
        "risk": SiteRisk.objects.filter(site=site).first(),
        "last": lists.patrols(request.user)
        .filter(site=site, done_at__isnull=False)
        .order_by("-done_at")
        .first(),
    }


def _limits() -> list[tuple[int, str, int]]:
    """Level, its name, and seconds until the enterprise has to answer."""
    definition = kinds.in_force(kinds.current(services.KIND))
    step = definition.step(definition.start)
    return [(level, str(label), step.limit(level) or 0) for level, label in Priority.choices]
