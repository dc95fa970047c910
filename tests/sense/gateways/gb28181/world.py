"""A platform with one video device known to it, and cameras that speak to it over real sockets."""

import asyncio
import contextlib
import time

import nats

from fengsui.base import batch
from fengsui.sense.cameras import services
from fengsui.sense.gateways.gb28181.camera import Nature, SimulatedCamera
from fengsui.sense.gateways.gb28181.platform import Config, Platform
from fengsui.sense.gateways.gb28181.readings import Out
from fengsui.sense.gateways.publisher import Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry
from fengsui.stores import bus
from fengsui.stores.changes import in_thread

DEVICE, PASSWORD = "34020000001180000001", "12345678"
CHANNELS = tuple((f"3402000000132000000{n}", f"罐区摄像机{n}") for n in range(1, 6))
QUICK = Config(keepalive_s=0.4, min_expires_s=1, answer_s=15, query_s=15, alarm_s=0)


async def in_db(deed, *arguments):
    """A deed on the database from a coroutine."""
    return await asyncio.to_thread(in_thread, lambda: deed(*arguments))


async def until(condition, what: str, seconds: float = 20):
    """Wait for a condition, which may be a coroutine function; return what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


class World:
    """``platform`` listens on a free port; ``readings`` are those on the bus."""

    def __init__(self, nc, platform: Platform, registry: Registry):
        self.nc, self.platform, self.registry = nc, platform, registry

    @contextlib.asynccontextmanager
    async def camera(self, **nature):
        told = {"code": DEVICE, "password": PASSWORD, "channels": CHANNELS, "keepalive_s": 0.2, **nature}
        made = SimulatedCamera(Nature(**told), "127.0.0.1", self.platform.signalling.port)
        try:
            await made.start()
            yield made
        finally:
            await made.close()

    async def readings(self) -> list[tuple[str, float, int]]:
        """(datastream, value, time) of every reading on the bus, in order; refused ones under their reason."""
        names = {
            int(one): code
            for site in self.registry.snapshot.site_by_id
            for one, code in zip(
                self.registry.streams(site).ids, self.registry.streams(site).codes, strict=True
            )
        }
        js, out = self.nc.jetstream(), []
        state = (await js.stream_info(bus.READINGS)).state
        for number in range(state.first_seq, state.last_seq + 1):
            message = await js.get_msg(bus.READINGS, number)
            for one in batch.decode(message.data).batches:
                for row in range(len(one)):
                    name = names.get(int(one.datastream[row])) or f"reason {one.reason[row]}"
                    out.append((name, float(one.value[row]), int(one.time_ms[row])))
        return out

    async def values(self, name: str) -> list[float]:
        return [value for code, value, _ in await self.readings() if code == name]


@contextlib.asynccontextmanager
async def world(nats_url: str, config: Config = QUICK, *, port: int = 0):
    nc = await nats.connect(nats_url)
    registry = Registry()
    await registry.start()
    publisher = Publisher(nc, 1, group_ms=1)
    platform = Platform(config, Out(registry, publisher), Refusals())
    await platform.start("127.0.0.1", port)
    try:
        yield World(nc, platform, registry)
    finally:
        await platform.close()
        await publisher.close()
        await registry.close()
        await nc.close()


def add(site, code: str = DEVICE, password: str = PASSWORD):
    device, _ = services.add_device(None, site=site, code=code, name="录像机", password=password)
    return device
