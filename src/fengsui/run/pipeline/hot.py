"""What the pipeline has in memory, to whoever asks on the bus: uncommitted readings, and the newest of a site.

``recent.<partition>`` answers what ``stores.history.recent`` asks, beside the engine: the parts of an epoch never
change after they were added.  An epoch is held here from the moment it is cut until its commit is known to have
happened, so that no reading is for an instant neither here nor in the catalogue.

``latest.<partition>`` answers the newest reading of each datastream of a site, msgpack ``{site}``, as columns of bytes;
``units.<partition>`` the newest position of every unit, the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.run.pipeline.epoch import Epoch
from fengsui.run.pipeline.partition import Arrived, Partition
from fengsui.run.pipeline.stream import BUS_ERRORS, Stream
from fengsui.stores import clock
from fengsui.stores.history import recent

log = structlog.get_logger()

LATEST = {"ids": "<i4", "time_ms": "<i8", "value": "<f8", "quality": "u1", "reason": "u1"}
POSITIONS = {
    "unit": "<i8",
    "time_ms": "<i8",
    "lon": "<f8",
    "lat": "<f8",
    "kmh": "<f4",
    "deg": "<f4",
}
SPARE_BYTES = 4096  # of a message, for what is not the payload

InEngine = Callable[..., Awaitable[Any]]  # runs a function where the partition may be touched


class Hot:
    """``_leaving`` are the epochs on their way to disk, oldest first; whoever cuts one adds it before, see ``cut``."""

    def __init__(self, nc: Client, number: int, partition: Partition, stream: Stream, in_engine: InEngine):
        self._nc, self._number = nc, number
        self._partition, self._stream, self._in_engine = partition, stream, in_engine
        self._leaving: tuple[Epoch, ...] = ()
        self._taken_at_ms = 0
        self.in_hand = False  # messages left the stream and are not in the epoch yet
        self._subscriptions: list[Any] = []

    def cut(self) -> Epoch:
        """Close the epoch of the partition and hold it until ``committed``.  Belongs into the engine's thread."""
        # before the next one begins: an asker looks there first
        self._leaving = (*self._leaving, self._partition.epoch)
        return self._partition.close_epoch()

    def committed(self) -> None:
        """The oldest epoch on its way is listed in the catalogue."""
        self._leaving = self._leaving[1:]

    def took(self, arrived: Sequence[Arrived]) -> None:
        """The messages are in the epoch."""
        self._taken_at_ms, self.in_hand = arrived[-1].at_ms, False

    async def start(self) -> None:
        self._subscriptions = [
            await self._nc.subscribe(recent.SUBJECT.format(self._number), cb=self._answer_recent),
            await self._nc.subscribe(f"latest.{self._number}", cb=self._answer_latest),
            await self._nc.subscribe(f"units.{self._number}", cb=self._answer_units),
        ]

    async def stop(self) -> None:
        if self._nc.is_connected:
            for subscription in self._subscriptions:
                await subscription.unsubscribe()

    async def _answer_recent(self, message: Msg) -> None:
        room = self._nc.max_payload - SPARE_BYTES
        as_of_ms = self._as_of_ms()
        try:
            said = await asyncio.to_thread(recent.answer, message.data, self._held(), as_of_ms, room)
            await message.respond(said)
        except ValueError as error:
            log.debug("pipeline.not_a_question", subject=message.subject, error=str(error))
        except BUS_ERRORS as error:
            log.debug("pipeline.not_answered", error=repr(error))

    def _held(self) -> list[recent.Held]:
        """The epochs, oldest first.  The current one is looked up first: cut meanwhile it counts twice, never not."""
        now, leaving = self._partition.epoch, self._leaving
        epochs = leaving if leaving and leaving[-1] is now else (*leaving, now)
        return [(list(e.rows), [b.rows for b in e.behind], list(e.names)) for e in epochs]

    def _as_of_ms(self) -> int:
        """Whatever the bus had by then is in the epochs or committed, as far as is known."""
        if self._stream.caught_up and not self.in_hand:
            return clock.now_ms()
        return self._taken_at_ms

    async def _answer_latest(self, message: Msg) -> None:
        try:
            site = int(msgspec.msgpack.decode(message.data)["site"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return
        await self._respond(message, await self._in_engine(self._partition.latest_of, site), LATEST)

    async def _answer_units(self, message: Msg) -> None:
        await self._respond(message, await self._in_engine(self._partition.positions), POSITIONS)

    async def _respond(self, message: Msg, found: dict[str, Any], kinds: dict[str, str]) -> None:
        columns = {name: found[name].astype(kind, copy=False).tobytes() for name, kind in kinds.items()}
        try:
            await message.respond(msgspec.msgpack.encode(columns))
        except BUS_ERRORS as error:
            log.debug("pipeline.not_answered", error=repr(error))
