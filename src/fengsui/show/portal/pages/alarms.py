"""Alarms: the queue and the record, one alarm with its loop, and what people do to it."""

import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists import alarms as lists
from fengsui.show.lists import detectors, folding
from fengsui.show.lists import loops as loop_lists
from fengsui.show.lists import risk as risk_lists
from fengsui.show.lists.scenarios import why
from fengsui.show.portal.pages.loops import loop_context
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
from fengsui.show.words import fold_reason, say
from fengsui.warn.alarms import services
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.life import state
from fengsui.warn.alarms.models import ALARM_KINDS, Priority
from fengsui.warn.risks import series

BULK_MAX = 200
SHELVES = (30, 60, 120, 240, 480, 720)  # minutes


@require_safe
@page("alarm.view")
def alarm_list(request: HttpRequest) -> HttpResponse:
    which = choice(request, "show", ("standing", "unacked", "folded", "all"), "standing")
    level = choice(request, "level", [str(p) for p in Priority.values])
    filters = lists.Filters(
        standing=which != "all",
        folded=None if which == "all" else which == "folded",
        unacked=which == "unacked",
        level=(int(level),) if level else (),
        kind=choice(request, "kind", dict(ALARM_KINDS)),
        site=request.GET.get("site", "")[:64],
        org=request.GET.get("org", "")[:64],
        since=instant(request.GET.get("since", "")),
        until=instant(request.GET.get("until", "")),
    )
    found = lists.alarm_page(request.user, filters, cursor=request.GET.get("cursor"))
    loops = lists.loop_ids(found.items)
    now = timezone.now()
    context = {
        "rows": [{"alarm": a, "state": state(a, now), "loop": loops.get(a.pk)} for a in found.items],
        "next": next_url(request, found),
        "first": first_url(request),
        "which": which,
        "folded_now": folding.folded_now(request.user),
        "storms": folding.storms(request.user),
        "level": level,
        "filters": filters,
        "since": request.GET.get("since", "") if filters.since else "",
        "until": request.GET.get("until", "") if filters.until else "",
        "kinds": ALARM_KINDS,
        "levels": Priority.choices,
        "may_ack": access.may(request.user, "alarm.ack"),
        "filtered": bool(
            level or filters.kind or filters.site or filters.org or filters.since or filters.until
        ),
    }
    return show(request, "alarms", context, part="parts/alarms_list")


@require_safe
@page("alarm.view")
def alarm_detail(request: HttpRequest, pk: int) -> HttpResponse:
    alarm = one_or_404(folding.explained(request.user), pk=pk)
    behind = (
        folding.children(request.user, alarm, cursor=request.GET.get("cursor"))
        if alarm.folded_count
        else None
    )
    loop = loop_lists.loops(request.user).filter(key=f"alarm:{alarm.key}").first()
    context: dict[str, Any] = {
        "alarm": alarm,
        "state": state(alarm, timezone.now()),
        "deeds": alarm.deeds.order_by("at", "id"),
        "parent": lists.alarms(request.user).filter(pk=alarm.parent_id).first(),
        "reason": fold_reason(alarm),
        "counts": folding.behind(request.user, alarm),
        "children": [
            {"alarm": child, "state": state(child, timezone.now()), "reason": fold_reason(child)}
            for child in (behind.items if behind else ())
        ],
        "next": next_url(request, behind) if behind else "",
        "first": first_url(request) if behind else "",
        "may_ack": access.may(request.user, "alarm.ack", alarm.org_path) and alarm.acked_at is None,
        "may_shelve": access.may(request.user, "alarm.shelve", alarm.org_path)
        and alarm.rule is not None
        and alarm.rule.withdrawn_at is None,
        "may_warn": access.may(request.user, "warning.draft", alarm.org_path),
        "may_rule": access.may(request.user, "rule.edit", alarm.org_path),
        "shelves": SHELVES,
        "made": (made := by(alarm.grounds)),
        "why": why(alarm.grounds) if made and made.what == "scenario" else None,
    }
    if alarm.datastream.code == series.CODE:
        context["risk_at"] = risk_lists.points_at(
            request.user, alarm.site, alarm.raised_at + datetime.timedelta(milliseconds=1)
        )
    if alarm.rule is None and (finding := detectors.of_alarm(alarm)):
        context |= {"finding": finding, "told": detectors.told(finding)}
    if loop is not None:
        context |= loop_context(request.user, loop)
    return show(request, "alarm", context)


@require_POST
@page("alarm.view")
def ack(request: HttpRequest) -> HttpResponse:
    """Acknowledge one or several; the form's ``ids``."""
    ids = [int(pk) for pk in request.POST.getlist("ids") if pk.isdecimal() and len(pk) < 19][:BULK_MAX]
    found = {a.pk: a for a in lists.alarms(request.user).filter(pk__in=ids)}
    done, why = 0, set()
    for pk in ids:
        try:
            if pk in found:
                alarm = services.ack(request.user, found[pk], request.POST.get("note", ""))
                done += 1
                if request.POST.get("children"):
                    done += services.ack_children(request.user, alarm, request.POST.get("note", ""))
        except FengsuiError as error:
            why.add(say(error))
    if done:
        messages.success(
            request, ngettext("%(n)d alarm acknowledged.", "%(n)d alarms acknowledged.", done) % {"n": done}
        )
    for words in sorted(why):
        messages.error(request, words)
    if not ids:
        messages.warning(request, _("Nothing was chosen."))
    return back(request, "/alarms/")


@require_POST
@page("alarm.view")
def shelve(request: HttpRequest, pk: int) -> HttpResponse:
    alarm = one_or_404(lists.alarms(request.user).exclude(rule=None), pk=pk)
    minutes = request.POST.get("minutes", "")
    until = timezone.now() + datetime.timedelta(
        minutes=int(minutes) if minutes.isdecimal() and len(minutes) < 6 else 0
    )
    try:
        services.shelve(request.user, alarm.rule, until, request.POST.get("reason", ""))
        messages.success(request, _("Shelved. It comes back by itself."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/alarms/{pk}/")


@require_POST
@page("alarm.view")
def unshelve(request: HttpRequest, pk: int) -> HttpResponse:
    alarm = one_or_404(lists.alarms(request.user).exclude(rule=None), pk=pk)
    try:
        services.unshelve(request.user, alarm.rule, request.POST.get("reason", ""))
        messages.success(request, _("Taken off the shelf."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/alarms/{pk}/")
