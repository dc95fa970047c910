"""A flood on the desk: one parent with its children behind it, a new cause on top, and nothing comes back by itself."""

from playwright.sync_api import expect

NAN = float("nan")
FLOOD = 40


def say(page, alarm):
    page.evaluate(
        "([d]) => window.__live.say('alarm', d, '')", [{**alarm, "raised_value": None, "peak_value": None}]
    )


def test_a_flood_folds_to_one_parent_and_a_new_cause_appears_on_top(
    open_screen, situation, assert_accessible
):
    make = situation.alarm
    parent = make(300, "yc-pump", "VOLTAGE", "silent", 2, 1, "active_unacked", NAN)
    children = [
        make(310 + i, "yc-pump", "TEMP", "silent", 3, 0.5, "active_unacked", NAN) for i in range(FLOOD)
    ]
    situation.alarms = [parent]
    page = open_screen()
    rows = page.locator(".queue [role=option]")
    shown_first = children[:2]
    for child in shown_first:
        say(page, child)
    expect(rows).to_have_count(3)
    before = [dict(child) for child in shown_first]
    for child in children:
        situation.fold(child, parent)
        say(page, child)
    say(page, {**parent, "what": "counted"})
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(f"含 {FLOOD} 条")
    expect(page.locator(".queue-head")).to_contain_text(f"折叠 {FLOOD} 条")
    say(page, before[0])  # a message from before it was folded comes late
    expect(rows).to_have_count(1)

    say(page, make(400, "yc-chem", "XMEAS_9", "hh", 1, 0, "active_unacked", 175.3))
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("反应器温度")
    expect(page.locator(".pinned [role=option]")).to_have_count(1)

    situation.alarms += children
    situation.storms = [
        {
            "site": parent["site"], "org_path": "/1/2/", "began_at_ms": situation.now_ms, "raised": FLOOD + 1,
            "peak": FLOOD + 1, "folded": FLOOD,
        }
    ]  # fmt: skip
    say(page, {**children[0], "version": 9})
    page.clock.fast_forward(2_000)
    expect(page.locator(".storm")).to_contain_text("报警风暴")
    expect(page.locator(".storm")).to_contain_text(f"十分钟内 {FLOOD + 1} 条，其中折叠 {FLOOD} 条")

    rows.nth(1).click()
    page.get_by_role("button", name=f"展开 {FLOOD} 条").click()
    expect(page.locator(".folded li")).to_have_count(30)
    expect(page.locator(".folded li").first).to_contain_text("数据网关")
    assert_accessible(page)
    page.get_by_label(f"一并确认折叠在其下的 {FLOOD} 条").check()
    page.locator(".case .ack button").click()
    expect(page.locator(".toast")).to_contain_text("已确认")
    assert situation.posts == [("alarms/300/ack", {"note": "", "children": True})]


def test_what_comes_back_is_shown_again_and_counts(open_screen, situation):
    parent = situation.alarm(300, "yc-pump", "VOLTAGE", "silent", 2, 1, "active_unacked", NAN)
    child = situation.alarm(310, "yc-pump", "TEMP", "silent", 3, 0.5, "active_unacked", NAN)
    situation.fold(child, parent)
    situation.alarms = [parent, child]
    page = open_screen()
    rows = page.locator(".queue [role=option]")
    expect(rows).to_have_count(1)
    say(page, {**child, "fold": None, "version": child["version"] + 1, "what": "unfolded"})
    expect(rows).to_have_count(2)
    expect(page).to_have_title("(2) 值守席 · 烽燧")
