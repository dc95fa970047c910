"""From a draft to a canonical batch: names to ids, units to the datastream's own, and what is refused at the door.

A refused reading is not dropped: it stays in its batch with its reason and what was sent, so that it travels to
quarantine as durably as the good ones travel to history.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from fengsui.base import units
from fengsui.base.batch import Batch, Refused
from fengsui.base.errors import UnknownUnit
from fengsui.base.quality import Reason
from fengsui.sense.codecs.readings_json import TEXT_LIMIT, Draft, raw, text
from fengsui.sense.gateways.publisher import ClockUnsure
from fengsui.sense.gateways.registry import SiteRow, Streams
from fengsui.stores import clock
from fengsui.stores.clock import process_clock

Admit = Callable[[Batch, int], None]  # (batch, now_ms): sets ``reason`` of rows that the checks refuse

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = {
    Reason.UNPARSABLE: "cannot be read",
    Reason.UNKNOWN_DATASTREAM: "no such datastream at this site",
    Reason.WRONG_SITE: "the device belongs to another site",
    Reason.UNIT: "the unit is unknown or measures something else",
    Reason.RANGE: "outside the range that the instrument can measure",
    Reason.TOO_LATE: "older than is accepted: is the clock of the device right?",
    Reason.FUTURE: "stamped later than now: is the clock of the device right?",
    Reason.CONFLICT: "another value is already stored for this datastream and time",
    Reason.STOPPED: "the datastream is declared out of service",
    Reason.UNMAPPED: "no mapping says which datastream this code is",
}


class Refusal(msgspec.Struct):
    """One refused reading in an answer.  ``code`` is the name of its Reason in lower case."""

    index: int
    datastream: str
    time: str
    code: str
    message: str


@dataclass(slots=True)
class Entered:
    """A batch ready for the bus, and its refused rows with the words for the sender."""

    batch: Batch
    words: dict[int, str]

    @property
    def accepted(self) -> int:
        return len(self.batch) - len(self.batch.refused)

    def refusals(self, limit: int) -> list[Refusal]:
        """The first ``limit`` refused readings."""
        out = []
        for row in sorted(self.batch.refused)[:limit]:
            reason, sent = Reason(int(self.batch.reason[row])), self.batch.refused[row]
            out.append(
                Refusal(row, sent.code, sent.time, reason.name.lower(), self.words.get(row) or WORDS[reason])
            )
        return out


def admit_all(batch: Batch, now_ms: int) -> None:
    """The check that refuses nothing."""


def now_ms() -> int:
    return clock.now_ms()


def require_sure_time(source: str, time_ms: np.ndarray) -> None:
    """Hear what time a source thinks it is.  Raises ClockUnsure when that is not to be judged yet."""
    ours = process_clock()
    if ours.is_apart and len(time_ms) and not ours.hears(source, int(time_ms.max())):
        raise ClockUnsure("the clock of this machine has jumped; send the readings again in a moment")


def require_sure_time_of_no_witness(time_ms: np.ndarray) -> None:
    """The same for a source that takes its time from us, as cameras do: it is judged and not heard."""
    ours = process_clock()
    if ours.is_apart and len(time_ms) and not ours.judges(int(time_ms.max())):
        raise ClockUnsure("the clock of this machine has jumped; send the readings again in a moment")


def enter(
    draft: Draft, site: SiteRow, streams: Streams, source: str, received_ms: int, admit: Admit = admit_all
) -> Entered:
    """``draft`` as a batch of ``site``.  Unknown names, foreign units and what ``admit`` refuses are marked."""
    layout = streams.layout(draft.codes)
    ids = layout.ids.take(draft.code)  # half the time of layout.ids[draft.code]
    reason = draft.reason
    if not layout.all_known:
        reason = np.where((reason == 0) & (ids < 0), np.uint8(Reason.UNKNOWN_DATASTREAM), reason)
    words = dict(draft.message)
    value = draft.value
    if draft.unit is not None:
        value, reason = _to_own_units(draft, layout.row, streams, reason, words)
    batch = Batch(
        site.id,
        source,
        received_ms,
        ids,
        draft.time_ms,
        value,
        draft.quality,
        reason.copy(),
        dict(draft.sent),
    )
    admit(batch, received_ms)
    if np.count_nonzero(reason):  # quicker than any() on a short column
        batch.reason = np.where(reason != 0, reason, batch.reason)  # what is refused stays refused
    if np.count_nonzero(batch.reason):
        for row in np.flatnonzero((batch.reason > 0) & (batch.reason < 20)).tolist():
            if row not in batch.refused:
                batch.refused[row] = _sent(draft, row)
    return Entered(batch, words)


def wrong_site(draft: Draft, own: SiteRow, source: str, received_ms: int) -> Batch:
    """Every reading of a message for another site, kept for the stewards of the device's own site."""
    n, other = len(draft), text(draft.site or "", 64)
    refused = {}
    for row in range(n):
        sent = draft.sent.get(row) or _sent(draft, row)
        refused[row] = Refused(text(f"{other}/{sent.code}"), sent.time, sent.value, sent.unit)
    return Batch(
        own.id, source, received_ms, np.full(n, -1, np.int32), draft.time_ms, draft.value, draft.quality,
        np.full(n, Reason.WRONG_SITE, np.uint8), refused,
    )  # fmt: skip


def unreadable(data: bytes, site: SiteRow, source: str, received_ms: int) -> Batch:
    """A message nothing of which can be read: one refused reading, its text cut at RAW_LIMIT characters."""
    return Batch(
        site.id, source, received_ms, np.array([-1], np.int32), np.array([0]), np.array([np.nan]),
        np.zeros(1, np.uint8), np.array([Reason.UNPARSABLE], np.uint8), {0: Refused(value=raw(data))},
    )  # fmt: skip


def _to_own_units(
    draft: Draft, stream_row: np.ndarray, streams: Streams, reason: np.ndarray, words: dict[int, str]
) -> tuple[np.ndarray, np.ndarray]:
    """``(value, reason)`` with every reading in its datastream's own unit, one conversion per distinct pair."""
    assert draft.unit is not None
    value, reason = draft.value.copy(), reason.copy()
    pair = draft.code.astype(np.int64) * len(draft.units) + draft.unit
    for one in np.unique(pair[(draft.unit > 0) & (reason == 0)]).tolist():
        code, unit = divmod(one, len(draft.units))
        where = (pair == one) & (reason == 0)
        try:
            factor, offset = units.factor_offset(draft.units[unit], streams.units[stream_row[code]])
        except UnknownUnit as error:
            reason[where] = Reason.UNIT
            words.update(dict.fromkeys(np.flatnonzero(where).tolist(), text(str(error))))
            continue
        if (factor, offset) != (1.0, 0.0):
            value[where] = value[where] * factor + offset
    return value, reason


def _sent(draft: Draft, row: int) -> Refused:
    value, unit = float(draft.value[row]), draft.units[draft.unit[row]] if draft.unit is not None else ""
    at = _EPOCH + timedelta(milliseconds=int(draft.time_ms[row]))
    return Refused(
        text(draft.codes[draft.code[row]], TEXT_LIMIT),
        at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "null" if value != value else repr(value),
        text(unit),
    )
