"""Debian's Chromium on the real pages, everything that moves held still, and a test that fails on any misbehaviour:
a console error, a violation of the security policy, a request to anywhere else.

What the API and the stream say comes from ``situation.py``; the real ones are proved in ``test_platform.py``.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.browser.situation import EVENT_SOURCE, NOW, Situation

ROOT = Path(__file__).resolve().parents[2]
WATCH = (
    "document.addEventListener('securitypolicyviolation',"
    " e => console.error('CSP', e.violatedDirective, e.blockedURI))"
)
# Drawing the map without a graphics card takes seconds: only tests about it have one.
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""
# A screen has drawn what it loaded: before that a key would go to nobody.
READY = (
    ".queue [role=option], .queue .empty, .queue .failed, .wall-scene, .stream, .site .empty, main.page h1"
)
SIZES = {"desk": (1440, 900), "wall": (1920, 1080), "phone": (390, 844)}
PASSWORD = "Guard-the-Yangtze-7"


@pytest.fixture
def officer(transactional_db):
    """A duty officer of a city, with a session."""
    from fengsui.people.accounts import services as accounts
    from fengsui.people.orgs import services as orgs
    from fengsui.sense.devices.models import Site

    city = orgs.create_org(
        actor=None,
        parent=None,
        kind="city",
        code="yichang",
        name="宜昌市",
        name_en="Yichang City",
        division_code="420500",
    )
    user, _ = accounts.create_user(
        actor=None, username="duty", display_name="王建国", password=PASSWORD, must_change_password=False
    )
    orgs.grant(actor=None, user=user, org=city, role="duty_officer")
    Site.objects.create(  # the page of a site asks for it; what it shows then comes from the situation
        code="yc-chem",
        name="演示化工厂",
        name_en="Demonstration chemical plant",
        org=city,
        org_path=city.path,
        kind="chemical_plant",
        longitude=111.436,
        latitude=30.5683,
        is_demo=True,
    )
    return user


@pytest.fixture
def session(officer) -> str:
    """The session key of the officer."""
    from django.test import Client

    client = Client()
    client.force_login(officer, backend=settings.AUTHENTICATION_BACKENDS[1])
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def situation() -> Situation:
    return Situation()


@pytest.fixture
def open_screen(chromium, live_server, session, situation) -> Iterator[Callable[..., Any]]:
    """``open_screen(path, size="desk", theme="light", language="zh-CN")`` is a page on it, logged in and watched.

    ``allow`` is a list of words; a console error that holds one of them is expected by the test.
    """
    bad: list[str] = []
    contexts = []

    def make(
        path: str = "/desk/",
        *,
        size: str = "desk",
        theme: str = "light",
        language: str = "zh-CN",
        allow: tuple[str, ...] = (),
        with_map: bool = False,
    ):
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
            color_scheme=theme,
            has_touch=size == "phone",
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # machines are shared: time is no verdict
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        page = context.new_page()

        def heard(text: str) -> None:
            if not any(word in text for word in allow):
                bad.append(f"{path}: {text}")

        page.on("console", lambda m: m.type == "error" and heard(m.text))
        page.on("pageerror", lambda error: heard(f"{error} {error.stack or ''}"))
        page.on(
            "request",
            lambda r: (
                r.url.startswith((live_server.url, "data:", "blob:")) or bad.append(f"outside: {r.url}")
            ),
        )
        page.add_init_script(WATCH)
        page.add_init_script(EVENT_SOURCE)
        if not with_map:
            page.add_init_script(NO_WEBGL)
        page.clock.install(time=NOW)
        page.route("**/api/v1/**", lambda route: _answer(route, situation))
        page.goto(live_server.url + path)
        page.locator(READY).first.wait_for()
        if with_map:
            page.locator("html[data-map-idle]").wait_for(timeout=30_000)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not bad, "\n".join(bad)


def _answer(route: Any, situation: Situation) -> None:
    request = route.request
    body = request.post_data_json if request.method == "POST" else None
    status, answer = situation.answer(request.method, request.url, body)
    route.fulfill(status=status, content_type="application/json", body=json.dumps(answer))


@pytest.fixture(scope="session")
def axe() -> str:
    return (ROOT / "web/node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def assert_accessible(axe) -> Callable[[Any], None]:
    """Fail with what axe-core finds against WCAG 2.0 to 2.2, A and AA."""

    def check(page: Any) -> None:
        # Playwright's evaluate runs outside the page's policy; the page itself never evaluates a string.
        page.evaluate(axe)
        found = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations']})"
            ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' — '"
            " + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(' | ')))"
        )
        assert found == [], "\n".join(found)

    return check
