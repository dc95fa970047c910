"""Which role is up, since when, and how far behind."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from fengsui.people.orgs import access
from fengsui.show.api.schemas import StatusOut
from fengsui.show.lists.roles import status

router = Router(tags=["status"])


@router.get("status", response=StatusOut)
def get_status(request: HttpRequest) -> dict[str, Any]:
    """Every role with its lag.  For those who may see the platform's state."""
    access.require(request.user, "status.view")
    found = status()
    return {"ok": found.ok, "at_ms": found.at_ms, "roles": found.roles}
