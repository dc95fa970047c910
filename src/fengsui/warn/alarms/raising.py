"""Alarms that no rule over one datastream made: whoever finds something raises and clears it here, by its own key.

The rows, deeds and events are those of any alarm, and so are the promises: the same key is never raised twice, and what
is raised is looked at for folding in its transaction and counts for storms.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from fengsui.sense.devices.models import Datastream
from fengsui.stores import outbox
from fengsui.warn.alarms import folding, storms
from fengsui.warn.alarms.life import ms
from fengsui.warn.alarms.models import FOUND_KINDS, Alarm, Deed


def hold(things: Iterable[int]) -> None:
    """To be called first, in the same transaction, by who raises or clears several alarms: the things of all of them.

    Folding locks what hangs together with a thing before a row of an alarm is written (``folding.lock``); one after the
    other, two of us could wait for each other.
    """
    with connection.cursor() as cursor:
        folding.lock(cursor, things)


@transaction.atomic
def raise_found(
    key: str,
    kind: str,
    datastream: Datastream,
    priority: int,
    at: datetime,
    value: float | None,
    received_at: datetime | None = None,
    grounds: Mapping[str, Any] | None = None,
) -> Alarm:
    """The alarm with this key, raised now if it is new; ``datastream`` with its site and the site's organisation.

    ``value`` is the datastream's at ``at``, in its unit; ``grounds`` say who found it and why (``alarms.grounds``).
    """
    if kind not in FOUND_KINDS:
        raise ValueError(f"{kind} is a kind of rule")
    site = datastream.site
    with connection.cursor() as cursor:
        known, parts = folding.lock(cursor, [datastream.thing_id])
        Alarm.objects.bulk_create(
            [
                Alarm(
                    key=key, kind=kind, datastream=datastream, site=site, org_id=site.org_id, org_path=site.org_path,
                    priority=priority, raised_at=at, raised_value=value, peak_value=value, peak_at=at,
                    received_at=received_at, is_suppressed=datastream.stopped_at is not None, grounds=grounds,
                )
            ],
            ignore_conflicts=True,
        )  # fmt: skip
        alarm = Alarm.objects.get(key=key)
        if alarm.deeds.exists():
            return alarm
        Deed.objects.create(alarm=alarm, at=at, what="raised")
        touched = [datastream.thing_id]
        folded, _ = folding.refold(cursor, known, parts, folding.now(), _since(at), [alarm.pk], touched)
        topic = "suppressed" if alarm.is_suppressed else "folded" if folded else "raised"
        outbox.add(f"alarm.{topic}", **_about(alarm))
        storms.follow(cursor, [alarm.pk])
    alarm.refresh_from_db()
    return alarm


@transaction.atomic
def worse(alarm: Alarm, at: datetime, value: float | None) -> None:
    """The worst so far was at ``at``."""
    Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(peak_value=value, peak_at=at)


@transaction.atomic
def clear_found(alarm: Alarm, at: datetime, value: float | None = None, note: str = "") -> None:
    """It is over; a second time changes nothing."""
    at = max(at, alarm.raised_at)
    thing = Datastream.objects.values_list("thing_id", flat=True).get(pk=alarm.datastream_id)
    with connection.cursor() as cursor:
        known, parts = folding.lock(cursor, [thing])
        if Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(cleared_at=at, cleared_value=value):
            Deed.objects.create(alarm=alarm, at=at, what="cleared", note=note[:300])
            outbox.add("alarm.cleared", **_about(alarm))
            folding.refold(cursor, known, parts, folding.now(), _since(alarm.raised_at), touched=[thing])


def _since(at: datetime) -> int:
    found = ms(at)
    assert found is not None
    return found


def _about(alarm: Alarm) -> dict[str, Any]:
    return {"alarm_id": alarm.pk, "key": alarm.key}
