"""Devices register, keep alive, say what they have and report: a simulated camera over real sockets and a real bus."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fengsui.base.steady import ASKED_MS
from fengsui.sense.cameras.models import (
    Camera,
    CameraEvent,
    UnknownVideoDevice,
    VideoDevice,
    VideoDeviceState,
)
from fengsui.sense.codecs.gb28181 import manscdp, ptz, sip
from fengsui.sense.devices.models import Datastream, Thing
from fengsui.sense.gateways.gb28181.camera import NotLetIn
from fengsui.sense.gateways.gb28181.platform import VideoRefused
from fengsui.sense.gateways.publisher import Busy
from fengsui.stores import clock
from tests.sense.gateways.gb28181.world import CHANNELS, DEVICE, PASSWORD, QUICK, add, in_db, until, world

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = CHANNELS[0][0]


def state() -> VideoDeviceState:
    return VideoDeviceState.objects.get(device__code=DEVICE)


def count(model, **which) -> int:
    return model.objects.filter(**which).count()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_recorder_registers_and_its_catalogue_becomes_cameras(clean_bus, plant, transport):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera(transport=transport) as camera:
        await until(lambda: in_db(lambda: count(Camera) == 5), "five cameras")
        found = await in_db(lambda: Camera.objects.select_related("thing", "site").get(code=FIRST))
        assert (found.name, found.manufacturer, found.site.code, found.thing.code) == (
            "罐区摄像机1",
            "烽燧",
            "plant-1",
            FIRST,
        )
        assert (found.longitude, found.ptz_type, found.gone_at) == (111.29, 1, None)
        told = await in_db(state)
        assert told.is_online
        assert told.version == "2016"
        await until(lambda: in_db(lambda: state().manufacturer == "烽燧"), "what the device is")
        await until(lambda: here.values(f"{FIRST}.online"), "a reading of the camera's state")
        assert (await here.values(f"{FIRST}.online"))[-1] == 1.0
        assert (await here.values(f"{DEVICE}.online"))[-1] == 1.0
        await until(
            lambda: in_db(lambda: Camera.objects.get(code=FIRST).is_online), "the camera to be online"
        )
        await until(lambda: here.platform.counts["subscribed"] == 3, "three subscriptions")
        assert {query.command for query in camera.heard.queries} == {"Catalog", "DeviceInfo"}


async def test_a_state_that_nobody_could_take_is_said_again_soon(clean_bus, plant, monkeypatch):
    await in_db(add, plant)
    async with world(clean_bus) as here:
        put, refused = here.platform.out.put, []

        async def busy_three_times(site, source, rows):
            if len(refused) < 3:
                refused.append(source)
                raise Busy("not now")
            await put(site, source, rows)

        monkeypatch.setattr(here.platform.out, "put", busy_three_times)
        async with here.camera():
            await until(lambda: here.values(f"{DEVICE}.online"), "the state of the device")
        assert here.platform.counts["states_delayed"] == 3


async def test_a_device_that_falls_silent_is_offline_and_comes_back(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.values(f"{FIRST}.online"), "the camera's state")
        camera.silent = True
        await until(lambda: in_db(lambda: not state().is_online), "the device to be offline")
        await until(lambda: here_ends_with(here, 0.0), "a reading that says so")
        with pytest.raises(VideoRefused):
            here.platform.online(DEVICE)
        camera.silent = False
        await until(lambda: in_db(lambda: state().is_online), "the device to be back")
        await until(lambda: here_ends_with(here, 1.0), "a reading that says so")


async def here_ends_with(here, value: float) -> bool:
    return (await here.values(f"{DEVICE}.online"))[-1:] == [value]


async def test_leaving_and_expiry_end_a_registration(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here:
        async with here.camera():
            await until(lambda: in_db(lambda: state().is_online), "the device")
        await until(lambda: in_db(lambda: not state().is_online), "the device that left to be offline")
    async with (
        world(clean_bus, replace(QUICK, keepalive_s=60)) as here,
        here.camera(expires_s=2, keepalive_s=600),
    ):
        await until(lambda: in_db(lambda: not state().is_online), "a registration to expire")


@pytest.mark.parametrize("digests", [("MD5",), ("SHA-256", "MD5"), ("SM3", "MD5")])
async def test_the_best_digest_on_offer_is_used(clean_bus, plant, digests):
    await in_db(add, plant)
    async with (
        world(clean_bus, replace(QUICK, digests=digests)) as here,
        here.camera(version="3.0") as camera,
    ):
        answer = await camera.register(100)
        assert (answer.status, answer.header("X-GB-Ver"), answer.expires) == (200, "3.0", 100)
        assert len(answer.header("Date")) == len("2017-05-19T18:09:17.033")


async def test_strangers_are_turned_away_and_kept_on_a_list(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here:
        for nature in ({"code": "34020000001180000009"}, {"password": "wrong"}):
            for _ in range(2):
                with pytest.raises(NotLetIn, match="403"):
                    async with here.camera(**nature):
                        pass
        rows = await in_db(lambda: sorted(UnknownVideoDevice.objects.values_list("code", "why")))
        assert set(rows) == {("34020000001180000009", "unknown"), (DEVICE, "password")}
        assert not (await in_db(state)).is_online
        await in_db(lambda: VideoDevice.objects.update(is_active=False))
        await here.platform._load()
        with pytest.raises(NotLetIn):
            async with here.camera():
                pass
        assert await in_db(lambda: count(UnknownVideoDevice, why="inactive")) == 1


async def test_who_is_not_registered_is_not_heard(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await camera.register(0)
        answer = await camera.say("Notify", "Keepalive", DEVICE, (("Status", "OK"),))
        assert answer.status == 403
        await camera.keep_alive()  # and so it registers anew
        await until(lambda: in_db(lambda: state().is_online), "the device")


async def test_a_register_that_was_overheard_lets_nobody_in(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        heard = []
        ask = camera.signalling.ask

        async def listening(request, peer, seconds):
            heard.extend([request] if request.method == "REGISTER" else [])
            return await ask(request, peer, seconds)

        camera.signalling.ask = listening
        await camera.register(0)
        again = replace(heard[-1], headers=(camera.signalling.via(camera._peer), *heard[-1].headers[1:]))
        assert again.header("Authorization")
        answer = await ask(again, camera._peer, 10)
        assert answer.status == 401
        assert "stale=true" in answer.header("WWW-Authenticate")


async def test_an_alarm_is_a_reading_and_its_words_are_kept(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: in_db(lambda: count(Camera) == 5), "cameras")
        assert (await camera.alarm(FIRST, priority=2, method=5, text="罐区发现烟火")).status == 200
        event = await in_db(lambda: CameraEvent.objects.select_related("camera").get())
        assert (event.camera.code, event.priority, event.method, event.kind) == (FIRST, 2, 5, 2)
        assert event.description == "罐区发现烟火"
        assert await here.values(f"{FIRST}.alarm") == [1.0]
        assert await here.values(f"{FIRST}.alarm.priority") == [2.0]
        await until(
            lambda: any(d.command == "Alarm" for d in camera.heard.answers), "the answer of the platform"
        )
        await here.platform.reset_alarm(DEVICE, FIRST)
        assert camera.heard.orders[-1].find("AlarmCmd") == "ResetAlarm"
        assert await here.values(f"{FIRST}.alarm") == [1.0, 0.0]


async def test_an_alarm_that_is_not_repeated_is_over(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus, replace(QUICK, alarm_s=1)) as here, here.camera() as camera:
        await camera.alarm()
        await until(lambda: here_alarm(here), "the end of the alarm")


async def here_alarm(here) -> bool:
    return await here.values(f"{DEVICE}.alarm") == [1.0, 0.0]


async def test_positions_are_readings_and_their_datastreams_are_made(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.platform.counts["subscribed"] == 3, "subscriptions")
        await camera.position(111.3001, 30.7002, speed=36, direction=90)
        told = {name: value for name, value, _ in await here.readings() if ".position." in name}
        assert told == {
            f"{DEVICE}.position.longitude": 111.3001, f"{DEVICE}.position.latitude": 30.7002,
            f"{DEVICE}.position.speed": 36.0, f"{DEVICE}.position.direction": 90.0, f"{DEVICE}.position.altitude": 50.0,
        }  # fmt: skip
        row = await in_db(lambda: Datastream.objects.get(code=f"{DEVICE}.position.speed"))
        assert (row.unit, row.thing_id) == ("km/h", (await in_db(lambda: Thing.objects.get(code=DEVICE))).pk)


async def test_what_cannot_be_read_is_refused_and_goes_to_quarantine(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        request = sip.request(
            "MESSAGE",
            f"sip:{DEVICE}@x",
            camera._headers("MESSAGE", call_id="odd"),
            b"<?xml version='1.0'?><Notify><Cmd",
            sip.MANSCDP,
        )
        assert (await camera.signalling.ask(request, camera._peer, 10)).status == 400
        assert "reason 1" in {name for name, _, _ in await here.readings()}


async def test_bytes_of_a_registered_device_that_are_no_message_are_kept_and_those_of_strangers_are_not(
    clean_bus, plant
):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.platform.devices, "registered")
        stranger, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", here.platform.signalling.port)
        )
        stranger.sendto(b"MESSAGE sip:a@b SIP/2.0\r\n\r\n")
        await until(lambda: here.platform.counts["refused"] == 1, "refused")
        assert "reason 1" not in {name for name, _, _ in await here.readings()}
        for _ in range(3):  # one a second is kept
            camera.signalling._udp.sendto(
                b"MESSAGE sip:a@b SIP/2.0\r\n\r\n", (camera._peer.host, camera._peer.port)
            )
        await until(lambda: here.platform.counts["refused"] == 4, "refused")
        await until(lambda: in_bus(here), "kept")
        stranger.close()


async def in_bus(here) -> bool:
    return [name for name, _, _ in await here.readings()].count("reason 1") >= 1


async def test_a_camera_is_moved_and_a_request_that_comes_twice_is_done_once(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await here.platform.move(DEVICE, FIRST, ptz.Ptz(pan=-32))
        await here.platform.move(DEVICE, FIRST, ptz.Ptz("preset", verb="call", number=3))
        assert camera.heard.moves == [ptz.Ptz(pan=-32), ptz.Ptz("preset", verb="call", number=3)]
        assert camera.heard.orders[0].device == FIRST
        await here.platform.key_frame(DEVICE, FIRST)
        assert camera.heard.orders[-1].find("IFameCmd") == "Send"
        before = here.platform.counts["alarms"]
        body = camera._headers("MESSAGE", call_id="twice")
        from fengsui.sense.codecs.gb28181 import manscdp

        xml = manscdp.encode("Notify", "Alarm", 9, DEVICE, (("AlarmPriority", 1),))
        request = sip.request("MESSAGE", f"sip:{DEVICE}@x", body, xml, sip.MANSCDP)
        for _ in range(3):
            assert (await camera.signalling.ask(request, camera._peer, 10)).status == 200
        assert here.platform.counts["alarms"] == before + 1


async def test_an_answer_that_got_lost_is_asked_for_again(clean_bus, plant):
    """The camera loses the first request of the platform: it comes again until it is answered."""
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.platform.counts["subscribed"] == 3, "subscriptions")
        take, lost = camera.signalling.take_datagram, []

        def losing(data, host, port):
            if b"DeviceControl" in data and not lost:
                lost.append(data)
                return
            take(data, host, port)

        camera.signalling.take_datagram = losing
        await here.platform.move(DEVICE, FIRST, ptz.Ptz(zoom=3))
        assert lost
        assert here.platform.counts["sent_again"] >= 1
        assert camera.heard.moves == [ptz.Ptz(zoom=3)]


async def test_a_camera_out_of_the_catalogue_is_gone_and_a_moved_one_stays_moved(clean_bus, plant):
    from fengsui.sense.cameras import services
    from tests.sense.gateways.conftest import make_site

    await in_db(add, plant)
    async with world(clean_bus) as here:
        async with here.camera():
            await until(lambda: in_db(lambda: count(Camera) == 5), "cameras")
            other = await in_db(make_site, "plant-2", "dev-2", {})
            await in_db(lambda: services.move_camera(None, Camera.objects.get(code=FIRST), other))
            await until(
                lambda: here.platform.channels[DEVICE, FIRST].site_id == other.pk, "the platform to know"
            )
        async with here.camera(channels=CHANNELS[:2]):
            await until(lambda: in_db(lambda: count(Camera, gone_at=None) == 2), "three of them to be gone")
            moved = await in_db(lambda: Camera.objects.select_related("site", "thing__site").get(code=FIRST))
            assert moved.site.code == moved.thing.site.code == "plant-2"
            assert (
                await in_db(lambda: count(Datastream, site=other, code=f"{FIRST}.online", is_active=True))
                == 1
            )
            assert (
                await in_db(lambda: count(Datastream, site=plant, code=f"{FIRST}.online", is_active=False))
                == 1
            )


async def test_a_change_in_the_catalogue_is_told(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.platform.counts["subscribed"] == 3, "subscriptions")
        await until(lambda: in_db(lambda: Camera.objects.get(code=FIRST).is_online), "the camera")
        await camera.catalogue_event(FIRST, "OFF")
        await until(
            lambda: in_db(lambda: not Camera.objects.get(code=FIRST).is_online), "the camera to be off"
        )
        assert (await here.values(f"{FIRST}.online"))[-1] == 0.0


async def test_a_platform_that_began_anew_knows_who_is_there(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here, here.camera() as camera:
        port = here.platform.signalling.port
        await until(lambda: in_db(lambda: state().is_online), "the device")
        await here.platform.close()
        async with world(clean_bus, port=port) as again:
            assert again.platform.online(DEVICE).known.code == DEVICE
            assert (await camera.say("Notify", "Keepalive", DEVICE, (("Status", "OK"),))).status == 200


async def test_noise_on_the_port_hurts_nobody(clean_bus, plant):
    await in_db(add, plant)
    async with world(clean_bus) as here:
        _reader, writer = await asyncio.open_connection("127.0.0.1", here.platform.signalling.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(range(256)))
        camera_port = here.platform.signalling.port
        loop = asyncio.get_running_loop()
        out, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", camera_port)
        )
        out.sendto(b"\x80noise")
        out.sendto(b"MESSAGE sip:a@b SIP/2.0\r\n\r\n")
        writer.close()
        await until(lambda: here.platform.counts["refused"] >= 3, "three refusals")
        out.close()
        async with here.camera():
            await until(lambda: in_db(lambda: state().is_online), "a device all the same")


async def test_the_password_is_sealed_and_a_new_one_ends_the_registration(clean_bus, plant):
    from fengsui.sense.cameras import services

    device = await in_db(add, plant)
    assert PASSWORD not in device.password_sealed
    async with world(clean_bus) as here, here.camera():
        await until(lambda: in_db(lambda: state().is_online), "the device")
        await in_db(services.new_password, None, device, "another-one")
        await until(lambda: in_db(lambda: not state().is_online), "the device to be out")
        with pytest.raises(NotLetIn):
            async with here.camera():
                pass
        async with here.camera(password="another-one"):
            await until(lambda: in_db(lambda: state().is_online), "the device with its new password")


async def test_alarms_and_positions_wait_until_it_is_sure_which_time_it_is(
    clean_bus, plant, tmp_path, monkeypatch
):
    added, own = tmp_path / "added", clock.Clock()
    own.share(tmp_path, str(added))
    monkeypatch.setattr(clock, "_clock", own)
    await in_db(add, plant)

    async def told(camera, command, hours, fields=()):
        at = manscdp.written(datetime.now(UTC) + timedelta(hours=hours))
        name = "AlarmTime" if command == "Alarm" else "Time"
        return (await camera.say("Notify", command, DEVICE, ((name, at), *fields))).status

    place = (("Longitude", 111.3), ("Latitude", 30.7))
    async with world(clean_bus) as here, here.camera() as camera:
        await until(lambda: here.platform.counts["subscribed"] == 3, "subscriptions")
        added.write_text("3600000")
        await until(lambda: own.apart_ms != 0, "the jump is noticed")
        assert await told(camera, "MobilePosition", 0, place) == 200  # agrees with our time: judged as ever
        assert await told(camera, "MobilePosition", 1, place) == 503
        assert await told(camera, "Alarm", 1) == 503
        assert await in_db(lambda: count(CameraEvent)) == 0
        assert not own.steady.votes, "whoever has its time from us is no witness"
        assert await here.values(f"{DEVICE}.position.longitude") == [111.3]
        for source in ("a", "b", "c"):
            own.hears(source, own.now_ms())
        monkeypatch.setattr(own.steady, "parted_at", own.steady.parted_at - ASKED_MS)
        assert await told(camera, "Alarm", 1) == 200  # it is decided that our time is right
        assert await in_db(lambda: count(CameraEvent)) == 1
