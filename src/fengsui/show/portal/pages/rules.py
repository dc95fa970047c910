"""Rules: the list, one rule with its history, editing with a reason, a new one."""

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
from fengsui.show.lists import rules as lists
from fengsui.show.lists.backtest import Trial, try_rule
from fengsui.show.lists.shadows import beside
from fengsui.show.lists.sites import datastreams
from fengsui.show.portal.forms import RuleForm
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show, whole
from fengsui.stores import clock
from fengsui.warn.alarms import services, shadows
from fengsui.warn.alarms.models import Kind, Priority, Rule
from fengsui.warn.scenarios.models import ScenarioRule


@require_safe
@page("rule.view")
def rule_list(request: HttpRequest) -> HttpResponse:
    filters: dict[str, Any] = {
        "q": request.GET.get("q", "")[:80],
        "site": request.GET.get("site", "")[:64],
        "kind": choice(request, "kind", Kind.values),
        "which": choice(request, "show", ("active", "off", "shelved", "withdrawn"), "active"),
    }
    found = lists.rule_page(request.user, **filters, cursor=request.GET.get("cursor"))
    context = {
        "rules": found.items,
        "filters": filters,
        "kinds": Kind.choices,
        "next": next_url(request, found),
        "first": first_url(request),
        "filtered": bool(filters["q"] or filters["site"] or filters["kind"]),
        "may_edit": access.may(request.user, "rule.edit"),
    }
    return show(request, "rules", context, part="parts/rules_list")


@require_http_methods(["GET", "HEAD", "POST"])
@page("rule.view")
def rule_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and edit.  A change is in force within seconds and stays in the history with its reason."""
    rule = one_or_404(lists.rules(request.user), pk=pk)
    if (scenario := ScenarioRule.objects.filter(rule=rule).first()) is not None:
        return redirect(f"/scenarios/{scenario.pk}/")  # it follows the scenario rule and is changed there
    may_edit = access.may(request.user, "rule.edit", rule.datastream.site.org_path)
    form = RuleForm(request.POST if request.method == "POST" else None, rule=rule)
    if request.method == "POST" and "backtest" in request.POST:
        return _tried(request, rule, form, may_edit)
    if request.method == "POST" and form.is_valid():
        rule.version = form.cleaned_data["version"] or rule.version
        in_shadow = "shadow" in request.POST
        save = shadows.start if in_shadow else services.edit_rule
        try:
            save(request.user, rule, form.values(), form.cleaned_data["reason"])
        except FengsuiError as error:
            form.refuse(error)
        else:
            if in_shadow:
                said = _("The draft runs in shadow within five seconds. Nobody is told of what it finds.")
            else:
                said = _("Saved. The rule is in force within five seconds.")
            messages.success(request, said)
            return redirect(f"/rules/{pk}/")
    return _shown(request, rule, form, may_edit)


def _shown(
    request: HttpRequest, rule: Rule, form: RuleForm, may_edit: bool, tried: Trial | None = None
) -> HttpResponse:
    context = {
        "rule": rule,
        "form": form,
        "may_edit": may_edit and rule.withdrawn_at is None,
        "changes": list(rule.changes.order_by("-version")[:50]),
        "levels": Priority.choices,
        "tried": tried,
        "shadow": beside(rule, timezone.now()),
    }
    return show(request, "rule", context, status=422 if form.errors else 200)


def _tried(request: HttpRequest, rule: Rule, form: RuleForm, may_edit: bool) -> HttpResponse:
    """The values in the form over the last month of this datastream, beside the rule as it is; nothing is changed."""
    if not may_edit:
        raise PermissionDenied("rule.edit")
    form.fields["reason"].required = False
    tried = None
    if form.is_valid():
        try:
            tried = try_rule(rule, form.values(), clock.now_ms())
        except FengsuiError as error:
            form.refuse(error)
        else:
            form.data = form.data.copy()
            if tried.today is not None and not form.cleaned_data["reason"]:
                form.data["reason"] = tried.in_words
    return _shown(request, rule, form, may_edit, tried)


@require_http_methods(["GET", "HEAD", "POST"])
@page("rule.edit")
def rule_new(request: HttpRequest) -> HttpResponse:
    """A new rule over the datastream that the address names."""
    stream_id = request.GET.get("datastream", "")
    stream = one_or_404(datastreams(request.user), pk=int(stream_id) if stream_id.isdecimal() else 0)
    form = RuleForm(request.POST if request.method == "POST" else None, datastream=stream)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_rule(
                request.user, stream, form.cleaned_data["kind"], form.values(), form.cleaned_data["reason"]
            )
        except FengsuiError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved. The rule is in force within five seconds."))
            return redirect(f"/rules/{made.pk}/")
    context = {"stream": stream, "form": form, "may_edit": True}
    return show(request, "rule_new", context, status=422 if form.errors else 200)


@require_POST
@page("rule.view")
def rule_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    rule = one_or_404(lists.rules(request.user), pk=pk)
    try:
        services.withdraw_rule(request.user, rule, request.POST.get("reason", ""))
        messages.success(request, _("Withdrawn. It stays in the history."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/rules/{pk}/")


@require_POST
@page("rule.view")
def rule_shadow(request: HttpRequest, pk: int) -> HttpResponse:
    """Promote or stop the draft that runs in shadow; what was seen of both stays in the audit trail."""
    rule = one_or_404(lists.rules(request.user), pk=pk)
    reason = request.POST.get("reason", "")
    try:
        if "promote" in request.POST:
            seen = beside(rule, timezone.now())
            rule.version = whole(request.POST.get("version", "")) or rule.version
            shadows.promote(request.user, rule, reason, seen.figures if seen else None)
            messages.success(request, _("Promoted. The draft is in force within five seconds."))
        else:
            shadows.stop(request.user, rule, reason)
            messages.success(request, _("Stopped. Nothing runs in shadow beside this rule."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/rules/{pk}/")


@require_POST
@page("rule.view")
def rule_go_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Say again what an earlier version said, as a new version."""
    rule = one_or_404(lists.rules(request.user), pk=pk)
    version = whole(request.POST.get("version", ""))
    reason = request.POST.get("reason", "") or _("Back to version %(n)s") % {"n": version}
    try:
        shadows.go_back(request.user, rule, version, reason)
        messages.success(request, _("Saved. The rule is in force within five seconds."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/rules/{pk}/")
