"""Units on the map: where they head, how old that is, their way; a fence being drawn; a phone that shares its place."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_map import colours

WORDS = {
    "zh-CN": ("鄂E12345", "4 小时", "12.3 km，14,400 个定位点，停留 1 次", "单元详情"),
    "en": ("Truck 1", "4 h", "12.3 km, 14,400 positions, 1 stops", "Page of the unit"),
}


def unit(situation, pk, name, lon, behind_ms=1_000, **more):
    alarmed = situation.alarms[0]["datastream"]["id"] if more.pop("alarmed", False) else 9_000 + pk
    return {
        "id": pk, "code": f"u-{pk}", "name": name, "name_en": f"Truck {pk}", "kind": "vehicle", "site": "yc-chem",
        "period_ms": 1_000, "time_ms": situation.now_ms - behind_ms, "lon": lon, "lat": 30.6, "kmh": 42.0, "deg": 45.0,
        "streams": [alarmed], **more,
    }  # fmt: skip


@pytest.fixture
def fleet(situation):
    """One far from all else and in alarm, one that moves, one that was cut off hours ago."""
    situation.units = [
        unit(situation, 1, "鄂E12345", 118.0, alarmed=True),
        unit(situation, 2, "鄂E2", 111.3),
        unit(situation, 3, "鄂E3", 111.2, behind_ms=3 * 3_600_000),
    ]
    return situation


def frame(situation, **more):
    unit = situation.units[0]
    return {
        "org_path": "/1/2/", "t_ms": situation.now_ms + 2_000, "ids": [1], "time_ms": [situation.now_ms + 2_000],
        "lon": [unit["lon"]], "lat": [unit["lat"]], "kmh": [77.0], "deg": [180], **more,
    }  # fmt: skip


@pytest.mark.parametrize("language", WORDS)
def test_a_click_shows_speed_time_and_way_and_the_stream_moves_it(
    open_screen, fleet, assert_accessible, language
):
    name, hours, facts, more = WORDS[language]
    page = open_screen("/desk/?unit=1", with_map=True, language=language)
    card = page.locator(".unit-card")
    expect(card.locator("h2")).to_have_text(name)
    expect(card).to_contain_text("42 km/h")
    expect(card).to_contain_text(facts)
    expect(card.get_by_role("button", name=hours, exact=True)).to_have_attribute("aria-pressed", "true")
    expect(card.get_by_role("link", name=more)).to_have_attribute("href", "/units/1/")
    assert_accessible(page)
    page.locator("html[data-map-idle]").wait_for()
    assert "200,16,46" in colours(page)  # it lies in the middle, with the red mark of its alarm
    page.evaluate("f => window.__live.say('units', f, '')", frame(fleet))
    page.clock.fast_forward(1_500)
    expect(card).to_contain_text("77 km/h")
    page.evaluate(
        "f => window.__live.say('units', f, '')", frame(fleet, time_ms=[fleet.now_ms - 60_000], kmh=[1.0])
    )
    page.clock.fast_forward(1_500)
    expect(card).to_contain_text("77 km/h")  # an older position never takes the place of a newer one
    with page.expect_request(lambda r: "units/1/track" in r.url):
        card.get_by_role("button").nth(1).click()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    page.locator("html[data-map-idle]").wait_for()
    box = page.locator(".map-host canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(card.locator("h2")).to_have_text(name)


@pytest.mark.parametrize("language", WORDS)
def test_what_is_old_is_never_shown_as_live(open_screen, fleet, language):
    page = open_screen("/desk/?unit=3", with_map=True, language=language)
    fresh = page.locator(".unit-card .fresh")
    expect(fresh).to_have_class("fresh fresh-stale")
    page.clock.fast_forward(30_000)
    page.goto(page.url.replace("unit=3", "unit=2"))
    expect(page.locator(".unit-card h2")).to_contain_text("2")
    page.clock.fast_forward(15_000)
    expect(page.locator(".unit-card .fresh")).not_to_have_class("fresh fresh-live")


def test_on_the_phone_the_card_lies_under_the_map_s_middle(open_screen, fleet, assert_accessible):
    page = open_screen("/desk/?unit=1", size="phone", with_map=True)
    expect(page.locator(".unit-card h2")).to_have_text("鄂E12345")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)


def test_a_fence_is_drawn_point_by_point(open_screen, officer, fleet, assert_accessible):
    from fengsui.people.orgs import services as orgs
    from fengsui.people.orgs.models import Org

    orgs.grant(actor=None, user=officer, org=Org.objects.get(code="yichang"), role="commander")
    page = open_screen("/fences/new/", with_map=True)
    assert_accessible(page)
    box = page.locator(".fence-map canvas").bounding_box()
    geometry = page.locator("#id_geometry")
    for dx, dy in ((200, 200), (300, 200), (300, 300)):
        expect(geometry).to_have_value("")
        page.mouse.click(box["x"] + dx, box["y"] + dy)
    expect(geometry).not_to_have_value("")
    page.locator("#id_name").fill("园区")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/fences/*/")
    from fengsui.warn.fences.models import Fence

    fence = Fence.objects.get()
    assert (fence.shape, fence.geometry["type"], len(fence.geometry["coordinates"][0])) == (
        "polygon",
        "Polygon",
        4,
    )
    page.locator("html[data-map-idle]").wait_for()
    assert_accessible(page)


def test_a_phone_shares_its_place_only_after_its_owner_agrees(open_screen, officer, fleet, assert_accessible):
    from fengsui.sense.devices.models import Site
    from fengsui.sense.moving.services import keep_unit

    keep_unit(None, site=Site.objects.get(), code="duty", name="王建国的手机", kind="person", user=officer)
    page = open_screen("/here/", size="phone")
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": 111.3, "latitude": 30.7, "accuracy": 12})
    assert_accessible(page)
    page.clock.fast_forward(10_000)
    assert fleet.posts == []
    page.get_by_role("button", name="我同意").click()
    expect(page.locator("[data-place]")).to_have_text("111.30000, 30.70000")
    page.clock.fast_forward(6_000)
    expect(page.locator("[data-state]")).to_have_text("您的位置正在共享。")
    places = [body for path, body in fleet.posts if path == "here"]
    assert places[0]["lon"] == [111.3]
    assert places[0]["accuracy_m"] == [12]
    page.get_by_role("button", name="停止共享").click()
    expect(page.locator("[data-state]")).to_have_text("您的位置未共享。")
    assert fleet.posts[-1][0] == "here/stop"
