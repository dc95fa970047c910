"""Alarms: the queue, one episode, and what people do to it."""

import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from fengsui.base.errors import BadInput, FengsuiError
from fengsui.people.orgs import access
from fengsui.show.api import shapes
from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.api.loops import detail_of
from fengsui.show.api.schemas import (
    AckIn,
    AckManyIn,
    AckManyOut,
    AlarmDetail,
    AlarmOut,
    AlarmPage,
    ChildPage,
    ShelveIn,
    StormOut,
    TimelineOut,
    UnshelveIn,
)
from fengsui.show.lists import alarms as lists
from fengsui.show.lists import folding
from fengsui.show.lists.loops import loops
from fengsui.show.words import fold_reason, say
from fengsui.warn.alarms import services
from fengsui.warn.alarms.models import SCENARIO, Alarm

router = Router(tags=["alarms"])
ACK_MAX = 500


class FiltersIn(Schema):
    standing: bool = False
    unacked: bool = False
    level: str = ""  # "1,2"
    site: str = ""
    org: str = ""
    kind: str = ""
    folded: bool | None = None  # into another alarm; left out: both
    since_ms: int | None = Field(None, ge=0, le=253_402_300_799_999)
    until_ms: int | None = Field(None, ge=0, le=253_402_300_799_999)
    cursor: str = ""
    size: int = 50


@router.get("alarms", response=AlarmPage)
def list_alarms(request: HttpRequest, q: Query[FiltersIn]) -> dict[str, Any]:
    """The standing queue (worst first, then newest) with ``standing=true``, or the record (newest first)."""
    try:
        level = tuple(int(part) for part in q.level.split(",") if part)
    except ValueError:
        raise BadInput("level is a list of numbers 1 to 4") from None
    filters = lists.Filters(
        standing=q.standing,
        unacked=q.unacked,
        level=level,
        site=q.site,
        org=q.org,
        kind=q.kind,
        folded=q.folded,
        since=_at(q.since_ms),
        until=_at(q.until_ms),
    )
    page = lists.alarm_page(request.user, filters, cursor=q.cursor, size=q.size)
    return {"items": _shaped(page.items), "next": page.next}


@router.get("alarms/timeline", response=TimelineOut)
def get_timeline(request: HttpRequest, hours: int = 24) -> dict[str, Any]:
    """Alarms raised by level in equal spans of the last 1, 6, 24 or 168 hours."""
    found = lists.timeline(request.user, hours)
    return {"from_ms": found.from_ms, "bucket_ms": found.bucket_ms, "levels": found.levels}


@router.get("alarms/storms", response=list[StormOut])
def get_storms(request: HttpRequest) -> list[dict[str, Any]]:
    """Sites in sight that raise more alarms than a person can take in, the strongest first."""
    return [
        {
            "site": shapes.site_ref(now.site),
            "org_path": now.site.org_path,
            "began_at_ms": shapes.ms(now.storm.began_at),
            "raised": now.storm.raised,
            "peak": now.storm.peak,
            "folded": now.folded,
        }
        for now in folding.storms(request.user)
    ]


@router.get("alarms/{int:pk}/children", response=ChildPage)
def get_children(request: HttpRequest, pk: int, cursor: str = "", size: int = 50) -> dict[str, Any]:
    """What is folded into an alarm, first raised first, each with the reason."""
    parent = _alarm(request, pk)
    page = folding.children(request.user, parent, cursor=cursor, size=size)
    counts = folding.behind(request.user, parent)
    shaped = zip(_shaped(page.items), page.items, strict=True)
    return {
        "items": [row | {"reason": fold_reason(alarm)} for row, alarm in shaped],
        "next": page.next,
        "all": counts.all,
        "seen": counts.seen,
        "unacked": counts.unacked,
    }


@router.get("alarms/{int:pk}", response=AlarmDetail)
def get_alarm(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One episode with its deeds, its rule and the loop that disposes of it."""
    alarm = one(folding.explained(request.user), pk=pk)
    parent = lists.alarms(request.user).filter(pk=alarm.parent_id).first()
    loop = loops(request.user).filter(key=f"alarm:{alarm.key}").first()
    actions = ("alarm.ack", "alarm.shelve", "rule.edit")
    return {
        "alarm": _shaped([alarm])[0],
        "peak_at_ms": shapes.ms(alarm.peak_at),
        "cleared_value": shapes.number(alarm.cleared_value),
        "ack_note": alarm.ack_note,
        "parent": _shaped([parent])[0] if parent else None,
        "reason": fold_reason(alarm),
        "rule": _rule(alarm),
        "deeds": [
            {"at_ms": shapes.ms(d.at), "what": d.what, "actor": d.actor_name, "note": d.note}
            for d in alarm.deeds.order_by("at", "id")
        ],
        "loop": detail_of(request.user, loop) if loop else None,
        "may": {action: access.may(request.user, action, alarm.org_path) for action in actions},
    }


@router.post("alarms/ack", response=AckManyOut)
def ack_many(request: HttpRequest, body: AckManyIn) -> dict[str, Any]:
    """Acknowledge several alarms; each is its own deed, and one refusal does not undo another's."""
    if len(body.ids) > ACK_MAX:
        raise BadInput(f"at most {ACK_MAX} alarms at once")
    done, refused = [], []
    for pk in dict.fromkeys(body.ids):
        try:
            done.append(services.ack(request.user, _alarm(request, pk), body.note).pk)
        except FengsuiError as error:
            refused.append({"id": pk, "code": error.code, "message": say(error)})
    found = {a.pk: a for a in lists.alarms(request.user).filter(pk__in=done)}
    return {"done": _shaped([found[pk] for pk in done if pk in found]), "refused": refused}


@router.post("alarms/{int:pk}/ack", response=AlarmOut)
def ack(request: HttpRequest, pk: int, body: AckIn) -> dict[str, Any]:
    """Acknowledge: "I have seen it and I am on it".  Again is no error.  ``children``: also what is folded into it."""
    alarm = services.ack(request.user, _alarm(request, pk), body.note)
    if body.children:
        services.ack_children(request.user, alarm, body.note)
    return _shaped([_alarm(request, pk)])[0]


@router.post("alarms/{int:pk}/shelve", response=AlarmOut)
def shelve(request: HttpRequest, pk: int, body: ShelveIn) -> dict[str, Any]:
    """Put the alarm's rule on the shelf for some minutes, with a reason."""
    alarm = _alarm(request, pk)
    if alarm.rule is None:
        raise NotFound
    if body.minutes < 1:
        raise BadInput("minutes must be at least 1")
    until = timezone.now() + datetime.timedelta(minutes=min(body.minutes, 1_000_000))
    services.shelve(request.user, alarm.rule, until, body.reason)
    return _shaped([_alarm(request, pk)])[0]


@router.post("alarms/{int:pk}/unshelve", response=AlarmOut)
def unshelve(request: HttpRequest, pk: int, body: UnshelveIn) -> dict[str, Any]:
    """Take the alarm's rule off the shelf."""
    alarm = _alarm(request, pk)
    if alarm.rule is None:
        raise NotFound
    services.unshelve(request.user, alarm.rule, body.reason)
    return _shaped([_alarm(request, pk)])[0]


def _rule(alarm: Alarm) -> dict[str, Any] | None:
    """The rule of an alarm; that of a scenario has no limit that would mean anything."""
    if alarm.rule is None:
        return None
    shaped = shapes.rule(alarm.rule)
    return shaped | {"kind": SCENARIO, "setpoint": None} if alarm.kind == SCENARIO else shaped


def _alarm(request: HttpRequest, pk: int) -> Alarm:
    return one(lists.alarms(request.user), pk=pk)


def _shaped(found: list[Alarm]) -> list[dict[str, Any]]:
    loop_ids = lists.loop_ids(found)
    return [shapes.alarm(alarm, loop_ids.get(alarm.pk)) for alarm in found]


def _at(value_ms: int | None) -> datetime.datetime | None:
    return None if value_ms is None else datetime.datetime.fromtimestamp(value_ms / 1000, datetime.UTC)
