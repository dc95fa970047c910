"""Who may come in, and how: nobody by guessing, nobody past their second factor, a device to its own site."""

import base64
import hashlib

import pytest
from django.test import Client

from fengsui.sense.devices.models import Device
from fengsui.show.sta import doors

PASSWORD = "Correct-horse-9"


def ask(name, secret, path="Things", kind="Basic"):
    said = f"{name}.{secret}" if kind == "Bearer" else base64.b64encode(f"{name}:{secret}".encode()).decode()
    return Client().get(f"/sta/v1.1/{path}", headers={"Authorization": f"{kind} {said}"})


@pytest.fixture
def officer(world, monkeypatch):
    monkeypatch.setattr(doors, "_known", {})
    world.officer.set_password(PASSWORD)
    world.officer.save()
    return world.officer


def test_a_password_is_checked_once_and_then_remembered_until_it_changes(officer, monkeypatch):
    from django.contrib.auth import authenticate

    asked = []
    monkeypatch.setattr(doors, "authenticate", lambda **said: asked.append(1) or authenticate(**said))
    assert [ask(officer.username, PASSWORD).status_code for _ in range(3)] == [200, 200, 200]
    assert len(asked) == 1
    officer.set_password("Another-horse-9")
    officer.save()
    assert ask(officer.username, PASSWORD).status_code == 401
    officer.is_active = False
    officer.save()
    assert ask(officer.username, "Another-horse-9").status_code == 401


def test_guessing_locks_the_account_here_as_at_the_log_in_page(officer, settings):
    for i in range(settings.AXES_FAILURE_LIMIT):
        assert ask(officer.username, f"guess-{i}").status_code in (401, 429)
    assert ask(officer.username, PASSWORD).status_code != 200


def test_a_password_alone_is_not_enough_for_who_has_a_second_factor(officer):
    from allauth.mfa.models import Authenticator

    Authenticator.objects.create(user=officer, type=Authenticator.Type.TOTP, data={"secret": "x"})
    answer = ask(officer.username, PASSWORD)
    assert answer.status_code == 401
    assert "second factor" in answer.json()["message"]


def test_a_password_that_is_due_opens_nothing(officer):
    officer.must_change_password = True
    officer.save()
    answer = ask(officer.username, PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (403, "people.password_due")


def test_a_device_comes_in_with_its_secret_and_sees_its_site(world, readings):
    device = Device.objects.create(
        site=world.site, code="gw-9", secret_sha256=hashlib.sha256(b"s3cret").hexdigest()
    )
    for kind in ("Basic", "Bearer"):
        answer = ask("gw-9", "s3cret", "Datastreams?$select=name", kind)
        assert sorted(one["name"] for one in answer.json()["value"]) == ["P8", "反应器压力"]
    assert ask("gw-9", "s3cret", "Locations?$count=true&$top=0").json()["@iot.count"] == 1
    assert ask("gw-9", "wrong").status_code == 401
    device.is_active = False
    device.save()
    assert ask("gw-9", "s3cret").status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic Og==", "Bearer x", "Digest a", "Basic AA=="]
)
@pytest.mark.django_db
def test_what_is_no_credential_is_told_so(header):
    answer = Client().get("/sta/v1.1/", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.json()["code"] == "show.not_logged_in"
