"""Trend reports: those in sight, making one, orders, one report as a page, its files, sending it."""

import datetime

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists.keyset import Page
from fengsui.show.lists.keyset import page as keyset
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.reports import papers, services
from fengsui.show.reports.models import Period, ReportOrder, TrendReport
from fengsui.stores import clock

RECENT = ("-made_at", "-id")


@require_safe
@page("report.view")
def report_list(request: HttpRequest) -> HttpResponse:
    period = choice(request, "period", Period.values)
    rows = TrendReport.objects.visible_to(request.user).select_related("org").defer("figures")
    if period:
        rows = rows.filter(period=period)
    found: Page[TrendReport] = keyset(rows, RECENT, request.GET.get("cursor"))
    context = {
        "rows": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "period": period,
        "periods": Period.choices,
        "orgs": access.orgs_where(request.user, "report.make")
        .exclude(kind="township")
        .order_by("path")[:300],
        "orders": ReportOrder.objects.visible_to(request.user).filter(stopped_at=None).select_related("org"),
        "may_order": access.may(request.user, "report.order"),
        "today": timezone.localdate(clock.now()),
        "yesterday": timezone.localdate(clock.now()) - datetime.timedelta(days=1),
        "has_mail": bool(settings.EMAIL_HOST),
    }
    return show(request, "reports", context, part="parts/reports_list")


@require_POST
@page("report.make")
def make(request: HttpRequest) -> HttpResponse:
    org = one_or_404(access.orgs_where(request.user, "report.make"), code=request.POST.get("org", ""))
    try:
        day = parse_date(request.POST.get("day", ""))
    except ValueError:
        day = None
    try:
        row = services.make(
            request.user, org, request.POST.get("period", ""), day or timezone.localdate(clock.now()),
            "zh-hans" if (get_language() or "zh").startswith("zh") else "en",
        )  # fmt: skip
    except FengsuiError as error:
        refused(request, error)
        return redirect("/reports/")
    return redirect(f"/reports/{row.pk}/")


@require_POST
@page("report.order")
def order(request: HttpRequest) -> HttpResponse:
    org = one_or_404(access.orgs_where(request.user, "report.order"), code=request.POST.get("org", ""))
    try:
        services.order(
            request.user, org, request.POST.get("period", ""), request.POST.get("recipients", ""),
            "zh-hans" if (get_language() or "zh").startswith("zh") else "en",
        )  # fmt: skip
        messages.success(request, _("Ordered: it is made when the period is over."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/reports/")


@require_POST
@page("report.order")
def order_stop(request: HttpRequest, pk: int) -> HttpResponse:
    row = one_or_404(ReportOrder.objects.visible_to(request.user).select_related("org"), pk=pk)
    try:
        services.stop(request.user, row)
        messages.success(request, _("Stopped."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/reports/")


@require_safe
@page("report.view")
def report_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The blocks of the paper, in the language of the reader."""
    row = one_or_404(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    language = "zh-hans" if (get_language() or "zh").startswith("zh") else "en"
    context = {
        "row": row,
        "title": papers.title(row.figures, language),
        "blocks": _numbered(papers.blocks(row.figures, language, services.outlines(row.org))),
        "mails": row.mails.all(),
        "may_send": access.may(request.user, "report.make", row.org),
        "has_mail": bool(settings.EMAIL_HOST),
    }
    return show(request, "report", context)


@require_safe
@page("report.view")
def picture(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One picture of a report, an SVG of ours: served as an image, so that nothing in it could run."""
    row = one_or_404(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    made = papers.blocks(row.figures, get_language() or "zh-hans", services.outlines(row.org))
    pictures = [block for block in made if block["kind"] == "picture"]
    if not 1 <= number <= len(pictures):
        raise Http404
    block = pictures[number - 1]
    response = HttpResponse(block["svg"], content_type="image/svg+xml")
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _numbered(blocks: list[papers.Block]) -> list[papers.Block]:
    """Pictures know which they are, from 1."""
    n = 0
    for block in blocks:
        if block["kind"] == "picture":
            n += 1
            block["number"] = n
    return blocks


@require_safe
@page("report.view")
def file(request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
    """The PDF or the Word file as it was made."""
    row = one_or_404(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    stored, kind = (row.pdf, "application/pdf") if ending == "pdf" else (row.docx, services.DOCX)
    name = services.file_name(row, ending)
    try:
        return FileResponse(stored.open("rb"), as_attachment=True, filename=name, content_type=kind)
    except FileNotFoundError:
        messages.error(request, _("The file is not on this machine; make the report again."))
        return redirect(f"/reports/{row.pk}/")


@require_POST
@page("report.make")
def send(request: HttpRequest, pk: int) -> HttpResponse:
    row = one_or_404(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    try:
        n = services.send(request.user, row, request.POST.get("recipients", ""))
        messages.success(request, _("On its way to %(n)s addresses.") % {"n": n})
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/reports/{row.pk}/")
