"""Correct stored readings of a datastream, and take a correction back.  What was measured stays, and stays visible."""

import math
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.base.quality import Quality
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.stores import history
from fengsui.stores.history.models import Correction

SPAN_MAX_MS = 400 * 86_400_000


@transaction.atomic
def correct(
    actor: Any,
    stream: Datastream,
    *,
    from_at: datetime,
    to_at: datetime,
    reason: str,
    value: float | None = None,
    factor: float = 1.0,
    shift: float = 0.0,
    quality: int | None = None,
) -> Correction:
    """Show the readings of [from_at, to_at) as ``value``, or as factor times the measured value plus shift.

    ``quality`` replaces theirs when it is given.  Raises NotAllowed, BadInput (no reason, nothing to change, no
    readings there, a span that is empty, not over yet or longer than 400 days).
    """
    access.require(actor, "quarantine.resolve", stream.site.org_path, stream)
    from_ms, to_ms = (round(at.timestamp() * 1000) for at in (from_at, to_at))
    if value is not None:
        factor, shift = 0.0, value
    _check(reason, from_ms, to_ms, factor, shift, quality)
    rows = len(history.measured([stream.pk], from_ms, to_ms))
    if not rows:
        raise BadInput(_("There are no readings in this span."))
    made = Correction.objects.create(
        datastream=stream.pk, from_ms=from_ms, to_ms=to_ms, factor=factor, shift=shift, quality=quality,
        reason=reason.strip(), made_by=_name(actor),
    )  # fmt: skip
    said: dict[str, Any] = {
        "from": from_at.isoformat(), "to": to_at.isoformat(), "factor": factor, "shift": shift, "quality": quality,
        "readings": rows, "reason": reason.strip(), "correction": made.pk,
    }  # fmt: skip
    audit.record(actor, "reading.corrected", stream, **said)
    return made


@transaction.atomic
def withdraw(actor: Any, stream: Datastream, correction: Correction, reason: str) -> Correction:
    """Take a correction of ``stream`` back: what it covered shows the one before, or what was measured.

    Raises NotAllowed, BadInput (no reason, withdrawn already).
    """
    access.require(actor, "quarantine.resolve", stream.site.org_path, stream)
    if not reason.strip():
        raise BadInput(_("Say why: it is kept with the readings."))
    row = Correction.objects.select_for_update().get(pk=correction.pk, datastream=stream.pk)
    if row.withdrawn_at is not None:
        raise BadInput(_("This was withdrawn before."))
    row.withdrawn_at, row.withdrawn_by, row.withdrawn_reason = timezone.now(), _name(actor), reason.strip()
    row.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason"])
    audit.record(actor, "reading.correction_withdrawn", stream, correction=row.pk, reason=reason.strip())
    return row


def _check(reason: str, from_ms: int, to_ms: int, factor: float, shift: float, quality: int | None) -> None:
    if not reason.strip():
        raise BadInput(_("Say why: it is kept with the readings."))
    if not from_ms < to_ms:
        raise BadInput(_("The beginning must be before the end."))
    if to_ms > round(timezone.now().timestamp() * 1000):
        raise BadInput(_("Only readings that are there can be corrected: the end must be past."))
    if to_ms - from_ms > SPAN_MAX_MS:
        raise BadInput(_("At most 400 days at once."))
    if not (math.isfinite(factor) and math.isfinite(shift)):
        raise BadInput(_("A number is expected."))
    if quality is not None and quality not in list(Quality):
        raise BadInput(_("Quality is 0 good, 1 uncertain or 2 bad."))
    if (factor, shift, quality) == (1.0, 0.0, None):
        raise BadInput(_("This would change nothing."))


def _name(actor: Any) -> str:
    return actor.get_username() if hasattr(actor, "get_username") else str(actor or "")
