"""SensorThings against the whole platform: a client of other people, devices, and observations that go the long way."""

import datetime as dt
import json
import subprocess
import time

import frost_sta_client as fsc
import httpx
import pytest
from frost_sta_client.model.ext.data_array_document import DataArrayDocument
from frost_sta_client.model.ext.data_array_value import DataArrayValue
from geojson import Point

from tests.conftest import wait_until
from tests.live.town import PASSWORD, Town, build, now_ms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(platform, tmp_path_factory) -> Town:
    made = build(platform, tmp_path_factory.mktemp("changde-sta"), "changde")
    for role in ("operator", "data_steward"):
        words = ["add", "sta-keeper", "--role", role, "--org", "430000", "--password-stdin"]
        if role != "operator":
            words = ["grant", "sta-keeper", role, "430000"]
        command = platform.command("users", *words)
        done = subprocess.run(
            command, env=platform.env, input=PASSWORD, text=True, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def service(platform, town):
    handler = fsc.service.auth_handler.AuthHandler("sta-keeper", PASSWORD)
    return fsc.SensorThingsService(f"{platform.url}/sta/v1.1", auth_handler=handler)


@pytest.fixture(scope="module")
def http(platform, town):
    with httpx.Client(
        base_url=f"{platform.url}/sta/v1.1/", auth=("sta-keeper", PASSWORD), timeout=60, trust_env=False
    ) as client:
        yield client


def test_a_client_of_other_people_works_unmodified(service):
    thing = fsc.Thing(name="Kitchen", description="The kitchen", properties={"oven": True})
    place = fsc.Location(
        name="Home",
        description="Where it is",
        location=Point((111.7, 29.0)),
        encoding_type="application/geo+json",
    )
    thing.locations = [place]
    service.create(thing)
    sensor = fsc.Sensor(name="HDT22", description="cheap", encoding_type="application/pdf", metadata="x.pdf")
    service.create(sensor)
    observed = fsc.ObservedProperty(name="Temperature", definition="http://example.org/54", description="T")
    service.create(observed)
    unit = fsc.UnitOfMeasurement(name="Degree Celsius", symbol="°C", definition="ucum:Cel")
    stream = fsc.Datastream(
        name="Kitchen temperature", description="by the window",
        observation_type="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        unit_of_measurement=unit, thing=thing, sensor=sensor, observed_property=observed,
    )  # fmt: skip
    service.create(stream)
    assert isinstance(stream.id, int)

    start = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=10)
    one = fsc.Observation(
        phenomenon_time=start.isoformat().replace("+00:00", "Z"), result=21.5, datastream=stream
    )
    service.create(one)
    assert one.id.startswith(f"{stream.id}:")
    assert service.observations().find(one.id).result == 21.5

    array = DataArrayValue()
    array.datastream = stream
    array.components = {array.Property.PHENOMENON_TIME, array.Property.RESULT}
    for i in range(1, 6):
        at = (start + dt.timedelta(minutes=i)).isoformat().replace("+00:00", "Z")
        array.add_observation(fsc.Observation(phenomenon_time=at, result=20 + i, datastream=stream))
    document = DataArrayDocument()
    document.add_data_array_value(array)
    links = service.observations().create(document)
    assert len(links) == 5
    listed = stream.get_observations().query().filter("result gt 22").orderby("phenomenonTime", "desc").list()
    assert [o.result for o in listed] == [25, 24, 23]
    paged = stream.get_observations().query().top(2).count().list()
    assert paged.count == 6
    assert [o.result for o in paged] == [21.5, 21, 22, 23, 24, 25]  # the client follows the links itself

    found = service.things().query().filter("name eq 'Kitchen'").expand("Datastreams,Locations").list()
    assert [t.datastreams.entities[0].name for t in found] == ["Kitchen temperature"]
    thing.name = "Cellar"
    service.update(thing)
    assert service.things().find(thing.id).name == "Cellar"
    service.patch(thing, [{"op": "replace", "path": "/name", "value": "Attic"}])
    assert service.things().find(thing.id).name == "Attic"
    assert len(list(thing.get_locations().query().list())) == 1
    assert len(list(service.things().query().filter("name eq 'Attic'").list())) == 1
    service.delete(stream)
    assert len(list(thing.get_datastreams().query().list())) == 0


def stream_of(town, site, code="T5"):
    found = town.sql(
        "SELECT d.id FROM devices_datastream d JOIN devices_site s ON s.id = d.site_id"
        " WHERE s.code = %s AND d.code = %s", site, code,
    )  # fmt: skip
    return found[0][0]


def test_an_observation_is_a_reading_like_any_other(town, http):
    """Checked at the door, in the history, in the ledger; refused ones are in quarantine with their reason."""
    pk, at = stream_of(town, town.sites[0]), now_ms() - 5000
    text = dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat().replace("+00:00", "Z")
    made = http.post(f"Datastreams({pk})/Observations", json={"phenomenonTime": text, "result": 12.5})
    assert made.status_code == 201, made.text
    assert http.get(made.headers["Location"]).json()["result"] == 12.5
    wrong = http.post(f"Datastreams({pk})/Observations", json={"phenomenonTime": text, "result": 5000})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "show.sta_observation_refused")
    held = "SELECT count(*) FROM quarantine_held WHERE datastream_id = %s AND value = 5000"
    wait_until(lambda: town.sql(held, pk)[0][0] == 1, 30, "the refused one in quarantine")
    with town.log_in("duty") as duty:
        curve = duty.get(
            f"/api/v1/datastreams/{pk}/readings", params={"from": at - 1000, "to": at + 1000}
        ).json()
        assert curve["v"] == [12.5]
        assert duty.post(f"/sta/v1.1/Datastreams({pk})/Observations", json={"result": 1}).status_code == 403
    with town.log_in("stranger") as stranger:
        assert stranger.get(f"/sta/v1.1/Datastreams({pk})").status_code == 404
        assert stranger.get("/sta/v1.1/Observations?$count=true").json() == {"@iot.count": 0, "value": []}
    booked = "SELECT sum(stored) FROM ledger_line WHERE source = 'sta:sta-keeper' AND boundary = 'history'"
    wait_until(lambda: town.sql(booked)[0][0], 30, "the source in the ledger")


def test_a_device_adds_to_its_own_site_only(town, platform):
    device, own, other = (
        town.device(1),
        stream_of(town, town.sites[0], "T6"),
        stream_of(town, town.sites[1], "T6"),
    )
    with httpx.Client(
        base_url=f"{platform.url}/sta/v1.1/", auth=(device.code, device.secret), timeout=60, trust_env=False
    ) as client:
        assert client.post(f"Datastreams({own})/Observations", json={"result": 3}).status_code == 201
        assert client.post(f"Datastreams({other})/Observations", json={"result": 3}).status_code == 404
        array = [{"Datastream": {"@iot.id": other}, "components": ["result"], "dataArray": [[1]]}]
        assert client.post("CreateObservations", json=array).status_code == 400
        assert client.post("Things", json={"name": "x", "description": "y"}).status_code == 403
        assert {t["name"] for t in client.get("Things").json()["value"]} == {"储罐"}
        assert len(client.get("Things").json()["value"]) == 1


def test_what_is_corrected_and_deleted_stays_in_the_record(town, http):
    pk = stream_of(town, town.sites[0], "T7")
    made = http.post(f"Datastreams({pk})/Observations", json={"result": 7, "parameters": {"by": "hand"}})
    link = made.headers["Location"]
    assert http.get(link).json()["parameters"] == {"by": "hand"}
    done = http.patch(link, json={"result": 8})
    assert done.status_code == 200, done.text
    body = http.get(link).json()
    assert (body["result"], body["resultQuality"]) == (8, {"quality": "good", "reason": "corrected"})
    assert (
        http.get(f"Datastreams({pk})/Observations?$filter=result eq 8&$count=true").json()["@iot.count"] == 1
    )
    assert http.delete(link).status_code == 200
    assert http.get(link).status_code == 404
    assert http.get(f"Datastreams({pk})/Observations?$filter=result eq 8").json()["value"] == []
    assert town.sql("SELECT count(*) FROM history_correction WHERE datastream = %s", pk)[0][0] == 2


def test_results_that_are_no_numbers_and_a_feature_of_its_own(town, http):
    pk = stream_of(town, town.sites[0], "T8")
    feature = {
        "name": "sample 7", "description": "water", "encodingType": "application/geo+json",
        "feature": {"type": "Point", "coordinates": [111.5, 29.1]},
    }  # fmt: skip
    valid = "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
    body = {"result": {"colour": "brown"}, "FeatureOfInterest": feature, "validTime": valid}
    made = http.post(f"Datastreams({pk})/Observations", json=body)
    assert made.status_code == 201, made.text
    one = http.get(made.headers["Location"], params={"$expand": "FeatureOfInterest"}).json()
    assert one["result"] == {"colour": "brown"}
    assert one["validTime"] == valid
    assert one["FeatureOfInterest"]["name"] == "sample 7"
    back = http.get(f"FeaturesOfInterest({one['FeatureOfInterest']['@iot.id']})/Observations").json()["value"]
    assert [o["@iot.id"] for o in back] == [one["@iot.id"]]
    plain = http.post(f"Datastreams({pk})/Observations", json={"result": 1})
    own = http.get(plain.headers["Location"] + "/FeatureOfInterest").json()
    assert own["feature"]["type"] == "Point"
    assert own["@iot.id"] != one["FeatureOfInterest"]["@iot.id"]


class Listener:
    """A device that is subscribed to a topic, and what it heard."""

    def __init__(self, device, topic: str):
        self.heard: list[dict] = []
        self.granted: list[str] = []
        self.session = device.connect()
        self.session.client.on_message = lambda c, u, message: self.heard.append(json.loads(message.payload))
        self.session.client.on_subscribe = lambda c, u, mid, codes, p: self.granted.extend(map(str, codes))
        self.session.client.subscribe(topic, qos=0)
        wait_until(lambda: self.granted, 20, "SUBACK")

    def say(self, topic: str, body) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        number = self.session.client.publish(topic, data, qos=1).mid
        wait_until(lambda: number in self.session.confirmed, 20, "PUBACK")


def test_observations_over_mqtt_are_readings_and_are_told_to_who_listens(town, http):
    device, pk = town.device(2), stream_of(town, town.sites[1], "T5")
    topic = f"v1.1/Datastreams({pk})/Observations"
    listener = Listener(device, topic)
    assert listener.granted == ["Granted QoS 0"]
    at = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=3)
    text = at.isoformat().replace("+00:00", "Z")
    listener.say(topic, {"phenomenonTime": text, "result": 4.25})
    key = f"{pk}:{int(at.timestamp() * 1000)}"
    wait_until(lambda: http.get(f"Observations('{key}')").status_code == 200, 20, "the observation")
    assert http.get(f"Observations('{key}')").json()["result"] == 4.25

    def told(value: float, say) -> bool:
        say(value)  # again and again: nobody promises the first seconds after SUBACK
        time.sleep(0.5)
        return any(one["result"] == value for one in listener.heard)

    wait_until(lambda: told(4.5, lambda v: listener.say(topic, {"result": v})), 40, "the update")
    wait_until(lambda: told(5.5, lambda v: device.post_value("T5", v)), 20, "what comes in by another door")
    ids = [one["@iot.id"] for one in listener.heard]
    assert len(ids) == len(set(ids))
    assert all(one.startswith(f"{pk}:") for one in ids)
    listener.say(topic, {"result": "hot"})
    held = (
        "SELECT count(*) FROM quarantine_held h JOIN devices_site s ON s.id = h.site_id"
        " WHERE s.code = %s AND h.reason = 1"
    )
    wait_until(lambda: town.sql(held, town.sites[1])[0][0] == 1, 30, "what cannot be read is in quarantine")
    listener.session.close()


def test_a_device_neither_listens_nor_speaks_for_another_site(town, http):
    device, pk = town.device(2), stream_of(town, town.sites[0], "T5")
    topic = f"v1.1/Datastreams({pk})/Observations"
    for other in (topic, "v1.1/#", "#", "sta/said/#"):
        listener = Listener(device, other)
        assert listener.granted == ["Unspecified error"], other
        listener.session.close()
    before = http.get(f"Datastreams({pk})/Observations?$count=true&$top=0").json()["@iot.count"]
    session = device.connect()
    session.client.publish(topic, b'{"result": 1}', qos=1)
    wait_until(lambda: session.ends, 20, "the end of the session")
    assert http.get(f"Datastreams({pk})/Observations?$count=true&$top=0").json()["@iot.count"] == before


def weather(http, town, name="Weather") -> int:
    """A MultiDatastream of the second site's tank, with two new datastreams."""
    thing = town.sql(
        "SELECT t.id FROM devices_thing t JOIN devices_site s ON s.id = t.site_id WHERE s.code = %s",
        town.sites[1],
    )[0][0]
    kind = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
    body = {
        "name": name, "description": "on the roof", "multiObservationDataTypes": [kind, kind],
        "unitOfMeasurements": [
            {"name": "Degree Celsius", "symbol": "°C", "definition": "ucum:Cel"},
            {"name": "Percent", "symbol": "%", "definition": "ucum:%"},
        ],
        "ObservedProperties": [
            {"name": f"{name} {word}", "definition": f"http://example.org/{word}", "description": word}
            for word in ("air", "humidity")
        ],
        "Sensor": {"name": f"{name} mast", "description": "m", "encodingType": "text/html", "metadata": "x"},
    }  # fmt: skip
    made = http.post(f"Things({thing})/MultiDatastreams", json=body)
    assert made.status_code == 201, made.text
    return made.json()["@iot.id"]


def test_a_client_of_other_people_reads_and_adds_to_multi_datastreams(service, town, http):
    pk = weather(http, town)
    multi = service.multi_datastreams().find(pk)
    assert (multi.name, len(multi.multi_observation_data_types), len(multi.unit_of_measurements)) == (
        "Weather",
        2,
        2,
    )
    names = [one.name for one in multi.get_observed_properties().query().list()]
    assert names == ["Weather air", "Weather humidity"]
    at = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=5)
    when = [(at + dt.timedelta(minutes=i)).isoformat().replace("+00:00", "Z") for i in range(3)]
    link = fsc.MultiDatastream()
    link.id = pk
    for i, text in enumerate(when):
        one = fsc.Observation(phenomenon_time=text, result=[20 + i, 50 - i], multi_datastream=link)
        service.create(one)
        assert one.id.startswith(f"m{pk}:")
    found = (
        multi.get_observations().query().filter("result[0] ge 21").orderby("phenomenonTime", "desc").list()
    )
    assert [o.result for o in found] == [[22, 48], [21, 49]]
    assert [o.result for o in multi.get_observations().query().top(2).list()] == [
        [20, 50],
        [21, 49],
        [22, 48],
    ]
    (expanded,) = (
        service.multi_datastreams().query().filter("name eq 'Weather'").expand("Sensor,Observations").list()
    )
    assert expanded.sensor.name == "Weather mast"
    assert [o.result for o in expanded.observations.entities] == [[20, 50], [21, 49], [22, 48]]
    service.delete(multi)
    assert http.get(f"MultiDatastreams({pk})").status_code == 404


def test_multi_datastreams_over_mqtt_both_ways(town, http):
    pk, device = weather(http, town, "Roof"), town.device(2)
    topic = f"v1.1/MultiDatastreams({pk})/Observations"

    def allowed() -> Listener | None:
        listener = Listener(device, topic)
        if listener.granted == ["Granted QoS 0"]:
            return listener
        listener.session.close()
        return None

    kept: list[Listener] = []
    wait_until(lambda: kept.append(one) or True if (one := allowed()) else False, 30, "the gateway knows it")
    (listener,) = kept
    listener.say(topic, {"result": [4.25, 60]})
    where = f"MultiDatastreams({pk})/Observations"
    wait_until(lambda: http.get(where).json()["value"], 20, "the observation")
    assert http.get(where).json()["value"][0]["result"] == [4.25, 60]

    def told() -> bool:
        listener.say(topic, {"result": [5.5, None]})  # again and again: nobody promises the first seconds
        time.sleep(0.5)
        return any(one["result"] == [5.5, None] for one in listener.heard)

    wait_until(told, 40, "the update")
    ids = [one["@iot.id"] for one in listener.heard]
    assert len(ids) == len(set(ids))
    assert all(one.startswith(f"m{pk}:") for one in ids)
    listener.session.close()
    other = Listener(town.device(1), topic)
    assert other.granted == ["Unspecified error"]
    other.session.close()
