import datetime
import json

import pytest
from django.utils import timezone

API = "/api/v1/"


def get(client, path, **query):
    response = client.get(API + path, query)
    return response.status_code, response.json()


def test_the_openapi_document_is_the_agreed_one(golden):
    from fengsui.show.api.api import api

    golden("openapi.json", json.dumps(api.get_openapi_schema(), indent=1, sort_keys=True, default=str) + "\n")


def test_without_a_session_the_answer_says_log_in(world, open_as):
    status, body = get(open_as(), "sites")
    assert status == 401
    assert body["code"] == "show.not_logged_in"


def test_me_says_who_i_am_what_i_may_and_where_to_look(world, open_as):
    status, me = get(open_as(world.officer), "me")
    assert status == 200
    assert me["username"] == "duty_officer"
    assert me["may"]["alarm.ack"] == [world.yichang.path]
    assert "user.edit" not in me["may"]
    assert me["bounds"] == [111.29, 30.69, 111.29, 30.69]


def test_the_list_of_sites_has_state_and_only_what_is_in_sight(world, open_as):
    world.heard(world.site, 2)
    worst, other = world.alarm(priority=1), world.alarm(priority=3)
    status, page = get(open_as(world.officer), "sites")
    assert status == 200
    (site,) = page["items"]
    assert (site["code"], site["priority"], site["standing"], site["folded"]) == ("tep-1", 1, 2, 0)
    worst.parent = other
    worst.save()
    site = get(open_as(world.officer), "sites")[1]["items"][0]
    assert (site["priority"], site["standing"], site["folded"]) == (1, 1, 1), (
        "the colour is that of the worst"
    )
    assert (site["freshness"], site["datastreams"]) == ("live", 1)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(2, "live"), (20, "late"), (3600, "stale"), (None, "never")]
)
def test_old_data_is_never_shown_as_live(world, open_as, seconds, expected):
    if seconds is not None:
        world.heard(world.site, seconds)
    client = open_as(world.officer)
    assert get(client, "sites/tep-1")[1]["site"]["freshness"] == expected
    assert get(client, "map/sites")[1]["features"][0]["properties"]["freshness"] == expected


def test_a_site_tells_its_things_datastreams_and_rules(world, open_as):
    status, body = get(open_as(world.officer), "sites/tep-1")
    assert status == 200
    (stream,) = body["streams"]
    assert (stream["code"], stream["unit"], stream["property"]["code"]) == ("P7", "kPa", "pressure")
    assert [r["setpoint"] for r in stream["rules"]] == [2895]
    assert body["may"] == {
        "alarm.ack": True,
        "alarm.shelve": True,
        "rule.edit": False,
        "site.edit": False,
    }


def test_pages_follow_one_another_without_gap_or_repeat(world, open_as):
    for i in range(7):
        world.add_site(f"s-{i}", f"站 {i}", world.yichang)
    client, seen, cursor = open_as(world.officer), [], ""
    while True:
        body = get(client, "sites", size=3, cursor=cursor)[1]
        seen += [s["code"] for s in body["items"]]
        if not (cursor := body["next"]):
            break
    assert seen == [*(f"s-{i}" for i in range(7)), "tep-1"]


def test_the_standing_queue_is_worst_first_then_newest_and_pages_through(world, open_as):
    for i, priority in enumerate([3, 1, 2, 1, 3, 2]):
        world.alarm(priority=priority, minutes_ago=10 - i)
    world.alarm(cleared_at=timezone.now(), acked_at=timezone.now(), priority=1)
    client, seen, cursor = open_as(world.officer), [], ""
    while True:
        body = get(client, "alarms", standing=True, size=2, cursor=cursor)[1]
        seen += [(a["priority"], a["raised_at_ms"]) for a in body["items"]]
        if not (cursor := body["next"]):
            break
    assert len(seen) == 6
    assert seen == sorted(seen, key=lambda a: (a[0], -a[1]))


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwyLDNd", "eyJhIjoxfQ", "W251bGxd"])
@pytest.mark.parametrize("path", ["sites", "alarms", "loops"])
def test_a_made_up_cursor_is_refused_by_name(world, open_as, path, cursor):
    status, body = get(open_as(world.officer), path, cursor=cursor)
    assert status == 422
    assert body["code"] == "show.bad_cursor"


def test_alarms_are_filtered(world, open_as):
    now = timezone.now()
    red = world.alarm(priority=1)
    world.alarm(priority=4, kind="silent", acked_at=now)
    world.alarm(priority=4, minutes_ago=600, cleared_at=now, acked_at=now)
    client = open_as(world.officer)
    ids = lambda **q: [a["id"] for a in get(client, "alarms", **q)[1]["items"]]  # noqa: E731
    assert ids(level="1") == [red.pk]
    assert len(ids(level="1,4")) == 3
    assert len(ids(kind="silent")) == 1
    assert ids(unacked=True) == [red.pk]
    assert len(ids(standing=True)) == 2
    assert len(ids(site="tep-1")) == 3
    assert ids(site="nowhere") == []
    assert len(ids(org="yichang")) == 3
    assert ids(org="jingzhou") == []
    since = int((now - datetime.timedelta(hours=1)).timestamp() * 1000)
    assert len(ids(since_ms=since)) == 2
    assert len(ids(until_ms=since)) == 1


def test_an_alarm_has_the_shape_of_the_live_stream(world, open_as):
    alarm = world.alarm()
    loop = world.loop(alarm)
    status, body = get(open_as(world.officer), f"alarms/{alarm.pk}")
    assert status == 200
    assert body["alarm"]["state"] == "active_unacked"
    assert body["alarm"]["site"]["code"] == "tep-1"
    assert body["alarm"]["loop_id"] == loop.pk
    assert body["loop"]["loop"]["title"] == "反应器压力高"
    assert body["loop"]["alarm_id"] == alarm.pk


def post(client, path, body):
    response = client.post(API + path, json.dumps(body), content_type="application/json")
    return response.status_code, response.json()


def test_acknowledging_says_who_and_again_changes_nothing(world, open_as):
    alarm, client = world.alarm(), open_as(world.officer)
    status, body = post(client, f"alarms/{alarm.pk}/ack", {"note": "on it"})
    assert (status, body["state"], body["acked_by"]) == (200, "active_acked", "duty_officer")
    again = post(client, f"alarms/{alarm.pk}/ack", {})[1]
    assert again["acked_at_ms"] == body["acked_at_ms"]
    detail = get(client, f"alarms/{alarm.pk}")[1]
    assert [(d["what"], d["actor"], d["note"]) for d in detail["deeds"]] == [
        ("acked", "duty_officer", "on it")
    ]


def test_several_are_acknowledged_at_once_and_a_refusal_names_its_row(world, open_as):
    ours, theirs = [world.alarm(), world.alarm(priority=4)], world.alarm(world.other_stream)
    status, body = post(open_as(world.officer), "alarms/ack", {"ids": [a.pk for a in (*ours, theirs)]})
    assert status == 200
    assert [a["id"] for a in body["done"]] == [a.pk for a in ours]
    assert [(r["id"], r["code"]) for r in body["refused"]] == [(theirs.pk, "show.not_found")]


def test_who_may_only_look_may_not_acknowledge(world, open_as):
    status, body = post(open_as(world.users["viewer"]), f"alarms/{world.alarm().pk}/ack", {})
    assert (status, body["code"]) == (403, "people.not_allowed")


def test_shelving_needs_a_reason_and_ends_by_hand_or_by_time(world, open_as):
    alarm, client = world.alarm(), open_as(world.officer)
    status, body = post(client, f"alarms/{alarm.pk}/shelve", {"minutes": 30, "reason": " "})
    assert (status, body["code"]) == (422, "warn.bad_shelving")
    status, body = post(client, f"alarms/{alarm.pk}/shelve", {"minutes": 30, "reason": "calibration"})
    assert (status, body["state"]) == (200, "shelved")
    status, body = post(client, f"alarms/{alarm.pk}/unshelve", {})
    assert (status, body["state"]) == (200, "active_unacked")


def test_open_loops_come_by_deadline(world, open_as):
    late, soon = world.loop(world.alarm(), level=4), world.loop(world.alarm(minutes_ago=3), level=1)
    items = get(open_as(world.officer), "loops?due=true")[1]["items"]
    assert [item["id"] for item in items] == [soon.pk, late.pk]
    assert get(open_as(world.stranger), "loops?due=true")[1]["items"] == []


def test_a_loop_is_acted_on_with_evidence_and_says_what_is_still_needed(world, open_as, settings, tmp_path):
    from django.core.files.uploadedfile import SimpleUploadedFile

    settings.MEDIA_ROOT = tmp_path
    loop = world.loop(world.alarm())
    client = open_as(world.officer, "en")
    detail = get(client, f"loops/{loop.pk}")[1]
    assert detail["loop"]["title"] == "Reactor pressure high"
    assert [s["state"] for s in detail["steps"]][:2] == ["now", "next"]
    way = [s["code"] for s in detail["steps"]]
    assert way == ["received", "acknowledged", "handling", "to_check", "checked", "closed"]  # no side ways
    assert "acknowledge" in [a["code"] for a in detail["actions"]]
    url = f"{API}loops/{loop.pk}/act"
    assert client.post(url, {"action": "acknowledge"}).json()["loop"]["step"] == "acknowledged"
    refused = client.post(url, {"action": "submit", "data": json.dumps({"cause": "instrument"})})
    assert (refused.status_code, refused.json()["code"]) == (422, "loops.incomplete")
    photo = SimpleUploadedFile("现场.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    data = json.dumps({"cause": "instrument", "measure": "replaced"})
    done = client.post(url, {"action": "submit", "data": data, "files": [photo]})
    assert done.status_code == 200, done.content
    body = done.json()
    assert [s["state"] for s in body["steps"] if s["code"] == "received"] == ["done"]
    (evidence,) = body["deeds"][-1]["evidence"]
    assert evidence["name"] == "现场.png"
    assert client.get(evidence["url"]).status_code == 200
    again = client.post(url, {"action": "acknowledge"})
    assert (again.status_code, again.json()["code"]) == (409, "loops.wrong_step")


def test_my_work_is_what_waits_for_me(world, open_as):
    loop = world.loop()
    mine = lambda user: [x["id"] for x in get(open_as(user), "loops", mine=True)[1]["items"]]  # noqa: E731
    assert mine(world.user("safety_officer", world.plant_org, "safe")) == [loop.pk]
    assert mine(world.users["viewer"]) == []


def test_a_write_without_the_token_is_refused(world, open_as):
    client = open_as(world.officer)
    client.handler.enforce_csrf_checks = True
    response = client.post(f"{API}alarms/{world.alarm().pk}/ack", "{}", content_type="application/json")
    assert response.status_code == 403
    assert response.json()["code"] == "show.csrf"


def test_the_map_sends_markers_when_few_and_cells_when_many(world, open_as, monkeypatch):
    from fengsui.show.lists import map as lists

    for i in range(6):
        world.add_site(f"m-{i}", f"站 {i}", world.yichang, 111 + i * 0.001, 30.5)
    parent = world.alarm(priority=2)
    world.alarm(priority=3, parent=parent, cause=parent)
    client = open_as(world.officer)
    body = get(client, "map/sites", bbox="110,29,112,31", zoom=8)[1]
    assert not body["clustered"]
    assert len(body["features"]) == 7
    marker = body["features"][-1]["properties"]
    assert (marker["priority"], marker["standing"], marker["folded"]) == (2, 1, 1), "a flood is its parents"
    assert body["features"][-1]["properties"]["code"] == "tep-1"  # drawn last, on top: it has the worst alarm
    monkeypatch.setattr(lists, "SINGLE_MAX", 3)
    body = get(client, "map/sites", bbox="110,29,112,31", zoom=3)[1]
    assert body["clustered"]
    assert sum(f["properties"]["count"] for f in body["features"]) == 7
    assert sum(f["properties"]["standing"] for f in body["features"]) == 1
    assert sum(f["properties"]["folded"] for f in body["features"]) == 1
    assert get(client, "map/sites", bbox="0,0,1,1", zoom=3)[1]["features"] == []


@pytest.mark.parametrize("bbox", ["", "1,2,3", "a,b,c,d", "10,0,5,1", "nan,0,1,1", "-200,0,1,1"])
def test_a_strange_box_is_refused(world, open_as, bbox):
    status, body = get(open_as(world.officer), "map/sites", bbox=bbox)
    assert status == 422
    assert body["code"] == "base.bad_input"


def test_layers_come_with_an_etag(world, open_as, settings, tmp_path):
    settings.LAYERS_ROOT = tmp_path
    (tmp_path / "county.geojson").write_text('{"type":"FeatureCollection","features":[]}')
    client = open_as(world.officer)
    ((layer,),) = [get(client, "map/layers")[1]]
    first = client.get(layer["url"])
    assert first.status_code == 200
    assert first["Content-Type"] == "application/geo+json"
    assert client.get(layer["url"], headers={"if-none-match": first["ETag"]}).status_code == 304
    assert client.get(f"{API}map/layers/..%2F..%2Fsecret").status_code == 404


@pytest.mark.parametrize(
    ("q", "kinds"),
    [
        ("东山", {"site", "alarm"}),
        ("化工厂", {"site", "org", "alarm"}),
        ("反应器压力", {"datastream", "alarm"}),
        ("应器", {"datastream", "alarm"}),
        ("P7", {"datastream", "alarm"}),
        ("p7", {"datastream", "alarm"}),
        ("tep", {"site", "alarm"}),
        ("宜", {"org"}),
        ("反应器 压力", {"datastream", "alarm"}),
        ("ｔｅｐ－１", {"site", "alarm"}),
        ("荆州", set()),
        ("", set()),
        ("%", set()),
        ("'; DROP TABLE x; --", set()),
    ],
)
def test_search_finds_parts_of_names_in_both_scripts(world, open_as, q, kinds):
    world.alarm()
    status, body = get(open_as(world.officer), "search", q=q)
    assert status == 200
    assert {hit["kind"] for hit in body["hits"]} == kinds


def test_the_timeline_counts_raised_alarms_by_level_in_equal_spans(world, open_as):
    world.alarm(priority=1, minutes_ago=1)
    world.alarm(priority=1, minutes_ago=40)
    world.alarm(priority=4, minutes_ago=40)
    world.alarm(priority=4, minutes_ago=90)
    status, body = get(open_as(world.officer), "alarms/timeline", hours=1)
    assert status == 200
    assert body["bucket_ms"] == 60_000
    assert [sum(row) for row in body["levels"]] == [2, 0, 0, 1]
    assert len(body["levels"][0]) == 60
    assert get(open_as(world.stranger), "alarms/timeline")[1]["levels"] == [[0] * 96] * 4


def test_search_finds_an_alarm_by_its_key(world, open_as):
    alarm = world.alarm()
    hits = get(open_as(world.officer), "search", q=alarm.key)[1]["hits"]
    assert [(h["kind"], h["id"]) for h in hits] == [("alarm", alarm.pk)]


def test_status_names_every_role_and_is_for_some(world, open_as):
    status, body = get(open_as(world.officer), "status")
    assert status == 200
    assert {"gateway", "pipeline", "web", "worker"} <= {r["role"] for r in body["roles"]}
    assert body["ok"] is False
    status, body = get(open_as(world.users["viewer"]), "status")
    assert (status, body["code"]) == (403, "people.not_allowed")


def test_evidence_is_a_download_and_only_for_who_sees_the_loop(world, open_as, settings, tmp_path):
    from django.core.files.base import ContentFile

    from fengsui.loops.models import Deed, Evidence

    settings.MEDIA_ROOT = tmp_path
    loop = world.loop()
    deed = Deed.objects.create(loop=loop, step="received", action="measure", at=timezone.now())
    evidence = Evidence(deed=deed, name="现场.html", sha256="0" * 64, size=3)
    evidence.file.save("x.html", ContentFile(b"<b>"))
    response = open_as(world.officer).get(f"{API}evidence/{evidence.pk}")
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"] == "application/octet-stream"
    assert b"".join(response.streaming_content) == b"<b>"
    assert open_as(world.stranger).get(f"{API}evidence/{evidence.pk}").status_code == 404


DETAIL = [
    "sites/tep-1",
    "sites/tep-1/latest",
    "alarms/{alarm}",
    "loops/{loop}",
    "datastreams/{stream}/readings",
    "sites/tep-1/readings?ids={stream}",
]
LISTS = [
    "sites",
    "alarms",
    "alarms?standing=true",
    "loops",
    "loops?mine=true",
    "loops?due=true",
    "map/sites",
    "search?q=tep",
    "search?q=反应器",
]
WRITES = ["alarms/{alarm}/ack", "alarms/{alarm}/shelve", "alarms/{alarm}/unshelve", "loops/{loop}/act"]


@pytest.mark.parametrize("who", ["stranger", "nobody"])
@pytest.mark.parametrize("path", DETAIL)
def test_what_a_stranger_asks_for_does_not_exist(world, open_as, path, who):
    alarm = world.alarm()
    path = path.format(alarm=alarm.pk, loop=world.loop(alarm).pk, stream=world.stream.pk)
    status, body = get(open_as(getattr(world, who)), path)
    assert (status, body["code"]) == (404, "show.not_found")


@pytest.mark.parametrize("who", ["stranger", "nobody"])
@pytest.mark.parametrize("path", LISTS)
def test_what_a_stranger_lists_is_not_ours(world, open_as, path, who):
    world.loop(world.alarm())
    response = open_as(getattr(world, who)).get(API + path)
    assert response.status_code == 200
    assert "tep-1" not in response.content.decode()
    assert "反应器" not in response.content.decode().replace('"q": "反应器"', "")


@pytest.mark.parametrize("who", ["stranger", "nobody"])
@pytest.mark.parametrize("path", WRITES)
def test_what_a_stranger_writes_to_does_not_exist(world, open_as, path, who):
    alarm = world.alarm()
    client = open_as(getattr(world, who))
    path = API + path.format(alarm=alarm.pk, loop=world.loop(alarm).pk)
    body = {"minutes": 5, "reason": "x", "action": "ack"}
    if path.endswith("act"):
        response = client.post(path, body)
    else:
        response = client.post(path, json.dumps(body), content_type="application/json")
    assert response.status_code == 404
    alarm.refresh_from_db()
    assert alarm.acked_at is None


def test_the_shortest_period_of_a_site_follows_its_datastreams(world):
    from fengsui.show.portal.models import SitePeriod

    def kept():
        return dict(SitePeriod.objects.values_list("site__code", "period_ms"))

    assert kept() == {"tep-1": 1000, "jz-1": 1000}
    world.stream.period_ms = 5000
    world.stream.save()
    assert kept()["tep-1"] == 5000
    slow = world.add_stream(world.site, "P8", "压力 8")
    assert kept()["tep-1"] == 1000
    slow.is_active = False
    slow.save()
    assert kept()["tep-1"] == 5000
    world.stream.delete()
    assert "tep-1" not in kept()
    world.other_site.delete()
    assert kept() == {}
