"""Readings a second on one core, from the bytes of a message to the batch that goes on the bus, and back from the bus.

Ours is all that the gateway does with a message: read it, find each name, check range, clock and service.  Beside it
what one writes in a page: msgspec into typed rows or a dict, a dict from name to id, NumPy arrays; no check, no
refusal, no unit, no quality.  By processor time, since other work on the machine must not count.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from fengsui.base.batch import Batch, decode, encode
from fengsui.run.benches.figure import Figure, figure

ABOUT = (
    "readings a second on a core of each accepted form, as gateway and pipeline read it, beside plain msgspec"
)
DATASTREAMS = 500
MESSAGES = 60
BATCHES = 20  # of a bus message
START_MS = 1_790_000_000_000
SOURCE = "bench-gw"


class _Row(msgspec.Struct):
    datastream: str
    time: int
    value: float


class _Rows(msgspec.Struct):
    readings: list[_Row]


class _Columns(msgspec.Struct):
    time: int
    datastreams: dict[str, float]


def bench(seconds: float) -> list[Figure]:
    door = _Door()
    values = np.round(np.random.default_rng(1).normal(400, 30, (MESSAGES, DATASTREAMS)), 2).tolist()
    columns = [door.columns(i, row) for i, row in enumerate(values)]
    bare = [door.columns(i, row, site=False) for i, row in enumerate(values)]
    rows = [door.rows(i, row) for i, row in enumerate(values)]
    door.learn(columns[0], SOURCE)
    door.learn(bare[0], "mqtt")
    bus = [_bus_message(i) for i in range(3)]
    listed = [_as_rows(data) for data in bus]
    each = seconds / 10
    size = f"{DATASTREAMS} readings a message"
    plain_rows = _rate(rows, door.plain_rows, each)
    plain_columns = _rate(columns, door.plain_columns, each)
    plain_bus = _rate(listed, _plain_bus, each, DATASTREAMS * BATCHES)
    ours = [
        ("rows, JSON", _rate(rows, door.long_way, each), plain_rows, rows, size),
        ("columns, JSON, any message", _rate(columns, door.long_way, each), plain_columns, columns, size),
        (
            "columns, JSON, like the one before", _rate(columns, door.short_way(SOURCE), each), plain_columns, columns,
            f"by its template; {size}",
        ),
        (
            "MQTT payload, like the one before", _rate(bare, door.short_way("mqtt"), each), plain_columns, bare,
            f"the site is in the topic; {size}",
        ),
        (
            "bus message", _rate(bus, decode, each, DATASTREAMS * BATCHES), plain_bus, bus,
            f"{BATCHES} batches of {DATASTREAMS}; beside it rows in MessagePack",
        ),
    ]  # fmt: skip
    found = []
    for name, mine, plain, data, note in ours:
        n = DATASTREAMS * (BATCHES if name == "bus message" else 1)
        found.append(figure(name, "M readings/s", mine, f"{len(data[0]) / n:.1f} bytes a reading; {note}"))
        found.append(figure(f"{name}: times plain msgspec", "×", _median(mine) / _median(plain)))
    found += [
        figure(
            "plain msgspec, rows",
            "M readings/s",
            plain_rows,
            "typed structs, dict of names, arrays; no checks",
        ),
        figure(
            "plain msgspec, columns",
            "M readings/s",
            plain_columns,
            "a dict, dict of names, arrays; no checks",
        ),
        figure("plain msgspec, MessagePack rows", "M readings/s", plain_bus, "tuples, arrays; no checks"),
    ]
    return found


class _Door:
    """A site as the gateway knows it, and both ways in."""

    def __init__(self) -> None:
        from fengsui.run.intake import Admission
        from fengsui.sense.codecs.readings_json import BadPayload
        from fengsui.sense.codecs.readings_json import decode as read
        from fengsui.sense.gateways import door, repeats
        from fengsui.sense.gateways.registry import Registry, SiteRow, Snapshot

        self.codes = [f"T{n:04d}" for n in range(DATASTREAMS)]
        streams = json.dumps([[n + 1, code, "kPa", 0, 1000, True, None] for n, code in enumerate(self.codes)])
        self.site = SiteRow(1, "plant-1", "/1/", True)
        registry = Registry(Snapshot(1, [self.site], [], [(1, streams)]))
        self.streams = registry.streams(1)
        self.admission = Admission(registry)
        self.repeats = repeats.Repeats(self.admission.bounds)
        repeats.warm_up()
        self.read, self.enter, self.bad = read, door.enter, BadPayload
        self.id_of = {code: n + 1 for n, code in enumerate(self.codes)}
        self.row_decoder = msgspec.json.Decoder(_Rows)
        self.column_decoder = msgspec.json.Decoder(_Columns)

    def columns(self, number: int, values: list[float], site: bool = True) -> bytes:
        head = {"site": "plant-1"} if site else {}
        body = {
            **head,
            "time": START_MS + number * 1000,
            "datastreams": dict(zip(self.codes, values, strict=True)),
        }
        return json.dumps(body, separators=(",", ":")).encode()

    def rows(self, number: int, values: list[float]) -> bytes:
        at = START_MS + number * 1000
        rows = [{"datastream": c, "time": at, "value": v} for c, v in zip(self.codes, values, strict=True)]
        return json.dumps({"readings": rows}, separators=(",", ":")).encode()

    def learn(self, data: bytes, source: str) -> None:
        draft = self.read(data)
        assert not isinstance(draft, self.bad)
        self.repeats.learn(data, draft, self.site, self.streams, source)

    def long_way(self, data: bytes) -> Batch:
        draft = self.read(data)
        assert not isinstance(draft, self.bad)
        batch = self.enter(draft, self.site, self.streams, SOURCE, START_MS, self.admission).batch
        assert not batch.refused
        return batch

    def short_way(self, source: str) -> Callable[[bytes], Batch]:
        def way(data: bytes) -> Batch:
            batch = self.repeats.enter(data, self.site, self.streams, source, START_MS)
            assert batch is not None, "the message went the long way"
            return batch

        return way

    def plain_rows(self, data: bytes) -> tuple[np.ndarray, ...]:
        rows, id_of = self.row_decoder.decode(data).readings, self.id_of
        return (
            np.array([id_of[r.datastream] for r in rows], np.int32),
            np.array([r.time for r in rows], np.int64),
            np.array([r.value for r in rows], np.float64),
        )

    def plain_columns(self, data: bytes) -> tuple[np.ndarray, ...]:
        message, id_of = self.column_decoder.decode(data), self.id_of
        n = len(message.datastreams)
        return (
            np.fromiter((id_of[code] for code in message.datastreams), np.int32, n),
            np.full(n, message.time, np.int64),
            np.fromiter(message.datastreams.values(), np.float64, n),
        )


def _bus_message(number: int) -> bytes:
    chance = np.random.default_rng(number)
    zeros = np.zeros(DATASTREAMS, np.uint8)
    times = np.full(DATASTREAMS, START_MS, np.int64)
    batches = [
        Batch(
            s, SOURCE, START_MS, np.arange(s * DATASTREAMS, (s + 1) * DATASTREAMS, dtype=np.int32), times,
            np.round(chance.normal(400, 30, DATASTREAMS), 2), zeros, zeros.copy(),
        )
        for s in range(BATCHES)
    ]  # fmt: skip
    return encode("bench", number + 1, batches)


def _as_rows(data: bytes) -> bytes:
    """The same readings as others would put them on a bus: one tuple a reading."""
    rows = [
        (int(d), int(t), float(v), int(q))
        for b in decode(data).batches
        for d, t, v, q in zip(b.datastream, b.time_ms, b.value, b.quality, strict=True)
    ]
    return msgspec.msgpack.encode(rows)


_plain_rows = msgspec.msgpack.Decoder(list[tuple[int, int, float, int]])


def _plain_bus(data: bytes) -> list[np.ndarray]:
    columns = zip(*_plain_rows.decode(data), strict=True)
    return [np.array(c, t) for c, t in zip(columns, ("i4", "i8", "f8", "u1"), strict=True)]


def _rate(
    messages: list[bytes], deed: Callable[[bytes], Any], seconds: float, readings: int = DATASTREAMS
) -> list[float]:
    """M readings a second of processor time, some runs over all messages."""
    deed(messages[0])
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(found) < 3:
        began, turns = time.process_time(), 0
        while time.process_time() - began < 0.02:
            for data in messages:
                deed(data)
            turns += 1
        found.append(turns * len(messages) * readings / (time.process_time() - began) / 1e6)
    return found


def _median(values: list[float]) -> float:
    return float(np.median(values))
