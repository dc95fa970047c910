"""Pages of call-and-confirm: the board, confirming by code without an account, phone records, persons, strangers."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from fengsui.warn.calls import codes, services
from fengsui.warn.calls.models import Callout, Contact
from fengsui.warn.warnings.models import Message
from tests.show.world import HTML


@pytest.fixture
def called(world) -> Message:
    """A red warning for the city's plant, whose person was called."""
    Contact.objects.create(org=world.plant_org, name=f"甲{HTML}", post="厂长", phone="0717-0000000")
    now = timezone.now()
    message = Message.objects.create(
        org=world.yichang, org_path=world.yichang.path, sender="42050000000000", identifier="x_1", sent_at=now,
        received_at=now, expires_at=now + timedelta(hours=1), document=b"x", status="Actual", msg_type="Alert",
        scope="Public", level=1, event="暴雨", headline="暴雨红色预警", divisions=["420500"],
    )  # fmt: skip
    assert services.published(message.pk) == 1
    return message


def test_the_board_shows_who_is_called_and_escapes_what_people_wrote(world, called, open_as):
    page = open_as(world.officer).get(f"/calls/{called.pk}/").content.decode()
    assert "0717-0000000" in page
    assert "叫应中" in page
    assert HTML not in page
    assert f"/calls/{called.pk}/" in open_as(world.officer).get("/calls/").content.decode()
    assert "预警叫应" in open_as(world.officer).get(f"/warnings/messages/{called.pk}/").content.decode()


def test_a_stranger_and_a_viewer_see_nothing_of_it(world, called, open_as):
    pk = Callout.objects.get().pk
    for who, answers in ((world.stranger, 404), (world.users["viewer"], 403)):
        client = open_as(who)
        assert client.get(f"/calls/{called.pk}/").status_code == answers
        assert client.get(f"/calls/{called.pk}/summary.pdf").status_code == answers
        assert client.get(f"/api/v1/calls/{called.pk}").status_code == 404
        assert client.post(f"/calls/places/{pk}/record/", {"who": "x"}).status_code == answers
    assert "甲" not in open_as(world.stranger).get("/contacts/").content.decode()
    assert not open_as(world.stranger).get("/calls/mine/").content.strip()
    assert Callout.objects.get().state == "calling"


def test_looking_at_a_link_confirms_nothing_pressing_the_button_does(world, called, open_as):
    public, callout = open_as(), Callout.objects.get()
    code = codes.of(callout.pk, 1)
    for path in (f"/confirm/{code}/", "/confirm/"):
        assert public.get(path).status_code == 200
    assert public.post("/confirm/", {"code": code}).status_code == 200
    assert Callout.objects.get().state == "calling"
    assert public.post("/confirm/", {"code": "K7QM3XPD2A", "deed": "confirm"}).status_code == 404
    assert "已由" in public.post("/confirm/", {"code": code, "deed": "confirm"}).content.decode()
    assert Callout.objects.get().state == "confirmed"
    assert "已由" in public.get(f"/confirm/{code}/").content.decode()


def test_a_gateway_confirms_by_code_without_a_session(called, open_as):
    code = codes.of(Callout.objects.get().pk, 1)
    client = open_as()
    for is_new in (True, False):
        answer = client.post("/api/v1/calls/confirm", {"code": code}, content_type="application/json").json()
        assert (answer["confirmed"], answer["is_new"]) == (True, is_new)


def test_people_of_the_place_see_and_confirm_only_it(world, called, open_as):
    safety = world.user("safety_officer", world.plant_org, "plant-safety")
    client = open_as(safety)
    assert "化工厂" in client.get("/calls/mine/").content.decode()
    assert client.get(f"/calls/{called.pk}/").status_code == 200
    pk = Callout.objects.get().pk
    assert client.post(f"/calls/places/{pk}/record/", {"who": "x"}).status_code == 403
    client.post(f"/calls/places/{pk}/confirm/")
    row = Callout.objects.get()
    assert (row.state, row.how, row.confirmed_above) == ("confirmed", "portal", False)


def test_a_phone_call_is_recorded_and_the_figures_follow(world, called, open_as):
    client = open_as(world.officer)
    client.post(f"/calls/places/{Callout.objects.get().pk}/record/", {"who": "乙"})
    figures = client.get(f"/api/v1/calls/{called.pk}").json()["figures"]
    assert (figures["places"], figures["confirmed"], figures["reached"]) == (1, 1, 1)
    (place,) = client.get(f"/api/v1/calls/{called.pk}/places?state=confirmed").json()["items"]
    assert (place["confirmed_by"], place["how"]) == ("乙", "phone")


def test_the_figures_are_printed(world, called, open_as, chinese_font):
    answer = open_as(world.officer).get(f"/calls/{called.pk}/summary.pdf")
    assert answer.content.startswith(b"%PDF")


def test_persons_come_from_a_file_after_a_check_and_from_the_api(world, open_as):
    client = open_as(world.officer)
    text = "org,name,phone\nplant,丙,0717-1111111\n"
    for deed, n in (("check", 0), ("import", 1)):
        file = SimpleUploadedFile("contacts.csv", text.encode())
        assert client.post("/contacts/import/", {"file": file, "deed": deed}).status_code == 200
        assert Contact.objects.count() == n
    body = [{"org": "plant", "name": "丁", "order": 2}, {"org": "jingzhou", "name": "戊"}]
    answer = client.post("/api/v1/calls/contacts", body, content_type="application/json").json()
    assert (answer["kept"], [row["row"] for row in answer["bad"]]) == (False, [2])
    dry = client.post("/api/v1/calls/contacts?dry_run=true", body[:1], content_type="application/json").json()
    assert (dry["added"], dry["kept"], Contact.objects.count()) == (1, False, 1)
    assert "丙" in client.get("/contacts/").content.decode()
