"""SL 651, GB/T 26875.3, JT/T 808, pressure terminals and sealed JSON over real sockets: who is heard, what is said."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fengsui.base.quality import Reason
from fengsui.sense.codecs import chem_json, fire_water_pressure, gb26875, sl651, sl651_body
from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.jt808.frame import Frame, split
from fengsui.sense.codecs.jt808.frame import encode as encode_frame
from fengsui.sense.codecs.jt808.message import body, decode, encode
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.sense.gateways.field.chem_json import seal_of
from fengsui.stores import clock

from .conftest import make_site
from .field_world import Caller, World, eventually, gateway, identify, mean

STATION, PASSWORD = "0012345678", "03E8"
FIRE, CENTRE = 123456, 1
PHONE = "13912345678"
SEAL = "aes-ecb-base64:00112233445566778899aabbccddeeff"
STREAMS = {"Z": ("m", None, None), "RAIN": ("mm", None, None), "SMOKE": ("1", 0, 1), "P": ("kPa", None, None)}


@pytest.fixture
def site(transactional_db):
    """Plant-1: a station, a fire alarm device, a vehicle, a pressure terminal and a chemicals gateway, all mapped."""
    made = make_site("plant-1", "dev-1", STREAMS)
    truck = Thing.objects.create(site=made, code="truck-1", name="Truck")
    for name, unit in (("longitude", "°"), ("latitude", "°"), ("speed", "m/s")):
        prop = ObservedProperty.objects.create(code=name, name=name)
        Datastream.objects.create(
            site=made, thing=truck, observed_property=prop, code=f"truck-1.{name}", name=name, unit=unit
        )
        mean("jt808", f"position.{name}", site="", observed_property=name)
    for code in ("position.altitude", "position.direction", "alarm", "status"):
        mean("jt808", code, site="")  # not wanted
    identify("sl651", STATION, PASSWORD)
    identify("gb26875", str(FIRE))
    identify("jt808", PHONE, "code-of-13912345678", thing="truck-1")
    identify("fire-water-pressure", "T0001")
    identify("chem-json", "app-1", SEAL)
    mean("sl651", "39", "Z")
    mean("sl651", "26", "RAIN")
    mean("gb26875", "1.3.42.7-fire", "SMOKE")
    mean("fire-water-pressure", "record", "P")
    mean("chem-json", "320100-T1", "P")
    return made


@pytest.fixture
def codes(site) -> dict[int, str]:
    return {pk: code for code, pk in Datastream.objects.values_list("code", "id")}


def minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


async def named(world: World, codes: dict[int, str]) -> list[tuple[str, int, float]]:
    """(code, time_ms, value) of what nothing was wrong with."""
    return [(codes[d], t, v) for d, t, v, reason in await world.rows() if reason == 0]


async def frames(caller: Caller, protocol: str, count: int = 1, rest: bytes = b"") -> list:
    """So many frames of the gateway."""
    found: list = []
    while len(found) < count:
        cut = CODECS[protocol].feed(rest + await caller.read())
        assert not cut.refused
        found, rest = found + cut.frames, cut.rest
    return found


def report(
    serial: int, level: str, *, password: str = PASSWORD, function: int = 0x32, end: int = words.ETX,
    ahead: timedelta = timedelta(),
) -> bytes:  # fmt: skip
    at = minute() + ahead
    body = sl651_body.report(
        serial, at, STATION, 0x48, at, [sl651_body.element(0x39, level), sl651_body.element(0x26, "1234.5")]
    )
    return sl651.encode(
        down=False, centre=1, station=STATION, password=password, function=function, body=body, end=end
    )


async def test_a_station_is_confirmed_and_its_elements_find_their_datastreams(site, codes, clean_bus):
    async with gateway(clean_bus, "sl651") as world:
        station = await world.connect("sl651")
        keep_alive = sl651.encode(
            down=False, centre=1, station=STATION, password=PASSWORD, function=0x2F,
            body=sl651_body.opening(1, minute(), False), end=words.ETX,
        )  # fmt: skip
        await station.send(keep_alive + report(7, "12.345"))
        [answer] = await frames(station, "sl651")
        assert (answer.down, answer.station, answer.function, answer.end) == (True, STATION, 0x32, words.EOT)
        assert sl651_body.read(answer).serial == 7
        assert await named(world, codes) == [("Z", ms(minute()), 12.345), ("RAIN", ms(minute()), 1234.5)]
        await station.send(report(8, "1", end=words.ETB))
        assert (await frames(station, "sl651"))[0].end == words.ACK
        await station.send(report(9, "2", password="0000"))
        await eventually(world.refused, "the wrong password is refused")
        assert [why for why, _ in await world.refused()] == ["sl651: wrong_password"]


async def test_a_reading_waits_unanswered_until_it_is_sure_which_time_it_is(
    site, codes, clean_bus, tmp_path, monkeypatch
):
    added, own = tmp_path / "added", clock.Clock()
    own.share(tmp_path, str(added))
    monkeypatch.setattr(clock, "_clock", own)
    async with gateway(clean_bus, "sl651") as world:
        station = await world.connect("sl651")
        added.write_text("3600000")
        await eventually(lambda: own.apart_ms != 0, "the jump is noticed")
        await station.send(report(7, "1.5"))  # agrees with our time: judged as ever
        assert len(await frames(station, "sl651")) == 1
        await station.send(report(8, "2.5", ahead=timedelta(hours=1)))
        await eventually(lambda: any(own.steady.votes.values()), "the station speaks for the machine")
        for _ in range(3):  # the hub asks again and again
            own.now_ms()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(station.reader.read(1), 0.5)
        assert len(await named(world, codes)) == 2
        added.write_text("0")  # it was wrong: now a reading of the future is one
        assert len(await frames(station, "sl651")) == 1
        assert [reason for *_, reason in await world.rows()][2:] == [Reason.FUTURE] * 2


async def test_a_missing_packet_is_asked_for_and_the_whole_message_confirmed(site, codes, clean_bus):
    async with gateway(clean_bus, "sl651") as world:
        station = await world.connect("sl651")
        at = minute()
        body = sl651_body.report(9, at, STATION, 0x48, at, [sl651_body.element(0x39, "3.5")])
        first, second, third = sl651.split(
            body, -(-len(body) // 3), down=False, centre=1, station=STATION, password=PASSWORD, function=0x32
        )
        await station.send(first + third)
        [asked] = await frames(station, "sl651")
        assert (asked.end, asked.number) == (words.NAK, 2)
        assert await world.rows() == []
        await station.send(second)
        [answer] = await frames(station, "sl651")
        assert (answer.end, answer.number) == (words.EOT, 3)
        assert await named(world, codes) == [("Z", ms(at), 3.5)]


async def test_a_station_reports_over_udp_and_half_a_datagram_is_refused(site, codes, clean_bus):
    async with gateway(clean_bus, "sl651") as world:
        station, heard = await asyncio.get_running_loop().create_datagram_endpoint(
            Datagrams, remote_addr=("127.0.0.1", world.port("sl651"))
        )
        station.sendto(report(7, "1.5")[:-5])
        station.sendto(report(7, "1.5"))
        [answer] = sl651.feed(await asyncio.wait_for(heard.heard.get(), 20), ended=True).frames
        assert (answer.end, answer.station) == (words.EOT, STATION)
        assert [value for _, _, value in await named(world, codes)] == [1.5, 1234.5]
        assert {why for why, _ in await world.refused()} == {"sl651: cut"}
        station.close()


async def test_a_query_is_answered_by_the_stations_own_report(site, clean_bus):
    async with gateway(clean_bus, "sl651") as world:
        station = await world.connect("sl651")
        await station.send(report(7, "1"))
        await frames(station, "sl651")
        hub = world.field.hub
        identity = hub.identities.find("sl651", STATION)
        asked = asyncio.create_task(hub.line_of(identity).ask(identity, "elements", {"codes": "39"}, 20))
        [query] = await frames(station, "sl651")
        assert (query.function, query.password, query.end) == (0x3A, PASSWORD, words.ENQ)
        await station.send(report(8, "5.5", function=0x3A))
        outcome, [said] = await asked
        assert outcome == "answered"
        assert said["func"] == "3A"


def fire(serial: int, status: int = 2, source: int = FIRE) -> bytes:
    one = {
        "system_type": 1, "system_addr": 3, "component_type": 42, "component_addr": 7, "status": status,
        "description": "A区1层", "time": minute(),
    }  # fmt: skip
    return gb26875.encode(
        serial=serial,
        at=minute(),
        source=source,
        target=CENTRE,
        command=gb26875.SEND,
        unit=gb26875.unit(2, [one]),
    )


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data, address) -> None:
        self.heard.put_nowait(data)


async def test_fire_alarms_are_confirmed_or_denied_over_tcp_and_udp(site, codes, clean_bus):
    async with gateway(clean_bus, "gb26875") as world:
        device = await world.connect("gb26875")
        wrong = bytearray(fire(2))
        wrong[-3] ^= 1
        await device.send(fire(1) + bytes(wrong) + fire(3, source=99))
        answers = await frames(device, "gb26875", 3)
        assert sorted((a.serial, a.command, a.target) for a in answers) == [
            (1, gb26875.CONFIRM, FIRE), (2, gb26875.DENY, FIRE), (3, gb26875.DENY, 99),
        ]  # fmt: skip
        assert await named(world, codes) == [("SMOKE", ms(minute()), 1.0)]
        assert {why for why, _ in await world.refused()} == {"gb26875: checksum", "gb26875: unknown_device"}
        loop = asyncio.get_running_loop()
        transport, heard = await loop.create_datagram_endpoint(
            Datagrams, remote_addr=("127.0.0.1", world.port("gb26875"))
        )
        transport.sendto(fire(4, 0)[:-5])  # half of one is none
        transport.sendto(fire(5, 0))
        [answer] = gb26875.feed(await asyncio.wait_for(heard.heard.get(), 20)).frames
        assert (answer.serial, answer.command) == (5, gb26875.CONFIRM)
        assert (await named(world, codes))[-1][2] == 0.0
        transport.close()


async def test_the_fire_alarm_device_gets_the_time_and_confirms_it(site, clean_bus):
    async with gateway(clean_bus, "gb26875") as world:
        device = await world.connect("gb26875")
        await device.send(fire(1))
        await frames(device, "gb26875")
        hub = world.field.hub
        identity = hub.identities.find("gb26875", str(FIRE))
        asked = asyncio.create_task(hub.line_of(identity).ask(identity, "set_time", {}, 20))
        [command] = await frames(device, "gb26875")
        assert (command.command, command.unit[0], command.target) == (gb26875.CONTROL, 90, FIRE)
        await device.send(gb26875.confirm(command, minute()))
        assert (await asked)[0] == "answered"


def vehicle(message_id: int, fields: dict, serial: int, is_2019: bool = False) -> bytes:
    return b"".join(encode(message_id, fields, phone=PHONE, serial=serial, is_2019=is_2019))


def position(serial: int, longitude: float, is_2019: bool = False) -> bytes:
    fields = {
        "alarm": 0, "status": 3, "latitude": 31.23, "longitude": longitude, "altitude_m": 12, "speed_km_h": 36.0,
        "direction_deg": 90, "time": minute(), "additional": {},
    }  # fmt: skip
    return vehicle(0x0200, fields, serial, is_2019)


async def test_a_terminal_registers_reports_and_sends_subpackages_over_udp(site, codes, clean_bus):
    async with gateway(clean_bus, "jt808") as world:
        loop = asyncio.get_running_loop()
        where = ("127.0.0.1", world.port("jt808"))
        truck, heard = await loop.create_datagram_endpoint(Datagrams, remote_addr=where)

        async def answers() -> list:
            cut = CODECS["jt808"].feed(await asyncio.wait_for(heard.heard.get(), 20), ended=True)
            assert not cut.refused
            return [decode(one).fields for one in cut.frames]

        truck.sendto(position(1, 121.4))
        assert (await answers())[0]["result"] == 1  # nobody has logged in from there
        truck.sendto(vehicle(0x0100, {"plate_colour": 2, "plate": "A"}, 2))
        code = (await answers())[0]["code"]
        truck.sendto(vehicle(0x0102, {"code": code}, 3))
        assert (await answers())[0]["result"] == 0
        truck.sendto(position(4, 121.5)[:-6])  # half of one is none
        truck.sendto(position(5, 121.5))
        [said] = await answers()
        assert (said["reply_serial"], said["result"]) == (5, 0)
        report = {
            "status": 3,
            "longitude": 121.75,
            "latitude": 31.25,
            "time": minute() - timedelta(minutes=1),
        }
        whole = Frame(0x0704, PHONE.rjust(12, "0"), 6, body(0x0704, {"kind": 1, "locations": [report] * 2}))
        for part in reversed(split(whole, 40)):  # datagrams come in any order
            truck.sendto(encode_frame(part))
        serials: set[int] = set()
        while len(serials) < len(split(whole, 40)):
            for one in await answers():
                if "reply_serial" in one:
                    serials.add(one["reply_serial"])
                else:  # the last came first: the gateway asks at once for what it has not seen
                    assert one == {"first_serial": 6, "indices": [1]}
        assert serials == {6, 7}
        stranger, unheard = await loop.create_datagram_endpoint(Datagrams, remote_addr=where)
        stranger.sendto(position(9, 100.0))  # the log-in of another address is not theirs
        cut = CODECS["jt808"].feed(await asyncio.wait_for(unheard.heard.get(), 20), ended=True)
        assert decode(cut.frames[0]).fields["result"] == 1
        longitudes = {value for code, _, value in await named(world, codes) if code == "truck-1.longitude"}
        assert longitudes == {121.5, 121.75}
        truck.close()
        stranger.close()


@pytest.mark.parametrize("is_2019", [False, True])
async def test_a_vehicle_registers_logs_in_and_is_somewhere(site, codes, clean_bus, is_2019):
    async with gateway(clean_bus, "jt808") as world:
        truck = await world.connect("jt808")
        await truck.send(position(1, 121.4, is_2019))
        [refused] = await frames(truck, "jt808")
        assert decode(refused).fields["result"] == 1  # not before it has logged in
        about = {
            "province": 42, "city": 5, "maker": "M", "model": "X", "terminal_id": "T1", "plate_colour": 2,
            "plate": "鄂E12345",
        }  # fmt: skip
        await truck.send(vehicle(0x0100, about, 2, is_2019))
        [registered] = await frames(truck, "jt808")
        code = decode(registered).fields["code"]
        assert (registered.message_id, code) == (0x8100, "code-of-13912345678")
        more = {"imei": "8" * 15, "software_version": "1"} if is_2019 else {}
        await truck.send(vehicle(0x0102, {"code": "wrong", **more}, 3, is_2019))
        assert decode((await frames(truck, "jt808"))[0]).fields["result"] == 1
        await truck.send(vehicle(0x0102, {"code": code, **more}, 4, is_2019))
        assert decode((await frames(truck, "jt808"))[0]).fields["result"] == 0
        await truck.send(position(5, 121.5, is_2019))
        [answer] = await frames(truck, "jt808")
        assert (decode(answer).fields["reply_serial"], decode(answer).fields["result"]) == (5, 0)
        assert await named(world, codes) == [
            ("truck-1.longitude", ms(minute()), 121.5),
            ("truck-1.latitude", ms(minute()), 31.23),
            ("truck-1.speed", ms(minute()), pytest.approx(10.0)),
        ]
        assert sorted(why for why, _ in await world.refused()) == [
            "jt808: not_logged_in",
            "jt808: wrong_password",
        ]

        hub = world.field.hub
        identity = hub.identities.find("jt808", PHONE)
        line = hub.line_of(identity)
        asked = asyncio.create_task(line.ask(identity, "text", {"text": "请减速"}, 20))
        [text] = await frames(truck, "jt808")
        assert decode(text).fields["text"] == "请减速"
        await truck.send(
            vehicle(0x0001, {"reply_serial": text.serial, "reply_id": 0x8300, "result": 0}, 6, is_2019)
        )
        assert (await asked)[0] == "answered"
        asked = asyncio.create_task(line.ask(identity, "set_speed_limit", {"speed_km_h": 80}, 20))
        [limit] = await frames(truck, "jt808")
        assert list(decode(limit).fields["parameters"].values()) == [80]
        await truck.send(
            vehicle(0x0001, {"reply_serial": limit.serial, "reply_id": 0x8103, "result": 3}, 7, is_2019)
        )
        assert (await asked)[0] == "refused"


async def test_a_number_nobody_knows_does_not_register(site, clean_bus):
    async with gateway(clean_bus, "jt808") as world:
        truck = await world.connect("jt808")
        about = {
            "province": 42, "city": 5, "maker": "M", "model": "X", "terminal_id": "T1", "plate_colour": 2,
            "plate": "鄂E1",
        }  # fmt: skip
        (data,) = encode(0x0100, about, phone="13900000000", serial=1)
        await truck.send(data)
        [answer] = await frames(truck, "jt808")
        assert decode(answer).fields["result"] == 4


async def test_pressure_terminals_and_sealed_rows_find_their_datastreams(site, codes, clean_bus):
    async with gateway(clean_bus, "fire-water-pressure", "chem-json") as world:
        at = minute()
        terminal = await world.connect("fire-water-pressure")
        await terminal.send(fire_water_pressure.encode("T0001", [0.4, 0.5], at))
        terminal.close()
        await eventually(lambda: named(world, codes), "its records are there")
        assert await named(world, codes) == [
            ("P", ms(at - timedelta(seconds=60)), pytest.approx(400.0)),
            ("P", ms(at), pytest.approx(500.0)),
        ]
        app = await world.connect("chem-json")
        local = at.astimezone(chem_json.CHINA).strftime("%Y-%m-%d %H:%M:%S")
        record = chem_json.Record("app-1", "WC_ENT_CGQ", "1", "320100", None)
        rows = [{"TARGET_CODE": "320100-T1", "VALUE": 7.5, "DATA_TIME": local}, {"TARGET_CODE": "320100-T1"}]
        await app.send(chem_json.encode(record, rows, seal_of(SEAL)) + chem_json.encode(record, rows, None))
        await eventually(
            lambda: world.field.hub.counts.refused["chem-json", "wrong_password"], "open rows are refused"
        )
        await eventually(lambda: world.refused(), "they are kept")
        assert (await named(world, codes))[-1] == ("P", ms(at), 7.5)
        assert ("chem-json", "row without time") in world.field.hub.counts.refused


async def test_every_device_of_a_site_may_be_of_another_mapping(site, codes, clean_bus):
    """What is closest to the device is in force: its own mapping, then its site's, then everybody's."""

    def more():
        mean("sl651", "20", "RAIN", site="")
        mean("sl651", "20", "Z", site="plant-1")
        return mean(
            "sl651", "20", "P", site="", device=Site.objects.get(code="plant-1").devices.get(), unit="kPa"
        )

    own = await asyncio.to_thread(more)
    async with gateway(clean_bus, "sl651") as world:
        identities = world.field.identities
        identity = identities.find("sl651", STATION)
        ids = {code: pk for pk, code in codes.items()}
        assert identities.meaning(identity, "20", "mm").id == ids["P"]
        await asyncio.to_thread(own.delete)
        await eventually(
            lambda: identities.meaning(identity, "20", "mm").id == ids["Z"], "the site's mapping"
        )
        assert identities.meaning(identity, "20", "mm").factor == pytest.approx(0.001)  # into its metres
