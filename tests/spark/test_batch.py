"""The pure functions over tables of whole datastreams."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.run.spark import draft
from fengsui.stores.history.batch.aggregates import aggregate
from fengsui.stores.history.batch.statistics import count
from fengsui.stores.history.batch.whole import BATCH, whole_datastreams
from fengsui.warn.engine import RAISED, RuleRow, RuleTable
from fengsui.warn.engine.backtest import backtest, episodes
from fengsui.warn.rules.scenario import BadScenario


def table(datastream, time_ms, value=None, quality=None) -> pa.Table:
    n = len(datastream)
    return pa.table(
        [
            pa.array(datastream, pa.int32()),
            pa.array(time_ms, pa.int64()).cast(BATCH.field("time").type),
            pa.array(np.arange(n, dtype=float) if value is None else value, pa.float64()),
            pa.array(np.zeros(n, np.uint8) if quality is None else quality, pa.uint8()),
        ],
        schema=BATCH,
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 20), st.integers(1, 30))
def test_no_datastream_is_in_two_tables_whatever_the_batches(lengths, batch_rows, at_least):
    whole = table(
        np.repeat(np.arange(len(lengths)), lengths), np.concatenate([np.arange(n) for n in lengths])
    )
    parts = list(whole_datastreams(whole.to_batches(max_chunksize=batch_rows), at_least))
    assert pa.concat_tables(parts).equals(whole)
    seen = [set(part["datastream"].to_pylist()) for part in parts]
    assert sum(map(len, seen)) == len(lengths)
    spans = pa.concat_tables([aggregate(part, 4) for part in parts])
    assert spans.equals(aggregate(whole, 4))
    assert pa.concat_tables([count(part) for part in parts]).equals(count(whole))


def test_a_span_says_lowest_highest_mean_first_and_last_of_what_is_usable():
    readings = table([7] * 5, [0, 1, 2, 3, 10], [4.0, np.nan, 2.0, 99.0, 5.0], [0, 0, 1, 2, 2])
    one, two = aggregate(readings, 10).to_pylist()
    assert [one[k] for k in ("readings", "usable", "lowest", "highest", "mean", "first", "last")] == [
        4,
        2,
        2,
        4,
        3,
        4,
        2,
    ]
    assert (two["readings"], two["usable"], two["lowest"], two["last"]) == (1, 0, None, None)
    with pytest.raises(ValueError, match="a span of 0 ms"):
        aggregate(readings, 0)


def test_a_back_test_pairs_what_was_raised_with_what_cleared_it():
    rules = RuleTable.of([RuleRow(0, 5, "h", 10.0, 1.0), RuleRow(1, 6, "silent", window_ms=50)])
    times = np.arange(6) * 10
    readings = (np.full(6, 5), times, np.array([1.0, 12, 15, 8, 11, 11]), np.zeros(6, np.uint8))
    events = backtest(readings, rules, 0, 100)
    assert (events.what == RAISED).sum() == 3
    found = episodes(events)
    assert found["rule_id"].tolist() == [0, 0, 1]
    assert found["started_ms"].tolist() == [10, 40, 50]
    assert (
        found["cleared_ms"][0] == 30 and found["peak_value"][0] == 15 and (found["cleared_ms"][1:] < 0).all()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []", "at least one"),
        ("rules: [{kind: h}]", r"rules\[0\]"),
        ("rules: [{kind: h, setpoint: 1, tank: 2}]", "'tank' is not known"),
        ("rules: [{kind: silent, window: 10}]", "write the unit"),
        ("rules: {", "draft.yml"),
    ],
)
def test_a_draft_that_cannot_be_read_says_where(tmp_path, text, said):
    path = tmp_path / "draft.yml"
    path.write_text(text)
    with pytest.raises(BadScenario, match=said):
        draft.read(path)
