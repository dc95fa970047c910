"""MultiDatastreams: several values of an instant as one observation.  OGC 18-088, clause 9; decision 0039."""

import json

import numpy as np
import pytest

from fengsui.sense.devices.models import Datastream, MultiDatastream, ObservedProperty, Sensor
from fengsui.sense.gateways.registry import load
from fengsui.show.sta import observations, posting
from fengsui.show.sta.odata.expression import parse, text_of
from tests.show.sta.conftest import COUNT, ROOT
from tests.stores.history.conftest import NAMES, T0, make_rows

TYPE = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
NO_UNIT = {"name": None, "symbol": None, "definition": None}
WEATHER = {
    "name": "Weather", "description": "on the roof", "observationType": TYPE + "OM_ComplexObservation",
    "multiObservationDataTypes": [TYPE + "OM_Measurement", TYPE + "OM_Measurement", TYPE + "OM_TruthObservation"],
    "unitOfMeasurements": [
        {"name": "Degree Celsius", "symbol": "°C", "definition": "ucum:Cel"},
        {"name": "Metre per second", "symbol": "m/s", "definition": "ucum:m/s"}, NO_UNIT,
    ],
    "ObservedProperties": [
        {"name": "Wind speed", "definition": "http://example.org/wind", "description": "w"},
        {"name": "Air temperature", "definition": "http://example.org/air", "description": "a"},
        {"name": "Rain", "definition": "http://example.org/rain", "description": "r"},
    ],
    "Sensor": {"name": "mast", "description": "m", "encodingType": "text/html", "metadata": "x"},
    "properties": {"mast": 3},
}  # fmt: skip


@pytest.fixture
def bus(monkeypatch):
    """What was posted, batch by batch; all of it is durable."""
    batches = []
    monkeypatch.setattr(posting, "_submit", batches.extend)
    return batches


@pytest.fixture
def root(sta, world):
    return sta(world.root)


def send(asker, method, path, body=None, status=None):
    answer = asker.client.generic(method, f"{ROOT}/{path}", json.dumps(body), content_type="application/json")
    if status is not None:
        assert answer.status_code == status, answer.content
    return answer


def made(answer):
    assert answer.status_code == 201, answer.content
    return answer.headers["Location"].partition("/sta/v1.1/")[2]


@pytest.fixture
def weather(root, world, bus):
    """A MultiDatastream with three members, posted as clients do."""
    path = made(send(root, "POST", f"Things({world.site.things.get().pk})/MultiDatastreams", WEATHER))
    return MultiDatastream.objects.get(pk=int(path[path.index("(") + 1 : -1]))


@pytest.fixture
def measured(world, weather, settings, tmp_path):
    """An hour of it each second: 0 to 3599, minus that, and only each tenth second a truth."""
    from fengsui.stores.history import Catalogue, write_segments

    settings.HISTORY_ROOT = tmp_path / "history"
    a, b, c = weather.members.values_list("datastream_id", flat=True)
    at, value = T0 + np.arange(COUNT) * 1_000, np.arange(COUNT, dtype=float)
    ids = np.concatenate((np.repeat([a, b], COUNT), np.repeat(c, COUNT // 10)))
    rows = make_rows(
        ids, np.concatenate((at, at, at[::10])), np.concatenate((value, -value, value[::10] % 20 / 10))
    )
    order = np.lexsort((rows.time_ms, rows.datastream))
    catalogue = Catalogue.default()
    catalogue.add(write_segments(catalogue.folder, 0, rows.take(order), NAMES))
    return weather


def test_a_multi_datastream_has_the_properties_of_the_standard(root, weather):
    body = root.get(f"MultiDatastreams({weather.pk})")
    for name in ("name", "description", "observationType", "multiObservationDataTypes", "unitOfMeasurements"):
        assert body[name] == WEATHER[name]
    assert body["properties"] == {"mast": 3}
    assert body["@iot.selfLink"].endswith(f"/MultiDatastreams({weather.pk})")
    members = Datastream.objects.filter(memberships__multi_datastream=weather).order_by(
        "memberships__position"
    )
    assert [one.unit for one in members] == ["°C", "m/s", ""]
    assert {one.sensor.name for one in members} == {"mast"}
    row = load().multis[weather.pk]
    assert row.members == tuple(one.pk for one in members)


def test_relations_of_a_multi_datastream_go_both_ways(root, world, weather):
    path, thing = f"MultiDatastreams({weather.pk})", world.site.things.get()
    names = [one["name"] for one in WEATHER["ObservedProperties"]]
    assert root.names(f"{path}/ObservedProperties") == names
    assert [one["name"] for one in root.follow(f"{path}/ObservedProperties", top=1)] == names
    assert len(root.names(f"{path}/Datastreams")) == 3
    body = root.get(path, expand="Thing,Sensor,ObservedProperties($select=name;$top=2),Datastreams")
    assert (body["Thing"]["@iot.id"], body["Sensor"]["name"]) == (thing.pk, "mast")
    assert [one["name"] for one in body["ObservedProperties"]] == names[:2]
    further = body["ObservedProperties@iot.nextLink"].removeprefix("http://testserver")
    assert [one["name"] for one in root.client.get(further).json()["value"]] == names[2:]
    assert root.names(f"Things({thing.pk})/MultiDatastreams") == ["Weather"]
    expanded = root.get("Things", expand="MultiDatastreams", filter="MultiDatastreams/name eq 'Weather'")[
        "value"
    ]
    assert [one["name"] for one in expanded[0]["MultiDatastreams"]] == ["Weather"]
    rain = ObservedProperty.objects.get(name="Rain")
    assert root.names(f"ObservedProperties({rain.pk})/MultiDatastreams") == ["Weather"]
    back = root.get(f"ObservedProperties({rain.pk})", expand="MultiDatastreams")["MultiDatastreams"]
    assert [one["@iot.id"] for one in back] == [weather.pk]
    assert root.names(f"Sensors({weather.sensor_id})/MultiDatastreams") == ["Weather"]
    for query in (
        "unitOfMeasurements/0/symbol eq '°C'", "ObservedProperties/name eq 'Rain'", "properties/mast eq 3",
        "Sensor/name eq 'mast' and Thing/name eq '装置'", "endswith(observationType,'OM_ComplexObservation')",
        f"multiObservationDataTypes/2 eq '{TYPE}OM_TruthObservation'",
    ):  # fmt: skip
        assert root.names("MultiDatastreams", filter=query) == ["Weather"], query
    assert root.names("MultiDatastreams", filter="unitOfMeasurements/1/symbol eq '°C'") == []


def test_one_property_may_be_measured_twice(root, world, bus):
    twice = {**WEATHER, "name": "both sides", "ObservedProperties": [{"@iot.id": world.property.pk}] * 3}
    path = made(send(root, "POST", f"Things({world.site.things.get().pk})/MultiDatastreams", twice))
    assert root.names(f"{path}/ObservedProperties") == ["压力"] * 3
    assert root.names(f"ObservedProperties({world.property.pk})/MultiDatastreams") == ["both sides"]
    inside = root.get(f"ObservedProperties({world.property.pk})", expand="MultiDatastreams")[
        "MultiDatastreams"
    ]
    assert len(inside) == 1


def test_constraints_of_a_multi_datastream_are_held(root, world, weather, bus):
    path = f"Things({world.site.things.get().pk})/MultiDatastreams"
    before = MultiDatastream.objects.count(), Datastream.objects.count()
    for change in (
        {"unitOfMeasurements": WEATHER["unitOfMeasurements"][:2]}, {"multiObservationDataTypes": []},
        {"ObservedProperties": WEATHER["ObservedProperties"][:1]}, {"unitOfMeasurements": None},
        {"observationType": TYPE + "OM_Measurement"}, {"multiObservationDataTypes": ["x", "y", "z"]},
        {"Sensor": {"@iot.id": 99999}}, {"multiObservationDataTypes": {}},
    ):  # fmt: skip
        send(root, "POST", path, {**WEATHER, **change}, status=400)
    assert (MultiDatastream.objects.count(), Datastream.objects.count()) == before
    for result in ([1, 2], [1, 2, 3, 4], 1, None, {"0": 1}):
        answer = send(
            root, "POST", f"MultiDatastreams({weather.pk})/Observations", {"result": result}, status=400
        )
        assert "list of 3" in answer.json()["message"]
    both = {
        "result": [1, 2, 3],
        "MultiDatastream": {"@iot.id": weather.pk},
        "Datastream": {"@iot.id": world.stream.pk},
    }
    send(root, "POST", "Observations", both, status=400)
    assert not bus


def test_a_thing_with_multi_datastreams_and_their_observations_in_one_request(root, bus):
    body = {
        "name": "Mast", "description": "m",
        "MultiDatastreams": [{
            **WEATHER, "Observations": [
                {"phenomenonTime": "2026-01-01T00:00:00Z", "result": [21.5, 3, True]},
                {"phenomenonTime": "2026-01-01T00:01:00Z", "result": [None, 4, "wet"], "parameters": {"by": "hand"}},
            ],
        }],
    }  # fmt: skip
    path = made(send(root, "POST", "Things", body))
    multi = MultiDatastream.objects.get(pk=root.get(f"{path}/MultiDatastreams")["value"][0]["@iot.id"])
    (batch,) = bus
    members = list(multi.members.values_list("datastream_id", flat=True))
    assert sorted(zip(batch.datastream.tolist(), batch.time_ms.tolist(), strict=True)) == sorted(
        (pk, t) for pk in members for t in (1767225600000, 1767225660000)
    )
    assert batch.value[:3].tolist() == [21.5, 3.0, 1.0]
    said = {row.datastream_id: row for row in multi.members.last().datastream.remarks.all()}
    assert said[members[2]].result == "wet"
    assert said[members[2]].parameters == {"by": "hand"}


def test_observations_are_the_readings_of_the_same_instant(root, measured, monkeypatch):
    path = f"MultiDatastreams({measured.pk})"
    first = root.get(f"{path}/Observations", top=2, orderby="phenomenonTime", count="true")
    assert first["@iot.count"] == COUNT
    assert [one["result"] for one in first["value"]] == [[0, 0, False], [1, -1, None]]
    assert first["value"][0]["@iot.id"] == f"m{measured.pk}:{T0}"
    assert "Datastream@iot.navigationLink" not in first["value"][0]
    again = root.client.get(first["value"][0]["@iot.selfLink"]).json()
    assert again == first["value"][0]
    one = f"Observations('m{measured.pk}:{T0 + 1000}')"
    assert root.get(f"{one}/MultiDatastream")["name"] == "Weather"
    assert root.get(f"{path}/{one}/result") == {"result": [1, -1, None]}
    assert root.get(f"{one}/FeatureOfInterest")["name"] == "东山化工厂"
    assert root.ask(f"{one}/Datastream")[0] == 404
    assert root.ask(f"Observations('m{measured.pk}:{T0 + 1}')")[0] == 404
    assert root.ask(f"Datastreams({measured.members.first().datastream_id})/{one}")[0] == 404
    assert root.get(one, expand="MultiDatastream($select=name),FeatureOfInterest")["MultiDatastream"] == {
        "name": "Weather"
    }
    items = root.follow(f"{path}/Observations", top=1500, select="id")
    assert len({item["@iot.id"] for item in items}) == len(items) == COUNT
    sorted_by = root.get(f"{path}/Observations", top=3, orderby="result/1 asc")["value"]
    assert [item["result"][0] for item in sorted_by] == [3599, 3598, 3597]
    spans = root.get(path)["phenomenonTime"].split("/")
    assert spans[0] == first["value"][0]["phenomenonTime"]


def test_observations_of_multi_datastreams_are_filtered_by_their_elements(root, measured):
    path = f"MultiDatastreams({measured.pk})/Observations"

    def found(query, where=path):
        return root.get(where, filter=query, count="true", top=0)["@iot.count"]

    assert found("result/0 gt 3589") == found("result[0] gt 3589") == 10
    assert found("result/1 lt -3000 and result/2 eq 1") == 30
    assert found("result[2] eq null") == COUNT - COUNT // 10
    assert found(f"MultiDatastream/@iot.id eq {measured.pk} and result[0] lt 5", "Observations") == 5
    assert found("MultiDatastream/Thing/name eq '装置' and MultiDatastream/name eq 'no'", "Observations") == 0
    assert found("FeatureOfInterest/name eq '东山化工厂'") == COUNT
    assert found("FeatureOfInterest/name eq 'elsewhere'") == 0
    assert root.ask(path, filter="result gt 3")[0] == 400
    assert root.ask(path, filter="result/7 gt 3")[0] == 400
    assert text_of(parse("result[0] gt 5")) == text_of(parse("result/0 gt 5"))


def test_expanded_observations_of_multi_datastreams(root, measured):
    expand = (
        "Observations($top=2;$orderby=phenomenonTime desc;$count=true;$expand=MultiDatastream($select=id))"
    )
    (body,) = root.get("MultiDatastreams", expand=expand)["value"]
    assert [one["result"] for one in body["Observations"]] == [[3599, -3599, None], [3598, -3598, None]]
    assert body["Observations@iot.count"] == COUNT
    assert body["Observations"][0]["MultiDatastream"] == {"@iot.id": measured.pk}
    link = body["Observations@iot.nextLink"].removeprefix("http://testserver")
    assert root.client.get(link).json()["value"][0]["result"] == [3597, -3597, None]
    arrays = root.get(f"MultiDatastreams({measured.pk})/Observations", top=2, resultFormat="dataArray")[
        "value"
    ]
    assert arrays[0]["MultiDatastream@iot.navigationLink"].endswith(f"MultiDatastreams({measured.pk})")
    assert arrays[0]["dataArray"][1][3] == [1, -1, None]


def test_columns_of_observations_of_multi_datastreams(root, weather, bus):
    array = [{
        "MultiDatastream": {"@iot.id": weather.pk}, "components": ["phenomenonTime", "result"],
        "dataArray@iot.count": 3,
        "dataArray": [
            ["2026-01-01T00:00:01Z", [21.5, 3, True]], ["2026-01-01T00:00:02Z", [1, 2]],
            ["2026-01-01T00:00:03Z", [20, 2, False]],
        ],
    }]  # fmt: skip
    t = 1767225600000
    head = f"http://testserver/sta/v1.1/Observations('m{weather.pk}"
    answer = send(root, "POST", "CreateObservations", array, status=201).json()
    assert answer == [f"{head}:{t + 1000}')", "error", f"{head}:{t + 3000}')"]
    (batch,) = bus
    assert sorted(batch.value.tolist()) == [0.0, 1.0, 2.0, 3.0, 20.0, 21.5]
    send(root, "POST", "CreateObservations", [{**array[0], "Datastream": {"@iot.id": 1}}], status=400)
    send(
        root, "POST", "CreateObservations", [{**array[0], "MultiDatastream": {"@iot.id": 99999}}], status=400
    )


def test_a_multi_datastream_of_datastreams_that_are_there(root, world, bus):
    sensor = Sensor.objects.create(code="pt", name="PT")
    streams = [world.stream, world.add_stream(world.site, "P8", "P8", "kPa")]
    thing = world.site.things.get()
    link = {"name": "g", "description": "d", "Thing": {"@iot.id": thing.pk}}
    link["Datastreams"] = [{"@iot.id": one.pk} for one in reversed(streams)]
    send(root, "POST", "MultiDatastreams", link, status=400)  # they have no sensor
    Datastream.objects.filter(pk__in=[one.pk for one in streams]).update(sensor=sensor)
    path = made(send(root, "POST", "MultiDatastreams", link))
    assert root.names(f"{path}/Datastreams") == ["P8", "反应器压力"]
    other = Sensor.objects.create(code="x", name="X")
    send(root, "PATCH", f"Datastreams({streams[0].pk})", {"Sensor": {"@iot.id": other.pk}}, status=409)
    send(root, "DELETE", f"Datastreams({streams[0].pk})", status=409)
    send(root, "DELETE", path, status=200)
    assert root.ask(path)[0] == 404
    assert Datastream.objects.filter(pk__in=[one.pk for one in streams], is_active=True).count() == 2
    foreign = {**link, "Datastreams": [{"@iot.id": world.other_stream.pk}]}
    send(root, "POST", "MultiDatastreams", foreign, status=400)


def test_changes_and_deletion_of_a_multi_datastream(root, weather):
    path = f"MultiDatastreams({weather.pk})"
    units = [{"name": "Kelvin", "symbol": "K", "definition": "ucum:K"}, *WEATHER["unitOfMeasurements"][1:]]
    send(root, "PATCH", path, {"name": "W2", "unitOfMeasurements": units}, status=200)
    assert root.get(path)["unitOfMeasurements"] == units
    send(root, "PATCH", path, {"unitOfMeasurements": units[:2]}, status=400)
    sensor = Sensor.objects.create(code="n", name="new mast")
    send(root, "PATCH", path, {"Sensor": {"@iot.id": sensor.pk}}, status=200)
    members = Datastream.objects.filter(memberships__multi_datastream=weather)
    assert {one.sensor_id for one in members} == {sensor.pk}
    whole = {k: v for k, v in WEATHER.items() if k not in ("Sensor", "ObservedProperties", "properties")}
    send(root, "PUT", path, {"name": "W3"}, status=400)
    send(root, "PUT", path, whole, status=200)
    assert (root.get(path)["name"], root.get(path)["properties"]) == ("Weather", {})
    send(root, "DELETE", f"ObservedProperties({ObservedProperty.objects.get(name='Rain').pk})", status=200)
    assert root.ask(path)[0] == 404
    assert not members.filter(is_active=True).exists()


def test_an_observation_of_a_multi_datastream_is_deleted_whole(root, measured, monkeypatch):
    monkeypatch.setattr(observations, "settled", lambda *_: None)
    one = f"Observations('m{measured.pk}:{T0}')"
    send(root, "PATCH", one, {"result": [5, 0, False]}, status=200)
    assert root.get(one)["result"] == [5, 0, False]
    assert root.get(one)["resultQuality"] == [{"quality": "good", "reason": "corrected"}, None, None]
    send(root, "PATCH", one, {"result": [5, 0]}, status=400)
    send(root, "PATCH", one, {"parameters": {"why": "ice"}}, status=200)
    assert root.get(one)["parameters"] == {"why": "ice"}
    send(root, "DELETE", one, status=200)
    assert root.ask(one)[0] == 404
    path = f"MultiDatastreams({measured.pk})/Observations"
    assert root.get(path, count="true", top=0)["@iot.count"] == COUNT - 1


def test_a_stranger_sees_no_multi_datastream(sta, world, measured, bus):
    asks, path = sta(world.stranger), f"MultiDatastreams({measured.pk})"
    for target in (
        path,
        f"{path}/Observations",
        f"Observations('m{measured.pk}:{T0}')",
        f"{path}/ObservedProperties",
    ):
        assert asks.ask(target)[0] == 404, target
    assert asks.get("MultiDatastreams", count="true") == {"@iot.count": 0, "value": []}
    of = f"MultiDatastream/@iot.id eq {measured.pk}"
    assert asks.get("Observations", filter=of, count="true") == {"@iot.count": 0, "value": []}
    assert asks.get("ObservedProperties", filter="MultiDatastreams/name eq 'Weather'")["value"] == []
    send(asks, "POST", f"{path}/Observations", {"result": [1, 2, 3]}, status=404)
    array = [
        {"MultiDatastream": {"@iot.id": measured.pk}, "components": ["result"], "dataArray": [[[1, 2, 3]]]}
    ]
    send(asks, "POST", "CreateObservations", array, status=400)
    viewer = sta(world.users["viewer"])
    send(viewer, "POST", f"{path}/Observations", {"result": [1, 2, 3]}, status=403)
    send(viewer, "DELETE", path, status=403)
    assert not bus
