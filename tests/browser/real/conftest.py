"""People of a town of its own on the real platform, in Chromium: nothing is mocked between device and page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import NO_WEBGL, SIZES, WATCH
from tests.browser.real.desk import LANGUAGES, TAG, Words, alarm_of
from tests.conftest import wait_until
from tests.live.town import PASSWORD, Town, build


@pytest.fixture(scope="module")
def town(platform, tmp_path_factory, request) -> Town:
    """The town that the module names: what one module leaves standing is not in the other's queue."""
    name = getattr(request.module, "TOWN", "changde")
    return build(platform, tmp_path_factory.mktemp(name), name)


@pytest.fixture(params=LANGUAGES, ids=lambda words: words.code)
def words(request) -> Words:
    return request.param


class Guard:
    """Collects whatever a page must not do: console errors, policy violations, requests to anywhere else."""

    def __init__(self, origin: str):
        self.origin, self.bad = origin, []
        self.cut = False  # while the server is dead, failed requests are what must happen

    def watch(self, page: Any) -> None:
        page.on("console", lambda m: m.type == "error" and self._heard(page, m.text))
        page.on("pageerror", lambda error: self.bad.append(f"{page.url}: {error} {error.stack or ''}"))
        page.on("request", lambda r: self._asked(r.url))
        page.add_init_script(WATCH)

    def _heard(self, page: Any, text: str) -> None:
        if not (self.cut and "net::ERR" in text):
            self.bad.append(f"{page.url}: {text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin + "/", "data:", "blob:")):
            self.bad.append(f"outside: {url}")


@pytest.fixture
def guard(platform) -> Iterator[Guard]:
    made = Guard(platform.url)
    yield made
    assert not made.bad, "\n".join(made.bad)


@pytest.fixture
def enter(chromium, town, guard) -> Iterator[Callable[..., Any]]:
    """``enter(who, path)`` is a page of somebody of the town who logged in through the form and stands at ``path``."""
    contexts = []

    def make(
        who: str,
        path: str = "/desk/",
        *,
        language: Words = LANGUAGES[0],
        size: str = "desk",
        with_map: bool = False,
    ) -> Any:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale=language.locale,
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
            has_touch=size == "phone",
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        guard.watch(page)
        if not with_map:
            page.add_init_script(NO_WEBGL)
        page.goto(f"{town.platform.url}/accounts/login/?next={path}")
        page.fill("[name=login]", town.account(who))
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"**{path}")
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def situation(town) -> dict[str, Any]:
    """Something on every page: a standing alarm with its loop, and a reading in quarantine."""
    device, site = town.device(1), town.sites[0]
    device.post_value("T0", 10.0)
    device.post_value("T0", 60.0)
    assert device.post_value(TAG, 1.0).status_code == 422
    with town.log_in("duty") as person:
        wait_until(lambda: alarm_of(person, site, "T0")["state"].startswith("active"), 20, "an alarm")
        wait_until(lambda: alarm_of(person, site, "T0")["loop_id"], 20, "its loop")
        alarm = alarm_of(person, site, "T0")
        rule = person.get(f"/api/v1/alarms/{alarm['id']}").json()["rule"]
    held = "SELECT count(*) FROM quarantine_held WHERE sent_code = %s"
    wait_until(lambda: town.sql(held, TAG)[0][0], 20, "the reading in quarantine")
    return {"site": site, "alarm": alarm["id"], "loop": alarm["loop_id"], "rule": rule["id"]}
