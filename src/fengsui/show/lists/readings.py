"""Readings and latest values, of datastreams that are already known to be in sight.

What the pipeline has not committed yet is asked on the bus first, so that a screen shows a reading at once; when nobody
answers in ``ASK_S``, history alone answers and the answer says that it is not fresh.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from django.conf import settings

from fengsui.show.live.hub import NotConnected, hub, now_ms
from fengsui.stores import history
from fengsui.stores.history.recent import NOT_ASKED, SUBJECT, Recent, question

if TYPE_CHECKING:
    from fengsui.stores.history.curves import Curves

ASK_S = 0.3  # longer than the engine holds a pipeline up
BEHIND_MS = 10_000
POINTS = 1_000
POINTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Latest:
    """Columns of equal length, one row a datastream that has a reading."""

    source: str
    ids: list[int]
    time_ms: list[int]
    value: list[float]
    quality: list[int]
    reason: list[int]


def uncommitted(site_id: int, datastream_ids: Sequence[int], from_ms: int, to_ms: int) -> Recent:
    """What the pipeline holds of datastreams of one site.  Ask this **before** history, and give it to history."""
    subject = SUBJECT.format(site_id % settings.PARTITIONS)
    try:
        return Recent.of(hub().ask(subject, question(datastream_ids, from_ms, to_ms), ASK_S))
    except (NotConnected, ValueError):
        return NOT_ASKED


def is_fresh(recent: Recent) -> bool:
    """Whether an answer with it is as new as can be: somebody answered, and is not far behind the bus."""
    return recent.as_of_ms is not None and now_ms() - recent.as_of_ms < BEHIND_MS


def curves(
    site_id: int,
    datastream_ids: Sequence[int],
    from_ms: int,
    to_ms: int,
    points: int,
    as_measured: bool = False,
) -> tuple["Curves", Recent]:
    """``history.curve`` of datastreams of one site with what is not committed yet, and how fresh that is."""
    recent = uncommitted(site_id, datastream_ids, from_ms, to_ms)
    found = history.curve(
        datastream_ids, from_ms, to_ms, points, recent=recent.table, as_measured=as_measured
    )
    return found, recent


def export(
    site_id: int,
    datastream_ids: Sequence[int],
    from_ms: int,
    to_ms: int,
    form: str,
    as_measured: bool = False,
) -> tuple[Iterator[bytes], Recent]:
    """``history.export``, the same way."""
    recent = uncommitted(site_id, datastream_ids, from_ms, to_ms)
    found = history.export(datastream_ids, from_ms, to_ms, form, recent=recent.table, as_measured=as_measured)
    return found, recent


_LATEST = {"ids": "<i4", "time_ms": "<i8", "value": "<f8", "quality": "u1", "reason": "u1"}


def latest(site_id: int, datastream_ids: list[int], now_ms: int) -> Latest:
    """The newest reading of each datastream of a site: from the pipeline's memory, or else from the history."""
    subject = f"latest.{site_id % settings.PARTITIONS}"
    try:
        answer: Any = msgspec.msgpack.decode(hub().ask(subject, msgspec.msgpack.encode({"site": site_id})))
        columns = [np.frombuffer(answer[name], kind) for name, kind in _LATEST.items()]
        keep = np.isin(columns[0], np.array(datastream_ids, np.int32))
        return Latest("pipeline", *(column[keep].tolist() for column in columns))
    except (NotConnected, msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError):
        return _from_history(datastream_ids, now_ms)


def _from_history(datastream_ids: list[int], now_ms: int) -> Latest:
    table = history.last_values(datastream_ids, now_ms + 1)
    return Latest(
        "history",
        table.column("datastream").to_pylist(),
        table.column("time").cast("int64").to_pylist(),
        *(table.column(name).to_pylist() for name in ("value", "quality", "reason")),
    )
