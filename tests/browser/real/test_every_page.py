"""Every page and screen of the real platform: accessible in both themes and languages, and it keeps to itself."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SIZES
from tests.browser.real.desk import TAG, on_duty

TOWN = "yueyang"
pytestmark = pytest.mark.slow

SCREENS = ("/desk/", "/sites/{site}/")  # drawn by script, with a map or charts
PAGES = {  # who looks → where
    "commander": (
        "/sites/", "/sites/{site}/tables/", "/alarms/", "/alarms/{alarm}/", "/loops/", "/loops/{loop}/", "/rules/",
        "/orgs/", "/audit/", "/search/?q=yueyang", "/status/", "/operations/", "/ledger/", "/detectors/",
        "/detectors/truth/", "/scorecards/",
    ),
    "steward": ("/rules/{rule}/", "/quarantine/"),
}  # fmt: skip


def in_both_themes(page: Any, assert_accessible: Callable[[Any], None]) -> None:
    assert_accessible(page)
    theme = page.locator("html").get_attribute("data-theme")
    page.locator("[data-theme-switch]").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", theme)
    assert_accessible(page)
    page.locator("[data-theme-switch]").click()


def test_every_page_is_accessible_in_both_themes_and_keeps_to_itself(
    town, situation, enter, assert_accessible, words
):
    for who, paths in PAGES.items():
        page = enter(who, "/sites/", language=words)
        for path in paths:
            answer = page.goto(town.platform.url + path.format(**situation))
            assert answer.status == 200, f"{path}: {answer.status}"
            assert page.locator("html").get_attribute("lang") == words.code
            in_both_themes(page, assert_accessible)
            if path == "/quarantine/":
                expect(page.locator("main")).to_contain_text(TAG)
        page.context.clear_cookies()
    page.goto(f"{town.platform.url}/accounts/login/")
    in_both_themes(page, assert_accessible)


def test_every_screen_is_accessible_in_both_themes_and_keeps_to_itself(
    town, situation, enter, assert_accessible, words
):
    page = enter("duty", language=words, with_map=True)
    page.locator("html[data-map-idle]").wait_for(timeout=30_000)
    page.locator(".queue [role=option]").first.click()
    expect(page.locator(".case .loop")).to_be_visible()
    in_both_themes(page, assert_accessible)
    page.goto(f"{town.platform.url}/sites/{situation['site']}/")
    expect(page.locator(".stream canvas").first).to_be_visible(timeout=20_000)
    in_both_themes(page, assert_accessible)
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["wall"], strict=True)))
    page.goto(f"{town.platform.url}/desk/?mode=wall")
    expect(page.locator("#screen > *").first).to_be_visible()
    page.locator("html[data-map-idle]").wait_for(timeout=30_000)
    assert_accessible(page)
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["phone"], strict=True)))
    page.goto(f"{town.platform.url}/desk/")
    on_duty(page, words)
    in_both_themes(page, assert_accessible)
