"""A stream of sorted record batches becomes tables that hold datastreams whole: what every batch function takes."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

BATCH = pa.schema(
    [
        pa.field("datastream", pa.int32()),
        pa.field("time", pa.timestamp("ms", "UTC")),
        pa.field("value", pa.float64()),
        pa.field("quality", pa.uint8()),
    ]
)
BAD = 2  # base.quality.Quality.BAD
AT_LEAST = 1 << 20  # rows: enough that the cost of a table is nothing, few enough that memory is


def whole_datastreams(batches: Iterable[pa.RecordBatch], at_least: int = AT_LEAST) -> Iterator[pa.Table]:
    """``batches`` sorted by (datastream, time) as tables of BATCH, no datastream in two of them.

    Memory: ``at_least`` rows and the longest datastream.  A batch of no rows is passed over.
    """
    held: list[pa.Table] = []
    rows = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        held.append(pa.Table.from_batches([batch]).select(BATCH.names).cast(BATCH))
        rows += batch.num_rows
        if rows < at_least:
            continue
        table = pa.concat_tables(held).combine_chunks()
        datastream = table["datastream"].to_numpy()
        cut = int(np.searchsorted(datastream, datastream[-1]))
        if cut:
            yield table.slice(0, cut)
        held, rows = [table.slice(cut)], len(table) - cut
    if held:
        yield pa.concat_tables(held).combine_chunks()


def columns(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """datastream int32, time_ms int64, value float64 and quality uint8 of a table of BATCH, each [n]."""
    table = table.combine_chunks()
    time_ms = table["time"].cast(pa.int64()).to_numpy()
    return table["datastream"].to_numpy(), time_ms, table["value"].to_numpy(), table["quality"].to_numpy()


def usable(value: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Which readings say something: not bad, and with a value (bool [n])."""
    return (quality != BAD) & np.isfinite(value)
