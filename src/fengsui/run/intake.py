"""What every process needs that takes readings in: the registry, the checks at the door, the publisher, the audit.

The role ``gateway`` uses it for HTTP and MQTT; ``web`` uses it for POST /api/v1/readings on the portal's port.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog
from django.db import DatabaseError
from nats.aio.client import Client

from fengsui.base.batch import Batch, Refused
from fengsui.base.quality import Reason
from fengsui.govern import checks
from fengsui.run import settings
from fengsui.sense.gateways import door, glance, http, repeats
from fengsui.sense.gateways.publisher import Busy, Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry, Streams
from fengsui.sense.gateways.repeats import Repeats
from fengsui.stores.bus import Room
from fengsui.stores.changes import in_thread
from fengsui.stores.clock import process_clock

log = structlog.get_logger()

POLICY_S = 5.0
THREADS_WAIT_S = 60.0  # longer than the publisher's patience


class Intake:
    """Made from a bus connection; ``app`` is the ASGI application for POST /api/v1/readings."""

    def __init__(self, nc: Client, instance: str = "") -> None:
        self.registry, self.refusals, self.room = Registry(), Refusals(), Room()
        self.nc = nc
        self.admission = Admission(self.registry)
        self.repeats = Repeats(self.admission.bounds)
        self.publisher = Publisher(
            nc,
            settings.number("FENGSUI_PARTITIONS"),
            settings.number("FENGSUI_GROUP_MS"),
            gateway=instance,
            message_bytes=settings.number("FENGSUI_MAX_MQTT_BYTES"),
            room=self.room,
        )
        self.app = http.app(
            self.registry,
            self.publisher,
            self.admission,
            self.refusals,
            settings.number("FENGSUI_MAX_BODY_BYTES"),
            self.repeats,
        )
        self._policy: asyncio.Task | None = None

    async def start(self) -> None:
        """Read the registry and the policy, waiting for the database as long as it takes, then follow both."""
        self.refusals.start()
        process_clock().decide()
        await self.room.start(self.nc)
        await asyncio.to_thread(repeats.warm_up)
        told = False
        while True:
            try:
                await self.registry.start()
                self.admission.policy = await asyncio.to_thread(in_thread, _policy)
                break
            except (DatabaseError, OSError) as error:
                if not told:
                    told = True
                    log.warning("intake.waiting", error=repr(error))
                await asyncio.sleep(0.5)
        self._policy = asyncio.create_task(self._follow_policy(), name="policy")

    async def close(self) -> None:
        """Send what waits, write the refusals that wait, stop following."""
        if self._policy:
            self._policy.cancel()
            await asyncio.gather(self._policy, return_exceptions=True)
        await self.publisher.close()
        await self.room.close()
        await self.refusals.close()
        await self.registry.close()

    async def take(self, batches: Sequence[Batch]) -> None:
        """Check batches of datastreams known by their ids and make them durable; ``reason`` says what was refused.

        Raises Busy.
        """
        if not self.registry.loaded:
            raise Busy("the gateway does not know its devices yet; send the observations again in a moment")
        for batch in batches:
            if not np.isin(batch.datastream, self.registry.streams(batch.site).ids).all():
                await self.registry.refresh()  # somebody has just added it
                break
        now_ms = door.now_ms()
        for batch in batches:
            told = batch.time_ms[batch.time_ms != batch.received_ms]  # our own time is no witness
            door.require_sure_time(batch.source, told)
        for batch in batches:
            streams = self.registry.streams(batch.site)
            known = np.isin(batch.datastream, streams.ids)
            batch.reason = np.where(known, batch.reason, np.uint8(Reason.UNKNOWN_DATASTREAM))
            self.admission(batch, now_ms)
            batch.refused = _sent(batch, streams)
        await asyncio.gather(*(self.publisher.publish(batch) for batch in batches))

    def from_threads(self) -> Callable[[Sequence[Batch]], None]:
        """``take`` for the threads of this process, which wait for it."""
        loop = asyncio.get_running_loop()

        def take(batches: Sequence[Batch]) -> None:
            asyncio.run_coroutine_threadsafe(self.take(batches), loop).result(THREADS_WAIT_S)

        return take

    async def _follow_policy(self) -> None:
        while True:
            await asyncio.sleep(POLICY_S)
            try:
                self.admission.policy = await asyncio.to_thread(in_thread, _policy)
            except (DatabaseError, OSError):
                pass  # the registry says that the database is away


class Admission:
    """The checks that need only the reading, its datastream and the clock: range, clock, declared out of service.

    Done at the door so that the sender hears of it; the pipeline does them again, for what comes another way.
    """

    def __init__(self, registry: Registry) -> None:
        self.policy = checks.CheckPolicy()
        self._registry = registry

    def bounds(self, now_ms: int) -> tuple[int, int]:
        """The first and the last time (ms) that is not refused now."""
        return now_ms - self.policy.refuse_older_than_ms, now_ms + self.policy.future_tolerance_ms

    def __call__(self, batch: Batch, now_ms: int) -> None:
        """Set ``reason`` where a row is refused.  Flags are the pipeline's to set."""
        streams = self._registry.streams(batch.site)
        if not len(streams.ids):
            return
        if glance.fits(batch.datastream, batch.time_ms, batch.value) and glance.all_pass(
            batch.datastream, batch.time_ms, batch.value, streams.ids, streams.range_min, streams.range_max,
            streams.stopped_ms, *self.bounds(now_ms),
        ):  # fmt: skip
            return
        row = np.minimum(np.searchsorted(streams.ids, batch.datastream), len(streams.ids) - 1)
        reason = checks.first_reason(
            checks.check_stopped(batch.time_ms, streams.stopped_ms[row]),
            checks.check_clock(batch.time_ms, now_ms, self.policy),
            checks.check_range(batch.value, batch.quality, streams.range_min[row], streams.range_max[row]),
        )
        mark = checks.is_refused(reason) & (batch.reason == 0) & (batch.datastream >= 0)
        batch.reason[mark] = reason[mark]


def _sent(batch: Batch, streams: Streams) -> dict[int, Refused]:
    """What was sent for the rows that are refused."""
    rows = np.flatnonzero((batch.reason > 0) & (batch.reason < 20)).tolist()
    codes = dict(zip(streams.ids.tolist(), streams.codes, strict=True)) if rows else {}
    out = {}
    for row in rows:
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(batch.time_ms[row]))
        value = float(batch.value[row])
        text = "null" if value != value else repr(value)
        out[row] = Refused(
            codes.get(int(batch.datastream[row]), ""), at.isoformat().replace("+00:00", "Z"), text
        )
    return out


def _policy() -> checks.CheckPolicy:
    from fengsui.govern.quarantine.models import CheckPolicy

    row = CheckPolicy.objects.filter(name="default").first()
    if row is None:
        return checks.CheckPolicy()
    return checks.CheckPolicy(row.future_tolerance_ms, row.late_after_ms, row.refuse_older_than_ms)
