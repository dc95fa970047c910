"""What moves: units and where they are, their way, fences; rows of positions in, and the place of one's own phone."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from ninja import Query, Router, Schema
from pydantic import Field

from fengsui.base.errors import BadInput
from fengsui.base.quality import Reason
from fengsui.people.orgs import access
from fengsui.sense.moving import positions, services
from fengsui.sense.moving.models import Unit
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.api.readings import _instant, _stamp
from fengsui.show.api.schemas import HereIn, HereOut, PositionsIn, PositionsOut, UnitOut, UnitPage, UnitsOnMap
from fengsui.show.lists import tracks
from fengsui.show.lists import units as lists
from fengsui.show.live.hub import now_ms
from fengsui.show.words import REASONS

router = Router(tags=["units"])
HOURS_MS = 4 * 3_600_000  # a track's span unless asked otherwise
AT_ONCE = 1_000  # positions of a phone in one message


@router.get("units", response=UnitPage)
def list_units(
    request: HttpRequest, q: str = "", kind: str = "", site: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Moving units by code, with where they are.  ``q`` is a part of name or code, or begins a terminal number."""
    page = lists.unit_page(request.user, q=q, kind=kind, site=site, cursor=cursor, size=size)
    return {"items": [_unit(state) for state in lists.states(page.items, now_ms())], "next": page.next}


@router.get("units/map", response=UnitsOnMap)
def units_on_map(request: HttpRequest) -> HttpResponse:
    """Every unit in sight (5,000 at most) in columns, for a map that then follows the stream's ``units``."""
    at_ms = now_ms()
    found, more = lists.on_map(request.user, at_ms)
    body = {
        "at_ms": at_ms,
        "more": more,
        "ids": [s.unit.pk for s in found],
        "code": [s.unit.thing.code for s in found],
        "name": [s.unit.thing.name for s in found],
        "name_en": [s.unit.thing.name_en for s in found],
        "kind": [s.unit.kind for s in found],
        "site": [s.unit.site.code for s in found],
        "period_ms": [s.period_ms for s in found],
        **{
            name: [getattr(s, name) for s in found]
            for name in ("time_ms", "lon", "lat", "kmh", "deg", "priority")
        },
        "streams": lists.streams([s.unit for s in found]),
    }
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


@router.get("units/{int:pk}", response=UnitOut)
def get_unit(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One unit and where it is."""
    return _unit(lists.states([one(lists.units(request.user), pk=pk)], now_ms())[0])


class TrackIn(Schema):
    from_: str = Field("", alias="from")
    to: str = ""
    points: int | None = None
    format: Literal["geojson", "csv", "gpx"] = "geojson"


@router.get("units/{int:pk}/track", response=dict[str, Any])
def get_track(request: HttpRequest, pk: int, span: Query[TrackIn]) -> HttpResponseBase:
    """The way of a unit with ``from`` ≤ time < ``to`` (ISO 8601 or ms UTC; the last four hours unless given).

    GeoJSON has at most ``points`` positions (1,000 unless given, 20,000 at most), those without which the line would
    bend most, and the stops of five minutes or more within 50 m.  CSV and GPX are downloads of every position, or of
    ``points`` when given.  Eight days at most.
    """
    unit = one(lists.units(request.user), pk=pk)
    to_ms = _instant(span.to, "to") if span.to else now_ms()
    from_ms = _instant(span.from_, "from") if span.from_ else to_ms - HOURS_MS
    if not from_ms < to_ms <= from_ms + tracks.SPAN_MAX_MS:
        raise BadInput("from must be before to, and at most eight days before")
    points = span.points
    if points is None and span.format == "geojson":
        points = tracks.POINTS
    if points is not None:
        points = max(2, min(points, tracks.POINTS_MAX))
    found = tracks.of_unit(unit, from_ms, to_ms, points)
    if span.format == "geojson":
        body = msgspec.json.encode(tracks.geojson(found, unit))
        return HttpResponse(body, content_type="application/geo+json")
    data = tracks.as_csv(found) if span.format == "csv" else tracks.as_gpx(found, unit)
    kind = "text/csv; charset=utf-8" if span.format == "csv" else "application/gpx+xml"
    response = HttpResponse(data, content_type=kind)
    response["X-Fengsui-Fresh"] = "yes" if found.is_fresh else "no"
    name = f"{unit.thing.code}-{_stamp(from_ms)}-{_stamp(to_ms)}.{span.format}"
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


@router.get("fences", response=dict[str, Any])
def get_fences(request: HttpRequest) -> HttpResponse:
    """Every fence in sight as GeoJSON, with its hours and what must not happen there; it can be imported again."""
    features = [_feature(fence) for fence in lists.fences(request.user).prefetch_related("rules")[:2_000]]
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    return HttpResponse(body, content_type="application/geo+json")


# ---- positions in ------------------------------------------------------------------------------------------------


@router.post("units/positions", response=PositionsOut)
def post_positions(request: HttpRequest, body: PositionsIn) -> dict[str, Any]:
    """Rows of positions of terminals whose units you may edit; they go the way of every reading.

    A row is ``terminal``, ``time`` (ISO 8601 with offset, or ms UTC), ``lon``, ``lat`` and perhaps ``speed`` (km/h),
    ``course``, ``accuracy`` (m).  Good rows are taken; each bad one is named.
    """
    access.require(request.user, "unit.edit")
    mine = Unit.objects.filter(access.rows_where(request.user, "unit.edit", "site__org_path"), is_active=True)
    return _enter(body.positions, mine, f"positions:{request.user}")


@router.post("units/positions.csv", response=PositionsOut)
def post_positions_csv(request: HttpRequest) -> dict[str, Any]:
    """The same as a CSV file in the body, with the names of the fields as its heading."""
    access.require(request.user, "unit.edit")
    mine = Unit.objects.filter(access.rows_where(request.user, "unit.edit", "site__org_path"), is_active=True)
    return _enter(positions.rows_of_csv(request.body), mine, f"positions:{request.user}")


@router.get("here", response=HereOut)
def get_here(request: HttpRequest) -> dict[str, Any]:
    """Which unit is mine, and whether I share its place."""
    unit = Unit.objects.select_related("thing").filter(user_id=request.user.pk, is_active=True).first()
    if unit is None:
        raise services.BadUnit(services.no_unit())
    return _here(unit)


@router.post("here/share", response=HereOut)
def share(request: HttpRequest) -> dict[str, Any]:
    """I agree that the place of my phone is shown to those who may see units, until I stop it."""
    return _here(services.share(request.user))


@router.post("here/stop", response=HereOut)
def stop(request: HttpRequest) -> dict[str, Any]:
    """From now on nothing of my phone is taken."""
    return _here(services.stop_sharing(request.user))


@router.post("here", response=PositionsOut)
def here(request: HttpRequest, body: HereIn) -> dict[str, Any]:
    """Where my phone is or was: columns, oldest first, at most 1,000 places.  Only while I share it."""
    unit = services.sharing(request.user)
    n = len(body.time_ms)
    columns: dict[str, Sequence[float | None]] = {
        "lon": body.lon, "lat": body.lat, "speed": body.kmh, "course": body.deg, "accuracy": body.accuracy_m,
    }  # fmt: skip
    if not 1 <= n <= AT_ONCE or any(len(column) not in (0, n) for column in columns.values()):
        raise BadInput(f"columns of equal length, 1 to {AT_ONCE} places")
    if len(body.lon) != n or len(body.lat) != n:
        raise BadInput("lon and lat are needed for each time")
    return _post(positions.of_unit(unit, columns, body.time_ms), f"phone:{unit.thing.code}")


def _enter(rows: list[Mapping[str, Any]] | list[dict[str, str]], mine: Any, source: str) -> dict[str, Any]:
    wanted = {str(row.get("terminal", "")).strip() for row in rows} - {""}
    found = {unit.terminal: unit for unit in mine.filter(terminal__in=wanted).select_related("speed")}
    return _post(positions.read(rows, found), source)


def _post(read: positions.Positions, source: str) -> dict[str, Any]:
    from fengsui.show.sta import posting

    bad = [{"row": row.row, "why": row.why} for row in read.bad]
    refused = read.bad_count
    if len(read.time_ms):
        reason = posting.post(source, now_ms(), read.site, read.datastream, read.time_ms, read.value)
        lost = np.unique(read.row[reason > 0])
        refused += len(lost)
        bad += [{"row": int(row), "why": _why(int(reason[read.row == row].max()))} for row in lost[:100]]
    return {"rows": read.rows, "accepted": read.rows - refused, "refused": refused, "bad": bad[:100]}


def _why(reason: int) -> str:
    return str(REASONS[Reason(reason)])


def _here(unit: Unit) -> dict[str, Any]:
    return {"unit": unit.pk, "name": unit.thing.name, "shared_at_ms": shapes.ms(unit.shared_at)}


def _unit(state: lists.UnitState) -> dict[str, Any]:
    unit = state.unit
    return {
        "id": unit.pk, "code": unit.thing.code, "name": unit.thing.name, "name_en": unit.thing.name_en,
        "kind": unit.kind, "terminal": unit.terminal, "site": shapes.site_ref(unit.site),
        "org_path": unit.site.org_path, "period_ms": state.period_ms, "time_ms": state.time_ms, "lon": state.lon,
        "lat": state.lat, "kmh": state.kmh, "deg": state.deg, "freshness": state.freshness,
        "priority": state.priority,
    }  # fmt: skip


def _feature(fence: Any) -> dict[str, Any]:
    rules = [
        {"what": r.what, "limit": r.limit, "priority": r.priority, "enabled": r.is_enabled}
        for r in fence.rules.all()
        if r.withdrawn_at is None
    ]
    return {
        "type": "Feature",
        "geometry": fence.geometry,
        "properties": {
            "id": fence.pk, "code": fence.code, "name": fence.name, "name_en": fence.name_en, "shape": fence.shape,
            "radius_m": fence.radius_m, "road_class": fence.road_class_id, "active": fence.is_active,
            "valid_from": fence.valid_from and fence.valid_from.isoformat(),
            "valid_until": fence.valid_until and fence.valid_until.isoformat(), "weekly": fence.weekly, "rules": rules,
        },
    }  # fmt: skip
