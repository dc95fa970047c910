"""The role ``worker``: events of the outbox to their handlers, deadlines, and jobs.

Several kinds of things run side by side.  The drains wake on NOTIFY and hand events to ``run.handlers``.  The clock
looks every second for loops whose limit has passed, and for alarms whose shelf time is over.  Detectors in force are
stepped through what history has.  Procrastinate runs jobs and periodic tasks (every app's ``tasks.py``).  Any number of
workers may run: rows are locked, never shared.

A database or a bus that goes away is waited for; nothing is lost meanwhile, because what has to be done are rows.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import psycopg
import structlog
from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from fengsui.base import tracing
from fengsui.base.batch import Batch
from fengsui.run import child, django_setup, settings
from fengsui.run import tracing as traces
from fengsui.run.metrics import exchange
from fengsui.run.metrics.worker import WorkerMeter
from fengsui.sense.gateways.publisher import Publisher
from fengsui.stores import bus

HELP = "deadlines, escalation, notifications and jobs"

log = structlog.get_logger()
T = TypeVar("T")

BATCH = 200
SLOW_BATCH = 4
RISK_BATCH = 10_000  # one reckoning for all of them
RISK_PAUSE_S = 0.25  # between two reckonings of all sites, however much changes
IDLE_S = 1.0  # retries and missed notifications are looked for this often
CLOCK_S = 1.0
SETTLE_S = 5.0
LAG_S = 2.0
DETECT_S = 0.5  # detectors in force look for closed rows this often
AWAY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
PUBLISH_S = 5.0
JOBS_AT_ONCE = 2
JOBS_STOP_S = 10.0
STOP_S = JOBS_STOP_S + 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    django_setup.setup()
    traces.setup("worker")
    from django.db import connections

    # A few threads with a connection each need no pool; without one they are back as soon as the database is.
    connections.settings["default"]["OPTIONS"].pop("pool", None)
    try:
        return asyncio.run(Worker().run())
    except TimeoutError as error:
        print(f"fengsui worker: {error}", file=sys.stderr)
        return 1


class Tools:
    """What handlers get: publishing on the bus, which makes its streams again after the bus lost them."""

    def __init__(self, client: Client, max_bytes: int, instance: str = "") -> None:
        self._client, self._max_bytes = client, max_bytes
        self.publisher = Publisher(
            client,
            settings.number("FENGSUI_PARTITIONS"),
            settings.number("FENGSUI_GROUP_MS"),
            gateway=instance,
            message_bytes=settings.number("FENGSUI_MAX_MQTT_BYTES"),
        )
        self._js: JetStreamContext = client.jetstream(timeout=PUBLISH_S)

    async def readings(self, batches: list[Batch]) -> None:
        """Make readings of ours durable, as a gateway does.  Raises Busy."""
        await asyncio.gather(*(self.publisher.publish(batch) for batch in batches))

    async def publish(self, subject: str, data: bytes, msg_id: str) -> None:
        """Raises nats' errors or TimeoutError; at once when the bus is away."""
        if not self._client.is_connected:
            raise ConnectionClosedError
        try:
            headers = {"Nats-Msg-Id": msg_id}
            if trace := tracing.current():
                headers[tracing.HEADER] = trace
            await self._js.publish(subject, data, headers=headers)
        except NoStreamResponseError:
            await bus.ensure(self._client, self._max_bytes)
            raise


class Thread:
    """One thread with one database connection, kept while it works and dropped when it fails."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def do(self, deed: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, deed, arguments)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._drop)
        self._executor.shutdown()

    def _run(self, deed: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        try:
            return deed(*arguments)
        except Exception:
            self._drop()
            raise

    @staticmethod
    def _drop() -> None:
        from django.db import connection

        connection.close()


class Worker:
    """One worker process: parts that run side by side, each started again after a failure."""

    def __init__(self) -> None:
        self.stopping, self.wake, self.wake_slow = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.wake_risk, self.wake_calls = asyncio.Event(), asyncio.Event()
        self.drain_thread, self.slow_thread, self.risk_thread = (
            Thread("drain"),
            Thread("slow"),
            Thread("risk"),
        )
        self.clock_thread, self.detect_thread = Thread("clock"), Thread("detect")
        self.calls_thread, self.chase_thread = Thread("calls"), Thread("chase")
        self.parts: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "listen": self._listen,
            "drain": self._drain,
            "slow": self._drain_slow,
            "risk": self._drain_risk,
            "calls": self._drain_calls,
            "chase": self._chase,
            "clock": self._clock,
            "settle": self._settle,
            "lag": self._measure,
            "detect": self._detect,
            "jobs": self._work,
        }
        self.well: set[str] = set()
        self.meter = WorkerMeter()

    async def run(self) -> int:
        child.on_stop_signals(self.stopping)
        client = await bus.connect(settings.nats_url(), "worker")
        max_bytes = settings.number("FENGSUI_BUS_MAX_BYTES")
        await bus.ensure(client, max_bytes)
        self.tools = Tools(client, max_bytes)
        self.heart = bus.Heartbeat(client, "worker")
        await self.heart.start()
        await exchange.answer(client, self.heart, lambda: self.meter.samples(self.heart.lag))
        tasks = [asyncio.create_task(self._keep(name), name=name) for name in self.parts]
        await self.stopping.wait()
        self.heart.ready = False
        self._wake()
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            log.warning("worker.late", part=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        threads = (
            *(self.drain_thread, self.slow_thread, self.risk_thread, self.clock_thread),
            *(self.calls_thread, self.chase_thread),
            self.detect_thread,
        )
        await asyncio.gather(*(t.close() for t in threads))
        await self.tools.publisher.close()
        await self.heart.stop()
        await client.close()
        return 0

    async def _keep(self, name: str) -> None:
        """Run one part until the worker stops; after a failure wait, longer each time, and start it again."""
        failures = 0
        while not self.stopping.is_set():
            try:
                await self.parts[name]()
            except Exception as error:
                failures = 1 if name in self.well else failures + 1
                self._is(name, well=False)
                if failures == 1:
                    log.warning("worker.away", part=name, error=repr(error))
                await self._pause(AWAY_S[min(failures, len(AWAY_S)) - 1])

    def _is(self, name: str, *, well: bool) -> None:
        """A part works, or does not; the role is ready while all of them work."""
        if well and name not in self.well:
            self.well.add(name)
            log.info("worker.well", part=name)
        elif not well:
            self.well.discard(name)
        self.heart.ready = len(self.well) == len(self.parts) and not self.stopping.is_set()

    def _wake(self, topic: str = "") -> None:
        """Whoever drains ``topic``; without one, everybody."""
        from fengsui.run.handlers import CALLS, RISK, SLOW

        apart = ((SLOW, self.wake_slow), (RISK, self.wake_risk), (CALLS, self.wake_calls))
        every = [self.wake, *(wake for _topics, wake in apart)]
        own = [wake for topics, wake in apart if topic in topics]
        for wake in own or ([self.wake] if topic else every):
            wake.set()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass

    async def _listen(self) -> None:
        """Wake the drain whenever an event is committed."""
        from procrastinate.contrib.django.utils import connector_params

        from fengsui.stores import outbox

        connection = await psycopg.AsyncConnection.connect(**connector_params(), autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {outbox.CHANNEL}")
            self._is("listen", well=True)
            self._wake()  # for what was committed before we listened
            while not self.stopping.is_set():
                async for told in connection.notifies(timeout=IDLE_S):
                    self._wake(told.payload)

    async def _drain(self) -> None:
        """Hand events to their handlers as they come."""
        from fengsui.run.handlers import CALLS, HANDLERS, RISK, SLOW

        apart = SLOW | RISK | CALLS
        quick = {topic: handler for topic, handler in HANDLERS.items() if topic not in apart}
        await self._hand_over("drain", self.drain_thread, self.wake, quick, BATCH, elsewhere=apart)

    async def _drain_slow(self) -> None:
        """The same for topics whose handlers may take long."""
        from fengsui.run.handlers import HANDLERS, SLOW

        slow = {topic: HANDLERS[topic] for topic in SLOW}
        await self._hand_over("slow", self.slow_thread, self.wake_slow, slow, SLOW_BATCH, elsewhere=None)

    async def _drain_risk(self) -> None:
        """The same for what changes the risk of sites: however much it is, it is reckoned once."""
        from fengsui.run.handlers import HANDLERS, RISK

        risk = {topic: HANDLERS[topic] for topic in RISK}
        await self._hand_over(
            "risk", self.risk_thread, self.wake_risk, risk, RISK_BATCH, elsewhere=None, pause_s=RISK_PAUSE_S
        )

    async def _drain_calls(self) -> None:
        """The same for what goes to people by mail servers and gateways."""
        from fengsui.run.handlers import CALLS, HANDLERS

        calls = {topic: HANDLERS[topic] for topic in CALLS}
        await self._hand_over("calls", self.calls_thread, self.wake_calls, calls, SLOW_BATCH, elsewhere=None)

    async def _hand_over(
        self,
        name: str,
        thread: Thread,
        wake: asyncio.Event,
        handlers: dict[str, Any],
        limit: int,
        elsewhere: frozenset[str] | None,
        pause_s: float = 0,
    ) -> None:
        """Drain until there is nothing more; then wait to be woken.  ``pause_s``: rest so long after each."""
        from asgiref.sync import sync_to_async
        from django.db import close_old_connections

        from fengsui.stores import outbox

        loop = asyncio.get_running_loop()

        def in_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

        drain = partial(
            outbox.drain, handlers, limit, tools=self.tools, run_async=in_loop, elsewhere=elsewhere
        )
        while not self.stopping.is_set():
            wake.clear()
            done = await thread.do(drain)
            self.meter.handed(done)
            self._is(name, well=True)
            if done.handled and pause_s:
                await self._pause(pause_s)
            if not done.handled:
                await sync_to_async(
                    close_old_connections
                )()  # of what asynchronous handlers asked the database
                try:
                    await asyncio.wait_for(wake.wait(), IDLE_S)
                except TimeoutError:
                    pass

    async def _clock(self) -> None:
        """Tell the next rung of every loop whose limit has passed."""
        from django.utils import timezone

        from fengsui.loops import services as loops

        await self._every(
            CLOCK_S, "clock", lambda: self.meter.escalated(loops.escalate_overdue(timezone.now()))
        )

    async def _settle(self) -> None:
        """Take rules off the shelf whose time is up, and follow datastreams out of service and back."""
        from django.utils import timezone

        from fengsui.warn.alarms import services as alarms

        await self._every(SETTLE_S, "settle", lambda: alarms.settle(timezone.now()))

    async def _detect(self) -> None:
        """Step detectors in force through the rows that closed; they read history, and may take long."""
        from fengsui.warn.detecting import live

        while not self.stopping.is_set():
            done = await self.detect_thread.do(live.look)
            self._is("detect", well=True)
            if not done.more:
                await self._pause(DETECT_S)

    async def _measure(self) -> None:
        """How far behind the worker is."""
        from fengsui.loops.models import Loop
        from fengsui.stores import outbox

        def measure() -> None:
            from django.utils import timezone

            waiting = outbox.status()
            self.heart.lag = {
                "outbox": waiting.waiting,
                "outbox_ms": waiting.oldest_ms,
                "outbox_dead": waiting.dead,
                "overdue": Loop.objects.overdue(timezone.now()).count(),
            }

            self.meter.look()

        await self._every(LAG_S, "lag", measure)

    async def _chase(self) -> None:
        """Call the next in the line of every place that has not confirmed in time."""
        from fengsui.warn.calls import services as calls

        await self._every(CLOCK_S, "chase", calls.chase, self.chase_thread)

    async def _every(
        self, seconds: float, name: str, deed: Callable[[], Any], thread: Thread | None = None
    ) -> None:
        while not self.stopping.is_set():
            await (thread or self.clock_thread).do(deed)
            self._is(name, well=True)
            await self._pause(seconds)

    async def _work(self) -> None:
        """Run Procrastinate's jobs and periodic tasks."""
        from procrastinate.contrib.django import app
        from procrastinate.contrib.django.utils import connector_params
        from procrastinate.psycopg_connector import PsycopgConnector

        from fengsui.run import jobs

        jobs.register()
        connector = PsycopgConnector(
            kwargs=connector_params(), min_size=1, max_size=JOBS_AT_ONCE + 1, timeout=5
        )
        with app.replace_connector(connector) as opened:
            async with opened.open_async():
                work = asyncio.create_task(
                    opened.run_worker_async(
                        concurrency=JOBS_AT_ONCE,
                        install_signal_handlers=False,
                        delete_jobs="successful",
                        shutdown_graceful_timeout=JOBS_STOP_S,
                    )
                )
                self._is("jobs", well=True)
                stop = asyncio.create_task(self.stopping.wait())
                await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
                stop.cancel()
                if not self.stopping.is_set():
                    await work  # raises what ended it
                    raise ConnectionError("the job runner stopped by itself")
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
