"""What the engine said becomes rows: once, whatever is delivered how often."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from fengsui.warn.alarms import loader, services
from fengsui.warn.alarms.models import Alarm, Deed, Rule
from fengsui.warn.engine import State, compile_rules, step, sweep
from fengsui.warn.engine.rules import CODES
from tests.warn.alarms.conftest import START_MS, cleared, raised, topics

pytestmark = pytest.mark.django_db


def test_an_episode_is_one_row_with_its_life(rule, region):
    services.record_events([raised(rule)])
    services.record_events([cleared(rule)])
    alarm = Alarm.objects.get()
    assert alarm.key == f"{rule.pk}:{START_MS}"
    assert (alarm.site, alarm.org, alarm.org_path) == (
        region.east_site,
        region.east_plant,
        region.east_plant.path,
    )
    assert (alarm.kind, alarm.priority, alarm.setpoint, alarm.rule_version) == ("hh", 1, 9.0, 1)
    assert alarm.raised_at == datetime.fromtimestamp(START_MS / 1000, UTC)
    assert alarm.received_at - alarm.raised_at == timedelta(milliseconds=40)
    assert (alarm.raised_value, alarm.peak_value, alarm.cleared_value) == (9.5, 9.9, 8.5)
    assert alarm.peak_at - alarm.raised_at == timedelta(seconds=30)
    assert alarm.cleared_at - alarm.raised_at == timedelta(seconds=60)
    assert list(alarm.deeds.order_by("id").values_list("what", "at")) == [
        ("raised", alarm.raised_at),
        ("cleared", alarm.cleared_at),
    ]
    assert topics() == ["alarm.raised", "alarm.cleared"]


def test_every_change_of_an_alarm_makes_its_messages_newer(rule, region, person):
    versions = [p["version"] for p in services.record_events([raised(rule)])]
    services.ack(person("duty_officer", region.city), Alarm.objects.get(), "seen")
    versions.append(Alarm.objects.get().version)
    versions += [p["version"] for p in services.record_events([cleared(rule)])]
    assert versions == sorted(set(versions))
    assert len(versions) == 3


def test_redelivery_changes_nothing(rule):
    events = [raised(rule), cleared(rule), raised(rule, 120), cleared(rule, 180, 120), raised(rule, 240)]
    first = services.record_events(events)
    assert [p["what"] for p in first] == ["raised", "raised", "raised", "cleared", "cleared"]
    rows = list(Alarm.objects.order_by("id").values())
    for again in (events, events[1:], events[:2], events[3:4]):
        assert services.record_events(again) == []
    assert list(Alarm.objects.order_by("id").values()) == rows
    assert Deed.objects.count() == 5
    assert len(topics()) == 5


def test_a_redelivered_raise_does_not_undo_what_people_did(rule, region, person):
    officer = person("duty_officer", region.city)
    services.record_events([raised(rule)])
    services.ack(officer, Alarm.objects.get(), "在看")
    services.record_events([raised(rule), cleared(rule)])
    services.record_events([raised(rule)])
    alarm = Alarm.objects.get()
    assert (alarm.acked_by, alarm.ack_note) == (officer, "在看")
    assert alarm.cleared_at is not None


def test_one_call_may_hold_a_whole_life(rule):
    payloads = services.record_events([raised(rule), cleared(rule)])
    assert [(p["what"], p["state"]) for p in payloads] == [
        ("raised", "active_unacked"),
        ("cleared", "cleared_unacked"),
    ]


def test_an_episode_whose_end_was_lost_ends_where_the_next_begins(rule):
    services.record_events([raised(rule)])
    payloads = services.record_events([raised(rule, 300)])
    assert [p["what"] for p in payloads] == ["raised", "cleared"]
    old, new = Alarm.objects.order_by("raised_at")
    assert old.cleared_at == new.raised_at
    assert new.cleared_at is None
    assert "later episode" in old.deeds.get(what="cleared").note


def test_a_rule_that_is_gone_raises_nothing(rule):
    event = raised(rule)
    rule.delete()
    assert services.record_events([event]) == []
    assert services.record_events([]) == []


def test_values_that_are_missing_stay_empty(rule):
    silent = raised(rule)._replace(value=None, peak_value=None, peak_ms=None, received_ms=None)
    (payload,) = services.record_events([silent])
    assert payload["raised_value"] is None
    assert payload["received_at_ms"] is None
    services.record_events([cleared(rule)._replace(value=None, peak_value=None, peak_ms=None)])
    assert Alarm.objects.get().peak_value is None


def test_the_live_payload_tells_what_a_screen_needs(rule, region):
    (payload,) = services.record_events([raised(rule)])
    alarm = Alarm.objects.get()
    assert payload == {
        "type": "alarm",
        "what": "raised",
        "id": alarm.pk,
        "key": alarm.key,
        "version": 0,
        "site": {
            "id": region.east_site.pk,
            "code": "s-east",
            "name": "s-east 厂",
            "name_en": "s-east",
            "lon": 111.3,
            "lat": 30.7,
        },
        "org_path": region.east_plant.path,
        "datastream": {
            "id": region.tank.pk,
            "code": "tank-1",
            "name": "液位",
            "name_en": "",
            "unit": "m",
            "decimals": 2,
        },
        "kind": "hh",
        "priority": 1,
        "state": "active_unacked",
        "setpoint": 9.0,
        "raised_at_ms": START_MS,
        "raised_value": 9.5,
        "peak_value": 9.5,
        "cleared_at_ms": None,
        "acked_at_ms": None,
        "acked_by": None,
        "shelved_until_ms": None,
        "suppressed": False,
        "received_at_ms": START_MS + 40,
        "loop_id": None,
        "by": None,
        "fold": None,
        "children": 0,
    }


def test_the_alarm_of_a_shelved_rule_is_recorded_and_not_announced(rule):
    rule.shelved_until = timezone.now() + timedelta(hours=1)
    rule.save()
    (payload,) = services.record_events([raised(rule)])
    assert payload["state"] == "shelved"
    assert topics() == []
    services.record_events([cleared(rule)])
    assert topics() == ["alarm.cleared"]


def test_the_alarm_of_a_datastream_out_of_service_is_suppressed(rule, region):
    region.tank.stopped_at = timezone.now()
    region.tank.save()
    (payload,) = services.record_events([raised(rule)])
    assert (payload["state"], payload["suppressed"]) == ("suppressed", True)
    assert topics() == []


def test_a_shelf_that_is_over_hides_nothing(rule):
    rule.shelved_until = timezone.now() - timedelta(minutes=1)
    rule.save()
    (payload,) = services.record_events([raised(rule)])
    assert payload["state"] == "active_unacked"
    assert topics() == ["alarm.raised"]


def test_peaks_are_brought_up_to_date(rule):
    services.record_events([raised(rule)])
    higher = raised(rule)._replace(peak_value=9.8, peak_ms=START_MS + 5000)
    assert services.record_peaks([higher]) == 1
    assert services.record_peaks([higher]) == 0
    assert services.record_peaks([]) == 0
    assert Alarm.objects.get().peak_value == 9.8
    services.record_events([cleared(rule)])
    assert services.record_peaks([higher]) == 0, "a finished episode keeps its peak"


def test_reconciling_ends_what_the_engine_does_not_know_and_raises_what_the_table_lacks(rule, region):
    low = Rule.objects.create(datastream=region.tank, kind="l", setpoint=1)
    services.record_events([raised(rule)])
    elsewhere = Rule.objects.create(datastream=region.other_tank, kind="hh", setpoint=9)
    services.record_events([raised(elsewhere)])
    partitions = 2 if region.east_site.pk % 2 != region.west_site.pk % 2 else 3
    mine = region.east_site.pk % partitions
    payloads = services.reconcile([raised(low)], mine, partitions, START_MS + 90_000)
    assert [(p["what"], p["kind"]) for p in payloads] == [("raised", "l"), ("cleared", "hh")]
    assert Alarm.objects.get(rule=rule).deeds.get(what="cleared").note == "no longer watched"
    assert Alarm.objects.get(rule=elsewhere).cleared_at is None, "another partition's business"
    assert services.reconcile([raised(low)], mine, partitions, START_MS + 90_000) == []


def test_rules_in_force_are_loaded_for_the_engine_and_their_events_recorded(rule, region):
    """From the table through the engine and back: the same keys on a second run from scratch."""
    Rule.objects.create(datastream=region.tank, kind="silent", window_ms=60_000)
    Rule.objects.create(datastream=region.tank, kind="l", setpoint=1, is_enabled=False)
    Rule.objects.create(datastream=region.tank, kind="ll", setpoint=0, withdrawn_at=timezone.now())
    asleep = region.stream(region.east_site, "tank-9", is_active=False)
    Rule.objects.create(datastream=asleep, kind="h", setpoint=1)
    (rows,) = loader.rule_tables()
    assert len(rows) == 3
    rows = rows.take(rows.datastream_id != asleep.pk)  # it has no slot
    assert rows.datastream_id.tolist() == [region.tank.pk] * 2
    assert [CODES[k] for k in rows.kind] == ["hh", "silent"]
    assert (rows.setpoint[0], np.isnan(rows.setpoint[1]), rows.window_ms.tolist()) == (9.0, True, [0, 60_000])
    armed_ms = int(rows.armed_ms[1])
    assert abs(armed_ms - timezone.now().timestamp() * 1000) < 60_000

    for _ in range(2):
        rules = compile_rules(rows, {region.tank.pk: 0})
        state = State.fresh(rules)
        times = armed_ms + np.array([1000, 2000, 3000])
        events = step(state, np.zeros(3), times, np.array([8, 9.4, 9.1]), np.zeros(3), rules)
        services.record_events(services.event_rows(events, times + 50))
        services.record_events(services.event_rows(sweep(state, armed_ms + 100_000, rules)))
    hh, silent = Alarm.objects.order_by("raised_at")
    assert (hh.kind, hh.raised_value) == ("hh", 9.4)
    assert round(hh.received_at.timestamp() * 1000) == armed_ms + 2050
    assert (silent.kind, silent.raised_value, silent.received_at) == ("silent", None, None)
    assert round(silent.raised_at.timestamp() * 1000) == armed_ms + 63_000


def test_partitions_share_the_rules_between_them(rule, region):
    Rule.objects.create(datastream=region.other_tank, kind="hh", setpoint=9)
    found = [[pk for t in loader.rule_tables(p, 5) for pk in t.rule_id.tolist()] for p in range(5)]
    assert sorted(pk for rows in found for pk in rows) == sorted(Rule.objects.values_list("pk", flat=True))
    assert rule.pk in found[region.east_site.pk % 5]
    assert [] in found


def test_alarms_follow_their_site(rule, region):
    services.record_events([raised(rule)])
    region.east_site.org = region.west_plant
    region.east_site.save()
    alarm = Alarm.objects.get()
    assert (alarm.org, alarm.org_path) == (region.west_plant, region.west_plant.path)
