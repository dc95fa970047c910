"""Safety commitments: the day with its missing ones, the form of a site, the notice, and who must commit by when."""

import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_time
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site, SiteKind
from fengsui.show.lists import commitments as lists
from fengsui.show.lists import readings
from fengsui.show.live.hub import now_ms
from fengsui.show.portal import commitment_forms as forms
from fengsui.show.portal.pages.page import choice, one_or_404, page, refused, show
from fengsui.show.words import say
from fengsui.stores import clock
from fengsui.warn.commitments import knowing, services
from fengsui.warn.commitments.errors import BadCommitment, NotExplained
from fengsui.warn.commitments.models import GRADES, Commitment, Obligation
from fengsui.warn.commitments.obliged import Book
from fengsui.warn.commitments.said import WORKS, label

SHOWN = 200


@require_safe
@page("commitment.view")
def day_list(request: HttpRequest) -> HttpResponse:
    """Every obliged site of a day, the missing first; counts follow by themselves."""
    now = clock.now()
    today = timezone.localdate(now)
    day = _day(request, today)
    state = choice(request, "state", lists.STATES)
    filters = {"q": request.GET.get("q", "")[:80], "county": request.GET.get("county", "")[:64]}
    everything = lists.day_of(request.user, day, now)
    lines = lists.day_of(request.user, day, now, **filters) if any(filters.values()) else everything
    kept = [line for line in lines if not state or line.state == state]
    at = _number(request.GET.get("from", ""))
    context = {
        "day": day,
        "is_today": day == today,
        "before": day - datetime.timedelta(days=1),
        "after": day + datetime.timedelta(days=1) if day < today else None,
        "today": today,
        "figures": lists.figures(everything),
        "counties": lists.by_county(everything),
        "lines": kept[at : at + SHOWN],
        "next": _query(request, at + SHOWN) if len(kept) > at + SHOWN else "",
        "first": _query(request, 0) if at else "",
        "states": list(lists.STATES.items()),
        "state": state,
        "filters": filters,
        "filtered": bool(state or any(filters.values())),
        "mine": [
            line for line in everything if access.may(request.user, "commitment.give", line.site.org_path)
        ][:20]
        if day == today
        else [],
        "may_oblige": access.may(request.user, "commitment.oblige"),
        "is_on": bool(everything) or bool(Book()),
    }
    return show(request, "commitments", context, part="parts/commitments_day")


@require_http_methods(["GET", "HEAD", "POST"])
@page("commitment.view")
def site_commitment(request: HttpRequest, code: str) -> HttpResponse:
    """Today's form for who may give it, what holds today, and the days before."""
    site = one_or_404(lists.sites(request.user), code=code)
    book = Book()
    today = timezone.localdate(clock.now())
    row = services.current(site, today)
    may_give = access.may(request.user, "commitment.give", site.org_path) and book.is_obliged(site)
    values: dict[str, Any] = services.offered(site, today)
    problems: list[tuple[str, str]] = []
    doubts: list[dict[str, str]] = []
    typed_reason, refusal = "", ""
    if request.method == "POST":
        values, words = forms.typed(request.POST), forms.explained(request.POST)
        typed_reason = request.POST.get("reason", "")
        try:
            made = services.give(request.user, site, values, words, typed_reason, _latest(site))
            messages.success(
                request,
                _("Given: version %(n)s of today. It cannot be changed any more, only amended.")
                % {"n": made.number},
            )
            return redirect(f"/commitments/{made.pk}/")
        except NotExplained:
            found = services.judge(site, values, _latest(site))[2]
            doubts = [{"key": one.key, "words": one.words, "typed": words.get(one.key, "")} for one in found]
        except BadCommitment as error:
            problems = error.problems
        except FengsuiError as error:
            refusal = say(error)
    context = {
        "site": site,
        "row": row,
        "terms": book.terms(site.org_path),
        "is_obliged": book.is_obliged(site),
        "deadline_at": book.terms(site.org_path).deadline_at(today),
        "is_over": clock.now() > book.terms(site.org_path).deadline_at(today),
        "may_give": may_give,
        "open_form": may_give and (row is None or request.method == "POST" or "amend" in request.GET),
        "form": forms.fields(values, dict(problems)),
        "values": values,
        "things": list(site.things.filter(is_active=True).order_by("code")),
        "grades": GRADES,
        "problems": problems,
        "doubts": doubts,
        "refusal": refusal,
        "typed_reason": typed_reason,
        "history": lists.commitments(request.user).filter(site=site).order_by("-day", "-number")[:60],
        "missed": lists.missing(request.user).filter(site=site, given_at=None)[:30],
        **({"said": _said(row)} if row else {}),
    }
    return show(request, "commitment_site", context, status=422 if problems or doubts or refusal else 200)


@require_safe
@page("commitment.view")
def commitment_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One version as it was given."""
    row = one_or_404(lists.commitments(request.user), pk=pk)
    versions = lists.commitments(request.user).filter(site=row.site, day=row.day).order_by("-number")
    context = {
        "row": row,
        "site": row.site,
        "said": _said(row),
        "versions": versions,
        "is_whole": services.digest(row) == row.sha256,
        "may_amend": row.day == timezone.localdate(clock.now())
        and access.may(request.user, "commitment.give", row.site.org_path),
    }
    return show(request, "commitment", context)


@require_safe
@page("commitment.view")
def notice(request: HttpRequest, code: str) -> HttpResponse:
    """The notice 安全承诺公告 as it hangs at the gate."""
    return _notice(request, one_or_404(lists.sites(request.user), code=code))


@require_safe
def public_notice(request: HttpRequest, code: str) -> HttpResponse:
    """The same without logging in, where the bureau wants it so; elsewhere it does not exist."""
    site = Site.objects.filter(code=code, is_active=True).select_related("org").first()
    if site is None or "\0" in code:
        raise Http404
    book = Book()
    if not (book.terms(site.org_path).is_public and book.is_obliged(site)):
        raise Http404
    return _notice(request, site)


@require_http_methods(["GET", "HEAD", "POST"])
@page("commitment.oblige")
def obligations(request: HttpRequest) -> HttpResponse:
    """Who must commit by when, with its history."""
    orgs = access.orgs_where(request.user, "commitment.oblige")
    if request.method == "POST":
        org = one_or_404(orgs, code=request.POST.get("org", ""))
        try:
            deadline = parse_time(request.POST.get("deadline", ""))
        except ValueError:
            deadline = None
        try:
            if deadline is None:
                raise BadCommitment([("deadline", _("Write the time as 10:00."))])
            services.oblige(
                request.user, org, deadline=deadline, kinds_of_sites=request.POST.getlist("kinds"),
                with_hazards=bool(request.POST.get("with_hazards")), is_public=bool(request.POST.get("is_public")),
                reason=request.POST.get("reason", ""),
            )  # fmt: skip
            messages.success(request, _("It holds from now on."))
        except FengsuiError as error:
            refused(request, error)
        return redirect("/commitments/obligations/")
    kinds = dict(SiteKind.choices)
    rows = Obligation.objects.select_related("org").filter(org__in=orgs)[:100]
    context = {
        "orgs": orgs.exclude(kind="township").order_by("path")[:500],
        "kinds": SiteKind.choices,
        "rows": [{"row": row, "kinds": [kinds.get(kind, kind) for kind in row.kinds]} for row in rows],
        "first": Org.objects.filter(pk__in=orgs).order_by("depth").first(),
    }
    return show(request, "commitment_obligations", context)


def _notice(request: HttpRequest, site: Site) -> HttpResponse:
    day = timezone.localdate(clock.now())
    row = services.current(site, day)
    context = {"site": site, "day": day, "row": row, "said": _said(row) if row else None}
    return render(request, "portal/pages/commitment_notice.html", context)


def _said(row: Commitment) -> dict[str, Any]:
    """A version in words."""
    said = row.said
    names = dict(row.site.things.values_list("code", "name"))
    return {
        "units": [(label(name), said[name]) for name in ("units", "running", "stopped_units", "overhaul")],
        "stopped": [names.get(code, code) for code in said["stopped"]],
        "works": [
            {
                "label": label(kind),
                "count": said["works"][kind]["count"],
                "permits": "; ".join(said["works"][kind]["permits"]),
            }
            for kind in WORKS
            if kind in said["works"]
        ],
        "others": [(label(name), said[name]) for name in ("contractors", "changes")],
        "flags": [
            (label(name), said[name])
            for name in ("start_up", "trial", "pilot", "major_danger", "responsibility")
        ],
    }


def _latest(site: Site) -> knowing.Latest:
    """The newest readings of the site's signals, also what is not committed to history yet."""
    ids = [row.datastream_id for row in knowing.signals(site)]
    if not ids:
        return {}
    found = readings.latest(site.pk, ids, now_ms())
    return {pk: (at, value) for pk, at, value in zip(found.ids, found.time_ms, found.value, strict=True)}


def _day(request: HttpRequest, today: datetime.date) -> datetime.date:
    try:
        day = parse_date(request.GET.get("day", "")) or today
    except ValueError:
        return today
    return min(day, today)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def _query(request: HttpRequest, at: int) -> str:
    query = request.GET.copy()
    query["from"] = str(at)
    return "?" + query.urlencode()
