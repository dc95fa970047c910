"""The life of an alarm (ISA-18.2 / IEC 62682), as one word, and as other systems see it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from fengsui.loops.models import Loop
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.models import Alarm

ACTIVE_UNACKED, ACTIVE_ACKED, CLEARED_UNACKED = "active_unacked", "active_acked", "cleared_unacked"
NORMAL, SHELVED, SUPPRESSED = "normal", "shelved", "suppressed"
STATES = (ACTIVE_UNACKED, ACTIVE_ACKED, CLEARED_UNACKED, NORMAL, SHELVED, SUPPRESSED)


def state(alarm: Alarm, at: datetime) -> str:
    """Where the episode is at ``at``.  One that is over and acknowledged is ``normal``, whatever it was
    before.
    """
    if alarm.cleared_at is not None and alarm.acked_at is not None:
        return NORMAL
    if alarm.is_suppressed:
        return SUPPRESSED
    if alarm.shelved_until is not None and alarm.shelved_until > at:
        return SHELVED
    if alarm.cleared_at is not None:
        return CLEARED_UNACKED
    return ACTIVE_UNACKED if alarm.acked_at is None else ACTIVE_ACKED


def is_announced(alarm: Alarm, at: datetime) -> bool:
    """Whether people are told of it: neither shelved at ``at`` nor suppressed, nor folded into another one."""
    return (
        alarm.parent_id is None
        and not alarm.is_suppressed
        and (alarm.shelved_until is None or alarm.shelved_until <= at)
    )


def live_payload(alarm: Alarm, what: str = "", loop_id: int | None = None) -> dict[str, Any]:
    """The alarm as JSON, as the LIVE stream and the API give it.  ``what`` is what happened to it last.

    Reads site, datastream and acked_by: select them with the alarm.
    """
    site, datastream = alarm.site, alarm.datastream
    return {
        "type": "alarm",
        "what": what,
        "id": alarm.pk,
        "key": alarm.key,
        "version": alarm.version,
        "site": {
            "id": site.pk,
            "code": site.code,
            "name": site.name,
            "name_en": site.name_en,
            "lon": site.longitude,
            "lat": site.latitude,
        },
        "org_path": alarm.org_path,
        "datastream": {
            "id": datastream.pk,
            "code": datastream.code,
            "name": datastream.name,
            "name_en": datastream.name_en,
            "unit": datastream.unit,
            "decimals": datastream.decimals,
        },
        "kind": alarm.kind,
        "priority": alarm.priority,
        "state": state(alarm, timezone.now()),
        "setpoint": alarm.setpoint,
        "raised_at_ms": ms(alarm.raised_at),
        "raised_value": alarm.raised_value,
        "peak_value": alarm.peak_value,
        "cleared_at_ms": ms(alarm.cleared_at),
        "acked_at_ms": ms(alarm.acked_at),
        "acked_by": str(alarm.acked_by) if alarm.acked_by else None,
        "shelved_until_ms": ms(alarm.shelved_until),
        "suppressed": alarm.is_suppressed,
        "received_at_ms": ms(alarm.received_at),
        "loop_id": loop_id,
        "by": made.as_row() if (made := by(alarm.grounds)) else None,
        "fold": fold_of(alarm),
        "children": alarm.folded_count,
    }


def fold_of(alarm: Alarm) -> dict[str, Any] | None:
    """Into which alarm it is folded, and why; None when it stands for itself."""
    if alarm.parent_id is None:
        return None
    return {
        "parent_id": alarm.parent_id,
        "cause_id": alarm.cause_id,
        "rule": alarm.fold_rule,
        "relation": alarm.fold_relation,
        "hops": alarm.fold_hops or 0,
        "lag_ms": alarm.fold_lag_ms or 0,
        "at_ms": ms(alarm.folded_at),
    }


def live_payloads(ids: Iterable[int], what: str) -> list[dict[str, Any]]:
    """``live_payload`` of many alarms in two queries, in order of their ids."""
    alarms = list(
        Alarm.objects.filter(pk__in=list(ids)).select_related("site", "datastream", "acked_by").order_by("pk")
    )
    loops = dict(
        Loop.objects.filter(key__in=[f"alarm:{alarm.key}" for alarm in alarms]).values_list("key", "pk")
    )
    return [live_payload(alarm, what, loops.get(f"alarm:{alarm.key}")) for alarm in alarms]


def ms(at: datetime | None) -> int | None:
    """An instant as ms UTC."""
    return None if at is None else round(at.timestamp() * 1000)
