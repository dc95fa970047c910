"""The role itself: one loop that takes messages, and threads for what would hold it up.

Threads: *engine* owns the partition in memory · *desk* records alarms at once, in order · *write* puts epochs on disk
and *commit* books them · *loader* follows the registry and the rules · *keeper* merges segments and deletes by policy.
Two commits are under way at most, one being written while the one before is booked; when they cannot finish because the
database or the disk is away, the epoch in memory fills up to its bound and then nothing more is taken from the bus,
until they can.
"""

import asyncio
import contextlib
import errno
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from fengsui.base import tracing
from fengsui.govern import checks
from fengsui.govern.catalogue import columns as catalogue_columns
from fengsui.govern.quarantine import spans
from fengsui.run import child, memory, room, settings
from fengsui.run.metrics import exchange
from fengsui.run.metrics import roles as metrics
from fengsui.run.pipeline import THREADS, configuration, gather
from fengsui.run.pipeline.commit import Committer, Pending
from fengsui.run.pipeline.configuration import Configuration
from fengsui.run.pipeline.hot import Hot
from fengsui.run.pipeline.keeper import Keeper
from fengsui.run.pipeline.live import Live
from fengsui.run.pipeline.partition import Arrived, Partition, UnknownDatastreams
from fengsui.run.pipeline.stream import BUS_ERRORS, Stream
from fengsui.stores import changes, clock
from fengsui.stores.bus import Heartbeat, connect, ensure
from fengsui.stores.checkpoints import claims, states, writers
from fengsui.stores.checkpoints.claims import Claim, Superseded
from fengsui.stores.clock import process_clock
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.segments import DAY_MS
from fengsui.warn.alarms import services as alarms
from fengsui.warn.alarms.episodes import EventRow
from fengsui.warn.engine import moving
from fengsui.warn.engine import warm_up as warm_up_engine

log = structlog.get_logger()
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError, OSError)
RETRY_S = (0.1, 3.0)  # first and longest pause before the same thing is tried again
TICK_S = 1.0
COMMITS = 2  # under way at once
SETTLES_S = (
    60.0  # after our own time was set nobody is called silent: devices are heard at the new time first
)
SMALL_STATE = 4 << 20  # bytes: a state up to this size is written with every epoch
LARGE_STATE_S = 10.0  # a larger one this often; the bus keeps the messages since
EVENTS_WAITING = 200_000  # alarms that wait for the database before no more readings are taken
MERGE_EVERY_S = 5.0
STOP_WITHIN_S = 8.0
HANGS_AFTER_S = STOP_WITHIN_S + 2  # who was unseated and still holds its lock has not stopped, it hangs


async def serve(number: int, partitions: int) -> int:
    """Serve one partition until SIGTERM or SIGINT.  0 when stopped, 1 when another pipeline took over."""
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    return await serve_until(number, partitions, stopping)


async def serve_until(number: int, partitions: int, stopping: asyncio.Event, *, picked: bool = False) -> int:
    """The same until ``stopping``.  ``picked``: chosen by the bus, so a lock that outlives its holder may be ended."""
    role = Role(number, partitions, stopping, picked)
    try:
        await role.run()
    except Superseded as error:
        log.error("pipeline.superseded", partition=number, error=str(error))
        return 1
    except _Stopped:
        pass
    finally:
        await role.close()
    return 0


class _Stopped(Exception):
    """Asked to stop while waiting for something."""


class Role:
    """One pipeline process."""

    def __init__(self, number: int, partitions: int, stopping: asyncio.Event, picked: bool = False) -> None:
        self.number, self.partitions, self.stopping, self.picked = number, partitions, stopping, picked
        self.epoch_s = settings.number("FENGSUI_EPOCH_MS") / 1000
        self.catalogue = Catalogue.default()
        self.home = settings.home()
        self.looker = room.looker(self.catalogue.folder, settings.states_folder(), self.home)
        self.lock = claims.Lock(number)
        self.waiting_for = ""
        self._threads = {name: ThreadPoolExecutor(1, f"pipeline-{name}") for name in THREADS}
        self._exit = contextlib.AsyncExitStack()
        self._events: asyncio.Queue[list[EventRow]] = asyncio.Queue()
        self._some_recorded = asyncio.Event()
        self._changed: Configuration | None = None
        self._commits: list[asyncio.Task[None]] = []  # under way, oldest first
        self._background: list[asyncio.Task[None]] = []
        self._state_at = time.monotonic()
        self._reconciled = False
        self._commit_ms = 0
        self._enqueued = self._recorded = 0  # events, counted since the start
        self._rate = _Rate()
        self.meter = metrics.PipelineMeter()
        self._trace = ""  # of a message of this epoch, when somebody watches its way
        self._traced = ""  # of the step that said the alarms which are not recorded yet

    # ---- start and stop -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, serve, and finish what is in hand when asked to stop."""
        url = settings.nats_url()
        self.nc = await self._patiently("bus", lambda: connect(url, f"pipeline-{self.number}", wait_s=2))
        self._exit.push_async_callback(self.nc.close)
        self.heartbeat = Heartbeat(self.nc, "pipeline")
        self.heartbeat.lag = {"partition": self.number}
        await self.heartbeat.start()
        await exchange.answer(self.nc, self.heartbeat, lambda: metrics.pipeline(self))
        self._exit.push_async_callback(self.heartbeat.stop)
        bus_bytes = settings.number("FENGSUI_BUS_MAX_BYTES")
        replicas = settings.number("FENGSUI_REPLICAS")
        await self._patiently("bus", lambda: ensure(self.nc, bus_bytes, replicas))
        await self._until_mine()
        await self._restore()
        self.stream = Stream(self.nc, self.number)
        self.live = Live(self.nc, self.number, self.partitions, self._in_engine)
        await self.live.start()
        self._exit.push_async_callback(self.live.stop)
        self.hot = Hot(self.nc, self.number, self.partition, self.stream, self._in_engine)
        await self.hot.start()
        self._exit.push_async_callback(self.hot.stop)
        self._background = [
            asyncio.create_task(self._record_alarms(), name="alarms"),
            asyncio.create_task(self._follow_changes(), name="changes"),
            asyncio.create_task(self._merge(), name="merge"),
            asyncio.create_task(self.looker.tell(self.nc), name="room"),
        ]
        try:
            await self._loop()
            await self._finish()
        finally:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)

    async def close(self) -> None:
        self.lock.release()
        for commit in self._commits:
            commit.cancel()
        with contextlib.suppress(*BUS_ERRORS):
            await self._exit.aclose()
        for thread in self._threads.values():
            with contextlib.suppress(RuntimeError):
                thread.submit(_close_connection)  # back to the pool: other partitions of this process need it
            thread.shutdown(wait=False)

    async def _until_mine(self) -> None:
        """Wait until no other pipeline serves this partition, then claim it."""
        told = False
        began = time.monotonic()
        while not await self._patiently("database", lambda: self._in("commit", self.lock.try_take)):
            if self.picked and time.monotonic() - began > HANGS_AFTER_S:
                log.warning("pipeline.holder_hangs", partition=self.number)
                await self._patiently("database", lambda: self._in("commit", self.lock.end_holder))
            if not told:
                told = True
                self.heartbeat.lag = {"partition": self.number, "waiting_for": "another pipeline"}
                log.warning("pipeline.partition_taken", partition=self.number)
            await self._pause(0.5)
        self.claim = await self._patiently(
            "database", lambda: self._in("commit", claims.claim, self.number, self.heartbeat.instance)
        )
        mine = partial(claims.is_held, self.number, self.heartbeat.instance)
        self.catalogue = replace(self.catalogue, is_ours=mine)

    async def _restore(self) -> None:
        """Clear up after whoever was here before, and go on where the checkpoint says."""
        await self._in("engine", checks.warm_up)
        await self._in("engine", gather.warm_up)
        await self._in("engine", warm_up_engine)
        await self._in("engine", moving.warm_up)
        await self._patiently("database", lambda: self._in("commit", self.catalogue.recover, self.number))
        found = await self._patiently("database", lambda: self._in("loader", self._load))
        self._known = found
        self.partition = await self._in(
            "engine", Partition, found.columns, found.rules, found.policy, self.partitions, found.watches,
            found.scenarios,
        )  # fmt: skip
        self.partition.stored = found.stored
        self.partition.writers = await self._patiently(
            "database", lambda: self._in("commit", writers.Writers.read, self.number)
        )
        opened = await self._patiently(
            "database", lambda: self._in("commit", spans.read_open, self.number, self.partitions)
        )
        self.committer = Committer(self.catalogue, self.home, self.claim, opened)
        events: list[EventRow] = await self._patiently(
            "database", lambda: self._in("engine", self._restore_state, self.claim)
        )
        self._enqueue(events)
        del found
        await self._in("loader", memory.give_back)
        memory.settle()
        log.info(
            "pipeline.restored",
            partition=self.number,
            seq=self.claim.stream_seq,
            state_seq=self.claim.state_seq,
            datastreams=self.partition.columns.n_slots,
            rules=len(self.partition.rules),
        )

    def _restore_state(self, claim: Claim) -> list[EventRow]:
        partition, at_ms = self.partition, _now_ms()
        partition.booked_seq = claim.stream_seq
        folder = settings.states_folder()
        states.remove_others(folder, self.number, claim.state_file, self._known.stored.file)
        events: list[EventRow] = []
        if claim.state_file:
            try:
                with states.load(folder, claim.state_file) as parts:
                    events = partition.restore(parts, claim.state_seq, at_ms)
            except (states.BadState, ValueError, KeyError) as error:
                log.error("pipeline.state_lost", error=str(error), then="newest readings come from history")
                partition.seq = claim.stream_seq  # what those messages said is in history
            else:
                if partition.partitions_before == self.partitions:
                    return events
        self._remember_from_history(at_ms)
        return events

    def _remember_from_history(self, at_ms: int) -> None:
        """What the state does not know, because it is lost or the sites were in another partition."""
        unheard = self.partition.unheard()
        if not len(unheard) or not self.catalogue.between(0, at_ms + DAY_MS):
            return
        from fengsui.stores.history import last_values  # DuckDB, only when it is needed

        found = last_values(unheard, at_ms + DAY_MS, catalogue=self.catalogue)
        time_ms = found["time"].combine_chunks().view(pa.int64()).to_numpy()
        self.partition.remember(found["datastream"].to_numpy(), time_ms, found["value"].to_numpy())
        log.info("pipeline.remembered", partition=self.number, datastreams=len(found))

    # ---- the loop -------------------------------------------------------------------------------------------------

    async def _loop(self) -> None:
        next_tick = time.monotonic()
        while not self.stopping.is_set():
            self._raise_failures()
            try:
                if await self.stream.keep_going():
                    await self._still_mine()
                    self.heartbeat.ready = True
            except BUS_ERRORS as error:
                self._say_waiting("bus", error)
                await self._pause(0.2)
                continue
            self._say_going("bus")
            wait_s = min(next_tick, self._due_at()) - time.monotonic()
            arrived = await self._arrived(max(wait_s, 0.001))
            if arrived:
                await self._take(arrived)
            if self._changed is not None:
                await self._adopt()
            if self._due_at() <= time.monotonic() or self.partition.epoch.is_full:
                await self._cut()
            if time.monotonic() >= next_tick:
                next_tick = max(next_tick + TICK_S, time.monotonic())
                await self._tick()

    async def _arrived(self, wait_s: float) -> list[Arrived]:
        """What has arrived; nothing while the disk has only room to finish what was begun."""
        if self.looker.is_spent:
            self._say_waiting("room on the disk", OSError(errno.ENOSPC, "the disk is nearly full"))
            await asyncio.sleep(min(max(wait_s, 0.05), 0.5))
            return []
        self._say_going("room on the disk")
        return await self.stream.take(wait_s)

    async def _take(self, arrived: list[Arrived]) -> None:
        self.hot.in_hand = True
        trace = next((a.trace for a in arrived if a.trace), "")
        with tracing.span("pipeline.step", trace, messages=len(arrived)):
            before = self._enqueued
            await self._judge(arrived)
            if self._enqueued > before:
                self._traced = tracing.current() or self._traced
        self.hot.took(arrived)
        self._trace = trace or self._trace
        if self._enqueued - self._recorded > EVENTS_WAITING:
            await self._until_recorded(self._enqueued - EVENTS_WAITING)
        if self.claim.state_seq >= arrived[0].seq:
            await self._acknowledge()

    async def _judge(self, arrived: list[Arrived]) -> None:
        try:
            events = await self._in_engine(self.meter.timed, self.partition.take, arrived)
        except UnknownDatastreams as unknown:
            # a gateway may know of a new datastream before we do: look once before it is called unknown
            await self._adopt(await self._patiently("database", lambda: self._in("loader", self._look)))
            self.partition.missing_ids |= unknown.ids
            events = await self._in_engine(self.meter.timed, self.partition.take, arrived)
        self._enqueue(events)

    def _raise_failures(self) -> None:
        """What went wrong beside the loop ends the role; nothing is acknowledged that was not finished."""
        for task in (*self._background, *self._commits):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    def _due_at(self) -> float:
        """When the epoch is to be committed (monotonic)."""
        epoch = self.partition.epoch
        if self._committing:
            return float("inf") if not epoch.is_full else 0.0
        if epoch.messages:
            return epoch.began + self.epoch_s
        if self.claim.state_seq < self.claim.stream_seq and self.partition.seq >= self.claim.stream_seq:
            return self._state_at + LARGE_STATE_S
        return 0.0 if self.committer.owes_site_status else float("inf")

    @property
    def _committing(self) -> bool:
        return any(not commit.done() for commit in self._commits)

    async def _cut(self, with_state: bool = False) -> None:
        """Begin to commit the epoch; waits until one commit at most is under way."""
        while len(self._commits) >= COMMITS:
            await self._commits.pop(0)
        due = (
            with_state
            or self.committer.state_bytes <= SMALL_STATE
            or time.monotonic() - self._state_at >= LARGE_STATE_S
        )
        due = due and self.partition.seq >= self.claim.stream_seq  # else the state is behind what is booked
        pending = await self._in_engine(self._close_epoch, due)
        trace, self._trace = self._trace, ""
        if pending.snapshot is not None:
            self._state_at = time.monotonic()
        before = self._commits[-1] if self._commits else None
        commit = self._commit_epoch(pending, self._enqueued, before, trace)
        self._commits.append(asyncio.create_task(commit, name="commit"))

    async def _until_committed(self) -> None:
        while self._commits:
            await self._commits.pop(0)

    def _close_epoch(self, with_state: bool) -> Pending:
        epoch = self.hot.cut()
        epoch.seq = max(epoch.seq, self.claim.stream_seq)
        snapshot = self.partition.snapshot() if with_state else None
        return Pending(epoch, snapshot, self.partition.columns.path_of)

    async def _commit_epoch(
        self, pending: Pending, events: int, before: asyncio.Task[None] | None, trace: str = ""
    ) -> None:
        if before is not None and pending.epoch.behind:
            await before  # history is asked about rows that came behind, and must be whole
        with tracing.span("pipeline.commit", trace, readings=pending.epoch.size):
            taken = await self._do("write", self.committer.write, pending)
            if before is not None:
                await before
            await self._until_recorded(events)  # alarms first: a committed message is never judged again
            taken += await self._do("commit", self.committer.book, pending)
        self.claim = self.committer.claim
        self.hot.committed()
        self._commit_ms = round(taken * 1000)
        self.meter.committed(pending, taken)
        await self._acknowledge()

    async def _do(self, thread: str, deed: Callable[[Pending], None], pending: Pending) -> float:
        """A part of a commit, until it is done; returns how long it took."""
        began = time.monotonic()
        await self._patiently("database or disk", lambda: self._in(thread, deed, pending), for_ever=True)
        return time.monotonic() - began

    async def _acknowledge(self) -> None:
        with contextlib.suppress(*BUS_ERRORS):  # they come again and are passed over
            await self.stream.acknowledge(self.claim.state_seq)

    async def _finish(self) -> None:
        """Commit what was taken.  What is not committed in time is read again at the next start."""
        self.heartbeat.ready = False
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                if not self.partition.epoch.is_empty or self.claim.state_seq < self.partition.seq:
                    await self._cut(with_state=True)
                await self._until_committed()
                await self.nc.flush()
        except (TimeoutError, *BUS_ERRORS):
            log.warning("pipeline.stopped_early", partition=self.number, waiting_for=self.waiting_for)
        log.info("pipeline.stopped", partition=self.number, seq=self.claim.stream_seq)

    @property
    def events_total(self) -> int:
        """What the engine said since the start."""
        return self._enqueued

    # ---- every second ---------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        now_ms = _now_ms()
        if self.stream.caught_up and not process_clock().moved_within(SETTLES_S):
            self._enqueue(await self._in_engine(self.partition.sweep, now_ms))
            if not self._reconciled:
                await self._reconcile(now_ms)
        with contextlib.suppress(*BUS_ERRORS):
            await self.live.send_frames(self.partition, now_ms)
        behind = self.stream.pending + self.stream.waiting
        self.heartbeat.lag = {
            "partition": self.number,
            "messages": behind,
            "age_ms": max(0, now_ms - self.stream.delivered_at_ms) if behind else 0,
            "readings_s": self._rate.of(self.partition, time.monotonic()),
            "uncommitted": self.partition.epoch.size,
            "alarms_waiting": self._enqueued - self._recorded,
            "commit_ms": self._commit_ms,
            **self.looker.lag,
            **({"waiting_for": self.waiting_for} if self.waiting_for else {}),
        }

    async def _reconcile(self, now_ms: int) -> None:
        """Once, when everything on the bus was read: the table of alarms and the engine say the same."""
        await self._until_recorded(self._enqueued)
        standing = await self._in_engine(self.partition.standing)
        payloads = await self._patiently(
            "database",
            lambda: self._in("desk", alarms.reconcile, standing, self.number, self.partitions, now_ms),
        )
        await self.live.tell_alarms(payloads)
        self._reconciled = True
        log.info("pipeline.reconciled", partition=self.number, standing=len(standing))

    # ---- alarms ---------------------------------------------------------------------------------------------------

    def _enqueue(self, events: list[EventRow]) -> None:
        if events:
            self._enqueued += len(events)
            self._events.put_nowait(events)

    async def _until_recorded(self, events: int) -> None:
        """Wait until the first ``events`` events since the start are in the database."""
        while self._recorded < events:
            self._some_recorded.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._some_recorded.wait(), TICK_S)
            if self._background[0].done():
                raise RuntimeError("alarms are not recorded any more")

    async def _record_alarms(self) -> None:
        """Record what the engine says as soon as it says it, in order, and tell screens."""
        while True:
            events = await self._events.get()
            while not self._events.empty() and len(events) < 1000:
                events = events + self._events.get_nowait()
            trace, self._traced = self._traced, ""
            with tracing.span("pipeline.alarms", trace, events=len(events)):
                for first in range(0, len(events), 1000):
                    await self._record(events[first : first + 1000])

    async def _record(self, events: list[EventRow]) -> None:
        try:
            payloads = await self._patiently(
                "database",
                lambda: self._in("desk", tracing.carry(alarms.record_events), events),
                for_ever=True,
            )
        except DatabaseError as error:
            if len(events) > 1:  # find the one that cannot be recorded; the others must not suffer
                for event in events:
                    await self._record([event])
                return
            log.error("alarm.not_recorded", alarm=events[0]._asdict(), error=str(error))
            payloads = []
        self._recorded += len(events)
        self._some_recorded.set()
        await self.live.tell_alarms(payloads)

    # ---- registry, rules, policy ----------------------------------------------------------------------------------

    def _load(self) -> Configuration:
        """What is in force, whole: from the file that the state names and what changed since, or from the database."""
        if self.claim.state_file:
            try:
                found = self._recall()
            except (states.BadState, ValueError, KeyError) as error:
                log.warning("pipeline.configuration_lost", error=str(error), then="all of it is read")
            else:
                if found is not None:
                    return configuration.follow(found, self.number, self.partitions)
        return configuration.load(self.number, self.partitions)

    def _recall(self) -> Configuration | None:
        folder = settings.states_folder()
        with states.load(folder, self.claim.state_file) as state:
            file = str(state["configuration"])
        if not file:
            return None
        with states.load(folder, file) as kept:
            return configuration.recall(kept, file, self.partitions, catalogue_columns.load_policy())

    def _look(self) -> Configuration:
        return configuration.follow(self._known, self.number, self.partitions)

    async def _follow_changes(self) -> None:
        while True:
            await asyncio.sleep(changes.POLL_S)
            try:
                if self._changed is None:
                    self._changed = await self._in("loader", self._look_if_changed)
            except AWAY as error:
                self._say_waiting("database", error)
            else:
                self._say_going("database")

    def _look_if_changed(self) -> Configuration | None:
        """Most changes (a name, a device, a person's note) are none of ours."""
        known = self._known
        if not configuration.changed_since(known):
            return None
        found = self._look()
        return None if found is known else found

    async def _adopt(self, found: Configuration | None = None) -> None:
        """Put a new configuration in force between two messages.

        What was read under the old one is committed first, with its state: so a crash never judges a reading of
        before the change by the rules of after it.
        """
        found = found or self._changed
        self._changed = None
        assert found is not None
        if found is self._known:
            return
        if self.partition.seq > self.claim.state_seq and self.partition.seq >= self.claim.stream_seq:
            await self._cut(with_state=True)
        await self._until_committed()
        self._enqueue(
            await self._in_engine(
                self.partition.adopt,
                found.columns,
                found.rules,
                found.policy,
                _now_ms(),
                found.stored,
                found.watches,
                found.scenarios,
            )
        )
        self._known = found
        await self._in("loader", memory.give_back)
        log.info(
            "pipeline.configured",
            partition=self.number,
            datastreams=found.columns.n_slots,
            rules=len(self.partition.rules),
            refused=len(self.partition.rules.refused),
        )

    # ---- merging --------------------------------------------------------------------------------------------------

    async def _merge(self) -> None:
        keeper = Keeper(
            self.catalogue, self.number, self.partitions, has_room=lambda: not self.looker.is_full
        )
        while True:
            await asyncio.sleep(MERGE_EVERY_S)
            with contextlib.suppress(*AWAY):  # the next round begins again
                await self._in("keeper", keeper.run_round)

    # ---- threads and patience -------------------------------------------------------------------------------------

    async def _in(self, thread: str, deed: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads[thread], _give_back_on_error, deed, *arguments
        )

    async def _in_engine(self, deed: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads["engine"], deed, *arguments)

    async def _patiently(
        self, what: str, attempt: Callable[[], Awaitable[T]], *, for_ever: bool = False
    ) -> T:
        """Try until it works; say once that it is waited for.  Gives up when asked to stop, unless ``for_ever``."""
        pause = RETRY_S[0]
        while True:
            try:
                result = await attempt()
            except (*AWAY, *BUS_ERRORS) as error:
                self._say_waiting(what, error)
            else:
                self._say_going(what)
                return result
            if for_ever:
                await asyncio.sleep(pause)
            else:
                await self._pause(pause)
            pause = min(pause * 2, RETRY_S[1])

    async def _pause(self, seconds: float) -> None:
        """Sleep; raises _Stopped when asked to stop meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        if self.stopping.is_set():
            raise _Stopped

    def _say_waiting(self, what: str, error: BaseException) -> None:
        if self.waiting_for != what:
            self.waiting_for = what
            log.warning("pipeline.waiting", partition=self.number, of=what, error=repr(error))

    def _say_going(self, what: str) -> None:
        if self.waiting_for == what:
            self.waiting_for = ""
            log.info("pipeline.going_on", partition=self.number, of=what)

    async def _still_mine(self) -> None:
        """Another pipeline's claim shows when the consumer had to be made anew.  Raises Superseded."""
        if self.stream.restarts > 1 and not self._committing:
            await self._patiently("database", lambda: self._in("commit", claims.happened, self.claim))


class _Rate:
    """Readings a second, smoothed over a few seconds."""

    def __init__(self) -> None:
        self._seen, self._at, self._rate = 0, 0.0, 0.0

    def of(self, partition: Partition, now: float) -> int:
        total = partition.total
        if self._at:
            instant = (total - self._seen) / max(now - self._at, 1e-3)
            self._rate += 0.3 * (instant - self._rate)
        self._seen, self._at = total, now
        return round(self._rate)


def _give_back_on_error(deed: Callable[..., T], *arguments: Any) -> T:
    """Run ``deed``; a connection that failed is dropped, so that the next attempt makes a new one."""
    try:
        return deed(*arguments)
    except (DatabaseError, psycopg.Error):
        connection.close()
        raise


def _close_connection() -> None:
    connection.close()  # looked up here: each thread has its own


def _now_ms() -> int:
    return clock.now_ms()
