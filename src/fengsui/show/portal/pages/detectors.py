"""Detectors: the list, one with its scores and history, what people do with it; truth scores of instruments."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists import detectors as lists
from fengsui.show.lists.sites import sites
from fengsui.show.portal.pages.page import (
    choice,
    first_url,
    instant,
    next_url,
    one_or_404,
    page,
    refused,
    show,
)
from fengsui.stores import clock
from fengsui.warn.alarms.models import Priority
from fengsui.warn.detecting import services
from fengsui.warn.detecting.errors import BadModel
from fengsui.warn.detecting.models import Method

WHICH = (
    ("", gettext_lazy("All")),
    ("force", gettext_lazy("In force")),
    ("shadow", gettext_lazy("In shadow")),
    ("off", gettext_lazy("Off")),
)
WHATS = {
    "made": gettext_lazy("made"),
    "trained": gettext_lazy("trained"),
    "set": gettext_lazy("settings changed"),
    "shadowed": gettext_lazy("put in shadow"),
    "activated": gettext_lazy("put in force"),
    "promoted": gettext_lazy("promoted"),
    "rolled_back": gettext_lazy("rolled back"),
    "shadow_ended": gettext_lazy("shadow ended"),
    "deactivated": gettext_lazy("switched off"),
}
DONE = {
    "activate": gettext_lazy("In force. It judges from the row that is closing now."),
    "shadow": gettext_lazy("It runs in shadow; nobody is told what it finds."),
    "promote": gettext_lazy("Promoted: what ran in shadow is in force."),
    "stop_shadow": gettext_lazy("The shadow has ended."),
    "deactivate": gettext_lazy("Switched off; its standing alarms are cleared."),
    "set": gettext_lazy("Saved."),
}
SHOWN = 30


@require_safe
@page("detector.view")
def detector_list(request: HttpRequest) -> HttpResponse:
    which = choice(request, "which", dict(WHICH))
    filters = {"q": request.GET.get("q", "")[:80]}
    found = lists.detector_page(request.user, q=filters["q"], which=which, cursor=request.GET.get("cursor"))
    context = {
        "rows": found.items, "next": next_url(request, found), "first": first_url(request), "filters": filters,
        "which": which, "whiches": WHICH, "filtered": bool(which or filters["q"]),
        "may_make": access.may(request.user, "detector.edit"), "methods": Method.choices,
    }  # fmt: skip
    return show(request, "detectors", context, part="parts/detectors_list")


@require_safe
@page("detector.view")
def detector_detail(request: HttpRequest, pk: int) -> HttpResponse:
    detector = one_or_404(lists.detectors(request.user), pk=pk)
    runs = {run.is_shadow: run for run in detector.runs.all()}
    panels = [_panel(detector, runs[shadow], shadow) for shadow in (False, True) if shadow in runs]
    context = {
        "detector": detector, "panels": panels,
        "poll": bool(panels),
    }  # fmt: skip
    if request.headers.get("HX-Request"):
        return show(request, "detector", context, part="parts/detector_live")
    found = lists.findings(request.user).filter(detector=detector)[:SHOWN]
    context |= {
        "versions": detector.versions.light()[:SHOWN],
        "changes": [(c, WHATS.get(c.what, c.what)) for c in detector.changes.all()[:SHOWN]],
        "findings": [(f, lists.told(f)[:3]) for f in found],
        "trainings": detector.trainings.all()[:5],
        "training_runs": detector.trainings.filter(ended_at=None).exists(),
        "may_edit": access.may(request.user, "detector.edit", detector.site.org_path),
        "levels": Priority.choices,
        "week_ago": clock.now() - timedelta(days=7), "now": clock.now(),
    }  # fmt: skip
    return show(request, "detector", context, part="parts/detector_live")


def _panel(detector: Any, run: Any, shadow: bool) -> dict[str, Any]:
    trained = detector.in_shadow if shadow else detector.in_force
    run = type(run).objects.get(pk=run.pk)  # with its scores
    found = lists.scores(run, int(trained.about["every_ms"]))
    parts = lists.explained(run.parts, is_normal=(found.last or 0) <= 1)
    return {"run": run, "shadow": shadow, "trained": trained, "scores": found, "parts": parts}


@require_POST
@page("detector.edit")
def detector_new(request: HttpRequest) -> HttpResponse:
    site = one_or_404(sites(request.user), code=request.POST.get("site", ""))
    try:
        made = services.create(
            request.user, site, request.POST.get("name", ""), request.POST.get("method", ""),
            request.POST.get("name_en", ""),
        )  # fmt: skip
        messages.success(request, _("Made. Train it on a stretch of normal operation."))
        return redirect(f"/detectors/{made.pk}/")
    except FengsuiError as error:
        refused(request, error)
    return redirect("/detectors/")


@require_POST
@page("detector.edit")
def detector_act(request: HttpRequest, pk: int) -> HttpResponse:
    """Shadow, activate, promote, stop, switch off, set: the form's ``deed``, with its reason."""
    detector = one_or_404(lists.detectors(request.user), pk=pk)
    deed, reason = request.POST.get("deed", ""), request.POST.get("reason", "")
    version = request.POST.get("version", "")
    try:
        if deed in ("activate", "shadow"):
            number = int(version) if version.isdecimal() and len(version) < 9 else 0
            getattr(services, deed)(request.user, detector, number, reason)
        elif deed in ("promote", "stop_shadow", "deactivate"):
            getattr(services, deed)(request.user, detector, reason)
        elif deed == "set":
            services.set_values(request.user, detector, _settings(request), reason)
        else:
            raise BadModel(_("This cannot be done with a detector."))
        messages.success(request, DONE[deed])
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/detectors/{pk}/")


def _settings(request: HttpRequest) -> dict[str, int]:
    given = {name: request.POST[name].strip() for name in services.SETTINGS if name in request.POST}
    bad = [name for name, text in given.items() if not text.isdecimal() or len(text) > 8]
    if bad:
        raise BadModel(_("%(names)s: write whole numbers.") % {"names": ", ".join(bad)})
    return {name: int(text) for name, text in given.items()}


@require_POST
@page("detector.edit")
def detector_train(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a new version learnt by a job."""
    detector = one_or_404(lists.detectors(request.user), pk=pk)
    begins, ends = instant(request.POST.get("from", "")), instant(request.POST.get("to", ""))
    try:
        if begins is None or ends is None:
            raise BadModel(_("This is no time."))
        services.ask_training(request.user, detector, begins, ends, request.POST.get("note", ""))
        messages.success(request, _("The training has been asked for; what comes of it stands below."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/detectors/{pk}/")


@require_safe
@page("detector.view")
def truth_list(request: HttpRequest) -> HttpResponse:
    site = request.GET.get("site", "")[:64]
    which = choice(request, "which", ("doubted", "all"), "doubted")
    found = lists.truth_page(
        request.user, site=site, below=101 if which == "all" else 100, cursor=request.GET.get("cursor")
    )
    context = {
        "rows": [(row, lists.reasons(row.reasons, row.datastream)) for row in found.items],
        "next": next_url(request, found), "first": first_url(request), "site": site, "which": which,
    }  # fmt: skip
    return show(request, "truth", context, part="parts/truth_list")
