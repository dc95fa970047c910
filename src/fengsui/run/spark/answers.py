"""The three questions to all of history, and their answers as tables."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from fengsui.run.spark import draft, facts
from fengsui.run.spark.engines import Engine, Span
from fengsui.run.spark.judge import EPISODES, judged
from fengsui.stores.history.batch import statistics as national
from fengsui.stores.history.batch.aggregates import AGGREGATES, aggregate
from fengsui.stores.history.batch.whole import BATCH
from fengsui.stores.history.catalogue import Catalogue
from fengsui.warn.engine.rules import CODES


def span(from_ms: int, to_ms: int, ids: np.ndarray | None = None, catalogue: Catalogue | None = None) -> Span:
    """A span of the history of this installation."""
    return Span(from_ms, to_ms, ids, partial((catalogue or Catalogue.default()).between, from_ms, to_ms))


def aggregates(
    engine: Engine, from_ms: int, to_ms: int, every_ms: int, *, catalogue: Catalogue | None = None
) -> pa.Table:
    """AGGREGATES of every datastream, sorted by (datastream, time)."""
    found = engine.run(
        span(from_ms, to_ms, None, catalogue), partial(aggregate, every_ms=every_ms), AGGREGATES
    )
    return found.sort_by([("datastream", "ascending"), ("time", "ascending")])


def statistics(engine: Engine, from_ms: int, to_ms: int, *, catalogue: Catalogue | None = None) -> pa.Table:
    """STATISTICS of every division with an organisation of this installation."""
    counts = engine.run(span(from_ms, to_ms, None, catalogue), national.count, national.COUNTS)
    alarms = facts.alarms(from_ms, to_ms)
    return national.statistics(counts, facts.streams(), facts.places(), alarms, to_ms - from_ms)


def backtest(
    engine: Engine, from_ms: int, to_ms: int, path: Path, *, catalogue: Catalogue | None = None
) -> pa.Table:
    """What the rules of the file would have raised, with the names of rule, site and datastream in front.

    Raises BadScenario and OSError.
    """
    rules = draft.read(path)
    streams = facts.streams()
    table, of_rule = draft.table(rules, streams)
    ids = np.unique(table.datastream_id)
    asked = span(from_ms, to_ms, ids, catalogue)
    judge = partial(judged, rules=table, of_rule=of_rule, from_ms=from_ms, to_ms=to_ms)
    found = engine.run(asked, judge, EPISODES)
    silent = np.unique(table.datastream_id[table.kind == CODES.index("silent")])
    if len(silent):  # a datastream without a reading reaches no node
        heard = engine.run(span(from_ms, to_ms, silent, catalogue), national.count, national.COUNTS)
        mute = np.setdiff1d(silent, heard["datastream"].to_numpy())
        kept = np.isin(table.datastream_id, mute)
        never = judged(BATCH.empty_table(), table.take(kept), of_rule, from_ms, to_ms, only_heard=False)
        found = pa.concat_tables([found, never])
    found = found.sort_by([(name, "ascending") for name in ("rule", "datastream", "raised_at")])
    names = [rule.name for rule in rules]
    place = {d: i for i, d in enumerate(streams["datastream"].to_pylist())}
    rows = [place[d] for d in found["datastream"].to_pylist()]
    return pa.table(
        {
            "rule": [names[i] for i in found["rule"].to_pylist()],
            "site": streams["site_code"].take(pa.array(rows, pa.int64())),
            "datastream": streams["code"].take(pa.array(rows, pa.int64())),
            **{name: found[name] for name in EPISODES.names[2:]},
        }
    )


def write(table: pa.Table, out: Path | None) -> None:
    """Into ``out``, Parquet or CSV by its name; as CSV on standard output when it is None."""
    if out is None:
        pc.write_csv(table, sys.stdout.buffer)
    elif out.suffix == ".parquet":
        pq.write_table(table, out, compression="zstd")
    else:
        pc.write_csv(table, out)
