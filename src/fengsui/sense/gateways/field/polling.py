"""Modbus devices, polled by one of the gateways: a link says where, its points say what; both are rows.

The gateway that holds the lease polls all devices; it renews the lease, and another one takes over within ``LEASE_S``
when it does not.  Readings go the way of all field readings: the code of a point is mapped (protocol ``modbus``), or it
is the datastream's own.  A value that was not answered is no value, never the last one.
"""

import asyncio
from collections.abc import Awaitable, Callable

import nats.errors
import nats.js.errors
import structlog
from django.db import DatabaseError, connection
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, StorageType

from fengsui.base.quality import Quality
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.codecs.modbus.points import BadPoint, Point
from fengsui.sense.gateways.field.adapter import Identity
from fengsui.sense.gateways.field.hub import Hub
from fengsui.sense.gateways.modbus import Device, Polled, Poller
from fengsui.stores.changes import ChangeWatch, in_thread

log = structlog.get_logger()

PROTOCOL = "modbus"
BUCKET, OWNER = "MODBUS", "owner"
LEASE_S, RENEW_S = 10.0, 3.0
ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)


def load() -> dict[int, tuple[Identity, Device]]:
    """Every device in use that has a link, with its points; a point that cannot be read is named in the log."""
    points: dict[int, list[Point]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT device_id, code, area, address, kind, byte_order, bit, scale, shift, unit
               FROM devices_modbuspoint ORDER BY device_id, code"""
        )
        for device, *rest in cursor:
            try:
                points.setdefault(device, []).append(Point(*rest))
            except BadPoint as error:
                log.error("modbus.point", device=device, error=str(error))
        cursor.execute(
            """SELECT d.id, d.code, d.site_id, l.host, l.port, l.unit, l.framing, l.period_ms, l.timeout_ms
               FROM devices_modbuslink l JOIN devices_device d ON d.id = l.device_id
               JOIN devices_site s ON s.id = d.site_id WHERE l.is_active AND d.is_active AND s.is_active"""
        )
        return {
            pk: (
                Identity(-pk, PROTOCOL, code, "", "", pk, code, site, None),
                Device(
                    code, host, port, unit, framing, tuple(points.get(pk, ())), period / 1000, timeout / 1000
                ),
            )
            for pk, code, site, host, port, unit, framing, period, timeout in cursor
        }


class Lease:
    """Which gateway polls: a key of the bus that ends when nobody renews it."""

    def __init__(self, nc: Client, name: str) -> None:
        self._nc, self._name = nc, name.encode()
        self._revision: int | None = None

    async def hold(self) -> bool:
        """Take or renew the lease; False while another gateway has it or the bus does not answer."""
        try:
            js = self._nc.jetstream(timeout=2)
            try:
                bucket = await js.key_value(BUCKET)
            except nats.js.errors.NotFoundError:
                bucket = await js.create_key_value(
                    KeyValueConfig(BUCKET, history=1, ttl=LEASE_S, storage=StorageType.MEMORY)
                )
            if self._revision is not None:
                self._revision = await bucket.update(OWNER, self._name, last=self._revision)
            else:
                self._revision = await bucket.create(OWNER, self._name)
        except ERRORS:
            self._revision = None
        return self._revision is not None

    async def leave(self) -> None:
        """Let another gateway take over at once."""
        if self._revision is None:
            return
        try:
            await (await self._nc.jetstream(timeout=2).key_value(BUCKET)).delete(OWNER, last=self._revision)
        except ERRORS:
            pass
        self._revision = None


class Polling:
    """The pollers of one gateway: running while it holds the lease, and following the rows."""

    def __init__(self, nc: Client, hub: Hub, name: str) -> None:
        self.failed = 0  # values without an answer
        self._hub, self._lease = hub, Lease(nc, name)
        self._running: dict[int, tuple[tuple[Identity, Device], asyncio.Task]] = {}
        self._task: asyncio.Task | None = None

    @property
    def devices(self) -> int:
        return len(self._running)

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="modbus")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._run({})
        await self._lease.leave()

    async def _follow(self) -> None:
        watch: ChangeWatch | None = None
        wanted: dict[int, tuple[Identity, Device]] = {}
        while True:
            try:
                if watch is None or await watch.poll():
                    watch = watch or ChangeWatch("protocols", "registry")
                    await watch.poll()
                    wanted = await asyncio.to_thread(in_thread, load)
            except (DatabaseError, OSError) as error:
                log.warning("modbus.stale", error=repr(error))
            has_lease = bool(wanted) and await self._lease.hold()
            await self._run(wanted if has_lease else {})
            await asyncio.sleep(RENEW_S if has_lease else 1.0)

    async def _run(self, wanted: dict[int, tuple[Identity, Device]]) -> None:
        """Stop pollers of rows that changed or went, start those that are new."""
        gone = [pk for pk, (had, _) in self._running.items() if wanted.get(pk) != had]
        tasks = [self._running.pop(pk)[1] for pk in gone]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pk, (identity, device) in wanted.items():
            if pk not in self._running:
                poller = Poller(device, self._taking(identity, device))
                task = asyncio.create_task(poller.run(), name=f"modbus-{device.code}")
                self._running[pk] = ((identity, device), task)

    def _taking(self, identity: Identity, device: Device) -> Callable[[Polled], Awaitable[None]]:
        units = {point.code: point.unit for point in device.points}

        async def take(polled: Polled) -> None:
            self.failed += len(polled.failed)
            measured = [
                Measured(
                    device.code,
                    code,
                    polled.time_ms,
                    value,
                    units[code],
                    Quality.BAD if value != value else Quality.GOOD,
                )
                for code, value in polled.values.items()
            ]
            await self._hub.take(identity, measured, polled.refused)

        return take
