"""``$filter`` of entities: every operator and function of OGC 18-088, tables 22 to 25, against rows that are there."""

import datetime as dt

import pytest

from fengsui.sense.devices.models import HistoricalLocation, Location, Thing

AT = dt.datetime(2024, 2, 29, 13, 45, 30, 250_000, tzinfo=dt.UTC)


@pytest.fixture
def things(world):
    """Three things beside the one of the world: alpha, Beta, gamma, with properties and places of their own."""
    made = []
    places = [(111.0, 30.0), (112.0, 31.0), (113.0, 32.0)]
    for i, (name, place) in enumerate(zip(("alpha", "Beta ", "gamma"), places, strict=True)):
        thing = Thing.objects.create(
            site=world.site, code=f"X{i}", name=name, description=f"{name.strip()}, number {i}",
            properties={"n": i, "tag": f"t{i}", "deep": {"list": [i, "x"]}, "on": i == 1},
        )  # fmt: skip
        x, y = place
        location = Location.objects.create(
            site=world.site, name=f"L{i}", location={"type": "Point", "coordinates": [x, y]}, west=x, east=x, south=y,
            north=y,
        )  # fmt: skip
        thing.locations.set([location])
        thing.historical_locations.all().delete()
        HistoricalLocation.objects.create(thing=thing, time=AT + dt.timedelta(days=i)).locations.set(
            [location]
        )
        made.append(thing)
    return made


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # comparison and logic
        ("name eq 'alpha'", "a"), ("name ne 'alpha' and properties/n ge 0", "bg"), ("properties/n gt 0", "bg"),
        ("properties/n ge 1 and properties/n lt 2", "b"), ("properties/n le 0", "a"),
        ("properties/n eq 0 or name eq 'gamma'", "ag"), ("not (properties/n gt 0) and properties/n ne null", "a"),
        ("properties/on eq true", "b"), ("properties/on", "b"),
        ("properties/missing eq null and properties/n ge 0", "abg"),
        ("properties/deep/list/1 eq 'x' and properties/n eq 2", "g"), ("properties/tag eq 't1'", "b"),
        ("properties/tag gt 3", ""), ("null eq properties/n", "w"),
        # arithmetic
        ("properties/n add 1 eq 2", "b"), ("properties/n sub 1 eq 1", "g"), ("properties/n mul 2 eq 4", "g"),
        ("properties/n div 2 eq 0.5", "b"), ("properties/n mod 2 eq 1", "b"), ("-properties/n eq -2", "g"),
        ("1 div properties/n gt 0.9", "b"), ("(properties/n add 1) mul 2 eq 6", "g"),
        # strings
        ("substringof('amm',name)", "g"), ("contains(name,'lph')", "a"), ("startswith(name,'al')", "a"),
        ("endswith(name,'mma')", "g"), ("length(trim(name)) eq 4", "b"), ("indexof(name,'m') eq 2", "g"),
        ("substring(name,1) eq 'lpha'", "a"), ("substring(name,1,2) eq 'am'", "g"), ("tolower(name) eq 'beta '", "b"),
        ("toupper(name) eq 'GAMMA'", "g"), ("concat(name,description) eq 'alphaalpha, number 0'", "a"),
        # numbers
        ("round(properties/n div 2.5) eq 1", "g"), ("floor(properties/n div 2) eq 1", "g"),
        ("ceiling(properties/n div 2) eq 1", "bg"),
        # relations
        ("Locations/name eq 'L1'", "b"), ("HistoricalLocations/time eq 2024-02-29T13:45:30.250Z", "a"),
        ("Datastreams/name eq '反应器压力'", "w"), ("not (Locations/name eq 'L1') and properties/n ge 0", "ag"),
        ("Locations/name eq 'L1' or HistoricalLocations/time lt 2024-03-01T00:00:00Z", "ab"),
        ("startswith(Locations/name,'L') and endswith(Locations/name,'2')", "g"),
        ("Datastreams/ObservedProperty/name eq '压力' and Datastreams/unitOfMeasurement/symbol eq 'kPa'", "w"),
        # places
        ("st_within(Locations/location,geography'POLYGON ((110 29, 112.5 29, 112.5 31.5, 110 31.5, 110 29))')", "abw"),
        ("geo.distance(Locations/location,geography'POINT (111 30)') lt 0.5 and properties/n ge 0", "a"),
        ("2 lt geo.distance(Locations/location,geography'POINT (111 30)') and properties/n ge 0", "g"),
        ("geo.intersects(Locations/location,geography'LINESTRING (112 30, 112 32)')", "b"),
        ("st_equals(Locations/location,geography'POINT (113 32)')", "g"),
        ("st_contains(geography'POLYGON ((112 31.5, 114 31.5, 114 33, 112 33, 112 31.5))',Locations/location)", "g"),
        ("st_disjoint(Locations/location,geography'POINT (111 30)') and properties/n ge 0", "bg"),
        ("st_intersects(Locations/location,geography'POINT (111 30)')", "a"),
        ("st_touches(Locations/location,geography'LINESTRING (111 30, 111 40)')", "a"),
        ("st_overlaps(Locations/location,geography'POINT (111 30)')", ""),
        ("st_crosses(Locations/location,geography'POINT (111 30)')", ""),
        ("st_relate(Locations/location,geography'POINT (111 30)','0FFFFFFF2')", "a"),
        ("geo.length(Locations/location) eq 0 and properties/n eq 1", "b"),
    ],
)  # fmt: skip
def test_a_condition_finds_what_it_says(sta, things, text, names):
    letters = {"alpha": "a", "Beta ": "b", "gamma": "g", "装置": "w"}
    found = sta().get("Things", filter=text, orderby="@iot.id", top=100)["value"]
    assert "".join(sorted(letters[one["name"]] for one in found)) == "".join(sorted(names))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("year(time) eq 2024 and month(time) eq 2 and day(time) eq 29", [0]),
        ("hour(time) eq 13 and minute(time) eq 45", [0, 1, 2]),
        ("second(time) eq 30 and fractionalseconds(time) eq 0.25", [0, 1, 2]), ("date(time) eq 2024-03-01", [1]),
        ("time(time) gt 13:45:30", [0, 1, 2]), ("totaloffsetminutes(time) eq 0 and day(time) eq 2", [2]),
        ("time lt now() and time gt mindatetime() and time lt maxdatetime() and day(time) eq 1", [1]),
        ("time gt 2024-02-29T21:45:30+08:00 and time lt 2024-02-29T21:45:31+08:00", [0]),
        ("time add duration'P1D' gt 2024-03-02T00:00:00Z and time lt 2024-03-02T00:00:00Z", [1]),
        ("time sub duration'PT13H45M30S' lt 2024-02-29T00:00:01Z", [0]),
        ("now() sub time gt duration'P1D' and day(time) eq 29", [0]),
        ("Thing/properties/n eq 2", [2]), ("Thing/Locations/name eq 'L0'", [0]),
        ("st_within(Locations/location,geography'POLYGON ((112.5 31, 114 31, 114 33, 112.5 33, 112.5 31))')", [2]),
    ],
)  # fmt: skip
def test_instants_and_their_parts(sta, things, text, days):
    found = sta().get(
        "HistoricalLocations", filter=f"({text}) and time lt 2025-01-01T00:00:00Z", orderby="time"
    )["value"]
    assert [one["time"][:10] for one in found] == [str((AT + dt.timedelta(days=d)).date()) for d in days]


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("Things", "colour eq 'x'", 400), ("Things", "name add 1 eq 2", 400), ("Things", "name gt 3", 400),
        ("Things", "name", 400), ("Things", "year(name) eq 1", 400), ("Things", "Datastreams eq 1", 501),
        ("Things", "Datastreams/Observations/result gt 1", 501),
        ("Things", "st_within(name,geography'POINT (1 2)')", 400),
        ("Things", "geo.distance(Locations/location,geography'POINT (1 2)') add 1 gt 2", 501),
        ("Things", "name eq null and null gt 1", 400), ("Things", "properties gt geography'POINT (1 2)'", 400),
        ("Datastreams", "phenomenonTime gt 2020-01-01T00:00:00Z", 501), ("Datastreams", "Thing eq 1", 400),
        ("Datastreams", "unitOfMeasurement/colour eq 'x'", 400), ("Observations", "result eq 'x'", 501),
        ("Observations", "parameters/x eq 1", 501), ("Observations", "colour eq 1", 400),
        ("Observations", "result gt 1 or Datastream/name eq 'x'", 501), ("Observations", "result", 400),
        ("Observations", "st_within(FeatureOfInterest/feature,geography'POINT (1 2)') or result eq 1", 501),
        ("Things", "Locations/name eq Datastreams/name", 501), ("Things", "9" * 400 + " mul 9 gt 1", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_by_name(sta, world, path, text, status):
    got, body = sta().ask(path, filter=text)
    assert got == status, body
    assert body["code"] == {400: "show.sta_bad_query", 501: "show.sta_not_answered"}[status]
    assert len(body["message"]) > 10


def test_observations_by_what_they_are_of(sta, world, readings):
    stream = readings[0]
    near = (
        "st_within(FeatureOfInterest/feature,geography'POLYGON ((111 30, 112 30, 112 31, 111 31, 111 30))')"
    )
    assert (
        sta()
        .get("Observations", filter=f"{near} and result eq 7")["value"][0]["@iot.id"]
        .startswith(f"{stream.pk}:")
    )
    far = near.replace("111 ", "100 ").replace("112 ", "101 ")
    assert sta().get("Observations", filter=far, count="true")["@iot.count"] == 0
    feature = sta().get("FeaturesOfInterest", filter="name eq '东山化工厂'")["value"][0]["@iot.id"]
    assert sta().get(f"FeaturesOfInterest({feature})/Observations", count="true", top=1)["@iot.count"] == 7200
    own = "fractionalseconds(phenomenonTime) eq 0 and date(phenomenonTime) eq 2023-11-14 and abs(result) lt 1"
    assert sta().ask("Observations", filter=own)[0] == 400
    some = "round(result div 1000) eq 2 and hour(phenomenonTime) eq 0 and result mod 500 eq 0"
    some += " and substring(@iot.id,0,1) ne 'x'"
    assert [o["result"] for o in sta().get("Observations", filter=some)["value"]] == [1500, 2000]
    good = "resultQuality/quality eq 'good' and result eq 3"
    assert [o["result"] for o in sta().get("Observations", filter=good)["value"]] == [3]
