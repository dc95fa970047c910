"""What people do with alarms: acknowledge, shelve, and see only what is theirs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fengsui.base.errors import NotAllowed
from fengsui.people.audit.models import Entry
from fengsui.warn.alarms import folding, services
from fengsui.warn.alarms.errors import BadNote, BadShelving, RuleWithdrawn
from fengsui.warn.alarms.life import STATES, state
from fengsui.warn.alarms.models import Alarm, Rule
from tests.warn.alarms.conftest import cleared, raised, topics

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def officer(region, person):
    return person("duty_officer", region.east)


def now_state():
    return state(Alarm.objects.get(), timezone.now())


def test_acknowledged_then_cleared(rule, officer):
    services.record_events([raised(rule)])
    assert now_state() == "active_unacked"
    services.ack(officer, Alarm.objects.get())
    assert now_state() == "active_acked"
    services.record_events([cleared(rule)])
    assert now_state() == "normal"


def test_cleared_then_acknowledged(rule, officer):
    services.record_events([raised(rule), cleared(rule)])
    assert now_state() == "cleared_unacked"
    services.ack(officer, Alarm.objects.get(), "仪表校验")
    assert now_state() == "normal"
    alarm = Alarm.objects.get()
    assert list(alarm.deeds.order_by("id").values_list("what", "actor_name", "note")) == [
        ("raised", "", ""),
        ("cleared", "", ""),
        ("acked", str(officer), "仪表校验"),
    ]
    entry = Entry.objects.get(action="alarm.acked")
    assert (entry.actor_id, entry.object_id, entry.org_path) == (officer.pk, str(alarm.pk), alarm.org_path)


def test_a_second_acknowledgement_changes_nothing(rule, region, officer, person):
    services.record_events([raised(rule)])
    services.ack(officer, Alarm.objects.get(), "first")
    services.ack(person("commander", region.city), Alarm.objects.get(), "second")
    assert Alarm.objects.get().acked_by == officer
    assert topics() == ["alarm.raised", "alarm.acked"]
    assert Entry.objects.filter(action="alarm.acked").count() == 1


def test_the_loop_may_acknowledge_for_those_who_may_act_in_it(rule, region, person):
    services.record_events([raised(rule)])
    regulator = person("regulator", region.east)
    with pytest.raises(NotAllowed):
        services.ack(regulator, Alarm.objects.get())
    services.ack_by_loop(regulator, Alarm.objects.get(), "x" * 1000)
    assert Alarm.objects.get().acked_by == regulator


def test_other_organisations_see_nothing(rule, region, person):
    services.record_events([raised(rule)])
    sees = [person("viewer", org) for org in (region.city, region.east, region.east_plant)]
    blind = [person("commander", org) for org in (region.west, region.west_plant)] + [person()]
    assert [Alarm.objects.visible_to(p).count() for p in sees] == [1, 1, 1]
    assert [Rule.objects.visible_to(p).count() for p in sees] == [1, 1, 1]
    assert [Alarm.objects.visible_to(p).count() for p in blind] == [0, 0, 0]
    assert [Rule.objects.visible_to(p).count() for p in blind] == [0, 0, 0]


def test_other_organisations_and_mere_viewers_may_do_nothing(rule, region, person):
    services.record_events([raised(rule)])
    alarm = Alarm.objects.get()
    for stranger in (person("commander", region.west), person("viewer", region.city), person()):
        for deed in (
            lambda who: services.ack(who, alarm),
            lambda who: services.shelve(who, rule, timezone.now() + HOUR, "test"),
            lambda who: services.unshelve(who, rule),
            lambda who: services.edit_rule(who, rule, {"setpoint": 1}, "test"),
            lambda who: services.create_rule(who, rule.datastream, "l", {"setpoint": 1}),
            lambda who: services.withdraw_rule(who, rule, "test"),
        ):
            with pytest.raises(NotAllowed):
                deed(stranger)
    alarm.refresh_from_db()
    assert alarm.acked_at is None
    assert Rule.objects.get().setpoint == 9.0
    assert not Entry.objects.filter(ok=True).exists()


def test_shelving_puts_standing_and_coming_alarms_aside(rule, officer):
    services.record_events([raised(rule)])
    services.shelve(officer, rule, timezone.now() + HOUR, "检修")
    assert now_state() == "shelved"
    assert not Alarm.objects.annunciated(timezone.now()).exists()
    assert Alarm.objects.standing().count() == 1
    services.record_events([cleared(rule), raised(rule, 120)])
    assert {state(a, timezone.now()) for a in Alarm.objects.all()} == {"shelved"}
    assert topics() == ["alarm.raised", "alarm.shelved", "alarm.cleared"]
    entry = Entry.objects.get(action="alarm.shelved")
    assert (entry.detail["reason"], entry.org_path) == ("检修", Alarm.objects.first().org_path)


def test_a_shelf_comes_to_its_end_by_itself(rule, officer):
    until = timezone.now() + HOUR
    services.record_events([raised(rule)])
    services.shelve(officer, rule, until, "检修")
    assert services.settle(until - timedelta(seconds=1)) == 0
    assert state(Alarm.objects.get(), until) == "active_unacked", (
        "the clock alone ends it; settling tells people"
    )
    assert services.settle(until) == 1
    rule.refresh_from_db()
    assert (rule.shelved_until, rule.shelved_by, rule.shelved_reason) == (None, None, "")
    assert topics() == ["alarm.raised", "alarm.shelved", "alarm.unshelved", "alarm.raised"]
    assert services.settle(until + HOUR) == 0


def test_an_alarm_that_cleared_on_the_shelf_is_not_announced_again(rule, officer):
    until = timezone.now() + HOUR
    services.record_events([raised(rule)])
    services.shelve(officer, rule, until, "检修")
    services.record_events([cleared(rule)])
    services.settle(until)
    assert topics() == ["alarm.raised", "alarm.shelved", "alarm.cleared", "alarm.unshelved"]


def test_taking_it_off_the_shelf_announces_what_is_still_active(rule, officer):
    services.shelve(officer, rule, timezone.now() + HOUR, "检修")
    services.record_events([raised(rule)])
    assert topics() == []
    services.unshelve(officer, rule, "检修完毕")
    assert now_state() == "active_unacked"
    assert topics() == ["alarm.unshelved", "alarm.raised"]
    services.unshelve(officer, rule)
    assert Entry.objects.filter(action="alarm.unshelved").count() == 1


@pytest.mark.parametrize(
    ("hours", "reason"), [(13, "too long"), (-1, "past"), (0, "now"), (1, ""), (1, "   "), (1, "x" * 201)]
)
def test_a_shelf_without_a_reason_or_an_end_is_refused(rule, officer, hours, reason):
    with pytest.raises(BadShelving):
        services.shelve(officer, rule, timezone.now() + hours * HOUR, reason)
    rule.refresh_from_db()
    assert rule.shelved_until is None


def test_the_longest_shelf_is_allowed(rule, officer):
    services.shelve(officer, rule, timezone.now() + services.MAX_SHELF, "大修")


def test_shelving_does_not_make_the_engine_reload(rule, officer):
    from fengsui.stores import changes

    def moved():
        numbers = changes.numbers()
        return {name: number for name, number in numbers.items() if name != folding.FOLLOWED}

    before = moved()
    services.shelve(officer, rule, timezone.now() + HOUR, "检修")
    services.settle(timezone.now() + 2 * HOUR)
    assert moved() == before


def test_standing_alarms_follow_their_datastream_out_of_service_and_back(rule, region):
    services.record_events([raised(rule)])
    region.tank.stopped_at = timezone.now()
    region.tank.save()
    assert services.settle(timezone.now()) == 1
    assert now_state() == "suppressed"
    region.tank.stopped_at = None
    region.tank.save()
    assert services.settle(timezone.now()) == 1
    assert now_state() == "active_unacked"
    assert topics() == ["alarm.raised", "alarm.suppressed", "alarm.unsuppressed", "alarm.raised"]
    assert services.settle(timezone.now()) == 0


def test_what_is_over_and_acknowledged_is_normal_whatever_it_was(rule, officer):
    services.record_events([raised(rule), cleared(rule)])
    services.ack(officer, Alarm.objects.get())
    alarm = Alarm.objects.get()
    alarm.is_suppressed, alarm.shelved_until = True, timezone.now() + HOUR
    assert state(alarm, timezone.now()) == "normal"
    assert state(alarm, timezone.now()) in STATES


def test_a_note_that_is_too_long_is_refused(rule, officer):
    services.record_events([raised(rule)])
    with pytest.raises(BadNote):
        services.ack(officer, Alarm.objects.get(), "x" * 301)


def test_a_withdrawn_rule_cannot_be_shelved(rule, officer, region, person):
    services.withdraw_rule(person("regulator", region.city), rule, "拆除")
    with pytest.raises(RuleWithdrawn):
        services.shelve(officer, rule, timezone.now() + HOUR, "检修")
