"""Moving units, their way and their fences on the portal and in the API: who sees them, and what is refused."""

import json
import time

import msgspec
import numpy as np
import pytest
from django.forms import model_to_dict

from fengsui.people.audit.models import Entry
from fengsui.people.orgs.access import MAY
from fengsui.people.orgs.models import Role
from fengsui.sense.devices.models import Datastream
from fengsui.sense.moving import services
from fengsui.sense.moving.models import Unit
from fengsui.show.lists import readings
from fengsui.show.lists import units as lists
from fengsui.show.live.hub import NotConnected
from fengsui.show.sta import posting
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms.models import Rule
from fengsui.warn.fences import services as fences
from fengsui.warn.fences.models import Fence, FenceRule, Watch
from tests.show.world import HTML

LON, LAT = 111.29, 30.69
POLYGON = {
    "type": "Polygon",
    "coordinates": [[[LON, LAT], [LON + 0.01, LAT], [LON + 0.01, LAT + 0.01], [LON, LAT]]],
}
NOW = 1_790_000_000_000


class Pipelines:
    """The roles ``pipeline`` as the portal meets them: the newest positions, and nothing uncommitted."""

    def __init__(self):
        self.positions = []

    def ask(self, subject, payload, timeout_s=0.5):
        if not subject.startswith("units."):
            raise NotConnected
        names = ("unit", "time_ms", "lon", "lat", "kmh", "deg")
        kinds = ("<i8", "<i8", "<f8", "<f8", "<f4", "<f4")
        columns = list(zip(*self.positions, strict=True)) or [()] * 6
        return msgspec.msgpack.encode(
            {n: np.array(c, k).tobytes() for n, k, c in zip(names, kinds, columns, strict=True)}
        )


@pytest.fixture
def pipelines(monkeypatch):
    made = Pipelines()
    monkeypatch.setattr(lists, "hub", lambda: made)
    monkeypatch.setattr(readings, "hub", lambda: made)
    return made


@pytest.fixture
def truck(world, pipelines):
    unit, made = services.keep_unit(
        None, site=world.site, code="truck-1", name=f"鄂E1{HTML}", name_en="Truck 1", terminal="17400000001"
    )
    assert made
    pipelines.positions = [(unit.pk, int(time.time() * 1000), LON, LAT, 40.0, 90.0)]
    return unit


@pytest.fixture
def bus(monkeypatch):
    """What goes to the bus: the batches, as they were submitted."""
    taken = []
    posting.use(taken.extend)
    yield taken
    posting.use(None)


@pytest.fixture
def fence(world):
    return fences.create_fence(None, world.yichang, {"name": f"园区{HTML}", "geometry": POLYGON})


# ---- seeing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", Role.values)
def test_pages_open_for_who_may_see_and_show_no_markup(world, truck, fence, open_as, name, language):
    fences.create_rule(None, "enter", {}, fence=fence)
    client = open_as(world.users[name], language)
    pages = {
        "/units/": "unit.view", "/units/?q=truck&kind=vehicle&site=tep-1": "unit.view",
        f"/units/{truck.pk}/": "unit.view",
        "/fences/": "rule.view", f"/fences/{fence.pk}/": "rule.view", "/fences/new/": "fence.edit",
    }  # fmt: skip
    for page, action in pages.items():
        response = client.get(page)
        assert response.status_code == (200 if name in MAY[action] else 403), page
        html = response.content.decode()
        assert "<script>alert" not in html
        assert "style=" not in html
    assert client.get("/here/").status_code == 200
    shown = client.get("/sites/").content.decode()
    assert ("/units/" in shown) == (name in MAY["unit.view"])


def test_a_stranger_finds_no_unit_no_way_and_no_fence(world, truck, fence, bus, open_as):
    rule = fences.create_rule(None, "enter", {}, fence=fence)
    client = open_as(world.stranger)
    for page in ("/units/", "/fences/"):
        shown = client.get(page).content.decode()
        assert "鄂E1" not in shown
        assert "园区" not in shown
    for page in (
        f"/units/{truck.pk}/", f"/fences/{fence.pk}/", f"/api/v1/units/{truck.pk}", f"/api/v1/units/{truck.pk}/track",
        f"/api/v1/units/{truck.pk}/track?format=gpx",
    ):  # fmt: skip
        assert client.get(page).status_code == 404, page
    assert client.get("/api/v1/units").json()["items"] == []
    assert client.get("/api/v1/units/map").json()["ids"] == []
    assert client.get("/api/v1/fences").json()["features"] == []
    steward = world.user("data_steward", world.jingzhou, "far")
    far = open_as(steward)
    told = _post(far, "units/positions", {"positions": [_row()]})
    assert (told.json()["accepted"], told.json()["refused"], bus) == (0, 1, [])
    assert far.post(f"/fences/{fence.pk}/rules/new/", {"what": "enter", "priority": "1"}).status_code == 404
    assert far.post(f"/fences/rules/{rule.pk}/withdraw/").status_code == 404
    assert FenceRule.objects.get().withdrawn_at is None


def test_a_viewer_sees_no_unit_in_the_api(world, truck, open_as):
    client = open_as(world.users["viewer"])
    assert client.get("/api/v1/units").json()["items"] == []
    assert client.get("/api/v1/units/map").json()["ids"] == []
    assert client.get(f"/api/v1/units/{truck.pk}").status_code == 404


def test_units_on_the_map_come_in_columns_with_place_age_and_level(world, truck, pipelines, open_as):
    quiet, _ = services.keep_unit(None, site=world.site, code="quiet", name="安静")
    world.alarm(truck.longitude, priority=2, rule=None)
    found = open_as(world.officer).get("/api/v1/units/map").json()
    assert found["ids"] == [truck.pk, quiet.pk]
    assert (found["lon"], found["lat"], found["kmh"]) == ([LON, None], [LAT, None], [40.0, None])
    assert found["priority"] == [2, None]
    assert truck.longitude_id in found["streams"][0]
    [one] = open_as(world.officer).get("/api/v1/units?q=truck").json()["items"]
    assert (one["freshness"], one["deg"], one["site"]["code"]) == ("live", 90.0, "tep-1")
    pipelines.positions = [(truck.pk, NOW - 86_400_000, LON, LAT, float("nan"), float("nan"))]
    [old] = open_as(world.officer).get("/api/v1/units?q=truck").json()["items"]
    assert (old["freshness"], old["kmh"]) == ("stale", None), "stale is never shown as live"


def test_the_list_pages_and_searches(world, pipelines, open_as):
    for n in range(60):
        services.keep_unit(None, site=world.site, code=f"u-{n:03d}", name=f"车 {n}", terminal=f"1740{n:03d}")
    client = open_as(world.officer)
    first = client.get("/units/").content.decode()
    assert first.count('scope="row"><a href="/units/') == 50
    assert "cursor=" in first
    assert client.get("/units/?q=1740059").content.decode().count('scope="row"><a href="/units/') == 1
    assert client.get("/api/v1/units?size=7").json()["next"]


# ---- the way -----------------------------------------------------------------------------------------------------


@pytest.fixture
def driven(truck, monkeypatch):
    """Two hours of positions in the history: east, a stop of ten minutes, north, and an hour of silence in between."""
    import pyarrow as pa

    from fengsui.stores import history
    from fengsui.stores.history.rows import SCHEMA

    time_ms = NOW + 1000 * np.concatenate([np.arange(1_800), 5_400 + np.arange(600)])
    lon = LON + np.concatenate([np.arange(1_200) * 1e-5, np.full(600, 0.012), np.full(600, 0.012)])
    lat = LAT + np.concatenate([np.zeros(1_800), np.arange(600) * 1e-5])
    kmh = np.full(len(time_ms), 36.0)
    parts = [
        (truck.longitude_id, lon), (truck.latitude_id, lat), (truck.speed_id, kmh),
    ]  # fmt: skip
    table = pa.concat_tables(
        pa.table(
            {
                "datastream": pa.array(np.full(len(time_ms), pk), pa.int32()),
                "time": pa.array(time_ms, SCHEMA.field("time").type),
                "value": pa.array(values),
                "quality": pa.array(np.zeros(len(time_ms)), pa.uint8()),
                "reason": pa.array(np.zeros(len(time_ms)), pa.uint8()),
                "source": pa.array(["x"] * len(time_ms)).dictionary_encode(),
                "received": pa.array(time_ms, SCHEMA.field("received").type),
            }
        )
        for pk, values in sorted(parts)
    )

    def query(ids, from_ms, to_ms, recent=None):
        time = table["time"].cast("int64").to_numpy()
        return table.filter(pa.array((time >= from_ms) & (time < to_ms)))

    monkeypatch.setattr(history, "query", query)
    return truck


def test_a_track_is_drawn_with_fewer_points_its_stops_and_its_gap(world, driven, open_as):
    client = open_as(world.officer)
    span = f"from={NOW}&to={NOW + 7_200_000}"
    found = client.get(f"/api/v1/units/{driven.pk}/track?{span}&points=20").json()
    way, *stops = found["features"]
    assert way["geometry"]["type"] == "MultiLineString"
    assert len(way["geometry"]["coordinates"]) == 2, "nobody knows where it was in the gap"
    assert found["positions"] == 2_400
    assert found["points"] <= 20
    assert [len(t) for t in way["properties"]["times"]] == [
        len(line) for line in way["geometry"]["coordinates"]
    ]
    assert found["length_m"] == pytest.approx(1148 + 666, abs=10)
    assert stops[0]["properties"]["to_ms"] - stops[0]["properties"]["from_ms"] >= 600_000
    assert found["fresh"] is False, "no pipeline answered"


def test_a_track_is_downloaded_whole_as_csv_and_gpx(world, driven, open_as):
    import xml.etree.ElementTree as ElementTree

    client = open_as(world.officer)
    span = f"from={NOW}&to={NOW + 7_200_000}"
    rows = client.get(f"/api/v1/units/{driven.pk}/track?{span}&format=csv")
    assert rows["Content-Disposition"].startswith("attachment")
    lines = rows.content.decode().splitlines()
    assert len(lines) == 2_401
    assert lines[1].split(",")[1:4] == [f"{LON:.6f}", f"{LAT:.6f}", "36.0"]
    gpx = ElementTree.fromstring(client.get(f"/api/v1/units/{driven.pk}/track?{span}&format=gpx").content)
    assert [len(segment) for segment in gpx[0][1:]] == [1_800, 600]
    assert HTML in gpx[0][0].text, "a name is text"


@pytest.mark.parametrize("span", ["from=0&to=1790000000000", "from=x", "from=2&to=1"])
def test_a_span_that_makes_no_sense_is_refused(world, truck, open_as, span):
    assert open_as(world.officer).get(f"/api/v1/units/{truck.pk}/track?{span}").status_code == 422


def test_nothing_known_is_an_empty_way(world, truck, open_as):
    found = open_as(world.officer).get(f"/api/v1/units/{truck.pk}/track").json()
    assert (found["positions"], found["features"][0]["geometry"]["coordinates"]) == (0, [])


# ---- positions in ------------------------------------------------------------------------------------------------


def _row(**more):
    return {"terminal": "17400000001", "time": NOW, "lon": LON, "lat": LAT, "speed": 36, **more}


def _post(client, path, body, **more):
    return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", **more)


def test_rows_of_terminals_become_readings_and_bad_rows_are_named(world, truck, bus, open_as):
    rows = [
        _row(), _row(time="2026-09-21T22:13:21+08:00", course=359), _row(terminal="?"), _row(lat=91), _row(time="soon"),
        _row(time=NOW + 2000, accuracy=5000), _row(course=400), _row(speed="x"), {"terminal": "17400000001"},
    ]  # fmt: skip
    told = _post(open_as(world.users["data_steward"]), "units/positions", {"positions": rows}).json()
    assert (told["rows"], told["accepted"], told["refused"]) == (9, 2, 7)
    assert [bad["row"] for bad in told["bad"]] == [3, 4, 5, 6, 7, 8, 9]
    assert all(bad["why"] for bad in told["bad"])
    [batch] = bus
    assert batch.site == world.site.pk
    assert len(batch) == 7
    values = dict(zip(batch.datastream.tolist(), batch.value.tolist(), strict=False))
    assert values[truck.longitude_id] == LON
    assert (np.diff(batch.time_ms) >= 0).all()


def test_the_same_as_csv(world, truck, bus, open_as):
    client = open_as(world.users["data_steward"])
    body = f"Terminal,time,lon,lat,speed\n17400000001,{NOW},{LON},{LAT},\n17400000001,{NOW + 1000},x,{LAT},\n"
    told = client.post(
        "/api/v1/units/positions.csv", body.encode("utf-8-sig"), content_type="text/csv"
    ).json()
    assert (told["accepted"], told["refused"], told["bad"][0]["row"]) == (1, 1, 2)
    assert len(bus[0]) == 2
    bad = client.post("/api/v1/units/positions.csv", b"a,b\n1,2\n", content_type="text/csv")
    assert (bad.status_code, bad.json()["code"]) == (422, "sense.bad_positions")


def test_what_the_door_refuses_is_told_of_its_row(world, truck, open_as):
    def refuse(batches):
        batches[0].reason[batches[0].time_ms == NOW] = 7

    posting.use(refuse)
    try:
        rows = {"positions": [_row(), _row(time=NOW + 1000)]}
        told = _post(open_as(world.users["data_steward"]), "units/positions", rows).json()
    finally:
        posting.use(None)
    assert (told["accepted"], told["refused"], told["bad"][0]["row"]) == (1, 1, 1)


@pytest.mark.parametrize("name", Role.values)
def test_rows_are_taken_from_who_may_edit_units(world, truck, bus, open_as, name):
    told = _post(open_as(world.users[name]), "units/positions", {"positions": [_row()]})
    assert told.status_code == (200 if name in MAY["unit.edit"] else 403)
    assert bool(bus) == (name in MAY["unit.edit"])


# ---- a phone -----------------------------------------------------------------------------------------------------

HERE = {
    "time_ms": [NOW, NOW + 1000],
    "lon": [LON, LON],
    "lat": [LAT, LAT],
    "kmh": [3.6, None],
    "accuracy_m": [8, 9],
}


@pytest.fixture
def phone(world, pipelines):
    unit, _ = services.keep_unit(
        None, site=world.site, code="li", name="现场人员", kind="person", user=world.officer, streams={}
    )
    return unit


def test_nothing_of_a_phone_is_taken_before_its_owner_agrees_nor_after_they_stop(world, phone, bus, open_as):
    client = open_as(world.officer)
    assert client.get("/api/v1/here").json()["shared_at_ms"] is None
    assert _post(client, "here", HERE).status_code == 403
    assert _post(client, "here/share", {}).json()["shared_at_ms"]
    told = _post(client, "here", HERE).json()
    assert (told["accepted"], told["refused"]) == (2, 0)
    assert set(bus[0].datastream.tolist()) == {phone.longitude_id, phone.latitude_id, phone.speed_id}
    assert bus[0].source == "phone:li"
    assert _post(client, "here/stop", {}).json()["shared_at_ms"] is None
    assert _post(client, "here", HERE).status_code == 403
    assert len(bus) == 1
    kept = Entry.objects.filter(action__startswith="unit.sharing").order_by("pk")
    actions = list(kept.values_list("action", flat=True))
    assert actions == ["unit.sharing_began", "unit.sharing_ended"]


def test_who_has_no_unit_is_told_what_to_do(world, phone, bus, open_as):
    client = open_as(world.stranger)
    for path in ("here", "here/share", "here/stop"):
        told = _post(client, path, HERE if path == "here" else {})
        assert (told.status_code, told.json()["code"]) == (422, "sense.bad_unit")
    assert "请您所在组织的数据管理员" in client.get("/here/").content.decode()


def test_a_phone_says_lengths_that_fit(world, phone, bus, open_as):
    client = open_as(world.officer)
    _post(client, "here/share", {})
    for body in ({**HERE, "lon": [LON]}, {"time_ms": [], "lon": [], "lat": []}, {**HERE, "kmh": [1]}):
        assert _post(client, "here", body).status_code == 422
    told = _post(client, "here", {**HERE, "accuracy_m": [8, 3000]}).json()
    assert (told["accepted"], told["refused"]) == (1, 1)


def test_another_user_s_word_is_not_kept_when_a_phone_changes_hands(world, phone):
    services.share(world.officer)
    services.keep_unit(
        None, site=world.site, code="li", name="现场人员", kind="person", user=world.users["commander"]
    )
    assert Unit.objects.get(pk=phone.pk).shared_at is None


# ---- fences ------------------------------------------------------------------------------------------------------


def test_a_rule_of_a_fence_is_a_rule_for_each_unit_and_follows_them(world, truck, fence):
    from fengsui.run import handlers

    rule = fences.create_rule(None, "enter", {"priority": 1}, fence=fence)
    [watch] = Watch.objects.all()
    assert (watch.rule.kind, watch.rule.setpoint, watch.rule.deadband, watch.rule.priority) == ("h", 0, 20, 1)
    assert watch.datastream.thing == truck.thing
    assert "进入" in watch.datastream.name
    second, _ = services.keep_unit(None, site=world.site, code="truck-2", name="鄂E2")
    services.keep_unit(None, site=world.other_site, code="far", name="鄂D1")
    for event in Event.objects.filter(topic="unit.changed"):
        handlers.unit_changed(None, event.payload)
        handlers.unit_changed(None, event.payload)  # an event may be handled again
    assert set(Watch.objects.values_list("unit", flat=True)) == {truck.pk, second.pk}, (
        "and nobody of another city"
    )
    fences.edit_rule(None, rule, {"deadband": 50.0})
    assert set(Rule.objects.filter(kind="h", watch__isnull=False).values_list("deadband", "version")) == {
        (50, 2)
    }
    services.keep_unit(None, site=world.site, code="truck-2", name="鄂E2", is_active=False)
    fences.follow()
    gone = Watch.objects.get(unit=second)
    assert gone.rule.withdrawn_at is not None
    assert not gone.datastream.is_active
    services.keep_unit(None, site=world.site, code="truck-2", name="鄂E2")
    fences.follow()
    again = Watch.objects.get(unit=second)
    assert again.is_active
    assert again.datastream_id == gone.datastream_id, "its curve goes on"
    assert again.rule_id != gone.rule_id
    fences.withdraw_rule(None, rule)
    assert not Rule.objects.filter(watch__isnull=False, withdrawn_at=None).exists()
    assert not Datastream.objects.filter(code__startswith="fence-", is_active=True).exists()


def test_what_changed_without_a_word_is_followed_in_time(world, truck, fence):
    from fengsui.run import jobs

    fences.create_rule(None, "enter", {}, fence=fence)
    Unit.objects.update(is_active=False)
    jobs.follow_fences(0)
    assert not Watch.objects.get().is_active


def test_a_rule_is_narrowed_to_kinds_and_units(world, truck, fence):
    services.keep_unit(None, site=world.site, code="p", name="人", kind="person")
    other, _ = services.keep_unit(None, site=world.site, code="v", name="车")
    fences.create_rule(None, "leave", {"unit_kinds": ["person"]}, fence=fence)
    assert list(Watch.objects.values_list("unit__thing__code", flat=True)) == ["p"]
    fences.create_rule(None, "dwell", {"limit": 600}, org=world.yichang, units=[other])
    assert list(
        Watch.objects.filter(fence_rule__what="dwell").values_list("unit__thing__code", flat=True)
    ) == ["v"]


def test_the_limit_of_a_road_is_that_of_its_class_and_follows_it(world, truck):
    from fengsui.warn.fences.models import RoadClass

    road = {"type": "LineString", "coordinates": [[LON, LAT], [LON + 0.01, LAT]]}
    values = {"name": "路", "shape": "corridor", "geometry": road, "radius_m": 25}
    fence = fences.create_fence(None, world.yichang, values)
    with pytest.raises(fences.BadFence):
        fences.create_rule(None, "speed", {}, fence=fence)
    fences.edit_fence(None, fence, {"road_class_id": 3})
    fences.create_rule(None, "speed", {}, fence=Fence.objects.get(pk=fence.pk))
    assert Watch.objects.get().rule.setpoint == 50
    RoadClass.objects.filter(pk=3).update(limit_kmh=40)
    fences.follow()
    assert Watch.objects.get().rule.setpoint == 40


def test_silence_is_the_silence_of_a_datastream_and_a_rule_made_by_hand_stays(world, truck):
    fences.create_rule(None, "silent", {"limit": 300}, org=world.yichang)
    watch = Watch.objects.get()
    assert (watch.rule.kind, watch.rule.window_ms, watch.rule.datastream) == (
        "silent",
        300_000,
        truck.longitude,
    )
    assert watch.datastream is None
    second, _ = services.keep_unit(None, site=world.site, code="t2", name="t2")
    by_hand = Rule.objects.create(datastream=second.longitude, kind="silent", window_ms=1000)
    fences.follow()
    assert Watch.objects.count() == 1
    by_hand.refresh_from_db()
    assert by_hand.withdrawn_at is None


def test_what_the_pipeline_reads_of_it(world, truck, fence):
    from fengsui.warn.engine import moving
    from fengsui.warn.fences import loader

    fences.edit_fence(None, fence, {"weekly": [[1, "08:00", "18:00"]]})
    fences.create_rule(None, "enter", {}, fence=fence)
    fences.create_rule(None, "dwell", {"limit": 60}, org=world.yichang)
    found = loader.load()
    assert found.unit.tolist() == [truck.pk]
    assert found.stream.tolist() == [[truck.longitude_id, truck.latitude_id, truck.speed_id, truck.course_id]]
    assert sorted(found.what.tolist()) == [moving.ENTER, moving.DWELL]
    assert sorted(found.fence.tolist()) == [-1, 0]
    assert found.fences[0].hours.minutes.sum() == 600
    assert (found.factor.tolist(), found.org_path) == ([1.0], (world.site.org_path,))
    parts = [loader.load(number, 3) for number in range(3)]
    assert sorted(len(part) for part in parts) == [0, 0, 1]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"geometry": {"type": "Point", "coordinates": [LON, LAT]}}, "Polygon"),
        ({"geometry": "x"}, "Polygon"),
        ({"shape": "circle", "geometry": {"type": "Point", "coordinates": [LON, LAT]}}, "radius"),
        ({"weekly": [[8, "08:00", "09:00"]]}, "Monday"),
        ({"weekly": [[1, "25:00", "09:00"]]}, "Monday"),
        ({"weekly": [[1, "08:00", "08:00"]]}, "begin"),
        ({"name": ""}, "name"),
        ({"road_class_id": 99}, "99"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_fence_that_cannot_be_is_refused_with_words(world, values, words):
    from django.utils import translation

    from fengsui.base.errors import BadInput

    with translation.override("en"), pytest.raises(BadInput, match=words):
        fences.create_fence(None, world.yichang, {"name": "f", "geometry": POLYGON, **values})
    assert not Fence.objects.exists()


def test_fences_are_imported_all_or_none_and_exported_as_they_came(world, fence, open_as):
    client = open_as(world.users["data_steward"])
    features = client.get("/api/v1/fences").json()
    road = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [[LON, LAT], [LON + 0.01, LAT]]},
        "properties": {
            "code": "road-1",
            "name": "疏港路",
            "radius_m": 20,
            "road_class": 2,
            "weekly": [[1, "08:00", "18:00"]],
        },
    }
    bad = {"type": "FeatureCollection", "features": [road, {"type": "Feature", "geometry": None}]}
    _upload(client, bad)
    assert Fence.objects.count() == 1
    _upload(client, {"type": "FeatureCollection", "features": [*features["features"], road]})
    assert set(Fence.objects.values_list("code", flat=True)) == {fence.code, "road-1"}
    assert Fence.objects.get(code="road-1").road_class.number == 2
    _upload(client, client.get("/api/v1/fences").json())
    assert Fence.objects.count() == 2


def _upload(client, collection):
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("f.geojson", json.dumps(collection).encode())
    client.post("/fences/import/", {"file": file, "org": "yichang"})


def test_a_fence_is_drawn_changed_and_given_a_rule_on_its_page(world, truck, open_as):
    client = open_as(world.users["commander"])
    form = {
        "org": world.yichang.pk, "name": "园区", "shape": "polygon", "geometry": json.dumps(POLYGON), "is_active": "on",
        "weekly": "1-5 08:00-18:00\n6 22:00-02:00",
    }  # fmt: skip
    assert client.post("/fences/new/", {**form, "geometry": "{"}).status_code == 422
    assert client.post("/fences/new/", {**form, "weekly": "monday"}).status_code == 422
    assert client.post("/fences/new/", form).status_code == 302
    made = Fence.objects.get()
    assert len(made.weekly) == 6
    assert client.post(f"/fences/{made.pk}/", {**form, "name": "北园区"}).status_code == 302
    rule = {"what": "speed", "limit": "40", "priority": "2", "on_delay": "3"}
    assert client.post(f"/fences/{made.pk}/rules/new/", rule).status_code == 302
    watch = Watch.objects.get()
    assert (watch.rule.setpoint, watch.rule.on_delay_ms, watch.rule.basis) == (40, 3000, "北园区")
    client.post(f"/fences/{made.pk}/rules/new/", {"what": "dwell", "priority": "2"})
    assert FenceRule.objects.count() == 1, "no limit, no rule"
    client.post("/fences/rules/new/", {"what": "dwell", "limit": "900", "priority": "4", "org": "yichang"})
    assert FenceRule.objects.get(what="dwell").org == world.yichang
    client.post(f"/fences/rules/{watch.fence_rule_id}/withdraw/")
    watch.refresh_from_db()
    assert not watch.is_active
    actions = set(Entry.objects.values_list("action", flat=True))
    assert {"fence.created", "fence.edited", "fence_rule.created", "fence_rule.withdrawn"} <= actions


@pytest.mark.parametrize("name", Role.values)
def test_only_who_may_changes_a_fence(world, fence, open_as, name):
    client = open_as(world.users[name])
    form = {"name": "x", "shape": "polygon", "geometry": json.dumps(POLYGON), "is_active": "on"}
    client.post(f"/fences/{fence.pk}/", form)
    fence.refresh_from_db()
    assert (fence.name == "x") == (name in MAY["fence.edit"])


# ---- the table of units ------------------------------------------------------------------------------------------


def _import(text, org, dry_run=False):
    import io

    return services.import_units(None, org, io.BytesIO(text.encode()), dry_run)


def test_units_are_imported_all_or_none(world):
    good = "site,code,name,kind,terminal,user\ntep-1,c1,车一,vehicle,100,\ntep-1,c2,李,person,,duty_officer\n"
    assert _import(good, world.yichang, dry_run=True).created == 2
    assert not Unit.objects.exists()
    assert _import(good, world.yichang).created == 2
    assert _import(good, world.yichang).updated == 2
    assert Unit.objects.get(thing__code="c2").user == world.officer
    bad = (
        "site,code,name,kind,terminal,user,longitude\njz-1,x1,荆,vehicle,,,\ntep-1,x 2,乙,vehicle,,,\n"
        "tep-1,x3,,vehicle,,,\n"
        "tep-1,x4,丁,boat,,,\ntep-1,x5,戊,vehicle,100,,\ntep-1,x6,己,vehicle,,nobody-here,\ntep-1,x7,庚,vehicle,,,P7\n"
    )
    report = _import(bad, world.yichang)
    assert [row.row for row in report.bad] == [2, 3, 4, 5, 6, 7, 8]
    assert Unit.objects.count() == 2
    assert _import("site,code,colour\n", world.yichang).bad_count == 2


def test_many_new_units_are_made_in_one_go_and_as_one_by_one(world, django_assert_max_num_queries):
    heading = "site,code,name,kind,terminal,period_s,is_active\n"
    rows = "".join(f"tep-1,c{n},车{n},person,{n or ''},5,{'no' if n == 3 else ''}\n" for n in range(300))
    with django_assert_max_num_queries(60):
        report = _import(heading + rows, world.yichang)
    assert (report.created, report.updated, report.bad) == (300, 0, [])
    services.keep_unit(
        None, site=world.site, code="d3", name="车3", kind="person", period_ms=5000, is_active=False
    )

    def told(code: str) -> list:
        unit = Unit.objects.get(thing__code=code)
        streams = [getattr(unit, field) for field in services.STREAMS]
        skipped = ("id", "code", "thing", "created_at", "slot")
        return [
            (unit.kind, unit.is_active, unit.site_id, unit.thing.name),
            *({k: v for k, v in model_to_dict(one).items() if k not in skipped} for one in streams),
            [one.code.removeprefix(code) for one in streams],
        ]

    assert told("c3") == told("d3")
    twice = _import(
        heading + "tep-1,e1,甲,person,9001,,\ntep-1,e1,乙,person,9001,,\ntep-1,e2,丙,person,9001,,\n",
        world.yichang,
    )
    assert [(one.row, one.column) for one in twice.bad] == [(4, "code")]


def test_a_unit_takes_datastreams_that_are_there_and_no_two_share_one(world):
    for code, unit in (("lon", "°"), ("lat", "°")):
        world.add_stream(world.site, code, code, unit)
    made, _ = services.keep_unit(
        None, site=world.site, code="a", name="a", streams={"longitude": "lon", "latitude": "lat"}
    )
    assert made.longitude.code == "lon"
    with pytest.raises(services.BadUnit):
        services.keep_unit(None, site=world.site, code="b", name="b", streams={"longitude": "lon"})
