"""What each role says of itself, read from what it counts anyway."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from fengsui.base.metrics import Distribution
from fengsui.base.quality import Reason
from fengsui.govern.ledger.booking import BOUNDARIES
from fengsui.run.metrics.samples import Sample, by, histogram, one
from fengsui.sense.gateways.publisher import Publisher
from fengsui.stores.bus import LIVE, READINGS

T = TypeVar("T")
OUTCOMES = ("received", "stored", "duplicate", "quarantined")
MQTT = "$MQTT_msgs"


def intake(made: Any) -> Iterator[Sample]:
    """What ``run.intake.Intake`` has taken in: the role gateway, and web on the portal's port."""
    gate = made.app.gate
    yield from by("gateway_requests", "code", gate.answers)
    yield one("gateway_received_bytes", gate.received_bytes)
    yield one("gateway_busy", gate.counts.busy)
    yield from publisher(made.publisher)


def publisher(made: Publisher) -> Iterator[Sample]:
    """What was written to the bus; also by the role replay."""
    refused = {Reason(r).name.lower(): n for r, n in list(made.refused.items())}
    yield one("gateway_readings_accepted", made.readings - sum(refused.values()))
    yield from by("gateway_readings_refused", "reason", refused)
    yield from histogram("gateway_group_batches", made.group)
    yield from histogram("gateway_bus_write_seconds", made.latency)
    yield one("gateway_bus_bytes", made.bytes)
    yield one("gateway_bus_retries", made.retries)
    yield one("gateway_turned_away", made.turned_away)
    yield one("gateway_disk_full", made.room.full is not None)
    lag = made.lag
    yield one("gateway_queue_bytes", lag["queued_bytes"])
    yield one("gateway_queue_age_seconds", lag["oldest_ms"] / 1000)


def doors(lag: dict[str, Any], mqtt: Any, callout: Any) -> Iterator[Sample]:
    """What only the role gateway does: MQTT and log-ins.  ``lag`` is that of its heartbeat."""
    if lag.get("mqtt_waiting", -1) >= 0:
        yield one("gateway_mqtt_waiting", lag["mqtt_waiting"])
    yield one("gateway_mqtt_lost", mqtt.lost_qos0)
    logins = {"accepted": callout.answered - callout.refused, "refused": callout.refused}
    yield from by("gateway_logins", "answer", logins)


def field(hub: Any) -> Iterator[Sample]:
    """What the listeners for field protocols have done (sense/gateways/field/limits.py)."""
    counts = hub.counts
    yield from by("field_connections", "protocol", Counter(line.adapter.name for line in hub.lines))
    for name, counted in (
        ("opened", counts.opened), ("bytes", counts.bytes), ("frames", counts.frames), ("unkept", counts.unkept),
        ("readings", counts.readings), ("unmapped", counts.unmapped), ("unwanted", counts.unwanted),
        ("sent", counts.answers), ("lost", counts.lost),
    ):  # fmt: skip
        yield from by(f"field_{name}", "protocol", counted)
    for name, label, pairs in (
        ("closed", "reason", counts.closed), ("turned_away", "reason", counts.turned_away),
        ("refused", "reason", counts.refused), ("commands", "outcome", counts.commands),
        ("media", "outcome", counts.media),
    ):  # fmt: skip
        for (protocol, why), number in list(pairs.items()):
            yield one(f"field_{name}", number, protocol=protocol, **{label: why})


class PipelineMeter:
    """What a pipeline counts once a group of messages or once an epoch."""

    def __init__(self) -> None:
        self.engine_s = 0.0
        self.epoch, self.commit, self.checkpoint = Distribution(), Distribution(), Distribution()
        self.readings: Counter[tuple[str, str]] = Counter()

    def timed(self, deed: Callable[..., T], *arguments: Any) -> T:
        """Do it, and count its time as the engine's."""
        began = time.perf_counter()
        try:
            return deed(*arguments)
        finally:
            self.engine_s += time.perf_counter() - began

    def committed(self, pending: Any, seconds: float) -> None:
        """Count an epoch that is durable now; ``seconds`` its commit took."""
        self.commit.observe(seconds)
        if pending.epoch.messages:
            self.epoch.observe(time.monotonic() - pending.epoch.began)
        if pending.state_s is not None:
            self.checkpoint.observe(pending.state_s)
        for boundary, counts in zip(BOUNDARIES, pending.epoch.counts.totals(), strict=True):
            for outcome, number in zip(OUTCOMES, counts, strict=True):
                self.readings[boundary, outcome] += number


def pipeline(role: Any) -> Iterator[Sample]:
    """One partition, from ``run.pipeline.role.Role``."""
    meter, lag, labels = role.meter, role.heartbeat.lag, {"partition": str(role.number)}
    for boundary in BOUNDARIES:
        for outcome in OUTCOMES:
            number = meter.readings[boundary, outcome]
            yield one("pipeline_readings", number, **labels, boundary=boundary, outcome=outcome)
    yield from histogram("pipeline_epoch_seconds", meter.epoch, **labels)
    yield from histogram("pipeline_commit_seconds", meter.commit, **labels)
    yield from histogram("pipeline_checkpoint_seconds", meter.checkpoint, **labels)
    yield one("pipeline_engine_seconds", meter.engine_s, **labels)
    yield one("pipeline_lag_messages", lag.get("messages", 0), **labels)
    yield one("pipeline_lag_seconds", lag.get("age_ms", 0) / 1000, **labels)
    yield one("pipeline_uncommitted_readings", lag.get("uncommitted", 0), **labels)
    yield one("pipeline_alarms_waiting", lag.get("alarms_waiting", 0), **labels)
    if (partition := getattr(role, "partition", None)) is None:
        return  # still waiting for its turn
    yield one("pipeline_engine_readings", partition.total, **labels)
    yield one("pipeline_alarm_events", role.events_total, **labels)
    yield one("pipeline_datastreams", partition.columns.n_slots, **labels)
    yield one("pipeline_rules", len(partition.rules), **labels)
    if (committer := getattr(role, "committer", None)) is not None:
        yield one("pipeline_checkpoint_bytes", committer.state_bytes, **labels)


async def bus(client: Client) -> list[Sample]:
    """Streams and consumers, asked now; whichever NATS it is.  [] while it does not answer."""
    js, out = client.jetstream(timeout=1), []
    labels = {"role": "bus", "id": ""}
    for stream in (READINGS, LIVE, MQTT):
        try:
            info = await js.stream_info(stream)
            consumers = await js.consumers_info(stream) if stream != LIVE else []  # there: one a browser
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError):
            continue
        said = {**labels, "stream": stream}
        out.append(one("bus_stream_messages", info.state.messages, **said))
        out.append(one("bus_stream_bytes", info.state.bytes, **said))
        if (info.config.max_bytes or 0) > 0:
            out.append(one("bus_stream_limit_bytes", info.config.max_bytes or 0, **said))
        for consumer in consumers:
            who = {**said, "consumer": consumer.name}
            out.append(one("bus_consumer_pending", consumer.num_pending or 0, **who))
            out.append(one("bus_consumer_unacknowledged", consumer.num_ack_pending or 0, **who))
    return out
