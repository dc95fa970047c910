"""HJ 212 over real sockets: what is answered is on the bus, and what is not HJ 212 costs nobody anything."""

import asyncio
import time
from datetime import datetime

import pytest

from fengsui.base.quality import Reason
from fengsui.people.audit.models import Entry
from fengsui.sense.codecs import hj212
from fengsui.sense.devices.models import Datastream, UnmappedCode
from fengsui.sense.gateways.field.adapter import BadCommand

from .conftest import make_site
from .field_world import eventually, gateway, identify, mean

MN, PW = "A110000_0001", "123456"


@pytest.fixture
def site(transactional_db):
    """Plant-1 with the logger MN: COD in mg/L and flow in m3/h, mapped from the codes of HJ 212."""
    made = make_site("plant-1", "dev-1", {"COD": ("mg/L", 0, 1000), "FLOW": ("m3/h", None, None)})
    identify("hj212", MN, PW)
    mean("hj212", "w01018-Rtd", "COD")
    mean("hj212", "w00000-Rtd", "FLOW")
    return made


def ids() -> dict[str, int]:
    return dict(Datastream.objects.values_list("code", "id"))


def qn(n: int = 0) -> str:
    return f"20260301080000{n:03d}"


def now() -> tuple[str, int]:
    """This second as HJ 212 writes it, and as milliseconds."""
    at = int(time.time())
    return datetime.fromtimestamp(at, hj212.CHINA).strftime("%Y%m%d%H%M%S"), at * 1000


def upload(cp: str, n: int = 0, **more) -> bytes:
    given = {"qn": qn(n), "st": "32", "cn": "2011", "pw": PW, "mn": MN, "flag": 5, "cp": f"&&{cp}&&", **more}
    return hj212.message(**given)


def read(data: bytes) -> list[hj212.Frame]:
    cut = hj212.feed(data)
    assert not cut.refused
    assert not cut.rest
    return cut.frames


async def test_an_upload_is_on_the_bus_in_the_datastreams_unit_before_it_is_answered(site, clean_bus):
    known = await asyncio.to_thread(ids)
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        text, at = now()
        await device.send(
            upload(f"DataTime={text};w01018-Rtd=63.5,w01018-Flag=N;w00000-Rtd=2.5,w00000-Flag=D")
        )
        [answer] = read(await device.until(b"\r\n"))
        assert (answer.get("QN"), answer.get("CN"), answer.get("ST"), answer.get("MN")) == (
            qn(),
            "9014",
            "91",
            MN,
        )
        [batch] = await world.batches()
        assert (batch.site, batch.source) == (site.id, "hj212:dev-1")
        assert batch.datastream.tolist() == [known["COD"], known["FLOW"]]
        assert batch.value.tolist() == [63.5, pytest.approx(9.0)]  # 2.5 L/s
        assert batch.time_ms.tolist() == [at, at]
        assert batch.quality.tolist() == [0, 2]
        assert batch.reason.tolist() == [0, 0]


async def test_flag_and_command_decide_what_is_answered(site, clean_bus):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=1", 1, flag=4))  # wants none
        await device.send(upload("", 2, cn="2012"))
        await device.send(upload("", 3, cn="1013"))
        notice, asked, clock = read(
            await device.until(b"\r\n") + await device.until(b"\r\n") + await device.until(b"\r\n")
        )
        assert [(f.get("QN"), f.get("CN")) for f in (notice, asked)] == [(qn(2), "9013"), (qn(3), "9013")]
        assert (clock.get("CN"), clock.get("PW"), clock.get("ST")) == ("1012", PW, "32")
        ((key, text),) = clock.cp[0]
        assert key == "SystemTime"
        assert abs(hj212.parse_time(text).timestamp() - time.time()) < 60


@pytest.mark.parametrize("step", [1, 7, 50])
async def test_any_cut_of_the_stream_gives_the_same_readings_and_answers(site, clean_bus, step):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        text, _at = now()
        data = b"".join(upload(f"DataTime={text};w01018-Rtd={n}", n) for n in range(4))
        for start in range(0, len(data), step):
            await device.send(data[start : start + step])
            await asyncio.sleep(0)
        answers = [read(await device.until(b"\r\n"))[0].get("QN") for _ in range(4)]
        assert answers == [qn(n) for n in range(4)]
        assert [row[2] for row in await world.rows()] == [0, 1, 2, 3]


async def test_noise_is_kept_with_its_reason_and_costs_no_frame(site, clean_bus):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        wrong = bytearray(upload("DataTime=20260301080000;w01018-Rtd=5", 1))
        wrong[-3] ^= 1
        text, at = now()
        good = upload(f"DataTime={text};w01018-Rtd=7", 2)
        await device.send(b"\x00\xffnoise" + bytes(wrong) + good)
        [answer] = read(await device.until(b"\r\n"))
        assert answer.get("QN") == qn(2)
        kept = await world.refused()
        assert [reason for reason, _ in kept] == ["hj212: noise", "hj212: crc"]
        assert kept[0][1] == b"\x00\xffnoise".hex().upper()
        assert PW.encode().hex() not in kept[1][1].lower()  # its password is not
        assert [r[1:3] for r in await world.rows() if r[3] == 0] == [(at, 7.0)]
        assert world.field.hub.counts.refused == {("hj212", "noise"): 1, ("hj212", "crc"): 1}


async def test_a_frame_that_never_ends_is_refused_after_a_while_and_the_next_one_counts(site, clean_bus):
    async with gateway(clean_bus, "hj212", frame_s=0.3) as world:
        device = await world.connect("hj212")
        await device.send(b"##0900QN=2026")
        await eventually(world.refused, "the half frame is refused")
        assert [reason for reason, _ in await world.refused()] == ["hj212: cut"]
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=7", 2))
        assert read(await device.until(b"\r\n"))[0].get("QN") == qn(2)


async def test_silence_half_frames_and_strangers_are_hung_up_on(site, clean_bus):
    async with gateway(clean_bus, "hj212", login_s=0.5, idle_s=60, frame_s=60) as world:
        silent, slow = await world.connect("hj212"), await world.connect("hj212")
        for byte in b"##0900QN":
            await slow.send(bytes([byte]))
        assert await silent.ends() == b""
        assert await slow.ends() == b""
        await eventually(lambda: not world.field.hub.lines, "no line is left")
        assert world.field.hub.counts.closed == {("hj212", "login"): 2}
    async with gateway(clean_bus, "hj212", login_s=60, idle_s=0.5) as world:
        idle = await world.connect("hj212")
        await idle.send(upload("DataTime=20260301080000;w01018-Rtd=7"))
        assert read(await idle.ends())[0].get("CN") == "9014"
        assert world.field.hub.counts.closed == {("hj212", "idle"): 1}


async def test_noise_without_end_and_refusals_without_end_are_hung_up_on(site, clean_bus):
    async with gateway(clean_bus, "hj212", noise_bytes=1000, refusals=3) as world:
        loud, wrong = await world.connect("hj212"), await world.connect("hj212")
        await loud.send(b"x" * 20_000)
        assert await loud.ends() == b""
        for n in range(5):
            await wrong.send(upload("DataTime=20260301080000;w01018-Rtd=7", n, pw="000000"))
        await wrong.ends()
        await eventually(lambda: not world.field.hub.lines, "no line is left")
        assert dict(world.field.hub.counts.closed) == {("hj212", "noise"): 1, ("hj212", "refusals"): 1}


async def test_more_connections_than_allowed_are_turned_away_and_counted(site, clean_bus):
    async with gateway(clean_bus, "hj212", per_address=2) as world:
        first, second = await world.connect("hj212"), await world.connect("hj212")
        await eventually(lambda: len(world.field.hub.lines) == 2, "two lines")
        third = await world.connect("hj212")
        assert await third.ends() == b""
        assert world.field.hub.counts.turned_away == {("hj212", "per_address"): 1}
        first.close()
        await eventually(lambda: len(world.field.hub.lines) == 1, "one line less")
        fourth = await world.connect("hj212")
        await fourth.send(upload("DataTime=20260301080000;w01018-Rtd=7"))
        assert read(await fourth.until(b"\r\n"))[0].get("CN") == "9014"
        second.close()


@pytest.mark.parametrize(
    ("given", "answer", "why"),
    [({"pw": "654321"}, "3", "wrong_password"), ({"mn": "B9"}, "4", "unknown_device")],
)
async def test_a_wrong_password_or_name_is_told_kept_and_audited(site, clean_bus, given, answer, why):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=7", **given))
        [said] = read(await device.until(b"\r\n"))
        assert (said.get("CN"), said.cp) == ("9011", ((("QnRtn", answer),),))
        assert [reason for reason, _ in await world.refused()] == [f"hj212: {why}"]
        assert {row[3] for row in await world.rows()} == {Reason.UNPARSABLE}
    entry = await asyncio.to_thread(lambda: Entry.objects.filter(action="device.login").latest("id"))
    assert (entry.ok, entry.detail["why"], entry.detail["by"]) == (False, why, "hj212")
    assert "654321" not in str(entry.detail)


async def test_a_device_of_another_site_does_not_speak_on_this_ones_line(site, clean_bus):
    def other():
        make_site("plant-2", "dev-2", {"COD": ("mg/L", 0, 1000)})
        identify("hj212", "B2", PW, device="dev-2")
        mean("hj212", "w01018-Rtd", "COD", site="plant-2")

    await asyncio.to_thread(other)
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=7", 1))
        await device.until(b"\r\n")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=8", 2, mn="B2"))
        await eventually(world.refused, "it is refused")
        assert [reason for reason, _ in await world.refused()] == ["hj212: wrong_site"]
        assert 8.0 not in [row[2] for row in await world.rows()]


async def test_who_hangs_up_before_the_answer_is_still_heard(site, clean_bus):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        text, at = now()
        await device.send(upload(f"DataTime={text};w01018-Rtd=7"))
        device.writer.transport.abort()
        await eventually(lambda: world.field.hub.counts.closed, "the line is closed")
        await eventually(world.rows, "its reading is on the bus")
        assert [row[1:3] for row in await world.rows()] == [(at, 7.0)]


async def test_a_code_nobody_mapped_is_kept_and_counted_and_mapped_within_seconds(site, clean_bus):
    def unmapped():
        return list(UnmappedCode.objects.values_list("device__code", "code", "count", "last_value", "unit"))

    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        text, _at = now()
        for n in range(2):
            await device.send(upload(f"DataTime={text};w01001-Rtd={7 + n},w01001-Flag=N", n))
            await device.until(b"\r\n")
        assert [row[3] for row in await world.rows()] == [Reason.UNMAPPED] * 2
        await eventually(lambda: asyncio.to_thread(unmapped), "the code is in its table")
        assert await asyncio.to_thread(unmapped) == [("dev-1", "w01001-Rtd", 2, 8.0, "1")]
        await asyncio.to_thread(mean, "hj212", "w01001-Rtd", "COD", unit="mg/L", factor=10)

        async def mapped():
            await device.send(upload(f"DataTime={text};w01001-Rtd=3", 9))
            await device.until(b"\r\n")
            return (await world.rows())[-1][3] == 0

        await eventually(mapped, "the mapping is in force")
        assert (await world.rows())[-1][2] == 30.0
        await asyncio.to_thread(mean, "hj212", "w01002-Rtd")  # known and not wanted
        await eventually(lambda: len(world.field.identities.snapshot.rules) == 4, "the mapping is known")
        before = len(await world.rows())
        await device.send(upload(f"DataTime={text};w01002-Rtd=3", 10))
        await device.until(b"\r\n")
        assert len(await world.rows()) == before
        assert world.field.hub.counts.unwanted == {"hj212": 1}


async def test_packets_of_one_message_are_each_answered_and_share_its_time(site, clean_bus):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        text, at = now()
        first, second = hj212.split_message(
            qns=[qn(1), qn(2)], st="32", cn="2011", pw=PW, mn=MN, flag=5,
            packets=[f"&&DataTime={text};w01018-Rtd=1&&", "&&w00000-Rtd=2&&"],
        )  # fmt: skip
        await device.send(first)
        assert read(await device.until(b"\r\n"))[0].get("QN") == qn(1)
        await device.send(second)
        assert read(await device.until(b"\r\n"))[0].get("QN") == qn(2)
        assert [row[1] for row in await world.rows()] == [at, at]


async def test_a_command_is_answered_refused_or_given_up(site, clean_bus):
    async with gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=1", flag=4))
        hub = world.field.hub
        await eventually(lambda: hub.identities.find("hj212", MN) and hub.lines, "the line is known")
        identity = hub.identities.find("hj212", MN)
        await eventually(lambda: hub.line_of(identity), "the device is on a line")
        line = hub.line_of(identity)

        async def ask(*results):
            asked = asyncio.create_task(line.ask(identity, "set_interval", {"seconds": 60}, 20))
            [frame] = read(await device.until(b"\r\n"))
            assert (frame.get("CN"), frame.get("PW"), frame.cp) == ("1062", PW, ((("RtdInterval", "60"),),))
            for made in results:
                await device.send(made(frame))
            return await asked

        done = await ask(lambda f: hj212.answer_request(f, 1), lambda f: hj212.answer_executed(f, 1))
        assert done == ("answered", [{"QnRtn": "1"}, {"ExeRtn": "1"}])
        assert await ask(lambda f: hj212.answer_request(f, 2)) == ("refused", [{"QnRtn": "2"}])
        assert (await line.ask(identity, "get_time", {}, 0.1))[0] == "timeout"
        with pytest.raises(BadCommand):
            await line.ask(identity, "set_interval", {"seconds": "1"}, 1)
        waiting = asyncio.create_task(line.ask(identity, "get_time", {}, 20))
        await device.until(b"\r\n")
        await asyncio.sleep(0)
        device.close()
        assert (await waiting)[0] == "disconnected"
