"""Detectors: the list, one with its newest scores and findings, what people do with it; truth scores of instruments."""

from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.lists import detectors as lists
from fengsui.warn.detecting import services
from fengsui.warn.detecting.models import Detector, Finding

router = Router(tags=["detectors"])


class DetectorOut(Schema):
    id: int
    site: str
    name: str
    name_en: str
    method: str
    priority: int
    in_force: int | None  # version
    in_shadow: int | None
    findings_24h: int
    standing: int
    settings: dict[str, int]


class DetectorPage(Schema):
    items: list[DetectorOut]
    next: str | None


class VersionOut(Schema):
    version: int
    trained_at_ms: int
    by: str
    note: str
    sha256: str
    about: dict[str, Any]


class ChangeOut(Schema):
    number: int
    at_ms: int
    by: str
    what: str
    version: int | None
    reason: str


class DetectorDetail(DetectorOut):
    versions: list[VersionOut]
    changes: list[ChangeOut]


class PartOut(Schema):
    datastream: str
    share: float
    words: str


class ScoresOut(Schema):
    version: int
    shadow: bool
    from_ms: int
    every_ms: int
    scores: list[float | None]  # times the limit; null: not judged
    parts: list[PartOut]  # who makes the newest row what it is


class FindingOut(Schema):
    id: int
    detector: int
    kind: str
    version: int
    shadow: bool
    alarm_id: int | None
    datastream: str
    raised_at_ms: int
    cleared_at_ms: int | None
    peak: float
    peak_at_ms: int
    parts: list[PartOut]


class FindingPage(Schema):
    items: list[FindingOut]
    next: str | None


class TruthOut(Schema):
    site: str
    datastream: str
    score: int
    reasons: list[dict[str, Any]]
    at_ms: int
    detector: int


class TruthPage(Schema):
    items: list[TruthOut]
    next: str | None


class ActIn(Schema):
    deed: Literal["shadow", "activate", "promote", "stop_shadow", "deactivate"]
    reason: str = ""
    version: int = 0


class TrainIn(Schema):
    from_ms: int = Field(ge=0, le=253_402_300_799_999)
    to_ms: int = Field(ge=0, le=253_402_300_799_999)
    note: str


@router.get("detectors", response=DetectorPage)
def list_detectors(
    request: HttpRequest, q: str = "", state: Literal["", "force", "shadow", "off"] = "", cursor: str = "",
    size: int = 50,
) -> dict[str, Any]:  # fmt: skip
    """Detectors by site and name."""
    page = lists.detector_page(request.user, q=q, which=state, cursor=cursor or None, size=size)
    return {"items": [_shaped(row) for row in page.items], "next": page.next}


@router.get("detectors/findings", response=FindingPage)
def list_findings(
    request: HttpRequest, detector: int | None = None, cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """What detectors found, the newest first, with whose doing it was."""
    rows = lists.findings(request.user)
    if detector is not None:
        rows = rows.filter(detector=detector)
    found: lists.Page[Finding] = lists.page(rows, lists.FINDING_ORDER, cursor or None, size)
    return {"items": [_finding(row) for row in found.items], "next": found.next}


@router.get("detectors/truth", response=TruthPage)
def list_truth(
    request: HttpRequest, site: str = "", below: int = 101, cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Truth scores of instruments, 100 to 0, the lowest first."""
    page = lists.truth_page(request.user, site=site, below=below, cursor=cursor or None, size=size)
    items = [
        {
            "site": row.datastream.site.code, "datastream": row.datastream.code, "score": row.score,
            "reasons": row.reasons, "at_ms": _ms(row.at), "detector": row.detector_id,
        }
        for row in page.items
    ]  # fmt: skip
    return {"items": items, "next": page.next}


@router.get("detectors/{int:pk}", response=DetectorDetail)
def get_detector(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One detector with its versions and its history."""
    row = one(lists.detectors(request.user), pk=pk)
    return _shaped(row) | {
        "versions": [
            {
                "version": v.version, "trained_at_ms": _ms(v.trained_at), "by": v.actor_name, "note": v.note,
                "sha256": v.sha256, "about": v.about,
            }
            for v in row.versions.light()[:100]
        ],
        "changes": [
            {
                "number": c.number, "at_ms": _ms(c.at), "by": c.actor_name, "what": c.what, "version": c.version,
                "reason": c.reason,
            }
            for c in row.changes.all()[:100]
        ],
    }  # fmt: skip


@router.get("detectors/{int:pk}/scores", response=list[ScoresOut])
def get_scores(request: HttpRequest, pk: int) -> list[dict[str, Any]]:
    """The newest scores of what is in force and in shadow, at most 720 rows each."""
    row = one(lists.detectors(request.user), pk=pk)
    answers = []
    for run in row.runs.select_related("trained").defer("trained__learnt").order_by("is_shadow"):
        found = lists.scores(run, int(run.trained.about["every_ms"]))
        parts = lists.explained(run.parts, is_normal=(found.last or 0) <= 1)
        answers.append(
            {
                "version": run.trained.version, "shadow": run.is_shadow, "from_ms": found.from_ms,
                "every_ms": found.every_ms, "scores": found.values, "parts": _told(parts),
            }
        )  # fmt: skip
    return answers


@router.post("detectors/{int:pk}/act", response=DetectorOut)
def act(request: HttpRequest, pk: int, body: ActIn) -> dict[str, Any]:
    """Put a version in shadow or in force, promote, stop or switch off, with a reason."""
    row = one(lists.detectors(request.user), pk=pk)
    if body.deed in ("shadow", "activate"):
        getattr(services, body.deed)(request.user, row, body.version, body.reason)
    else:
        getattr(services, body.deed)(request.user, row, body.reason)
    return _shaped(one(lists.detectors(request.user), pk=pk))


@router.post("detectors/{int:pk}/train", response=dict[str, int])
def train(request: HttpRequest, pk: int, body: TrainIn) -> dict[str, int]:
    """Have a new version learnt from a stretch of normal operation; a job does it."""
    row = one(lists.detectors(request.user), pk=pk)
    begins, ends = (datetime.fromtimestamp(at / 1000, UTC) for at in (body.from_ms, body.to_ms))
    return {"training": services.ask_training(request.user, row, begins, ends, body.note).pk}


@router.get("detectors/trainings/{int:pk}", response=dict[str, Any])
def get_training(request: HttpRequest, pk: int) -> dict[str, Any]:
    """What came of a training: ``version``, or ``problem``; neither while it is under way."""
    from fengsui.warn.detecting.models import Training

    row = Training.objects.filter(pk=pk, detector__in=lists.detectors(request.user).values("pk")).first()
    if row is None:
        raise NotFound
    return {
        "version": row.version, "problem": row.problem, "ended_at_ms": _ms(row.ended_at) if row.ended_at else None,
    }  # fmt: skip


def _shaped(row: Detector) -> dict[str, Any]:
    counted: Any = row
    return {
        "id": row.pk, "site": row.site.code, "name": row.name, "name_en": row.name_en, "method": row.method,
        "priority": row.priority, "in_force": row.in_force.version if row.in_force else None,
        "in_shadow": row.in_shadow.version if row.in_shadow else None, "findings_24h": counted.day,
        "standing": counted.standing, "settings": {name: getattr(row, name) for name in services.SETTINGS},
    }  # fmt: skip


def _finding(row: Finding) -> dict[str, Any]:
    return {
        "id": row.pk, "detector": row.detector_id, "kind": row.kind, "version": row.version,
        "shadow": row.is_shadow, "alarm_id": row.alarm_id, "datastream": row.datastream.code,
        "raised_at_ms": _ms(row.raised_at), "cleared_at_ms": _ms(row.cleared_at) if row.cleared_at else None,
        "peak": row.peak, "peak_at_ms": _ms(row.peak_at), "parts": _told(lists.told(row)),
    }  # fmt: skip


def _told(lines: list[lists.Told]) -> list[dict[str, Any]]:
    return [
        {"datastream": t.datastream.code if t.datastream else "", "share": t.share, "words": t.words}
        for t in lines
    ]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
