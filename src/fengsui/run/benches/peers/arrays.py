"""Site messages for stream engines without a network listener of their own: files of JSON lines, made beforehand.

One line is our own columnar message of a site.  The engines parse it, compare every value with the limit and write
readings and alarms to disk; there is no broker in front of them and no answer to a device, which our figure includes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from fengsui.run.benches.peers import bodies
from fengsui.run.benches.peers.work import SETPOINT, Work

LINES_A_FILE = 20
OUT = pa.schema(
    [
        pa.field("site", pa.string()),
        pa.field("time", pa.list_(pa.int64())),
        pa.field("value", pa.list_(pa.float64())),  # datastream by datastream, each in order of time
        pa.field("above", pa.int32()),
    ]
)


class Message(msgspec.Struct):
    site: str
    time: list[int]
    datastreams: dict[str, list[float]]


_decoder = msgspec.json.Decoder(Message)


def write(work: Work, folder: Path, turns: int) -> int:
    """``turns`` requests of every site as files of lines; returns how many messages."""
    folder.mkdir(parents=True)
    body = bodies.columns_json(work)
    lines = [body(site, turn) for turn in range(turns) for site in range(work.sites)]
    for number, first in enumerate(range(0, len(lines), LINES_A_FILE)):
        part = lines[first : first + LINES_A_FILE]
        (folder / f"{number:06d}.json").write_bytes(b"\n".join(part) + b"\n")
    return len(lines)


def judged(lines: Iterable[bytes | str]) -> pa.RecordBatch:
    """The messages in columns of OUT; ``above`` counts the values of each that are at or above the limit."""
    messages = [_decoder.decode(line) for line in lines]
    values = [np.array(list(m.datastreams.values())).ravel() for m in messages]
    ends = np.cumsum([0, *map(len, values)]).astype(np.int32)
    flat = np.concatenate([np.zeros(0), *values])
    return pa.RecordBatch.from_arrays(
        [
            pa.array([m.site for m in messages], pa.string()),
            pa.array([m.time for m in messages], pa.list_(pa.int64())),
            pa.ListArray.from_arrays(pa.array(ends), pa.array(flat)),
            pa.array([int((v >= SETPOINT).sum()) for v in values], pa.int32()),
        ],
        schema=OUT,
    )


def judge_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same for record batches with the line in their first column."""
    for batch in batches:
        yield judged(batch.column(0).to_pylist())
