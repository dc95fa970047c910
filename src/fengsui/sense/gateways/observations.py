"""SensorThings over MQTT (OGC 18-088, 13 and 14): observations on ``v1.1/Datastreams(7)/Observations``, both ways.

What devices say there becomes readings; what the pipelines took is told to who listens.  ``topics`` keeps them apart.
"""

import asyncio
import re
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import nats.errors
import nats.js.errors
import numpy as np
import structlog
from django.db import connection
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from fengsui.base.batch import Batch, Refused
from fengsui.base.quality import Reason
from fengsui.sense.codecs.readings_json import raw
from fengsui.sense.gateways import door
from fengsui.sense.gateways.mqtt import MqttGateway
from fengsui.sense.gateways.publisher import Busy
from fengsui.sense.gateways.registry import SiteRow
from fengsui.sense.gateways.topics import HEARD, SAID, TELL
from fengsui.stores import clock
from fengsui.stores.bus import read_roles
from fengsui.stores.changes import in_thread

if TYPE_CHECKING:
    from fengsui.stores.history.recent import Recent

log = structlog.get_logger()

_STREAM = re.compile(r"(Multi)?Datastreams\((\d{1,9})\)")
SESSIONS = "$MQTT_sess"  # the server's own stream of who is subscribed to what
POLL_S, LOOK_S = 0.5, 15.0
KNOWN_S = 120.0  # how long a reading that was told is remembered
HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObservationsGateway(MqttGateway):
    """Takes observations that devices publish.  What cannot be read is kept in quarantine, as everywhere."""

    subject, consumer = f"{SAID}.*.Observations", "gateway-observations"

    def __init__(self, counts: MqttGateway, *args: Any, **more: Any) -> None:
        """``counts``: the gateway of readings, in whose numbers these messages are counted."""
        super().__init__(*args, **more)
        self._counts = counts
        self._sites: dict[int, int] = {}

    async def _take(self, subject: str, data: bytes, received_ms: int) -> None:
        if not self._registry.loaded:
            raise Busy("the gateway does not know its devices yet")
        found = _STREAM.fullmatch(subject.split(".")[2])
        multi = self._registry.snapshot.multis.get(int(found[2])) if found and found[1] else None
        if multi is not None:
            site = self._registry.snapshot.site_by_id.get(multi.site)
        else:
            site = await self._site(int(found[2])) if found and not found[1] else None
        if site is None or found is None:
            self._counts.siteless += 1
            log.error("mqtt.no_datastream", subject=subject, bytes=len(data))
            return
        members = multi.members if multi is not None else (int(found[2]),)
        batch = self._batch(members, multi is not None, site, data, received_ms)
        if not batch.refused:
            door.require_sure_time(batch.source, batch.time_ms[batch.time_ms != received_ms])
        self._counts.received += 1
        if not batch.refused:
            self._admit(batch, received_ms)
            for row in np.flatnonzero(batch.reason).tolist():
                batch.refused[row] = _refused(self._code(site, members[row]), batch, row)
        await self._publisher.publish(batch)
        self._counts.accepted += not batch.refused
        self._counts.refused += len(batch.refused)

    def _batch(
        self, members: tuple[int, ...], is_multi: bool, site: SiteRow, data: bytes, received_ms: int
    ) -> Batch:
        pk, n = members[0], len(members)
        try:
            time_ms, value = observation(data, received_ms, n if is_multi else 0)
        except (ValueError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return Batch(
                site.id, f"mqtt:{site.code}", received_ms, np.array([pk], np.int32), np.array([received_ms]),
                np.array([np.nan]), np.zeros(1, np.uint8), np.array([Reason.UNPARSABLE], np.uint8),
                {0: Refused(self._code(site, pk), "", f"{error}: {raw(data)}"[:2000])},
            )  # fmt: skip
        return Batch(
            site.id, f"mqtt:{site.code}", received_ms, np.array(members, np.int32), np.full(n, time_ms, np.int64),
            np.array(value, np.float64), np.zeros(n, np.uint8), np.zeros(n, np.uint8),
        )  # fmt: skip

    def _code(self, site: SiteRow, pk: int) -> str:
        streams = self._registry.streams(site.id)
        at = int(np.searchsorted(streams.ids, pk))
        return streams.codes[at] if at < len(streams.ids) and streams.ids[at] == pk else ""

    async def _site(self, pk: int) -> SiteRow | None:
        """The site of a datastream; datastreams stay where they are."""
        if pk not in self._sites:
            site = await asyncio.to_thread(in_thread, lambda: _site_of(pk))
            if site is None:
                return None
            self._sites[pk] = site
        return self._registry.snapshot.site_by_id.get(self._sites[pk])


def _site_of(pk: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT site_id FROM devices_datastream WHERE id = %s", [pk])
        row = cursor.fetchone()
    return row[0] if row else None


def observation(data: bytes, received_ms: int, width: int = 0) -> tuple[int, list[float]]:
    """Time (ms) and values of an Observation in JSON: one, or ``width`` of a MultiDatastream (null: none there).

    Raises ValueError for what a topic cannot take.
    """
    body = msgspec.json.decode(data)
    if not isinstance(body, dict):
        raise ValueError("an Observation is an object")
    other = [
        name
        for name in body
        if name not in ("phenomenonTime", "resultTime", "result") and "@iot." not in name
    ]
    if other:
        raise ValueError(f"only phenomenonTime, resultTime and result are taken here, not {other[0][:40]}")
    result = body.get("result")
    if width:
        if not isinstance(result, list) or len(result) != width:
            raise ValueError(f"the result of this MultiDatastream is a list of {width}")
        if not all(one is None or isinstance(one, bool | int | float) for one in result):
            raise ValueError("each element of the result must be a number, true, false or null")
        values = [float("nan") if one is None else float(one) for one in result]
    elif isinstance(result, bool | int | float):
        values = [float(result)]
    else:
        raise ValueError("the result must be a number, or true or false")
    at = body.get("phenomenonTime") or body.get("resultTime")
    if at is None:
        return received_ms, values
    when = datetime.fromisoformat(str(at))
    if when.tzinfo is None:
        raise ValueError("an instant needs its offset")
    return round((when - _EPOCH) / timedelta(milliseconds=1)), values


def _refused(code: str, batch: Batch, row: int) -> Refused:
    at = _EPOCH + timedelta(milliseconds=int(batch.time_ms[row]))
    return Refused(code, at.isoformat().replace("+00:00", "Z"), repr(float(batch.value[row])))


class Updates:
    """Tells subscribers of what the pipelines took: of datastreams somebody listens to, and of no others.

    The eldest gateway does it.  Readings show in a pipeline's memory for a whole epoch, so asking twice a second sees
    each; what was there when somebody subscribed is not told.
    """

    def __init__(self, nc: Client, partitions: int, instance: str) -> None:
        self.told = 0
        self._nc, self._partitions, self._instance = nc, partitions, instance
        self._listens: dict[str, set[str]] = {}  # session → Datastreams(7), MultiDatastreams(3)
        self._since: dict[str, int] = {}
        self._of: dict[str, tuple[int, tuple[int, ...]]] = {}  # → site and datastreams; they stay as they are
        self._known: dict[tuple[str, int], float] = {}
        self._partial: dict[
            tuple[str, int], int
        ] = {}  # how many elements of a result were there a moment ago
        self._first = True
        self._tasks: list[asyncio.Task] = []

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._follow(), name="mqtt-sessions"),
            asyncio.create_task(self._tell_for_ever(), name="mqtt-updates"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Who listens to what, from the server's own record; looked through again for those who left."""
        while True:
            try:
                js = self._nc.jetstream()
                reader = await js.subscribe(
                    "$MQTT.sess.>", stream=SESSIONS, cb=self._on_session, manual_ack=True,
                    config=ConsumerConfig(
                        deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, ack_policy=AckPolicy.NONE, mem_storage=True,
                        inactive_threshold=60,
                    ),
                )  # fmt: skip
                while self._nc.is_connected:
                    await asyncio.sleep(LOOK_S)
                    await self._forget_those_who_left()
                    await reader.consumer_info()
            except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(POLL_S)  # nobody has ever connected, or the bus is away

    async def _on_session(self, message: Msg) -> None:
        try:
            subjects = (msgspec.json.decode(message.data).get("subs") or {}) if message.data else {}
        except (msgspec.DecodeError, AttributeError):
            return
        ids = set()
        for subject in subjects:
            parts = subject.split(".")
            found = _STREAM.fullmatch(parts[1]) if len(parts) == 3 and parts[0] == HEARD else None
            if found is not None:
                ids.add(parts[1])
        if ids:
            self._listens[message.subject] = ids
            at = int(message.metadata.timestamp.timestamp() * 1000)
            for pk in ids:
                self._since.setdefault(pk, at)
        else:
            self._listens.pop(message.subject, None)

    async def _forget_those_who_left(self) -> None:
        for subject in list(self._listens):
            try:
                await self._nc.jetstream().get_last_msg(SESSIONS, subject)
            except nats.js.errors.NotFoundError:
                self._listens.pop(subject, None)
        wanted = set().union(*self._listens.values()) if self._listens else set()
        self._since = {pk: at for pk, at in self._since.items() if pk in wanted}

    async def _tell_for_ever(self) -> None:
        looked = 0.0
        while True:
            await asyncio.sleep(POLL_S)
            if not self._since:
                continue
            try:
                if time.monotonic() - looked > LOOK_S:
                    looked = time.monotonic()
                    self._first = await self._is_eldest()
                if self._first:
                    await self._tell()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.debug("mqtt.updates", error=repr(error))
            except Exception as error:
                log.error("mqtt.updates_failed", error=repr(error))

    async def _is_eldest(self) -> bool:
        roles = await read_roles(self._nc, seconds=1.0)
        known = sorted((r["since_ms"], r["instance"]) for r in roles if r["role"] == "gateway")
        return not known or known[0][1] == self._instance

    async def _tell(self) -> None:
        # Arrow: 40 MB that a gateway to whom nobody listens does not need
        from fengsui.stores.history.recent import SUBJECT, Recent, question

        now, now_ms = time.monotonic(), clock.now_ms()
        self._known = {key: at for key, at in self._known.items() if now - at < KNOWN_S}
        if len(self._partial) > 10_000:
            self._partial.clear()
        by_partition: dict[int, list[str]] = defaultdict(list)
        for topic in self._since:
            if topic not in self._of:
                known = await asyncio.to_thread(in_thread, lambda topic=topic: _behind(topic))
                if known is None:
                    continue
                self._of[topic] = known
            by_partition[self._of[topic][0] % self._partitions].append(topic)
        for partition, heard in by_partition.items():
            ids = sorted({one for topic in heard for one in self._of[topic][1]})
            asked = question(ids, now_ms - 32 * 24 * HOUR_MS, now_ms + HOUR_MS)
            answer = await self._nc.request(SUBJECT.format(partition), asked, timeout=1.0)
            await self._tell_new(Recent.of(answer.data), heard, now)

    async def _tell_new(self, recent: "Recent", heard: list[str], now: float) -> None:
        import pyarrow as pa

        from fengsui.stores.history.rows import MS

        table = recent.table
        times, received = (
            table[name].combine_chunks().cast(MS).view(pa.int64()).to_pylist()
            for name in ("time", "received")
        )
        seen: dict[int, dict[int, tuple[int, float]]] = defaultdict(dict)
        for pk, at, came, value in zip(
            table["datastream"].to_pylist(), times, received, table["value"].to_pylist(), strict=True
        ):
            seen[pk].setdefault(at, (came, value))
        for topic in heard:
            members = self._of[topic][1]
            for at in {at for pk in members for at in seen[pk]}:
                there = [seen[pk].get(at) for pk in members]
                if (topic, at) in self._known or not self._is_due(topic, at, there):
                    continue
                self._known[topic, at] = now
                await self._say(topic, members[0], at, [None if one is None else one[1] for one in there])

    def _is_due(self, topic: str, at: int, there: list[tuple[int, float] | None]) -> bool:
        """Whether it came in since somebody listens, and is whole, or not more than it was at the last look."""
        newest = max(one[0] for one in there if one is not None)
        if newest < self._since.get(topic, newest + 1):
            return False
        count = sum(one is not None for one in there)
        if count == len(there) or self._partial.get((topic, at)) == count:
            self._partial.pop((topic, at), None)
            return True
        self._partial[topic, at] = count
        return False

    async def _say(self, topic: str, pk: int, at: int, values: list[float | None]) -> None:
        when = (_EPOCH + timedelta(milliseconds=at)).isoformat().replace("+00:00", "Z")
        said = [None if value is None or value != value else value for value in values]
        is_multi = topic.startswith("Multi")
        key = f"m{topic[topic.index('(') + 1 : -1]}" if is_multi else str(pk)
        body = {
            "@iot.id": f"{key}:{at}", "phenomenonTime": when, "resultTime": when,
            "result": said if is_multi else said[0],
        }  # fmt: skip
        await self._nc.publish(f"{TELL}.{topic}.Observations", msgspec.json.encode(body))
        self.told += 1


def _behind(topic: str) -> tuple[int, tuple[int, ...]] | None:
    """The site and the datastreams of Datastreams(7) or MultiDatastreams(3); None when it is not there."""
    found = _STREAM.fullmatch(topic)
    pk = int(found[2]) if found else 0
    if found is None or not found[1]:
        site = _site_of(pk)
        return None if site is None else (site, (pk,))
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT g.site_id, array_agg(m.datastream_id ORDER BY m.position) FROM devices_multidatastream g
               JOIN devices_multidatastreammember m ON m.multi_datastream_id = g.id WHERE g.id = %s GROUP BY g.id""",
            [pk],
        )
        row = cursor.fetchone()
    return (row[0], tuple(row[1])) if row else None
