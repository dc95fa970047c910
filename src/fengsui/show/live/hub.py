"""One connection to the bus for the whole web process, on a thread and event loop of its own.

It reads LIVE in order into a ring, reads telemetry frames of watched sites into another, asks for latest values,
and wakes the open streams.  Views of any kind (sync, async, test client) use it the same way.
"""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import structlog
from django.conf import settings
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from fengsui.base import tracing
from fengsui.show.live.ring import Event, Ring
from fengsui.stores import clock
from fengsui.stores.bus import LIVE, connect, read_roles

EVENTS, EVENT_BYTES = 20_000, 32 << 20
FRAMES, FRAME_BYTES = 4_000, 32 << 20
LEASE_S, RENEW_S = 15, 5
CHECK_S = 2
T = TypeVar("T")
log = structlog.get_logger()


class NotConnected(Exception):
    """The bus does not answer."""


class Hub:
    """Start it once; ``stop`` ends the thread and every open stream."""

    def __init__(self, url: str):
        self.events = Ring(EVENTS, EVENT_BYTES)
        self.frames = Ring(FRAMES, FRAME_BYTES)
        self.seq = 0  # of the newest event read
        self.stopping = False
        self._url = url
        self._lock = threading.Lock()
        self._wakers: dict[asyncio.AbstractEventLoop, Waker] = {}
        self._watched: Counter[int] = Counter()
        self._following = 0  # streams that want the units
        self._subscriptions: dict[int, Subscription] = {}
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._main, name="live-hub", daemon=True)
        self._thread.start()

    # ---- for views ---------------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    def ask(self, subject: str, payload: bytes, timeout_s: float = 0.5) -> bytes:
        """One request and its reply; blocks.  Raises NotConnected when nobody answers in time."""

        async def request(client: Client) -> bytes:
            return (await client.request(subject, payload, timeout=timeout_s)).data

        return self._run(request, timeout_s + 0.5)

    def roles(self) -> list[dict[str, Any]]:
        """Every role that answers now; blocks up to a second.  Raises NotConnected."""
        return self._run(lambda client: read_roles(client, seconds=0.8), 2)

    def _run(self, work: Callable[[Client], Awaitable[T]], timeout_s: float) -> T:
        self._up.wait(min(timeout_s, 3))
        client, loop = self._client, self._loop
        if client is None or loop is None or not client.is_connected or self.stopping:
            raise NotConnected

        async def run() -> T:
            return await work(client)

        future = asyncio.run_coroutine_threadsafe(run(), loop)
        try:
            return future.result(timeout_s)
        except (NatsError, TimeoutError):
            future.cancel()
            raise NotConnected from None

    # ---- for streams -------------------------------------------------------------------------------------------

    def waker(self) -> "Waker":
        """What the streams of the running event loop wait on."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._wakers:
                self._wakers = {known: w for known, w in self._wakers.items() if not known.is_closed()}
                self._wakers[loop] = Waker(loop)
            return self._wakers[loop]

    def watch(self, sites: Iterable[int]) -> None:
        """Ask for telemetry frames of ``sites`` until ``unwatch``."""
        self._count(sites, 1)

    def unwatch(self, sites: Iterable[int]) -> None:
        self._count(sites, -1)

    def _count(self, sites: Iterable[int], by: int) -> None:
        with self._lock:
            for site in sites:
                self._watched[site] += by
                if self._watched[site] <= 0:
                    del self._watched[site]
        if self._loop is not None and self._changed is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._changed.set)

    def follow_units(self, by: int = 1) -> None:
        """Ask for the units' positions, or (-1) no longer."""
        with self._lock:
            self._following += by
        self._count((), 0)

    def stop(self) -> None:
        """Wake every stream so that it ends, then leave the bus.  Safe from any thread, also a signal handler."""
        self.stopping = True
        self._wake()
        if self._loop is not None and self._changed is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._changed.set)

    def join(self, seconds: float = 5) -> None:
        self._thread.join(seconds)

    def _wake(self) -> None:
        with self._lock:
            wakers = list(self._wakers.values())
        for waker in wakers:
            waker.wake()

    # ---- the thread --------------------------------------------------------------------------------------------

    def _main(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._changed = asyncio.get_running_loop(), asyncio.Event()
        while not self.stopping:
            try:
                client = await connect(self._url, "web.live", wait_s=5)
            except (OSError, TimeoutError, NatsError):
                await asyncio.sleep(0.5)
                continue
            self._client = client
            self._up.set()
            following = asyncio.create_task(self._follow(client))
            try:
                await self._lease(client)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.close(), 2)
        self._wake()

    async def _follow(self, client: Client) -> None:
        """Keep an ordered reader of LIVE alive: a lost reader, a gap or a new stream starts another one."""
        js = client.jetstream()
        reader: Subscription | None = None
        broken = asyncio.Event()
        expected = 0

        async def take(message: Msg) -> None:
            nonlocal expected
            number = message.metadata.sequence
            if number.consumer != expected + 1:
                broken.set()
                return
            expected = number.consumer
            trace = (message.headers or {}).get(tracing.HEADER, "")
            with tracing.span("web.push", trace, subject=message.subject):
                self._take(number.stream, message.subject, message.data)

        while True:
            try:
                known = self.seq  # by now: what is read while the answer is under way is not in it
                state = (await js.stream_info(LIVE)).state
                if state.last_seq < known:  # another stream under the same name: old ids mean nothing
                    self.events.clear()
                    self.seq, reader_is_late = state.first_seq - 1 if state.messages else state.last_seq, True
                else:
                    reader_is_late = state.last_seq > self.seq
                if reader is None or broken.is_set() or (reader_is_late and await self._stands_still()):
                    if reader is not None:
                        with contextlib.suppress(NatsError):
                            await reader.unsubscribe()
                    broken.clear()
                    expected = 0
                    reader = await js.subscribe(
                        "live.>",
                        stream=LIVE,
                        cb=take,
                        manual_ack=True,
                        config=ConsumerConfig(
                            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                            opt_start_seq=max(self.seq + 1, 1),
                            ack_policy=AckPolicy.NONE,
                            max_deliver=1,
                            inactive_threshold=60,
                            mem_storage=True,
                        ),
                    )
            except NotFoundError:
                reader = None
            except (NatsError, TimeoutError, OSError) as error:
                log.warning("live.reader", error=repr(error))
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(broken.wait(), CHECK_S)

    async def _stands_still(self) -> bool:
        before = self.seq
        await asyncio.sleep(0.5)
        return self.seq == before

    def _take(self, seq: int, subject: str, data: bytes) -> None:
        if seq <= self.seq:
            return
        self.events.append([_event(seq, subject.split(".")[1], data)])
        self.seq = seq  # after the append: who reads ``seq`` finds everything up to it in the ring
        self._wake()

    async def _lease(self, client: Client) -> None:
        """Tell the pipelines which sites somebody watches, and listen to those."""
        assert self._changed is not None

        async def frame(message: Msg) -> None:
            site = int(message.subject.rsplit(".", 1)[1])
            self.frames.append([Event(0, "readings", "", site, _sse("readings", 0, message.data))])
            self._wake()

        async def units(message: Msg) -> None:
            self.frames.append([_frame_of_units(message.data)])
            self._wake()

        heard: Subscription | None = None
        while not self.stopping:
            self._changed.clear()
            with self._lock:
                wanted, follows = set(self._watched), self._following > 0
            try:
                if follows and heard is None:
                    heard = await client.subscribe("live.units", cb=units)
                elif not follows and heard is not None:
                    await heard.unsubscribe()
                    heard = None
                for site in wanted - self._subscriptions.keys():
                    self._subscriptions[site] = await client.subscribe(f"live.readings.{site}", cb=frame)
                for site in self._subscriptions.keys() - wanted:
                    await self._subscriptions.pop(site).unsubscribe()
                if wanted or follows:
                    lease = {"site_ids": sorted(wanted), "seconds": LEASE_S, "units": follows}
                    await client.publish("live.watch", json.dumps(lease).encode())
            except NatsError as error:
                log.warning("live.watch", error=repr(error))
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), RENEW_S)


class Waker:
    """Wakes every stream of one event loop, however many events came since it last ran."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._pending = False
        self._waiting: set[asyncio.Event] = set()

    def add(self) -> asyncio.Event:
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def remove(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)

    def wake(self) -> None:
        if not self._pending:
            self._pending = True
            try:
                self._loop.call_soon_threadsafe(self._all)
            except RuntimeError:  # that loop is closed: nobody waits there
                self._pending = False

    def _all(self) -> None:
        self._pending = False
        for event in self._waiting:
            event.set()


def _event(seq: int, topic: str, data: bytes) -> Event:
    try:
        payload = json.loads(data)
        path, site = str(payload.get("org_path") or ""), payload.get("site") or 0
        site = int(site.get("id") or 0) if isinstance(site, dict) else int(site)
    except (ValueError, TypeError, AttributeError):
        log.warning("live.unreadable", seq=seq, topic=topic)
        return Event(seq, "unreadable", "", 0, b"")
    return Event(seq, topic, path, site, _sse(topic, seq, data))


def _frame_of_units(data: bytes) -> Event:
    """A frame of one organisation's units; its path stands first in it."""
    try:
        path = str(json.loads(data)["org_path"])
    except (ValueError, TypeError, KeyError):
        log.warning("live.unreadable", topic="unit")
        return Event(0, "unreadable", "", 0, b"")
    return Event(0, "unit", path, 0, _sse("units", 0, data))


def _sse(topic: str, seq: int, data: bytes) -> bytes:
    lines = b"\ndata: ".join(data.splitlines())
    number = b"id: %d\n" % seq if seq else b""
    return number + b"event: " + topic.encode() + b"\ndata: " + lines + b"\n\n"


_hub: Hub | None = None
_making = threading.Lock()


def hub() -> Hub:
    """The hub of this process, started on first use."""
    global _hub
    with _making:
        if _hub is None or _hub.stopping:
            _hub = Hub(settings.NATS_URL)
        return _hub


def stop() -> None:
    """End the hub and all open streams, if there are any.  Call it when the server is told to stop."""
    if _hub is not None:
        _hub.stop()


def now_ms() -> int:
    return clock.now_ms()
