"""Live risk: sites and the tree, worst first; the points of a site; how it was at a time; declared facts."""

from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.base.errors import BadInput
from fengsui.show.api.found import one
from fengsui.show.lists import risk as lists
from fengsui.stores import clock
from fengsui.warn.risks import services

router = Router(tags=["risk"])


class RiskOut(Schema):
    site: str
    name: str
    name_en: str
    index: float
    level: int
    since_ms: int


class RiskPage(Schema):
    items: list[RiskOut]
    next: str | None


class PointOut(Schema):
    group_zh: str
    group_en: str
    zh: str
    en: str
    count: int
    points: float


class SiteRiskOut(RiskOut):
    points: list[PointOut]
    weights: str
    weights_sha256: str


class NodeOut(Schema):
    code: str
    name: str
    name_en: str
    index: float
    level: int
    sites: int
    worst: str


class MomentOut(Schema):
    at_ms: int
    site: list[str]
    name: list[str]
    name_en: list[str]
    lon: list[float]
    lat: list[float]
    index: list[float]
    level: list[int]
    counties: dict[str, float]  # division code → index


class FactIn(Schema):
    site: str
    kind: str
    source: str
    from_ms: int | None = None
    to_ms: int | None = None


class FactOut(Schema):
    id: int
    site: str
    kind: str
    source: str
    from_ms: int
    to_ms: int | None


Kind = Literal["enterprise", "park", "industry", "county", "city", "province"]


@router.get("risk/sites", response=RiskPage)
def list_risk(
    request: HttpRequest, q: str = "", level: int | None = None, cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Sites by risk, the worst first; ``level`` 1 red to 4 blue.  The index is this platform's own, 0 to 100."""
    page = lists.risk_page(request.user, q=q, level=level, cursor=cursor or None, size=size)
    return {"items": [_risk(row) for row in page.items], "next": page.next}


@router.get("risk/sites/{code}", response=SiteRiskOut)
def get_risk(request: HttpRequest, code: str) -> dict[str, Any]:
    """One site with every point of its index; they add up to it exactly."""
    row = one(lists.risks(request.user), site__code=code)
    weights = services.in_force()
    points = [
        {"group_zh": p.group_zh, "group_en": p.group_en, "zh": p.zh, "en": p.en, "count": p.count}
        | {"points": p.milli / 1000}
        for p in lists.explained(request.user, row, weights)
    ]
    return _risk(row) | {
        "points": points,
        "weights": f"{weights.name} {weights.version}",
        "weights_sha256": row.weights_sha256,
    }


@router.get("risk/tree/{kind}", response=list[NodeOut])
def get_tree(request: HttpRequest, kind: Kind) -> list[dict[str, Any]]:
    """Parts of the tree of one kind, the worst first, from the sites in sight."""
    return [
        {"code": n.code, "name": n.name, "name_en": n.name_en, "index": n.index / 1000, "level": n.level}
        | {"sites": n.sites, "worst": n.worst.code}
        for n in lists.tree(request.user, kind)
    ]


@router.get("risk/map", response=MomentOut)
def get_moment(request: HttpRequest, at_ms: int | None = None) -> dict[str, Any]:
    """Every site in sight as it was at ``at_ms`` (now unless given), in columns for a map with a time slider."""
    at = clock.now() if at_ms is None else _at(at_ms)
    rows = lists.at_time(request.user, at)
    return {
        "at_ms": round(at.timestamp() * 1000),
        "site": [row.site.code for row in rows],
        "name": [row.site.name for row in rows],
        "name_en": [row.site.name_en or row.site.name for row in rows],
        "lon": [row.site.longitude for row in rows],
        "lat": [row.site.latitude for row in rows],
        "index": [row.index / 1000 for row in rows],
        "level": [row.level for row in rows],
        "counties": {
            one.division: one.index / 1000
            for one in lists.nodes("county", [(row.site, row.index) for row in rows])
            if one.division
        },
    }


@router.get("risk/facts", response=list[FactOut])
def list_facts(request: HttpRequest, site: str = "") -> list[dict[str, Any]]:
    """Declared facts that hold now, 1,000 at most."""
    rows = lists.facts(request.user).filter(pk__in=lists.Fact.objects.holding(clock.now()).values("pk"))
    if site:
        rows = rows.filter(site__code=site)
    return [_fact(row) for row in rows[:1000]]


@router.post("risk/facts", response=FactOut)
def declare_fact(request: HttpRequest, body: FactIn) -> dict[str, Any]:
    """Say that something goes on at a site: fire work, start-up, a missing commitment, an overdue danger."""
    row = one(lists.risks(request.user), site__code=body.site)
    begins = clock.now() if body.from_ms is None else _at(body.from_ms)
    ends = None if body.to_ms is None else _at(body.to_ms)
    return _fact(services.declare(request.user, row.site, body.kind, begins, ends, body.source))


@router.delete("risk/facts/{int:pk}", response=FactOut)
def withdraw_fact(request: HttpRequest, pk: int) -> dict[str, Any]:
    """End a fact now; it stays in the record."""
    row = one(lists.facts(request.user), pk=pk)
    services.withdraw(request.user, row)
    return _fact(row)


def _at(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput(f"{ms} is no time in ms UTC") from None


def _risk(row: Any) -> dict[str, Any]:
    return {
        "site": row.site.code,
        "name": row.site.name,
        "name_en": row.site.name_en or row.site.name,
        "index": row.index / 1000,
        "level": row.level,
        "since_ms": round(row.level_since.timestamp() * 1000),
    }


def _fact(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "site": row.site.code,
        "kind": row.kind,
        "source": row.source,
        "from_ms": round(row.begins_at.timestamp() * 1000),
        "to_ms": None if row.ends_at is None else round(row.ends_at.timestamp() * 1000),
    }
