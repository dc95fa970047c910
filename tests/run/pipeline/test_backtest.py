"""A back-test says exactly what the pipeline said when the same readings came, however they came and were stored."""

import numpy as np
import pytest

from fengsui.base.batch import Batch, encode
from fengsui.govern.catalogue.columns import ALWAYS, arrange
from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline.epoch import settle
from fengsui.run.pipeline.partition import Arrived, Partition, compile_for
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.compaction import merge
from fengsui.stores.history.models import Segment
from fengsui.stores.history.segments import write_segments
from fengsui.stores.history.stretches import stretches
from fengsui.warn.alarms.episodes import event_rows
from fengsui.warn.engine import RuleRow, RuleTable
from fengsui.warn.engine.backtest import Replay

DAY = 86_400_000
MIDNIGHT = 1_772_323_200_000 // DAY * DAY + DAY
STREAMS = np.arange(6, dtype=np.int32)
PERIOD, TICKS = 5_000, 900
T0 = MIDNIGHT - PERIOD * TICKS // 2
END = T0 + PERIOD * TICKS
RULES = [
    rule
    for d in STREAMS.tolist()
    for rule in (
        RuleRow(10 * d, d, "h", 52.0, 1.0, 10_000, 5_000, armed_ms=T0),
        RuleRow(10 * d + 1, d, "l", 48.0, 0.5, armed_ms=T0),
        RuleRow(10 * d + 2, d, "rate", 0.04, 0.0, 0, 0, 60_000, T0),
        RuleRow(10 * d + 3, d, "frozen", 0.0, 0.0, 0, 0, 30_000, T0),
        RuleRow(10 * d + 4, d, "silent", window_ms=20_000, armed_ms=T0),
    )
]


def partition() -> Partition:
    n = len(STREAMS)
    open_ended = [np.full(n, -np.inf), np.full(n, np.inf), np.zeros(n, np.int32), np.full(n, ALWAYS)]
    columns = arrange([STREAMS, np.ones(n, np.int32), *open_ended], np.array([1], np.int32), ["/1/"])
    return Partition(columns, compile_for(columns, RULES), CheckPolicy())


def arrivals(rng: np.random.Generator) -> list[tuple[int, Batch]]:
    """Batches as devices send them: a reading each 5 s with gaps, stuck and missing values, and one in ten behind."""
    made = []
    for d in STREAMS.tolist()[:-1]:  # the last never speaks
        value = np.round(50 + 3 * np.sin(np.arange(TICKS) / 20 + d) + rng.normal(0, 0.4, TICKS), 1)
        value[200:215] = value[200]
        value[rng.random(TICKS) < 0.02] = np.nan
        times = T0 + PERIOD * np.arange(TICKS) + d
        for t, v in zip(times.tolist(), value.tolist(), strict=True):
            if rng.random() < 0.03 or 300 < (t - T0) // PERIOD < 312:
                continue
            wait = int(rng.choice([40, 40, 40, 40, 40, 40, 40, 40, 7_000, 12_000]))
            quality = np.array([2 if np.isnan(v) else rng.choice([0, 0, 0, 1])], np.uint8)
            made.append(
                (
                    t + wait,
                    Batch(
                        1, "dev", t + wait, np.array([d], np.int32), np.array([t]), np.array([v]), quality,
                        np.where(quality == 2, np.uint8(23), np.uint8(0)),
                    ),
                )
            )  # fmt: skip
    return sorted(made, key=lambda pair: pair[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("merged", [False, True])
def test_a_back_test_equals_what_the_pipeline_said(db, tmp_path, seed, merged):
    rng = np.random.default_rng(seed)
    catalogue, live, said = Catalogue(tmp_path), partition(), []
    coming, number = arrivals(rng), 0
    while number < len(coming):
        some = coming[number : number + int(rng.integers(1, 40))]
        said += live.take(
            [
                Arrived(number + i + 1, at, f"gw:0:{number + i + 1}", encode("gw", number + i + 1, [batch]))
                for i, (at, batch) in enumerate(some)
            ]
        )
        number += len(some)
        if number < len(coming):  # the clock is looked at, no later than readings that are on their way
            said += live.sweep(min(int(b.time_ms[0]) for _, b in coming[number : number + 60]))
        if rng.random() < 0.1:
            store(catalogue, live)
    store(catalogue, live)
    said += live.sweep(END)
    if merged:
        for day in set(Segment.objects.values_list("day", flat=True)):
            group = list(Segment.objects.filter(day=day))
            catalogue.swap(group, merge(catalogue.folder, group))
    table = RuleTable.of(RULES)
    replay = Replay(table, T0)
    pieces = list(stretches(STREAMS, T0, END, catalogue=catalogue))
    for piece in pieces:
        replay.feed(piece)
    replay.look(END)
    mine = event_rows(replay.events())
    assert len(mine) > 40 and {e.rule_id % 10 for e in mine} == set(range(5))
    without = [e._replace(received_ms=None) for e in said]
    assert sorted(map(repr, mine)) == sorted(map(repr, without))
    judged = sum(len(piece.time_ms) for piece in pieces)
    assert judged < len(coming), "what came behind was not judged"


def store(catalogue: Catalogue, live: Partition) -> None:
    epoch = live.close_epoch()
    rows = settle(epoch, lambda ids, _time: (np.zeros(len(ids), bool), np.full(len(ids), np.nan))).rows
    if len(rows):
        catalogue.add(write_segments(catalogue.folder, 0, rows, list(epoch.names)))


def test_nothing_is_read_of_other_datastreams_or_times(db, tmp_path):
    from fengsui.stores.history.rows import Rows

    catalogue = Catalogue(tmp_path)
    n = 30
    rows = Rows(
        np.repeat(np.array([3, 4, 9], np.int32), 10), np.tile(T0 + np.arange(10), 3), np.arange(n) / 2,
        np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.int32), np.full(n, T0 + 99),
    )  # fmt: skip
    catalogue.add(write_segments(tmp_path, 0, rows, ["dev"]))
    (piece,) = stretches(np.array([3, 9]), T0 + 2, T0 + 5, catalogue=catalogue)
    assert piece.datastream.tolist() == [3, 3, 3, 9, 9, 9]
    assert piece.value.tolist() == [1, 1.5, 2, 11, 11.5, 12]
    assert not list(stretches(np.array([5]), T0, END, catalogue=catalogue))
    assert not list(stretches(np.array([3]), T0 + DAY, END + DAY, catalogue=catalogue))
