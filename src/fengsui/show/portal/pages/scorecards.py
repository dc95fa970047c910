"""Scorecards: how alarms did in a quarter, by county, site, rule or kind; and what happened, to be recorded."""

from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.show.lists import scorecard_files as files
from fengsui.show.lists.scorecard import GROUPS, Card, in_sight
from fengsui.show.portal.pages.page import choice, instant, one_or_404, page, refused, show
from fengsui.stores import clock
from fengsui.warn.alarms import figures, occurrences
from fengsui.warn.alarms.models import ALARM_KINDS, Occurrence

QUARTERS = 8  # offered, the running one first
SHOWN = 500  # lines of the table; the download has all
COLOURS = ("red", "orange", "yellow", "blue")  # priority 1 to 4


@require_safe
@page("alarm.view")
def scorecards(request: HttpRequest) -> HttpResponse:
    """The figures of one quarter; ``?format=csv`` is the same as a file."""
    offered = _quarters(timezone.localdate())
    quarter = choice(request, "quarter", dict(offered), offered[0][0])
    by = choice(request, "by", GROUPS, "county")
    site = request.GET.get("site", "")[:64]
    county = request.GET.get("county", "")[:64]
    sites, happened = in_sight(request.user, site, county)
    from_ms, to_ms = _span(quarter)
    figures_now = figures.in_force()
    card = Card.of(sites, from_ms, min(to_ms, clock.now_ms()), by, happened, figures_now.limits)
    form = request.GET.get("format")
    if form in ("csv", "xlsx"):
        return _file(card, f"scorecard-{quarter}-{by}", form, figures_now)
    scores = card.scores(SHOWN)
    rows = happened.filter(at__gte=_at(from_ms), at__lt=_at(to_ms)).select_related("site").order_by("-at")
    aims = figures_now.values
    context = {
        "scores": scores,
        "more": max(len(card) - SHOWN, 0),
        "quarters": offered,
        "filters": {"quarter": quarter, "by": by, "site": site, "county": county},
        "by_words": _by_words(),
        "aims": aims,
        "figures": figures_now,
        "whole": card.whole() if len(card) else None,
        "priorities": [
            (level, n, share, aims[f"{name}_percent"])
            for (level, n, share), name in zip(card.priorities(), COLOURS, strict=True)
        ],
        "contributors": card.contributors(),
        "kinds": dict(ALARM_KINDS),
        "may_define": figures.may_define(request.user),
        "definitions": [(name, v[3], aims[name], v[1], v[2]) for name, v in figures.VALUES.items()],
        "occurrences": rows[:100],
        "may_record": access.may(request.user, "loop.act"),
        "drill": {"county": "site", "organisation": "site", "site": "rule"}.get(by, ""),
    }
    return show(request, "scorecards", context)


@require_POST
@page("rule.edit")
def figures_define(request: HttpRequest) -> HttpResponse:
    """Other definitions and aims, for everybody."""
    try:
        values = {name: float(request.POST[name]) for name in figures.VALUES if name in request.POST}
        figures.define(request.user, values, request.POST.get("reason", ""))
        messages.success(request, _("Saved. All scorecards go by it from now on."))
    except ValueError:
        messages.error(request, _("Write numbers."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/scorecards/")


@require_POST
@page("alarm.view")
def occurrence_new(request: HttpRequest) -> HttpResponse:
    """Keep what happened at a site."""
    site = one_or_404(
        Site.objects.filter(access.rows_where(request.user, "site.view")), code=request.POST.get("site", "")
    )
    at = instant(request.POST.get("at", ""))
    if at is None:
        messages.error(request, _("Say when it happened."))
        return redirect("/scorecards/")
    try:
        occurrences.record(request.user, site, at, request.POST.get("what", ""))
        messages.success(request, _("Recorded. The alarms of this quarter are scored against it."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/scorecards/")


@require_POST
@page("alarm.view")
def occurrence_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """It was recorded by mistake."""
    row = one_or_404(Occurrence.objects.visible_to(request.user).select_related("site"), pk=pk)
    try:
        occurrences.withdraw(request.user, row, request.POST.get("reason", ""))
        messages.success(request, _("Withdrawn. It stays in the history."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/scorecards/")


def _by_words() -> list[tuple[str, Any]]:
    words = (_("County"), _("Organisation"), _("Site"), _("Rule"), _("Kind"))
    return list(zip(GROUPS, words, strict=True))


def _quarters(today: date) -> list[tuple[str, str]]:
    year, quarter = today.year, (today.month - 1) // 3 + 1
    found = []
    for _n in range(QUARTERS):
        found.append((f"{year}-Q{quarter}", _("%(year)s, quarter %(n)s") % {"year": year, "n": quarter}))
        year, quarter = (year, quarter - 1) if quarter > 1 else (year - 1, 4)
    return found


def _span(quarter: str) -> tuple[int, int]:
    year, n = int(quarter[:4]), int(quarter[-1])
    ends = ((year, 3 * n - 2), (year + n // 4, 3 * n % 12 + 1))
    begin, end = (timezone.make_aware(datetime(y, m, 1)) for y, m in ends)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, timezone.get_current_timezone())


def _file(card: Card, name: str, form: str, figures_now: figures.Figures) -> HttpResponse:
    data = files.as_csv(card) if form == "csv" else files.as_xlsx(card, figures_now)
    answer = HttpResponse(data, content_type=files.TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer
