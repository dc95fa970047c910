"""Back-test on a rule's page: the form's values beside the rule as it is, over what was stored; nothing changes."""

import numpy as np
import pytest

from fengsui.stores import clock
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.rows import Rows
from fengsui.stores.history.segments import write_segments
from fengsui.warn.alarms.models import Alarm, Rule, RuleChange

HOUR = 3_600_000
FORM = {"setpoint": "2800", "priority": "2", "is_enabled": "on", "version": "1", "backtest": "1"}


@pytest.fixture
def stored(world, tmp_path, settings):
    """Forty hours of the rule's datastream: each hour above 2800 for ten minutes, twice above 2895."""
    settings.HISTORY_ROOT = tmp_path
    at = clock.now_ms() // HOUR * HOUR - 40 * HOUR + np.arange(40 * 60) * 60_000
    value = np.where(at // 60_000 % 60 < 10, 2850.0, 2700.0)
    value[[60, 600]] = 2900.0
    n = len(at)
    none = np.zeros(n, np.uint8)
    rows = Rows(
        np.full(n, world.stream.pk, np.int32), at, value, none, none, np.zeros(n, np.int32), at + 50
    )  # fmt: skip
    Catalogue(tmp_path).add(write_segments(tmp_path, 0, rows, ["dev"]))
    return world


def test_a_draft_is_tried_and_nothing_changes(stored, open_as):
    client = open_as(stored.users["data_steward"], "en")
    url = f"/rules/{stored.rule.pk}/"
    answer = client.post(url, FORM)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert '<td class="num">2</td><td class="num">40</td>' in page, "alarms as it is, as drafted"
    assert "2400 stored readings" in page.replace(",", "")
    assert "化工厂 (people: 0), 2 times as in force, 40 as drafted" in page
    reason = "Back-test over 30 days: 2 alarms as in force, 40 as drafted"
    assert reason in page, "offered as the reason"
    stored.rule.refresh_from_db()
    assert (stored.rule.setpoint, stored.rule.version) == (2895, 1)
    assert not Alarm.objects.exists()
    saved = client.post(url, {**{k: v for k, v in FORM.items() if k != "backtest"}, "reason": reason})
    assert saved.status_code == 302
    assert RuleChange.objects.get(rule=stored.rule).reason == reason
    assert Rule.objects.get(pk=stored.rule.pk).setpoint == 2800
    kept = client.post(url, {**FORM, "version": "2", "reason": "my own words"}).content.decode()
    assert "my own words" in kept
    assert kept.count("Back-test over") == 1, "in the history of the rule, not offered again"


def test_in_chinese_and_without_stored_readings(world, tmp_path, settings, open_as):
    settings.HISTORY_ROOT = tmp_path
    page = open_as(world.users["data_steward"]).post(f"/rules/{world.rule.pk}/", FORM).content.decode()
    assert "近30天没有该数据流的存储数据" in page


def test_who_may_not_edit_may_not_try_and_a_stranger_finds_nothing(stored, open_as):
    url = f"/rules/{stored.rule.pk}/"
    assert open_as(stored.users["viewer"]).post(url, FORM).status_code == 403
    assert open_as(stored.stranger).post(url, FORM).status_code == 404


def test_values_that_make_no_sense_are_refused_at_their_field(stored, open_as):
    client = open_as(stored.users["data_steward"])
    answer = client.post(f"/rules/{stored.rule.pk}/", {**FORM, "setpoint": ""})
    assert answer.status_code == 422
    assert "id_setpoint-error" in answer.content.decode()
    assert 'id="tried"' not in answer.content.decode()
