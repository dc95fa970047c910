"""axe-core finds nothing on any screen, in both themes, with panels and dialogs open; the frame of pages works."""

import pytest
from playwright.sync_api import expect

THEMES = ("light", "dark")


@pytest.mark.parametrize("theme", THEMES)
def test_desk(open_screen, assert_accessible, theme):
    page = open_screen(theme=theme)
    assert_accessible(page)
    page.keyboard.press("j")
    expect(page.locator(".case .deeds")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="看表格").click()
    assert_accessible(page)
    page.keyboard.press("m")
    assert_accessible(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("theme", THEMES)
def test_site(open_screen, assert_accessible, theme):
    page = open_screen("/sites/yc-chem/", theme=theme, language="en-US")
    expect(page.locator(".stream canvas").first).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Table", exact=True).click()
    assert_accessible(page)


def test_wall(open_screen, assert_accessible):
    page = open_screen("/desk/?mode=wall", size="wall")
    for _ in range(3):
        assert_accessible(page)
        page.clock.fast_forward(20_500)


@pytest.mark.parametrize("theme", THEMES)
def test_phone(open_screen, assert_accessible, theme):
    page = open_screen(size="phone", theme=theme)
    assert_accessible(page)
    page.locator("[role=option]").first.tap()
    expect(page.locator(".case .deeds")).to_be_visible()
    assert_accessible(page)


def test_empty_and_failed(open_screen, assert_accessible, situation):
    situation.alarms = []
    page = open_screen(allow=("503",))
    assert_accessible(page)
    page.route(
        "**/api/v1/**", lambda route: route.fulfill(status=503, json={"code": "show.no_bus", "message": "No"})
    )
    page.reload()
    expect(page.locator(".queue .failed")).to_be_visible()
    assert_accessible(page)


def test_ctrl_k_finds_anything_by_keyboard(open_screen, assert_accessible):
    page = open_screen("/alarms/")
    page.keyboard.press("Control+k")
    page.keyboard.type("pump")
    option = page.locator("#found a")
    expect(option).to_have_count(1)
    assert_accessible(page)
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()
    page.keyboard.type(" nothing of the sort")
    expect(page.locator("#found")).to_contain_text("没有找到")


def test_the_theme_is_chosen_and_remembered(open_screen):
    page = open_screen("/alarms/")
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.get_by_role("button", name="明暗").or_(page.locator("[data-theme-switch]")).first.click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_menus_close_with_escape_and_give_the_focus_back(open_screen):
    page = open_screen("/alarms/")
    summary = page.locator(".top-end .menu > summary")
    summary.click()
    expect(page.locator(".top-end .menu-list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".top-end .menu-list")).to_be_hidden()
    expect(summary).to_be_focused()


def test_a_word_switches_the_language_of_page_and_screen(open_screen):
    page = open_screen()
    page.get_by_role("button", name="English").click()
    expect(page.locator(".queue h2")).to_have_text("Alarm queue")
    expect(page.locator(".top-nav a").first).to_have_text("Duty desk")


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_every_page_stands_in_the_menu_and_nothing_is_cut_off(open_screen, size):
    page = open_screen("/alarms/", size=size, language="en")
    cut = """nav => {
      const end = nav.getBoundingClientRect().right + 1;
      return [...nav.children].filter(a => a.getBoundingClientRect().right > end).map(a => a.textContent);
    }"""
    assert page.locator(".top-nav").evaluate(cut) == []
    page.locator(".top-more > summary").click()
    menu = page.locator(".top-more .menu-list")
    for words in ("Duty desk", "Live risk", "Scorecards", "Cameras", "Loss ledger"):
        expect(menu.get_by_role("link", name=words)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
