"""What a detector raises is looked at for folding and counts for storms, as what rules raise."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from fengsui.sense.devices.models import AssetRelation
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms import raising, services
from fengsui.warn.alarms.models import Alarm, Deed, FoldTable, Storm
from fengsui.warn.engine import RAISED
from fengsui.warn.folding import DEFAULTS
from tests.warn.alarms.test_folding import Plant, drain

pytestmark = pytest.mark.django_db
GROUNDS = {
    "detector": 1,
    "version": 1,
    "name": "反应单元",
    "name_en": "Reactor",
    "cause": "异常",
    "cause_en": "abnormal",
}


@pytest.fixture
def plant(region):
    return Plant(region, int(timezone.now().timestamp() * 1000) - 60_000)


def found(plant, code, at_s, kind="detector", priority=3):
    stream = plant.site.datastreams.select_related("site").get(code=code)
    at = datetime.fromtimestamp(plant.now_ms / 1000 + at_s, UTC)
    return raising.raise_found(f"{code}:{at_s}", kind, stream, priority, at, 1.0, at, GROUNDS)


def beside(plant, one, other):
    things = {t.code: t for t in plant.site.things.all()}
    AssetRelation.objects.create(
        kind="neighbour",
        upstream_site=plant.site,
        upstream_thing=things[one],
        site=plant.site,
        thing=things[other],
    )


def topics(alarm):
    rows = Event.objects.filter(topic__startswith="alarm.", payload__alarm_id=alarm.pk).order_by("pk")
    return list(rows.values_list("topic", flat=True))


def test_one_event_seen_by_two_detectors_is_one_alarm_when_it_is_raised(plant):
    beside(plant, "t0", "t1")
    first, second = found(plant, "t0", 0), found(plant, "t1", 5)
    assert (second.parent_id, second.fold_rule) == (first.pk, "neighbour")
    assert Alarm.objects.get(pk=first.pk).folded_count == 1
    assert topics(second) == ["alarm.folded"] and topics(first)[0] == "alarm.raised"
    assert found(plant, "t1", 5) == second and Deed.objects.filter(alarm=second).count() == 1
    drain()
    live = [e.payload["payload"] for e in Event.objects.filter(topic="live", payload__subject="live.alarm")]
    said = {(p["key"], p["what"], p["fold"] and p["fold"]["parent_id"]) for p in live}
    assert (second.key, "folded", first.pk) in said
    assert next(p for p in live if p["key"] == first.key)["by"]["name"] == "反应单元"


def test_a_cause_that_is_found_late_takes_what_stands_and_gives_it_back(plant):
    beside(plant, "t0", "t1")
    child = found(plant, "t1", 5, priority=3)
    cause = found(plant, "t0", 2, priority=2)
    child.refresh_from_db()
    assert child.parent == cause
    raising.clear_found(cause, cause.raised_at + timedelta(seconds=10), 1.0)
    cause.refresh_from_db()
    assert cause.refold_at is not None, "when it is over its effects are looked at again"
    Event.objects.all().delete()
    services.settle(timezone.now() + timedelta(minutes=11))
    child.refresh_from_db()
    assert child.parent is None and "alarm.raised" in topics(child)


def test_what_a_detector_measured_hides_behind_nothing_else(plant):
    """A lost gateway explains silence; a table may let it explain an instrument that is not believed."""
    services.record_events([plant.at(plant.gateway, RAISED, 0)])
    assert found(plant, "t0", 3).parent is None
    assert found(plant, "t2", 3, kind="truth", priority=4).parent is None
    rows = [rule.as_row() for rule in DEFAULTS]
    rows[0]["effects"] += " truth"
    FoldTable.objects.create(since=timezone.now(), actor_name="test", reason="x", rows=rows)
    assert found(plant, "t3", 3, kind="truth", priority=4).fold_rule == "link"
    assert found(plant, "t4", 3).parent is None


def test_what_detectors_raise_counts_for_storms(plant):
    services.record_events(plant.flood()[:9])
    assert not Storm.objects.exists()
    found(plant, "gas-1", 6)
    assert Storm.objects.get().peak == 10


def test_one_that_is_out_of_service_is_not_told(plant):
    plant.site.datastreams.filter(code="t0").update(stopped_at=timezone.now())
    alarm = found(plant, "t0", 0)
    assert alarm.is_suppressed and topics(alarm) == ["alarm.suppressed"]
