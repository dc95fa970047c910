"""Several requests in one: in order, atomic where they say so, and speaking of each other."""

import json

import pytest

from fengsui.sense.devices.models import Thing
from tests.show.sta.conftest import ROOT

PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


def part(method, url, body=None, name=""):
    text = json.dumps(body) if body is not None else ""
    named = f"Content-ID: {name}\r\n" if name else ""
    return f"{PART}{named}\r\n{method} {url} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{text}\r\n"


def mixed(parts, boundary):
    return "".join(f"--{boundary}\r\n{one}" for one in parts) + f"--{boundary}--\r\n"


def change_set(*parts):
    return f"Content-Type: multipart/mixed; boundary=cs\r\n\r\n{mixed(parts, 'cs')}"


@pytest.fixture
def ask(sta, world):
    client = sta(world.root).client

    def send(*parts):
        answer = client.generic("POST", f"{ROOT}/$batch", mixed(parts, "b1"), "multipart/mixed; boundary=b1")
        return answer.status_code, answer.content.decode()

    return send


def test_reads_and_writes_in_one_request_with_any_kind_of_address(ask, world):
    thing = {"name": "T1", "description": "d", "properties": {"site": world.site.code}}
    status, text = ask(
        part("GET", "Things?$filter=name%20eq%20'装置'&$select=name"),
        part("POST", "/sta/v1.1/Things", thing),
        part("GET", "http://testserver/sta/v1.1/Things?$filter=name eq 'T1'&$count=true".replace(" ", "%20")),
        part("GET", "/v1.1/Things(999999)"),
    )
    assert status == 200
    assert text.count("HTTP/1.1 200") == 2
    assert text.count("HTTP/1.1 201") == 1
    assert text.count("HTTP/1.1 404") == 1
    assert '"@iot.count":1' in text


def test_a_change_set_speaks_of_what_it_made(ask, world):
    status, text = ask(
        change_set(
            part("POST", "Things", {"name": "T2", "description": "d", "properties": {"site": world.site.code}}, "1"),
            part("PATCH", "$1", {"name": "T3"}),
            part(
                "POST", "HistoricalLocations",
                {"Thing": {"@iot.id": "$1"}, "Locations": [{"@iot.id": world.site.locations.get().pk}]},
            ),
        )
    )  # fmt: skip
    assert (status, text.count("HTTP/1.1 201")) == (200, 2), text
    assert "Content-ID: 1" in text
    assert Thing.objects.get(name="T3").historical_locations.count() == 2


def test_a_change_set_with_a_failing_part_leaves_nothing(ask, world):
    before = Thing.objects.count()
    good = {"name": "T4", "description": "d", "properties": {"site": world.site.code}}
    status, text = ask(
        change_set(part("POST", "Things", good, "1"), part("POST", "Things", {"name": "no description"})),
        part("GET", "Things?$count=true&$top=0"),
    )
    assert status == 200
    assert (text.count("HTTP/1.1 400"), text.count("HTTP/1.1 201")) == (1, 0)
    assert Thing.objects.count() == before
    assert f'"@iot.count":{before}' in text


def test_the_json_form(sta, world):
    body = {
        "requests": [
            {
                "id": "a", "atomicityGroup": "g", "method": "post", "url": "Things",
                "body": {"name": "J", "description": "d", "properties": {"site": world.site.code}},
            },
            {"id": "b", "atomicityGroup": "g", "method": "patch", "url": "$a", "body": {"name": "K"}},
            {"id": "c", "method": "get", "url": "Things?$filter=name eq 'K'&$select=name"},
        ]
    }  # fmt: skip
    client = sta(world.root).client
    answer = client.post(f"{ROOT}/$batch", json.dumps(body), "application/json")
    said = answer.json()["responses"]
    assert [(one["id"], one["status"]) for one in said] == [("a", 201), ("b", 200), ("c", 200)]
    assert said[2]["body"]["value"] == [{"name": "K"}]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("", "multipart/mixed; boundary=b1"), ("--b1\r\n", "multipart/mixed; boundary=b1"), ("x", "multipart/mixed"),
        ("{}", "application/json"), ("[", "application/json"), ("x", "text/plain"),
        ("--b1\r\nContent-Type: application/http\r\n\r\nBREW /pot\r\n\r\n--b1--", "multipart/mixed; boundary=b1"),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused(sta, world, data, kind):
    answer = sta(world.root).client.generic("POST", f"{ROOT}/$batch", data, kind)
    assert answer.status_code == 400
    assert answer.json()["code"] == "show.sta_bad_query"
