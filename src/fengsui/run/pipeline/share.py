"""A worker that takes its share: ``fengsui pipeline`` without ``--partition``.

Workers hear of each other by asking who is there; each may hold as many partitions as an even division gives it, the
eldest one more where it does not come out even.  A worker pulls on seats it does not hold only while it holds fewer,
and gives one up when it holds more.  Which worker gets which partition is the server's choice
(``stores/bus/seats``); that only one can commit to it is the claim's (``stores/checkpoints/claims``).
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

import structlog

from fengsui.run import child, settings
from fengsui.run.pipeline.role import serve_until
from fengsui.run.pipeline.stream import BUS_ERRORS
from fengsui.stores.bus import Heartbeat, connect, read_roles
from fengsui.stores.bus.seats import WORKERS, Seat, ensure_seats, share_of

log = structlog.get_logger()

ROUND_S = 0.5
ALONE_ROUNDS = 2  # a seat that no worker says it holds for so many rounds is free, whoever it is pinned to


async def serve_shares(partitions: int) -> int:
    """Serve what the server gives, until SIGTERM or SIGINT.  0 when stopped."""
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    worker = Worker(partitions, stopping)
    try:
        await worker.run()
    finally:
        await worker.close()
    return 0


@dataclass(slots=True)
class _Served:
    """A partition that is served here, and how to end it."""

    stopping: asyncio.Event
    task: asyncio.Task[int]


@dataclass(slots=True)
class _View:
    """The workers as last heard: which one I am, and which seats somebody says to hold."""

    workers: int = 1
    rank: int = 0
    held: set[int] = field(default_factory=set)


class Worker:
    """One process with as many partitions as are its share."""

    def __init__(self, partitions: int, stopping: asyncio.Event) -> None:
        self.partitions, self.stopping = partitions, stopping
        self.replicas = settings.number("FENGSUI_REPLICAS")
        self.seats: list[Seat] = []
        self.served: dict[int, _Served] = {}
        self._unheld = [0] * partitions
        self._view = _View()
        self._pulls: list[asyncio.Task[None]] = []
        self._exit = contextlib.AsyncExitStack()

    async def run(self) -> None:
        self.nc = await self._connected()
        if self.nc is None:
            return
        self._exit.push_async_callback(self.nc.close)
        self.beat = Heartbeat(self.nc, "pipeline", subject=WORKERS)
        self.idle = Heartbeat(self.nc, "pipeline")
        for heartbeat in (self.beat, self.idle):
            await heartbeat.start()
            self._exit.push_async_callback(heartbeat.stop)
        self.seats = [Seat(self.nc, partition) for partition in range(self.partitions)]
        for seat in self.seats:
            seat.missing = True
        self._pulls = [asyncio.create_task(seat.run(), name=f"seat-{seat.partition}") for seat in self.seats]
        while not self.stopping.is_set():
            self._raise_failures()
            await self._round()
            await self._pause(ROUND_S)

    async def close(self) -> None:
        """End what is served, then give the seats up, so that another worker finds a closed epoch."""
        for served in self.served.values():
            served.stopping.set()
        await asyncio.gather(*(s.task for s in self.served.values()), return_exceptions=True)
        for task in self._pulls:
            task.cancel()
        await asyncio.gather(*self._pulls, return_exceptions=True)
        if self.seats and self.nc is not None and self.nc.is_connected:
            await asyncio.gather(*(seat.leave() for seat in self.seats))
        with contextlib.suppress(*BUS_ERRORS):
            await self._exit.aclose()

    async def _connected(self) -> Any:
        told = False
        while not self.stopping.is_set():
            try:
                return await connect(settings.nats_url(), "pipeline", wait_s=2)
            except BUS_ERRORS as error:
                if not told:
                    told = True
                    log.warning("pipeline.waiting", of="bus", error=repr(error))
                await self._pause(0.5)
        return None

    async def _round(self) -> None:
        try:
            if any(seat.missing for seat in self.seats):
                await ensure_seats(self.nc, self.partitions, self.replicas)
                for seat in self.seats:
                    seat.missing = False
            await self._look_around()
        except BUS_ERRORS as error:
            log.debug("pipeline.seats_unknown", error=repr(error))
            return
        share = share_of(self.partitions, self._view.workers, self._view.rank)
        await self._settle(share)
        self.beat.lag = {"seats": sorted(self.served)}
        await self._tell_idle(share)

    async def _look_around(self) -> None:
        """Who is there, and who says to hold what."""
        answers = await read_roles(self.nc, seconds=1.0, quiet_s=0.1, subject=WORKERS)
        known = sorted((a["since_ms"], a["instance"]) for a in answers)
        mine = [at for at, (_since, instance) in enumerate(known) if instance == self.beat.instance]
        if mine:
            held = {int(p) for a in answers for p in a["lag"].get("seats", ())}
            self._view = _View(len(known), mine[0], held)

    async def _settle(self, share: int) -> None:
        """Start what was given, end what was taken away, give back what is too much, ask for what is missing."""
        for seat in self.seats:
            served = self.served.get(seat.partition)
            if served is not None and served.task.done():
                del self.served[seat.partition]  # superseded: somebody else has the claim
                await seat.leave()
            elif served is not None and not seat.held:
                served.stopping.set()
            elif served is None and seat.held:
                if len(self.served) < share:
                    self._serve(seat.partition)
                else:
                    await seat.leave()
        if len(self.served) > share:
            await self._give_up(max(self.served))
        for seat in self.seats:
            seat.wanted = seat.partition not in self.served and len(self.served) < share
            taken = not seat.wanted or seat.held or seat.partition in self._view.held
            self._unheld[seat.partition] = 0 if taken else self._unheld[seat.partition] + 1
            alone = self._view.workers == 1
            if self._unheld[seat.partition] >= (1 if alone else ALONE_ROUNDS):
                self._unheld[seat.partition] = 0
                await seat.unpin()  # of somebody who is gone: do not wait for the server to notice

    def _serve(self, partition: int) -> None:
        stopping = asyncio.Event()
        task = asyncio.create_task(
            serve_until(partition, self.partitions, stopping, picked=True), name=f"partition-{partition}"
        )
        self.served[partition] = _Served(stopping, task)
        log.info("pipeline.seat_taken", partition=partition)

    async def _give_up(self, partition: int) -> None:
        """Close the epoch, release the claim, and only then let the server pick another worker."""
        served = self.served[partition]
        served.stopping.set()
        await asyncio.gather(served.task, return_exceptions=True)
        self._raise_failures()
        del self.served[partition]
        await self.seats[partition].leave()
        log.info("pipeline.seat_left", partition=partition)

    async def _tell_idle(self, share: int) -> None:
        """Answer for the worker itself while no partition does."""
        if bool(self.served) == self.idle.answering:
            await (self.idle.stop() if self.served else self.idle.start())
        self.idle.lag = {"share": share}
        self.idle.ready = share == 0

    def _raise_failures(self) -> None:
        for task in (*self._pulls, *(s.task for s in self.served.values())):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _pause(self, seconds: float) -> None:
        """Sleep until it is time, a seat has changed hands, or it is asked to stop."""
        waits = [asyncio.create_task(e.wait()) for e in (self.stopping, *(s.changed for s in self.seats))]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            for seat in self.seats:
                seat.changed.clear()
