"""Deadlines that pass, and who is told."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from fengsui.base.errors import NotAllowed
from fengsui.loops import services
from fengsui.loops.models import Deed, Loop
from fengsui.stores.outbox.models import Event

from .conftest import NOON

pytestmark = pytest.mark.django_db(transaction=True)


def after(**time):
    return NOON + timedelta(**time)


def rungs(loop) -> list[tuple[str, list[str]]]:
    told = Deed.objects.filter(loop=loop, action="escalated").order_by("id")
    return [(deed.data["org"], deed.data["roles"]) for deed in told]


def test_nobody_is_told_before_the_limit(open_at):
    open_at(level=1)
    assert services.escalate_overdue(after(minutes=10) - timedelta(milliseconds=1)) == 0
    assert services.escalate_overdue(after(minutes=10)) == 1


def test_a_red_loop_climbs_to_the_province_each_rung_after_its_own_limit(open_at):
    loop = open_at(level=1)
    minute = 10
    for wait in (10, 10, 30):
        assert services.escalate_overdue(after(minutes=minute)) == 1
        assert services.escalate_overdue(after(minutes=minute)) == 0
        minute += wait
        assert services.escalate_overdue(after(minutes=minute, milliseconds=-1)) == 0
    services.escalate_overdue(after(minutes=minute))
    assert rungs(loop) == [
        ("xiaoting", ["duty_officer"]),
        ("yichang", ["duty_officer"]),
        ("yichang", ["commander"]),
        ("hubei", ["duty_officer"]),
    ]
    loop.refresh_from_db()
    assert loop.due_at == after(minutes=10), "the limit itself stays visible"
    assert (loop.escalation, loop.escalated_to.code) == (4, "hubei")


def test_the_last_rung_is_told_again_each_time_its_limit_passes(open_at):
    loop = open_at(level=4)
    services.escalate_overdue(after(hours=2))
    for day in (1, 2, 3):
        assert services.escalate_overdue(after(hours=2, days=day)) == 1
    assert rungs(loop) == [("xiaoting", ["duty_officer"])] * 4


def test_after_a_long_stop_each_rung_still_has_its_time(open_at):
    loop = open_at(level=1)
    assert services.escalate_overdue(after(days=3)) == 1
    assert services.escalate_overdue(after(days=3, minutes=9)) == 0
    assert len(rungs(loop)) == 1


def test_acting_starts_the_next_limit_and_clears_the_escalation(open_at, person, tree):
    loop = open_at(level=1)
    services.escalate_overdue(after(minutes=10))
    loop = services.act(person("safety_officer", tree.plant), loop, "acknowledge", at=after(minutes=12))
    assert (loop.escalation, loop.escalated_to, loop.due_at) == (0, None, after(minutes=72))
    assert services.escalate_overdue(after(minutes=71)) == 0


def test_a_closed_loop_is_never_escalated(open_at):
    loop = open_at(level=1)
    Loop.objects.filter(pk=loop.pk).update(closed_at=NOON)
    assert services.escalate_overdue(after(days=1)) == 0


def test_an_escalation_leaves_a_deed_and_tells_the_screens_once(open_at):
    loop = open_at(level=2)
    services.escalate_overdue(after(minutes=25))
    deed = Deed.objects.get(action="escalated")
    assert (deed.actor, deed.data["late_s"], deed.data["rung"]) == (None, 900, 1)
    told = Event.objects.filter(topic="live").order_by("-id").first().payload
    assert told["msg_id"] == f"loop:{loop.pk}:2"
    assert told["payload"]["escalated_to"]["name"] == "xiaoting"
    assert told["payload"]["escalate_at_ms"] == round(after(minutes=35).timestamp() * 1000)


def test_mine_has_what_was_escalated_to_me(open_at, person, tree):
    county, other = person("duty_officer", tree.xiaoting), person("duty_officer", tree.jingzhou)
    city, commander = person("duty_officer", tree.yichang), person("commander", tree.yichang)
    loop, mine = open_at(level=1), Loop.objects.mine
    assert mine(county).count() == 0
    services.escalate_overdue(after(minutes=10))
    assert [mine(u).count() for u in (county, other, city, commander)] == [1, 0, 0, 0]
    services.escalate_overdue(after(minutes=20))
    services.escalate_overdue(after(minutes=30))
    assert [mine(u).count() for u in (county, other, city, commander)] == [0, 0, 0, 1]
    assert services.act(commander, loop, "acknowledge").step == "acknowledged"


def test_a_role_that_was_told_may_act_where_it_was_told_and_nowhere_else(open_at, person, tree):
    """A bureau may name a role in its ladder that the step itself does not ask for."""
    definition = dict(services.kinds.current("alarm_disposal").definition)
    definition["ladder"] = [
        {"to": "nearest:city", "roles": ["regulator"], "limit_s": dict.fromkeys("1234", 600)}
    ]
    services.edit_kind(person("operator", tree.hubei), "alarm_disposal", definition, reason="our ladder")
    loop = open_at(level=1)
    city, county = person("regulator", tree.yichang), person("regulator", tree.xiaoting)
    with pytest.raises(NotAllowed):
        services.act(city, loop, "acknowledge")
    services.escalate_overdue(after(minutes=10))
    with pytest.raises(NotAllowed):
        services.act(county, loop, "acknowledge")
    assert services.act(city, loop, "acknowledge").step == "acknowledged"


def test_without_a_county_or_a_city_above_the_own_organisation_is_told(open_at, tree):
    loop = open_at(level=1, org=tree.mill)
    services.escalate_overdue(after(minutes=10))
    services.escalate_overdue(after(minutes=20))
    assert [org for org, _ in rungs(loop)] == ["mill", "jingzhou"]


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("own", "plant"),
        ("up:1", "gulaobei"),
        ("up:3", "yichang"),
        ("up:9", "hubei"),
        ("nearest:enterprise", "plant"),
        ("nearest:county", "xiaoting"),
        ("nearest:bureau", "plant"),
    ],
)
def test_places_are_relative_to_the_loops_organisation(tree, where, code):
    assert services.place(where, tree.plant).code == code


def test_two_workers_at_the_same_instant_tell_each_loop_once(open_at):
    for number in range(40):
        open_at(level=1, key=f"alarm:{number}:1")
    gate, told = threading.Barrier(4), []

    def worker() -> None:
        try:
            gate.wait(10)
            told.append(services.escalate_overdue(after(minutes=10), limit=7))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(told) == 40
    assert Deed.objects.filter(action="escalated").count() == 40
    assert set(Loop.objects.values_list("escalation", flat=True)) == {1}


def test_an_action_and_an_escalation_of_the_same_instant_do_not_undo_each_other(open_at, person, tree):
    """The clock waits for nobody: a loop that somebody is acting on is passed over, and looked at again."""
    loop, safety = open_at(level=1), person("safety_officer", tree.plant)
    inside, go_on, told = threading.Event(), threading.Event(), []

    def clock() -> None:
        try:
            assert inside.wait(10)
            told.append(services.escalate_overdue(after(minutes=10)))
        finally:
            go_on.set()
            connection.close()

    thread = threading.Thread(target=clock)
    thread.start()
    from django.db import transaction

    with transaction.atomic():
        services._lock(loop.pk)
        inside.set()
        assert go_on.wait(10)
        services.act(safety, loop, "acknowledge", at=after(minutes=10))
    thread.join(10)
    assert told == [0]
    assert Loop.objects.get().step == "acknowledged"
