"""A rule is edited, back-tested, run in shadow and promoted, with the mouse; each page is accessible."""

import re
import time

import numpy as np
import pytest
from playwright.sync_api import expect


@pytest.fixture
def rule(officer, tmp_path, settings):
    """A level rule with two hours of stored readings, and an officer who may edit it."""
    from fengsui.people.orgs import services as orgs
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.rows import Rows
    from fengsui.stores.history.segments import write_segments
    from fengsui.warn.alarms.models import Rule

    settings.HISTORY_ROOT = tmp_path
    site = Site.objects.get()
    orgs.grant(actor=None, user=officer, org=site.org, role="data_steward")
    level, _ = ObservedProperty.objects.get_or_create(
        code="level", defaults={"name": "液位", "name_en": "Level"}
    )
    tank = Thing.objects.create(site=site, code="T-1", name="储罐")
    stream = Datastream.objects.create(
        site=site,
        thing=tank,
        observed_property=level,
        code="LI-1",
        name="储罐液位",
        name_en="Level",
        unit="m",
    )
    n = 120
    at = (int(time.time()) // 3600 * 3600 - 7200) * 1000 + np.arange(n) * 60_000
    value = np.where(np.arange(n) % 40 < 5, 8.6, 7.0)
    none = np.zeros(n, np.uint8)
    rows = Rows(np.full(n, stream.pk, np.int32), at, value, none, none, np.zeros(n, np.int32), at + 50)
    Catalogue(tmp_path).add(write_segments(tmp_path, 0, rows, ["dev"]))
    return Rule.objects.create(datastream=stream, kind="h", setpoint=9.0, deadband=0.2, priority=2)


def test_a_rule_is_edited_back_tested_run_in_shadow_and_promoted(rule, open_screen, assert_accessible):
    from fengsui.warn.alarms import shadows
    from fengsui.warn.alarms.models import Alarm, Rule
    from fengsui.warn.alarms.services import EventRow, record_events
    from fengsui.warn.engine import RAISED

    page = open_screen(f"/rules/{rule.pk}/")
    page.locator("#id_setpoint").fill("8.5")
    page.locator("[name=backtest]").click()
    expect(page.locator("#tried tbody tr").first).to_contain_text(re.compile(r"0\s*3"))
    expect(page.locator("#id_reason")).to_have_value(re.compile("30"))
    assert Rule.objects.get(pk=rule.pk).setpoint == 9.0
    page.locator("[name=shadow]").click()
    expect(page.locator("#shadow")).to_be_visible()
    assert_accessible(page)
    draft = shadows.of(rule)
    now = int(time.time() * 1000)
    record_events([EventRow(draft.pk, RAISED, now, 8.6, now, 8.6, now)])
    page.reload()
    expect(page.locator("#promote-reason")).to_have_value(re.compile("影子规则1次"))
    assert not Alarm.objects.exists()
    page.locator("[name=promote]").click()
    expect(page.locator("#shadow")).to_have_count(0)
    expect(page.locator("#id_setpoint")).to_have_value("8.5")
    page.get_by_role("button", name="恢复到第1版").click()
    expect(page.locator("#id_setpoint")).to_have_value(re.compile(r"^9"))
    assert_accessible(page)
