"""Word templates of reports: those in sight, the standard one, putting one in force, withdrawing it."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists.keyset import Page
from fengsui.show.lists.keyset import page as keyset
from fengsui.show.portal.pages.page import first_url, next_url, one_or_404, page, refused, show
from fengsui.show.reports import services
from fengsui.show.reports.models import WordTemplate
from fengsui.show.reports.word import STANDARD
from fengsui.show.words import say

LANGUAGES = (("zh-hans", gettext_lazy("Chinese")), ("en", gettext_lazy("English")))


@require_http_methods(["GET", "HEAD", "POST"])
@page("report.view")
def templates(request: HttpRequest) -> HttpResponse:
    """A template is tried before it is put in force; what is wrong with it stands above the form."""
    problem = ""
    if request.method == "POST":
        org = one_or_404(access.orgs_where(request.user, "report.template"), code=request.POST.get("org", ""))
        file = request.FILES.get("file")
        try:
            if file is None:
                problem = _("Choose a file.")
            elif file.size > services.MOST_TEMPLATE_BYTES:
                problem = _("The template is larger than %(mb)s MB.") % {
                    "mb": services.MOST_TEMPLATE_BYTES >> 20
                }
            else:
                language = request.POST.get("language", "")
                services.put_template(request.user, org, language, file.name or "", file.read())
                messages.success(request, _("In force: the next reports are made from it."))
                return redirect("/reports/templates/")
        except FengsuiError as error:
            problem = say(error)
    rows = WordTemplate.objects.visible_to(request.user).select_related("org")
    found: Page[WordTemplate] = keyset(rows, ("-since", "-id"), request.GET.get("cursor"))
    context: dict[str, Any] = {
        "rows": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "problem": problem,
        "orgs": access.orgs_where(request.user, "report.template").exclude(kind="township").order_by("path")[:300],
        "org": request.POST.get("org", ""),
        "language": request.POST.get("language", ""),
        "languages": LANGUAGES,
        "fields_help": _(
            "Leave fields such as %(field)s and lines such as %(line)s as they are; docs/reports.md has the list of all fields."  # noqa: E501
        )
        % {"field": "{{ title }}", "line": "{%p for block in blocks %}"},
    }  # fmt: skip
    return show(request, "report_templates", context, status=422 if problem else 200)


@require_POST
@page("report.template")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    row = one_or_404(WordTemplate.objects.visible_to(request.user).select_related("org"), pk=pk)
    try:
        services.withdraw_template(request.user, row)
        messages.success(request, _("Withdrawn."))
    except FengsuiError as error:
        refused(request, error)
    return redirect("/reports/templates/")


@require_GET
@page("report.view")
def standard(request: HttpRequest) -> HttpResponseBase:
    """The template that is used where no other is in force: to begin from."""
    return FileResponse(
        STANDARD.open("rb"), as_attachment=True, filename="fengsui-report.docx", content_type=services.DOCX
    )


@require_GET
@page("report.view")
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A template as it was put in force."""
    row = one_or_404(WordTemplate.objects.visible_to(request.user).select_related("org"), pk=pk)
    try:
        opened = row.file.open("rb")
    except FileNotFoundError:
        messages.error(request, _("The file is not on this machine."))
        return redirect("/reports/templates/")
    return FileResponse(opened, as_attachment=True, filename=row.name, content_type=services.DOCX)
