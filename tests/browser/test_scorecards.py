"""Scorecards at every size, and what happened recorded with the keyboard."""

from datetime import timedelta

import pytest
from django.utils import timezone


@pytest.fixture
def scored(officer):
    """A site with three alarms of a rule in the running quarter."""
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.warn.alarms.models import Alarm, Rule

    site = Site.objects.get()
    level, _ = ObservedProperty.objects.get_or_create(
        code="level", defaults={"name": "液位", "name_en": "Level"}
    )
    tank = Thing.objects.create(site=site, code="T-1", name="储罐")
    stream = Datastream.objects.create(
        site=site,
        thing=tank,
        observed_property=level,
        code="LI-1",
        name="储罐液位",
        name_en="Level",
        unit="m",
    )
    rule = Rule.objects.create(datastream=stream, kind="h", setpoint=9.0, priority=2)
    now = timezone.now()
    for n in range(3):
        Alarm.objects.create(
            key=f"{rule.pk}:{n}", rule=rule, datastream=stream, site=site, org=site.org, org_path=site.org_path,
            kind="h", priority=2, raised_at=now - timedelta(minutes=n), acked_at=now, cleared_at=now,
        )  # fmt: skip
    return site


@pytest.mark.parametrize(
    ("size", "theme", "language"),
    [("desk", "light", "zh-CN"), ("wall", "dark", "en"), ("phone", "light", "zh-CN")],
)
def test_scorecards_can_be_read_at_every_size(scored, open_screen, assert_accessible, size, theme, language):
    page = open_screen("/scorecards/?by=rule", size=size, theme=theme, language=language)
    assert page.locator("table").first.locator("tbody tr").count() == 1
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "the table scrolls, not the page"
    )


def test_what_happened_is_recorded_and_scored(scored, open_screen):
    page = open_screen("/scorecards/?by=site")
    page.locator("#o-site").fill(scored.code)
    page.locator("#o-at").fill("2026-01-02T03:04")
    page.locator("#o-what").fill("阀门泄漏")
    page.locator("#o-what").press("Enter")
    page.locator("[role=status], .messages, .toast").first.wait_for()
    from fengsui.warn.alarms.models import Occurrence

    assert Occurrence.objects.get().what == "阀门泄漏"
