"""Safety commitments: who committed on a day and who is missing; one site; giving the commitment of today."""

from datetime import date
from typing import Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from fengsui.show.api.found import one
from fengsui.show.lists import commitments as lists
from fengsui.stores import clock
from fengsui.warn.commitments import services
from fengsui.warn.commitments.models import Commitment

router = Router(tags=["commitments"])


class FiguresOut(Schema):
    obliged: int
    given: int
    late: int
    missing: int
    waiting: int
    rate: float | None  # committed of obliged, 0 … 1


class CountyOut(FiguresOut):
    county: str
    name: str


class LineOut(Schema):
    site: str
    name: str
    org: str
    state: Literal["given", "late", "missing", "waiting"]
    deadline_ms: int
    commitment: int | None


class DayOut(Schema):
    day: str
    figures: FiguresOut
    counties: list[CountyOut]
    items: list[LineOut]


class DoubtOut(Schema):
    key: str
    words: str
    explained: str


class CommitmentOut(Schema):
    id: int
    site: str
    day: str
    number: int
    at_ms: int
    by: str
    principal: str
    risk_grade: int
    is_late: bool
    reason: str
    said: dict[str, Any]
    doubts: list[DoubtOut]
    sha256: str


class WorkIn(Schema):
    count: int = 0
    permits: list[str] = []


class CommitmentIn(Schema):
    """``explained`` maps the key of each doubt that the refusal named to words."""

    units: int
    running: int
    stopped_units: int = 0
    overhaul: int = 0
    stopped: list[str] = []
    works: dict[str, WorkIn] = {}
    contractors: int = 0
    changes: int = 0
    start_up: bool = False
    trial: bool = False
    pilot: bool = False
    major_danger: bool = False
    responsibility: bool = False
    risk_grade: int
    principal: str
    promise: bool
    explained: dict[str, str] = {}
    reason: str = ""


class CheckedOut(Schema):
    doubts: list[dict[str, str]]


@router.get("commitments", response=DayOut)
def list_day(
    request: HttpRequest, day: date | None = None, state: str = "", q: str = "", county: str = ""
) -> dict[str, Any]:
    """Every site in sight that has to commit on a day (today unless given), the missing first, 5,000 at most."""
    now = clock.now()
    day = min(day or timezone.localdate(now), timezone.localdate(now))
    lines = lists.day_of(request.user, day, now, q=q, county=county)
    return {
        "day": day.isoformat(),
        "figures": _figures(lists.figures(lines)),
        "counties": [
            _figures(one) | {"county": one.county.code, "name": one.county.name}
            for one in lists.by_county(lines)
            if one.county
        ],
        "items": [_line(line) for line in lines if not state or line.state == state][:5000],
    }


@router.get("commitments/{int:pk}", response=CommitmentOut)
def get_commitment(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One version as it was given."""
    return _commitment(one(lists.commitments(request.user), pk=pk))


@router.get("commitments/sites/{code}", response=list[CommitmentOut])
def list_of_site(request: HttpRequest, code: str) -> list[dict[str, Any]]:
    """The versions of a site, the newest day first, 100 at most."""
    site = one(lists.sites(request.user), code=code)
    rows = lists.commitments(request.user).filter(site=site).order_by("-day", "-number")[:100]
    return [_commitment(row) for row in rows]


@router.post("commitments/sites/{code}/check", response=CheckedOut)
def check(request: HttpRequest, code: str, body: CommitmentIn) -> dict[str, Any]:
    """What would have to be explained; nothing is kept."""
    site = one(lists.sites(request.user), code=code)
    found = services.judge(site, body.dict())[2]
    return {"doubts": [{"key": doubt.key, "words": doubt.words} for doubt in found]}


@router.post("commitments/sites/{code}", response=CommitmentOut)
def give(request: HttpRequest, code: str, body: CommitmentIn) -> dict[str, Any]:
    """The commitment of today, or with ``reason`` an amendment of it.  422 ``warn.commitment_not_explained`` says what
    differs from what the platform knows; ``…/check`` gives the keys.
    """
    site = one(lists.sites(request.user), code=code)
    values = body.dict()
    return _commitment(
        services.give(request.user, site, values, values.pop("explained"), values.pop("reason"))
    )


def _figures(of: lists.Figures) -> dict[str, Any]:
    return {name: getattr(of, name) for name in ("obliged", "given", "late", "missing", "waiting", "rate")}


def _line(line: lists.Line) -> dict[str, Any]:
    return {
        "site": line.site.code,
        "name": line.site.name,
        "org": line.site.org.name,
        "state": line.state,
        "deadline_ms": round(line.deadline_at.timestamp() * 1000),
        "commitment": line.row.pk if line.row else None,
    }


def _commitment(row: Commitment) -> dict[str, Any]:
    return {
        "id": row.pk,
        "site": row.site.code,
        "day": row.day.isoformat(),
        "number": row.number,
        "at_ms": round(row.at.timestamp() * 1000),
        "by": row.actor_name,
        "principal": row.principal,
        "risk_grade": row.risk_grade,
        "is_late": row.is_late,
        "reason": row.reason,
        "said": row.said,
        "doubts": row.doubts,
        "sha256": row.sha256,
    }
