"""Alarms that no rule over one datastream made: whoever finds something raises and clears it here, by its own key.

The rows, deeds and events are those of any alarm, and so is the promise: the same key is never raised twice.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from fengsui.sense.devices.models import Datastream
from fengsui.stores import outbox
from fengsui.warn.alarms.models import FOUND_KINDS, Alarm, Deed


@transaction.atomic
def raise_found(
    key: str,
    kind: str,
    datastream: Datastream,
    priority: int,
    at: datetime,
    value: float | None,
    received_at: datetime | None = None,
) -> Alarm:
    """The alarm with this key, raised now if it is new; ``datastream`` with its site and the site's organisation.

    ``value`` is the datastream's at ``at``, in its unit.
    """
    if kind not in FOUND_KINDS:
        raise ValueError(f"{kind} is a kind of rule")
    site = datastream.site
    rows = Alarm.objects.bulk_create(
        [
            Alarm(
                key=key, kind=kind, datastream=datastream, site=site, org_id=site.org_id, org_path=site.org_path,
                priority=priority, raised_at=at, raised_value=value, peak_value=value, peak_at=at,
                received_at=received_at, is_suppressed=datastream.stopped_at is not None,
            )
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    assert len(rows) == 1
    alarm = Alarm.objects.get(key=key)
    if not alarm.deeds.exists():
        Deed.objects.create(alarm=alarm, at=at, what="raised")
        if not alarm.is_suppressed:
            outbox.add("alarm.raised", **_about(alarm))
        else:
            outbox.add("alarm.suppressed", **_about(alarm))
    return alarm


@transaction.atomic
def worse(alarm: Alarm, at: datetime, value: float | None) -> None:
    """The worst so far was at ``at``."""
    Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(peak_value=value, peak_at=at)


@transaction.atomic
def clear_found(alarm: Alarm, at: datetime, value: float | None = None, note: str = "") -> None:
    """It is over; a second time changes nothing."""
    at = max(at, alarm.raised_at)
    if Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(cleared_at=at, cleared_value=value):
        Deed.objects.create(alarm=alarm, at=at, what="cleared", note=note[:300])
        outbox.add("alarm.cleared", **_about(alarm))


def _about(alarm: Alarm) -> dict[str, Any]:
    return {"alarm_id": alarm.pk, "key": alarm.key}
