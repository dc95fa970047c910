"""Many batches as one set of columns: what makes few large moves out of many small messages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from fengsui.base.batch import Batch, Refused
from fengsui.govern.checks import Judged, Sent
from fengsui.stores.history.rows import Rows


@dataclass(slots=True)
class Gathered:
    """The rows of ``k`` batches in order of arrival, and what was sent for rows that the door refused."""

    batches: Sequence[Batch]
    sent: Sent
    refused: dict[int, Refused]  # by row

    def __len__(self) -> int:
        return len(self.sent.datastream)


def gather(batches: Sequence[Batch], is_vouched: Sequence[bool]) -> Gathered:
    """All rows of ``batches`` (none of them empty).  ``is_vouched`` by batch: a person vouches for its times."""
    k = len(batches)
    start = np.zeros(k + 1, np.int64)
    np.cumsum([len(b) for b in batches], out=start[1:])
    refused = {
        int(first) + row: sent
        for first, b in zip(start, batches, strict=False)
        if b.refused
        for row, sent in b.refused.items()
        if 0 <= row < len(b)
    }
    sent = Sent(
        start=start,
        site=np.fromiter((b.site for b in batches), np.int32, k),
        received_ms=np.fromiter((b.received_ms for b in batches), np.int64, k),
        vouched=np.array(is_vouched, bool),
        datastream=_joined([b.datastream for b in batches]),
        time_ms=_joined([b.time_ms for b in batches]),
        value=_joined([b.value for b in batches]),
        quality=_joined([b.quality for b in batches]),
        reason=_joined([b.reason for b in batches]),
    )
    return Gathered(batches, sent, refused)


def ordered(rows: Gathered, judged: Judged, source: np.ndarray, place: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The rows at ``place`` (int64 [m]) as history takes them, and their slots (int64 [m]), in one pass.

    ``source`` int32 [k]: the index of each batch's source.
    """
    m, sent = len(place), rows.sent
    out = Rows(
        np.empty(m, np.int32),
        np.empty(m, np.int64),
        np.empty(m, np.float64),
        np.empty(m, np.uint8),
        np.empty(m, np.uint8),
        np.empty(m, np.int32),
        np.empty(m, np.int64),
    )
    slot = np.empty(m, np.int64)
    _ordered(
        place, sent.datastream, sent.time_ms, sent.value, judged.quality, judged.reason, judged.slot, judged.batch,
        source, sent.received_ms, out.datastream, out.time_ms, out.value, out.quality, out.reason, out.source,
        out.received_ms, slot,
    )  # fmt: skip
    return out, slot


def _joined(columns: list[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(columns[0]) if len(columns) == 1 else np.concatenate(columns)


@numba.njit(cache=True, nogil=True)
def _ordered(  # type: ignore[no-untyped-def]
    place, datastream, time_ms, value, quality, reason, slot, batch, source, received,
    o_datastream, o_time, o_value, o_quality, o_reason, o_source, o_received, o_slot,
):  # fmt: skip
    for i in range(len(place)):
        j = place[i]
        b = batch[j]
        o_datastream[i], o_time[i], o_value[i] = datastream[j], time_ms[j], value[j]
        o_quality[i], o_reason[i], o_slot[i] = quality[j], reason[j], slot[j]
        o_source[i], o_received[i] = source[b], received[b]


def warm_up() -> None:
    """Compile now, or load what an earlier process compiled."""
    i64, i32, byte, one = np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1, np.uint8), np.zeros(1)
    _ordered(i64, i32, i64, one, byte, byte, i32, i32, i32, i64, i32, i64, one, byte, byte, i32, i64, i64)
