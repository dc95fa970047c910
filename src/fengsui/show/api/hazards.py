"""Major hazards: the list, and the newest identification of a site with every step."""

import csv
import io
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.base.errors import BadInput
from fengsui.people.orgs import access
from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.lists import hazards as lists
from fengsui.warn.hazards.inventory import COLUMNS
from fengsui.warn.inventories import services

router = Router(tags=["hazards"])
MOST = 20_000  # rows in one request


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


class InventoryIn(Schema):
    rows: list[dict[str, str | int | float | None]]  # columns of an inventory, as in a file
    source: str = "API"
    note: str = ""


class InventoryOut(Schema):
    kept: bool
    version: int | None
    sha256: str
    answer: dict[str, Any]


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


@router.post("hazards/sites/{code}/inventory", response=InventoryOut)
def import_inventory(
    request: HttpRequest, code: str, body: InventoryIn, dry_run: bool = False
) -> dict[str, Any]:
    """Keep an inventory as the site's next version, identified at once; ``dry_run`` reckons and keeps nothing.

    The same rows again are the same version.  A row that cannot be read is in the answer's problems of a dry run, and
    keeps the whole from being kept.
    """
    site = one(lists.sites(request.user), code=code)
    access.require(request.user, "hazard.edit", site.org_path, site)
    raw = _as_file(body.rows)
    checked = services.check(raw)
    version = None
    if not dry_run:
        version = services.keep(request.user, site, raw, body.source, body.note).number
    return {
        "kept": version is not None,
        "version": version,
        "sha256": checked.sha256,
        "answer": checked.answer,
    }


def _as_file(rows: list[dict[str, Any]]) -> bytes:
    """The rows as the CSV that a person would have sent.  Raises BadInput for a column that there is not."""
    if not 0 < len(rows) <= MOST:
        raise BadInput(f"1 to {MOST} rows")
    if strange := sorted({name for row in rows for name in row} - set(COLUMNS)):
        raise BadInput(f"{', '.join(strange)[:200]}: no such column; there are {', '.join(COLUMNS)}")
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return out.getvalue().encode()
