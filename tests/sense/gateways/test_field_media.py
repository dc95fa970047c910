"""Files of devices through a real gateway: what is answered when, where they end, and what is refused."""

import asyncio
from pathlib import Path

import pytest

from fengsui.people.audit.models import Entry
from fengsui.sense.codecs import sl651
from fengsui.sense.codecs.jt808.frame import Frame, feed
from fengsui.sense.codecs.jt808.frame import encode as encode_frame
from fengsui.sense.codecs.jt808.message import decode, encode
from fengsui.sense.gateways.field.commands import Command, send
from fengsui.sense.media import folder, store
from fengsui.sense.media.models import FOLDER, Medium
from fengsui.sense.simulators import jt808 as simulated
from fengsui.sense.simulators import sl651 as station
from fengsui.sense.simulators.device import Options
from fengsui.sense.simulators.picture import PICTURE
from fengsui.stores.changes import in_thread

from .field_world import Caller, eventually, gateway, identify
from .test_field_jt808 import picture

PHONE, CODE = "13912345678", "the code"
KEPT = (0x8800, None)


@pytest.fixture
def place(plant, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    identify("jt808", PHONE, CODE, thing="unit")
    identify("sl651", "0012345678", "03E8", thing="unit")
    return settings.MEDIA_ROOT


def use(world, **limits) -> None:
    world.field.hub.keep = store.Store(store.Room(**{"free": 0, **limits})).keep


async def told(caller: Caller, *, until) -> list[tuple[int, int | None]]:
    """(message, result) of what comes until ``until`` is among it."""
    found, rest = [], b""
    while until not in found:
        cut = feed(rest + await caller.read())
        rest = cut.rest
        found += [(f.message_id, decode(f).fields.get("result")) for f in cut.frames]
    return found


async def logged_in(world) -> Caller:
    caller = await world.connect("jt808")
    more = {"imei": "8" * 15, "software_version": "1"}
    await caller.send(b"".join(encode(0x0102, {"code": CODE, **more}, phone=PHONE, serial=1, is_2019=True)))
    await told(caller, until=(0x8001, 0))
    return caller


async def table(deed):
    """What ``deed`` finds in the database."""
    return await asyncio.to_thread(in_thread, deed)


def rows() -> list[Medium]:
    return list(Medium.objects.select_related("thing").order_by("pk"))


def files(place: Path) -> list[Path]:
    return [path for path in (place / FOLDER).rglob("*") if path.is_file()]


async def test_a_picture_is_on_the_disk_and_in_its_table_before_the_terminal_may_drop_it(place, clean_bus):
    async with gateway(clean_bus, "jt808") as world:
        use(world)
        caller = await logged_in(world)
        for part in picture(123, 5, event=3):
            await caller.send(part)
        answers = await told(caller, until=KEPT)
        assert answers == [(0x8001, 0)] * 3 + [KEPT]
        (row,) = await table(rows)
        assert [path.read_bytes() for path in files(place)] == [PICTURE]
        assert row.file.name.startswith(f"{FOLDER}/") and row.file.name.endswith(".jpg")
        assert (row.number, row.kind, row.event, row.channel, row.content_type) == (
            123,
            "picture",
            3,
            1,
            "image/jpeg",
        )
        assert (row.longitude, row.latitude, row.device_code, row.thing.code) == (
            111.29,
            30.69,
            "dev-1",
            "unit",
        )
        assert row.taken_at.isoformat() == "2026-05-01T00:00:00+00:00"
        for part in picture(123, 900, event=3):  # the answer was lost: all of it once more
            await caller.send(part)
        await told(caller, until=KEPT)
        assert len(await table(rows)) == len(files(place)) == 1
        entry = await table(lambda: Entry.objects.get(action="media.received"))
        assert entry.detail["number"] == 123 and entry.detail["sha256"] == row.sha256
        assert world.field.hub.counts.media == {("jt808", "kept"): 2}
        caller.close()


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (b"<svg onload=alert(1)>", {}, "media_type"),
        (PICTURE, {"file": 100}, "media_size"),
        (PICTURE, {"device": 100}, "media_device_full"),
        (PICTURE, {"total": 100}, "media_full"),
        (PICTURE, {"free": 1 << 60}, "media_full"),
    ],
)
async def test_what_is_not_kept_is_not_confirmed_and_its_reason_is_kept(
    place, clean_bus, data, limits, reason
):
    async with gateway(clean_bus, "jt808") as world:
        use(world, **limits)
        caller = await logged_in(world)
        head = bytes.fromhex("0000007b00000101") + bytes(28)
        frame = Frame(0x0801, PHONE.rjust(20, "0"), 5, head + data[:900], True, 1)
        await caller.send(encode_frame(frame))
        assert await told(caller, until=(0x8001, 1)) == [(0x8001, 1)]
        assert [why for why, _bytes in await world.refused()] == [f"jt808: {reason}"]
        assert await table(rows) == files(place) == []
        caller.close()


async def test_a_folder_that_no_portal_reads_is_not_given_a_picture_and_the_terminal_keeps_it(
    place, clean_bus
):
    async with gateway(clean_bus, "jt808") as world:
        use(world)
        await table(folder.claim)
        (place / folder.MARK).unlink()  # the gateway of another machine, with a folder of its own
        caller = await logged_in(world)
        for part in picture(123, 5):
            await caller.send(part)
        assert KEPT not in await told(caller, until=(0x8001, 1))
        assert [why for why, _bytes in await world.refused()] == ["jt808: media_elsewhere"]
        assert await table(rows) == []
        await table(folder.claim)  # what a portal does to the folder that it reads
        for part in picture(123, 900):
            await caller.send(part)
        await told(caller, until=KEPT)
        assert [path.read_bytes() for path in files(place)] == [PICTURE]
        caller.close()


async def test_what_was_asked_for_says_who_asked_and_fills_the_row_that_waited(place, clean_bus):
    async with gateway(clean_bus, "jt808") as world:
        use(world)
        caller = await logged_in(world)
        terminal = simulated.KIND.make(Options(identity=PHONE, variant="2019"))

        async def answering() -> None:
            rest = b""
            while True:
                cut = feed(rest + await caller.reader.read(65536))
                rest = cut.rest
                for frame in cut.frames:
                    for said in terminal.obey(frame, 1_777_593_600_000):
                        await caller.send(said)

        playing = asyncio.create_task(answering())
        try:
            stored = {"channel": 1, "count": 1, "store": 1}
            outcome = await send(world.nc, Command("dev-1", "take_picture", stored, by="an officer"))
            assert outcome.outcome == "answered", outcome
            await eventually(lambda: table(rows), "the picture is announced")
            (row,) = await table(rows)
            assert (row.is_here, row.asked_by, row.command) == (False, "an officer", "take_picture")
            one = Command("dev-1", "upload_one_media", {"media_id": row.number}, by="another")
            assert (await send(world.nc, one)).outcome == "answered"

            async def is_here():
                return (await table(rows))[0].is_here

            await eventually(is_here, "the file is here")
            (row,) = await table(rows)
            assert (row.asked_by, row.command) == ("another", "upload_one_media")
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            caller.close()


async def test_a_picture_of_a_hydrological_station_is_kept_before_it_is_confirmed(place, clean_bus):
    async with gateway(clean_bus, "sl651") as world:
        use(world)
        caller = await world.connect("sl651")
        device = station.KIND.make(Options(identity="0012345678", password="03E8"))
        for packet in device._picture(1_777_593_600_000):
            await caller.send(packet)
        rest, answers = b"", []
        while not answers:
            cut = sl651.CODEC.feed(rest + await caller.read(), False)
            rest, answers = cut.rest, cut.frames
        (row,) = await table(rows)
        assert (row.protocol, row.kind, row.number, row.is_here) == ("sl651", "picture", None, True)
        assert [path.read_bytes() for path in files(place)] == [PICTURE]
        caller.close()


def test_files_that_no_row_speaks_of_are_swept(place):
    from django.utils import timezone

    stray = place / FOLDER / "2026" / "01" / "0123456789abcdef-0123456789ab.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(PICTURE)
    assert store.sweep(timezone.now()) == 1
    assert not stray.exists()
