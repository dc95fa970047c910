"""Call-and-confirm: who has confirmed a warning and who has not, county by county; confirming; responsible persons."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.conform.pdf import NoFont
from fengsui.show.lists import calls as lists
from fengsui.show.lists import warnings as warning_lists
from fengsui.show.portal.pages.page import (
    back,
    choice,
    first_url,
    instant,
    next_url,
    one_or_404,
    page,
    refused,
    show,
)
from fengsui.show.reports import calls as paper
from fengsui.show.words import say
from fengsui.stores import clock
from fengsui.warn.calls import channels, covered, importing, services
from fengsui.warn.calls.errors import BadCall, NoSuchCode
from fengsui.warn.calls.models import Callout
from fengsui.warn.warnings.models import Message


@require_safe
@page("call.view")
def call_list(request: HttpRequest) -> HttpResponse:
    """Warnings that were called for, newest first, with their figures."""
    found = lists.message_page(request.user, request.GET.get("cursor"))
    figures = lists.summaries(request.user, found.items)
    context = {
        "rows": [(row, figures[row.pk]) for row in found.items],
        "mine": list(lists.mine(request.user)[:20]),
        "next": next_url(request, found),
        "first": first_url(request),
    }
    return show(request, "calls", context)


@require_safe
@page("call.view")
def call_board(request: HttpRequest, pk: int) -> HttpResponse:
    """One warning: every place, who is asked now and until when; refreshed by what happens."""
    message = _message(request, pk)
    state = choice(request, "state", lists.STATES)
    county = request.GET.get("county", "")
    chosen = int(county) if county.isdecimal() and len(county) < 10 else None
    filters = {"q": request.GET.get("q", "")[:80]}
    rows = lists.board(request.user, message, state=state, county=chosen, q=filters["q"])
    found = lists.board_page(rows, request.GET.get("cursor"))
    now, mine = clock.now(), set(lists.mine(request.user).values_list("pk", flat=True))
    context = {
        "message": message,
        "sees_message": warning_lists.messages(request.user).filter(pk=pk).exists(),
        "said": message.warning.content if message.warning else {},
        "summary": lists.summary(request.user, message),
        "counties": lists.by_county(request.user, message),
        "rows": [
            {"row": row, "calls": (calls := list(row.calls.all())), "last": calls[-1] if calls else None}
            | {"left_s": lists.late(row, now), "is_mine": row.pk in mine}
            for row in found.items
        ],
        "state": state,
        "county": chosen,
        "filters": filters,
        "filtered": bool(state or chosen or filters["q"]),
        "unplaced": covered.unplaced(message),
        "may_record": access.may(request.user, "call.record"),
        "may_start": access.may(request.user, "call.start", message.org_path),
        "next": next_url(request, found),
        "first": first_url(request),
        "channels": _channels(),
    }
    return show(request, "call_board", context, part="parts/call_board")


@require_safe
@page("call.view")
def call_paper(request: HttpRequest, pk: int) -> HttpResponse:
    """The figures and every place, as PDF."""
    message = _message(request, pk)
    try:
        made = paper.make(request.user, message, clock.now())
    except NoFont as error:
        refused(request, error)
        return redirect(f"/calls/{pk}/")
    response = HttpResponse(made, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="calls-{pk}.pdf"'
    return response


@require_POST
@page("call.start")
def call_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Call for a warning by hand; places that are called already are left alone."""
    message: Message = one_or_404(warning_lists.messages(request.user), pk=pk)
    try:
        n = services.start(request.user, message)
        messages.success(request, _("%(n)s more places are being called.") % {"n": n})
    except FengsuiError as error:
        refused(request, error)
        return back(request, f"/warnings/messages/{pk}/")
    return redirect(f"/calls/{pk}/")


@require_POST
@page("loop.act")
def callout_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """For one's own place."""
    callout = _callout(request, pk)
    try:
        services.confirm(request.user, callout)
        messages.success(request, _("Confirmed."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/calls/{callout.message_id}/")


@require_POST
@page("call.record")
def callout_record(request: HttpRequest, pk: int) -> HttpResponse:
    """Who spoke by phone, and when."""
    callout: Callout = one_or_404(lists.callouts(request.user), pk=pk)
    try:
        text = request.POST.get("spoke_at", "")
        at = instant(text) if text else None
        if text and at is None:
            raise BadCall(_("This is no time."))
        services.record_phone(request.user, callout, who=request.POST.get("who", ""), spoke_at=at)
        messages.success(request, _("Recorded."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/calls/{callout.message_id}/")


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What asks me now: the strip that every page holds and looks at again; empty for who is logged out by now."""
    if not request.user.is_authenticated:
        return HttpResponse()
    rows = list(lists.mine(request.user).order_by("level", "opened_at")[:5])
    return render(request, "portal/parts/calls_mine.html", {"rows": rows})


# ---- without logging in ------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_code(request: HttpRequest, code: str = "") -> HttpResponse:
    """By the one-time code of a call.  Looking never confirms: programs follow links in messages."""
    typed = request.POST.get("code", code)[:40]
    context: dict[str, Any] = {"typed": typed, "problem": ""}
    status = 200
    if typed:
        try:
            if request.method == "POST" and request.POST.get("deed") == "confirm":
                callout, is_new = services.confirm_by_code(typed)
                context |= {"callout": callout, "is_new": is_new, "done": True}
            else:
                call = services.by_code(typed)
                context |= {
                    "call": call,
                    "callout": call.callout,
                    "more": len(services.together(call)) - 1,
                    "done": call.callout.confirmed_at is not None,
                }
        except NoSuchCode as error:
            context["problem"], status = say(error), 404
        except FengsuiError as error:
            context["problem"], status = say(error), 409
    return render(request, "portal/pages/call_confirm.html", context, status=status)


# ---- responsible persons -----------------------------------------------------------------------------------------


@require_safe
@page("call.view")
def contact_list(request: HttpRequest) -> HttpResponse:
    filters = {"q": request.GET.get("q", "")[:80], "org": request.GET.get("org", "")[:64]}
    found = lists.contact_page(request.user, cursor=request.GET.get("cursor"), **filters)
    context = {
        "rows": found.items,
        "filters": filters,
        "filtered": bool(filters["q"] or filters["org"]),
        "may_edit": access.may(request.user, "call.contacts"),
        "next": next_url(request, found),
        "first": first_url(request),
    }
    return show(request, "contacts", context, part="parts/contacts_list")


@require_POST
@page("call.contacts")
def contacts_import(request: HttpRequest) -> HttpResponse:
    """Persons from a file: checked, or kept all together."""
    file, report, problem = request.FILES.get("file"), None, ""
    try:
        if file is None:
            problem = _("Choose a file.")
        else:
            raw = file.read(importing.MAX_BYTES + 1)
            report = importing.import_contacts(
                request.user, raw, dry_run=request.POST.get("deed") != "import"
            )
    except FengsuiError as error:
        problem = say(error)
    bad = bool(problem or (report and report.bad))
    context = {"report": report, "problem": problem, "shown": report.bad[:500] if report else []}
    return show(request, "contacts_import", context, status=422 if bad else 200)


def _message(request: HttpRequest, pk: int) -> Message:
    """One in sight, or for which a place in sight is called: who is warned sees less than who warns."""
    return one_or_404(
        warning_lists.messages(request.user).filter(pk=pk) or lists.messages(request.user), pk=pk
    )


def _callout(request: HttpRequest, pk: int) -> Callout:
    """One that asks this person, or that they see."""
    row = lists.mine(request.user).filter(pk=pk).first() or lists.callouts(request.user).filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def _channels() -> list[dict[str, Any]]:
    """Each channel and whether it is set up here."""
    webhook = settings.CALL_WEBHOOK_KINDS if settings.CALL_WEBHOOK else ()
    ready = {
        "portal": True,
        "email": bool(settings.EMAIL_HOST),
        "sms": "sms" in webhook,
        "voice": "voice" in webhook,
    }
    return [{"label": label, "ready": ready[name]} for name, label in channels.LABELS.items()]
