"""Online patrols: what was looked at, what was drawn with which seed, what nobody looked at for long."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.people.orgs import access
from fengsui.show.api.found import one
from fengsui.show.lists import patrols as lists
from fengsui.stores import clock
from fengsui.warn.patrols import services
from fengsui.warn.patrols.models import Draw, Patrol

router = Router(tags=["patrols"])


class PatrolOut(Schema):
    id: int
    site: str
    name: str
    draw: int | None
    reason: str
    officer: str
    opened_ms: int
    done_ms: int | None
    answers: dict[str, dict[str, str]]
    seen: dict[str, Any]
    note: str
    findings: list[int]  # ids of loops


class PatrolPage(Schema):
    items: list[PatrolOut]
    next: str | None


class DrawOut(Schema):
    """``candidates`` are [code, weight, level, days since the last look or null, alarms]; docs/patrol.md says how to
    draw again.
    """

    id: int
    org: str
    at_ms: int
    by: str
    reason: str
    seed: str
    size: int
    candidates: list[list[Any]]
    chosen: list[str]
    is_true: bool


class DrawIn(Schema):
    org: str
    size: int
    reason: str = ""


class CoverageOut(Schema):
    site: str
    name: str
    level: int
    days: int | None
    patrol: int | None


class PatrolFiguresOut(Schema):
    done: int
    drawn: int
    covered: int
    sites: int
    share: float | None
    findings: int
    closed: int
    overdue: int
    waiting: int


@router.get("patrols", response=PatrolPage)
def list_patrols(
    request: HttpRequest, state: str = "", q: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """The newest first; ``state`` is open, done or dropped.  Enterprises see what is done only."""
    page = lists.patrol_page(request.user, state=state, q=q, cursor=cursor or None, size=size)
    return {"items": [_patrol(row) for row in page.items], "next": page.next}


@router.get("patrols/figures", response=PatrolFiguresOut)
def get_figures(request: HttpRequest) -> dict[str, Any]:
    """The last 30 days of the sites in sight."""
    now = clock.now()
    found = lists.figures(request.user, *lists.month(now), now)
    return {name: getattr(found, name) for name in PatrolFiguresOut.model_fields}


@router.get("patrols/coverage", response=list[CoverageOut])
def get_coverage(request: HttpRequest, days: int = 30) -> list[dict[str, Any]]:
    """Sites that nobody looked at in the last ``days``, never looked at first, 5,000 at most."""
    return [
        {"site": one.site.code, "name": one.site.name, "level": one.level, "days": one.days}
        | {"patrol": one.last.pk if one.last else None}
        for one in lists.coverage(request.user, clock.now(), max(0, min(days, 36_500)))[:5000]
    ]


@router.get("patrols/{int:pk}", response=PatrolOut)
def get_patrol(request: HttpRequest, pk: int) -> dict[str, Any]:
    return _patrol(one(lists.patrols(request.user), pk=pk))


@router.get("patrols/draws/{int:pk}", response=DrawOut)
def get_draw(request: HttpRequest, pk: int) -> dict[str, Any]:
    """A draw with everything that is needed to draw it again."""
    return _draw(one(lists.draws(request.user), pk=pk))


@router.post("patrols/draws", response=DrawOut)
def draw(request: HttpRequest, body: DrawIn) -> dict[str, Any]:
    """Draw sites below an organisation; each gets a patrol that waits for whoever takes it."""
    org = one(access.orgs_where(request.user, "patrol.do"), code=body.org)
    return _draw(services.draw_sites(request.user, org, body.size, None, body.reason))


def _patrol(row: Patrol) -> dict[str, Any]:
    return {
        "id": row.pk,
        "site": row.site.code,
        "name": row.site.name,
        "draw": row.draw_id,
        "reason": row.reason,
        "officer": row.officer_name,
        "opened_ms": round(row.opened_at.timestamp() * 1000),
        "done_ms": None if row.done_at is None else round(row.done_at.timestamp() * 1000),
        "answers": row.answers,
        "seen": row.seen,
        "note": row.note,
        "findings": [loop.pk for loop in services.findings(row)] if row.findings else [],
    }


def _draw(row: Draw) -> dict[str, Any]:
    return {
        "id": row.pk,
        "org": row.org.code,
        "at_ms": round(row.at.timestamp() * 1000),
        "by": row.actor_name,
        "reason": row.reason,
        "seed": row.seed,
        "size": row.size,
        "candidates": row.candidates,
        "chosen": row.chosen,
        "is_true": services.is_true(row),
    }
