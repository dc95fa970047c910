"""Natural hazards: what is in force, who is under what now and within 24 h, earthquakes and typhoons as they came."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.show.api.found import one
from fengsui.show.lists import naturalmap
from fengsui.show.lists import naturals as lists
from fengsui.stores import clock
from fengsui.warn.naturals import services

router = Router(tags=["natural"])
Kind = Literal["", "rain", "stage", "fire", "tailings", "quake", "typhoon", "warning"]
Of = Literal["county", "city", "province", "enterprise"]


class NaturalHazardOut(Schema):
    key: str
    kind: str
    level: int
    name: str
    name_en: str
    source: str
    source_en: str
    from_ms: int
    until_ms: int | None
    why: dict[str, Any]
    zone: dict[str, Any]
    sites_now: int
    sites_24h: int


class UnderHazardOut(Schema):
    key: str
    kind: str
    name: str
    name_en: str
    source: str
    source_en: str
    level_now: int | None
    level_24h: int
    worst_from_ms: int | None
    until_ms: int | None
    why: dict[str, Any]


class UnderSiteOut(Schema):
    site: str
    name: str
    name_en: str
    level_now: int | None
    level_24h: int | None
    under: list[UnderHazardOut]


class UnderSitePage(Schema):
    items: list[UnderSiteOut]
    next: str | None


class UnderPartOut(Schema):
    code: str
    name: str
    name_en: str
    sites: int
    level_now: int | None
    level_24h: int | None
    under_now: int
    under_24h: int
    red: int
    orange: int
    yellow: int
    blue: int
    kinds: dict[str, int]


class NaturalMapOut(Schema):
    at_ms: int
    site: list[str]
    name: list[str]
    name_en: list[str]
    lon: list[float]
    lat: list[float]
    level: list[int]
    calm: int
    features: dict[str, Any]


class QuakeOut(Schema):
    key: str
    source: str
    origin_ms: int
    lon: float
    lat: float
    depth_km: float | None
    magnitude: float
    place: str
    status: str


class ThresholdsOut(Schema):
    name: str
    version: str
    sha256: str
    origin: dict[str, str]
    basis: dict[str, str]
    from_memory: list[str]


@router.get("natural/hazards", response=list[NaturalHazardOut])
def list_hazards(request: HttpRequest, kind: Kind = "", level: int | None = None) -> list[dict[str, Any]]:
    """Levels of the platform and public warnings in force, the worst first, with their zones and reasons."""
    rows = lists.hazard_counts(request.user, clock.now(), lists.Filters(kind=kind, level=level))
    return [
        {"key": h.key, "kind": h.kind, "level": h.level, "name": h.name, "name_en": h.name_en, "source": h.source,
         "source_en": h.source_en, "from_ms": h.begins_ms, "until_ms": h.until_ms, "why": h.why, "zone": h.zone,
         "sites_now": now, "sites_24h": ahead}
        for h, now, ahead in rows
    ]  # fmt: skip


@router.get("natural/sites", response=UnderSitePage)
def list_sites(
    request: HttpRequest,
    q: str = "",
    kind: Kind = "",
    level: int | None = None,
    cursor: str = "",
    size: int = 50,
) -> dict[str, Any]:
    """Sites that are under something now or within 24 h, the worst first."""
    filters = lists.Filters(q=q, kind=kind, level=level)
    items, after, _seen = lists.site_page(request.user, clock.now(), filters, cursor or None, size)
    return {"items": [_site(item) for item in items], "next": after}


@router.get("natural/sites/{code}", response=UnderSiteOut)
def get_site(request: HttpRequest, code: str) -> dict[str, Any]:
    """Everything one site is under; levels are null where it is nothing."""
    site = one(lists.sites(request.user), code=code)
    return _site(lists.of_site(request.user, site, clock.now()))


@router.get("natural/parts/{of}", response=list[UnderPartOut])
def list_parts(
    request: HttpRequest, of: Of, kind: Kind = "", level: int | None = None
) -> list[dict[str, Any]]:
    """Counties, cities, provinces or enterprises by how many of their sites in sight are under what."""
    rows = lists.parts(request.user, clock.now(), of, lists.Filters(kind=kind, level=level))
    return [
        {"code": p.code, "name": p.name, "name_en": p.name_en, "sites": p.sites, "level_now": _none(p.now),
         "level_24h": _none(p.worst), "under_now": p.touched_now, "under_24h": p.touched, "red": p.counts[0],
         "orange": p.counts[1], "yellow": p.counts[2], "blue": p.counts[3], "kinds": dict(p.kinds)}
        for p in rows
    ]  # fmt: skip


@router.get("natural/map", response=NaturalMapOut)
def get_map(request: HttpRequest, hours: int = 0, kind: Kind = "") -> dict[str, Any]:
    """Now, or ``hours`` (0 to 24) ahead: sites under something in columns, and hazards as GeoJSON."""
    seen = lists.look(request.user, clock.now(), lists.Filters(kind=kind))
    told = naturalmap.moment(request.user, seen, max(0, min(hours, 24)), kind)
    ids = told.pop("ids")
    rows = lists.sites(request.user).in_bulk(ids)
    return told | {
        "site": [rows[pk].code for pk in ids],
        "name": [rows[pk].name for pk in ids],
        "name_en": [rows[pk].name_en or rows[pk].name for pk in ids],
    }


@router.get("natural/quakes", response=list[QuakeOut])
def list_quakes(request: HttpRequest, magnitude: float = 3.0) -> list[dict[str, Any]]:
    """Earthquakes as feeds reported them, the newest first, 500 at most."""
    rows = lists.quakes(request.user).filter(magnitude__gte=magnitude)[:500]
    return [
        {"key": row.key, "source": row.source.name, "origin_ms": round(row.origin_at.timestamp() * 1000),
         "lon": row.longitude, "lat": row.latitude, "depth_km": row.depth_km, "magnitude": row.magnitude,
         "place": row.place, "status": row.status}
        for row in rows
    ]  # fmt: skip


@router.get("natural/thresholds", response=ThresholdsOut)
def get_thresholds(request: HttpRequest) -> dict[str, Any]:
    """Which thresholds are in force, where they come from, and which are from memory."""
    by = services.in_force()
    return {
        "name": by.name, "version": by.version, "sha256": by.sha256, "origin": dict(by.origin),
        "basis": dict(by.basis), "from_memory": sorted(by.from_memory),
    }  # fmt: skip


def _site(item: lists.SiteUnder) -> dict[str, Any]:
    return {
        "site": item.site.code,
        "name": item.site.name,
        "name_en": item.site.name_en or item.site.name,
        "level_now": _none(item.now),
        "level_24h": _none(item.worst),
        "under": [
            {"key": u.hazard.key, "kind": u.hazard.kind, "name": u.hazard.name, "name_en": u.hazard.name_en,
             "source": u.hazard.source, "source_en": u.hazard.source_en, "level_now": _none(u.now),
             "level_24h": u.worst, "worst_from_ms": u.from_ms, "until_ms": u.hazard.until_ms, "why": u.hazard.why}
            for u in item.under
        ],
    }  # fmt: skip


def _none(level: int) -> int | None:
    return level if level < lists.CALM else None
