"""Commands over the bus to the gateway that holds the connection; Modbus devices polled from rows."""

import asyncio

import nats

from fengsui.sense.codecs import hj212
from fengsui.sense.devices.models import Device, ModbusLink, ModbusPoint
from fengsui.sense.gateways.field.commands import Command, send

from .conftest import make_site
from .field_world import eventually, gateway, identify
from .test_field_hj212 import MN, PW, read, site, upload
from .test_modbus_polling import Server

__all__ = ["site"]  # the fixture


async def test_a_command_finds_the_gateway_that_holds_the_device(site, clean_bus):
    async with gateway(clean_bus, "hj212") as idle, gateway(clean_bus, "hj212") as world:
        device = await world.connect("hj212")
        await device.send(upload("DataTime=20260301080000;w01018-Rtd=1"))
        await device.until(b"\r\n")
        nc = await nats.connect(clean_bus)
        asked = asyncio.create_task(send(nc, Command("dev-1", "set_time", wait_s=20)))
        [frame] = read(await device.until(b"\r\n"))
        assert (frame.get("CN"), frame.get("MN"), frame.get("PW")) == ("1012", MN, PW)
        await device.send(hj212.answer_request(frame, 1) + hj212.answer_executed(frame, 1))
        outcome = await asked
        assert (outcome.outcome, outcome.protocol, outcome.said) == (
            "answered", "hj212", [{"QnRtn": "1"}, {"ExeRtn": "1"}],
        )  # fmt: skip
        bad = await send(nc, Command("dev-1", "set_interval", {"seconds": 1}))
        assert bad.outcome == "bad_command"
        assert "seconds" in bad.message
        assert (await send(nc, Command("nobody", "poll"))).outcome == "not_connected"
        assert (await send(nc, Command("dev-1", "poll", wait_s=0.1))).outcome == "timeout"
        assert not idle.field.hub.counts.commands
        assert world.field.hub.counts.commands == {
            ("hj212", "answered"): 1, ("hj212", "bad_command"): 1, ("hj212", "timeout"): 1,
        }  # fmt: skip
        await nc.close()


async def test_modbus_devices_of_the_table_are_polled_by_one_gateway(transactional_db, clean_bus):
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]

    def rows():
        made = make_site("plant-1", "plc-1", {"LEVEL": ("m", None, None)})
        device = Device.objects.get(code="plc-1")
        ModbusLink.objects.create(device=device, host="127.0.0.1", port=port, period_ms=200)
        ModbusPoint.objects.create(device=device, code="LEVEL", area="input", address=4, scale=100, unit="cm")
        return made

    made = await asyncio.to_thread(rows)
    async with gateway(clean_bus) as world, gateway(clean_bus) as other:
        await eventually(world.batches, "a poll is on the bus")
        batch = (await world.batches())[0]
        assert (batch.site, batch.source, batch.reason.tolist()) == (made.id, "modbus:plc-1", [0])
        assert batch.value.tolist() == [4.0]  # register 4 holds 4; times 100, in cm
        assert sorted((world.field.polling.devices, other.field.polling.devices)) == [0, 1]
        await asyncio.to_thread(ModbusLink.objects.update, is_active=False)
        await eventually(
            lambda: not world.field.polling.devices + other.field.polling.devices, "polling has ended"
        )
    listening.close()


async def test_identities_of_nobody_in_use_are_unknown(site, clean_bus):
    await asyncio.to_thread(identify, "hj212", "OFF", PW, is_active=False)
    async with gateway(clean_bus, "hj212") as world:
        assert world.field.identities.find("hj212", "OFF") is None
        assert world.field.identities.find("hj212", MN).device_code == "dev-1"
