"""A scenario rule is taken from the library, corrected where the page points to, tried, and put in force."""

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
