"""Loops: my work, one loop with its deeds, acting in it with evidence, and evidence itself."""

import json
from typing import Any

from django.http import FileResponse, HttpRequest
from django.utils.http import content_disposition_header
from ninja import File, Form, Query, Router, Schema
from ninja.files import UploadedFile as NinjaFile

from fengsui.base.errors import BadInput
from fengsui.loops import services
from fengsui.loops.kinds.definition import Definition
from fengsui.loops.models import Deed, Evidence, Loop
from fengsui.loops.services import in_language
from fengsui.show import words
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.api.schemas import LoopDetail, LoopPage
from fengsui.show.lists import loops as lists
from fengsui.warn.alarms.models import Alarm

router = Router(tags=["loops"])


class LoopsIn(Schema):
    mine: bool = False
    due: bool = False
    open: bool | None = None
    level: str = ""
    kind: str = ""
    cursor: str = ""
    size: int = 50


class ActIn(Schema):
    action: str
    note: str = ""
    data: str = "{}"


@router.get("loops", response=LoopPage)
def list_loops(request: HttpRequest, q: Query[LoopsIn]) -> dict[str, Any]:
    """My work with ``mine=true``; open loops by deadline with ``due=true``; otherwise all in sight, newest first."""
    try:
        level = tuple(int(part) for part in q.level.split(",") if part)
    except ValueError:
        raise BadInput("level is a list of numbers 1 to 4") from None
    page = lists.loop_page(
        request.user,
        mine=q.mine,
        due=q.due,
        is_open=q.open,
        level=level,
        kind=q.kind,
        cursor=q.cursor,
        size=q.size,
    )
    known = lists.definitions(page.items)
    return {"items": [shapes.loop(loop, known[loop.pk]) for loop in page.items], "next": page.next}


@router.get("loops/{int:pk}", response=LoopDetail)
def get_loop(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One loop: steps, deeds with evidence, and what this user may do now."""
    return detail_of(request.user, one(lists.loops(request.user), pk=pk))


@router.post("loops/{int:pk}/act", response=LoopDetail)
def act(
    request: HttpRequest, pk: int, body: Form[ActIn], files: list[NinjaFile] = File(None)
) -> dict[str, Any]:
    """Do one thing in the loop, with a note, the data the step needs (JSON) and evidence (multipart)."""
    loop = one(lists.loops(request.user), pk=pk)
    try:
        data = json.loads(body.data or "{}")
    except ValueError:
        raise BadInput("data is not JSON") from None
    if not isinstance(data, dict):
        raise BadInput("data is not a JSON object")
    services.act(request.user, loop, body.action, note=body.note, data=data, files=files or [])
    return detail_of(request.user, one(lists.loops(request.user), pk=pk))


@router.get("evidence/{int:pk}", response=bytes)
def get_evidence(request: HttpRequest, pk: int) -> FileResponse:
    """The file, always as a download: what somebody uploaded is never shown as a page of ours."""
    evidence = one(Evidence.objects.visible_to(request.user), pk=pk)
    response = FileResponse(evidence.file.open("rb"), content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, evidence.name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def detail_of(user: Any, loop: Loop) -> dict[str, Any]:
    """Everything a screen shows of one loop."""
    definition = lists.definitions([loop])[loop.pk]
    deeds = list(loop.deeds.prefetch_related("evidence").order_by("at", "id"))
    alarm_key = loop.key.removeprefix("alarm:") if loop.key.startswith("alarm:") else ""
    alarm = Alarm.objects.visible_to(user).filter(key=alarm_key).values_list("pk", flat=True).first()
    return {
        "loop": shapes.loop(loop, definition),
        "steps": [
            {"code": step.code, "name": in_language(step.zh, step.en), "state": state}
            for step, state in lists.steps(loop, definition, {d.step for d in deeds})
        ],
        "deeds": [_deed(deed, definition) for deed in deeds],
        "actions": [
            {"code": offer.code, "name": offer.label, "to": offer.to, "needs": offer.requires}
            for offer in services.offers(user, loop)
            if offer.allowed
        ],
        "causes": [
            {"code": cause.code, "name": in_language(cause.zh, cause.en), "needs_note": cause.needs_note}
            for cause in definition.causes
        ],
        "alarm_id": alarm if alarm_key else None,
    }


def _deed(deed: Deed, definition: Definition) -> dict[str, Any]:
    return {
        "id": deed.pk,
        "at_ms": shapes.ms(deed.at),
        "step": deed.step,
        "step_name": words.loop_step(definition, deed.step),
        "action": deed.action,
        "action_name": words.loop_action(definition, deed.action),
        "actor": deed.actor_name,
        "note": deed.note,
        "data": deed.data,
        "evidence": [
            {
                "id": e.pk,
                "name": e.name,
                "size": e.size,
                "sha256": e.sha256,
                "url": f"/api/v1/evidence/{e.pk}",
            }
            for e in deed.evidence.all()
        ],
    }
