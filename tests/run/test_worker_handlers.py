"""Alarms and their loops, tied by the outbox.  The bus is a list here; ``test_worker.py`` has the real one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fengsui.loops import services as loops
from fengsui.loops.models import Deed, Loop
from fengsui.people.audit.models import Entry
from fengsui.run.handlers import HANDLERS
from fengsui.stores import outbox
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms import services as alarms
from fengsui.warn.alarms.models import Alarm
from tests.run.worker_world import Region, lift, lower

pytestmark = pytest.mark.django_db(transaction=True)


class Bus:
    """Keeps what is published; ``away`` refuses like a bus that does not answer."""

    def __init__(self):
        self.sent, self.away = {}, False

    async def publish(self, subject, data, msg_id):
        if self.away:
            raise TimeoutError
        self.sent.setdefault(msg_id, (subject, data))


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def region(db):
    return Region()


@pytest.fixture
def drain(bus):
    def all_of_it():
        while outbox.drain(HANDLERS, tools=bus).handled:
            pass

    return all_of_it


def test_an_alarm_opens_its_loop_once_and_both_are_told(region, drain, bus):
    alarm = lift(region.rule)
    drain()
    loop = Loop.objects.get()
    assert (loop.key, loop.level, loop.org, loop.step) == (f"alarm:{alarm.key}", 1, region.plant, "received")
    assert loop.title.startswith("示范厂 · 反应器压力 · ")
    assert loop.title_en == "Model plant · Reactor pressure · High-high"
    assert loop.about["alarm_id"] == alarm.pk
    assert set(bus.sent) == {f"alarm:{alarm.key}:raised", f"loop:{loop.pk}:1"}
    assert [subject for subject, _ in bus.sent.values()] == ["live.loop", "live.alarm"]
    Event.objects.update(handled_at=None)  # every event comes again
    drain()
    assert (Loop.objects.count(), Deed.objects.count(), len(bus.sent)) == (1, 1, 2)


def test_limits_count_from_when_people_were_told(region, drain):
    before = timezone.now()
    lift(region.rule, at=before - timedelta(days=3))
    drain()
    assert Loop.objects.get().due_at >= before + timedelta(minutes=10)


def test_acknowledging_the_alarm_acknowledges_the_loop(region, drain):
    alarm = lift(region.rule)
    drain()
    alarms.ack(region.safety, alarm, "seen")
    drain()
    loop = Loop.objects.get()
    assert loop.step == "acknowledged"
    deed = Deed.objects.get(action="acknowledge")
    assert (deed.actor, deed.note) == (region.safety, "seen")


def test_acknowledging_the_loop_acknowledges_the_alarm_once(region, drain):
    lift(region.rule)
    drain()
    loops.act(region.safety, Loop.objects.get(), "acknowledge", note="on it")
    drain()
    alarm = Alarm.objects.get()
    assert (alarm.acked_by, alarm.ack_note) == (region.safety, "on it")
    assert Deed.objects.filter(action="acknowledge").count() == 1
    assert Entry.objects.filter(action="alarm.acked").count() == 1


def test_an_alarm_acknowledged_before_its_loop_opened_is_acknowledged_in_both(region, drain):
    alarms.ack(region.safety, lift(region.rule), "quick")
    drain()
    assert Loop.objects.get().step == "acknowledged"


def test_reporting_a_false_alarm_has_seen_the_alarm(region, drain, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    lift(region.rule)
    drain()
    loops.act(
        region.safety,
        Loop.objects.get(),
        "report_false",
        note="calibration",
        data={"cause": "maintenance"},
        files=[("t.txt", "检定记录".encode())],
    )
    drain()
    assert Alarm.objects.get().acked_by == region.safety


def test_an_alarm_that_cleared_lets_its_loop_close_without_a_word(region, drain, bus):
    alarm = lift(region.rule)
    drain()
    lower(region.rule, alarm)
    drain()
    loop = Loop.objects.get()
    assert "cleared" in loop.facts
    assert f"alarm:{alarm.key}:cleared" in bus.sent
    loop = loops.act(region.safety, loop, "acknowledge")
    loop = loops.act(region.safety, loop, "submit", data={"cause": "real", "measure": "cooled"})
    loop = loops.act(region.county, loop, "check")
    assert loops.act(region.county, loop, "close").outcome == "closed"


def test_an_alarm_that_cleared_before_its_loop_opened_is_known_to_be_over(region, drain):
    lower(region.rule, lift(region.rule))
    drain()
    assert "cleared" in Loop.objects.get().facts


def test_a_shelved_alarm_opens_no_loop_until_it_is_back(region, drain):
    alarms.shelve(region.county, region.rule, timezone.now() + timedelta(hours=1), "being repaired")
    lift(region.rule)
    drain()
    assert Loop.objects.count() == 0
    alarms.unshelve(region.county, region.rule)
    drain()
    assert Loop.objects.count() == 1


def test_an_alarm_shelved_before_anybody_was_told_opens_no_loop(region, drain):
    lift(region.rule)
    alarms.shelve(region.county, region.rule, timezone.now() + timedelta(hours=1), "being repaired")
    drain()
    assert Loop.objects.count() == 0


def test_which_priorities_open_a_loop_is_data(region, drain, bus):
    from fengsui.loops import kinds

    definition = dict(kinds.current("alarm_disposal").definition, opens_at_levels=[2, 3])
    loops.edit_kind(region.operator, "alarm_disposal", definition, reason="red goes by telephone")
    alarm = lift(region.rule)
    drain()
    assert Loop.objects.count() == 0
    assert set(bus.sent) == {f"alarm:{alarm.key}:raised"}


def test_a_bus_that_is_away_delays_the_telling_and_nothing_else(region, drain, bus):
    bus.away = True
    lift(region.rule)
    drain()
    assert Loop.objects.count() == 1
    waiting = Event.objects.waiting()
    assert set(waiting.values_list("topic", "attempts")) == {("live", 0)}
    bus.away = False
    waiting.update(not_before=None)
    drain()
    assert len(bus.sent) == 2


def test_what_the_live_stream_would_have_forgotten_is_not_published_late(drain, bus):
    event = outbox.add("live", subject="live.loop", payload={}, msg_id="x")
    Event.objects.filter(pk=event).update(created_at=timezone.now() - timedelta(minutes=11))
    drain()
    assert bus.sent == {}
    assert not Event.objects.waiting().exists()


def test_a_subject_that_is_not_live_is_an_error_that_shows(drain):
    outbox.add("live", subject="readings.0", payload={}, msg_id="x")
    drain()
    assert "not a subject of the LIVE stream" in Event.objects.get().error


def test_events_about_an_alarm_that_is_gone_do_nothing(drain):
    for topic in HANDLERS:
        if topic.startswith("alarm."):
            outbox.add(topic, alarm_id=404, key="1:1")
    drain()
    assert not Event.objects.waiting().exists()


def test_every_topic_that_is_added_anywhere_has_a_handler():
    """Read from the source, so that a new topic without a handler fails here and not in the outbox."""
    import re
    from pathlib import Path

    source = Path(outbox.__file__).parents[2]
    text = "\n".join(p.read_text() for p in source.rglob("*.py") if "/outbox/" not in str(p))
    topics = set(re.findall(r'outbox\.add(?:_many)?\(\s*"([a-z_.]+)"', text))
    assert topics - set(HANDLERS) == set()
    assert "alarm.raised" in topics


def test_an_alarm_moves_the_risk_of_its_site(region, drain):
    """The topics of risk end in one reckoning, in the worker's part that drains them apart."""
    from fengsui.run.handlers import RISK
    from fengsui.warn.risks.models import SiteRisk

    alarm = lift(region.rule)
    drain()
    risk = SiteRisk.objects.get(site=alarm.site)
    assert risk.counts == {f"alarm_{('red', 'orange', 'yellow', 'blue')[alarm.priority - 1]}": 1}
    lower(region.rule, alarm)
    drain()
    assert SiteRisk.objects.get(site=alarm.site).index == 0
    assert set(HANDLERS) >= RISK
    assert not Event.objects.filter(topic__in=RISK, handled_at=None).exists()
