"""A back-test as a function over Arrow tables, for any node of a cluster: nothing here knows Django or a database."""

import numpy as np
import pyarrow as pa

from fengsui.stores.history.batch.whole import columns
from fengsui.warn.engine import NEVER, RuleTable
from fengsui.warn.engine.backtest import backtest, episodes

INSTANT = pa.timestamp("ms", "UTC")
EPISODES = pa.schema(
    [
        pa.field("rule", pa.int64()),  # place in the draft, from 0
        pa.field("datastream", pa.int64()),
        pa.field("raised_at", INSTANT),
        pa.field("raised_value", pa.float64()),
        pa.field("cleared_at", INSTANT),  # null while it stands at the end
        pa.field("cleared_value", pa.float64()),
        pa.field("peak_value", pa.float64()),
        pa.field("peak_at", INSTANT),
    ]
)


def judged(
    readings: pa.Table,
    rules: RuleTable,
    of_rule: np.ndarray,
    from_ms: int,
    to_ms: int,
    only_heard: bool = True,
) -> pa.Table:
    """EPISODES of whole datastreams; ``of_rule`` int64 [rules] says which rule of the draft a rule id is."""
    found = columns(readings)
    if only_heard:
        rules = rules.take(np.isin(rules.datastream_id, np.unique(found[0])))
    told = episodes(backtest(found, rules, from_ms, to_ms))
    stream = dict(zip(rules.rule_id.tolist(), rules.datastream_id.tolist(), strict=True))
    return pa.Table.from_arrays(
        [
            pa.array(of_rule[told["rule_id"]], pa.int64()),
            pa.array([stream[r] for r in told["rule_id"].tolist()], pa.int64()),
            _instants(told["started_ms"]),
            _values(told["raised_value"]),
            _instants(told["cleared_ms"]),
            _values(told["cleared_value"]),
            _values(told["peak_value"]),
            _instants(told["peak_ms"]),
        ],
        schema=EPISODES,
    )


def _instants(ms: np.ndarray) -> pa.Array:
    return pa.array(ms, pa.int64(), mask=ms == NEVER).cast(INSTANT)


def _values(value: np.ndarray) -> pa.Array:
    return pa.array(value, mask=np.isnan(value))
