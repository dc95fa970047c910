"""What moves: the list of units, one unit, fences and their rules, and the page that shares a phone's place."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.moving.models import Unit, UnitKind
from fengsui.show.lists import alarms as alarm_lists
from fengsui.show.lists import media as media_lists
from fengsui.show.lists import units as lists
from fengsui.show.live.hub import now_ms
from fengsui.show.portal.forms import FenceForm, FenceRuleForm
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.words import say
from fengsui.warn.fences import services
from fengsui.warn.fences.models import Fence

MOST_BYTES = 8 << 20  # of a GeoJSON file


@require_safe
@page("unit.view")
def unit_list(request: HttpRequest) -> HttpResponse:
    filters = {
        "q": request.GET.get("q", "")[:80],
        "kind": choice(request, "kind", UnitKind.values),
        "site": request.GET.get("site", "")[:64],
    }
    found = lists.unit_page(request.user, **filters, cursor=request.GET.get("cursor"))
    context = {
        "units": lists.states(found.items, now_ms()),
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": filters,
        "filtered": any(filters.values()),
        "kinds": UnitKind.choices,
        "may_edit": access.may(request.user, "unit.edit"),
    }
    return show(request, "units", context, part="parts/units_list")


@require_safe
@page("unit.view")
def unit_detail(request: HttpRequest, pk: int) -> HttpResponse:
    unit = one_or_404(lists.units(request.user), pk=pk)
    watches = unit.watches.filter(is_active=True).select_related(
        "fence_rule", "fence_rule__fence", "fence_rule__fence__road_class", "datastream", "rule"
    )
    context = {
        "state": lists.states([unit], now_ms())[0],
        "unit": unit,
        "watches": list(watches.order_by("fence_rule__fence__code", "pk")[:200]),
        "alarms": alarm_lists.of_thing(request.user, unit.thing_id),
        "may_edit": access.may(request.user, "unit.edit", unit.site.org_path),
        "sees_media": access.may(request.user, "media.view", unit.site.org_path),
        "media": media_lists.of_thing(request.user, unit.thing_id),
        "may_take": access.may(request.user, "device.command", unit.site.org_path)
        and media_lists.terminal_of(unit.thing_id) is not None,
    }
    return show(request, "unit", context)


@require_safe
@page("rule.view")
def fence_list(request: HttpRequest) -> HttpResponse:
    q = request.GET.get("q", "")[:80]
    found = lists.fence_page(request.user, q=q, cursor=request.GET.get("cursor"))
    context = {
        "fences": found.items,
        "everywhere": list(lists.fence_rules(request.user).filter(fence=None).order_by("pk")[:200]),
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": {"q": q},
        "filtered": bool(q),
        "form": FenceRuleForm(has_fence=False),
        "orgs": _orgs(request),
        "may_edit": access.may(request.user, "fence.edit"),
    }
    return show(request, "fences", context, part="parts/fences_list")


@require_http_methods(["GET", "HEAD", "POST"])
@page("fence.edit")
def fence_new(request: HttpRequest) -> HttpResponse:
    form = FenceForm(request.POST if request.method == "POST" else None, orgs=_orgs(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_fence(request.user, form.cleaned_data["org"], form.values())
        except FengsuiError as error:
            form.add_error(None, say(error))
        else:
            messages.success(request, _("Saved. Now say what must not happen there."))
            return redirect(f"/fences/{made.pk}/")
    return show(request, "fence", {"form": form, "may_edit": True}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("rule.view")
def fence_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and edit.  A change is in force within seconds."""
    fence = _fence(request, pk)
    may_edit = access.may(request.user, "fence.edit", fence.org.path)
    form = FenceForm(request.POST if request.method == "POST" else None, orgs=_orgs(request), fence=fence)
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_fence(request.user, fence, form.values())
        except FengsuiError as error:
            form.add_error(None, say(error))
        else:
            messages.success(request, _("Saved. The fence is in force within five seconds."))
            return redirect(f"/fences/{pk}/")
    rules = list(lists.fence_rules(request.user).filter(fence=fence))
    for rule in rules:
        rule.watched = rule.watches.filter(is_active=True).count()
    context = {
        "fence": fence,
        "form": form,
        "rules": rules,
        "rule_form": FenceRuleForm(),
        "may_edit": may_edit,
    }
    return show(request, "fence", context, status=422 if form.errors else 200)


@require_POST
@page("fence.edit")
def fence_import(request: HttpRequest) -> HttpResponse:
    """Fences out of a GeoJSON file: all of them or none."""
    file = request.FILES.get("file")
    code = request.POST.get("org", "").strip()[:64]
    org = _orgs(request).filter(code=code).first()
    try:
        if file is None or org is None or (file.size or 0) > MOST_BYTES:
            raise services.BadFence(_("Choose an organisation and a GeoJSON file of at most 8 MiB."))
        try:
            collection = json.load(file)
        except ValueError as error:
            raise services.BadFence(_("This is not JSON.")) from error
        done = services.import_geojson(request.user, org, collection)
        messages.success(request, _("%(number)s fences imported.") % {"number": len(done)})
    except FengsuiError as error:
        refused(request, error)
    return redirect("/fences/")


@require_POST
@page("fence.edit")
def fence_rule_new(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """A rule of the fence ``pk``, or (0) of an organisation everywhere."""
    fence = _fence(request, pk) if pk else None
    target = f"/fences/{pk}/" if pk else "/fences/"
    form = FenceRuleForm(request.POST, has_fence=bool(pk))
    if not form.is_valid():
        for name, errors in form.errors.items():
            label = form.fields[name].label if name in form.fields else ""
            messages.error(request, f"{label}: {' '.join(map(str, errors))}")
        return redirect(target)
    try:
        org = None if fence else _orgs(request).filter(code=request.POST.get("org", "")[:64]).first()
        services.create_rule(request.user, form.cleaned_data["what"], form.values(), fence=fence, org=org)
        messages.success(request, _("Saved. The rule is in force within five seconds."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(target)


@require_POST
@page("fence.edit")
def fence_rule_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    rule = one_or_404(lists.fence_rules(request.user), pk=pk)
    try:
        services.withdraw_rule(request.user, rule)
        messages.success(request, _("Withdrawn. It stays in the history."))
    except FengsuiError as error:
        refused(request, error)
    return redirect(f"/fences/{rule.fence_id}/" if rule.fence_id else "/fences/")


@require_safe
@page()
def here(request: HttpRequest) -> HttpResponse:
    """Share the place of this phone: by one's own word, until one stops it."""
    unit = (
        Unit.objects.select_related("thing", "site").filter(user_id=request.user.pk, is_active=True).first()
    )
    return show(request, "here", {"unit": unit})


def _fence(request: HttpRequest, pk: int) -> Fence:
    fence: Fence = one_or_404(lists.fences(request.user), pk=pk)
    return fence


def _orgs(request: HttpRequest) -> Any:
    return access.orgs_where(request.user, "fence.edit").order_by("path")
