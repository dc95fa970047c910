"""A flood becomes one alarm with its consequences behind it, in the database: whoever records what first."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from fengsui.base.errors import NotAllowed
from fengsui.loops.models import Loop
from fengsui.people.audit.models import Entry
from fengsui.run.handlers import HANDLERS
from fengsui.sense.devices.models import AssetRelation, Datastream, ObservedProperty, Thing
from fengsui.stores import outbox
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms import services
from fengsui.warn.alarms.models import Alarm, Deed, Rule, Storm
from fengsui.warn.engine import CLEARED, RAISED

pytestmark = pytest.mark.django_db
SENSORS = 12


@pytest.fixture
def now_ms():
    return int(timezone.now().timestamp() * 1000) - 60_000


class Plant:
    """A gateway that carries a site of SENSORS things, each silent or too high when told so."""

    def __init__(self, region, now_ms):
        self.site, self.now_ms = region.east_site, now_ms
        self.online = ObservedProperty.objects.create(code="online", name="在线")
        self.gas = ObservedProperty.objects.create(code="gas", name="气体")
        self.gateway = self.rule("gw", self.online, "silent", 2)
        self.silent = [self.rule(f"t{i}", region.level, "silent", 3) for i in range(SENSORS)]
        self.toxic = self.rule("gas-1", self.gas, "hh", 1)
        gateway = Thing.objects.get(site=self.site, code="gw")
        self.relation = AssetRelation.objects.create(
            kind="carries", upstream_site=self.site, upstream_thing=gateway, site=self.site
        )

    def rule(self, code, prop, kind, priority):
        thing = Thing.objects.create(site=self.site, code=code, name=code)
        stream = Datastream.objects.create(
            site=self.site, thing=thing, observed_property=prop, code=code, name=code
        )
        setpoint = None if kind == "silent" else 9.0
        return Rule.objects.create(
            datastream=stream, kind=kind, setpoint=setpoint, priority=priority, window_ms=1000
        )

    def at(self, rule, what, at_s, started_s=None):
        ms, start = self.now_ms + at_s * 1000, self.now_ms + (at_s if started_s is None else started_s) * 1000
        return services.EventRow(rule.pk, what, ms, 1.0, start, 1.0, ms, ms)

    def flood(self):
        """The gateway is lost after its sensors were noticed; a toxic gas alarm comes in between."""
        events = [self.at(rule, RAISED, i % 5) for i, rule in enumerate(self.silent)]
        return [*events, self.at(self.gateway, RAISED, 3), self.at(self.toxic, RAISED, 4)]


@pytest.fixture
def plant(region, now_ms):
    return Plant(region, now_ms)


def forest():
    """key → (key of the parent, of the cause, rule), counts included."""
    rows = Alarm.objects.select_related("parent", "cause")
    return {
        a.key: (a.parent and a.parent.key, a.cause and a.cause.key, a.fold_rule, a.folded_count) for a in rows
    }


def drain():
    while outbox.drain({t: h for t, h in HANDLERS.items() if t != "live"}, 500, elsewhere=["live"]).seen:
        pass


def test_a_flood_is_one_alarm_and_what_is_new_stands_beside_it(plant):
    payloads = services.record_events(plant.flood())
    shown = Alarm.objects.standing().unfolded()
    assert {a.datastream.code for a in shown} == {"gw", "gas-1"}
    parent = Alarm.objects.get(datastream__code="gw")
    assert (parent.folded_count, parent.parent) == (SENSORS, None)
    child = Alarm.objects.get(datastream__code="t4")
    assert (child.parent, child.cause, child.fold_rule, child.fold_relation) == (
        parent,
        parent,
        "link",
        "carries",
    )
    assert child.fold_lag_ms == 1000
    # people are told of two, and the screens know of each at once where it belongs
    told = Event.objects.filter(topic="alarm.raised").values_list("payload__key", flat=True)
    assert set(told) == {parent.key, Alarm.objects.get(datastream__code="gas-1").key}
    raised = {p["key"]: p for p in payloads if p["what"] == "raised"}
    assert raised[child.key]["fold"]["parent_id"] == parent.pk
    assert raised[child.key]["version"] == child.version


def test_the_same_flood_in_any_order_and_with_restarts_gives_the_same_forest(plant):
    dice, wanted = random.Random(7), None
    for _ in range(5):
        Alarm.objects.all().delete()
        ends = [plant.at(rule, CLEARED, 30 + i, i % 5) for i, rule in enumerate(plant.silent[:4])]
        left = dice.sample(plant.flood(), SENSORS + 2)
        seen: list = []
        while left:
            cut = dice.randint(1, 6)
            seen, left = seen + left[:cut], left[cut:]
            services.record_events(seen[-cut - dice.randint(0, 4) :])  # some of it again, as after a restart
        services.record_events(dice.sample(ends, len(ends)))
        found = forest()
        wanted = wanted or found
        assert found == wanted
    assert sum(1 for parent, *_ in wanted.values() if parent) == SENSORS


def test_a_cause_that_comes_late_takes_what_was_shown_and_its_loop_waits(plant):
    Rule.objects.filter(pk__in=[r.pk for r in plant.silent]).update(priority=2)  # loops open for orange
    services.record_events([plant.at(plant.silent[0], RAISED, 0)])
    drain()
    child = Alarm.objects.get()
    loop = services.live_payloads([child.pk], "")[0]["loop_id"]
    assert loop and Loop.objects.get(pk=loop).escalate_at is not None
    before = child.version
    services.record_events([plant.at(plant.gateway, RAISED, 2), plant.at(plant.silent[1], RAISED, 3)])
    drain()
    child.refresh_from_db()
    assert child.parent.datastream.code == "gw"
    assert child.version > before
    assert Deed.objects.filter(alarm=child, what="folded").count() == 1
    assert Loop.objects.get(pk=loop).escalate_at is None
    assert Loop.objects.count() == 2  # of the gateway and of the first one; the second sensor has none
    live = [e.payload for e in Event.objects.filter(topic="live", payload__subject="live.alarm")]
    said = {(p["payload"]["what"], p["payload"]["key"]) for p in live}
    assert {("folded", child.key), ("counted", child.parent.key)} <= said


def test_what_outlasts_its_cause_stands_for_itself_again_and_people_are_told(plant):
    services.record_events([plant.at(plant.gateway, RAISED, 0), *plant.flood()[:2]])
    services.record_events([plant.at(plant.gateway, CLEARED, 10, 0)])
    assert Alarm.objects.exclude(parent=None).count() == 2  # for a while
    drain()
    Event.objects.all().delete()
    services.settle(timezone.now() + timedelta(minutes=5))
    assert Alarm.objects.exclude(parent=None).count() == 2
    services.settle(timezone.now() + timedelta(minutes=11))
    assert Alarm.objects.exclude(parent=None).count() == 0
    assert Alarm.objects.get(datastream__code="gw").folded_count == 0
    topics = list(Event.objects.order_by("topic").values_list("topic", flat=True))
    assert topics.count("alarm.raised") == topics.count("alarm.unfolded") == 2
    assert services.settle(timezone.now() + timedelta(minutes=12)) == 0


def test_other_relations_fold_what_stands_anew(plant):
    plant.relation.is_active = False
    plant.relation.save()
    services.record_events(plant.flood())
    assert Alarm.objects.exclude(parent=None).count() == 0
    plant.relation.is_active = True
    plant.relation.save()
    services.settle(timezone.now())
    assert Alarm.objects.exclude(parent=None).count() == SENSORS
    plant.relation.is_active = False
    plant.relation.save()
    services.settle(timezone.now())
    assert Alarm.objects.exclude(parent=None).count() == 0


def test_what_is_shelved_hides_nothing_that_is_measured(region, plant, person):
    tank, beside = (plant.rule(code, region.level, "h", 2) for code in ("ta", "tb"))
    AssetRelation.objects.create(
        kind="neighbour", upstream_site=plant.site, upstream_thing=tank.datastream.thing,
        site=plant.site, thing=beside.datastream.thing,
    )  # fmt: skip
    services.record_events([plant.at(tank, RAISED, 0), plant.at(beside, RAISED, 2)])
    child = Alarm.objects.get(datastream__code="tb")
    assert child.parent.datastream.code == "ta"
    services.shelve(person("duty_officer", region.city), tank, timezone.now() + timedelta(hours=1), "标定")
    services.settle(timezone.now() + timedelta(seconds=1))
    child.refresh_from_db()
    assert child.parent is None


def test_children_are_acknowledged_with_their_parent_as_far_as_one_may(plant, region, person):
    services.record_events(plant.flood())
    parent = Alarm.objects.get(datastream__code="gw")
    officer = person("duty_officer", region.east)
    with pytest.raises(NotAllowed):
        services.ack_children(person("duty_officer", region.west), parent, "x")
    services.ack(officer, parent, "网关断电")
    assert services.ack_children(officer, parent, "网关断电") == SENSORS
    assert services.ack_children(officer, parent, "网关断电") == 0
    assert not Alarm.objects.filter(parent=parent, acked_at=None).exists()
    entry = Entry.objects.get(action="alarm.children_acked")
    assert entry.detail["children"] == SENSORS
    assert Deed.objects.filter(what="acked", actor_name=str(officer)).count() == SENSORS + 1
    drain()
    assert Alarm.objects.get(datastream__code="gas-1").acked_at is None


def test_ten_new_alarms_in_ten_minutes_are_a_storm_until_fewer_than_five(plant):
    services.record_events(plant.flood()[:9])
    assert not Storm.objects.exists()
    services.record_events(plant.flood())
    storm = Storm.objects.get()
    assert (storm.site, storm.peak, storm.ended_at) == (plant.site, SENSORS + 2, None)
    services.settle(timezone.now() + timedelta(minutes=2))
    storm.refresh_from_db()
    assert storm.ended_at is None
    services.settle(timezone.now() + timedelta(minutes=30))
    storm.refresh_from_db()
    assert storm.ended_at is not None


@pytest.mark.django_db(transaction=True)
def test_two_who_record_at_once_agree(plant):
    """Each records its half, child and parent apart, in batches that cross."""
    events = plant.flood()
    halves = [events[::2], events[1::2]]
    start = threading.Barrier(2)

    def record(half):
        try:
            start.wait(10)
            for first in range(0, len(half), 2):
                services.record_events(half[first : first + 2])
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(record, half) for half in halves]:
            done.result(60)
    parent = Alarm.objects.get(datastream__code="gw")
    assert parent.folded_count == parent.children.count() == SENSORS
    assert {a.datastream.code for a in Alarm.objects.unfolded()} == {"gw", "gas-1"}
