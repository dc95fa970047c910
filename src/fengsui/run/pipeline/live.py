"""What is new, to whoever watches: alarms on LIVE, telemetry of watched sites.

Nothing here is a promise: an alarm is in the database before it is told, and a screen that missed something asks again.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.base import tracing
from fengsui.run.pipeline.partition import Partition
from fengsui.run.pipeline.stream import BUS_ERRORS
from fengsui.stores.bus import LIVE, partition_of

log = structlog.get_logger()

ALARM = "live.alarm"
WATCH = "live.watch"
UNITS = "live.units"  # positions of an organisation's units, a frame a second
LONGEST_LEASE_S = 60.0
MOST_WATCHED = 2_000  # sites; a lease beyond it is passed over
TOLD_AT_ONCE = 64

InEngine = Callable[..., Awaitable[Any]]  # runs a function where the partition may be touched


class Live:
    """``in_engine`` runs what touches the partition where nothing else does."""

    def __init__(self, nc: Client, partition: int, partitions: int, in_engine: InEngine) -> None:
        self._nc, self._js = nc, nc.jetstream(timeout=2)
        self._partition, self._partitions = partition, partitions
        self._in_engine = in_engine
        self._leases: dict[int, float] = {}  # site → until (monotonic)
        self._sent: dict[int, np.ndarray] = {}  # site → times of its datastreams in the last frame
        self._units_until = 0.0  # somebody follows the units until then (monotonic)
        self._units_sent: tuple[np.ndarray, np.ndarray] | None = (
            None  # units, and their times in the last frames
        )
        self._subscriptions: list[Any] = []

    async def start(self) -> None:
        async def watch(message: Msg) -> None:
            try:
                lease = msgspec.json.decode(message.data)
                until = time.monotonic() + min(float(lease["seconds"]), LONGEST_LEASE_S)
                sites = [int(site) for site in lease["site_ids"]]
                units = bool(lease.get("units"))
            except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
                return
            if units:
                self._units_until = max(until, self._units_until)
            for site in sites:
                mine = site >= 0 and partition_of(site, self._partitions) == self._partition
                if mine and (site in self._leases or len(self._leases) < MOST_WATCHED):
                    self._leases[site] = max(until, self._leases.get(site, 0.0))

        self._subscriptions = [await self._nc.subscribe(WATCH, cb=watch)]

    async def stop(self) -> None:
        if self._nc.is_connected:
            for subscription in self._subscriptions:
                await subscription.unsubscribe()

    async def tell_alarms(self, payloads: list[dict[str, Any]]) -> None:
        """Publish what ``record_events`` returned, in order.  What the bus does not take is logged, not kept."""
        for first in range(0, len(payloads), TOLD_AT_ONCE):
            done = await asyncio.gather(
                *(self._tell(p) for p in payloads[first : first + TOLD_AT_ONCE]), return_exceptions=True
            )
            for error in done:
                if isinstance(error, BUS_ERRORS):
                    log.warning("live.not_told", error=repr(error))
                elif isinstance(error, BaseException):
                    raise error

    async def _tell(self, payload: dict[str, Any]) -> None:
        headers = {"Nats-Msg-Id": f"alarm:{payload['key']}:{payload['what']}"}
        if trace := tracing.current():
            headers[tracing.HEADER] = trace
        await self._js.publish(ALARM, msgspec.json.encode(payload), stream=LIVE, headers=headers)

    async def send_frames(self, partition: Partition, now_ms: int) -> None:
        """One frame for each watched site that has something new since its last frame."""
        now = time.monotonic()
        for site in [site for site, until in self._leases.items() if until < now]:
            del self._leases[site]
            self._sent.pop(site, None)
        if self._units_until > now:
            for frame in await self._in_engine(self._unit_frames, partition, now_ms):
                await self._nc.publish(UNITS, frame)
        else:
            self._units_sent = None
        if not self._leases:
            return
        frames = await self._in_engine(self._frames, partition, list(self._leases), now_ms)
        for site, frame in frames:
            await self._nc.publish(f"live.readings.{site}", frame)

    def _frames(self, partition: Partition, sites: list[int], now_ms: int) -> list[tuple[int, bytes]]:
        out = []
        for site in sites:
            found = partition.latest_of(site, self._sent.get(site))
            self._sent[site] = partition.latest.time_ms[partition.columns.slots_of_site(site)].copy()
            if len(found["ids"]):
                frame = {
                    "site": site,
                    "t_ms": now_ms,
                    "ids": found["ids"].tolist(),
                    "time_ms": found["time_ms"].tolist(),
                    "v": [v if math.isfinite(v) else None for v in found["value"].tolist()],
                    "q": found["quality"].tolist(),
                }
                out.append((site, msgspec.json.encode(frame)))
        return out

    def _unit_frames(self, partition: Partition, now_ms: int) -> list[bytes]:
        """The units that moved since the last frames, a frame for each organisation: who may see it is one question."""
        watches, last = partition.places.watches, partition.moving.last_ms
        since = None
        if self._units_sent is not None and np.array_equal(self._units_sent[0], watches.unit):
            since = self._units_sent[1]
        found = partition.positions(since)
        self._units_sent = (watches.unit, last)  # never written to: each step makes another
        out = []
        for org in np.unique(found["org"]).tolist():
            rows = np.flatnonzero(found["org"] == org)
            frame = {
                "org_path": watches.org_path[org],
                "t_ms": now_ms,
                "ids": found["unit"][rows].tolist(),
                "time_ms": found["time_ms"][rows].tolist(),
                "lon": np.round(found["lon"][rows], 6).tolist(),
                "lat": np.round(found["lat"][rows], 6).tolist(),
                "kmh": [round(v, 1) if math.isfinite(v) else None for v in found["kmh"][rows].tolist()],
                "deg": [round(v) if math.isfinite(v) else None for v in found["deg"][rows].tolist()],
            }
            out.append(msgspec.json.encode(frame))
        return out
