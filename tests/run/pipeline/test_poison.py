"""A poisoned message, whatever is wrong with it, never ends the pipeline and never costs its neighbours a reading."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.batch import Batch, Refused, encode
from fengsui.govern.catalogue.columns import ALWAYS, arrange
from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline.epoch import settle
from fengsui.run.pipeline.partition import Arrived, Partition, UnknownDatastreams, compile_for
from fengsui.warn.engine import RuleRow

NOW = 1_772_323_200_000
STREAMS = np.arange(4, dtype=np.int32)

number32 = st.one_of(st.integers(-3, 6), st.sampled_from([-(2**31), 2**31 - 1]))
number64 = st.one_of(
    st.integers(NOW - 10_000, NOW + 10_000), st.sampled_from([-(2**63), 2**63 - 1, 0, 2**62, -(2**62)])
)
row = st.tuples(number32, number64, st.floats(width=64), st.integers(0, 255), st.integers(0, 255))
envelope = st.tuples(
    st.sampled_from([0, 1, 2, -1, 2**31 - 1, 2**31, 2**40]),
    st.sampled_from(["dev", "", "a\0b", "x" * 81, "steward:7", "标签"]),
    st.sampled_from([NOW, 0, -1, 2**62, NOW + 3600_000]),
)
strange = st.builds(
    lambda head, rows, refused: _encoded(*head, rows, refused),
    envelope,
    st.lists(row, max_size=6),
    st.booleans(),
)
damaged = st.tuples(strange, st.integers(0, 400), st.integers(0, 255)).map(lambda x: _damaged(*x))
poison = st.one_of(st.binary(max_size=60), strange, damaged)


def _encoded(site: int, source: str, received_ms: int, rows: list, refused: bool) -> bytes:
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    made = [np.array(c, kind) for c, kind in zip(columns, ("<i4", "<i8", "<f8", "u1", "u1"), strict=True)]
    about = {0: Refused("T-1", "now", "x"), 99: Refused()} if refused else {}
    return encode("gw", 7, [Batch(site, source, received_ms, *made, about)])


def _damaged(data: bytes, at: int, byte: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([byte]) + data[at + 1 :]


def _good(tick: int) -> bytes:
    time_ms = np.full(4, NOW + tick, np.int64)
    nothing = np.zeros(4, np.uint8)
    value = np.array([60.0 if tick % 2 else 40.0] * 4)
    return encode(
        "gw-good", tick + 1, [Batch(1, "good", NOW + tick, STREAMS, time_ms, value, nothing, nothing)]
    )


def _partition() -> Partition:
    n = len(STREAMS)
    open_ended = [np.full(n, -np.inf), np.full(n, np.inf), np.zeros(n, np.int32), np.full(n, ALWAYS)]
    columns = arrange([STREAMS, np.ones(n, np.int32), *open_ended], np.array([1], np.int32), ["/1/"])
    return Partition(columns, compile_for(columns, [RuleRow(1, 0, "h", 50.0)]), CheckPolicy())


def _take(partition: Partition, arrived: list[Arrived]) -> list:
    """As the role does: unknown datastreams are looked for once, and then known to be missing."""
    try:
        return partition.take(arrived)
    except UnknownDatastreams as unknown:
        partition.missing_ids |= unknown.ids
        return partition.take(arrived)


@given(st.lists(poison, min_size=1, max_size=5), st.data())
@settings(max_examples=150)
def test_whatever_comes_between_good_messages_they_are_stored_and_judged_once(bad, data):
    messages = [_good(tick) for tick in range(6)]
    for one in bad:
        messages.insert(data.draw(st.integers(0, len(messages))), one)
    arrived = [Arrived(n + 1, NOW, f"gw:0:{n + 1}", message) for n, message in enumerate(messages)]
    partition, events, at = _partition(), [], 0
    while at < len(arrived):
        more = data.draw(st.integers(1, 4))
        events += _take(partition, arrived[at : at + more])
        at += more
    assert partition.take(arrived) == [], "what comes again is passed over"

    epoch = partition.close_epoch()
    settled = settle(epoch, lambda ids, _time: (np.zeros(len(ids), bool), np.full(len(ids), np.nan)))
    good = list(epoch.names).index("good")
    stored = settled.rows.take(settled.rows.source == good)
    kept = sorted(zip(stored.datastream.tolist(), stored.time_ms.tolist(), strict=True))
    expected = sorted((int(d), NOW + tick) for d in STREAMS for tick in range(6))
    held = sum(int((h.source == good).sum()) for h in settled.held)
    assert len(kept) + held + _duplicates(epoch, good) == len(expected)
    assert set(kept) <= set(expected)
    if all(b"dev" not in m and b"steward" not in m and "标签".encode() not in m for m in bad):
        assert kept == expected  # nobody else spoke for these datastreams
        assert sum(e.what == 1 for e in events) == 3, "each episode once"
    for boundary in epoch.counts.totals():
        received, *rest = boundary
        assert received == sum(rest)
    assert all(p.data in bad for p in epoch.poison)
    msgspec.json.encode([p.error for p in epoch.poison])  # the reasons are text


def _duplicates(epoch, source: int) -> int:
    """How many of the good readings said what was there already."""
    name = list(epoch.names)[source]
    return sum(row[5] for row in epoch.counts.rows() if row[:2] == ("pipeline", name))
