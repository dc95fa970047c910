"""A scenario rule is taken from the library, corrected where the page points to, tried, and put in force."""

import json
import re
import time

import numpy as np
import pytest
from playwright.sync_api import expect


@pytest.fixture
def tank(officer, tmp_path, settings):
    """A tank with level and inlet, two hours of stored readings, and an officer who may edit rules."""
    from fengsui.people.orgs import services as orgs
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.rows import Rows
    from fengsui.stores.history.segments import write_segments

    settings.HISTORY_ROOT = tmp_path
    site = Site.objects.get()
    orgs.grant(actor=None, user=officer, org=site.org, role="data_steward")
    thing = Thing.objects.create(site=site, code="T-1", name="储罐")
    n = 120
    at = (int(time.time()) // 3600 * 3600 - 7200) * 1000 + np.arange(n) * 60_000
    none = np.zeros(n, np.uint8)
    level = 75 + np.minimum(np.arange(n) % 60, 25.0)
    for code, name, unit, value in (
        ("level", "液位", "%", level),
        ("flow", "流量", "m3/h", np.full(n, 40.0)),
    ):
        kind, _ = ObservedProperty.objects.get_or_create(code=code, defaults={"name": name, "name_en": code})
        stream = Datastream.objects.create(
            site=site, thing=thing, observed_property=kind, code=f"{code}-1", name=f"储罐{name}", name_en=code,
            unit=unit, period_ms=60_000,
        )  # fmt: skip
        rows = Rows(np.full(n, stream.pk, np.int32), at, value, none, none, np.zeros(n, np.int32), at + 50)
        Catalogue(tmp_path).add(write_segments(tmp_path, stream.pk, rows, ["dev"]))
    return site


def test_one_is_taken_from_the_library_corrected_tried_and_put_in_force(tank, open_screen, assert_accessible):
    from fengsui.warn.scenarios.models import ScenarioRule

    page = open_screen("/scenarios/")
    assert_accessible(page)
    page.locator("#at").fill(tank.code)
    page.locator("#template").select_option("tank_overfill")
    page.get_by_role("button", name="新建情景规则").click()
    expect(page.locator("#d-0")).to_have_value("level-1")
    expect(page.locator("#d-1")).to_have_value("flow-1")
    expect(page.locator("#check")).to_contain_text("储罐液位")
    page.locator("#expression").fill("level > high\nand inlet > 1 kPa")
    expect(page.locator("#check .notice-error")).to_contain_text("第 2 行第 13 列")
    page.evaluate("scrollTo(0, 0)")  # nothing half under the top bar
    assert_accessible(page)
    page.locator("#expression").fill("level > high\nand inlet > flowing")
    expect(page.locator("#check .notice-success")).to_be_visible()
    page.locator("[name=backtest]").click()
    expect(page.locator("#tried")).to_contain_text(re.compile("共会触发 2 次"))
    assert not ScenarioRule.objects.exists()
    page.locator("#is_enabled").check()
    page.locator("#reason").fill("试运行")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("h1")).to_contain_text("生效")
    made = ScenarioRule.objects.get()
    assert (made.is_enabled, made.rule.is_enabled, made.template) == (True, True, "tank_overfill")
    assert_accessible(page)
    expect(page.locator("#p-1")).to_have_value("high")
    page.locator("#q-1").fill("90 %")
    page.locator("#reason").fill("调整")
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".deeds li")).to_have_count(2)
    assert ScenarioRule.objects.get().parameters["high"] == "90 %"


def test_a_draft_runs_in_shadow_is_promoted_and_taken_back(tank, open_screen, assert_accessible):
    from fengsui.warn.alarms.models import Alarm
    from fengsui.warn.alarms.services import EventRow, record_events
    from fengsui.warn.engine import RAISED
    from fengsui.warn.scenarios import library, services, shadows
    from fengsui.warn.scenarios.models import ScenarioRule

    template = library.templates()["tank_overfill"]
    bound, _missing = library.propose(template, tank)
    values = dict(template.values) | {"is_enabled": True}
    rule = services.create("test", tank, "overfill", values, bound, "试运行", template.code)
    page = open_screen(f"/scenarios/{rule.pk}/")
    page.locator("#q-1").fill("90 %")
    page.locator("#reason").fill("减少误报")
    page.get_by_role("button", name="影子运行").click()
    expect(page.locator("#shadow")).to_contain_text("90 %")
    assert_accessible(page)
    draft = shadows.of(rule)
    now = int(time.time() * 1000)
    grounds = {
        "scenario": draft.pk,
        "version": 1,
        "name": draft.name,
        "cause": "液位 91 % 已超过 90 %",
        "terms": [],
    }
    record_events([EventRow(draft.rule_id, RAISED, now, 1.0, now, 1.0, now, cause=json.dumps(grounds))])
    page.reload()
    expect(page.locator("#promote-reason")).to_have_value(re.compile("影子规则1次"))
    page.locator("#shadow summary").click()
    expect(page.locator("#shadow .deeds")).to_contain_text("液位 91 % 已超过 90 %")
    assert not Alarm.objects.exists()
    page.locator("[name=promote]").click()
    expect(page.locator("#shadow")).to_have_count(0)
    assert ScenarioRule.objects.get().parameters["high"] == "90 %"
    page.get_by_role("button", name="恢复到第1版").click()
    expect(page.locator("#q-1")).to_have_value("85 %")
    assert_accessible(page)


def test_the_desk_says_what_a_scenario_or_a_detector_raised_and_why(
    open_screen, situation, assert_accessible
):
    by = {"id": 7, "version": 2, "name_en": "Overfill"}
    scenario = situation.alarm(500, "yc-chem", "XMEAS_9", "scenario", 1, 1, "active_unacked", 1.0)
    scenario["by"] = by | {
        "what": "scenario", "name": "储罐过充", "cause": "液位 85.5 % 已超过 85 %", "cause_en": "Level above",
    }  # fmt: skip
    found = situation.alarm(501, "yc-pump", "VOLTAGE", "detector", 2, 1, "active_unacked", 3.0)
    found["by"] = by | {
        "what": "detector", "name": "泵组", "cause": "该单元偏离正常工况", "cause_en": "Not as in normal operation",
    }  # fmt: skip
    child = situation.fold(
        situation.alarm(502, "yc-pump", "TEMP", "silent", 1, 1, "active_unacked", 0.0), found
    )
    situation.alarms = [scenario, found, child]
    page = open_screen()
    rows = page.locator(".queue [role=option], .pinned [role=option]")
    expect(rows.first).to_contain_text("情景")
    expect(rows.first).to_contain_text("液位 85.5 % 已超过 85 %")
    expect(page.locator(".queue [role=option]", has_text="异常检测 泵组")).to_contain_text(
        "该单元偏离正常工况"
    )
    rows.first.click()
    expect(page.locator(".case-cause")).to_have_text("液位 85.5 % 已超过 85 %")
    expect(page.locator(".case-figures")).to_have_count(0)
    assert_accessible(page)
    wall = open_screen("/desk/?mode=wall", size="wall")
    expect(wall.locator(".wall-stage")).to_contain_text("液位 85.5 % 已超过 85 %")
    expect(wall.locator(".wall-value")).to_have_count(0)
