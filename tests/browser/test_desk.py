"""The duty desk: what arrives is seen, what is old is said to be old, and everything goes by keyboard."""

from playwright.sync_api import expect


def say(page, name, data, number=""):
    page.evaluate("([n, d, i]) => window.__live.say(n, d, i)", [name, data, str(number)])


def test_the_queue_is_in_order_of_urgency_with_red_pinned_on_top(open_screen):
    page = open_screen()
    rows = page.locator(".queue [role=option]")
    expect(rows).to_have_count(10)
    expect(page.locator(".pinned [role=option]")).to_have_count(1)
    expect(rows.first).to_contain_text("高高限")
    expect(page).to_have_title("● (6) 值守席 · 烽燧")


def test_a_new_red_alarm_is_seen_said_and_counted_at_once(open_screen, situation):
    page = open_screen()
    alarm = situation.alarm(200, "yc-chem", "XMEAS_9", "hh", 1, 0, "active_unacked", 175.3)
    say(page, "alarm", alarm, 50)
    expect(page.locator(".pinned [role=option]").first).to_contain_text("反应器温度")
    expect(page.locator(".pinned [role=option]")).to_have_count(2)
    expect(page.locator("[role=alert]").filter(has_text="红色报警")).to_contain_text("175.30 °C")
    expect(page).to_have_title("● (7) 值守席 · 烽燧")
    assert situation.posts == []


def test_an_alarm_is_acknowledged_by_keyboard_alone(open_screen, situation):
    page = open_screen()
    page.keyboard.press("j")
    expect(page.locator(".case h2")).to_contain_text("高高限")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("已确认")
    expect(page.locator(".case .state").first).to_have_text("已确认")
    assert situation.posts == [("alarms/101/ack", {"note": ""})]
    expect(page.locator(".pinned")).to_have_count(0)
    page.keyboard.press("k")  # from its new place one up, to what still needs somebody
    expect(page.locator(".case .state").first).not_to_have_text("已结束")
    page.keyboard.press("Escape")
    expect(page.locator(".situation")).to_be_visible()


def test_a_note_goes_with_the_acknowledgement_and_letters_are_letters_while_typing(open_screen, situation):
    page = open_screen()
    page.keyboard.press("j")
    page.locator("#ack-note").click()
    page.keyboard.type("j and a are letters here")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("已确认")
    assert situation.posts == [("alarms/101/ack", {"note": "j and a are letters here"})]


def test_acknowledging_what_somebody_else_acknowledged_does_nothing(open_screen, situation):
    page = open_screen()
    page.keyboard.press("j")
    expect(page.locator(".case h2")).to_contain_text("高高限")
    situation.answer("POST", "/api/v1/alarms/101/ack", {})
    situation.posts.clear()
    say(page, "alarm", situation.alarms[0], 51)
    expect(page.locator(".case .state").first).to_have_text("已确认")
    page.keyboard.press("a")
    assert situation.posts == []


def test_a_refused_acknowledgement_is_said_and_the_alarm_stays(open_screen, situation):
    page = open_screen(allow=("409",))
    page.route(
        "**/ack", lambda r: r.fulfill(status=409, json={"code": "alarms.closed", "message": "这条报警已结束"})
    )
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("这条报警已结束 (alarms.closed)")
    expect(page.locator(".pinned [role=option]")).to_have_count(1)


def test_somebody_who_may_not_acknowledge_is_told_so(open_screen, situation, monkeypatch):
    me = situation._me({})
    me["may"].pop("alarm.ack")
    monkeypatch.setattr(situation, "_me", lambda query: me)
    page = open_screen()
    page.keyboard.press("j")
    expect(page.locator(".case .ack button")).to_be_disabled()
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("没有确认")
    assert situation.posts == []


def test_levels_filter_by_number(open_screen):
    page = open_screen()
    page.keyboard.press("2")
    expect(page.locator(".queue [role=option]")).to_have_count(4)
    page.keyboard.press("4")
    expect(page.locator(".queue [role=option]")).to_have_count(2)
    page.keyboard.press("0")
    expect(page.locator(".queue [role=option]")).to_have_count(10)


def test_the_list_of_keys_opens_and_closes_and_letters_can_be_switched_off(open_screen):
    page = open_screen()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("启用单键快捷键").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    expect(page.locator(".situation")).to_be_visible()


def test_what_is_old_is_never_shown_as_live(open_screen):
    page = open_screen()
    badge = page.locator(".queue-head .fresh")
    expect(badge).to_contain_text("实时")
    page.evaluate("window.__live.cut(false)")
    page.clock.fast_forward(20_000)
    expect(badge).to_contain_text("迟")
    page.clock.fast_forward(120_000)
    expect(badge).to_contain_text("中断 · 显示")
    assert "fresh-stale" in badge.get_attribute("class")


def test_beats_of_a_web_process_without_its_bus_count_as_silence(open_screen):
    page = open_screen()
    page.evaluate("window.__live.connected = false")
    page.clock.run_for(70_000)
    expect(page.locator(".queue-head .fresh")).to_contain_text("中断")


def test_after_a_reset_everything_is_loaded_again(open_screen, situation):
    page = open_screen()
    situation.alarms = situation.alarms[1:3]
    page.evaluate("window.__live.say('reset', {seq: 90, at_ms: Date.now(), connected: true}, '90')")
    expect(page.locator(".queue [role=option]")).to_have_count(2)


def test_a_stream_that_died_is_opened_again_behind_its_last_event(open_screen, situation):
    page = open_screen()
    say(page, "alarm", situation.alarm(200, "yc-chem", "XMEAS_9", "hh", 1, 0, "active_unacked", 175.3), 77)
    page.evaluate("window.__live.cut(true)")
    page.clock.fast_forward(2_000)
    urls = page.evaluate("window.__live.sources.map(s => s.url)")
    assert len(urls) == 2
    assert "last=77" in urls[1]


def test_the_end_of_the_session_is_said_with_a_way_back(open_screen):
    page = open_screen()
    say(page, "end", {})
    expect(page.locator(".desk-ended")).to_contain_text("登录已失效")
    page.clock.fast_forward(60_000)
    assert page.evaluate("window.__live.sources.length") == 1


def test_the_case_follows_the_live_readings_of_its_site(open_screen, situation):
    page = open_screen()
    page.keyboard.press("j")
    expect(page.locator(".case-last")).to_contain_text("20:41:05")
    page.clock.run_for(1_000)
    expect(page.locator(".case .chart-host canvas")).to_be_visible()
    assert "sites=yc-chem" in page.evaluate("window.__live.now().url")
    say(page, "readings", situation.frame("yc-chem", situation.now_ms + 900))
    expect(page.locator(".case-last")).to_contain_text("20:41:07")


def test_the_same_numbers_are_there_as_a_table(open_screen):
    page = open_screen()
    page.keyboard.press("j")
    page.get_by_role("button", name="看表格").click()
    expect(page.locator(".chart-table tbody tr").first).to_contain_text("2026-11-23 20:41:0")


def test_m_shows_the_sites_as_a_list(open_screen):
    page = open_screen()
    page.keyboard.press("m")
    expect(page.locator(".site-list tbody tr")).to_have_count(6)
    expect(page.locator(".site-list tbody tr").first).to_contain_text("演示化工厂")
    page.keyboard.press("m")
    expect(page.locator(".site-list")).to_have_count(0)


def test_without_webgl_the_map_says_why_and_the_rest_works(open_screen, situation):
    page = open_screen(with_map=False)
    expect(page.locator(".map-failed")).to_contain_text("WebGL 2")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("已确认")
    page.keyboard.press("m")
    expect(page.locator(".site-list tbody tr")).to_have_count(6)


def test_a_list_that_cannot_be_loaded_says_so_with_the_code_and_can_be_tried_again(open_screen, situation):
    page = open_screen("/alarms/", allow=("503",))  # a page of this origin, to route before the desk
    page.route(
        "**/api/v1/alarms?*",
        lambda r: r.fulfill(status=503, json={"code": "show.no_bus", "message": "总线没有回答"}),
    )
    page.goto(page.url.replace("/alarms/", "/desk/"))
    expect(page.locator(".queue .failed")).to_contain_text("总线没有回答（show.no_bus）")
    page.unroute("**/api/v1/alarms?*")
    page.get_by_role("button", name="重试").click()
    expect(page.locator(".queue [role=option]")).to_have_count(10)


def test_a_flood_stays_usable(open_screen, situation):
    first = situation.alarms[2]
    situation.alarms = [
        first | {"id": i, "key": f"{i}:1", "raised_at_ms": first["raised_at_ms"] - i * 100}
        for i in range(1, 2_500)
    ]
    page = open_screen()
    expect(page.locator(".queue-head")).to_contain_text("2,499 条未确认")
    assert page.locator(".queue [role=option]").count() < 60  # only what is in sight is drawn
    for _ in range(30):
        page.keyboard.press("j")
    expect(page.locator("[role=option][aria-selected=true]")).to_be_in_viewport()


def test_calm_says_so(open_screen, situation):
    situation.alarms = []
    page = open_screen()
    expect(page.locator(".queue .empty")).to_contain_text("当前没有报警")
    expect(page).to_have_title("值守席 · 烽燧")


def test_a_name_that_looks_like_html_is_only_text(open_screen, situation):
    alarm = situation.alarm(201, "yc-chem", "XMEAS_7", "hh", 1, 0, "active_unacked", 3001.0)
    alarm["datastream"]["name"] = '<img src=x onerror="document.title=1"><script>1</script>'
    alarm["site"]["name"] = "</option><b>站</b>"
    situation.alarms.append(alarm)
    page = open_screen()
    say(page, "alarm", alarm, 60)
    page.keyboard.press("j")
    expect(page.locator(".case h2")).to_contain_text("<img src=x")
    expect(page.locator(".queue img")).to_have_count(0)


def test_the_desk_speaks_english(open_screen):
    page = open_screen(language="en-US")
    expect(page.locator(".queue h2")).to_have_text("Alarm queue")
    expect(page.locator(".queue [role=option]").first).to_contain_text("Demonstration chemical plant")
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_sound_is_muted_and_stays_muted(open_screen):
    page = open_screen()
    page.keyboard.press("s")
    page.reload()
    expect(page.get_by_role("button", name="打开声音").first).to_have_attribute("aria-pressed", "true")
