"""The screen of one site: curves and values that move, limits that show, files to take away."""

import re

from playwright.sync_api import expect

CHEM = "/sites/yc-chem/"


def test_every_datastream_has_its_value_its_age_and_its_curve(open_screen):
    page = open_screen(CHEM)
    expect(page.locator("h1")).to_have_text("演示化工厂")
    cards = page.locator(".stream")
    expect(cards).to_have_count(53)
    expect(cards.first).to_contain_text("XMEAS_6")  # the unit in alarm stands first
    feed = cards.filter(has_text="A 进料流量")
    feed.scroll_into_view_if_needed()
    expect(feed.locator(".fresh")).to_have_text(
        re.compile(r"实时|迟 \d+ 秒")
    )  # as long as the page took to come up
    expect(feed.locator("canvas")).to_be_visible()


def test_only_what_is_in_sight_asks_for_its_history_and_all_of_it_at_once(open_screen, situation):
    page = open_screen(CHEM)
    curves = [
        curve.locator("canvas") for curve in (page.locator(".stream").first, page.locator(".stream").last)
    ]
    expect(curves[0]).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert situation.asked.count("sites/yc-chem/readings") == 1
    page.locator(".stream").last.scroll_into_view_if_needed()
    expect(curves[1]).to_be_visible()
    assert 2 <= situation.asked.count("sites/yc-chem/readings") <= 5


def test_a_frame_of_the_stream_moves_value_and_curve(open_screen, situation):
    page = open_screen(CHEM)
    value = page.locator(".stream").filter(has_text="A 进料流量").locator(".stream-now strong")
    expect(value).not_to_have_text("—")
    frame = situation.frame("yc-chem", situation.now_ms + 2_000)
    frame["v"][0] = 0.1234
    page.evaluate("f => window.__live.say('readings', f)", frame)
    expect(value).to_have_text("0.1234")


def test_a_datastream_that_stopped_says_since_when(open_screen, situation):
    page = open_screen(CHEM)
    stopped = next(s for s in situation.streams if s["site"] == "yc-chem" and s["id"] % 16 == 9)
    card = page.locator(".stream").filter(has_text=stopped["code"]).first
    expect(card.locator(".fresh")).to_contain_text("中断 · 显示 20:35")


def test_the_table_shows_value_limits_quality_and_age(open_screen):
    page = open_screen(CHEM)
    page.get_by_role("button", name="表格", exact=True).click()
    row = page.locator("tbody tr").filter(has_text="XMEAS_7").first
    expect(row).to_contain_text("高高 3000.0")
    expect(row).to_contain_text("kPa")
    expect(row).to_contain_text("好")
    page.get_by_label("只看报警").check()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_name_filters_and_nothing_found_says_so(open_screen):
    page = open_screen(CHEM)
    page.get_by_label("按名称筛选监测点").fill("压力")
    expect(page.locator(".stream")).not_to_have_count(53)
    page.get_by_label("按名称筛选监测点").fill("没有这个")
    expect(page.locator(".empty")).to_contain_text("没有符合条件的监测点")


def test_another_range_asks_again(open_screen):
    page = open_screen(CHEM)
    expect(page.locator(".stream canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    with page.expect_request(lambda r: "/readings" in r.url) as asked:
        page.get_by_role("button", name="6 小时").click()
    start, end = (int(asked.value.url.split(f"{name}=")[1].split("&")[0]) for name in ("from", "to"))
    assert end - start == 6 * 3_600_000


def test_readings_can_be_taken_as_csv_and_parquet(open_screen):
    page = open_screen(CHEM)
    links = page.locator(".stream").first.locator("footer a")
    assert "format=csv" in links.nth(0).get_attribute("href")
    assert "format=parquet" in links.nth(1).get_attribute("href")


def test_a_new_alarm_of_the_site_is_seen_here_too(open_screen, situation):
    page = open_screen(CHEM)
    expect(page.locator(".site-alarm")).to_have_count(3)
    alarm = situation.alarm(300, "yc-chem", "XMEAS_12", "hh", 1, 0, "active_unacked", 137.0)
    page.evaluate("a => window.__live.say('alarm', a, '70')", alarm)
    expect(page.locator(".site-alarm")).to_have_count(4)
    other = situation.alarm(301, "yc-pump", "TEMP", "h", 3, 0, "active_unacked", 94.0)
    page.evaluate("a => window.__live.say('alarm', a, '71')", other)
    expect(page.locator(".site-alarm")).to_have_count(4)
