"""Trend reports: the list, the figures of one, its files, making one."""

from datetime import date
from typing import Any, Literal

from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router, Schema

from fengsui.people.orgs import access
from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.lists.keyset import Page
from fengsui.show.lists.keyset import page as keyset
from fengsui.show.reports import services
from fengsui.show.reports.models import TrendReport

router = Router(tags=["reports"])


class ReportOut(Schema):
    id: int
    org: str
    period: str
    begin: str
    made_ms: int
    by: str
    language: str
    by_order: bool
    pdf_sha256: str
    docx_sha256: str


class ReportPage(Schema):
    items: list[ReportOut]
    next: str | None


class FullReportOut(ReportOut):
    figures: dict[str, Any]


class ReportIn(Schema):
    org: str
    period: Literal["day", "week", "month"]
    day: date
    language: Literal["zh-hans", "en"] = "zh-hans"


@router.get("reports", response=ReportPage)
def list_reports(
    request: HttpRequest, period: str = "", org: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """The newest first."""
    rows = TrendReport.objects.visible_to(request.user).select_related("org").defer("figures")
    if period:
        rows = rows.filter(period=period)
    if org:
        rows = rows.filter(org__code=org)
    found: Page[TrendReport] = keyset(rows, ("-made_at", "-id"), cursor or None, size)
    return {"items": [_report(row) for row in found.items], "next": found.next}


@router.get("reports/{int:pk}", response=FullReportOut)
def get_report(request: HttpRequest, pk: int) -> dict[str, Any]:
    """A report with its figures as plain data."""
    row = one(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    return _report(row) | {"figures": row.figures}


@router.get("reports/{int:pk}/file", response={200: bytes})
def get_file(request: HttpRequest, pk: int, form: Literal["pdf", "docx"] = "pdf") -> HttpResponseBase:
    """The file as it was made."""
    row = one(TrendReport.objects.visible_to(request.user).select_related("org"), pk=pk)
    stored, kind = (row.pdf, "application/pdf") if form == "pdf" else (row.docx, services.DOCX)
    try:
        opened = stored.open("rb")
    except FileNotFoundError:
        raise NotFound from None
    return FileResponse(opened, as_attachment=True, filename=services.file_name(row, form), content_type=kind)


@router.post("reports", response=FullReportOut)
def make(request: HttpRequest, body: ReportIn) -> dict[str, Any]:
    """Make the report of the day, week or month that holds ``day``."""
    org = one(access.orgs_where(request.user, "report.make"), code=body.org)
    row = services.make(request.user, org, body.period, body.day, body.language)
    return _report(row) | {"figures": row.figures}


def _report(row: TrendReport) -> dict[str, Any]:
    return {
        "id": row.pk,
        "org": row.org.code,
        "period": row.period,
        "begin": row.begin.isoformat(),
        "made_ms": round(row.made_at.timestamp() * 1000),
        "by": row.actor_name,
        "language": row.language,
        "by_order": row.by_order,
        "pdf_sha256": row.pdf_sha256,
        "docx_sha256": row.docx_sha256,
    }
