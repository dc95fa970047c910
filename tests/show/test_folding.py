"""What is folded, on pages and in the API: a parent with its children and the reasons; nothing for a stranger."""

import pytest

from fengsui.sense.devices.models import AssetRelation, Thing
from fengsui.stores import clock
from fengsui.warn.alarms import services
from fengsui.warn.alarms.models import Alarm, Rule
from fengsui.warn.engine import RAISED

SENSORS = 12


@pytest.fixture
def flood(world):
    """A silent gateway and what it carries; the parent."""
    gateway = Thing.objects.create(site=world.site, code="gw", name="数据网关", name_en="Data gateway")
    AssetRelation.objects.create(
        kind="carries", upstream_site=world.site, upstream_thing=gateway, site=world.site
    )
    streams = [world.add_stream_of(gateway, "online")] + [
        world.add_stream_of(Thing.objects.create(site=world.site, code=f"t{i}", name=f"罐{i}"), f"L{i}")
        for i in range(SENSORS)
    ]
    rules = [Rule.objects.create(datastream=s, kind="silent", window_ms=1000, priority=3) for s in streams]
    now = clock.now_ms()
    services.record_events(
        [services.EventRow(r.pk, RAISED, now + i, None, now + i, None, None) for i, r in enumerate(rules)]
    )
    return Alarm.objects.get(datastream=streams[0])


def test_the_queue_has_the_parent_and_its_page_the_children_with_the_reason(world, open_as, flood):
    other = world.alarm()
    client = open_as(world.officer)
    page = client.get("/alarms/").content.decode()
    assert page.count('name="ids"') == 2
    assert f"/alarms/{flood.pk}/#children" in page and f"折叠 {SENSORS} 条" in page
    assert "报警风暴" in page
    folded = client.get("/alarms/?show=folded").content.decode()
    assert folded.count('name="ids"') == SENSORS and f"/alarms/{other.pk}/" not in folded
    assert client.get("/alarms/?show=all").content.decode().count('<th scope="row">') == SENSORS + 2
    detail = client.get(f"/alarms/{flood.pk}/").content.decode()
    assert "其数据经东山化工厂 · 数据网关传输。" in detail
    child = flood.children.first()
    said = open_as(world.officer, "en").get(f"/alarms/{child.pk}/").content.decode()
    assert "Its data come over" in said and f"/alarms/{flood.pk}/" in said


def test_acknowledging_the_parent_can_take_its_children_along(world, open_as, flood):
    client = open_as(world.officer)
    client.post("/alarms/ack/", {"ids": [flood.pk], "note": "断电"})
    assert Alarm.objects.filter(acked_at=None).count() == SENSORS
    client.post("/alarms/ack/", {"ids": [flood.pk], "children": "1"})
    assert Alarm.objects.filter(acked_at=None).count() == 0


def test_the_api_tells_the_same_and_a_stranger_gets_nothing(world, open_as, flood):
    client = open_as(world.officer, "en")
    queue = client.get("/api/v1/alarms?standing=true&folded=false").json()["items"]
    assert [(a["id"], a["children"], a["fold"]) for a in queue] == [(flood.pk, SENSORS, None)]
    children = client.get(f"/api/v1/alarms/{flood.pk}/children?size=5").json()
    assert (len(children["items"]), children["all"], children["seen"], children["unacked"]) == (5, 12, 12, 12)
    assert children["next"]
    assert children["items"][0]["fold"]["parent_id"] == flood.pk
    assert children["items"][0]["reason"].startswith("Its data come over")
    child = children["items"][0]["id"]
    assert client.get(f"/api/v1/alarms/{child}").json()["parent"]["id"] == flood.pk
    storms = client.get("/api/v1/alarms/storms").json()
    assert [(s["site"]["code"], s["raised"], s["folded"]) for s in storms] == [("tep-1", 13, 12)]

    stranger = open_as(world.stranger)
    assert stranger.get("/api/v1/alarms?folded=true").json()["items"] == []
    assert stranger.get("/api/v1/alarms/storms").json() == []
    assert stranger.get(f"/api/v1/alarms/{flood.pk}/children").status_code == 404
    assert stranger.get(f"/alarms/{flood.pk}/").status_code == 404
    assert "报警风暴" not in stranger.get("/alarms/?show=folded").content.decode()


def test_relations_stand_on_the_page_of_their_site(world, open_as, flood):
    page = open_as(world.users["data_steward"]).get("/sites/tep-1/tables/").content.decode()
    assert "承载数据" in page and "数据网关" in page and "/sites/import/?kind=relation" in page
    assert (
        "/sites/import/?kind=relation"
        not in open_as(world.officer).get("/sites/tep-1/tables/").content.decode()
    )
