"""What the tests on the real platform read and do on a page, in both languages."""

from typing import Any

from playwright.sync_api import expect

from tests.live.town import Person

TAG = "<b>T0</b>'; DROP TABLE devices_site; --"  # somebody's idea of a tag name


class Words:
    """What one language says, as far as these tests read it."""

    def __init__(self, code: str, locale: str, plant: int, **said: str):
        self.code, self.locale, self.plant = code, locale, plant
        self.said = said

    def __getattr__(self, name: str) -> str:
        return self.said[name]


LANGUAGES = [
    Words(
        "zh-Hans", "zh-CN", 1, site="测试厂", stream="液位", live="实时", acked="已确认", closed="已办结",
        submit="提交原因与措施", check="核查通过", close="销警",
    ),
    Words(
        "en", "en-US", 2, site="Plant", stream="Level", live="Live", acked="Acked", closed="Closed",
        submit="Submit cause and measure", check="Checked", close="Close",
    ),
]  # fmt: skip


def on_duty(page: Any, words: Words) -> None:
    """The desk is loaded and hears the platform."""
    expect(page.locator(".queue-head .fresh")).to_contain_text(words.live, timeout=20_000)
    expect(page.locator(".queue [aria-busy=true]")).to_have_count(0)


def alarm_of(person: Person, site: str, stream: str) -> dict[str, Any]:
    """The newest alarm of a datastream, as the API tells it."""
    found = person.get("/api/v1/alarms", params={"site": site}).json()["items"]
    return next(a for a in found if a["datastream"]["code"] == stream)
