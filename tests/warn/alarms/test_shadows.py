"""A draft in shadow: judged by the engine like any rule, recorded apart, and nobody is told."""

import numpy as np
import pytest

from fengsui.base.errors import NotAllowed
from fengsui.people.audit.models import Entry
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms import loader, services, shadows
from fengsui.warn.alarms.errors import BadNote, NoShadow, RuleChanged, RuleWithdrawn
from fengsui.warn.alarms.models import Alarm, Rule, ShadowEpisode
from fengsui.warn.rules import BadRule
from tests.warn.alarms.conftest import START_MS, cleared, raised

pytestmark = pytest.mark.django_db


@pytest.fixture
def regulator(region, person):
    return person("regulator", region.city)


@pytest.fixture
def draft(rule, regulator):
    return shadows.start(regulator, rule, {"setpoint": 8.0, "priority": 2}, "too late as it is")


def in_engine(rule):
    return loader.rules_of(np.array([rule.datastream_id])).rule_id.tolist()


def test_a_draft_is_a_rule_to_the_engine_and_to_nobody_else(rule, draft, region):
    assert sorted(in_engine(rule)) == [rule.pk, draft.pk]
    assert list(Rule.objects.all()) == [rule]
    assert list(region.tank.rules.all()) == [rule]
    assert [r for _code, r in loader.rules_of_site("s-east")] and len(loader.rules_of_site("s-east")) == 1
    assert (draft.setpoint, draft.deadband, draft.kind) == (8.0, 0.2, "hh")


def test_what_a_draft_says_is_recorded_apart_and_nobody_is_told(rule, draft):
    payloads = services.record_events([raised(draft), raised(rule, 5)])
    assert [p["what"] for p in payloads] == ["raised"]
    assert Alarm.objects.get().rule == rule
    assert list(Event.objects.filter(topic__startswith="alarm.").values_list("topic", flat=True)) == [
        "alarm.raised"
    ]
    services.record_events([raised(draft), cleared(draft)])
    episode = ShadowEpisode.objects.get()
    assert (episode.rule, episode.raised_value, episode.peak_value) == (draft, 9.5, 9.9)
    assert (episode.cleared_at - episode.raised_at).total_seconds() == 60
    assert Event.objects.filter(topic__startswith="alarm.").count() == 1


def test_a_later_episode_and_a_lost_state_end_what_was_open(rule, draft, region):
    services.record_events([raised(draft)])
    services.record_events([raised(draft, 100)])
    first, second = ShadowEpisode.objects.order_by("raised_at")
    assert first.cleared_at == second.raised_at and second.cleared_at is None
    services.reconcile([], 0, 1, START_MS + 200_000)
    second.refresh_from_db()
    assert second.cleared_at is not None
    assert not Alarm.objects.exists()


def test_promoted_it_is_in_force_and_what_was_there_can_come_back(rule, draft, regulator):
    promoted = shadows.promote(regulator, rule, "fewer misses", {"shadow": {"alarms": 3}})
    assert (promoted.setpoint, promoted.priority, promoted.version) == (8.0, 2, 2)
    assert in_engine(rule) == [rule.pk] and shadows.of(rule) is None
    assert promoted.changes.get(version=1).values["setpoint"] == 9.0
    entry = Entry.objects.get(action="rule.promoted")
    assert entry.detail["figures"] == {"shadow": {"alarms": 3}} and entry.detail["reason"] == "fewer misses"
    back = shadows.go_back(regulator, promoted, 1, "too many")
    assert (back.setpoint, back.priority, back.version) == (9.0, 1, 3)
    with pytest.raises(NoShadow):
        shadows.go_back(regulator, back, 7, "there is none")


def test_another_draft_replaces_the_first_and_its_episodes_stay(rule, draft, regulator):
    services.record_events([raised(draft), cleared(draft)])
    other = shadows.start(regulator, rule, {"setpoint": 8.5}, "in between")
    assert shadows.of(rule) == other and sorted(in_engine(rule)) == [rule.pk, other.pk]
    assert ShadowEpisode.objects.filter(rule=draft).count() == 1
    shadows.stop(regulator, rule)
    assert in_engine(rule) == [rule.pk]
    with pytest.raises(NoShadow):
        shadows.stop(regulator, rule)
    with pytest.raises(NoShadow):
        shadows.promote(regulator, rule, "nothing there")


def test_a_rule_that_is_off_can_be_tried_and_switched_on(rule, regulator):
    off = services.edit_rule(regulator, rule, {"is_enabled": False}, "off")
    draft = shadows.start(regulator, off, {}, "would it help?")
    assert in_engine(rule) == [draft.pk]
    assert shadows.promote(regulator, off, "it does").is_enabled


def test_withdrawing_the_rule_ends_its_draft(rule, draft, regulator):
    services.withdraw_rule(regulator, rule, "tank gone")
    assert in_engine(rule) == []
    with pytest.raises(RuleWithdrawn):
        shadows.start(regulator, rule, {}, "again")


def test_reasons_rights_and_limits_are_asked_for(rule, draft, regulator, person, region):
    with pytest.raises(BadNote):
        shadows.promote(regulator, rule, " ")
    with pytest.raises(BadNote):
        shadows.start(regulator, rule, {}, "")
    with pytest.raises(BadRule):
        shadows.start(regulator, rule, {"setpoint": None}, "no")
    services.edit_rule(regulator, Rule.objects.get(), {"setpoint": 9.1}, "meanwhile")
    with pytest.raises(RuleChanged):
        shadows.promote(regulator, rule, "older than the stored one")
    for user in (person("viewer", region.city), person("regulator", region.west), person()):
        for deed in (
            lambda u: shadows.start(u, rule, {}, "x"),
            lambda u: shadows.stop(u, rule),
            lambda u: shadows.promote(u, rule, "x"),
            lambda u: shadows.go_back(u, services.keep(rule) or rule, rule.version, "x"),
        ):
            with pytest.raises(NotAllowed):
                deed(user)
    assert shadows.of(rule) == draft
