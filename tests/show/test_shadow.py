"""A draft in shadow on a rule's page: started, compared, promoted, taken back; who may not edit may not do it."""

import pytest

from fengsui.stores import clock
from fengsui.warn.alarms import shadows
from fengsui.warn.alarms.models import Alarm, Rule, ShadowEpisode
from fengsui.warn.alarms.services import EventRow, record_events
from fengsui.warn.engine import RAISED

FORM = {
    "setpoint": "2800",
    "priority": "2",
    "is_enabled": "on",
    "version": "1",
    "reason": "trial",
    "shadow": "1",
}


@pytest.fixture
def url(world):
    return f"/rules/{world.rule.pk}/"


def raise_both(rule, draft):
    now = clock.now_ms()
    record_events([EventRow(r.pk, RAISED, now, 2900.0, now, 2900.0, now) for r in (rule, draft)])


def test_a_draft_runs_is_compared_promoted_and_taken_back(world, open_as, url):
    client = open_as(world.users["data_steward"], "en")
    assert client.post(url, FORM).status_code == 302
    draft = shadows.of(world.rule)
    raise_both(world.rule, draft)
    page = client.get(url).content.decode()
    assert 'id="shadow"' in page and "1 alarms as in force, 1 in shadow" in page
    assert page.count('<td class="num">—</td>') >= 2, "of a few seconds no figure a day is told"
    assert Alarm.objects.filter(rule=draft).count() == 0 and ShadowEpisode.objects.count() == 1
    rules = client.get("/rules/").content.decode()
    assert rules.count(f'href="{url}"') == 1 and f"/rules/{draft.pk}/" not in rules
    assert client.get(f"/rules/{draft.pk}/").status_code == 404
    client.post(f"{url}shadow/", {"promote": "1", "reason": "", "version": "1"})
    assert Rule.objects.get(pk=world.rule.pk).setpoint == 2895, "a promotion without a reason"
    client.post(f"{url}shadow/", {"promote": "1", "reason": "as compared", "version": "1"})
    assert Rule.objects.get(pk=world.rule.pk).setpoint == 2800
    page = client.get(url).content.decode()
    assert 'id="shadow"' not in page and "Back to version 1" in page
    client.post(f"{url}back/", {"version": "1"})
    rule = Rule.objects.get(pk=world.rule.pk)
    assert (rule.setpoint, rule.version) == (2895, 3)
    assert rule.changes.get(version=3).reason == "Back to version 1"


def test_a_draft_is_stopped_and_a_wrong_one_refused_at_its_field(world, open_as, url):
    client = open_as(world.users["data_steward"])
    assert client.post(url, {**FORM, "setpoint": ""}).status_code == 422
    client.post(url, FORM)
    client.post(f"{url}shadow/", {"stop": "1"})
    assert shadows.of(world.rule) is None
    assert "已无影子运行" in client.post(f"{url}shadow/", {"stop": "1"}, follow=True).content.decode()


def test_a_stranger_finds_nothing_and_who_may_only_look_changes_nothing(world, open_as, url):
    shadows.start(world.users["data_steward"], world.rule, {"setpoint": 2800}, "trial")
    for path, data in ((f"{url}shadow/", {"promote": "1", "reason": "x"}), (f"{url}back/", {"version": "1"})):
        assert open_as(world.stranger).post(path, data).status_code == 404
        open_as(world.users["viewer"]).post(path, data)
    rule = Rule.objects.get(pk=world.rule.pk)
    assert (rule.setpoint, rule.version) == (2895, 1) and shadows.of(rule) is not None
    page = open_as(world.users["viewer"]).get(url).content.decode()
    assert 'id="shadow"' in page and 'name="promote"' not in page
    assert open_as(world.stranger).get(url).status_code == 404
