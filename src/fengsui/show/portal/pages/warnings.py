"""Public warnings: what is in force, a draft with linter and preview, its way to publication, others' messages."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import BadInput, FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists import alarms as alarm_lists
from fengsui.show.lists import calls as call_lists
from fengsui.show.lists import warnings as lists
from fengsui.show.portal.pages.page import back, choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.portal.warning_forms import WarningForm
from fengsui.stores import clock
from fengsui.warn.cap import china, lint, writing
from fengsui.warn.cap.rules import RULES, SEVERITY_WORDS, Problem
from fengsui.warn.warnings import content, services
from fengsui.warn.warnings.models import LEVELS, Message, State, Warning

WHICH = ("in_force", "drafts", "ours", "others", "wrong")


@require_safe
@page("warning.view")
def warning_list(request: HttpRequest) -> HttpResponse:
    which = choice(request, "show", WHICH, "in_force")
    level = choice(request, "level", [str(number) for number, _name in LEVELS])
    filters = {"q": request.GET.get("q", "")[:80]}
    now = clock.now()
    cursor = request.GET.get("cursor")
    if which == "drafts":
        found: Any = lists.warning_page(request.user, cursor=cursor)
    else:
        number = int(level) if level else None
        found = lists.message_page(
            request.user, at=now, which=which, level=number, q=filters["q"], cursor=cursor
        )
    context = {
        "which": which,
        "level": level,
        "levels": LEVELS,
        "filters": filters,
        "filtered": bool(level or filters["q"]),
        "rows": found.items if which == "drafts" else [],
        "found": [] if which == "drafts" else [_line(row, now) for row in found.items],
        "next": next_url(request, found),
        "first": first_url(request),
        "may_draft": access.may(request.user, "warning.draft"),
        "waiting": lists.warnings(request.user).open().count(),
        "feeds": lists.feeds(request.user) if which in ("others", "wrong") else [],
    }
    return show(request, "warnings", context, part="parts/warnings_list")


@require_http_methods(["GET", "HEAD", "POST"])
@page("warning.draft")
def warning_new(request: HttpRequest) -> HttpResponse:
    """A new draft, empty or from the alarm that the address names."""
    issuers = services.issuers_for(request.user)
    alarm, initial = None, {}
    number = request.GET.get("alarm", "")
    if number:
        alarm = one_or_404(alarm_lists.alarms(request.user), pk=int(number) if number.isdecimal() else 0)
        initial = services.suggested(alarm)
    form = _form(request, None, issuers=issuers, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_draft(
                request.user, form.cleaned_data["issuer"], form.values(), alarm=alarm
            )
        except FengsuiError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved as a draft. Nothing has been sent."))
            return redirect(f"/warnings/{made.pk}/")
    context = {"form": form, "alarm": alarm, "issuers": issuers, "warning": None}
    return show(request, "warning_new", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("warning.view")
def warning_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show, and edit while it is a draft."""
    warning: Warning = one_or_404(lists.warnings(request.user), pk=pk)
    may_edit = warning.state == State.DRAFT and access.may(request.user, "warning.draft", warning.org_path)
    form = _form(request, warning) if may_edit else None
    if request.method == "POST":
        if form is None:
            messages.error(request, _("It cannot be edited now."))
            return redirect(f"/warnings/{pk}/")
        if form.is_valid():
            warning.version = form.cleaned_data["version"] or warning.version
            try:
                services.edit(request.user, warning, form.values())
            except FengsuiError as error:
                form.refuse(error)
            else:
                messages.success(request, _("Saved."))
                return redirect(f"/warnings/{pk}/")
    return show(
        request, "warning", _context(request, warning, form), status=422 if form and form.errors else 200
    )


@require_POST
@page("warning.view")
def warning_act(request: HttpRequest, pk: int) -> HttpResponse:
    """Submit, review, send back, approve or discard.  Approval asks for the level and the event, typed."""
    warning: Warning = one_or_404(lists.warnings(request.user), pk=pk)
    version = request.POST.get("version", "")
    if version.isdecimal() and len(version) < 10:
        warning.version = int(version)
    deed, note = request.POST.get("deed", ""), request.POST.get("note", "")
    deeds = {
        "submit": (services.submit, _("Sent for review.")),
        "review": (services.review, _("Reviewed; somebody else has to approve it.")),
        "return": (services.send_back, _("Sent back.")),
        "approve": (services.approve, _("Approved. It is being signed and published.")),
        "discard": (services.discard, _("Discarded. It stays in the record.")),
    }
    if deed not in deeds:
        raise Http404
    service, words = deeds[deed]
    try:
        if deed == "approve" and request.POST.get("typed", "").replace(" ", "") != to_type(warning):
            raise BadInput(_("Type “%(words)s” to approve it.") % {"words": to_type(warning)})
        service(request.user, warning, note)
        messages.success(request, words)
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/warnings/{pk}/")


@require_safe
@page("warning.view")
def message_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One message as it went out or came in, with everything that is wrong with it."""
    row: Message = one_or_404(lists.messages(request.user).defer(None), pk=pk)
    now = clock.now()
    problems = [_problem(Problem(**one)) for one in row.problems if one["rule"] in RULES]
    may_follow = (
        row.warning is not None
        and row.ended_at is None
        and row.msg_type != "Cancel"
        and access.may(request.user, "warning.draft", row.org_path)
    )
    may_see = access.may(request.user, "call.view")
    called = call_lists.summary(request.user, row) if may_see else None
    context = {
        "row": row,
        "line": _line(row, now),
        "problems": problems,
        "may_follow": may_follow,
        "called": called,
        "is_called": bool(called and called.places),
        "may_call": _line(row, now)["state"] in ("in_force", "exercise")
        and access.may(request.user, "call.start", row.org_path),
        "document": bytes(row.document).decode("utf-8", "replace"),
        "ended": list(row.ended.filter(pk__in=lists.messages(request.user).values("pk"))),
    }
    return show(request, "message", context)


@require_safe
@page("warning.view")
def message_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The bytes of a message, as they are."""
    row: Message = one_or_404(lists.messages(request.user).defer(None), pk=pk)
    response = HttpResponse(bytes(row.document), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="cap-{row.pk}.xml"'
    return response


@require_POST
@page("warning.draft")
def follow_up(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft that updates or cancels a message, ready to be sent for review."""
    row: Message = one_or_404(lists.messages(request.user), pk=pk)
    kind = "Cancel" if request.POST.get("deed") == "cancel" else "Update"
    try:
        made = services.follow_up(request.user, row, kind)
    except FengsuiError as error:
        refused(request, error)
        return back(request, f"/warnings/messages/{pk}/")
    return redirect(f"/warnings/{made.pk}/")


def to_type(warning: Warning) -> str:
    """What an approver types: the level and the event in the language of the moment."""
    kind = content.event_kinds().get(warning.event_type)
    if (get_language() or "zh").startswith("zh"):
        return f"{china.COLOUR_ZH[content.COLOURS[warning.level]]}{kind.zh if kind else warning.event_type}"
    return f"{content.COLOUR_EN[warning.level]}{(kind.en if kind else warning.event_type).lower()}".replace(
        " ", ""
    )


def _form(
    request: HttpRequest,
    warning: Warning | None,
    *,
    issuers: Any = None,
    initial: dict[str, Any] | None = None,
) -> WarningForm:
    chinese = (get_language() or "zh").startswith("zh")
    divisions = [
        (one.code, f"{one.name if chinese else one.name_en or one.name} {one.code}")
        for one in lists.divisions(request.user)
    ]
    data = request.POST if request.method == "POST" else None
    return WarningForm(data, issuers=issuers, divisions=divisions, warning=warning, initial=initial)


def _context(request: HttpRequest, warning: Warning, form: WarningForm | None) -> dict[str, Any]:
    user, path = request.user, warning.org_path
    written = user.pk in warning.writers
    chinese = (get_language() or "zh").startswith("zh")
    kind = content.event_kinds().get(warning.event_type)
    said = content.read(warning.content)
    context: dict[str, Any] = {
        "warning": warning,
        "form": form,
        "said": said,
        "event": (kind.zh if chinese else kind.en) if kind else warning.event_type,
        "deeds": list(warning.deeds.order_by("at", "id")),
        "message": getattr(warning, "message", None),
        "may_submit": form is not None,
        "may_review": warning.state == State.REVIEW
        and access.may(user, "warning.review", path)
        and not written,
        "may_approve": warning.state == State.APPROVAL
        and access.may(user, "warning.approve", path)
        and not written
        and warning.reviewed_by_id != user.pk,
        "may_return": (warning.state == State.REVIEW and access.may(user, "warning.review", path))
        or (warning.state == State.APPROVAL and access.may(user, "warning.approve", path)),
        "is_mine": written or warning.reviewed_by_id == user.pk,
        "to_type": to_type(warning),
        "steps": _steps(warning),
    }
    if warning.state in (State.DRAFT, State.REVIEW, State.APPROVAL):
        now = clock.now()
        found = services.findings(warning, now)
        context["findings"] = [
            {
                "severity": one.severity,
                "question": lint.QUESTIONS[one.question][0 if chinese else 1],
                "words": one.words[0 if chinese else 1],
            }
            for one in found
        ]
        context["problems"] = [_problem(one) for one in services.standard_problems(warning, now)]
        context["stops"] = len(lint.stops(found))
        context["preview"] = writing.draft(services.as_it_would_be(warning, now)).decode()
    return context


def _steps(warning: Warning) -> list[dict[str, Any]]:
    order = [services.DRAFT, services.REVIEW, services.APPROVAL, services.PUBLISHED]
    state = services.APPROVAL if warning.state == services.APPROVED else warning.state
    at = order.index(state) if state in order else -1
    return [
        {"label": State(one).label, "done": i < at or warning.state == State.PUBLISHED, "here": i == at}
        for i, one in enumerate(order)
    ]


def _problem(one: Problem) -> dict[str, Any]:
    index = 0 if (get_language() or "zh").startswith("zh") else 1
    return {
        "rule": one.rule,
        "severity": one.severity,
        "severity_words": SEVERITY_WORDS[one.severity][index],
        "path": one.path,
        "line": one.line,
        "what": one.what()[index],
        "todo": one.todo()[index],
        "clause": RULES[one.rule].clause,
    }


def _line(row: Message, now: Any) -> dict[str, Any]:
    """A message with where it is in its life: future, in_force, expired, Update (replaced), Cancel (cancelled)."""
    if row.is_refused:
        state = "refused"
    elif row.status != "Actual":
        state = row.status.lower() or "unknown"
    elif row.ended_at is not None:
        state = "replaced" if row.ended_how == "Update" else "cancelled"
    elif row.msg_type not in ("Alert", "Update"):
        state = {"Cancel": "cancel", "Ack": "ack", "Error": "error"}.get(row.msg_type, "unknown")
    else:
        state = "in_force" if row.expires_at > now else "expired"
    return {"row": row, "state": state}
