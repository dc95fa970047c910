"""Live risk in Chromium: the cloud map and its time slider, the list, the points of a site, a worked inventory."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image
from playwright.sync_api import expect

INVENTORY = "unit,unit_type,name,cas,q_t,residents_500m,process\n罐区,storage,氯,7782-50-5,60,20,氯化\n"


def colours(page) -> set[str]:
    image = Image.open(io.BytesIO(page.locator("#risk-map canvas").screenshot())).convert("RGB")
    return {",".join(map(str, colour)) for _, colour in image.getcolors(1 << 24)}


@pytest.fixture
def plant(officer):
    """The plant with an inventory, a declared fact and its risk."""
    from fengsui.sense.devices.models import Site
    from fengsui.warn.inventories import services as inventories
    from fengsui.warn.risks import services as risks

    site = Site.objects.get(code="yc-chem")
    inventories.keep(None, site, INVENTORY.encode(), "inventory.csv")
    risks.declare(None, site, "fire_special", datetime(2026, 11, 23, 12, tzinfo=UTC), None, "动火 7 号")
    risks.reckon()
    return site


WORDS = {"zh-CN": ("风险云图", "红", "黄", "当前"), "en": ("Risk cloud map", "Red", "Yellow", "now")}


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("desk", "zh-CN", "light"), ("wall", "zh-CN", "dark"), ("phone", "en", "light")],
)
def test_the_slider_shows_how_it_was(open_screen, assert_accessible, size, language, theme):
    title, red, yellow, now = WORDS[language]
    page = open_screen("/risk/map/", size=size, language=language, theme=theme, with_map=True)
    expect(page.locator("h1")).to_have_text(title)
    first = page.locator("#risk-rows tr").first
    expect(first).to_contain_text(red)
    expect(first).to_contain_text("81.5")
    expect(page.locator("#risk-said")).to_contain_text(now)
    fill = "200,16,46" if theme == "light" else "255,82,89"
    assert fill in colours(page)
    page.locator("#time").focus()
    page.keyboard.press("ArrowLeft")
    expect(first).to_contain_text(yellow)
    expect(page.locator("#risk-said")).not_to_contain_text(now)
    page.locator("html[data-map-idle]").wait_for()
    assert fill not in colours(page)
    assert_accessible(page)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_list_points_and_steps_can_be_read(plant, open_screen, assert_accessible, language):
    page = open_screen("/risk/", language=language)
    page.locator("#list tbody a").first.click()
    expect(page.locator("tfoot td").first).to_have_text("30")  # grade 3 15, a process 3, fire work 12
    assert_accessible(page)
    page.goto(page.url.split("/risk/")[0] + "/hazards/sites/yc-chem/")
    expect(page.locator("main")).to_contain_text("S = 12 · R = 48")
    assert_accessible(page)
    page.goto(page.url.split("/sites/")[0] + "/")
    assert_accessible(page)
