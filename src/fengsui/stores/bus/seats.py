"""Seats: which worker serves a partition is decided by the NATS server, not by the workers among themselves.

The stream SEATS holds one message a partition, and one durable consumer reads it whose priority policy is
``pinned_client``: of all that pull, the server picks one, delivers the message to it alone, again and again because
it is never acknowledged, and picks another one when the first has not pulled for ``PIN_S``.  To be delivered the seat
is to hold the partition.  A seat is not a fence: that is the claim in PostgreSQL (``stores/checkpoints``).

The Python client has no fields for priority groups, so requests are plain JSON on the subjects of the JetStream API.
Source: NATS ADR-42 (pull consumer priority groups).
"""

import asyncio
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js.api import RetentionPolicy, StorageType, StreamConfig

log = structlog.get_logger()

SEATS = "SEATS"
WORKERS = "pipelines.ping"  # who shares the partitions answers here, with the seats that it holds
GROUP = "owner"
PIN_S = 5.0  # a holder that has not pulled for so long loses its seat
BEAT_S = 1.0  # how often a holder is delivered its seat, and how long a pull waits
WRONG_PIN = "423"
ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)


async def ensure_seats(client: Client, partitions: int, replicas: int) -> None:
    """Make the stream, its messages and its consumers, where they are missing.  Raises what is in ERRORS."""
    js = client.jetstream()
    config = StreamConfig(
        name=SEATS,
        subjects=["seat.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.MEMORY,  # nothing is lost with it: it is made again
        max_msgs_per_subject=1,
        num_replicas=replicas,
    )
    try:
        await js.update_stream(config)
    except nats.js.errors.NotFoundError:
        await js.add_stream(config)
    for partition in range(partitions):
        try:
            await js.publish(
                f"seat.{partition}", b"seat", headers={"Nats-Expected-Last-Subject-Sequence": "0"}
            )
        except nats.js.errors.APIError as error:
            if error.err_code != 10071:  # it is there
                raise
        await _ask(client, f"CONSUMER.DURABLE.CREATE.{SEATS}.{_consumer(partition)}", _config(partition))


def _consumer(partition: int) -> str:
    return f"seat-{partition}"


def _config(partition: int) -> dict[str, Any]:
    return {
        "stream_name": SEATS,
        "config": {
            "durable_name": _consumer(partition),
            "filter_subject": f"seat.{partition}",
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(BEAT_S * 1e9),
            "max_deliver": -1,
            "max_waiting": 512,
            "priority_groups": [GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": int(PIN_S * 1e9),
        },
    }


async def _ask(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.request(f"$JS.API.{what}", msgspec.json.encode(body), timeout=2)
    found: dict[str, Any] = msgspec.json.decode(answer.data)
    if "error" in found:
        raise nats.js.errors.APIError.from_error(found["error"])
    return found


class Seat:
    """One partition's seat as one worker sees it.  ``wanted`` makes it a candidate; ``held``: it is ours."""

    def __init__(self, client: Client, partition: int) -> None:
        self.partition = partition
        self.wanted = False
        self.changed = asyncio.Event()  # set whenever ``held`` changes
        self.missing = False  # the server does not know the seat: make it again
        self._client = client
        self._pin = ""

    @property
    def held(self) -> bool:
        return bool(self._pin)

    async def run(self) -> None:
        """Pull for ever: as a candidate while it is wanted, as the holder while it is held."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            while True:
                if not (self.wanted or self.held) or self.missing or not self._client.is_connected:
                    await asyncio.sleep(0.05)
                    continue
                try:
                    await self._pull(inbox)
                    self._hear(await subscription.next_msg(timeout=BEAT_S + 1))
                except ERRORS:
                    continue  # a seat is kept until the server says otherwise: the claim is the fence
        finally:
            if self._client.is_connected:
                await subscription.unsubscribe()

    async def _pull(self, inbox: str) -> None:
        body = {"batch": 1, "expires": int(BEAT_S * 1e9), "group": GROUP}
        if self._pin:
            body["id"] = self._pin
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{SEATS}.{_consumer(self.partition)}",
            msgspec.json.encode(body),
            reply=inbox,
        )

    def _hear(self, message: Any) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if pin := headers.get("Nats-Pin-Id"):
            self._put(pin if self.wanted or self.held else "")
        elif status == WRONG_PIN:
            self._put("")
        elif status in ("404", "503") or "Deleted" in str(headers.get("Description", "")):
            self.missing = status == "503" or "Deleted" in str(headers.get("Description", ""))

    def _put(self, pin: str) -> None:
        if bool(pin) != self.held:
            self.changed.set()
        self._pin = pin

    async def leave(self) -> None:
        """Give the seat up and let the server pick another.  Harmless when it is not held."""
        self.wanted = False
        if self._pin:
            self._put("")
            await self.unpin()

    async def unpin(self) -> None:
        """Have the server pick a holder anew, whoever holds the seat now.  Lost requests do no harm."""
        try:
            await _ask(self._client, f"CONSUMER.UNPIN.{SEATS}.{_consumer(self.partition)}", {"group": GROUP})
        except ERRORS as error:
            log.debug("seat.not_unpinned", partition=self.partition, error=repr(error))


def share_of(partitions: int, workers: int, rank: int) -> int:
    """How many partitions the worker of ``rank`` (0 is the eldest of ``workers``) shall hold: together, all."""
    return partitions // workers + (rank < partitions % workers)
