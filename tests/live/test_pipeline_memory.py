"""The partition in memory, without bus or database: whatever comes, in whatever pieces, the books are the same."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.batch import Batch, Refused, encode
from fengsui.base.quality import Reason
from fengsui.govern.checks import CheckPolicy
from fengsui.stores.checkpoints import states

NOW = 1_700_000_000_000
SITES, STREAMS = 2, 3


def make(partitions: int = 1):
    from fengsui.govern.catalogue.columns import ALWAYS, arrange
    from fengsui.run.pipeline.partition import Partition, compile_for
    from fengsui.warn.engine import RuleRow

    n = SITES * STREAMS
    columns = arrange(
        [
            np.arange(1, n + 1, dtype=np.int32),
            np.repeat(np.arange(1, SITES + 1, dtype=np.int32), STREAMS),
            np.full(n, -100.0),
            np.full(n, 100.0),
            np.full(n, 5, np.int64),
            np.full(n, ALWAYS),
        ],
        np.arange(1, SITES + 1, dtype=np.int32),
        ["/1/", "/2/"],
    )
    rules = [
        RuleRow(1, 1, "h", 50.0, 1.0),
        RuleRow(2, 2, "h", 50.0, 1.0, 3, 2),
        RuleRow(3, 4, "l", 10.0),
        RuleRow(4, 5, "rate", 5.0, 0.0, 0, 0, 4),
        RuleRow(5, 1, "silent", window_ms=6),
    ]
    made = Partition(columns, compile_for(columns, rules), CheckPolicy(100, 50, 1000), partitions)
    made.missing_ids = frozenset(range(-10, 100))
    return made


ROW = st.tuples(
    st.sampled_from([1, 2, 3, 4, 5, 6, -1, 77]),
    st.integers(0, 20),
    st.sampled_from([5.0, 20.0, 60.0, 500.0, math.nan]),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 0, 0, 0, int(Reason.UNIT)]),
)
BATCH = st.tuples(st.integers(1, SITES), st.sampled_from(["a", "b", "steward:x"]), st.lists(ROW, max_size=6))
MESSAGES = st.lists(st.lists(BATCH, min_size=1, max_size=3), min_size=1, max_size=8)


def arrived(messages):
    from fengsui.run.pipeline.partition import Arrived

    out = []
    for seq, batches in enumerate(messages, 1):
        made = []
        for site, source, rows in batches:
            datastream, time, value, quality, reason = zip(*rows, strict=True) if rows else [()] * 5
            made.append(
                Batch(
                    site,
                    source,
                    NOW + 40,
                    np.array(datastream, np.int32),
                    NOW + np.array(time, np.int64),
                    np.array(value, float),
                    np.array(quality, np.uint8),
                    np.array(reason, np.uint8),
                    {0: Refused(code="x")} if rows else {},
                )
            )
        out.append(Arrived(seq, NOW, f"g:0:{seq}", encode("g", seq, made)))
    return out


def nothing_stored(datastream, time_ms):
    return np.zeros(len(time_ms), bool), np.full(len(time_ms), np.nan)


def books(partition):
    """What an epoch would write: rows, held rows and ledger lines, in one order."""
    from fengsui.run.pipeline.epoch import count_written, settle

    epoch = partition.close_epoch()
    settled = settle(epoch, nothing_stored)
    count_written(epoch, settled.rows)
    r, names = settled.rows, list(epoch.names)
    rows = sorted(
        (int(d), int(t), repr(float(v)), int(q), int(why), names[s])
        for d, t, v, q, why, s in zip(
            r.datastream, r.time_ms, r.value, r.quality, r.reason, r.source, strict=True
        )
    )
    held = sorted(
        (int(h.reason[i]), int(h.site[i]), names[h.source[i]], int(h.time_ms[i]), int(h.datastream[i]))
        for h in settled.held
        for i in range(len(h))
    )
    return rows, held, epoch.counts.rows()


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.data())
def test_how_messages_are_grouped_changes_neither_books_nor_alarms_nor_state(messages, data):
    whole, parts = make(), make()
    everything = arrived(messages)
    expected = whole.take(everything)
    said = []
    while everything:
        n = data.draw(st.integers(1, len(everything)))
        said += parts.take(everything[:n])
        everything = everything[n:]
    assert sorted(map(repr, said)) == sorted(map(repr, expected))
    assert books(parts) == books(whole)
    assert parts.state.same_as(whole.state)


@settings(max_examples=100, deadline=None)
@given(MESSAGES, st.data())
def test_going_on_from_a_state_file_with_messages_twice_equals_not_stopping(tmp_path_factory, messages, data):
    folder = tmp_path_factory.mktemp("states")
    everything = arrived(messages)
    saved_at = data.draw(st.integers(0, len(everything)))
    booked_to = data.draw(st.integers(saved_at, len(everything)))
    whole = make()
    whole.take(everything[:saved_at])
    whole.stored.file = data.draw(st.sampled_from(["", "kept"]))
    name = states.save(folder, 0, whole.snapshot().parts())
    whole.take(everything[saved_at:booked_to])
    whole.close_epoch()
    expected = whole.take(everything[booked_to:])

    again = make()
    again.booked_seq = booked_to
    again.stored.file = "kept"  # with and without the very configuration it was saved under
    with states.load(folder, name) as parts:
        assert again.restore(parts, saved_at, NOW) == []
    said = again.take(everything[max(saved_at - 1, 0) :])  # one that was seen comes again
    assert said == expected
    assert books(again) == books(whole)
    assert again.state.same_as(whole.state)
    for column in ("time_ms", "value", "quality", "reason", "steady_ms"):
        mine, other = getattr(again.latest, column), getattr(whole.latest, column)
        assert np.array_equal(mine, other, equal_nan=column == "value"), column


@settings(max_examples=150, deadline=None)
@given(MESSAGES)
def test_the_ledger_balances_whatever_comes_and_every_row_is_somewhere(messages):
    partition = make()
    partition.take(arrived(messages))
    rows, held, lines = books(partition)
    sent = sum(len(batch[2]) for batches in messages for batch in batches)
    total = {boundary: [0, 0, 0, 0] for boundary in ("gateway", "pipeline", "history")}
    for boundary, _source, _minute, *numbers in lines:
        assert numbers[0] == sum(numbers[1:])
        total[boundary] = [a + b for a, b in zip(total[boundary], numbers, strict=True)]
    assert total["gateway"][0] == sent
    assert total["gateway"][1] == total["pipeline"][0]
    assert total["pipeline"][1] == total["history"][0] == total["history"][1] == len(rows)
    assert total["gateway"][3] + total["pipeline"][3] == len(held)
    assert len({row[:2] for row in rows}) == len(rows), "a reading is stored twice"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_bytes_that_are_no_batch_are_kept_and_counted(blobs):
    from fengsui.run.pipeline.partition import Arrived

    partition = make()
    good = arrived([[(1, "a", [(1, 1, 5.0, 0, 0)])]])[0]
    messages = [Arrived(i + 1, NOW, "", blob) for i, blob in enumerate(blobs)]
    messages.append(Arrived(len(blobs) + 1, NOW, "g:0:1", good.data))
    partition.take(messages)
    assert [p.data for p in partition.epoch.poison] == blobs
    assert len(books(partition)[0]) == 1


def test_an_unknown_datastream_is_asked_about_before_anything_is_changed():
    from fengsui.run.pipeline.partition import UnknownDatastreams

    partition = make()
    partition.missing_ids = frozenset()
    messages = arrived([[(1, "a", [(1, 1, 5.0, 0, 0)])], [(1, "a", [(77, 2, 5.0, 0, 0)])]])
    with pytest.raises(UnknownDatastreams) as caught:
        partition.take(messages)
    assert caught.value.ids == {77}
    assert (partition.seq, partition.epoch.messages, partition.latest.time_ms.max()) == (
        0,
        0,
        np.iinfo(np.int64).min,
    )
    partition.missing_ids |= caught.value.ids
    partition.take(messages)
    assert partition.seq == 2
    assert len(books(partition)[1]) == 1


def test_a_state_saved_under_another_number_of_partitions_says_so(tmp_path):
    partition = make(partitions=2)
    partition.take(arrived([[(1, "a", [(1, 1, 5.0, 0, 0)])]]))
    name = states.save(tmp_path, 0, partition.snapshot().parts())
    again = make(partitions=1)
    with states.load(tmp_path, name) as parts:
        again.restore(parts, 1, NOW)
    assert (again.partitions, again.partitions_before) == (1, 2)
    assert again.unheard().tolist() == [2, 3, 4, 5, 6]
    again.remember(np.array([2]), np.array([NOW]), np.array([1.0]))
    assert again.unheard().tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize("column", ["latest.value", "engine.last_ms"])
def test_a_state_that_turns_out_damaged_half_way_changes_nothing(tmp_path, column):
    partition = make()
    partition.take(arrived([[(1, "a", [(1, 1, 5.0, 0, 0)])]]))
    parts = partition.snapshot().parts()
    name = states.save(tmp_path, 0, {n: c for n, c in parts.items() if n != column})
    again = make()
    with states.load(tmp_path, name) as found, pytest.raises(KeyError):
        again.restore(found, 1, NOW)
    assert again.state.same_as(make().state)
    assert (again.seq, len(again.unheard())) == (0, SITES * STREAMS)
