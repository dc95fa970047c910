"""Canonical batches onto the bus, durably: many requests share one synced write (group commit).

``publish`` returns once the bus has the batch on disk.  Per partition one message is under way at a time, so the
numbers of an instance are consecutive and in order; the next group gathers meanwhile.  A message is sent again
under the same number until the bus confirms it.  A bounded queue makes senders wait, and then refuses them.
"""

import asyncio
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

import nats.errors
import nats.js.errors
import numpy as np
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from fengsui.base import tracing
from fengsui.base.batch import Batch, Refused, encode
from fengsui.base.errors import FengsuiError
from fengsui.base.metrics import COUNTS, Distribution
from fengsui.stores.bus import READINGS, Room, partition_of, subject_for

log = structlog.get_logger()

MESSAGE_BYTES = 4 << 20
QUEUE_BYTES = 64 << 20
ROW_BYTES = 22  # 4 datastream + 8 time + 8 value + 1 quality + 1 reason
OVERHEAD_BYTES = 256  # envelope, site, source, lengths
ACK_TIMEOUT_S = 5.0
RETRY_S = (0.05, 1.0)  # first and longest pause between two sends of the same message
LOOK_S = 0.5  # how often offers are looked through for those that waited too long
NOT_IN_TIME = "the bus has not confirmed the readings in time; send them again later"


class Busy(FengsuiError):
    """The bus is away or slower than its senders.  Nothing is promised for this batch: send it again later."""

    code = "sense.busy"
    retry_after_s = 2


class DiskFull(Busy):
    """A disk that has to keep readings has no room: nothing new is taken until it has."""

    code = "sense.disk_full"
    retry_after_s = 10


class ClockUnsure(Busy):
    """The machine's clock has jumped and nobody can say yet whether a reading of this time is of now."""

    code = "sense.clock"
    retry_after_s = 5


@dataclass(slots=True, eq=False)
class _Offer:
    """What stands for the future of a piece whose sender does not wait but is told."""

    tell: Callable[[bool], None]
    over: bool = False

    def done(self) -> bool:
        return self.over

    cancelled = done

    def set_result(self, _: None) -> None:
        self._end(True)

    def set_exception(self, _: BaseException) -> None:
        self._end(False)

    def _end(self, kept: bool) -> None:
        if not self.over:
            self.over = True
            self.tell(kept)


@dataclass(slots=True, eq=False)
class _Piece:
    batch: Batch
    size: int
    done: "asyncio.Future[None] | _Offer"
    since: float
    trace: str = ""


@dataclass(slots=True)
class _Lane:
    """One partition: what waits, the last number given out, and the task that sends."""

    partition: int
    waiting: deque[_Piece] = field(default_factory=deque)
    size: int = 0  # bytes that wait
    sending: list[_Piece] = field(default_factory=list)
    number: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)  # there is something, or enough for a message
    task: asyncio.Task | None = None
    sending_since: float | None = None


class Publisher:
    """Group commit onto READINGS for one gateway instance.  Use from one event loop only."""

    def __init__(
        self,
        nc: Client,
        partitions: int,
        group_ms: int = 20,
        *,
        gateway: str = "",
        message_bytes: int = MESSAGE_BYTES,
        queue_bytes: int = QUEUE_BYTES,
        patience_s: float = 10.0,
        room: Room | None = None,
    ) -> None:
        """``patience_s``: how long a sender waits for room in the queue, and then for the bus, before Busy."""
        self.gateway = gateway or uuid.uuid4().hex[:16]
        self.partitions = partitions
        self.messages = self.readings = self.retries = self.bytes = self.turned_away = 0
        self.room = room or Room()
        self.refused: Counter[int] = Counter()  # readings on the bus as refused, by Reason
        self.group, self.latency = Distribution(COUNTS), Distribution()
        self._nc = nc
        self._js: JetStreamContext = nc.jetstream(timeout=ACK_TIMEOUT_S)
        self._group_s = group_ms / 1000
        self._message_bytes = message_bytes
        self._queue_bytes = queue_bytes
        self._patience_s = patience_s
        self._lanes = [_Lane(p) for p in range(partitions)]
        self._queued = 0
        self._room: deque[asyncio.Future] = deque()
        self._look: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def connected(self) -> bool:
        return self._nc.is_connected

    @property
    def lag(self) -> dict[str, int]:
        """Bytes that wait, and for how long the oldest has waited (ms)."""
        now = time.monotonic()
        since = [lane.sending_since for lane in self._lanes if lane.sending_since is not None]
        since += [lane.waiting[0].since for lane in self._lanes if lane.waiting]
        return {"queued_bytes": self._queued, "oldest_ms": round((now - min(since)) * 1000) if since else 0}

    async def publish(self, batch: Batch) -> None:
        """Return when ``batch`` is durable on the bus.  Raises Busy, and DiskFull, which is a kind of it.

        After Busy the batch may still arrive if it was already under way; sending it again is then a duplicate,
        which the pipeline counts as such.
        """
        if not len(batch):
            return
        self.require_room()
        waiting: list[asyncio.Future] = []
        try:
            async with asyncio.timeout(self._patience_s):
                for piece, size in split(batch, self._limit()):
                    waiting.append(await self._enqueue(piece, size))
                for done in waiting:
                    await done
        except TimeoutError:
            raise Busy(NOT_IN_TIME) from None
        finally:
            for done in waiting:
                done.cancel()  # what is not under way yet is left out; no effect on what is done

    def require_room(self) -> None:
        """Raises DiskFull when a disk is full; it is counted."""
        if (disk := self.room.full) is not None:
            self.turned_away += 1
            raise DiskFull(
                f"the disk of {disk.host} has {disk.free >> 20} MiB free and {disk.least >> 20} MiB must stay so:"
                " keep the readings and send them again later"
            )

    def offer(self, batch: Batch, tell: Callable[[bool], None]) -> bool:
        """The same for a sender that does not wait: ``tell`` is called once, with True when ``batch`` is durable and
        with False where ``publish`` would have raised Busy.

        False when it cannot be taken so, and nothing was done: no room, more than one message, or stopping.
        """
        size = size_of(batch)
        if self.room.full is not None:
            return False
        if self._closing or self._queued + size > self._queue_bytes or size > self._limit():
            return False
        self._add(_Piece(batch, size, _Offer(tell), time.monotonic()))
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_S, self._end_late_offers)
        return True

    def _end_late_offers(self) -> None:
        oldest = time.monotonic() - self._patience_s
        for lane in self._lanes:
            for piece in (*lane.sending, *lane.waiting):
                if piece.since > oldest:
                    break
                if isinstance(piece.done, _Offer):
                    piece.done.set_exception(Busy(NOT_IN_TIME))
        waits = any(lane.sending or lane.waiting for lane in self._lanes)
        self._look = asyncio.get_running_loop().call_later(LOOK_S, self._end_late_offers) if waits else None

    async def close(self, wait_s: float = 10.0) -> None:
        """Take nothing new, send what waits, then stop.  What could not be sent is refused to its sender."""
        self._closing = True
        tasks = []
        for lane in self._lanes:
            lane.wake.set()
            if lane.task:
                tasks.append(lane.task)
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=wait_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for lane in self._lanes:
            while lane.waiting:
                self._refuse(lane.waiting.popleft())
            lane.size = 0
        if self._look is not None:
            self._look.cancel()

    def _limit(self) -> int:
        """Bytes of batches in one message: ours, or what the server allows less headers and envelope."""
        return max(ROW_BYTES + OVERHEAD_BYTES, min(self._message_bytes, self._nc.max_payload - 4096))

    async def _enqueue(self, batch: Batch, size: int) -> asyncio.Future:
        loop = asyncio.get_running_loop()
        while self._queued and self._queued + size > self._queue_bytes and not self._closing:
            room = loop.create_future()
            self._room.append(room)
            await room
        if self._closing:
            raise Busy("the gateway is stopping; send the readings to it again in a moment")
        done: asyncio.Future[None] = loop.create_future()
        self._add(_Piece(batch, size, done, time.monotonic(), tracing.current()))
        return done

    def _add(self, piece: _Piece) -> None:
        lane = self._lanes[partition_of(piece.batch.site, self.partitions)]
        self._queued += piece.size
        lane.size += piece.size
        lane.waiting.append(piece)
        if len(lane.waiting) == 1 or lane.size >= self._limit():
            lane.wake.set()
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(
                self._run(lane),
                name=f"publisher-{lane.partition}",
                context=Context(),  # of no one request
            )

    def _leave(self, piece: _Piece) -> None:
        self._queued -= piece.size
        while self._room:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)  # each looks for itself whether there is enough

    def _refuse(self, piece: _Piece) -> None:
        self._leave(piece)
        if not piece.done.done():
            piece.done.set_exception(Busy("the gateway stopped before the bus had the readings"))

    async def _run(self, lane: _Lane) -> None:
        while not (self._closing and not lane.waiting):
            if not lane.waiting:
                lane.wake.clear()
                await lane.wake.wait()
                continue
            await self._gather_group(lane)
            group = self._take(lane)
            if not group:
                continue
            lane.sending, lane.sending_since = group, group[0].since
            try:
                trace = next((piece.trace for piece in group if piece.trace), "")
                with tracing.span("bus.write", trace, batches=len(group)):
                    await self._send(lane, [piece.batch for piece in group])
            except BaseException:
                for piece in group:
                    self._refuse(piece)
                raise
            finally:
                lane.sending, lane.sending_since = [], None
            for piece in group:
                self._leave(piece)
                if not piece.done.done():
                    piece.done.set_result(None)

    async def _gather_group(self, lane: _Lane) -> None:
        """Wait until the oldest piece is ``group_ms`` old, unless a message is full already."""
        while not self._closing and lane.waiting and lane.size < self._limit():
            pause = lane.waiting[0].since + self._group_s - time.monotonic()
            if pause <= 0:
                return
            lane.wake.clear()
            try:
                await asyncio.wait_for(lane.wake.wait(), pause)
            except TimeoutError:
                return

    def _take(self, lane: _Lane) -> list[_Piece]:
        """As many waiting pieces as one message holds; those whose sender gave up are left out."""
        group: list[_Piece] = []
        size, limit = 0, self._limit()
        while lane.waiting and (not group or size + lane.waiting[0].size <= limit):
            piece = lane.waiting.popleft()
            lane.size -= piece.size
            if piece.done.cancelled():
                self._leave(piece)
                continue
            group.append(piece)
            size += piece.size
        return group

    async def _send(self, lane: _Lane, batches: list[Batch]) -> None:
        """One message, again and again under the same number, until the bus confirms it."""
        lane.number += 1
        data = encode(self.gateway, lane.number, batches)
        subject = subject_for(batches[0].site, self.partitions)
        headers = {"Nats-Msg-Id": f"{self.gateway}:{lane.partition}:{lane.number}"}
        if trace := tracing.current():
            headers[tracing.HEADER] = trace
        pause, told, began = RETRY_S[0], False, time.monotonic()
        while True:
            try:
                if not self._nc.is_connected and not self._nc.is_closed:
                    raise nats.errors.StaleConnectionError
                await self._js.publish(subject, data, stream=READINGS, headers=dict(headers))
                break
            except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
                raise
            except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
                self.retries += 1
                if not told:
                    told = True
                    log.warning("readings.waiting", partition=lane.partition, error=repr(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_S[1])
        if told:
            log.info("readings.flowing", partition=lane.partition)
        self.messages += 1
        self.readings += sum(len(batch) for batch in batches)
        self.bytes += len(data)
        self.group.observe(len(batches))
        self.latency.observe(time.monotonic() - began)
        for batch in batches:
            if batch.refused:
                for reason in np.flatnonzero(
                    counted := np.bincount(np.asarray(batch.reason, np.uint8))
                ).tolist():
                    if 0 < reason < 20:
                        self.refused[reason] += int(counted[reason])


def size_of(batch: Batch) -> int:
    """Bytes of ``batch`` on the bus, never less than the truth."""
    texts = sum(
        24 + 4 * (len(r.code) + len(r.time) + len(r.value) + len(r.unit)) for r in batch.refused.values()
    )
    return OVERHEAD_BYTES + 4 * len(batch.source) + ROW_BYTES * len(batch) + texts


def split(batch: Batch, limit: int) -> list[tuple[Batch, int]]:
    """``batch`` as pieces that fit ``limit`` bytes each, with their sizes; rows keep their order."""
    size = size_of(batch)
    if size <= limit or len(batch) <= 1:
        return [(batch, size)]
    middle = len(batch) // 2
    return split(rows(batch, 0, middle), limit) + split(rows(batch, middle, len(batch)), limit)


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """Rows ``start`` to ``stop`` as a batch of their own; the columns are views."""
    part = slice(start, stop)
    refused: dict[int, Refused] = {
        row - start: sent for row, sent in batch.refused.items() if start <= row < stop
    }
    return Batch(
        batch.site,
        batch.source,
        batch.received_ms,
        batch.datastream[part],
        batch.time_ms[part],
        batch.value[part],
        batch.quality[part],
        batch.reason[part],
        refused,
    )
