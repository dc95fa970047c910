"""The operations page: what it counts, whose sites it names, and that it keeps itself up to date."""

import datetime
import re

import pytest
from django.utils import timezone

from fengsui.base.quality import Reason
from fengsui.govern.ledger.models import Line
from fengsui.govern.quarantine.models import Held
from fengsui.show.lists import operations
from fengsui.show.live.hub import NotConnected
from fengsui.show.portal.pages.charts import HEIGHT, WIDTH, bars


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    from fengsui.show.lists import roles

    class Silent:
        def ask(self, *args):
            raise NotConnected

        roles = ask

    monkeypatch.setattr(operations, "hub", Silent)
    monkeypatch.setattr(roles, "hub", Silent)
    operations.forget()
    yield
    operations.forget()


def book(minutes_ago: int, **counts: int) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - datetime.timedelta(minutes=minutes_ago)
    for boundary in ("gateway", "pipeline", "history"):
        Line.objects.create(boundary=boundary, source="a", minute=at, **counts)


def test_rates_and_boundaries_come_from_the_ledger_of_the_last_hour(world):
    book(1, received=600, stored=600)
    book(60, received=60, stored=60)
    book(61, received=7777, stored=7777)
    found = operations.last_hour(timezone.now())
    assert found.counts["gateway"]["received"][-1] == 600
    assert found.counts["gateway"]["received"][0] == 60
    assert [(row["received"], row["gap"], row.get("lost", 0)) for row in found.sums()] == [(660, 0, 0)] * 3


def test_what_does_not_add_up_is_said(world, open_as):
    book(1, received=100, stored=100)
    Line.objects.filter(boundary="pipeline").update(received=90, stored=90)
    Line.objects.filter(boundary="history").update(received=90, stored=80)
    gaps = {
        row["boundary"]: (row["gap"], row.get("lost", 0))
        for row in operations.last_hour(timezone.now()).sums()
    }
    assert gaps == {"gateway": (0, 0), "pipeline": (0, 10), "history": (10, 0)}
    html = open_as(world.officer, "en").get("/operations/").content.decode()
    assert "unbalanced" in html


def test_only_sites_in_sight_are_named(world, open_as):
    for site, n in ((world.site, 3), (world.other_site, 5)):
        world.heard(site, 600)
        Held.objects.bulk_create(
            Held(
                reason=Reason.TOO_LATE,
                site_id=site.pk,
                org_path=site.org_path,
                source="a",
                received_at=timezone.now(),
            )
            for _ in range(n)
        )
    mine = operations.slow_sites(world.officer, timezone.now())
    assert [(site.code, n) for site, n in mine.late] == [("tep-1", 3)]
    assert [(site.code, n) for site, n in mine.held] == [("tep-1", 3)]
    assert [(site.code, round(age)) for site, age in mine.oldest] == [
        ("tep-1", 120)
    ]  # periods of 5 s, the least
    html = open_as(world.officer).get("/operations/").content.decode()
    assert "东山化工厂" in html
    assert "荆州泵站" not in html


def test_a_site_in_time_is_not_slow(world):
    world.heard(world.site, 2)
    assert operations.slow_sites(world.officer, timezone.now()).oldest == []


def test_the_page_asks_for_its_own_new_state_and_gets_only_that(world, open_as):
    client = open_as(world.officer, "en")
    page = client.get("/operations/").content.decode()
    assert re.search(r'hx-get="/operations/" hx-trigger="every 10s"', page)
    part = client.get("/operations/", headers={"hx-request": "true", "x-fengsui-background": "1"})
    assert "<html" not in part.content.decode()
    assert "What rests where" in part.content.decode()
    wall = client.get("/operations/?mode=wall").content.decode()
    assert 'hx-get="/operations/?mode=wall"' in wall
    assert "top-nav" not in wall


def test_a_full_disk_is_said_on_operations_status_and_health(world, open_as, monkeypatch):
    from fengsui.show.lists import roles
    from fengsui.show.portal.pages import home

    class Full:
        def roles(self):
            lag = {"disk_free": 50 << 20, "disk_least": 100 << 20}
            return [{"role": "db", "instance": "1", "host": "db-1", "ready": True, "lag": lag}]

    monkeypatch.setattr(roles, "hub", Full)
    monkeypatch.setattr(home, "_asked", None)
    client = open_as(world.officer, "en")
    for path in ("/operations/", "/status/"):
        html = client.get(path).content.decode().replace("\xa0", " ")
        assert "A disk is full: 50.0 MB are free and 100.0 MB must stay so" in html, path
    assert client.get("/healthz").json()["disk_full"] is True
    monkeypatch.setattr(home, "_asked", None)


def test_a_clock_that_is_not_believed_is_said_on_operations_and_status(world, open_as, monkeypatch):
    from fengsui.show.lists import roles

    class Jumped:
        def roles(self):
            lags = ({"clock_off_ms": 3_600_000}, {"clock_off_ms": -86_400_000 * 3652})
            return [
                {"role": "db", "instance": str(n), "host": f"m{n}", "ready": True, "lag": lag}
                for n, lag in enumerate(lags)
            ]

    monkeypatch.setattr(roles, "hub", Jumped)
    for path in ("/operations/", "/status/"):
        html = open_as(world.officer, "en").get(path).content.decode()
        assert "jumped ahead by 60 min and is not believed" in html, path
        assert "jumped back by 3652 d and is not believed" in html, path
    assert "向前跳了 60 min" in open_as(world.officer).get("/status/").content.decode().replace("分钟", "min")


def test_bars_fill_the_picture_and_show_the_smallest():
    made = bars([0, 1, 1000])
    assert (made.least, made.most, made.last) == (0, 1000, 1000)
    assert made.path.count("M") == 2
    assert f"v-{HEIGHT:.2f}" in made.path
    assert "v-1.00" in made.path
    assert max(float(x) for x in re.findall(r"M([\d.]+)", made.path)) < WIDTH
    assert bars([]).path == "" == bars([0, 0]).path
