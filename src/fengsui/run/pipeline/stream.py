"""The messages of one partition from READINGS, in order and without a gap, no faster than they are taken.

A durable pull consumer, made anew at start: what was not acknowledged comes again, from the first.  The server numbers
what it delivers; a number passed over means that a delivery was lost on the way (a connection that broke), and the
consumer is made anew.  Acknowledging is late and optional: whoever takes messages drops what it has seen.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from fengsui.base import tracing
from fengsui.run.pipeline.partition import Arrived
from fengsui.stores.bus import READINGS
from fengsui.stores.clock import process_clock

log = structlog.get_logger()

BUS_ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)
REQUEST_BYTES = 16 << 20  # of messages asked for at once; more than the largest message
REQUEST_MESSAGES = 512
ROOM_BYTES = 16 << 20  # no more is asked for while this much waits
TAKE_BYTES = 4 << 20
EXPIRES_S = 5.0
SILENCE_S = EXPIRES_S + 2  # a request without any answer for so long was lost
ACK_WAIT_S = 3600.0
ENDED = ("404", "408", "409", "503")  # statuses that end a request


@dataclass(slots=True)
class Stream:
    """Use from one event loop only.  ``take`` gives what has arrived; ``acknowledge`` what need not come again."""

    nc: Client
    partition: int
    name: str = READINGS
    pending: int = 0  # messages on the bus that were not delivered yet, as last heard
    delivered_at_ms: int = 0
    restarts: int = 0
    _waiting: deque[Arrived] = field(default_factory=deque)
    _bytes: int = 0
    _replies: deque[tuple[int, str]] = field(default_factory=deque)
    _next: int = 0  # consumer sequence expected
    _credit: int = 0
    _heard_at: float = 0.0
    _broken: bool = True
    _inbox: str = ""
    _subscription: Subscription | None = None
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def consumer(self) -> str:
        return f"pipeline-{self.partition}"

    @property
    def waiting(self) -> int:
        """Messages that arrived and were not taken."""
        return len(self._waiting)

    @property
    def caught_up(self) -> bool:
        """Everything on the bus was taken, as far as is known."""
        return not (self._broken or self.pending or self._waiting) and self.nc.is_connected

    async def keep_going(self) -> bool:
        """Make the consumer anew if it must be, ask for more if there is room.  True when it was made anew.

        Call it often; raises what is in BUS_ERRORS, to be called again.
        """
        if self.nc.is_connected and not self._broken:
            if time.monotonic() - self._heard_at > SILENCE_S:
                self._credit = 0
            if self._credit <= 0 and self._bytes < ROOM_BYTES:
                await self._request()
            return False
        if not self.nc.is_connected:
            self._broken = True
            raise nats.errors.StaleConnectionError
        await self._make_anew()
        await self._request()
        return True

    async def take(self, timeout_s: float) -> list[Arrived]:
        """What has arrived, in order, at most TAKE_BYTES (one message at least); [] after ``timeout_s``."""
        if not self._waiting:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout_s)
            except TimeoutError:
                return []
        out: list[Arrived] = []
        size = 0
        while self._waiting and (not out or size + len(self._waiting[0].data) <= TAKE_BYTES):
            out.append(self._waiting.popleft())
            size += len(out[-1].data)
        self._bytes -= size
        return out

    async def acknowledge(self, seq: int) -> None:
        """Messages up to ``seq`` need not come again.  Lost acknowledgements do no harm."""
        while self._replies and self._replies[0][0] <= seq:
            await self.nc.publish(self._replies.popleft()[1], b"+ACK")

    async def close(self) -> None:
        if self._subscription is not None and self.nc.is_connected:
            await self._subscription.unsubscribe()
        self._subscription = None

    async def _make_anew(self) -> None:
        js = self.nc.jetstream()
        await self.close()
        try:
            await js.delete_consumer(self.name, self.consumer)
        except nats.js.errors.NotFoundError:
            pass
        self._waiting.clear()
        self._replies.clear()
        self._bytes, self._next, self._credit = 0, 1, 0
        self._inbox = self.nc.new_inbox()
        self._subscription = await self.nc.subscribe(self._inbox, cb=self._receive)
        made = await js.add_consumer(
            self.name,
            ConsumerConfig(
                durable_name=self.consumer,
                filter_subject=f"readings.{self.partition}",
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=-1,
                max_waiting=8,
            ),
        )
        self.pending = made.num_pending or 0
        self._broken = False
        self.restarts += 1

    async def _request(self) -> None:
        self._credit = REQUEST_MESSAGES
        self._heard_at = time.monotonic()
        body = {"batch": REQUEST_MESSAGES, "max_bytes": REQUEST_BYTES, "expires": int(EXPIRES_S * 1e9)}
        await self.nc.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self.name}.{self.consumer}",
            msgspec.json.encode(body),
            reply=self._inbox,
        )

    async def _receive(self, message: Msg) -> None:
        if self._subscription is None:
            return
        self._heard_at = time.monotonic()
        if not message.reply.startswith("$JS.ACK."):
            await self._status(message)
            return
        meta = message.metadata
        if self._broken:
            return
        if meta.sequence.consumer != self._next:
            log.warning(
                "pipeline.gap", partition=self.partition, expected=self._next, got=meta.sequence.consumer
            )
            self._broken = True
            self._arrived.set()
            return
        self._next += 1
        self._credit -= 1
        self.pending = meta.num_pending or 0
        self.delivered_at_ms = process_clock().without_jump(round(meta.timestamp.timestamp() * 1000))
        headers = message.headers or {}
        self._waiting.append(
            Arrived(
                meta.sequence.stream,
                self.delivered_at_ms,
                headers.get("Nats-Msg-Id") or "",
                message.data,
                headers.get(tracing.HEADER) or "",
            )
        )
        self._replies.append((meta.sequence.stream, message.reply))
        self._bytes += len(message.data)
        self._arrived.set()
        if self._credit <= 0 and self._bytes < ROOM_BYTES:
            await self._request()

    async def _status(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status", "")
        if status not in ENDED:
            return
        described = str((message.headers or {}).get("Description", ""))
        self._credit = 0
        if status == "503" or "Deleted" in described:
            self._broken = True  # the consumer is gone
        elif self._bytes < ROOM_BYTES:
            await self._request()
        self._arrived.set()
