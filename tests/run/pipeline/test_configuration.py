"""A pipeline reads what changed, and has then exactly what it would have if it read everything."""

import dataclasses
import random

import numpy as np
import pytest
from django.db import connection

from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline import configuration
from fengsui.run.pipeline.partition import Partition
from fengsui.stores.checkpoints import states
from fengsui.warn.alarms import loader
from fengsui.warn.alarms.models import EVERY, Rule, RuleTouch

pytestmark = pytest.mark.django_db

SITES, STREAMS = 5, 4


@pytest.fixture
def plant(db):
    """Some sites with datastreams and a few rules."""
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing

    org = Org.objects.create(path="/1/", kind="enterprise", code="works", name="厂")
    level = ObservedProperty.objects.create(code="level", name="液位")
    for s in range(SITES):
        site = Site.objects.create(
            code=f"s{s}", name="厂", org=org, org_path=org.path, longitude=111, latitude=30
        )
        thing = Thing.objects.create(site=site, code="tank", name="罐")
        for d in range(STREAMS):
            Datastream.objects.create(
                site=site, thing=thing, observed_property=level, code=f"T{d}", name="液位", unit="m"
            )
    for stream in Datastream.objects.all():
        Rule.objects.create(datastream=stream, kind="h", setpoint=5, deadband=0.5)
        Rule.objects.create(datastream=stream, kind="silent", window_ms=60_000)
    return Datastream.objects


def whole(partition=0, partitions=1):
    return configuration.load(partition, partitions)


def same(found, anew):
    assert found.columns.same_as(anew.columns)
    assert found.rules.same_as(anew.rules)
    assert found.policy == anew.policy
    assert found.stored.numbers == anew.stored.numbers
    for name in ("first_other", "calm_low", "calm_high", "wait_ms"):
        assert np.array_equal(getattr(found.rules, name), getattr(anew.rules, name))


def changes_to(streams, chance):
    """What people, imports and psql do to rules and the registry."""
    some = list(streams.order_by("pk").values_list("pk", flat=True))
    chosen = chance.sample(some, 3)
    rules = Rule.objects.filter(datastream__in=chosen)
    return {
        "edited": lambda: rules.filter(kind="h").update(setpoint=chance.random() * 10),
        "other form": lambda: rules.filter(kind="h").update(on_delay_ms=chance.randrange(1, 9) * 1000),
        "off": lambda: rules.update(is_enabled=False),
        "on": lambda: Rule.objects.update(is_enabled=True),
        "deleted": lambda: rules[0].delete() if rules.exists() else None,
        "made": lambda: Rule.objects.create(
            datastream_id=chosen[0], kind="rate", setpoint=chance.random() + 0.1, window_ms=1000
        ),
        "senseless": lambda: Rule.objects.create(datastream_id=chosen[0], kind="frozen"),
        "moved": lambda: rules.filter(kind="rate").update(datastream_id=chosen[1]),
        "stream off": lambda: streams.filter(pk=chosen[2]).update(is_active=False),
        "stream on": lambda: streams.update(is_active=True),
        "stream gone": lambda: streams.filter(pk=chosen[1]).delete(),
        "range": lambda: streams.filter(pk=chosen[0]).update(range_max=chance.random()),
        "site changed": lambda: streams.filter(pk=chosen[0]).update(
            site_id=streams.get(pk=chosen[1]).site_id, code=f"X{chance.random()}"
        ),
    }


@pytest.mark.parametrize("seed", range(6))
def test_following_changes_equals_reading_everything(plant, seed):
    chance = random.Random(seed)
    known = [whole(), whole(1, 2)]
    for _ in range(25):
        for deed in chance.sample(sorted(changes_to(plant, chance)), 2):
            changes_to(plant, chance)[deed]()
        known = [configuration.follow(known[0], 0, 1), configuration.follow(known[1], 1, 2)]
        same(known[0], whole())
        same(known[1], whole(1, 2))


def test_only_what_changed_is_read(plant, monkeypatch):
    known = whole()
    asked = []
    monkeypatch.setattr(loader, "rules_of", lambda ids, read=loader.rules_of: asked.append(ids) or read(ids))
    monkeypatch.setattr(loader, "rule_tables", lambda *_: pytest.fail("everything was read"))
    stream = plant.order_by("pk")[3]
    Rule.objects.filter(datastream=stream, kind="h").update(setpoint=7)
    found = configuration.follow(known, 0, 1)
    assert [ids.tolist() for ids in asked] == [[stream.pk]]
    assert found.columns is known.columns
    assert found.rules.first is known.rules.first, "every rule kept its place"


def test_what_is_none_of_the_engines_business_changes_nothing(plant):
    known = whole()
    before = known.stored.numbers
    Rule.objects.update(basis="GB 1", shelved_reason="x")
    plant.update(name="储罐液位")
    assert not configuration.changed_since(known)
    Rule.objects.filter(kind="h").update(setpoint=5)  # written again as it was
    assert configuration.follow(known, 0, 1) is known
    assert known.stored.numbers == before, "the database sees that nothing changed"
    plant.filter(pk=plant.first().pk).update(range_min=None)
    assert configuration.changed_since(known)
    assert configuration.follow(known, 0, 1) is known
    assert not configuration.changed_since(known)


def test_another_policy_is_followed(plant):
    known = dataclasses.replace(whole(), policy=CheckPolicy(1, 2, 3))
    known.stored.file = "p0000-x.state"
    found = configuration.follow(known, 0, 1)
    assert found.policy == whole().policy
    assert (found.rules, found.stored.file) == (known.rules, "p0000-x.state")


def test_a_table_emptied_at_once_is_read_anew(plant):
    known = whole()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE alarms_rule CASCADE")
    assert RuleTouch.objects.get().datastream_id == EVERY
    found = configuration.follow(known, 0, 1)
    assert len(found.rules) == 0
    same(found, whole())


def test_counters_that_went_back_mean_another_database(plant):
    known = whole()
    known.stored.numbers = (10**6, 10**6)
    Rule.objects.filter(datastream=plant.first()).delete()
    same(configuration.follow(known, 0, 1), whole())


def test_it_comes_back_from_its_file(plant, tmp_path):
    known = whole()
    partition = Partition(known.columns, known.rules, known.policy)
    partition.stored = known.stored
    name = states.save(tmp_path, 0, configuration.parts(partition.snapshot()))
    Rule.objects.filter(datastream=plant.first()).update(on_delay_ms=3)
    with states.load(tmp_path, name) as kept:
        found = configuration.recall(kept, name, 1, known.policy)
        assert configuration.recall(kept, name, 2, known.policy) is None, "divided otherwise"
    same(found, known)
    assert found.stored.file == name
    same(configuration.follow(found, 0, 1), whole())
