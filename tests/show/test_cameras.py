"""Cameras on the portal: who sees them, who moves them, and that an address of a picture opens nothing by itself."""

import msgspec
import pytest
from django.utils import timezone

from fengsui.people.audit.models import Entry
from fengsui.people.orgs.access import MAY
from fengsui.people.orgs.models import Role
from fengsui.sense.cameras import services
from fengsui.sense.cameras.models import Camera, CameraEvent, LoopCamera, UnknownVideoDevice
from fengsui.sense.cameras.services import Listed
from fengsui.show.live import video
from fengsui.show.live.hub import NotConnected
from tests.show.world import HTML

STREAM = "0123456789abcdef01234567"


class Role_:
    """The role video as the portal meets it: what it was asked, and what it answers."""

    def __init__(self):
        self.asked, self.answer = [], {}

    def ask(self, subject, payload, _timeout):
        assert subject == video.SUBJECT
        self.asked.append(msgspec.msgpack.decode(payload))
        if self.answer is None:
            raise NotConnected
        return msgspec.msgpack.encode(self.answer)


@pytest.fixture
def role(monkeypatch):
    made = Role_()
    monkeypatch.setattr(video, "hub", lambda: made)
    return made


@pytest.fixture
def camera(world):
    device, _ = services.add_device(
        None, site=world.site, code="42050000001180000001", name=HTML, password="secret-1"
    )
    services.take_catalogue(
        device.pk, [Listed("42050000001320000001", f"东山{HTML}", ptz_type=1)], timezone.now(), is_whole=True
    )
    made = Camera.objects.get()
    CameraEvent.objects.create(
        device=device, site=world.site, camera=made, code=made.code, at=timezone.now(), received_at=timezone.now(),
        priority=1, description=f"东山发现烟火{HTML}",
    )  # fmt: skip
    return made


@pytest.fixture
def segments(settings, tmp_path, camera):
    settings.VIDEO_ROOT = tmp_path
    folder = tmp_path / str(camera.pk) / STREAM
    folder.mkdir(parents=True)
    (folder / "index.m3u8").write_bytes(b"#EXTM3U\n")
    (folder / "part-1.m4s").write_bytes(b"moof")
    (tmp_path / "secret.mp4").write_bytes(b"no")
    return folder


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", Role.values)
def test_pages_open_for_who_may_see_and_show_no_markup_of_devices(world, camera, open_as, name, language):
    UnknownVideoDevice.objects.create(
        code=HTML, address=HTML, why="unknown", first_at=timezone.now(), last_at=timezone.now()
    )
    client = open_as(world.users[name], language)
    for page in ("/cameras/", "/cameras/?q=东山&site=tep-1&state=offline", f"/cameras/{camera.pk}/"):
        response = client.get(page)
        assert response.status_code == (200 if name in MAY["video.view"] else 403), page
        html = response.content.decode()
        assert "<script>alert" not in html
        assert "style=" not in html
        assert "secret-1" not in html
    assert ("/cameras/" in client.get("/sites/").content.decode()) == (name in MAY["video.view"])


def test_a_stranger_finds_no_camera_and_no_picture(world, camera, segments, role, open_as):
    client = open_as(world.stranger)
    assert "东山" not in client.get("/cameras/").content.decode()
    for page in (
        f"/cameras/{camera.pk}/",
        f"/cameras/{camera.pk}/still.jpg",
        f"/cameras/{camera.pk}/live/{STREAM}/part-1.m4s",
    ):
        assert client.get(page).status_code == 404, page
    for page in ("watch/", "move/", "alarm/reset/", "beside/"):
        assert client.post(f"/cameras/{camera.pk}/{page}", {"loop": "1"}).status_code == 404, page
    assert client.post(f"/cameras/{camera.pk}/site/", {"site": "jz-1"}).status_code in (403, 404)
    assert role.asked == []


def test_segments_are_given_to_who_may_see_the_camera_and_to_nobody_else(world, camera, segments, open_as):
    client = open_as(world.officer)
    answer = client.get(f"/cameras/{camera.pk}/live/{STREAM}/part-1.m4s")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"moof", "video/iso.segment")
    assert "no-store" in answer["Cache-Control"]
    assert client.get(f"/cameras/{camera.pk}/live/{STREAM}/index.m3u8").content == b"#EXTM3U\n"
    for name in ("part-2.m4s", "..%2F..%2Fsecret.mp4", "secret.mp4", ".part-1.m4s", "part-1.m4s%00"):
        assert client.get(f"/cameras/{camera.pk}/live/{STREAM}/{name}").status_code == 404, name
    assert client.get(f"/cameras/{camera.pk}/live/{STREAM[::-1]}/part-1.m4s").status_code == 404
    assert (
        open_as(world.users["viewer"]).get(f"/cameras/{camera.pk}/live/{STREAM}/part-1.m4s").status_code
        == 403
    )
    assert open_as().get(f"/cameras/{camera.pk}/live/{STREAM}/part-1.m4s").status_code == 302


def test_who_watches_is_in_the_audit_trail_once_a_stream(world, camera, role, open_as):
    role.answer = {"stream": STREAM, "codec": "h264", "codecs": "avc1.42C00D", "width": 320, "height": 240}
    client = open_as(world.officer)
    told = client.post(f"/cameras/{camera.pk}/watch/").json()
    assert told["address"] == f"/cameras/{camera.pk}/live/{STREAM}/"
    client.post(f"/cameras/{camera.pk}/watch/", {"stream": STREAM})
    assert role.asked == [{"do": "watch", "camera": camera.pk}] * 2
    (entry,) = Entry.objects.filter(action="video.view")
    assert entry.detail["camera"] == camera.code


def test_a_still_picture_is_passed_on(world, camera, role, open_as):
    role.answer = {"jpeg": b"\xff\xd8picture"}
    answer = open_as(world.officer).get(f"/cameras/{camera.pk}/still.jpg")
    assert (answer.content, answer["Content-Type"]) == (b"\xff\xd8picture", "image/jpeg")


@pytest.mark.parametrize("name", Role.values)
def test_moving_is_for_who_may_and_every_move_is_kept(world, camera, role, open_as, name):
    client = open_as(world.users[name])
    answer = client.post(f"/cameras/{camera.pk}/move/", {"pan": "-999", "tilt": "10", "zoom": "x"})
    may = name in MAY["video.control"]
    assert answer.status_code == (200 if may else 403)
    assert bool(role.asked) == may
    if may:
        assert role.asked[0]["command"] == {"kind": "move", "pan": -255, "tilt": 10, "zoom": 0}
        assert Entry.objects.get(action="video.control").detail["pan"] == -255
        client.post(f"/cameras/{camera.pk}/move/", {"preset": "3"})
        assert role.asked[1]["command"] == {"kind": "preset", "verb": "call", "number": 3}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "show.no_video"),
        ({"error": "sense.video_refused", "message": "device 1 is not online"}, "sense.video_refused"),
        ({"error": "sense.no_answer", "message": "late"}, "sense.no_answer"),
        ({"error": "base.error", "message": "odd"}, "base.error"),
    ],
)
def test_why_a_camera_cannot_be_shown_is_said(world, camera, role, open_as, answer, code):
    role.answer = answer
    told = open_as(world.officer).post(f"/cameras/{camera.pk}/watch/")
    assert (told.status_code, told.json()["code"]) == (503, code)
    assert told.json()["message"]
    assert open_as(world.officer).get(f"/cameras/{camera.pk}/still.jpg").status_code == 503


def test_cameras_of_a_site_stand_beside_its_tables_alarms_and_loops(
    world, camera, role, open_as, monkeypatch
):
    from fengsui.show.lists import readings

    monkeypatch.setattr(readings, "hub", lambda: role)
    role.answer = None
    alarm = world.alarm(priority=1)
    loop = world.loop(alarm)
    link = f'href="/cameras/{camera.pk}/"'
    for page in ("/sites/tep-1/tables/", f"/alarms/{alarm.pk}/", f"/loops/{loop.pk}/"):
        shown = open_as(world.officer).get(page).content.decode()
        assert (link in shown) == (page == "/sites/tep-1/tables/" or bool(loop.about)), page
        assert link not in open_as(world.users["viewer"]).get(page).content.decode()
    client = open_as(world.officer)
    assert client.post(f"/cameras/{camera.pk}/beside/", {"loop": loop.pk}).status_code == 302
    assert LoopCamera.objects.get().camera == camera
    assert link in client.get(f"/loops/{loop.pk}/").content.decode()
    client.post(f"/cameras/{camera.pk}/beside/", {"loop": loop.pk, "away": "1"})
    assert not LoopCamera.objects.exists()


def test_a_steward_attaches_a_camera_only_where_they_may_edit(world, camera, open_as):
    second = world.add_site("tep-2", "二号厂", world.plant_org)
    client = open_as(world.users["operator"])
    client.post(f"/cameras/{camera.pk}/site/", {"site": "jz-1"})
    camera.refresh_from_db()
    assert camera.site == world.site
    client.post(f"/cameras/{camera.pk}/site/", {"site": "tep-2"})
    camera.refresh_from_db()
    assert camera.site == camera.thing.site == second


def test_the_list_pages_and_filters(world, camera, open_as):
    items = [Listed(f"42050000001320{n:06d}", f"cam {n}") for n in range(2, 80)]
    services.take_catalogue(camera.device_id, items, timezone.now(), is_whole=False)
    client = open_as(world.officer)
    first = client.get("/cameras/").content.decode()
    assert first.count('scope="row"><a href="/cameras/') == 50
    assert "cursor=" in first
    assert client.get("/cameras/?q=cam 7").content.decode().count('scope="row"><a href="/cameras/') == 11
    assert client.get("/cameras/?state=gone").content.decode().count('scope="row"><a href="/cameras/') == 0


def test_what_is_wrong_with_a_new_camera_is_an_alarm_from_the_beginning(world, camera):
    from fengsui.run import handlers
    from fengsui.stores.outbox.models import Event
    from fengsui.warn.alarms.models import Rule

    events = list(Event.objects.filter(topic="camera.listed"))
    for event in events * 2:  # an event may be handled again
        handlers.camera_listed(None, event.payload)
    rules = Rule.objects.filter(datastream__code__startswith=f"{camera.code}.")
    assert {(r.datastream.code.split(".")[1], r.kind, r.priority, r.setpoint) for r in rules} == {
        ("alarm", "h", 2, 0.5),
        ("online", "l", 4, 0.5),
    }
