"""Organisations as a tree, and the audit trail."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site
from fengsui.show.lists import people as lists
from fengsui.show.lists.visible import visible_to
from fengsui.show.portal.pages.page import first_url, next_url, one_or_404, page, show


@require_safe
@page("org.view")
def org_tree(request: HttpRequest) -> HttpResponse:
    """One organisation, the way up, and what is directly below it; the tops of what one sees at first."""
    sees = access.orgs_where(request.user, "org.view")
    code = request.GET.get("at", "")
    here: Org | None = one_or_404(sees, code=code) if code else None
    tops = lists.tops(request.user) if here is None else []
    if here is None and len(tops) == 1:
        here = tops[0]
    context: dict[str, Any] = {"tops": tops, "here": here}
    if here is not None:
        found = lists.children(request.user, here, request.GET.get("cursor"))
        above = [int(part) for part in here.path.strip("/").split("/")][:-1]
        context |= {
            "above": sees.filter(pk__in=above).order_by("depth"),
            "children": lists.with_counts(request.user, found.items),
            "next": next_url(request, found),
            "first": first_url(request),
            "sites": visible_to(Site.objects.filter(org=here), request.user, "site.view").order_by("code")[
                :20
            ],
            "members": here.memberships.select_related("user").order_by("role", "user__username")[:100]
            if access.may(request.user, "user.view", here)
            else None,
            "may_edit": access.may(request.user, "org.edit", here) and request.user.is_staff,
        }
    return show(request, "orgs", context)


@require_safe
@page("audit.view")
def audit_trail(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "")[:80] for name in ("actor", "action", "object")}
    refused_only = request.GET.get("refused") == "1"
    found = lists.audit_page(
        request.user, **filters, refused_only=refused_only, cursor=request.GET.get("cursor")
    )
    context = {
        "entries": found.items,
        "filters": filters | {"refused": refused_only},
        "filtered": any(filters.values()) or refused_only,
        "next": next_url(request, found),
        "first": first_url(request),
    }
    return show(request, "audit", context, part="parts/audit_list")
