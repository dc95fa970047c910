"""Unmapped codes: who sees them, mapping at once, sending again what was kept, and the same over the API."""

import pytest
from django.utils import timezone

from fengsui.base.quality import Reason
from fengsui.govern.quarantine.models import Held
from fengsui.people.audit.models import Entry
from fengsui.sense.devices.models import CodeMapping, Device, UnmappedCode


@pytest.fixture
def seen(world) -> UnmappedCode:
    """A code of a device of each city; the one of Yichang has a kept reading."""
    now = timezone.now()
    made = []
    for site, code in ((world.site, "logger-1"), (world.other_site, "logger-2")):
        device = Device.objects.create(site=site, code=code, secret_sha256="")
        made.append(
            UnmappedCode.objects.create(
                device=device, protocol="hj212", code="a01006-Rtd", unit="kPa", first_at=now, last_at=now, count=3,
                last_value=101.3,
            )
        )  # fmt: skip
    Held.objects.create(
        reason=Reason.UNMAPPED, site_id=world.site.pk, org_path=world.site.org_path, source="hj212:logger-1",
        received_at=now, observed_at=now, sent_code="a01006-Rtd", sent_unit="kPa", value=101.3,
    )  # fmt: skip
    return made[0]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_list_shows_what_is_in_sight_and_the_form_what_can_be_meant(world, seen, open_as, language):
    client = open_as(world.users["data_steward"], language)
    page = client.get("/unmapped/").content.decode()
    assert "logger-1" in page
    assert "logger-2" not in page
    assert ("Unmapped codes" if language == "en" else "未映射编码") in page
    assert "a01006" not in client.get("/unmapped/?protocol=sl651").content.decode()
    form = client.get(f"/unmapped/{seen.pk}/").content.decode()
    assert 'value="P7"' in form
    assert 'value="F1"' not in form
    assert open_as(world.stranger).get(f"/unmapped/{seen.pk}/").status_code in (403, 404)
    assert f'/unmapped/{seen.pk}/"' not in open_as(world.users["viewer"]).get("/unmapped/").content.decode()


def test_a_code_is_mapped_and_what_was_kept_is_sent_again(world, seen, open_as):
    client = open_as(world.users["data_steward"])
    refused = client.post(f"/unmapped/{seen.pk}/map/", {"datastream": "P7", "unit": "mm"})
    assert refused.status_code == 422
    assert client.post(f"/unmapped/{seen.pk}/map/", {"datastream": "F1"}).status_code == 422
    done = client.post(f"/unmapped/{seen.pk}/map/", {"datastream": "P7", "again": "1", "scope": "device"})
    assert (done.status_code, done["Location"]) == (302, "/unmapped/")
    row = CodeMapping.objects.get()
    assert (row.protocol, row.code, row.site, row.device.code, row.datastream) == (
        "hj212", "a01006-Rtd", world.site, "logger-1", "P7",
    )  # fmt: skip
    assert list(UnmappedCode.objects.values_list("device__code", flat=True)) == ["logger-2"]
    held = Held.objects.get()
    assert (held.status, held.resolution["value"], held.resolution["datastream"]) == (
        "replayed", 101.3, world.stream.pk,
    )  # fmt: skip
    assert Entry.objects.filter(action="code.mapped").latest("id").detail["code"] == "a01006-Rtd"


def test_a_code_may_be_known_and_not_wanted(world, seen, open_as):
    client = open_as(world.users["data_steward"])
    assert client.post(f"/unmapped/{seen.pk}/map/", {"deed": "ignore", "scope": "site"}).status_code == 302
    row = CodeMapping.objects.get()
    assert (row.datastream, row.observed_property, row.device) == ("", "", None)


def test_the_api_lists_and_maps_and_a_stranger_gets_nothing(world, seen, open_as):
    client = open_as(world.users["data_steward"])
    [item] = client.get("/api/v1/unmapped").json()["items"]
    assert (item["device"], item["code"], item["count"], item["last_value"]) == (
        "logger-1",
        "a01006-Rtd",
        3,
        101.3,
    )
    path = f"/api/v1/unmapped/{seen.pk}/map"
    body = {"datastream": "P7", "factor": 2.0}
    stranger = open_as(world.stranger)
    assert stranger.post(path, body, content_type="application/json").status_code == 404
    assert open_as(world.users["viewer"]).post(path, body, content_type="application/json").status_code == 403
    bad = client.post(path, {"datastream": "none"}, content_type="application/json")
    assert (bad.status_code, bad.json()["code"]) == (422, "sense.bad_mapping")
    done = client.post(path, body, content_type="application/json")
    assert (done.status_code, done.json()["factor"]) == (201, 2.0)


def test_a_command_to_a_device_that_is_not_there_is_answered_and_audited(world, seen, open_as):
    body = {"command": "poll"}
    path = "/api/v1/devices/logger-1/command"
    assert open_as(world.stranger).post(path, body, content_type="application/json").status_code == 404
    assert open_as(world.users["viewer"]).post(path, body, content_type="application/json").status_code == 403
    done = open_as(world.users["commander"]).post(path, body, content_type="application/json")
    assert (done.status_code, done.json()["outcome"]) == (200, "not_connected")
    refused, asked, came = Entry.objects.filter(action__startswith="device.command").order_by("id")
    assert (refused.action, refused.ok) == ("device.command", False)  # the viewer's
    assert (asked.action, asked.detail["command"]) == ("device.command", "poll")
    assert (came.action, came.ok, came.detail["outcome"]) == ("device.commanded", False, "not_connected")
