"""Scenario rules: the list and the library, one rule with its history, checking while it is written, a trial."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.show.lists import scenarios as lists
from fengsui.show.lists.shadows import beside
from fengsui.show.lists.sites import sites
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show, whole
from fengsui.show.portal.scenario_form import Written
from fengsui.stores import clock
from fengsui.warn.alarms.models import Priority
from fengsui.warn.scenarios import library, services, shadows
from fengsui.warn.scenarios.errors import BadScenarioRule
from fengsui.warn.scenarios.models import ScenarioRule

STREAMS_OFFERED = 500


@require_safe
@page("rule.view")
def scenario_list(request: HttpRequest) -> HttpResponse:
    filters: dict[str, Any] = {
        "q": request.GET.get("q", "")[:80],
        "site": request.GET.get("site", "")[:64],
        "which": choice(request, "show", ("all", "active", "draft", "withdrawn"), "all"),
    }
    found = lists.scenario_page(request.user, **filters, cursor=request.GET.get("cursor"))
    context = {
        "scenarios": found.items,
        "filters": filters,
        "next": next_url(request, found),
        "first": first_url(request),
        "filtered": bool(filters["q"] or filters["site"] or filters["which"] != "all"),
        "may_edit": access.may(request.user, "rule.edit"),
        "templates": library.templates().values(),
    }
    return show(request, "scenarios", context, part="parts/scenarios_list")


@require_http_methods(["GET", "HEAD", "POST"])
@page("rule.edit")
def scenario_new(request: HttpRequest) -> HttpResponse:
    """A new rule at the site that the address names, out of the library where it names a template."""
    site = _site(request, request.GET.get("site", "").strip()[:64])
    if site is None:
        messages.error(request, _("Give the code of a site within your reach."))
        return redirect("/scenarios/")
    template = library.templates().get(request.GET.get("template", ""))
    if request.method == "POST":
        written = Written.of_post(site, request.POST)
    elif template is not None:
        written = Written.of_template(site, template)
    else:
        written = Written.empty()
    tried = None
    if request.method == "POST" and "backtest" in request.POST:
        tried = _tried(site, written)
    elif request.method == "POST" and not written.faults:
        try:
            made = services.create(
                request.user, site, written.code, written.values, written.bound, written.reason,
                template.code if template else "",
            )  # fmt: skip
        except BadScenarioRule as error:
            written.faults += error.faults
        except FengsuiError as error:
            refused(request, error)
        else:
            messages.success(request, _saved(made))
            return redirect(f"/scenarios/{made.pk}/")
    return _shown(request, site, written, template=template, tried=tried)


@require_http_methods(["GET", "HEAD", "POST"])
@page("rule.view")
def scenario_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and edit.  A change is in force within seconds and stays in the history with its reason."""
    rule = one_or_404(lists.scenarios(request.user), pk=pk)
    may_edit = access.may(request.user, "rule.edit", rule.site.org_path) and rule.withdrawn_at is None
    written = Written.of_post(rule.site, request.POST) if request.method == "POST" else Written.of_rule(rule)
    tried = None
    if request.method == "POST":
        if not may_edit:
            raise PermissionDenied("rule.edit")
        if "backtest" in request.POST:
            tried = _tried(rule.site, written)
        elif not written.faults:
            try:
                said = _kept(request, rule, written)
            except BadScenarioRule as error:
                written.faults += error.faults
            except FengsuiError as error:
                refused(request, error)
            else:
                messages.success(request, said)
                return redirect(f"/scenarios/{pk}/")
    return _shown(request, rule.site, written, rule=rule, may_edit=may_edit, tried=tried)


def _kept(request: HttpRequest, rule: ScenarioRule, written: Written) -> str:
    """Save what was written, or let it run in shadow; what to say of it."""
    if "shadow" in request.POST:
        shadows.start(request.user, rule, written.values, written.bound, written.reason)
        return _("The draft runs in shadow within five seconds. Nobody is told of what it finds.")
    rule.version = written.version or rule.version
    return _saved(services.edit(request.user, rule, written.values, written.bound, written.reason))


@require_POST
@page("rule.view")
def scenario_check(request: HttpRequest) -> HttpResponse:
    """What the form says, read as it stands; nothing is kept."""
    site = one_or_404(sites(request.user), code=request.GET.get("site", "")[:64])
    written = Written.of_post(site, request.POST)
    if not written.faults:
        written.faults = services.faults(site, written.values, written.bound)
    return show(request, "parts/scenario_check", {"written": written})


@require_POST
@page("rule.view")
def scenario_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    rule = one_or_404(lists.scenarios(request.user), pk=pk)
    try:
        services.withdraw(request.user, rule, request.POST.get("reason", ""))
        messages.success(request, _("Withdrawn. It stays in the history."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/scenarios/{pk}/")


@require_POST
@page("rule.view")
def scenario_shadow(request: HttpRequest, pk: int) -> HttpResponse:
    """Promote or stop the draft that runs in shadow; what was seen of both stays in the audit trail."""
    rule = one_or_404(lists.scenarios(request.user), pk=pk)
    reason = request.POST.get("reason", "")
    try:
        if "promote" in request.POST:
            seen = beside(rule.rule, timezone.now()) if rule.rule else None
            rule.version = whole(request.POST.get("version", "")) or rule.version
            shadows.promote(request.user, rule, reason, seen.figures if seen else None)
            messages.success(request, _("Promoted. The draft is in force within five seconds."))
        else:
            shadows.stop(request.user, rule, reason)
            messages.success(request, _("Stopped. Nothing runs in shadow beside this rule."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/scenarios/{pk}/")


@require_POST
@page("rule.view")
def scenario_go_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Say again what an earlier version said, as a new version."""
    rule = one_or_404(lists.scenarios(request.user), pk=pk)
    version = whole(request.POST.get("version", ""))
    reason = request.POST.get("reason", "") or _("Back to version %(n)s") % {"n": version}
    try:
        messages.success(request, _saved(shadows.go_back(request.user, rule, version, reason)))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/scenarios/{pk}/")


def _shown(
    request: HttpRequest, site: Site, written: Written, *, rule: ScenarioRule | None = None, may_edit: bool = True,
    template: Any = None, tried: lists.Trial | None = None,
) -> HttpResponse:  # fmt: skip
    if request.method != "POST" and written.values and not written.faults:
        written.faults = services.faults(site, written.values, written.bound)  # a unit may have changed since
    draft = shadows.of(rule) if rule else None
    drafted = Written.of_rule(draft) if draft else None
    context = {
        "site": site,
        "rule": rule,
        "written": written,
        "may_edit": may_edit,
        "template": template or (library.templates().get(rule.template) if rule else None),
        "levels": Priority.choices,
        "streams": site.datastreams.filter(is_active=True, scenario_rule=None).order_by("code")[
            :STREAMS_OFFERED
        ],
        "changes": list(rule.changes.all()[:50]) if rule else [],
        "tried": tried,
        "shadow": beside(rule.rule, timezone.now()) if rule and rule.rule and draft else None,
        "draft": draft,
        "drafted": drafted,
        "stored": Written.of_rule(rule) if rule and draft else None,
        "draft_faults": services.faults(site, drafted.values, drafted.bound) if drafted else [],
    }
    return show(
        request, "scenario", context, status=422 if written.faults and request.method == "POST" else 200
    )


def _tried(site: Site, written: Written) -> lists.Trial | None:
    if not written.faults:
        written.faults = services.faults(site, written.values, written.bound)
    if written.faults:
        return None
    return lists.try_over_history(written.values, written.bound, clock.now_ms())


def _site(request: HttpRequest, code: str) -> Site | None:
    found = sites(request.user).filter(code=code, is_active=True).first()
    return found if found is not None and access.may(request.user, "rule.edit", found.org_path) else None


def _saved(rule: ScenarioRule) -> str:
    if rule.is_enabled:
        return _("Saved. The rule is in force within five seconds.")
    return _("Saved as a draft. Nothing is evaluated until it is put in force.")
