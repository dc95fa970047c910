"""What people do with natural hazards: put thresholds in force, keep gauges."""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.stores import clock
from fengsui.warn.alarms import services as alarms
from fengsui.warn.alarms.models import Rule
from fengsui.warn.natural import thresholds
from fengsui.warn.natural.thresholds import BadThresholds, Thresholds
from fengsui.warn.naturals.models import Gauge, GaugeKind, ThresholdSet

STAGE_RULES = (("h", "warning_m", 3), ("hh", "guarantee_m", 1))


def in_force() -> Thresholds:
    """The newest thresholds, else the shipped ones."""
    row = ThresholdSet.objects.first()
    return thresholds.shipped() if row is None else thresholds.read(json.dumps(row.document))


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@transaction.atomic
def put_in_force(actor: Any, raw: str, reason: str) -> ThresholdSet:
    """Thresholds for the whole platform from now on.  Raises NotAllowed, BadThresholds."""
    if actor is not None and access.paths_where(actor, "natural.thresholds") != [""]:
        access.require(actor, "natural.thresholds", "/")
    read = thresholds.read(raw)
    if not reason.strip():
        raise BadThresholds(_("Say why the thresholds change."))
    made = ThresholdSet.objects.create(
        since=clock.now(), actor_name="platform" if actor is None else str(actor), reason=reason.strip()[:200],
        name=read.name[:80], version=read.version[:40], sha256=read.sha256, document=json.loads(raw),
    )  # fmt: skip
    audit.record(
        actor, "natural.thresholds", made, org_path="/", version=made.version, sha256=made.sha256, reason=made.reason
    )  # fmt: skip
    return made


def rules_of(gauge: Gauge) -> int:
    """Give a stage its ordinary alarm rules at its marks, where nobody has made any; how many were made.

    So a stage over its warning mark is an alarm within a second, with its loop, folding and place in live risk.
    """
    if gauge.kind != GaugeKind.STAGE or Rule.objects.filter(datastream=gauge.datastream).exists():
        return 0
    for kind, mark, priority in STAGE_RULES:
        values = {
            "setpoint": getattr(gauge, mark), "deadband": in_force().stage_deadband_m, "priority": priority,
            "basis": gauge.basis or "GB/T 22482",
        }  # fmt: skip
        alarms.create_rule(None, gauge.datastream, kind, values, gauge.basis or "gauge")
    return len(STAGE_RULES)
