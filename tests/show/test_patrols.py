"""Online patrols from the draw to the closed finding: anybody can draw again, an enterprise knows nothing before."""

import datetime
import hashlib
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.errors import NotAllowed
from fengsui.loops import services as loops
from fengsui.loops.errors import SamePerson
from fengsui.people.audit.models import Entry
from fengsui.show.lists import patrols as lists
from fengsui.warn.patrols import services
from fengsui.warn.patrols.drawing import candidate, draw
from fengsui.warn.patrols.errors import BadPatrol
from fengsui.warn.patrols.models import Draw, Patrol
from tests.show.world import HTML

FINE = {item: {"state": "ok"} for item in services.ITEMS}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


@pytest.fixture
def plant(world):
    """Three more sites below the plant's city, and the plant's own safety officer."""
    for n in range(3):
        world.add_site(f"yc-{n}", f"厂{n}", world.plant_org)
    world.safety = world.user("safety_officer", world.plant_org, "plant-safety")
    world.checker = world.users["regulator"]
    return world


# ---- the draw ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.text(max_size=20), st.integers(1, 40))
def test_a_draw_is_a_function_of_seed_and_weights(levels, seed, size):
    among = [candidate(f"s{n:02}", level, n if n % 3 else None, n) for n, level in enumerate(levels)]
    first = draw(seed, among, size)
    assert first == draw(seed, reversed(among), size), "in whatever order they come"
    assert len(first) == len(set(first)) == min(size, len(among))


def test_a_draw_can_be_checked_with_a_pencil():
    among = [candidate("a", 4, 0, 0), candidate("b", 1, None, 3)]
    assert [one.weight for one in among] == [1, 8 * 31 + 3]
    number = int(hashlib.sha256(b"seed:0").hexdigest(), 16) % 252
    assert draw("seed", among, 1) == ["a" if number < 1 else "b"]
    picks = [draw(f"{n}", among, 1)[0] for n in range(2000)]
    assert 1 <= picks.count("a") <= 25, "one in 252 is expected"


def test_what_was_drawn_is_kept_waits_for_a_look_and_can_be_drawn_again(plant):
    made = services.draw_sites(plant.checker, plant.yichang, 3, plant.checker, "节前抽查")
    assert services.is_true(made)
    assert sorted(Patrol.objects.values_list("site__code", flat=True)) == sorted(made.chosen)
    again = services.draw_sites(plant.checker, plant.yichang, 3)
    assert len(again.chosen) == 1, "only one is left that nobody is about to look at"
    with pytest.raises(BadPatrol):
        services.draw_sites(plant.checker, plant.yichang, 3)
    for change in (lambda: Draw.objects.filter(pk=made.pk).update(seed="x"), made.delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    made.candidates[0][1] += 1
    assert not services.is_true(made), "a weight that does not follow from the figures is seen"
    assert Entry.objects.get(action="patrol.drawn", object_id=str(made.pk)).detail["seed"] == made.seed


# ---- a look ------------------------------------------------------------------------------------------------------


def test_a_look_from_sending_to_the_closed_finding(plant):
    patrol = services.send(plant.checker, plant.site, "重复报警", plant.checker)
    with pytest.raises(BadPatrol, match=r"\S"):
        services.send(plant.checker, plant.site, "again")
    with pytest.raises(BadPatrol):
        services.end(plant.checker, patrol, {})
    with pytest.raises(BadPatrol):
        services.end(plant.checker, patrol, FINE | {"video": {"state": "unseen"}})
    with pytest.raises(BadPatrol):
        services.end(plant.checker, patrol, FINE | {"alarms": {"state": "problem"}})
    loop = services.find(
        plant.checker, patrol, "反应器压力报警两小时未处置", 2, [SimpleUploadedFile("p.png", PNG)]
    )
    assert loop in loops.Loop.objects.mine(plant.safety)
    assert loop.due_at - loop.opened_at == datetime.timedelta(days=3)
    done = services.end(plant.checker, patrol, FINE | {"alarms": {"state": "problem"}}, "其余正常")
    assert (done.findings, done.seen["alarms"]) == (1, {})
    with pytest.raises(BadPatrol):
        services.find(plant.checker, patrol, "too late", 3)
    loops.act(plant.safety, loop, "reply", data={"measure": "已处置"})
    with pytest.raises(NotAllowed):
        loops.act(plant.safety, loop, "accept")
    loops.act(plant.checker, loop, "accept")
    loop.refresh_from_db()
    assert loop.outcome == "closed"
    assert loop.deeds.filter(evidence__isnull=False).count() == 1
    now = timezone.now()
    found = lists.figures(plant.officer, *lists.month(now), now)
    assert (found.done, found.covered, found.sites, found.findings, found.closed) == (1, 1, 4, 1, 1)


def test_who_replied_does_not_accept(plant):
    both = plant.user("safety_officer", plant.yichang, "both")
    plant.user("regulator", plant.jingzhou, "x")
    from fengsui.people.orgs.models import Membership

    Membership.objects.create(user=both, org=plant.yichang, role="regulator")
    patrol = services.send(plant.checker, plant.site, "x")
    loop = services.find(plant.checker, patrol, "问题", 3)
    loops.act(both, loop, "reply", data={"measure": "已改"})
    with pytest.raises(SamePerson):
        loops.act(both, loop, "accept")


def test_what_nobody_looked_at_for_long_comes_first(plant):
    now = timezone.now()
    for site, days in ((plant.site, 40), (plant.add_site("yc-9", "厂9", plant.plant_org), 3)):
        patrol = services.send(plant.checker, site, "x")
        services.end(plant.checker, patrol, FINE)
        Patrol.objects.filter(pk=patrol.pk).update(done_at=now - datetime.timedelta(days=days))
    rows = lists.coverage(plant.officer, now, 30)
    assert [(one.site.code, one.days) for one in rows] == [
        ("yc-0", None), ("yc-1", None), ("yc-2", None), ("tep-1", 40),
    ]  # fmt: skip


# ---- pages -------------------------------------------------------------------------------------------------------


def test_the_page_of_a_look_takes_answers_and_findings(plant, open_as):
    client = open_as(plant.checker, "en")
    assert client.post("/patrols/draw/", {"org": "yichang", "size": "2", "officer": "me"}).status_code == 302
    made = Draw.objects.get()
    assert "drawn again now: the same" in client.get(f"/patrols/draws/{made.pk}/").content.decode()
    patrol = Patrol.objects.filter(draw=made).first()
    page = f"/patrols/{patrol.pk}/"
    plant.alarm(plant.add_stream(patrol.site, "T1", HTML))
    shown = client.get(page)
    assert (shown.status_code, "<script>alert" in shown.content.decode()) == (200, False)
    assert client.post(page, {"deed": "end", "s-values": "ok"}).status_code == 422
    assert client.post(page, {"deed": "find", "what": HTML, "level": "3"}).status_code == 302
    answers = {f"s-{item}": "ok" for item in services.ITEMS}
    assert client.post(page, {"deed": "end", **answers}).status_code == 302
    shown = client.get(page).content.decode()
    assert ("In order" in shown, "<script>alert" in shown, "style=" in shown) == (True, False, False)
    assert client.get("/patrols/?show=done").status_code == 200
    assert client.get("/patrols/coverage/?days=7").status_code == 200


def test_an_enterprise_learns_of_a_look_when_it_is_done(plant, open_as):
    made = services.draw_sites(plant.checker, plant.yichang, 10)
    patrol = Patrol.objects.get(site=plant.site)
    client = open_as(plant.safety)
    for page in (
        f"/patrols/{patrol.pk}/",
        f"/api/v1/patrols/{patrol.pk}",
        f"/api/v1/patrols/draws/{made.pk}",
    ):
        assert client.get(page).status_code == 404, page
    assert client.get("/api/v1/patrols").json()["items"] == []
    assert client.get(f"/patrols/draws/{made.pk}/").status_code == 403
    services.end(plant.checker, patrol, FINE)
    assert client.get(f"/patrols/{patrol.pk}/").status_code == 200
    assert (
        client.post(f"/patrols/{patrol.pk}/", {"deed": "find", "what": "我", "level": "1"}).status_code == 422
    )
    assert client.post("/patrols/draw/", {"org": "yichang", "size": "1"}).status_code == 403


def test_a_stranger_finds_no_patrol(plant, open_as):
    made = services.draw_sites(plant.checker, plant.yichang, 10)
    patrol = Patrol.objects.get(site=plant.site)
    services.end(plant.checker, patrol, FINE)
    client = open_as(plant.stranger)
    for page in ("/patrols/?show=all", "/patrols/coverage/?days=0"):
        assert "东山化工厂" not in client.get(page).content.decode()
    pages = (f"/patrols/{patrol.pk}/", f"/patrols/draws/{made.pk}/", f"/api/v1/patrols/{patrol.pk}")
    for page in (*pages, f"/api/v1/patrols/draws/{made.pk}"):
        assert client.get(page).status_code == 404, page
    assert client.get("/api/v1/patrols").json()["items"] == []
    assert [one["site"] for one in client.get("/api/v1/patrols/coverage?days=0").json()] == ["jz-1"]
    assert client.get("/api/v1/patrols/figures").json()["sites"] == 1
    assert client.post("/patrols/send/", {"site": "tep-1", "reason": "x"}).status_code == 404
    assert client.post("/patrols/draw/", {"org": "yichang", "size": "1"}).status_code == 404
    body = json.dumps({"org": "yichang", "size": 1})
    assert client.post("/api/v1/patrols/draws", body, content_type="application/json").status_code == 404
