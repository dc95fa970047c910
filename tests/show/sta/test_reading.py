"""Entities and observations as SensorThings clients read them, and that a stranger sees none of it."""

import pytest

from fengsui.sense.devices.models import Location, MultiDatastream, ObservedProperty, Sensor, Thing
from fengsui.show.sta import reading
from tests.show.sta.conftest import COUNT, T0
from tests.show.world import HTML

SETS = [
    "Things", "Locations", "HistoricalLocations", "Datastreams", "MultiDatastreams", "Sensors",
    "ObservedProperties", "Observations", "FeaturesOfInterest",
]  # fmt: skip


def test_the_root_names_every_set_and_what_is_met(sta):
    body = sta().get()
    assert [item["name"] for item in body["value"]] == SETS
    assert body["value"][0]["url"] == "http://testserver/sta/v1.1/Things"
    assert (
        "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel" in body["serverSettings"]["conformance"]
    )


def group(world):
    """A MultiDatastream of the plant's P7 alone."""
    of = {"site": world.site, "thing": world.stream.thing, "sensor": world.stream.sensor}
    MultiDatastream.objects.create(name="one", **of).members.create(datastream=world.stream, position=0)


@pytest.mark.parametrize("name", SETS)
def test_every_set_can_be_read_with_its_control_information(sta, world, readings, name):
    world.stream.sensor = Sensor.objects.create(code="pt", name="PT", metadata="x")
    world.stream.save()
    group(world)
    body = sta().get(name, top=1, count="true")
    assert body["@iot.count"] >= 1
    item = body["value"][0]
    assert item["@iot.selfLink"].startswith(f"http://testserver/sta/v1.1/{name}(")
    again = sta().client.get(item["@iot.selfLink"]).json()
    assert again == item
    for key in [key for key in item if key.endswith("@iot.navigationLink")]:
        assert sta().client.get(item[key]).status_code == 200, key


@pytest.mark.parametrize("name", SETS)
def test_a_stranger_sees_nothing_not_even_how_many(sta, world, readings, name):
    assert sta(world.nobody).get(name, count="true") == {"@iot.count": 0, "value": []}
    own = sta(world.stranger).get(name, count="true", top=500)
    theirs = sta(world.officer).get(name, count="true", top=500)
    shared = {"ObservedProperties", "Sensors"}
    if name not in shared:
        assert not {i["@iot.id"] for i in own["value"]} & {i["@iot.id"] for i in theirs["value"]}
    ask = open_nobody(sta, world)
    assert ask(name) == 401


def open_nobody(sta, world):
    from django.test import Client

    return lambda path: Client().get(f"/sta/v1.1/{path}").status_code


def test_rows_out_of_sight_are_not_found_by_any_way(sta, world, readings):
    stream, _, other = readings
    asks = sta(world.stranger)
    for path in (
        f"Datastreams({stream.pk})", f"Things({stream.thing_id})", f"Datastreams({stream.pk})/Thing",
        f"Observations('{stream.pk}:{T0}')", f"Datastreams({stream.pk})/Observations",
    ):  # fmt: skip
        assert asks.ask(path)[0] == 404, path
    assert asks.get("Datastreams", filter="name eq '反应器压力'")["value"] == []
    pk = ObservedProperty.objects.get().pk
    assert [d["@iot.id"] for d in asks.get(f"ObservedProperties({pk})/Datastreams")["value"]] == [other.pk]
    expanded = asks.get("ObservedProperties", expand="Datastreams")["value"][0]["Datastreams"]
    assert [d["@iot.id"] for d in expanded] == [other.pk]
    assert asks.get("ObservedProperties", filter="Datastreams/name eq '反应器压力'")["value"] == []
    assert (
        asks.get("Observations", filter=f"Datastream/@iot.id eq {stream.pk}", count="true")["@iot.count"] == 0
    )


def test_properties_their_values_and_references(sta, world):
    thing = world.site.things.get()
    thing.properties = {"made": {"by": "acme"}, "year": 2019}
    thing.save()
    ask = sta().get
    assert ask(f"Things({thing.pk})/name") == {"name": "装置"}
    assert ask(f"Things({thing.pk})/name/$value") == "装置"
    assert ask(f"Things({thing.pk})/properties/made/by") == {"by": "acme"}
    assert ask(f"Things({thing.pk})/properties/made/by/$value") == "acme"
    assert sta().ask(f"Things({thing.pk})/nothing")[0] == 404
    refs = ask(f"Things({thing.pk})/Datastreams/$ref")["value"]
    assert refs == [{"@iot.selfLink": f"http://testserver/sta/v1.1/Datastreams({world.stream.pk})"}]


def test_pages_follow_each_other_by_key_in_any_order(sta, world):
    for i in range(25):
        Thing.objects.create(
            site=world.site, code=f"T{i}", name=f"n{i % 7}", properties={"i": i} if i % 3 else {}
        )
    for order in ("", "name asc", "name desc,@iot.id desc", "properties/i desc", "length(name),properties/i"):
        options = {"top": 4} | ({"orderby": order} if order else {})
        found = [item["@iot.id"] for item in sta().follow("Things", **options)]
        assert len(found) == len(set(found)) == 26, order
        whole = [item["@iot.id"] for item in sta().get("Things", **(options | {"top": 100}))["value"]]
        assert found == whole, order
    assert len(sta().get("Things", top=2, skip=25)["value"]) == 1


def test_select_gives_what_is_named_and_nothing_else(sta, world):
    item = sta().get("Things", select="name,Datastreams")["value"][0]
    assert set(item) == {"name", "Datastreams@iot.navigationLink"}
    assert set(sta().get("Things", select="id,name")["value"][0]) == {"@iot.id", "name"}
    status, body = sta().ask("Things", select="colour")
    assert (status, body["code"]) == (400, "show.sta_bad_query")
    assert "colour" in body["message"]


def test_expansions_nest_and_carry_their_own_options(sta, world, readings):
    p8 = readings[1]
    body = sta().get(
        "Things",
        expand="Datastreams($select=name;$orderby=name desc;$top=1;$count=true;"
        "$expand=Observations($top=2;$orderby=phenomenonTime desc;$select=result),ObservedProperty),Locations",
    )
    thing = body["value"][0]
    assert thing["Datastreams@iot.count"] == 2
    assert "Datastreams@iot.nextLink" in thing
    (shown,) = thing["Datastreams"]
    assert shown["name"] == "反应器压力"
    assert shown["ObservedProperty"]["name"] == "压力"
    assert [o["result"] for o in shown["Observations"]] == [COUNT - 1, COUNT - 2]
    assert thing["Locations"][0]["location"] == {"type": "Point", "coordinates": [111.29, 30.69]}
    further = sta().client.get(thing["Datastreams@iot.nextLink"]).json()
    assert [d["name"] for d in further["value"]] == ["P8"]
    chained = sta().get(f"Observations('{p8.pk}:{T0}')", expand="Datastream/Thing,FeatureOfInterest")
    assert chained["Datastream"]["Thing"]["name"] == "装置"
    assert chained["FeatureOfInterest"]["feature"]["type"] == "Point"


def test_what_an_expansion_may_cost_is_bounded(sta, world, readings, monkeypatch):
    monkeypatch.setattr(reading, "EXPANDED_MOST", 300)
    deep = "Datastreams"
    for name in ("Thing", "Datastreams") * 3:
        deep = f"{name}($expand={deep})"
    assert sta().ask("Datastreams", expand=deep)[0] == 400
    status, body = sta().ask("Datastreams", expand="Observations($top=1000)")
    assert status == 400
    assert "$expand" in body["message"]


def test_observations_by_time_and_result(sta, readings):
    stream = readings[0]
    base = f"Datastreams({stream.pk})/Observations"
    first = sta().get(base, top=2)
    assert [o["result"] for o in first["value"]] == [0, 1]
    assert first["value"][0]["@iot.id"] == f"{stream.pk}:{T0}"
    assert first["value"][0]["phenomenonTime"] == "2023-11-14T00:00:00Z"
    newest = sta().get(base, top=1, orderby="phenomenonTime desc")["value"][0]
    assert newest["result"] == COUNT - 1
    body = sta().get(base, filter="result gt 10 and result lt 20", count="true")
    assert body["@iot.count"] == 9
    body = sta().get(
        base, filter="phenomenonTime ge 2023-11-14T00:10:00Z and phenomenonTime lt 2023-11-14T00:10:03Z"
    )
    assert [o["result"] for o in body["value"]] == [600, 601, 602]
    assert [o["result"] for o in sta().get(base, orderby="result desc", top=2)["value"]] == [3599, 3598]
    both = sta().get("Observations", filter="result eq 5 or result eq -5", orderby="phenomenonTime")
    assert [o["result"] for o in both["value"]] == [5, -5]
    mine = sta().get("Observations", filter="Datastream/name eq 'P8' and second(phenomenonTime) eq 7", top=1)
    assert mine["value"][0]["result"] == -7
    assert sta().get("Observations", count="true", top=0)["@iot.count"] == 2 * COUNT


def test_observations_page_by_key_and_come_each_once(sta, readings):
    for order in ("phenomenonTime asc", "phenomenonTime desc", "result desc"):
        items = sta().follow("Observations", filter="minute(phenomenonTime) lt 2", orderby=order, top=37)
        ids = [o["@iot.id"] for o in items]
        assert len(ids) == len(set(ids)) == 240, order
        results = [o["result"] for o in items]
        if order == "result desc":
            assert results == sorted(results, reverse=True)


def test_a_datastream_says_its_span_and_its_unit(sta, readings):
    stream = readings[0]
    body = sta().get(f"Datastreams({stream.pk})")
    assert body["phenomenonTime"] == "2023-11-14T00:00:00Z/2023-11-14T00:59:59Z"
    assert body["unitOfMeasurement"] == {"name": "kPa", "symbol": "kPa", "definition": "urn:fengsui:unit:kPa"}
    assert body["observationType"].endswith("/OM_Measurement")


def test_observations_as_columns(sta, readings):
    stream, p8 = readings[:2]
    body = sta().get(
        "Observations", resultFormat="dataArray", top=4, filter="result ge 3598 or result le -3598"
    )
    groups = {g["Datastream@iot.navigationLink"]: g for g in body["value"]}
    mine = groups[f"http://testserver/sta/v1.1/Datastreams({stream.pk})"]
    assert mine["components"] == ["id", "phenomenonTime", "resultTime", "result"]
    assert mine["dataArray@iot.count"] == 2
    assert [row[3] for row in mine["dataArray"]] == [3598, 3599]
    short = sta().get(
        f"Datastreams({p8.pk})/Observations", resultFormat="dataArray", select="result,phenomenonTime", top=2
    )
    assert short["value"][0]["components"] == ["result", "phenomenonTime"]
    assert short["value"][0]["dataArray"][1] == [-1, "2023-11-14T00:00:01Z"]
    page = sta().client.get(short["@iot.nextLink"]).json()
    assert page["value"][0]["dataArray"][0][0] == -2


def test_names_that_look_like_markup_or_sql_stay_text(sta, world):
    name = "x'; DROP TABLE devices_thing; --"
    Thing.objects.create(site=world.site, code="X1", name=HTML)
    Thing.objects.create(site=world.site, code="X2", name=name)
    assert sta().names("Things", filter=f"name eq '{HTML}'") == [HTML]
    assert sta().names("Things", filter="name eq 'x''; DROP TABLE devices_thing; --'") == [name]
    assert sta().names("Things", filter="startswith(name,'x''')") == [name]
    answer = sta().client.get("/sta/v1.1/Things")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert Location.objects.count() == 2
    for hostile in ("Things(1)/..", "Things(1 or 1=1)", "Things('1')%00", "Things(99999999999999999999)"):
        assert sta().ask(hostile)[0] in (400, 404), hostile
    for text in ("name eq '\0'", "name eq 'a' or", "name eq", "f(", "name eq 1e999", "()", "name ?? 3"):
        assert sta().ask("Things", filter=text)[0] == 400, text


def test_options_are_applied_in_the_order_of_the_standard(sta, world):
    """Filter, count, order, skip, top, then expand and select: 18-088, 9.3.1."""
    for i in range(10):
        Thing.objects.create(site=world.site, code=f"O{i}", name=f"o{i}")
    body = sta().get(
        "Things", top=2, skip=3, count="true", orderby="name desc", filter="startswith(name,'o') and name ne 'o9'",
        select="name", expand="Locations($select=name;$count=true)",
    )  # fmt: skip
    assert body["@iot.count"] == 9
    assert [one["name"] for one in body["value"]] == ["o5", "o4"]
    assert body["value"][0]["Locations"] == [{"name": "东山化工厂"}]
    assert body["value"][0]["Locations@iot.count"] == 1
    assert [one["name"] for one in sta().client.get(body["@iot.nextLink"]).json()["value"]] == ["o3", "o2"]
