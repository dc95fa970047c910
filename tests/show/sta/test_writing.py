"""Entities as SensorThings clients write them: the shared examples, deep insert, changes, moves, and who may."""

import json
from pathlib import Path

import pytest

from fengsui.people.audit.models import Entry
from fengsui.sense.devices.models import (
    Datastream,
    HistoricalLocation,
    Location,
    ObservedProperty,
    Sensor,
    Site,
    Thing,
)
from fengsui.show.sta import posting
from tests.show.sta.conftest import ROOT

KITCHEN = {
    "name": "Kitchen", "description": "The Kitchen in my house", "properties": {"oven": True, "heatingPlates": 4},
    "Locations": [
        {
            "name": "Location of the kitchen", "description": "This is where the kitchen is",
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [8.438889, 44.27253]},
        }
    ],
    "Datastreams": [
        {
            "name": "Temperature in the Kitchen", "description": "by the window",
            "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
            "unitOfMeasurement": {"name": "Degree Celsius", "symbol": "°C", "definition": "ucum:Cel"},
            "Sensor": {
                "name": "HDT22", "description": "A cheap sensor", "encodingType": "application/pdf",
                "metadata": "https://example.org/DHT22.pdf",
            },
            "ObservedProperty": {
                "name": "Temperature", "description": "Temperature", "definition": "http://example.org/54",
            },
            "Observations": [{"phenomenonTime": "2026-01-01T00:00:00Z", "result": 21}],
        }
    ],
}  # fmt: skip


@pytest.fixture
def bus(monkeypatch):
    """What was posted, batch by batch; all of it is durable and nothing refused."""
    batches = []
    monkeypatch.setattr(posting, "_submit", batches.extend)
    return batches


def send(client, method, path, body=None, kind="application/json", status=None):
    answer = client.generic(
        method, f"{ROOT}/{path}", json.dumps(body) if body is not None else "", content_type=kind
    )
    if status is not None:
        assert answer.status_code == status, answer.content
    return answer


def made(answer):
    assert answer.status_code == 201, answer.content
    return answer.headers["Location"].partition("/sta/v1.1/")[2]


@pytest.fixture
def root(sta, world):
    """The client of who may do everything."""
    return sta(world.root).client


def test_a_thing_with_all_that_belongs_to_it_in_one_request(root, sta, world, bus):
    path = made(send(root, "POST", "Things", KITCHEN))
    body = sta(world.root).get(
        path, expand="Locations,HistoricalLocations,Datastreams($expand=Sensor,ObservedProperty)"
    )
    assert body["properties"] == {"oven": True, "heatingPlates": 4}
    assert [one["name"] for one in body["Locations"]] == ["Location of the kitchen"]
    assert len(body["HistoricalLocations"]) == 1
    (stream,) = body["Datastreams"]
    assert stream["unitOfMeasurement"] == {"name": "Degree Celsius", "symbol": "°C", "definition": "ucum:Cel"}
    assert stream["Sensor"]["metadata"] == "https://example.org/DHT22.pdf"
    row = Datastream.objects.get(pk=stream["@iot.id"])
    assert row.unit == "°C"
    assert (row.site.longitude, row.site.latitude) == (8.438889, 44.27253)
    (batch,) = bus
    assert (batch.datastream.tolist(), batch.value.tolist()) == ([row.pk], [21.0])
    assert Entry.objects.filter(action="thing.added").exists()


def test_the_shared_examples_are_accepted_whole(root, sta, world, bus, settings):
    file = Path(__file__).parents[4] / "shared" / "data" / "sensorthings" / "entities_default.json"
    examples = [json.loads(file.read_text())] if file.exists() else []
    for example in [*examples, KITCHEN]:
        path = made(send(root, "POST", "Things", example))
        streams = sta(world.root).get(f"{path}/Datastreams")["value"]
        assert [s["unitOfMeasurement"] for s in streams] == [
            d["unitOfMeasurement"] for d in example["Datastreams"]
        ]


def test_when_something_inside_is_wrong_nothing_is_kept(root, world, bus):
    before = Thing.objects.count(), Site.objects.count(), Sensor.objects.count()
    wrong = json.loads(json.dumps(KITCHEN))
    del wrong["Datastreams"][0]["ObservedProperty"]["definition"]
    answer = send(root, "POST", "Things", wrong, status=400)
    assert "definition" in answer.json()["message"]
    assert (Thing.objects.count(), Site.objects.count(), Sensor.objects.count()) == before
    assert not bus


def test_what_links_to_what_is_there(root, sta, world, bus):
    sensor = made(send(root, "POST", "Sensors", KITCHEN["Datastreams"][0]["Sensor"]))
    thing = world.site.things.get()
    stream = {**KITCHEN["Datastreams"][0], "Sensor": {"@iot.id": int(sensor[8:-1])}}
    stream |= {"ObservedProperty": {"@iot.id": world.property.pk}, "Observations": []}
    path = made(send(root, "POST", f"Things({thing.pk})/Datastreams", stream))
    assert sta(world.root).get(f"{path}/Thing")["@iot.id"] == thing.pk
    assert sta(world.root).get(f"{path}/Sensor")["name"] == "HDT22"
    answer = send(root, "POST", "Datastreams", {**stream, "Thing": {"@iot.id": 999999}}, status=400)
    assert "999999" in answer.json()["message"]
    send(root, "POST", "Datastreams", {**stream, "Thing": {"@iot.id": thing.pk}, "colour": 1}, status=400)


def test_a_move_is_remembered(root, sta, world):
    thing = world.site.things.get()
    place = {**KITCHEN["Locations"][0], "name": "Cellar"}
    send(root, "POST", f"Things({thing.pk})/Locations", place, status=201)
    body = sta(world.root).get(
        f"Things({thing.pk})",
        expand="Locations,HistoricalLocations($orderby=time desc;$expand=Locations)",
    )
    assert [one["name"] for one in body["Locations"]] == ["Cellar"]
    assert [h["Locations"][0]["name"] for h in body["HistoricalLocations"]] == ["Cellar", "东山化工厂"]
    back = Location.objects.get(site=world.site, is_site=True)
    send(root, "PATCH", f"Things({thing.pk})", {"Locations": [{"@iot.id": back.pk}]}, status=200)
    assert HistoricalLocation.objects.filter(thing=thing).count() == 3
    old = {
        "time": "2020-01-01T00:00:00Z",
        "Thing": {"@iot.id": thing.pk},
        "Locations": [{"@iot.id": back.pk}],
    }
    made(send(root, "POST", "HistoricalLocations", old))
    assert thing.locations.get() == back
    new = {**old, "time": "2036-01-01T00:00:00Z", "Locations": [{**place, "name": "Attic"}]}
    made(send(root, "POST", "HistoricalLocations", new))
    assert thing.locations.get().name == "Attic"


def test_patch_put_and_json_patch(root, sta, world):
    thing = world.site.things.get()
    path, ask = f"Things({thing.pk})", sta(world.root).get
    send(root, "PATCH", path, {"properties": {"a": 1}}, status=200)
    assert (ask(path)["name"], ask(path)["properties"]) == ("装置", {"a": 1})
    operations = [
        {"op": "test", "path": "/properties/a", "value": 1}, {"op": "add", "path": "/properties/b", "value": [2]},
        {"op": "replace", "path": "/name", "value": "新"},
    ]  # fmt: skip
    send(root, "PATCH", path, operations, "application/json-patch+json", 200)
    assert (ask(path)["name"], ask(path)["properties"]) == ("新", {"a": 1, "b": [2]})
    wrong = [{"op": "test", "path": "/name", "value": "x"}]
    send(root, "PATCH", path, wrong, "application/json-patch+json", 400)
    send(root, "PUT", path, {"name": "整", "description": "d"}, status=200)
    assert (ask(path)["name"], ask(path)["properties"]) == ("整", {})
    send(root, "PUT", path, {"name": "整"}, status=400)
    send(root, "PATCH", "Things", {"name": "x"}, status=405)


def test_what_is_deleted_is_no_longer_shown_and_its_readings_stay(root, sta, world, readings):
    stream = readings[0]
    send(root, "DELETE", f"Datastreams({stream.pk})", status=200)
    assert sta(world.root).ask(f"Datastreams({stream.pk})")[0] == 404
    assert Datastream.objects.filter(pk=stream.pk, is_active=False).exists()
    thing = stream.thing_id
    send(root, "DELETE", f"Things({thing})", status=200)
    assert sta(world.root).get("Datastreams", filter=f"Thing/@iot.id eq {thing}")["value"] == []
    pk = ObservedProperty.objects.get().pk
    send(root, "DELETE", f"ObservedProperties({pk})", status=200)
    assert sta(world.root).get("Datastreams")["value"] == []
    own = Location.objects.get(site=world.site, is_site=True)
    send(root, "DELETE", f"Locations({own.pk})", status=409)
    send(root, "DELETE", "Things(999999)", status=404)


def test_who_may_write_what_and_where(sta, world, bus):
    thing, other = world.site.things.get(), world.other_site.things.get()
    steward, viewer = sta(world.users["data_steward"]).client, sta(world.users["viewer"]).client
    send(steward, "PATCH", f"Things({thing.pk})", {"name": "n"}, status=200)
    send(steward, "PATCH", f"Things({other.pk})", {"name": "n"}, status=404)
    send(viewer, "PATCH", f"Things({thing.pk})", {"name": "n"}, status=403)
    send(steward, "POST", "Sensors", KITCHEN["Datastreams"][0]["Sensor"], status=403)
    send(viewer, "POST", f"Datastreams({world.stream.pk})/Observations", {"result": 1}, status=403)
    send(steward, "POST", f"Datastreams({world.stream.pk})/Observations", {"result": 1}, status=201)
    send(
        steward,
        "POST",
        "Observations",
        {"result": 1, "Datastream": {"@iot.id": world.other_stream.pk}},
        status=400,
    )
    assert sum(len(batch) for batch in bus) == 1
    assert Entry.objects.filter(action="device.edit", ok=False).exists()


def test_a_session_needs_its_token_and_a_password_does_not(world, settings):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root, backend=settings.AUTHENTICATION_BACKENDS[1])
    assert send(client, "POST", "Things", {"name": "x", "description": "y"}).status_code == 403
    world.root.set_password("Correct-horse-9")
    world.root.save()
    import base64

    for secret, status in (("Correct-horse-9", 201), ("wrong", 401)):
        header = "Basic " + base64.b64encode(f"root:{secret}".encode()).decode()
        answer = Client(enforce_csrf_checks=True).post(
            f"{ROOT}/Things",
            {"name": "x", "description": "y"},
            "application/json",
            headers={"Authorization": header},
        )
        assert answer.status_code == status, answer.content


def test_columns_of_observations_each_answered(sta, world, bus):
    steward = sta(world.users["data_steward"]).client
    array = [
        {
            "Datastream": {"@iot.id": world.stream.pk}, "components": ["phenomenonTime", "result"],
            "dataArray@iot.count": 2,
            "dataArray": [["2026-01-01T00:00:01Z", 2], ["2026-01-01T08:00:00.5+08:00", 1.5]],
        },
        {
            "Datastream": {"@iot.id": world.stream.pk}, "components": ["phenomenonTime", "result", "resultTime"],
            "dataArray": [["2026-01-01T00:00:02Z", "hot", "2026-01-01T00:00:09Z"], ["never", 1, None]],
        },
    ]  # fmt: skip
    answer = send(steward, "POST", "CreateObservations", array, status=201).json()
    t = 1767225600000
    links = [
        f"http://testserver/sta/v1.1/Observations('{world.stream.pk}:{t + ms}')" for ms in (1000, 500, 2000)
    ]
    assert answer == [*links, "error"]
    (batch,) = bus
    assert batch.time_ms.tolist() == [t + 500, t + 1000, t + 2000]
    remark = world.stream.remarks.get()
    assert (remark.result, remark.result_time_ms) == ("hot", t + 9000)
    for wrong in ({}, [{"components": []}], [{**array[0], "dataArray@iot.count": 3}]):
        send(steward, "POST", "CreateObservations", wrong, status=400)


def test_every_kind_of_entity_can_be_made_alone(root, sta, world, bus):
    def post(name, body):
        path = made(send(root, "POST", name, body))
        return int(path[path.index("(") + 1 : -1])

    of = KITCHEN["Datastreams"][0]
    place = post("Locations", KITCHEN["Locations"][0])
    assert Location.objects.get(pk=place).site.longitude == 8.438889
    area = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}
    wide = post("Locations", {**KITCHEN["Locations"][0], "name": "area", "location": area})
    assert sta(world.root).get(f"Locations({wide})")["location"] == area
    thing = post("Things", {"name": "t", "description": "d", "Locations": [{"@iot.id": place}]})
    assert Thing.objects.get(pk=thing).site == Location.objects.get(pk=place).site
    lost = post("Things", {"name": "nowhere", "description": "d"})
    assert Thing.objects.get(pk=lost).site.code == "sta-hubei"
    sensor, observed = (
        post("Sensors", {**of["Sensor"], "metadata": {"a": 1}}),
        post("ObservedProperties", of["ObservedProperty"]),
    )
    assert sta(world.root).get(f"Sensors({sensor})")["metadata"] == {"a": 1}
    links = {
        "Thing": {"@iot.id": thing},
        "Sensor": {"@iot.id": sensor},
        "ObservedProperty": {"@iot.id": observed},
    }
    stream = post("Datastreams", {**of, **links, "observedArea": area, "Observations": []})
    assert sta(world.root).get(
        "Datastreams", filter="st_within(observedArea,geography'POINT (1.7 1.2)')"
    ) == {"value": []}
    inside = "st_contains(observedArea,geography'POINT (1.7 1.2)')"
    assert [d["@iot.id"] for d in sta(world.root).get("Datastreams", filter=inside)["value"]] == [stream]
    when = {"time": "2020-01-01T00:00:00Z", "Thing": {"@iot.id": thing}, "Locations": [{"@iot.id": wide}]}
    post("HistoricalLocations", when)
    post(
        "FeaturesOfInterest",
        {"name": "f", "description": "d", "encodingType": "application/geo+json", "feature": area},
    )
    answer = send(root, "POST", "Observations", {"result": 4, "Datastream": {"@iot.id": stream}}, status=201)
    assert answer.headers["Location"].startswith(f"http://testserver/sta/v1.1/Observations('{stream}:")
    assert [batch.value.tolist() for batch in bus] == [[4.0]]
    for name, body in (
        ("Locations", {**KITCHEN["Locations"][0], "location": {"type": "Point", "coordinates": [200, 0]}}),
        ("Datastreams", {**of, **links, "observationType": "x"}), ("Things", {"name": 3, "description": "d"}),
        ("Things", {"name": "a\u0007b", "description": "d"}), ("Things", []),
        ("Things", {"name": "x" * 200, "description": ""}),
    ):  # fmt: skip
        send(root, "POST", name, body, status=400)


def test_a_site_is_where_its_own_location_is(root, sta, world):
    own = Location.objects.get(site=world.site, is_site=True)
    moved = {"type": "Point", "coordinates": [111.5, 30.5]}
    send(root, "PATCH", f"Locations({own.pk})", {"location": moved}, status=200)
    world.site.refresh_from_db()
    assert (world.site.longitude, world.site.latitude) == (111.5, 30.5)
    assert sta(world.root).get(f"Locations({own.pk})")["location"] == moved
    assert (
        sta(world.root).get("FeaturesOfInterest", filter="name eq '东山化工厂'")["value"][0]["feature"]
        == moved
    )
