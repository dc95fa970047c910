"""Pictures and recordings of devices on the portal and in the API: who sees them, how a file is given, what goes."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from fengsui.base.errors import BadInput
from fengsui.govern.retention import media as policy
from fengsui.govern.retention import services as retention
from fengsui.people.audit.models import Entry
from fengsui.people.orgs.access import MAY
from fengsui.people.orgs.models import Role
from fengsui.sense.devices import commands
from fengsui.sense.devices.models import Device, ProtocolIdentity, Thing
from fengsui.sense.gateways.field.commands import Outcome
from fengsui.sense.media.models import Medium
from fengsui.sense.moving import services as units
from fengsui.sense.simulators.picture import PICTURE

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def unit(world):
    made, _new = units.keep_unit(None, site=world.site, code="truck-1", name="鄂E1", terminal="17400000001")
    return made


@pytest.fixture
def keep(world, unit, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    device = Device.objects.create(site=world.site, code="truck-box", secret_sha256="0" * 64)
    ProtocolIdentity.objects.create(device=device, protocol="jt808", identity="174", thing=unit.thing)

    def make(data=PICTURE, content_type="image/jpeg", ending="jpg", **more) -> Medium:
        row = Medium(
            device=device, device_code=device.code, site=world.site, thing=unit.thing, protocol="jt808", number=7,
            kind="picture", told_at=AT, received_at=AT, taken_at=AT, longitude=111.29, latitude=30.69,
            content_type=content_type, size=len(data), sha256=hashlib.sha256(data).hexdigest(), **more,
        )  # fmt: skip
        row.file.save(f"x.{ending}", ContentFile(data), save=False)
        row.save()
        return row

    return make


@pytest.mark.parametrize("name", Role.values)
def test_media_are_listed_on_the_units_page_and_the_file_comes_by_permission(
    world, unit, keep, open_as, name
):
    row, client = keep(event=3, channel=1), open_as(world.users[name])
    sees = name in MAY["media.view"]
    for page in (
        "/media/",
        f"/media/{row.pk}/",
        f"/media/{row.pk}/file",
        f"/media/?thing={unit.thing_id}&state=here",
    ):
        assert client.get(page).status_code == (200 if sees else 403), page
    if name in MAY["unit.view"]:
        shown = client.get(f"/units/{unit.pk}/").content.decode()
        assert (f'src="/media/{row.pk}/file"' in shown) == sees
        assert ("碰撞侧翻报警触发" in shown) == sees
    if sees:
        shown = client.get(f"/media/{row.pk}/").content.decode()
        assert "111.290000, 30.690000" in shown and row.sha256 in shown
        file = client.get(f"/media/{row.pk}/file")
        assert b"".join(file.streaming_content) == PICTURE
        assert file["Content-Type"] == "image/jpeg" and file["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in file["Content-Security-Policy"]
        assert client.get(f"/api/v1/media/{row.pk}").json()["url"] == f"/api/v1/media/{row.pk}/file"


def test_a_stranger_finds_no_medium_and_no_file(world, unit, keep, open_as):
    row = keep()
    client = open_as(world.stranger)
    assert "truck" not in client.get("/media/").content.decode()
    for page in (
        f"/media/{row.pk}/",
        f"/media/{row.pk}/file",
        f"/api/v1/media/{row.pk}",
        f"/api/v1/media/{row.pk}/file",
    ):
        assert client.get(page).status_code == 404, page
    assert client.get("/api/v1/media").json()["items"] == []
    assert client.get("/" + row.file.name).status_code == 404
    assert client.get("/media/" + row.file.name).status_code == 404
    assert open_as().get(f"/media/{row.pk}/file").status_code == 302


def test_what_a_browser_cannot_show_is_a_download_and_never_a_page(world, keep, open_as):
    row = keep(b"RIFF\0\0\0\0WAVE", "audio/wav", "wav")
    file = open_as(world.officer).get(f"/media/{row.pk}/file")
    assert file["Content-Type"] == "application/octet-stream"
    assert file["Content-Disposition"] == 'attachment; filename="truck-box-7.wav"'


def test_a_medium_at_the_device_is_asked_for_and_so_is_a_new_picture(world, unit, keep, open_as, monkeypatch):
    row = keep()
    Medium.objects.filter(pk=row.pk).update(received_at=None)
    asked = []

    def send(actor, device, name, arguments, protocol="", wait_s=0.0):
        asked.append((actor.username, device.code, name, arguments, protocol))
        return Outcome("answered")

    monkeypatch.setattr(commands, "command", send)
    commander = world.users["commander"]
    client = open_as(commander)
    assert f'action="/media/{row.pk}/fetch/"' in client.get(f"/media/{row.pk}/").content.decode()
    assert client.post(f"/media/{row.pk}/fetch/").status_code == 302
    assert client.post(f"/units/{unit.pk}/picture/").status_code == 302
    assert asked == [
        (commander.username, "truck-box", "upload_one_media", {"media_id": 7}, "jt808"),
        (commander.username, "truck-box", "take_picture", {"channel": "1"}, "jt808"),
    ]
    assert open_as(world.officer).post(f"/media/{row.pk}/fetch/").status_code == 403


def test_files_go_by_the_data_policy_and_held_ones_stay(world, keep, django_capture_on_commit_callbacks):
    old, held, young = keep(), keep(), keep()
    now = timezone.now()
    Medium.objects.filter(pk=young.pk).update(received_at=now - timedelta(days=3))
    Medium.objects.filter(pk=held.pk).update(taken_at=AT + timedelta(days=1))
    assert policy.let_go(now) == 0  # no policy: nothing is ever deleted
    days = {"raw_days": None, "minute_days": None, "hour_days": None}
    retention.decide(world.root, reason="space", media_days=30, **days)
    with pytest.raises(BadInput):
        retention.decide(world.root, reason="no", media_days=3, observed_property=world.property, **days)
    span = {"from_at": AT + timedelta(hours=12), "to_at": AT + timedelta(days=2)}
    retention.hold(world.root, reason="an inquiry", site=world.site, **span)
    with django_capture_on_commit_callbacks(execute=True):
        assert policy.let_go(now) == 1
    gone = Medium.objects.get(pk=old.pk)
    assert gone.removed_at and gone.sha256 and not gone.file.storage.exists(gone.file.name)
    assert all(Medium.objects.get(pk=row.pk).is_here for row in (held, young))
    assert Entry.objects.get(action="media.removed").detail["sha256"] == gone.sha256


def test_a_device_that_is_gone_leaves_its_media(world, keep):
    row = keep()
    Device.objects.get(code="truck-box").delete()
    assert Medium.objects.get(pk=row.pk).device_code == "truck-box"
    assert Thing.objects.filter(pk=row.thing_id).exists()
