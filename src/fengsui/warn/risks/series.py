"""The index as readings: a datastream at each site that is followed, with rules for orange and red.

``follow`` makes them, by command; from then on each change of the index, and each hour the index as it is, goes onto
the bus like any reading: history, charts, retention, rules, back-tests and the loss ledger are as of any datastream.
An alarm over the index counts for no risk, so that it cannot raise itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from fengsui.base.batch import Batch
from fengsui.people import audit
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.stores import clock, outbox
from fengsui.warn.alarms.models import Rule, RuleChange
from fengsui.warn.risk.weights import Weights
from fengsui.warn.risks.inputs import INDEX
from fengsui.warn.risks.models import SiteRisk

TOPIC = "risk.readings"  # of the outbox
PROPERTY = "risk_index"
CODE = INDEX
THING = "risk"
SOURCE = "risk"  # of the readings, in the ledger
PERIOD_MS = 3_600_000
BATCH = 1000
REASON = "follow the risk index"
KINDS = (("h", 2, "orange"), ("hh", 1, "red"))  # of alarm, its priority, the limit of the weights


@dataclass(frozen=True, slots=True)
class Followed:
    """How many datastreams and rules were new."""

    datastreams: int
    rules: int


@transaction.atomic
def follow(actor: Any, weights: Weights, sites: Iterable[Site] | None = None) -> Followed:
    """Give each of ``sites`` (None: all in use) its datastream and its two rules, where they are missing.

    A rule that somebody changed or withdrew is left alone.
    """
    wanted = list(Site.objects.filter(is_active=True) if sites is None else sites)
    ids = [site.pk for site in wanted]
    prop, _made = ObservedProperty.objects.get_or_create(
        code=PROPERTY, defaults={"name": "实时风险指数", "name_en": "Live risk index"}
    )
    there = set(Datastream.objects.filter(site__in=ids, code=CODE).values_list("site_id", flat=True))
    new = [pk for pk in ids if pk not in there]
    Thing.objects.bulk_create(
        [Thing(site_id=pk, code=THING, name="风险", name_en="Risk") for pk in new],
        batch_size=BATCH,
        ignore_conflicts=True,
    )
    things = dict(Thing.objects.filter(site__in=new, code=THING).values_list("site_id", "pk"))
    Datastream.objects.bulk_create(
        [
            Datastream(
                site_id=pk, thing_id=things[pk], observed_property=prop, code=CODE, name="实时风险指数",
                name_en="Live risk index", range_min=0, range_max=100, period_ms=PERIOD_MS, decimals=1,
            )
            for pk in new
        ],
        batch_size=BATCH,
    )  # fmt: skip
    rules = _rules(ids, weights)
    if new or rules:
        audit.record(actor or "platform", "risk.followed", datastreams=len(new), rules=rules)
        repeat(SiteRisk.objects.filter(site__in=new))
    return Followed(len(new), rules)


def _rules(sites: list[int], weights: Weights) -> int:
    streams = list(Datastream.objects.filter(site__in=sites, code=CODE).values_list("pk", flat=True))
    known = set(Rule.objects.filter(datastream__in=streams).values_list("datastream_id", "kind"))
    new = [
        Rule(
            datastream_id=pk, kind=kind, setpoint=limit / 1000, deadband=weights.margin / 1000,
            off_delay_ms=weights.after_s * 1000, priority=priority,
            basis=f"{weights.name} {weights.version}: {name}"[:200],
        )
        for pk in streams
        for (kind, priority, name), limit in zip(KINDS, (weights.limits[1], weights.limits[0]), strict=True)
        if (pk, kind) not in known
    ]  # fmt: skip
    Rule.objects.bulk_create(new, batch_size=BATCH)
    now = timezone.now()
    RuleChange.objects.bulk_create(
        [
            RuleChange(
                rule=rule, version=rule.version, at=now, actor_name="platform", reason=REASON,
                values={
                    "kind": rule.kind, "is_enabled": rule.is_enabled, "setpoint": rule.setpoint,
                    "deadband": rule.deadband, "on_delay_ms": rule.on_delay_ms, "off_delay_ms": rule.off_delay_ms,
                    "window_ms": rule.window_ms, "priority": rule.priority, "basis": rule.basis,
                },
            )
            for rule in new
        ],
        batch_size=BATCH,
    )  # fmt: skip
    return len(new)


def repeat(risks: Iterable[SiteRisk], at: datetime | None = None) -> int:
    """Leave word in this transaction that these indices go onto the bus; returns how many are followed."""
    rows = {row.site_id: row.index for row in risks}
    if not rows:
        return 0
    streams = Datastream.objects.filter(site__in=rows, code=CODE, is_active=True).values_list("site_id", "pk")
    told = [[site, stream, rows[site]] for site, stream in streams]
    at_ms = -(-int((at or clock.now()).timestamp() * 1_000_000) // 1000)  # not before the change it speaks of
    outbox.add_many(
        TOPIC, [{"at_ms": at_ms, "rows": told[i : i + BATCH]} for i in range(0, len(told), BATCH)]
    )
    return len(told)


def repeat_due(minute: int) -> int:
    """Each hour every index once more, a sixtieth of the sites each minute: silence would be a gap in the chart."""
    rows = SiteRisk.objects.filter(site__datastreams__code=CODE).annotate(turn=F("site_id") % 60)
    with transaction.atomic():
        return repeat(rows.filter(turn=minute % 60))


def batches(payload: dict[str, Any], now_ms: int) -> list[Batch]:
    """The readings of an event of the outbox: one batch a site."""
    return [
        Batch(
            site=site,
            source=SOURCE,
            received_ms=now_ms,
            datastream=np.array([stream], np.int32),
            time_ms=np.array([payload["at_ms"]], np.int64),
            value=np.array([index / 1000], np.float64),
            quality=np.zeros(1, np.uint8),
            reason=np.zeros(1, np.uint8),
        )
        for site, stream, index in payload["rows"]
    ]
