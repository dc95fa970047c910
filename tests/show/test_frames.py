"""Explaining a frame: the page and the API, who may, what is refused, and that nothing whatever breaks it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fengsui.sense.codecs.registry import CODECS
from fengsui.show.lists import frames

TIMED = (
    "7E7E01001234567803E832002B020001240115080005F1F1001234567848F0F0240115080020190000052619012345392300012345"
    "381212650386B5"
)
INTERVAL = (
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&RtdInterval=30&&1C80\r\n"
)
API = "/api/v1/frames/decode"


def posted(client, **body):
    return client.post(API, json.dumps(body), content_type="application/json")


@pytest.fixture
def viewer(world, open_as):
    return open_as(world.users["viewer"], "en")


def test_the_api_tells_every_field_with_its_bytes(viewer):
    done = posted(viewer, protocol="sl651", hex=" ".join(TIMED[n : n + 2] for n in range(0, len(TIMED), 2)))
    body = done.json()
    (one,) = body["items"]
    assert (done.status_code, body["left_off"], one["ok"], one["hex"]) == (200, 0, True, TIMED)
    assert "".join(row["hex"] for row in one["rows"]) == TIMED
    assert [row["offset"] for row in one["rows"]][:3] == [0, 2, 3]
    level = next(row for row in one["rows"] if row["name"]["en"] == "water level")
    assert (level["name"]["zh"], level["meaning"]["en"]) == ("39 瞬时河道水位、潮位", "12.345 m")
    assert one["fields"]["elements"][3]["value"] == 12.345


def test_what_is_refused_is_explained_as_far_as_it_can_be_read(viewer):
    (one,) = posted(viewer, protocol="sl651", hex=TIMED[:-4] + "0000").json()["items"]
    assert not one["ok"]
    assert (one["fields"]["refused"]["reason"], one["fields"]["refused"]["crc_computed"]) == ("crc", "86B5")
    assert any(row["meaning"]["en"] == "12.345 m" for row in one["rows"])


@pytest.mark.parametrize(
    "body",
    [
        {"protocol": "sl651", "hex": "7E7"},
        {"protocol": "sl651", "hex": "zz"},
        {"protocol": "sl651", "hex": ""},
        {"protocol": "sl651"},
        {"protocol": "sl651", "hex": "00", "text": "0"},
        {"protocol": "nothing", "hex": "00"},
        {"protocol": "hj212", "text": "x" * (frames.MOST_BYTES + 1)},
        {"protocol": "sl651", "hex": "00" * (frames.MOST_BYTES + 1)},
        {"protocol": "sl651", "hex": " " * (frames.MOST_DIGITS + 1)},
    ],
)
def test_what_is_no_frame_of_a_protocol_or_too_much_is_refused(viewer, body):
    done = posted(viewer, **body)
    assert (done.status_code, done.json()["code"]) == (422, "show.bad_paste")
    assert done.json()["message"]


def test_the_most_bytes_are_taken_and_what_is_beyond_frames_and_rows_is_counted(viewer):
    heartbeat = "7E000200000139123456780001" + "00" + "7E"
    plain = bytes.fromhex(heartbeat)[1:-2]
    check = 0
    for byte in plain:
        check ^= byte
    frame = "7E" + plain.hex() + f"{check:02X}" + "7E"
    body = posted(viewer, protocol="jt808", hex=frame * (frames.MOST_FRAMES + 7)).json()
    assert (len(body["items"]), body["left_off"]) == (frames.MOST_FRAMES, 7)
    assert posted(viewer, protocol="sl651", hex="00" * frames.MOST_BYTES).status_code == 200


def test_nobody_without_a_membership_and_no_stranger_to_the_platform_may(world, open_as, client):
    for mine in (posted(open_as(world.nobody), protocol="sl651", hex=TIMED),
                 open_as(world.nobody).get("/api/v1/frames/protocols")):  # fmt: skip
        assert (mine.status_code, mine.json()["code"]) == (403, "people.not_allowed")
    assert open_as(world.nobody).get("/frames/").status_code == 403
    assert posted(client, protocol="sl651", hex=TIMED).status_code == 401
    assert client.get("/frames/").status_code == 302


def test_protocols_are_listed(viewer):
    items = viewer.get("/api/v1/frames/protocols").json()["items"]
    assert [one["name"] for one in items] == list(CODECS)
    assert all(one["standard"] and one["title"]["zh"] and one["title"]["en"] for one in items)


@pytest.mark.parametrize(("language", "name"), [("zh-hans", "瞬时河道水位、潮位"), ("en", "water level")])
def test_the_page_shows_a_frame_field_by_field_and_links_bytes_with_rows(world, open_as, language, name):
    page = open_as(world.users["viewer"], language).post("/frames/", {"protocol": "sl651", "frame": TIMED})
    text = page.content.decode()
    assert page.status_code == 200
    assert name in text
    assert text.count('data-field="1-0"') == 2
    assert 'href="#r1-0"' in text and 'id="r1-0"' in text and 'href="#b1-0"' in text and 'id="b1-0"' in text


def test_text_is_recognised_and_a_refusal_has_its_reason(viewer):
    page = viewer.post("/frames/", {"protocol": "hj212", "frame": INTERVAL}).content.decode()
    assert "RtdInterval=30" in page and "badge-ok" in page
    page = viewer.post(
        "/frames/", {"protocol": "hj212", "frame": INTERVAL.replace("1C80", "0759")}
    ).content.decode()
    assert "badge-bad" in page and "crc_computed" in page


def test_the_page_keeps_what_was_pasted_and_says_what_is_wrong(viewer):
    page = viewer.post("/frames/", {"protocol": "sl651", "as": "hex", "frame": "zz<script>"})
    assert page.status_code == 422
    assert "zz&lt;script&gt;" in page.content.decode()
    assert "not hex digits" in page.content.decode()
    assert viewer.get("/frames/?protocol=jt808").status_code == 200


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=80), st.text(max_size=60))
def test_nothing_whatever_breaks_page_or_api(viewer, protocol, data, text):
    assert posted(viewer, protocol=protocol, hex=data.hex()).status_code in (200, 422)
    assert posted(viewer, protocol=protocol, text=text).status_code in (200, 422)
    assert viewer.post("/frames/", {"protocol": protocol, "frame": data.hex()}).status_code in (200, 422)
    shown = text.encode("utf-8", "replace").decode()
    assert viewer.post("/frames/", {"protocol": protocol, "frame": shown, "as": "text"}).status_code in (
        200,
        422,
    )


def test_half_characters_in_a_payload_are_shown_all_the_same(viewer):
    sealed = '{"appId":"a","serviceId":"X","data":"\\ud800","more":"\\ud83d"}@@'
    assert posted(viewer, protocol="chem-json", text=sealed).status_code == 200
    assert viewer.post("/frames/", {"protocol": "chem-json", "frame": sealed}).status_code == 200
