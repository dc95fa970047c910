"""Rules are data with history: made, edited and withdrawn by people who say why."""

import pytest
from django.db import IntegrityError, transaction

from fengsui.people.audit.models import Entry
from fengsui.stores import changes
from fengsui.warn.alarms import services
from fengsui.warn.alarms.errors import BadNote, RuleChanged, RuleWithdrawn
from fengsui.warn.alarms.models import Rule
from fengsui.warn.rules import BadRule

pytestmark = pytest.mark.django_db


@pytest.fixture
def regulator(region, person):
    return person("regulator", region.city)


def test_a_new_rule_has_its_history_and_its_audit_entry(region, regulator):
    rule = services.create_rule(
        regulator, region.tank, "h", {"setpoint": "8.5", "priority": "2", "basis": " GB 1 "}, "新建"
    )
    rule.refresh_from_db()
    assert (rule.setpoint, rule.priority, rule.basis, rule.version) == (8.5, 2, "GB 1", 1)
    change = rule.changes.get()
    assert (change.version, change.actor_name, change.reason) == (1, str(regulator), "新建")
    assert change.values["setpoint"] == 8.5
    assert Entry.objects.get(action="rule.created").org_path == region.east_plant.path


def test_an_edit_keeps_what_it_was(rule, regulator):
    edited = services.edit_rule(regulator, rule, {"setpoint": 9.4, "on_delay_ms": 5000}, "设计变更")
    assert (edited.pk, edited.version, edited.setpoint, edited.deadband) == (rule.pk, 2, 9.4, 0.2)
    assert edited.changes.get(version=2).values["on_delay_ms"] == 5000
    assert Entry.objects.get(action="rule.edited").detail["changed"] == {
        "setpoint": [9.0, 9.4],
        "on_delay_ms": [0, 5000],
    }


def test_an_edit_that_changes_nothing_leaves_no_trace(rule, regulator):
    assert services.edit_rule(regulator, rule, {"setpoint": 9.0}, "same").version == 1
    assert not rule.changes.exists()


def test_two_people_cannot_overwrite_each_other(rule, regulator):
    mine, theirs = Rule.objects.get(), Rule.objects.get()
    services.edit_rule(regulator, theirs, {"setpoint": 9.1}, "theirs")
    with pytest.raises(RuleChanged):
        services.edit_rule(regulator, mine, {"setpoint": 9.2}, "mine")
    assert Rule.objects.get().setpoint == 9.1


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_an_edit_needs_a_reason(rule, regulator, reason):
    with pytest.raises(BadNote):
        services.edit_rule(regulator, rule, {"setpoint": 1}, reason)
    with pytest.raises(BadNote):
        services.withdraw_rule(regulator, rule, reason)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"setpoint": None}, "setpoint"),
        ({"setpoint": "<script>"}, "setpoint"),
        ({"deadband": -1}, "deadband"),
        ({"window_ms": 5}, "window_ms"),
        ({"priority": 5}, "priority"),
        ({"priority": "red"}, "priority"),
        ({"is_enabled": "yes"}, "is_enabled"),
        ({"basis": "x" * 201}, "basis"),
        ({"kind": "l"}, "kind"),
        ({"datastream_id": 3}, "datastream_id"),
    ],
)
def test_values_that_make_no_rule_are_refused(rule, regulator, values, field):
    with pytest.raises(BadRule) as caught:
        services.edit_rule(regulator, rule, values, "test")
    assert field in {p.field for p in caught.value.problems}
    rule.refresh_from_db()
    assert (rule.version, rule.setpoint) == (1, 9.0)


def test_the_levels_of_a_datastream_stay_in_order_and_in_range(rule, region, regulator):
    region.tank.range_min, region.tank.range_max = 0, 12
    region.tank.save()
    with pytest.raises(BadRule, match="H at 9 must be below HH at 9"):
        services.create_rule(regulator, region.tank, "h", {"setpoint": 9})
    services.create_rule(regulator, region.tank, "h", {"setpoint": 8})
    with pytest.raises(BadRule, match="must be below"):
        services.edit_rule(regulator, rule, {"setpoint": 7}, "test")
    with pytest.raises(BadRule, match="outside what the instrument measures"):
        services.edit_rule(regulator, rule, {"setpoint": 13}, "test")


def test_one_rule_of_a_kind_is_in_force_on_a_datastream(rule, region, regulator):
    with pytest.raises(BadRule, match="already"):
        services.create_rule(regulator, region.tank, "hh", {"setpoint": 9})
    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(datastream=region.tank, kind="hh", setpoint=10)
    for window_ms in (10_000, 60_000):
        services.create_rule(regulator, region.tank, "rate", {"setpoint": 1, "window_ms": window_ms})
    services.withdraw_rule(regulator, rule, "拆除")
    assert services.create_rule(regulator, region.tank, "hh", {"setpoint": 9}).pk != rule.pk


def test_a_withdrawn_rule_is_history(rule, regulator):
    services.withdraw_rule(regulator, rule, "拆除")
    rule.refresh_from_db()
    assert (rule.is_enabled, rule.version) == (False, 2)
    assert not Rule.objects.in_force().exists()
    with pytest.raises(RuleWithdrawn):
        services.edit_rule(regulator, rule, {"setpoint": 1}, "test")
    assert services.withdraw_rule(regulator, rule, "again").version == 2


def test_switching_a_rule_on_again_arms_it_anew(rule, regulator):
    armed = Rule.objects.get().armed_at
    off = services.edit_rule(regulator, Rule.objects.get(), {"is_enabled": False}, "off")
    off.refresh_from_db()
    assert off.armed_at == armed
    services.edit_rule(regulator, off, {"is_enabled": True}, "on")
    assert Rule.objects.get().armed_at > armed


def test_every_change_the_engine_must_know_moves_the_counter(rule, region, regulator):
    def moved(deed):
        before = changes.numbers().get("rules", 0)
        deed()
        return changes.numbers().get("rules", 0) - before

    assert moved(lambda: services.edit_rule(regulator, rule, {"setpoint": 9.5}, "x")) == 1
    assert moved(lambda: services.create_rule(regulator, region.tank, "l", {"setpoint": 1})) == 1
    assert moved(lambda: Rule.objects.filter(kind="l").update(setpoint=2)) == 1
    assert moved(lambda: Rule.objects.filter(kind="l").delete()) >= 1
    assert moved(lambda: Rule.objects.filter(pk=rule.pk).update(shelved_reason="x")) == 0


def test_the_scenario_runner_finds_the_rules_of_a_site(rule, region):
    from fengsui.run.rules import rules_of_site
    from fengsui.warn.rules.scenario import BadScenario, parse, run

    scenario = parse(
        {
            "site": "s-east",
            "samples": {"every": "5s", "series": "tank-1", "values": [8, 9.2, 8.5]},
            "expect": [{"at": "5s", "raised": "tank-1", "rule": "hh"}, {"at": "10s", "cleared": "tank-1"}],
        },
        rules_of_site=rules_of_site,
    )
    assert run(scenario).ok
    with pytest.raises(BadScenario, match="no site s-none"):
        rules_of_site("s-none")
