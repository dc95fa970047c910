"""Find a site, a datastream, an organisation or an alarm by a part of its code or name."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from fengsui.show.api.schemas import SearchOut
from fengsui.show.lists.search import search

router = Router(tags=["search"])


@router.get("search", response=SearchOut)
def find(request: HttpRequest, q: str = "", size: int = 10) -> dict[str, Any]:
    """Up to ``size`` hits of each kind, sites first."""
    return {"q": q, "hits": search(request.user, q, max(1, min(size, 50)))}
