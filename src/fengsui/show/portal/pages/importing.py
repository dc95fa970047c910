"""Import of sites, things, datastreams, devices: check first, every bad row named; nothing is half done."""

import csv
import io
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices import services
from fengsui.sense.devices.protocol_tables import TABLES
from fengsui.show.portal.pages.page import page, show
from fengsui.show.words import say

SHOWN = 500  # bad rows on the page; the download has them all
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_http_methods(["GET", "HEAD", "POST"])
@page("site.edit")
def import_page(request: HttpRequest) -> HttpResponse:
    kind = request.POST.get("kind") or request.GET.get("kind", "site")
    kind = kind if kind in TABLES else "site"
    code = request.POST.get("org", "").strip()
    tops = _tops(request.user)
    context: dict[str, Any] = {
        "kind": kind,
        "tables": list(TABLES.values()),
        "table": TABLES[kind],
        "org": code or (tops[0].code if tops else ""),
        "tops": tops,
    }
    if request.method != "POST":
        return show(request, "import", context)
    problem, report = "", None
    file = request.FILES.get("file")
    org = access.orgs_where(request.user, "site.edit").filter(code=code).first() or (
        tops[0] if tops and not code else None
    )
    if file is None:
        problem = _("Choose a file.")
    elif org is None:
        problem = _("There is no organisation “%(code)s” that you may import for.") % {"code": code}
    else:
        try:
            deed = request.POST.get("deed", "check")
            report = services.import_file(request.user, org, file, kind, dry_run=deed != "import")
        except FengsuiError as error:
            problem = say(error)
    if report is not None and request.POST.get("deed") == "list":
        return _as_csv(kind, report)
    context |= {"problem": problem, "report": report, "shown": report.bad[:SHOWN] if report else []}
    bad = bool(problem or (report and report.bad_count))
    return show(request, "import", context, status=422 if bad else 200)


@require_safe
@page("site.edit")
def import_template(request: HttpRequest, kind: str) -> HttpResponse:
    """An empty table with an example row."""
    if kind not in TABLES:
        raise Http404
    return _file(f"{kind}.csv", services.template(kind))


def _tops(user: Any) -> list[Org]:
    paths = access.paths_where(user, "site.edit")
    if paths == [""]:
        return list(Org.objects.filter(parent=None).order_by("path")[:20])
    return list(Org.objects.filter(path__in=paths).order_by("path")[:20])


def _as_csv(kind: str, report: services.Report) -> HttpResponse:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_("row"), _("column"), _("value"), _("problem"), _("advice")])
    for bad in report.bad:
        # a spreadsheet must not take somebody's cell for a formula
        value = f"'{bad.value}" if bad.value.startswith(FORMULA) else bad.value
        writer.writerow([bad.row, bad.column, value, bad.problem, bad.advice])
    return _file(f"{kind}-problems.csv", b"\xef\xbb\xbf" + out.getvalue().encode())


def _file(name: str, body: bytes) -> HttpResponse:
    response = HttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
