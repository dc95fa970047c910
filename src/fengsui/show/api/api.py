"""The API: session login, CSRF token for writes, one error shape.  ``openapi.json`` is a golden file of the tests."""

from django.http import HttpRequest
from django.utils.translation import get_language
from ninja import NinjaAPI, Swagger
from ninja.security import SessionAuth

from fengsui.people.orgs import access
from fengsui.show.api import (
    alarms,
    calls,
    commitments,
    corrections,
    detectors,
    devices,
    errors,
    frames,
    hazards,
    loops,
    maps,
    media,
    naturals,
    patrols,
    readings,
    reports,
    risk,
    scorecards,
    search,
    sites,
    status,
    units,
)
from fengsui.show.api.schemas import MeOut
from fengsui.show.api.shapes import org
from fengsui.show.lists import map as sites_on_map

api = NinjaAPI(
    title="Fengsui",
    version="1",
    urls_namespace="api-v1",
    auth=SessionAuth(),
    docs=Swagger(),
    docs_url=None,
    openapi_url="openapi.json",
)
errors.install(api)
for router in (
    sites,
    maps,
    media,
    readings,
    corrections,
    alarms,
    loops,
    devices,
    units,
    calls,
    hazards,
    risk,
    commitments,
    patrols,
    reports,
    detectors,
    scorecards,
    naturals,
    frames,
    search,
    status,
):
    api.add_router("", router.router)


@api.get("me", response=MeOut, tags=["people"])
def me(request: HttpRequest) -> dict[str, object]:
    """Who is logged in, what they may do and where, and the map's first view."""
    user = request.user
    memberships = user.memberships.select_related("org").order_by("org__path", "role")
    return {
        "id": user.pk,
        "username": user.get_username(),
        "name": str(user),
        "language": get_language() or "zh-hans",
        "must_change_password": user.must_change_password,
        "memberships": [{"org": org(m.org), "path": m.org.path, "role": m.role} for m in memberships],
        "may": {action: paths for action in access.MAY if (paths := access.paths_where(user, action))},
        "bounds": sites_on_map.bounds(user),
    }
