"""Major hazards: the list, and the newest identification of a site with every step."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.lists import hazards as lists

router = Router(tags=["hazards"])


class HazardOut(Schema):
    id: int
    site: str
    site_name: str
    unit: str
    kind: str
    grade: int | None
    s: str
    r: str
    version: int
    is_demo: bool
    at_ms: int


class HazardPage(Schema):
    items: list[HazardOut]
    next: str | None


@router.get("hazards", response=HazardPage)
def list_hazards(
    request: HttpRequest, q: str = "", grade: int | None = None, cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Major hazards of today by GB 18218, the newest first.  ``grade`` is 1 (most severe) to 4."""
    page = lists.hazard_page(request.user, q=q, grade=grade, cursor=cursor or None, size=size)
    items = [
        {
            "id": row.pk,
            "site": row.site.code,
            "site_name": row.site.name,
            "unit": row.unit,
            "kind": row.kind,
            "grade": row.grade,
            "s": row.s,
            "r": row.r,
            "version": row.identification.inventory.number,
            "is_demo": row.identification.inventory.is_demo,
            "at_ms": round(row.identification.at.timestamp() * 1000),
        }
        for row in page.items
    ]
    return {"items": items, "next": page.next}


@router.get("hazards/sites/{code}", response=dict[str, Any])
def get_identification(request: HttpRequest, code: str) -> dict[str, Any]:
    """The newest identification of a site: the answer of ``fengsui hazards grade --json`` as it was kept."""
    site = one(lists.sites(request.user), code=code)
    run = lists.identifications(request.user).filter(inventory__site=site).first()
    if run is None:
        raise NotFound
    return {
        "version": run.inventory.number,
        "sha256": run.inventory.sha256,
        "at_ms": round(run.at.timestamp() * 1000),
        "tables_sha256": run.tables_sha256,
        "answer": run.answer,
    }
