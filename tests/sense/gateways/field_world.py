"""A gateway that listens for field protocols on free ports, on a real bus and database, and devices to call it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import nats

from fengsui.base.batch import Batch
from fengsui.people.accounts.sealing import seal
from fengsui.run.field import Field
from fengsui.run.intake import Intake
from fengsui.sense.devices.models import SECRET_PURPOSE, CodeMapping, Device, ProtocolIdentity, Site, Thing
from fengsui.sense.gateways.field.limits import Limits

from .test_publisher import stored

PATIENCE_S = 20


def identify(protocol: str, identity: str, secret: str = "", device: str = "dev-1", thing: str = "", **more):
    """The protocol identity of a device that exists."""
    row = Device.objects.get(code=device)
    return ProtocolIdentity.objects.create(
        device=row, protocol=protocol, identity=identity, secret=seal(secret, SECRET_PURPOSE) if secret else "",
        thing=Thing.objects.get(site=row.site, code=thing) if thing else None, **more,
    )  # fmt: skip


def mean(protocol: str, code: str, datastream: str = "", site: str = "plant-1", **more):
    """A mapping for a site, or for everybody when ``site`` is empty."""
    where = Site.objects.get(code=site) if site else None
    return CodeMapping.objects.create(protocol=protocol, code=code, site=where, datastream=datastream, **more)


@dataclass
class World:
    """``port`` by protocol."""

    field: Field
    intake: Intake
    nc: nats.NATS

    def port(self, protocol: str) -> int:
        return self.field.listeners[protocol].port

    async def connect(self, protocol: str) -> "Caller":
        return Caller(*await asyncio.open_connection("127.0.0.1", self.port(protocol)))

    async def batches(self) -> list[Batch]:
        """Everything that is on the bus."""
        return [batch for message in await stored(self.nc) for batch in message.batches]

    async def rows(self) -> list[tuple[int, int, float, int]]:
        """(datastream, time_ms, value, reason) of everything that is on the bus, in order."""
        return [
            (int(d), int(t), float(v), int(r))
            for b in await self.batches()
            for d, t, v, r in zip(b.datastream, b.time_ms, b.value, b.reason, strict=True)
        ]

    async def refused(self) -> list[tuple[str, str]]:
        """(protocol and reason, bytes as hex digits) of what was refused as bytes, in order."""
        return [
            (sent.code, sent.value)
            for b in await self.batches()
            for sent in b.refused.values()
            if ": " in sent.code
        ]


class Caller:
    """A device at the other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, size: int = 65536) -> bytes:
        return await asyncio.wait_for(self.reader.read(size), PATIENCE_S)

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), PATIENCE_S)

    async def ends(self) -> bytes:
        """What comes until the gateway hangs up."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while piece := await self.read():
                said += piece
        return said

    def close(self) -> None:
        self.writer.close()


async def eventually(condition, what: str = "a condition") -> None:
    """Wait until ``condition`` (a function, or one of coroutines) is true."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def gateway(url: str, *protocols: str, **limits) -> AsyncIterator[World]:
    """A gateway that listens for ``protocols``; ``limits`` as in field/limits.py."""
    nc = await nats.connect(url)
    intake = Intake(nc)
    await intake.start()
    field = Field(intake, Limits(**limits))
    await field.start("127.0.0.1", dict.fromkeys(protocols, 0))
    try:
        yield World(field, intake, nc)
    finally:
        await field.close()
        await intake.close()
        await nc.close()
