"""The page that explains a frame: bytes and rows of a field light up together, on every size, accessible."""

import pytest
from playwright.sync_api import expect

TIMED = (
    "7E7E01001234567803E832002B020001240115080005F1F1001234567848F0F0240115080020190000052619012345392300012345"
    "381212650386B5"
)


def explained(open_screen, **more):
    page = open_screen("/frames/", **more)
    page.locator("#protocol").select_option("sl651")
    page.locator("#frame").fill(TIMED + TIMED[:-4] + "0000")
    page.locator("form.panel .btn-primary").click()
    page.locator(".frame").last.wait_for()
    return page


def test_pointing_at_a_row_lights_its_bytes_and_the_other_way_round(open_screen):
    page = explained(open_screen)
    row = page.locator("tr", has_text="12.345").first
    row.hover()
    lit = page.locator(".octets .octet.on")
    expect(lit).to_have_count(1)
    expect(lit).to_have_text("39 23 00 01 23 45")
    page.locator(".octets .octet", has_text="86 B5").first.hover()
    expect(page.locator("tr.on")).to_have_count(1)
    expect(page.locator("tr.on")).to_contain_text(
        "CRC" if page.locator("html[lang=en]").count() else "校验码"
    )
    page.locator(".octets .octet").first.focus()
    expect(page.locator("tr.on")).to_contain_text("7E 7E")


@pytest.mark.parametrize(("size", "theme", "language"), [("desk", "light", "zh-CN"), ("phone", "dark", "en")])
def test_the_page_is_accessible_and_nothing_is_wider_than_the_screen(
    open_screen, assert_accessible, size, theme, language
):
    page = explained(open_screen, size=size, theme=theme, language=language)
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".badge-bad")).to_have_text("crc")
    why = "The checksum does not fit." if language == "en" else "校验不符。"
    expect(page.locator(".notice-error strong")).to_have_text(why)
