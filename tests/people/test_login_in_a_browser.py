"""Login, second factor and admin in a real Chromium under the strict policy: no violation, no outside request."""

import re

import pytest

GOOD = "Guard-the-Yangtze-7"
WATCH = "document.addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"


@pytest.fixture
def open_page(chromium):
    """``open_page(**context)`` is a page that fails the test on anything it should not do."""
    bad, contexts = [], []

    def make(**options):
        context = chromium.new_context(**{"locale": "zh-CN", "timezone_id": "Asia/Shanghai", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: m.type == "error" and bad.append(f"{page.url}: {m.text}"))
        page.on("pageerror", lambda error: bad.append(f"{page.url}: {error}"))
        page.on(
            "request", lambda r: r.url.startswith(("http://localhost", "data:", "blob:")) or bad.append(r.url)
        )
        page.add_init_script(WATCH)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not bad, bad


@pytest.fixture
def operator(chromium, transactional_db):
    from fengsui.people.accounts import services as accounts
    from fengsui.people.orgs import services as orgs

    hubei = orgs.create_org(
        actor=None, parent=None, kind="province", code="hubei", name="湖北省", division_code="420000"
    )
    user, _ = accounts.create_user(
        actor=None, username="keeper", display_name="运维", password=GOOD, must_change_password=False
    )
    orgs.grant(actor=None, user=user, org=hubei, role="operator")
    return user


def log_in(page, server):
    page.goto(f"{server.url}/accounts/login/?next=/accounts/2fa/")
    page.fill("[name=login]", "keeper")
    page.fill("[name=password]", GOOD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/accounts/2fa/")


def test_login_without_javascript_by_keyboard_alone(live_server, operator, open_page):
    page = open_page(java_script_enabled=False)
    page.goto(f"{live_server.url}/accounts/login/?next=/accounts/2fa/")
    page.keyboard.type("keeper")  # the first field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.locator(".errors[role=alert]").wait_for()
    page.fill("[name=login]", "keeper")
    page.fill("[name=password]", GOOD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/accounts/2fa/")


def test_the_language_is_one_click_away_before_login(live_server, open_page):
    page = open_page()
    page.goto(f"{live_server.url}/accounts/login/")
    assert page.get_attribute("html", "lang") == "zh-Hans"
    page.click(".top-language button")
    assert page.get_attribute("html", "lang") == "en"
    assert "Log in" in page.inner_text("h1")


def test_the_second_factor_pages_draw_their_picture(live_server, operator, open_page):
    page = open_page()
    log_in(page, live_server)
    page.click("a[href$='/totp/activate/']")
    if page.locator("[name=password]").count():
        page.fill("[name=password]", GOOD)
        page.press("[name=password]", "Enter")
    picture = page.locator("main img")
    picture.wait_for()
    assert picture.evaluate("i => i.complete && i.naturalWidth") > 0
    page.goto(f"{live_server.url}/accounts/password/change/")
    assert page.locator("input[type=password]").count() == 3


def test_every_admin_page_works_under_the_policy(live_server, operator, open_page):
    from django.contrib import admin

    page = open_page()
    log_in(page, live_server)
    for path in (
        "/admin/",
        "/admin/orgs/org/",
        "/admin/orgs/org/add/",
        "/admin/orgs/membership/add/",
        "/admin/accounts/user/",
    ):
        assert page.goto(live_server.url + path).status == 200
        page.wait_for_load_state("networkidle")
    page.goto(f"{live_server.url}/admin/")
    offered = {link.get_attribute("href") for link in page.locator("#content-main th a[href]").all()}
    tables = {f"/admin/{m._meta.app_label}/{m._meta.model_name}/" for m in admin.site._registry}
    assert tables - offered == {"/admin/patrols/draw/", "/admin/patrols/patrol/"}  # not of an operator
    for path in sorted(tables & offered):
        page.goto(live_server.url + path)
    page.goto(f"{live_server.url}/admin/orgs/org/add/")
    page.click(".field-parent .select2-selection")
    page.locator(".select2-results__option", has_text="湖北省").click()
    page.select_option("[name=kind]", "bureau")
    page.fill("[name=code]", "em")
    page.fill("[name=name]", "应急管理厅")
    page.click("[name=_save]")
    page.wait_for_url(re.compile(r"/admin/orgs/org/$"))
    assert page.locator(".messagelist .success").count() == 1
    box = page.locator("#changelist").bounding_box()
    assert box
    assert box["width"] > 600  # styled, not fallen apart
