"""Scorecards: how alarms did in a quarter, by county, site, rule or kind; and what happened, to be recorded."""

import csv
import io
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
from fengsui.show.lists.scorecard import Score, of_county, scorecard
from fengsui.show.portal.pages.page import choice, instant, one_or_404, page, refused, show
from fengsui.stores import clock
from fengsui.warn.alarms import occurrences
from fengsui.warn.alarms.models import Alarm, Occurrence

BY = ("county", "organisation", "site", "rule", "kind")
QUARTERS = 8  # offered, the running one first
SHOWN = 500  # lines of the table; the download has all
# Targets per operator position, from memory of EEMUA 191 and ISA-18.2 / IEC 62682; the page says so.
TARGETS = {"per_day": "150", "per_10_min": "1", "peak": "10", "flood": "1 %", "chattering": "0", "stale": "5"}


@require_safe
@page("alarm.view")
def scorecards(request: HttpRequest) -> HttpResponse:
    """The figures of one quarter; ``?format=csv`` is the same as a file."""
    offered = _quarters(timezone.localdate())
    quarter = choice(request, "quarter", dict(offered), offered[0][0])
    by = choice(request, "by", BY, "county")
    site = request.GET.get("site", "")[:64]
    alarms = Alarm.objects.visible_to(request.user)
    happened = Occurrence.objects.visible_to(request.user)
    if site:
        alarms, happened = alarms.filter(site__code=site), happened.filter(site__code=site)
    county = request.GET.get("county", "")[:64]
    if county:
        alarms, happened = of_county(alarms, county), of_county(happened, county, "site__org_path")
    from_ms, to_ms = _span(quarter)
    scores = scorecard(alarms, from_ms, min(to_ms, clock.now_ms()), by, happened)
    if request.GET.get("format") == "csv":
        return _file(scores, f"scorecard-{quarter}-{by}.csv")
    rows = happened.filter(at__gte=_at(from_ms), at__lt=_at(to_ms)).select_related("site").order_by("-at")
    context = {
        "scores": scores[:SHOWN],
        "more": max(len(scores) - SHOWN, 0),
        "quarters": offered,
        "filters": {"quarter": quarter, "by": by, "site": site, "county": county},
        "by_words": _by_words(),
        "targets": TARGETS,
        "occurrences": rows[:100],
        "may_record": access.may(request.user, "loop.act"),
        "drill": {"county": "site", "organisation": "site", "site": "rule"}.get(by, ""),
    }
    return show(request, "scorecards", context)


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
    return list(zip(BY, words, strict=True))


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


def _file(scores: list[Score], name: str) -> HttpResponse:
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(
        [
            "of",
            "alarms",
            "per_day",
            "per_10_min",
            "peak_10_min",
            "flood_share",
            "chattering",
            "stale",
            "standing",
            "top_share",
            "real",
            "false",
            "test",
            "warned",
            "missed",
            "hit_rate",
            "false_alarm_ratio",
            "lead_s",
            "median_ack_s",
            "p90_ack_s",
        ]
    )
    for score in scores:
        b, v = score.burden, score.verdicts
        of = " ".join(score.of)
        rows.writerow(
            [
                "'" + of if of[:1] in ("=", "+", "-", "@") else of,  # a spreadsheet would take it for a formula
                b.alarms, b.per_day, b.per_10_min, b.peak_10_min, b.flood_share, b.chattering, b.stale, b.standing,
                b.top_share, v.real, v.false, v.test, v.warned, v.missed, v.hit_rate, v.false_alarm_ratio, v.lead_s,
                score.median_ack_s, score.p90_ack_s,
            ]
        )  # fmt: skip
    answer = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
