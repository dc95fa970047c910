"""What a Sparkplug host application knows of every edge node: births, aliases, the order of messages, who is alive.

Pure: a message and the time go in, samples and what to do come out.  Rules: Sparkplug 3.0, chapters 5 and 6.4.
A gap in the sequence waits ``reorder_ms`` for what is late; then a new birth is asked for.  What came after the gap is
valid by itself and is not thrown away.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.codecs.sparkplug.payload import Metric, Payload, decode, encode, number, typed
from fengsui.sense.codecs.sparkplug.topic import STATE, Topic

REORDER_MS = 2000
ASK_AGAIN_MS = 10_000  # a birth that was asked for and did not come
MAX_NODES = 10_000
MAX_HELD = 255  # messages of one node that wait for an earlier one
REBIRTH = "Node Control/Rebirth"
BIRTH_DEATH = "bdSeq"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with its full name.  ``device`` is empty for metrics of the edge node itself; None as value is null."""

    group: str
    node: str
    device: str
    name: str
    time_ms: int | None
    value: Any
    datatype: str
    is_historical: bool = False


def readings(samples: Iterable[Sample]) -> list[Measured]:
    """Samples that are numbers or booleans, and nulls as NaN; texts, tables and structures are no readings."""
    found = []
    for sample in samples:
        value = math.nan if sample.value is None else number(sample.value)
        if value is not None:
            device = "/".join(part for part in (sample.group, sample.node, sample.device) if part)
            found.append(Measured(device, sample.name, sample.time_ms, value))
    return found


@dataclass(slots=True)
class Outcome:
    """What one message meant.

    ``odd`` is against the rules and taken all the same · ``stale`` (group, node, device) whose values no longer hold,
    device empty for the node · ``rebirth`` (group, node) to be asked for a birth, see ``rebirth_command``.
    """

    samples: list[Sample] = field(default_factory=list)
    refused: list[BadFrame] = field(default_factory=list)
    odd: list[BadFrame] = field(default_factory=list)
    stale: list[tuple[str, str, str]] = field(default_factory=list)
    rebirth: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    name: str
    datatype: str
    device: str


@dataclass(slots=True)
class _Held:
    topic: Topic
    payload: Payload
    data: bytes
    since_ms: int


@dataclass(slots=True)
class _Node:
    online: bool = False
    seq: int = 0  # of the last message in order
    birth_death: int | None = None
    devices: set[str] = field(default_factory=set)  # those alive
    types: dict[tuple[str, str], str] = field(default_factory=dict)  # (device, name) of the births
    aliases: dict[int, _Known] = field(default_factory=dict)
    held: dict[int, _Held] = field(default_factory=dict)  # by seq
    asked_ms: int | None = None


class Session:
    """Every edge node that one host application sees."""

    def __init__(self, reorder_ms: int = REORDER_MS) -> None:
        self.reorder_ms = reorder_ms
        self._nodes: dict[tuple[str, str], _Node] = {}

    def feed(self, topic: Topic, data: bytes, now_ms: int) -> Outcome:
        """Take one message.  Never raises."""
        out = Outcome()
        if topic.kind == STATE:
            return out  # hosts tell each other; its payload is JSON
        payload = decode(data)
        if isinstance(payload, BadFrame):
            out.refused.append(payload)
            return out
        if topic.kind in ("NCMD", "DCMD"):
            return out  # for edge nodes
        key = (topic.group, topic.node)
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                out.refused.append(BadFrame("too many edge nodes", data))
                return out
            node = self._nodes[key] = _Node()
        if topic.kind == "NBIRTH":
            self._node_birth(node, topic, payload, data, out)
        elif topic.kind == "NDEATH":
            self._node_death(node, topic, payload, data, out)
        elif not node.online:
            out.refused.append(BadFrame("before birth", data))
            self._ask(key, node, now_ms, out)
        else:
            self._in_order(key, node, _Held(topic, payload, data, now_ms), out)
        return out

    def tick(self, now_ms: int) -> Outcome:
        """What time alone brings: gaps that nobody closed."""
        out = Outcome()
        for key, node in self._nodes.items():
            if node.held and now_ms - min(held.since_ms for held in node.held.values()) >= self.reorder_ms:
                self._close_gap(key, node, now_ms, out)
        return out

    def online(self, group: str, node: str) -> bool:
        known = self._nodes.get((group, node))
        return known is not None and known.online

    # ---- births and deaths ---------------------------------------------------------------------------------

    def _node_birth(self, node: _Node, topic: Topic, payload: Payload, data: bytes, out: Outcome) -> None:
        if payload.seq != 0:
            out.odd.append(BadFrame("birth sequence is not 0", data))
        for held in node.held.values():
            out.refused.append(BadFrame("overtaken by a birth", held.data))
        out.stale.extend((topic.group, topic.node, device) for device in sorted(node.devices))
        fresh = _Node(online=True, seq=payload.seq or 0, birth_death=_birth_death(payload))
        self._nodes[(topic.group, topic.node)] = fresh
        self._learn(fresh, topic, payload, data, out)

    def _node_death(self, node: _Node, topic: Topic, payload: Payload, data: bytes, out: Outcome) -> None:
        """A will with an old bdSeq belongs to a connection that a newer birth has replaced."""
        died = _birth_death(payload)
        if not node.online or (node.birth_death is not None and died != node.birth_death):
            out.refused.append(BadFrame("death of an earlier birth", data))
            return
        for held in node.held.values():
            out.refused.append(BadFrame("before birth", held.data))
        out.stale.append((topic.group, topic.node, ""))
        out.stale.extend((topic.group, topic.node, device) for device in sorted(node.devices))
        self._nodes[(topic.group, topic.node)] = _Node(birth_death=node.birth_death)

    def _learn(self, node: _Node, topic: Topic, payload: Payload, data: bytes, out: Outcome) -> None:
        """The names, types and aliases of a birth, and its values."""
        for key in [key for key in node.types if key[0] == topic.device]:
            del node.types[key]
        for alias in [alias for alias, known in node.aliases.items() if known.device == topic.device]:
            del node.aliases[alias]
        for metric in payload.metrics:
            if not metric.name or not metric.datatype:
                out.refused.append(BadFrame("birth without name or type", data))
                continue
            node.types[topic.device, metric.name] = metric.datatype
            if metric.alias is not None:
                if metric.alias in node.aliases:
                    out.odd.append(BadFrame("alias stands twice", data))
                node.aliases.setdefault(metric.alias, _Known(metric.name, metric.datatype, topic.device))
            if metric.name not in (BIRTH_DEATH, REBIRTH):
                out.samples.append(_sample(topic, metric, metric.name, metric.datatype, payload))

    # ---- order ---------------------------------------------------------------------------------------------

    def _in_order(self, key: tuple[str, str], node: _Node, message: _Held, out: Outcome) -> None:
        seq = message.payload.seq
        if seq is None or seq > 255:
            out.refused.append(BadFrame("sequence", message.data))
            self._ask(key, node, message.since_ms, out)
            return
        if seq in node.held:
            out.refused.append(BadFrame("sequence stands twice", message.data))
            return
        node.held[seq] = message
        self._deliver(key, node, message.since_ms, out)
        if len(node.held) > MAX_HELD or (node.held and not self.reorder_ms):
            self._close_gap(key, node, message.since_ms, out)

    def _deliver(self, key: tuple[str, str], node: _Node, now_ms: int, out: Outcome) -> None:
        while (following := node.held.pop((node.seq + 1) % 256, None)) is not None:
            node.seq = (node.seq + 1) % 256
            self._take(key, node, following, now_ms, out)

    def _close_gap(self, key: tuple[str, str], node: _Node, now_ms: int, out: Outcome) -> None:
        """Go on after a gap: nobody knows what was in it, so a birth has to say how things stand."""
        while node.held:
            after = min(node.held, key=lambda seq: (seq - node.seq) % 256)
            out.odd.append(BadFrame("sequence gap", node.held[after].data))
            node.seq = (after - 1) % 256
            self._deliver(key, node, now_ms, out)
        self._ask(key, node, now_ms, out)

    def _take(self, key: tuple[str, str], node: _Node, message: _Held, now_ms: int, out: Outcome) -> None:
        topic, payload = message.topic, message.payload
        if topic.kind == "DBIRTH":
            node.devices.add(topic.device)
            self._learn(node, topic, payload, message.data, out)
        elif topic.kind == "DDEATH":
            node.devices.discard(topic.device)
            out.stale.append((topic.group, topic.node, topic.device))
        elif topic.device and topic.device not in node.devices:
            out.refused.append(BadFrame("before birth", message.data))
            self._ask(key, node, now_ms, out)
        else:
            for sample in self._samples(node, message, out):
                out.samples.append(sample)
            if any(bad.reason in ("alias not known", "metric not in birth") for bad in out.refused):
                self._ask(key, node, now_ms, out)

    def _samples(self, node: _Node, message: _Held, out: Outcome) -> Iterator[Sample]:
        topic, payload = message.topic, message.payload
        for metric in payload.metrics:
            if metric.name:
                datatype = metric.datatype or node.types.get((topic.device, metric.name), "")
                if not datatype:
                    out.refused.append(BadFrame("metric not in birth", message.data))
                    continue
                yield _sample(topic, metric, metric.name, datatype, payload)
                continue
            known = node.aliases.get(-1 if metric.alias is None else metric.alias)
            if known is None or known.device != topic.device:
                out.refused.append(BadFrame("alias not known", message.data))
                continue
            yield _sample(topic, metric, known.name, known.datatype, payload)

    @staticmethod
    def _ask(key: tuple[str, str], node: _Node, now_ms: int, out: Outcome) -> None:
        if node.asked_ms is None or now_ms - node.asked_ms >= ASK_AGAIN_MS:
            node.asked_ms = now_ms
            if key not in out.rebirth:
                out.rebirth.append(key)


def rebirth_command(group: str, node: str, now_ms: int) -> tuple[Topic, bytes]:
    """The command that asks an edge node for its births: topic and payload, QoS 0, not retained."""
    metric = Metric(REBIRTH, time_ms=now_ms, datatype="Boolean", value=True)
    return Topic("NCMD", group, node), encode(Payload((metric,), now_ms))


def host_state(host: str, is_online: bool, connected_ms: int) -> tuple[Topic, bytes]:
    """What a host application publishes retained with QoS 1 when it connects, and leaves as its will.

    Birth and will carry the same time: a will of an older connection is told from the present one by it.
    """
    said = {"online": is_online, "timestamp": connected_ms}
    return Topic(STATE, "", host), json.dumps(said, separators=(",", ":")).encode()


def _birth_death(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BIRTH_DEATH and isinstance(metric.value, int):
            return metric.value
    return None


def _sample(topic: Topic, metric: Metric, name: str, datatype: str, payload: Payload) -> Sample:
    time_ms = payload.time_ms if metric.time_ms is None else metric.time_ms
    value = metric.value if metric.datatype else typed(metric.value, datatype)
    return Sample(topic.group, topic.node, topic.device, name, time_ms, value, datatype, metric.is_historical)
