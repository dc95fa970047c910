"""What the platform knows of a site at the moment of a commitment, from rows and the newest readings."""

import datetime
from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.translation import get_language

from fengsui.sense.devices.models import Site, SiteStatus
from fengsui.stores import history
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.commitments.checks import Known, Unit
from fengsui.warn.commitments.models import Commitment, RunSignal
from fengsui.warn.commitments.obliged import end_of
from fengsui.warn.commitments.said import kept
from fengsui.warn.inventories.models import MajorHazard
from fengsui.warn.risks.models import Fact, SiteRisk

FRESH_MS = 600_000  # an older reading does not tell whether a unit runs
Latest = Mapping[int, tuple[int, float]]  # datastream → (time in ms UTC, value)


def newest(datastreams: list[int], now_ms: int) -> dict[int, tuple[int, float]]:
    """The newest committed reading of each."""
    if not datastreams:
        return {}
    table = history.last_values(datastreams, now_ms + 1)
    columns = (table.column("datastream"), table.column("time").cast("int64"), table.column("value"))
    return {int(d): (int(t), float(v)) for d, t, v in zip(*(c.to_pylist() for c in columns), strict=True)}


def signals(site: Site) -> list[RunSignal]:
    return list(
        RunSignal.objects.filter(thing__site=site)
        .select_related("thing", "datastream")
        .order_by("thing__code")
    )


def known(site: Site, at: datetime.datetime, latest: Latest | None = None) -> Known:
    """``latest`` are readings that the caller has already; without it, what history has committed."""
    rows = signals(site)
    now_ms = round(at.timestamp() * 1000)
    if latest is None:
        latest = newest([row.datastream_id for row in rows], now_ms)
    alarms = Alarm.objects.filter(site=site, cleared_at=None, is_suppressed=False)
    alarms = alarms.filter(Q(shelved_until=None) | Q(shelved_until__lte=at))
    day = timezone.localdate(at)
    facts = Fact.objects.filter(site=site, withdrawn_at=None, begins_at__lt=end_of(day), commitment=None)
    facts = facts.filter(Q(ends_at=None) | Q(ends_at__gt=at)).exclude(kind="commitment_missing")
    hazards = MajorHazard.objects.filter(site=site, is_current=True).aggregate(
        n=Count("pk"), worst=Min("grade")
    )
    status = SiteStatus.objects.filter(site=site).first()
    heard = status.last_received_at if status else None
    last = Commitment.objects.filter(site=site, day__lt=day).order_by("-day", "-number").first()
    return Known(
        units=tuple(_unit(row, latest, now_ms) for row in rows),
        facts=dict(facts.order_by().values_list("kind").annotate(n=Count("pk"))),
        alarms=dict(alarms.order_by().values_list("priority").annotate(n=Count("pk"))),
        grade=hazards["worst"],
        hazards=hazards["n"],
        risk_level=SiteRisk.objects.filter(site=site).values_list("level", flat=True).first(),
        silent_s=None if heard is None else max(0, int((at - heard).total_seconds())),
        has_datastreams=site.datastreams.filter(is_active=True, stopped_at=None).exists(),
        last=None if last is None else kept(last.said),
        last_day=None if last is None else last.day,
    )


def _unit(row: RunSignal, latest: Latest, now_ms: int) -> Unit:
    name, stream = _named(row.thing), row.datastream
    at_ms, value = latest.get(stream.pk, (0, 0.0))
    if now_ms - at_ms > FRESH_MS:
        return Unit(row.thing.code, name, None)
    tells = f"{_named(stream)} {value:.{min(stream.decimals, 9)}f} {stream.unit}".strip()
    return Unit(row.thing.code, name, value > row.above, tells)


def _named(row: Any) -> str:
    return str(row.name if (get_language() or "zh").startswith("zh") else row.name_en or row.name)
