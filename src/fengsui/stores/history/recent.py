"""Readings that the pipeline took and has not committed yet: asked for on the bus, and merged with what is at rest.

The order is what makes it right: **the bus is asked before the catalogue**.  What the pipeline did not hold any more
when it answered was committed by then, so the catalogue lists it; what it committed between the two questions is in
both answers and is taken once, by datastream and time.  Never a gap, never a double.

``question`` and ``Recent.of`` are the asker's side, ``answer`` is the pipeline's; the words between them are columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from fengsui.base.quality import Reason
from fengsui.stores.history.rows import MS, SCHEMA, Rows, to_table

SUBJECT = "recent.{}"  # of a partition
ROW_BYTES = 34
_COLUMNS = {  # name on the bus → field of Rows and its type, little endian
    "ids": ("datastream", "<i4"),
    "time_ms": ("time_ms", "<i8"),
    "value": ("value", "<f8"),
    "quality": ("quality", "u1"),
    "reason": ("reason", "u1"),
    "source": ("source", "<i4"),
    "received_ms": ("received_ms", "<i8"),
}

Held = tuple[Sequence[Rows], Sequence[Rows], Sequence[str]]  # in order, behind, names: one epoch


@dataclass(frozen=True, slots=True)
class Recent:
    """``table`` (rows.SCHEMA, any order, a key perhaps twice: the first counts) and how fresh it makes an answer.

    Everything that the gateways accepted up to ``as_of_ms`` is in ``table`` or at rest; None when nobody answered, or
    not with all: then an answer may lack the last seconds.
    """

    table: pa.Table
    as_of_ms: int | None

    @property
    def is_fresh(self) -> bool:
        return self.as_of_ms is not None

    @staticmethod
    def of(data: bytes) -> "Recent":
        """The pipeline's answer.  Raises ValueError."""
        try:
            said: dict[str, Any] = msgspec.msgpack.decode(data)
            columns = {
                field: np.frombuffer(said[name], kind).astype(np.dtype(kind).newbyteorder("="), copy=False)
                for name, (field, kind) in _COLUMNS.items()
            }
            if len({len(column) for column in columns.values()}) != 1:
                raise ValueError("columns of unequal length")
            rows, names = Rows(**columns), [str(name) for name in said["names"]]
            if len(rows) and not 0 <= int(rows.source.min()) <= int(rows.source.max()) < len(names):
                raise ValueError("a source without a name")
            return Recent(to_table(rows, names), said["as_of_ms"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ValueError(f"no answer of a pipeline: {error!r}") from error


NOT_ASKED = Recent(SCHEMA.empty_table(), None)


def question(datastream_ids: Sequence[int] | np.ndarray, from_ms: int, to_ms: int) -> bytes:
    """Which uncommitted readings of [from_ms, to_ms) are wanted."""
    ids = np.unique(np.asarray(datastream_ids, np.int32))
    return msgspec.msgpack.encode(
        {"ids": ids.astype("<i4").tobytes(), "from_ms": int(from_ms), "to_ms": int(to_ms)}
    )


def answer(asked: bytes, epochs: Sequence[Held], as_of_ms: int, room: int) -> bytes:
    """The readings of ``epochs`` (oldest first) that are asked for, in at most ``room`` bytes.  Raises ValueError.

    Where a key is there twice the first is the one that will be stored, unless history holds another already.
    """
    try:
        said: dict[str, Any] = msgspec.msgpack.decode(asked)
        ids = np.frombuffer(said["ids"], "<i4")
        from_ms, to_ms = int(said["from_ms"]), int(said["to_ms"])
        if ids.min(initial=0) < 0:
            raise ValueError("a datastream below 0")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no question for readings: {error!r}") from error
    behind_all = int(ids.max(initial=-1)) + 1
    wanted = np.zeros(
        behind_all + 1, bool
    )  # by datastream: an epoch has many parts, most without any of them
    wanted[ids] = True
    names: list[str] = []
    parts: list[Rows] = []
    for new, behind, of_epoch in epochs:
        for is_late, group in ((False, new), (True, behind)):
            for rows in group:
                at = np.flatnonzero(wanted[np.minimum(rows.datastream, behind_all)])
                if not len(at):
                    continue
                found = rows.take(at)
                found = found.take((found.time_ms >= from_ms) & (found.time_ms < to_ms))
                found.source = found.source + np.int32(len(names))
                if is_late:
                    found.reason = np.where(found.reason == 0, np.uint8(Reason.LATE), found.reason)
                parts.append(found)
        names += of_epoch
    rows = Rows.join(parts)
    fits = len(rows) * ROW_BYTES + sum(len(n.encode()) + 5 for n in names) + 256 <= room
    if not fits:
        rows, names = rows.take(slice(0, 0)), []
    columns = {name: getattr(rows, f).astype(kind).tobytes() for name, (f, kind) in _COLUMNS.items()}
    return msgspec.msgpack.encode({**columns, "names": names, "as_of_ms": as_of_ms if fits else None})


def not_among(recent: pa.Table, stored: pa.Table) -> pa.Table:
    """The rows of ``recent`` whose datastream and time are not in ``stored``, each key once, sorted by them."""
    if not len(recent):
        return recent
    datastream, time_ms = _keys(recent)
    old_stream, old_time = _keys(stored)
    near = (old_time >= time_ms.min()) & (old_time <= time_ms.max())
    old_stream, old_time = old_stream[near], old_time[near]
    known = len(old_stream)
    all_stream, all_time = np.concatenate((old_stream, datastream)), np.concatenate((old_time, time_ms))
    order = np.lexsort((all_time, all_stream))  # stable: stored first, then in order of arrival
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(all_stream[order]) != 0) | (np.diff(all_time[order]) != 0)
    kept = order[first]
    return recent.take(pa.array(kept[kept >= known] - known))


def within(recent: pa.Table, ids: np.ndarray, from_ms: int, to_ms: int) -> pa.Table:
    """The rows of ``recent`` of the datastreams ``ids`` in [from_ms, to_ms)."""
    datastream, time_ms = _keys(recent)
    return recent.filter(pa.array(np.isin(datastream, ids) & (time_ms >= from_ms) & (time_ms < to_ms)))


def merged(stored: pa.Table, recent: pa.Table) -> pa.Table:
    """``stored`` and what of ``recent`` is not in it, both rows.SCHEMA, sorted by datastream and time."""
    fresh = not_among(recent, stored)
    if not len(fresh):
        return stored
    both = pa.concat_tables([stored, fresh.cast(SCHEMA)]).unify_dictionaries()
    datastream, time_ms = _keys(both)
    return both.take(pa.array(np.lexsort((time_ms, datastream)))).combine_chunks()


def span_of(table: pa.Table) -> tuple[int, int]:
    """The half-open span of the times in ``table``, which is not empty."""
    time_ms = _keys(table)[1]
    return int(time_ms.min()), int(time_ms.max()) + 1


def _keys(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    return table["datastream"].to_numpy(), table["time"].combine_chunks().cast(MS).view(pa.int64()).to_numpy()
