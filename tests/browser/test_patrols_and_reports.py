"""A look at a site, its draw, and a report in Chromium: in both languages, on desk and phone."""

import pytest
from playwright.sync_api import expect

SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.mark.parametrize(("size", "language"), [("desk", "zh-CN"), ("phone", "en")])
def test_a_drawn_look_is_done_and_its_draw_can_be_seen(
    officer, open_screen, assert_accessible, size, language
):
    draw, end, ok = (
        ("抽取", "完成巡查", "正常") if language == "zh-CN" else ("Draw", "End the look", "In order")
    )
    page = open_screen("/patrols/", size=size, language=language)
    assert_accessible(page)
    page.get_by_role("button", name=draw, exact=True).click()
    expect(page.locator(".badge-ok").first).to_be_visible()
    assert_accessible(page)
    page.locator("main table a").first.click()
    expect(page.get_by_role("button", name=end)).to_be_visible()
    assert_accessible(page)  # before anything scrolls under the bar
    for radio in page.get_by_label(ok, exact=True).all():
        radio.check()
    assert page.evaluate(SIDEWAYS)
    page.get_by_role("button", name=end).click()
    expect(page.locator(".notice-success")).to_be_visible()


def test_a_report_is_made_and_read(officer, open_screen, assert_accessible, chinese_font, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    page = open_screen("/reports/")
    assert_accessible(page)
    page.get_by_role("button", name="生成").click()
    expect(page.locator("h1")).to_contain_text("安全风险日报")
    expect(page.locator(".report img")).to_have_count(2)
    assert page.locator(".report img").first.evaluate("image => image.complete && image.naturalWidth > 0")
    assert page.evaluate(SIDEWAYS)
    assert_accessible(page)
