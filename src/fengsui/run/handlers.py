"""Which event of the outbox leads to which deed: the only place where alarms and loops meet.

Every handler may run again for the same event and then changes nothing.  ``docs/loops.md`` lists the topics.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from django.utils import timezone, translation
from nats.errors import Error
from nats.js.errors import APIError

from fengsui.govern.quarantine import handlers as quarantine
from fengsui.loops import kinds
from fengsui.loops import services as loops
from fengsui.people.accounts.models import User
from fengsui.sense.devices.models import Datastream
from fengsui.show.reports import handlers as reports
from fengsui.stores import outbox
from fengsui.stores.bus.streams import LIVE_SECONDS, LIVE_SUBJECTS
from fengsui.stores.outbox.services import Context, Handler, Many, NotNow
from fengsui.warn.alarms import services as alarms
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.life import is_announced
from fengsui.warn.alarms.models import Alarm, Rule
from fengsui.warn.calls import handlers as calls
from fengsui.warn.calls import services as calling
from fengsui.warn.fences import services as fences
from fengsui.warn.fences.models import FenceRule
from fengsui.warn.risks import handlers as risks
from fengsui.warn.risks import services as risk
from fengsui.warn.warnings import handlers as warnings

KIND = "alarm_disposal"
SAME_EVENT = ("raised", "cleared")  # the pipeline publishes these too, under the same Nats-Msg-Id


class Tools(Protocol):
    """What the worker brings to its handlers."""

    async def publish(self, subject: str, data: bytes, msg_id: str) -> None:
        """Publish on the bus and wait for its acknowledgement."""


def alarms_raised(events: list[tuple[Context, dict[str, Any]]]) -> None:
    """People are to be told: open the disposal loop of each alarm whose priority asks for one.

    In bulk, because alarms come in floods.
    """
    first = {payload["alarm_id"]: context for context, payload in reversed(events)}
    # Locked: an acknowledgement of this moment waits, and then finds the loop.
    rows = _alarms().filter(pk__in=first).select_for_update(of=("self",)).order_by("pk")
    now = timezone.now()
    raised = [alarm for alarm in rows if is_announced(alarm, now)]
    levels = kinds.in_force(kinds.current(KIND)).opens_at_levels
    opened = loops.open_loops(
        KIND,
        [
            loops.Opening(
                key=loop_key(alarm),
                title=title(alarm, "zh-hans"),
                title_en=title(alarm, "en"),
                org=alarm.org,
                level=alarm.priority,
                at=first[
                    alarm.pk
                ].created_at,  # limits count from when people were told, however late the reading was
                about={
                    "alarm_id": alarm.pk,
                    "site": {"id": alarm.site_id, "code": alarm.site.code, "name": alarm.site.name},
                },
            )
            for alarm in raised
            if alarm.priority in levels
        ],
    )
    told = []
    for alarm in raised:
        loop = opened.get(loop_key(alarm))
        if loop is not None and alarm.cleared_at is not None:
            loops.note_fact(loop.key, "cleared", alarm.cleared_at, at=alarm.cleared_at)
        if loop is not None and alarm.acked_at is not None:
            _acknowledge(alarm)
        told.append(_told(first[alarm.pk], alarm, "raised", loop.pk if loop is not None else None))
    outbox.add_many("live", told)
    risk.stale()


def alarm_cleared(context: Context, payload: dict[str, Any]) -> None:
    """Its loop may now be closed without a word why the alarm still stands."""
    if (alarm := _alarm(payload, lock=True)) is None:
        return
    if alarm.cleared_at is not None:
        loops.note_fact(loop_key(alarm), "cleared", alarm.cleared_at, at=alarm.cleared_at)
    _live(context, alarm, "cleared")
    risk.stale()


def alarms_acked(events: list[tuple[Context, dict[str, Any]]]) -> None:
    """Whoever acknowledges an alarm has acknowledged its loop.  In bulk: children are acknowledged together."""
    for _, alarm in _each(events, lock=True):
        if alarm.acked_at is not None:
            _acknowledge(alarm)
    _live_all(events, "acked")


def alarms_folded(events: list[tuple[Context, dict[str, Any]]]) -> None:
    """A cause was found: nobody above is told of the loop that was opened before it was."""
    folded = [alarm for _, alarm in _each(events) if alarm.parent_id is not None]
    for parent in {alarm.parent_id for alarm in folded}:
        keys = [loop_key(alarm) for alarm in folded if alarm.parent_id == parent]
        loops.pause(keys, at=timezone.now(), why=f"folded into alarm {parent}")
    _live_all(events, "folded")


def alarms_unfolded(events: list[tuple[Context, dict[str, Any]]]) -> None:
    """They stand for themselves again: a loop from before goes on ("alarm.raised" opens the others)."""
    back = [alarm for _, alarm in _each(events) if alarm.parent_id is None]
    loops.resume([loop_key(alarm) for alarm in back], at=timezone.now())
    _live_all(events, "unfolded")


def alarms_counted(events: list[tuple[Context, dict[str, Any]]]) -> None:
    """Other alarms were folded into it, or no longer are: only the screens follow."""
    _live_all(events, "counted")


def alarm_told(context: Context, payload: dict[str, Any]) -> None:
    """Something else happened to an alarm (shelved, suppressed …): only the screens follow."""
    if (alarm := _alarm(payload)) is not None:
        _live(context, alarm, context.topic.removeprefix("alarm."))
        risk.stale()


def loop_acted(context: Context, payload: dict[str, Any]) -> None:
    """Whoever takes an alarm's loop out of its first step has acknowledged the alarm; a callout follows its loop."""
    if payload["kind"] == calling.KIND:
        who = User.objects.filter(pk=payload["actor_id"]).first()
        calling.loop_acted(payload["loop_id"], payload["action"], who, _instant(payload["at"]))
        return
    if payload["kind"] != KIND or payload["from_step"] == payload["to_step"]:
        return
    actor = User.objects.filter(pk=payload["actor_id"]).first()
    alarm = Alarm.objects.filter(key=payload["key"].removeprefix("alarm:")).first()
    if actor is not None and alarm is not None and alarm.acked_at is None:
        alarms.ack_by_loop(actor, alarm, payload["note"])


async def live(context: Context, payload: dict[str, Any]) -> None:
    """Publish ``payload`` on the LIVE stream.  Raises NotNow while the bus is away.

    What is older than the stream keeps is dropped: screens that were away that long read everything anew.
    """
    subject = payload["subject"]
    if subject not in LIVE_SUBJECTS:
        raise ValueError(f"{subject!r} is not a subject of the LIVE stream")
    if timezone.now() - context.created_at > timedelta(seconds=LIVE_SECONDS):
        return
    tools: Tools = context.tools
    try:
        await tools.publish(subject, msgspec.json.encode(payload["payload"]), payload["msg_id"])
    except (Error, APIError, TimeoutError, OSError) as error:
        raise NotNow(repr(error)) from error


CAMERA_RULES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "alarm": ("h", {"setpoint": 0.5, "priority": 2, "basis": "GB/T 28181 Alarm"}),
    "online": (
        "l",
        {"setpoint": 0.5, "priority": 4, "on_delay_ms": 300_000, "basis": "GB/T 28181 Keepalive"},
    ),
}


def camera_listed(context: Context, payload: dict[str, Any]) -> None:
    """What is wrong with a new camera is an alarm without anybody asking for it: it reports one, or is away.

    A datastream that has a rule already, also a withdrawn one, is left to who made it.
    """
    for stream in Datastream.objects.select_related("site").filter(pk__in=payload["datastreams"]):
        kind, values = CAMERA_RULES[stream.code.partition(".")[2]]
        if not Rule.objects.filter(datastream=stream).exists():
            alarms.create_rule(None, stream, kind, values, payload.get("reason", ""))


def unit_changed(context: Context, payload: dict[str, Any]) -> None:
    """A unit is new, or something about it is different: what watches it follows."""
    fences.follow(FenceRule.objects.filter(withdrawn_at=None), payload["units"])


SLOW = frozenset(
    {"quarantine.replay", "report.send"}
)  # may take many seconds: drained apart, so that nothing else waits
RISK = frozenset(
    {"hazard.identified", "risk.stale"}
)  # drained apart, many at once: one reckoning for all of them
CALLS = frozenset({calling.DELIVER})  # drained apart: a mail server that hangs keeps nothing else waiting

HANDLERS: Mapping[str, Handler] = {
    "alarm.raised": Many(alarms_raised),
    "alarm.cleared": alarm_cleared,
    "alarm.acked": Many(alarms_acked),
    "alarm.folded": Many(alarms_folded),
    "alarm.unfolded": Many(alarms_unfolded),
    "alarm.counted": Many(alarms_counted),
    "alarm.shelved": alarm_told,
    "alarm.unshelved": alarm_told,
    "alarm.suppressed": alarm_told,
    "alarm.unsuppressed": alarm_told,
    "loop.acted": loop_acted,
    "camera.listed": camera_listed,
    "unit.changed": unit_changed,
    "quarantine.replay": quarantine.replay,
    "warning.approved": warnings.warning_approved,
    "warning.message": warnings.warning_message,
    "warning.published": calls.warning_published,
    calling.DELIVER: calls.deliver,
    "hazard.identified": Many(risks.stale),
    "report.send": reports.send,
    "risk.stale": Many(risks.stale),
    "risk.readings": risks.readings,
    "live": live,
}


def loop_key(alarm: Alarm) -> str:
    """The key of the loop that disposes of ``alarm``."""
    return f"alarm:{alarm.key}"


def title(alarm: Alarm, language: str) -> str:
    """Site, datastream and kind of alarm, in one language; of a detector also its name."""
    with translation.override(language):
        kind = alarm.get_kind_display()
    chinese = language.startswith("zh")
    site, datastream = alarm.site, alarm.datastream
    words = [
        site.name if chinese else site.name_en or site.name,
        datastream.name if chinese else datastream.name_en or datastream.name,
        kind,
    ]
    if (made := by(alarm.grounds)) and made.what == "detector":
        words.append(made.name if chinese else made.name_en)
    return " · ".join(str(word) for word in words)


def _acknowledge(alarm: Alarm) -> None:
    assert alarm.acked_at is not None
    loops.follow(loop_key(alarm), "acknowledge", actor=alarm.acked_by, at=alarm.acked_at, note=alarm.ack_note)


def _instant(value: Any) -> datetime:
    """An instant of a payload, which JSON made text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _alarms() -> Any:
    return Alarm.objects.select_related("site", "datastream", "org", "acked_by")


def _alarm(payload: Mapping[str, Any], lock: bool = False) -> Alarm | None:
    """The alarm as it is now, which may be later than the event; None when it is gone."""
    rows = _alarms().select_for_update(of=("self",)) if lock else _alarms()
    return rows.filter(pk=payload["alarm_id"]).first()


def _each(events: list[tuple[Context, dict[str, Any]]], lock: bool = False) -> list[tuple[Context, Alarm]]:
    """The alarms of these events as they are now, each once with its last event, in order of their ids."""
    last = {payload["alarm_id"]: context for context, payload in events}
    rows = _alarms().filter(pk__in=last).order_by("pk")
    return [(last[alarm.pk], alarm) for alarm in (rows.select_for_update(of=("self",)) if lock else rows)]


def _live_all(events: list[tuple[Context, dict[str, Any]]], what: str) -> None:
    found = _each(events)
    keys = [loop_key(alarm) for _, alarm in found]
    ids = dict(loops.Loop.objects.filter(key__in=keys).values_list("key", "pk"))
    outbox.add_many("live", [_told(c, alarm, what, ids.get(loop_key(alarm))) for c, alarm in found])


def _live(context: Context, alarm: Alarm, what: str) -> None:
    loop_id = loops.Loop.objects.filter(key=loop_key(alarm)).values_list("pk", flat=True).first()
    outbox.add("live", **_told(context, alarm, what, loop_id))


def _told(context: Context, alarm: Alarm, what: str, loop_id: int | None) -> dict[str, Any]:
    msg_id = f"alarm:{alarm.key}:{what}"
    if what not in SAME_EVENT:
        msg_id += f":{context.event_id}"  # it may happen again to the same alarm
    body = alarms.live_payload(alarm, what, loop_id)
    return {"subject": "live.alarm", "payload": body, "msg_id": msg_id}
