"""Readings over MQTT 3.1.1: from the bus's own listener to canonical batches.

The server keeps a publish of QoS 1 in the stream $MQTT_msgs before it confirms it, as long as somebody is
interested: that is our durable consumer.  A message leaves the stream when its batch is durable in READINGS.
A publish of QoS 0 comes once, over core NATS, and is not promised to anybody.  Source: nats-server 2.15,
server/mqtt.go.  Topics, answers and limits are described in docs/protocols/mqtt.md.
"""

import asyncio
from typing import Any

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from fengsui.sense.codecs.readings_json import BadPayload, decode
from fengsui.sense.gateways import door
from fengsui.sense.gateways.publisher import Busy, Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry
from fengsui.sense.gateways.repeats import Repeats
from fengsui.stores.clock import process_clock

log = structlog.get_logger()

STREAM = "$MQTT_msgs"  # the server's own name and subjects: it takes a stream that is there already
PREFIX = "$MQTT.msgs."
SUBJECT = "v1.*.readings"
CONSUMER = "gateway"
QUEUE = "gateway"
ACK_WAIT_S = 15.0  # longer than the publisher's patience: a gateway that was killed is waited for no longer
AT_ONCE = 512  # messages fetched together
GROUPS = 4  # fetched groups under way at the same time
BUSY_PAUSE_S = 2.0
BIG_BYTES = 128 << 10
SHUT_BYTES = (
    1  # of the stream while a disk is full: nothing fits, so the server confirms nothing; what is in it stays
)


class MqttGateway:
    """The consumer of what devices publish.  Several may run; each message reaches one of them."""

    subject, consumer = SUBJECT, CONSUMER

    def __init__(
        self,
        nc: Client,
        registry: Registry,
        publisher: Publisher,
        admit: door.Admit = door.admit_all,
        refusals: Refusals | None = None,
        stream_bytes: int = 2 << 30,
        repeats: Repeats | None = None,
    ) -> None:
        self.received = self.accepted = self.refused = self.lost_qos0 = self.siteless = 0
        self._nc, self._registry, self._publisher, self._admit = nc, registry, publisher, admit
        self._refusals = refusals or Refusals()
        self._stream_bytes = stream_bytes
        self._is_shut = False
        self._repeats = repeats
        self._groups = asyncio.Semaphore(GROUPS)
        self._tasks: set[asyncio.Task] = set()
        self._pull: Any = None
        self._core: Any = None
        self._loop_task: asyncio.Task | None = None

    async def start(self) -> None:
        """Make the interest that keeps publishes, then begin to take them."""
        await ensure(self._nc, self._limit, self.consumer, self.subject)
        self._pull = await self._nc.jetstream().pull_subscribe_bind(self.consumer, STREAM)
        self._core = await self._nc.subscribe(self.subject, queue=QUEUE, cb=self._on_core)
        self._loop_task = asyncio.create_task(self._take_for_ever(), name="mqtt")

    async def close(self) -> None:
        """Take nothing new, finish what is under way.  What is not finished comes again, here or elsewhere."""
        if self._loop_task:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        if self._core is not None and not self._nc.is_closed:
            await self._core.unsubscribe()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    async def follow_room(self) -> None:
        """Have the server confirm nothing while a disk is full.  Call it often; raises what the bus raises."""
        shut = self._publisher.room.full is not None
        if shut != self._is_shut:
            await ensure(self._nc, SHUT_BYTES if shut else self._stream_bytes, self.consumer, self.subject)
            self._is_shut = shut
            log.warning("mqtt.shut" if shut else "mqtt.open", why="disk")

    @property
    def _limit(self) -> int:
        return SHUT_BYTES if self._is_shut else self._stream_bytes

    async def waiting(self) -> int:
        """Messages in the stream that no gateway has finished."""
        info = await self._nc.jetstream().consumer_info(STREAM, self.consumer)
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)

    async def _take_for_ever(self) -> None:
        away = False
        while True:
            await self._groups.acquire()
            try:
                messages = await self._pull.fetch(AT_ONCE, timeout=5)
                away = False
            except TimeoutError:
                self._groups.release()
                continue
            except (nats.errors.Error, nats.js.errors.Error, OSError) as error:
                self._groups.release()
                if not away:
                    away = True
                    log.warning("mqtt.waiting", error=repr(error))
                await asyncio.sleep(1)
                await self._again()
                continue
            except BaseException:
                self._groups.release()
                raise
            self._spawn(self._group(messages))

    async def _again(self) -> None:
        """The stream or its consumer may be gone (a bus that was reset): make them again."""
        try:
            await ensure(self._nc, self._limit, self.consumer, self.subject)
        except (nats.errors.Error, nats.js.errors.Error, OSError):
            pass

    async def _group(self, messages: list[Msg]) -> None:
        try:
            await asyncio.gather(*[self._stored(message) for message in messages])
        finally:
            self._groups.release()

    async def _stored(self, message: Msg) -> None:
        """One publish of QoS 1: confirmed to the stream only when its batch is durable."""
        try:
            stamped_ms = int(message.metadata.timestamp.timestamp() * 1000)  # the same when it comes again
            received_ms = process_clock().without_jump(stamped_ms)
            await self._take(message.subject[len(PREFIX) :], message.data, received_ms)
            await message.ack()
        except Busy:
            await self._later(message)
        except (nats.errors.Error, nats.js.errors.Error) as error:  # it comes again after ACK_WAIT_S
            log.warning("mqtt.unconfirmed", error=repr(error))
        except Exception as error:
            log.error("mqtt.failed", subject=message.subject, error=repr(error))
            await self._later(message)

    async def _later(self, message: Msg) -> None:
        try:
            await message.nak(delay=BUSY_PAUSE_S)
        except (nats.errors.Error, nats.js.errors.Error):
            pass

    async def _on_core(self, message: Msg) -> None:
        """One publish of QoS 0.  Copies of QoS 1 are left to the stream."""
        if (message.headers or {}).get("Nmqtt-Pub", "0") != "0":
            return
        if len(self._tasks) >= 4 * AT_ONCE:
            self.lost_qos0 += 1
            return
        self._spawn(self._unstored(message))

    async def _unstored(self, message: Msg) -> None:
        try:
            await self._take(message.subject, message.data, door.now_ms())
        except Busy:
            self.lost_qos0 += 1
        except Exception as error:
            log.error("mqtt.failed", subject=message.subject, error=repr(error))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, subject: str, data: bytes, received_ms: int) -> None:
        """From payload to durable batch.  Raises Busy."""
        if not self._registry.loaded:
            raise Busy("the gateway does not know its devices yet")
        code = subject.split(".")[1]
        site = self._registry.site(code)
        if (
            site is None
        ):  # it was there when the device logged in: its rows are gone, and so is where to keep this
            self.siteless += 1
            log.error("mqtt.no_site", site=code, bytes=len(data))
            return
        source = f"mqtt:{site.code}"
        streams = self._registry.streams(site.id)
        plain = (
            self._repeats.enter(data, site, streams, source, received_ms)
            if self._repeats and not process_clock().is_apart
            else None
        )
        if plain is not None:
            self.received += len(plain)
            await self._publisher.publish(plain)
            self.accepted += len(plain)
            return
        draft = decode(data) if len(data) <= BIG_BYTES else await asyncio.to_thread(decode, data)
        if isinstance(draft, BadPayload):
            self.received += 1
            self.refused += 1
            await self._publisher.publish(door.unreadable(data, site, source, received_ms))
            return
        door.require_sure_time(source, draft.time_ms)
        self.received += len(draft)
        if draft.site not in (None, site.code):
            self.refused += len(draft)
            self._refusals.note(
                "readings.publish", source, org_path=site.org_path, by="mqtt", why="wrong_site",
                site=site.code, sent_site=draft.site, readings=len(draft),
            )  # fmt: skip
            await self._publisher.publish(door.wrong_site(draft, site, source, received_ms))
            return
        entered = door.enter(draft, site, streams, source, received_ms, self._admit)
        if self._repeats and not entered.batch.refused:
            self._repeats.learn(data, draft, site, streams, source)
        await self._publisher.publish(entered.batch)
        self.accepted += entered.accepted
        self.refused += len(entered.batch.refused)


async def ensure(nc: Client, max_bytes: int, consumer: str = CONSUMER, subject: str = SUBJECT) -> None:
    """The server's stream of MQTT publishes, bounded, and our interest in it.  Safe to call again.

    When the stream is full the server confirms no publish, and devices send again later.
    """
    js = nc.jetstream()
    config = StreamConfig(
        name=STREAM,
        subjects=[f"{PREFIX}>"],
        retention=RetentionPolicy.INTEREST,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
    )
    try:
        await js.update_stream(config)
    except nats.js.errors.NotFoundError:
        await js.add_stream(config)
    await js.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=consumer,
            filter_subject=f"{PREFIX}{subject}",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=2 * GROUPS * AT_ONCE,
        ),
    )
