"""The duty desk (a screen), search, platform status, health."""

import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from fengsui.people.orgs import access
from fengsui.show.lists.roles import Status, status
from fengsui.show.lists.search import search
from fengsui.show.portal.pages.page import page, show

HEALTH_S = 1.0  # health is public: however often it is asked, the bus is asked once a second
_asked: tuple[float, Status] | None = None


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect("/desk/")


@require_safe
@page("alarm.view")
def desk(request: HttpRequest) -> HttpResponse:
    """Map, queue and case; ``?mode=wall`` for the wall."""
    return render(request, "portal/desk.html")


@require_GET
@page()
def find(request: HttpRequest) -> HttpResponse:
    q = request.GET.get("q", "")[:100]
    hits = search(request.user, q, 20) if q.strip() else []
    groups = [
        (kind, [h for h in hits if h["kind"] == kind]) for kind in ("site", "datastream", "org", "alarm")
    ]
    return show(request, "search", {"q": q, "groups": [g for g in groups if g[1]]}, part="parts/search_hits")


@require_safe
@page()
def platform_status(request: HttpRequest) -> HttpResponse:
    """Everybody sees what is up; numbers and machines are for those who run the platform."""
    found = status()
    return show(
        request,
        "status",
        {"status": found, "details": access.may(request.user, "status.view")},
        part="parts/status_roles",
    )


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """``{"ok": …, "roles": {name: "up" | "down"}}``, 503 when a role is down.  No login: no details.

    ``disk_full`` is there, and true, while no readings are taken for want of room.
    """
    global _asked
    now = time.monotonic()
    if _asked is None or now - _asked[0] > HEALTH_S:
        _asked = (now, status())
    found = _asked[1]
    roles: dict[str, Any] = {}
    for row in found.roles:
        up = row["ready"] and roles.get(row["role"], "up") == "up"
        roles[row["role"]] = "up" if up else "down"
    said = {"ok": found.ok, "roles": roles, **({"disk_full": True} if found.full else {})}
    return JsonResponse(said, status=200 if found.ok else 503)
