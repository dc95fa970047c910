"""Loops: what waits for me, everything in sight, one loop and acting in it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.loops import services
from fengsui.loops.models import Kind, Loop
from fengsui.loops.services import in_language
from fengsui.show import words
from fengsui.show.lists import cameras as camera_lists
from fengsui.show.lists import loops as lists
from fengsui.show.portal.pages.page import back, choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.warn.alarms.models import Alarm


@require_safe
@page("loop.view")
def loop_list(request: HttpRequest) -> HttpResponse:
    which = choice(request, "show", ("mine", "open", "closed", "all"), "mine")
    level = choice(request, "level", ("1", "2", "3", "4"))
    found = lists.loop_page(
        request.user,
        mine=which == "mine",
        is_open={"open": True, "closed": False}.get(which),
        level=(int(level),) if level else (),
        kind=choice(request, "kind", Kind.objects.values_list("pk", flat=True))
        if "kind" in request.GET
        else "",
        cursor=request.GET.get("cursor"),
    )
    known = lists.definitions(found.items)
    now = timezone.now()
    rows = [
        {
            "loop": loop,
            "kind": in_language(known[loop.pk].zh, known[loop.pk].en),
            "step": words.loop_step(known[loop.pk], loop.step),
            "overdue": bool(loop.closed_at is None and loop.due_at and loop.due_at < now),
        }
        for loop in found.items
    ]
    context = {
        "rows": rows,
        "which": which,
        "level": level,
        "next": next_url(request, found),
        "first": first_url(request),
    }
    return show(request, "loops", context, part="parts/loops_list")


@require_safe
@page("loop.view")
def loop_detail(request: HttpRequest, pk: int) -> HttpResponse:
    loop = one_or_404(lists.loops(request.user), pk=pk)
    return show(request, "loop", loop_context(request.user, loop))


@require_POST
@page("loop.view")
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """One action of the loop's step.  When something is missing the page comes back with what was typed."""
    loop = one_or_404(lists.loops(request.user), pk=pk)
    data = {name: request.POST[name] for name in ("cause", "measure") if request.POST.get(name)}
    version = request.POST.get("version", "")
    action = request.POST.get("action", "")
    try:
        services.act(
            request.user,
            loop,
            action,
            note=request.POST.get("note", ""),
            data=data,
            files=request.FILES.getlist("files"),
            version=int(version) if version.isdecimal() and len(version) < 9 else None,
        )
    except FengsuiError as error:
        refused(request, error)
        typed = {name: request.POST.get(name, "") for name in ("action", "note", "cause", "measure")}
        loop = one_or_404(lists.loops(request.user), pk=pk)
        context = loop_context(request.user, loop) | {"typed": typed}
        return show(request, "loop", context, status=422)
    messages.success(request, _("Done."))
    return back(request, f"/loops/{pk}/")


def loop_context(user: Any, loop: Loop) -> dict[str, Any]:
    """What the parts of a loop show."""
    definition = lists.definitions([loop])[loop.pk]
    deeds = list(loop.deeds.prefetch_related("evidence").order_by("at", "id"))
    step = definition.step(loop.step)
    alarm_key = loop.key.removeprefix("alarm:") if loop.key.startswith("alarm:") else None
    offers = services.offers(user, loop)
    about = (loop.about or {}).get("site") or {}
    where = str((loop.about or {}).get("page") or "")  # where the deed itself is done, if not here
    return {
        "loop": loop,
        "loop_page": where if where.startswith("/") and not where.startswith("//") else "",
        "cameras": camera_lists.beside(user, loop, about.get("id")),
        "kind_name": in_language(definition.zh, definition.en),
        "step_name": words.loop_step(definition, loop.step),
        "basis": in_language(step.basis_zh or step.basis, step.basis),
        "verified": step.verified,
        "steps": [
            {"name": in_language(s.zh, s.en), "state": state}
            for s, state in lists.steps(loop, definition, {d.step for d in deeds})
        ],
        "loop_deeds": [
            {
                "deed": deed,
                "step": words.loop_step(definition, deed.step),
                "action": words.loop_action(definition, deed.action),
                "cause": _cause(definition, deed.data.get("cause", "")),
                "measure": deed.data.get("measure", ""),
            }
            for deed in deeds
        ],
        "offers": [offer for offer in offers if offer.allowed],
        "withheld": [
            {"label": offer.label, "why": words.WITHHELD.get(offer.why_not, offer.why_not)}
            for offer in offers
            if not offer.allowed
        ],
        "causes": [(c.code, in_language(c.zh, c.en)) for c in definition.causes],
        "overdue": bool(loop.closed_at is None and loop.due_at and loop.due_at < timezone.now()),
        "loop_alarm": Alarm.objects.visible_to(user).select_related("site").filter(key=alarm_key).first()
        if alarm_key
        else None,
    }


def _cause(definition: Any, code: str) -> str:
    cause = definition.cause(code) if code else None
    return in_language(cause.zh, cause.en) if cause else code
