"""Natural hazards in Chromium: the map with its slider over the next day, the list, what one site is under."""

import io
import os
from datetime import timedelta

import pytest
from django.utils import timezone
from PIL import Image
from playwright.sync_api import expect

WORDS = {
    "zh-CN": ("自然灾害地图", "橙", "红", "小时后"),
    "en": ("Map of natural hazards", "Orange", "Red", "h ahead"),
}
RED = {"light": "200,16,46", "dark": "255,82,89"}


def colours(page) -> set[str]:
    image = Image.open(io.BytesIO(page.locator("#natural-map canvas").screenshot())).convert("RGB")
    return {",".join(map(str, colour)) for _, colour in image.getcolors(1 << 24)}


def picture(page, name: str) -> None:
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture
def flood(officer):
    """A stage near its guarantee mark at the plant, and an earthquake of this morning."""
    from fengsui.sense.devices.models import Site
    from fengsui.warn.natural import zones
    from fengsui.warn.naturals.models import Statement

    site, now = Site.objects.get(code="yc-chem"), timezone.now()
    at_ms = round(now.timestamp() * 1000)
    shared = {
        "org_path": site.org_path, "level_since": now, "raised_at": now - timedelta(hours=1), "judged_at": now,
        "thresholds_sha256": "x", "is_demo": True,
    }  # fmt: skip
    stage = {
        "stage_m": 54.2, "rise_m_h": 0.3, "warning_m": 54, "guarantee_m": 55, "datum": "1985",
        "reached": "near_guarantee", "in_h": 2.7, "at_ms": at_ms,
    }  # fmt: skip
    quake = {"magnitude": 5.2, "depth_km": 10, "origin_ms": at_ms, "status": "automatic", "bands": []}
    Statement.objects.create(
        key="stage:1:1", subject="stage:1", kind="stage", name="枝城站 · 水位", name_en="Zhicheng · stage",
        source_name="枝城站", source_name_en="Zhicheng", level=2, why=stage,
        zone=zones.bands(site.longitude, site.latitude, [(2, 10.0)]), **shared,
    )  # fmt: skip
    Statement.objects.create(
        key="quake:1:1", subject="quake:1", kind="quake", name="湖北秭归 5.2 级地震", name_en="M 5.2 earthquake, Zigui",
        source_name="中国地震台网", source_name_en="CENC", level=3, why=quake,
        zone=zones.bands(site.longitude, site.latitude, [(3, 60.0)]), **shared,
    )  # fmt: skip
    return site


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("desk", "zh-CN", "light"), ("wall", "zh-CN", "dark"), ("phone", "en", "light")],
)
def test_the_slider_shows_what_comes(open_screen, assert_accessible, size, language, theme):
    title, orange, red, ahead = WORDS[language]
    page = open_screen("/natural/map/", size=size, language=language, theme=theme, with_map=True)
    expect(page.locator("h1")).to_have_text(title)
    first = page.locator("#natural-rows tr").first
    expect(first).to_contain_text(orange)
    page.locator("html[data-map-idle]").wait_for()
    page.locator("#hours").focus()
    for _step in range(4):
        page.keyboard.press("ArrowRight")
    expect(first).to_contain_text(red, timeout=20_000)
    expect(page.locator("#natural-said")).to_contain_text(f"12 {ahead}")
    page.locator("html[data-map-idle]").wait_for()
    assert RED[theme] in colours(page)
    picture(page, f"map-{size}-{language}")
    assert_accessible(page)


@pytest.mark.parametrize(("size", "language"), [("desk", "zh-CN"), ("phone", "en")])
def test_hazards_divisions_and_a_site_can_be_read(flood, open_screen, assert_accessible, size, language):
    page = open_screen("/natural/", size=size, language=language)
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("54.2")
    picture(page, f"list-{size}-{language}")
    assert_accessible(page)
    base = page.url.split("/natural/")[0]
    for of in ("city", "site"):
        page.goto(f"{base}/natural/?of={of}")
        expect(rows).to_have_count(1)
        picture(page, f"{of}-{size}-{language}")
        assert_accessible(page)
    rows.first.locator("a").click()
    expect(page.locator("#site-natural tbody tr")).to_have_count(2)
    picture(page, f"site-{size}-{language}")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scroll"
