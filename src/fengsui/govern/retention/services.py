"""Decide how long readings are kept, hold what must not go, and say what that means for a partition."""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.govern.quarantine.models import CheckPolicy
from fengsui.govern.retention.models import Hold, Policy
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.stores import changes
from fengsui.stores.history import keep
from fengsui.stores.history.keep import FOREVER, KINDS, Keep

DAY_MS = 86_400_000
_DATASTREAMS = """
SELECT d.id FROM devices_datastream d JOIN devices_site s ON s.id = d.site_id
WHERE (%(partitions)s = 0 OR d.site_id %% nullif(%(partitions)s, 0) = %(partition)s)
  AND (%(org)s = '' OR s.org_path LIKE %(org)s || '%%') AND (%(kind)s = '' OR s.kind = %(kind)s)
  AND (%(property)s = 0 OR d.observed_property_id = %(property)s) AND (%(site)s = 0 OR s.id = %(site)s)
ORDER BY d.id
"""


@transaction.atomic
def decide(
    actor: Any,
    *,
    reason: str,
    raw_days: int | None,
    minute_days: int | None,
    hour_days: int | None,
    media_days: int | None = None,
    org: Any = None,
    site_kind: str = "",
    observed_property: Any = None,
) -> Policy:
    """A rule of retention, in force within a minute.  One for the same readings is ended by it.

    Raises NotAllowed, BadInput (no reason, aggregates shorter than readings, shorter than late readings may come).
    """
    _require(actor)
    check(reason, raw_days, minute_days, hour_days)
    check_media(media_days, observed_property)
    made = Policy(
        org=org, site_kind=site_kind, observed_property=observed_property, raw_days=raw_days,
        minute_days=minute_days, hour_days=hour_days, media_days=media_days, reason=reason.strip(),
        made_by=_name(actor),
    )  # fmt: skip
    before = Policy.objects.in_force().filter(
        org=org, site_kind=site_kind, observed_property=observed_property
    )
    before.update(ended_at=timezone.now(), ended_by=_name(actor), end_reason=reason.strip())
    try:
        made.save()
    except IntegrityError:
        raise BadInput(_("Somebody else decided the same just now: look again.")) from None
    audit.record(actor, "retention.decided", made, values=_values(made), reason=reason)
    return made


@transaction.atomic
def end(actor: Any, row: Policy | Hold, reason: str) -> Policy | Hold:
    """End a rule or a hold.  Raises NotAllowed, BadInput (no reason, ended already)."""
    _require(actor)
    if not reason.strip():
        raise BadInput(_("Say why: it is kept with the policy."))
    locked = type(row).objects.select_for_update().get(pk=row.pk)
    if locked.ended_at is not None:
        raise BadInput(_("This was ended before."))
    locked.ended_at, locked.ended_by, locked.end_reason = timezone.now(), _name(actor), reason.strip()
    locked.save(update_fields=["ended_at", "ended_by", "end_reason"])
    action = "retention.ended" if isinstance(locked, Policy) else "retention.hold_lifted"
    audit.record(actor, action, locked, reason=reason)
    return locked


@transaction.atomic
def hold(actor: Any, *, from_at: datetime, to_at: datetime, reason: str, site: Any = None) -> Hold:
    """Nothing of the days of [from_at, to_at] is deleted, of a site or of all.  Raises NotAllowed, BadInput."""
    _require(actor)
    if not reason.strip():
        raise BadInput(_("Say why: it is kept with the policy."))
    if not from_at < to_at:
        raise BadInput(_("The beginning must be before the end."))
    made = Hold.objects.create(
        site=site, from_at=from_at, to_at=to_at, reason=reason.strip(), made_by=_name(actor)
    )
    span = [from_at.isoformat(), to_at.isoformat()]
    audit.record(actor, "retention.held", made, site=site and site.code, span=span, reason=reason)
    return made


def check(reason: str, raw_days: int | None, minute_days: int | None, hour_days: int | None) -> None:
    """Raise BadInput for what cannot be a rule."""
    if not reason.strip():
        raise BadInput(_("Say why: it is kept with the policy."))
    raw, minute, hour = (FOREVER if days is None else days for days in (raw_days, minute_days, hour_days))
    if not 1 <= raw <= minute <= hour:
        raise BadInput(_("Hours are kept at least as long as minutes, minutes at least as long as readings."))
    if raw < _least_days():
        raise BadInput(
            _("Keep readings at least %(days)s days: those that come late are compared with them.")
            % {"days": _least_days()}
        )


def check_media(media_days: int | None, observed_property: Any) -> None:
    """Raise BadInput for days of pictures and recordings that cannot be a rule: they have no observed property."""
    if media_days is None:
        return
    if media_days < 1:
        raise BadInput(_("Keep pictures and recordings at least one day."))
    if observed_property is not None:
        raise BadInput(_("A rule for an observed property says nothing about pictures and recordings."))


def revision() -> tuple[int, int]:
    """Moves when the answer of ``keep_of`` may be another."""
    numbers = changes.numbers()
    return numbers.get("retention", 0), numbers.get("registry", 0)


def keep_of(partition: int = 0, partitions: int = 0) -> Keep:
    """The policy in force and the holds, for the datastreams of a partition; of all when ``partitions`` is 0."""
    least = _least_days()
    default, own = (FOREVER,) * 3, []
    for row in Policy.objects.in_force().select_related("org"):
        given = (row.raw_days, row.minute_days, row.hour_days)
        days = tuple(FOREVER if d is None else max(d, least) for d in given)
        if row.is_default:
            default = (days[0], days[1], days[2])
        else:
            own.append((days, _ids(partition, partitions, row)))
    datastream = np.unique(np.concatenate([np.zeros(0, np.int32), *(ids for _days, ids in own)]))
    own_days = np.zeros((len(KINDS), len(datastream)), np.int32)
    for days, ids in own:
        at = np.searchsorted(datastream, ids)
        own_days[:, at] = np.maximum(own_days[:, at], np.array(days, np.int32)[:, None])
    holds = [
        keep.Hold(
            *keep.days_of(_ms(row.from_at), _ms(row.to_at) + 1),
            None if row.site_id is None else _ids(partition, partitions, site=row.site_id),
        )
        for row in Hold.objects.in_force()
    ]
    return Keep(default, datastream, own_days, holds)


def _require(actor: Any) -> None:
    """The policy is one for the whole platform: who decides stands at the root of the tree."""
    access.require(actor, "retention.edit")
    for root in Org.objects.filter(depth=0):
        access.require(actor, "retention.edit", root)


def _ids(partition: int, partitions: int, row: Policy | None = None, site: int = 0) -> np.ndarray:
    given = {
        "partition": partition, "partitions": partitions, "site": site,
        "org": row.org.path if row and row.org else "", "kind": row.site_kind if row else "",
        "property": (row.observed_property_id if row else 0) or 0,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_DATASTREAMS, given)
        return np.fromiter((pk for (pk,) in cursor.fetchall()), np.int32)


def _least_days() -> int:
    """A late reading is compared with what is stored: that must still be there, and the day it is in be over."""
    policy = CheckPolicy.objects.filter(pk="default").first() or CheckPolicy()
    return -(-policy.refuse_older_than_ms // DAY_MS) + 1


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _name(actor: Any) -> str:
    return actor.get_username() if hasattr(actor, "get_username") else str(actor or "")


def _values(row: Policy) -> dict[str, Any]:
    return {
        "org": row.org and row.org.code, "site_kind": row.site_kind,
        "observed_property": row.observed_property and row.observed_property.code,
        "raw_days": row.raw_days, "minute_days": row.minute_days, "hour_days": row.hour_days,
        "media_days": row.media_days,
    }  # fmt: skip
