"""Fences in the pipeline's epoch: one drive, one alarm, however messages come, come again, or find it restarted."""

from unittest.mock import Mock

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base import place
from fengsui.base.batch import Batch, encode
from fengsui.base.place import M_PER_DEG
from fengsui.govern.catalogue.columns import ALWAYS, arrange
from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline.epoch import settle
from fengsui.run.pipeline.live import Live
from fengsui.run.pipeline.partition import FENCES, Arrived, Partition, compile_for
from fengsui.warn.engine import CLEARED, RAISED, RuleRow, moving
from fengsui.warn.engine.moving import DWELL, ENTER, SPEED, Fence, Hours, Watches

NOW = 1_772_323_200_000
LON, LAT = 111.29, 30.69
STREAMS = np.arange(8, dtype=np.int32)  # longitude, latitude, speed, course; then the watches
RULES = [
    RuleRow(1, 4, "h", 0.0, 20.0, 3_000),
    RuleRow(2, 5, "h", 60.0, 5.0),
    RuleRow(3, 6, "h", 30.0),
]
ONE_UNIT = Watches(
    np.array([77]), np.array([1], np.int32), np.zeros(1, np.int32), ("/1/",), np.array([[0, 1, 2, 3]], np.int32),
    np.ones(1), np.array([0, 3]), np.array([4, 5, 6], np.int32), np.array([ENTER, SPEED, DWELL], np.uint8),
    np.array([0, 0, -1], np.int32), (Fence(place.circle([LON, LAT], 300), Hours()),),
)  # fmt: skip


def fresh() -> Partition:
    n = len(STREAMS)
    open_ended = [np.full(n, -np.inf), np.full(n, np.inf), np.zeros(n, np.int32), np.full(n, ALWAYS)]
    columns = arrange([STREAMS, np.ones(n, np.int32), *open_ended], np.array([1], np.int32), ["/1/"])
    return Partition(columns, compile_for(columns, RULES), CheckPolicy(), 1, ONE_UNIT)


def drive() -> list[tuple[int, float, float]]:
    """From the south into the fence, fast, a stay in the middle with jitter, and out to the north: (s, m, km/h)."""
    out = [(t, -600 + 20 * t, 72.0) for t in range(30)]
    out += [(t, 4.0 * (t % 3), 0.0) for t in range(30, 90)]
    return out + [(t, 20.0 * (t - 90), 40.0) for t in range(90, 125)]


def message(seq: int, second: int, metres: float, kmh: float) -> Arrived:
    at = NOW + 1000 * second
    values = np.array([LON, LAT + metres / M_PER_DEG, kmh, 0.0])
    zero = np.zeros(4, np.uint8)
    sent = Batch(1, "jt808:truck", at + 40, STREAMS[:4], np.full(4, at), values, zero, zero)
    return Arrived(seq, at + 50, f"gw:0:{seq}", encode("gw", seq, [sent]))


MESSAGES = [message(seq, *step) for seq, step in enumerate(drive(), 1)]


def said(events) -> list[tuple[int, str, int, int]]:
    words = {RAISED: "raised", CLEARED: "cleared"}
    return [
        (e.rule_id, words[e.what], (e.time_ms - NOW) // 1000, (e.started_ms - NOW) // 1000) for e in events
    ]


def stored(partition: Partition):
    epoch = partition.close_epoch()
    rows = settle(epoch, lambda ids, _t: (np.zeros(len(ids), bool), np.full(len(ids), np.nan))).rows
    return epoch, rows


WHOLE = [
    (1, "raised", 18, 18),  # 300 m before the middle at 15 s, and three seconds of delay
    (2, "raised", 15, 15),
    (2, "cleared", 30, 15),
    (3, "raised", 60, 60),  # the jitter of the stay does not begin it anew
    (3, "cleared", 93, 60),
    (1, "cleared", 107, 18),  # 20 m beyond the edge
]


def test_a_drive_into_a_fence_raises_once_and_clears_once():
    partition = fresh()
    events = [e for m in MESSAGES for e in said(partition.take([m]))]
    assert sorted(events) == sorted(WHOLE)
    epoch, rows = stored(partition)
    assert len(rows) == len(MESSAGES) * 7
    source = list(epoch.names).index(FENCES)
    mine = rows.take(rows.source == source)
    assert set(mine.datastream.tolist()) == {4, 5, 6}
    for boundary in ("gateway", "pipeline"):
        lines = [r for r in epoch.counts.rows() if r[0] == boundary and r[1] == FENCES]
        assert sum(r[3] for r in lines) == len(mine), "the ledger balances for what is made here, too"


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(0, len(MESSAGES)), st.integers(0, 40)
)
def test_grouping_redelivery_and_a_restart_change_nothing(sizes, restart, behind):
    partition, events, at = fresh(), [], 0
    rows = []
    sizes = [*sizes, *[7] * len(MESSAGES)]
    restarted = False
    for size in sizes:
        if at >= len(MESSAGES):
            break
        if at >= restart and not restarted:
            restarted = True  # what came last comes again
            parts = partition.snapshot().parts()
            rows.append(stored(partition)[1])
            partition = fresh()
            partition.restore(_Parts(parts), at, NOW)
            at = max(0, at - behind)
        events += said(partition.take(MESSAGES[at : at + size]))
        at += size
    assert partition.take(MESSAGES) == []
    assert sorted(events) == sorted(WHOLE)
    rows.append(stored(partition)[1])
    keys = [k for r in rows for k in zip(r.datastream.tolist(), r.time_ms.tolist(), strict=True)]
    assert len(keys) == len(set(keys)) == len(MESSAGES) * 7


def test_a_late_position_is_kept_and_judges_nobody():
    partition = fresh()
    partition.take(MESSAGES[:1])
    partition.take([message(2, 100, -600.0, 10.0)])
    late = [message(3 + i, 50 + i, 0.0, 100.0) for i in range(10)]
    assert said(partition.take(late)) == []
    _epoch, rows = stored(partition)
    assert (rows.datastream == 0).sum() == 12
    assert (rows.datastream == 4).sum() == 2


def test_a_position_from_the_future_makes_no_reading_and_the_next_one_counts():
    partition = fresh()
    future = message(1, 0, 0.0, 100.0)
    far = Batch(
        1, "jt808:truck", NOW, STREAMS[:4], np.full(4, NOW + 86_400_000), np.array([LON, LAT, 100.0, 0.0]),
        np.zeros(4, np.uint8), np.zeros(4, np.uint8),
    )  # fmt: skip
    partition.take([Arrived(1, NOW, "gw:0:1", encode("gw", 1, [far]))])
    assert partition.moving.last_ms[0] == moving.NEVER
    assert [e[:2] for e in said(partition.take([Arrived(2, NOW, "gw:0:2", future.data)]))] == [(2, "raised")]


def test_units_are_told_with_their_newest_position_and_nothing_twice():
    partition = fresh()
    partition.take(MESSAGES[:3])
    first = partition.positions()
    assert first["unit"].tolist() == [77]
    assert (first["time_ms"].tolist(), first["kmh"].tolist()) == ([NOW + 2000], [72.0])
    sent = partition.moving.last_ms
    assert len(partition.positions(sent)["unit"]) == 0
    partition.take(MESSAGES[3:4])
    assert partition.positions(sent)["time_ms"].tolist() == [NOW + 3000]


def test_a_frame_a_second_tells_an_organisation_what_moved():
    partition, nc = fresh(), Mock()
    live = Live(nc, 0, 1, None)
    assert live._unit_frames(partition, NOW) == []
    partition.take(MESSAGES[:2])
    [frame] = [msgspec.json.decode(f) for f in live._unit_frames(partition, NOW)]
    assert (frame["org_path"], frame["ids"], frame["kmh"], frame["deg"]) == ("/1/", [77], [72.0], [0])
    assert frame["time_ms"] == [NOW + 1000]
    assert live._unit_frames(partition, NOW) == [], "nothing twice"
    partition.take(MESSAGES[2:3])
    assert len(live._unit_frames(partition, NOW)) == 1


def test_other_units_and_fences_keep_what_is_known_of_those_that_stay():
    partition = fresh()
    partition.take(MESSAGES[:70])
    before = partition.moving
    partition.adopt(partition.columns, partition.rules, partition.policy, NOW, None, moving.NOBODY)
    assert len(partition.moving.last_ms) == 0
    partition.moving = before
    partition.places = fresh().places
    more = Watches(*(getattr(ONE_UNIT, name) for name in Watches.__slots__))
    partition.adopt(partition.columns, partition.rules, partition.policy, NOW, None, more)
    assert partition.moving.since_ms.tolist() == before.since_ms.tolist()


class _Parts(dict):
    def under(self, prefix):
        return {name.removeprefix(prefix): self[name] for name in self if name.startswith(prefix)}
