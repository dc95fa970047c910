"""The same desk on a wall and in a hand."""

from playwright.sync_api import expect


def test_the_wall_shows_clock_age_levels_and_the_newest_red_alarm(open_screen):
    page = open_screen("/desk/?mode=wall", size="wall", theme="light")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    expect(page.locator(".top")).to_have_count(0)
    expect(page.locator(".wall-clock > time")).to_contain_text("20:41:")
    expect(page.locator(".wall-clock .fresh")).to_contain_text("实时")
    expect(page.locator(".wall-stage h3")).to_contain_text("反应器压力")
    assert page.locator(".wall button").count() == 0


def test_scenes_take_turns(open_screen):
    page = open_screen("/desk/?mode=wall", size="wall")
    title = page.locator(".wall-scene > header h2")
    seen = [title.inner_text()]
    for _ in range(2):
        page.clock.fast_forward(20_500)
        expect(title).not_to_have_text(seen[-1])
        seen.append(title.inner_text())
    assert seen == ["当前报警", "站点状态", "24 小时报警"]


def test_acknowledged_elsewhere_the_alarm_leaves_the_stage(open_screen, situation):
    page = open_screen("/desk/?mode=wall", size="wall")
    expect(page.locator(".wall-stage")).to_be_visible()
    situation.answer("POST", "/api/v1/alarms/101/ack", {})
    page.evaluate("a => window.__live.say('alarm', a, '9')", situation.alarms[0])
    expect(page.locator(".wall-stage")).to_have_count(0)


def test_a_cut_is_said_and_the_wall_starts_anew_when_the_platform_is_back(open_screen):
    page = open_screen("/desk/?mode=wall", size="wall", allow=("Failed to load resource",))
    page.route("**/healthz", lambda route: route.fulfill(status=503, body="{}"))
    expect(page.locator(".wall-stage")).to_be_visible()  # its site is one more topic: the stream opens anew
    page.wait_for_function("window.__live.sources.at(-1).readyState === 1")
    page.evaluate("window.__live.cut(false); window.before = 1")
    page.clock.fast_forward(30_000)
    expect(page.locator(".wall .map-note")).to_contain_text("正在自动恢复")
    page.clock.run_for(100_000)
    assert page.evaluate("window.before") == 1
    page.unroute("**/healthz")
    page.route("**/healthz", lambda route: route.fulfill(status=200, body="{}"))
    with page.expect_navigation():
        page.clock.run_for(70_000)
    expect(page.locator(".wall-clock .fresh")).to_contain_text("实时")


def test_a_phone_has_map_queue_and_one_bar_for_the_thumb(open_screen, situation):
    page = open_screen(size="phone")
    box = page.locator(".desk-map").bounding_box()
    assert 0.40 <= box["height"] / (844 - 48) <= 0.50
    page.locator("[role=option]").first.tap()
    expect(page.locator(".case h2")).to_contain_text("高高限")
    page.locator(".thumb").get_by_role("button", name="确认").tap()
    expect(page.locator(".toast")).to_contain_text("已确认")
    assert situation.posts == [("alarms/101/ack", {"note": ""})]
    page.locator(".case-head").get_by_role("button", name="关闭").tap()
    expect(page.locator(".queue")).to_be_in_viewport()


def test_what_a_thumb_touches_is_large_enough_and_nothing_runs_over_the_edge(open_screen):
    page = open_screen(size="phone", with_map=True)
    for button in page.locator(".thumb .btn, .levels .chip, .map-buttons .btn:visible").all():
        box = button.bounding_box()
        assert min(box["height"], box["width"]) >= 40, button.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
