"""What was read since the last commit: rows for history, refusals for quarantine, counts for the ledger.

An epoch is bounded in rows, because it lives in memory until it is committed as a whole.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fengsui.base.quality import Reason
from fengsui.govern.checks import CONFLICT, DUPLICATE, NEW, settle_behind
from fengsui.govern.ledger import booking
from fengsui.govern.ledger.booking import Counts
from fengsui.govern.quarantine.holding import HeldRows
from fengsui.stores.history.rows import Rows

MAX_ROWS = 2_000_000  # about 100 MB; a fuller epoch is committed before its time


@dataclass(slots=True)
class Poison:
    """A message that is no batch, kept as it came."""

    seq: int
    gateway: str
    received_ms: int
    error: str
    data: bytes


@dataclass(slots=True)
class Behind:
    """Rows older than the newest of their datastream, in order of arrival, until history was asked."""

    rows: Rows
    line: np.ndarray  # int32
    site: np.ndarray  # int32


@dataclass(slots=True)
class Epoch:
    """The readings of the messages up to ``seq`` that are not committed yet."""

    seq: int = 0
    began: float = field(default_factory=time.monotonic)
    messages: int = 0
    size: int = 0
    counts: Counts = field(default_factory=Counts)
    names: dict[str, int] = field(default_factory=dict)  # sources
    rows: list[Rows] = field(default_factory=list)
    behind: list[Behind] = field(default_factory=list)
    held: list[HeldRows] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    writers: list[tuple[str, int, int]] = field(default_factory=list)
    heard: dict[int, tuple[int, int]] = field(default_factory=dict)  # site → last received, last observed

    def source(self, name: str) -> int:
        """The index of a source."""
        return self.names.setdefault(name, len(self.names))

    @property
    def is_empty(self) -> bool:
        return not self.messages and not self.heard

    @property
    def is_full(self) -> bool:
        return self.size >= MAX_ROWS


@dataclass(slots=True)
class Settled:
    """An epoch ready to be written: every row has its final verdict."""

    rows: Rows
    is_new: np.ndarray  # bool by row: in order, not behind
    held: list[HeldRows]


Find = Callable[
    [np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]
]  # matching.find_stored on this history


def settle(epoch: Epoch, find_stored: Find) -> Settled:
    """Ask history about the rows that came behind, and finish the counts.  Call it once an epoch."""
    new = Rows.join(epoch.rows)
    held = list(epoch.held)
    rows, is_new = new, np.ones(len(new), bool)
    if epoch.behind:
        late = Rows.join([b.rows for b in epoch.behind])
        line = np.concatenate([b.line for b in epoch.behind])
        site = np.concatenate([b.site for b in epoch.behind])
        verdict = settle_behind(
            (late.datastream, late.time_ms, late.value),
            *find_stored(late.datastream, late.time_ms),
            (new.datastream, new.time_ms, new.value),
        )
        kept, conflict = verdict == NEW, verdict == CONFLICT
        epoch.counts.add(booking.PIPELINE, booking.STORED, line[kept])
        epoch.counts.add(booking.PIPELINE, booking.DUPLICATE, line[verdict == DUPLICATE])
        epoch.counts.add(booking.PIPELINE, booking.QUARANTINED, line[conflict])
        if conflict.any():
            held.append(conflicting(late.take(conflict), site[conflict]))
        stored = late.take(kept)
        stored.reason = np.where(stored.reason == 0, np.uint8(Reason.LATE), stored.reason)
        rows = Rows.join([new, stored])
        is_new = np.arange(len(rows)) < len(new)
    return Settled(rows, is_new, held)


def conflicting(rows: Rows, site: np.ndarray) -> HeldRows:
    """Rows that contradict what is stored, as quarantine takes them."""
    return HeldRows(
        np.full(len(rows), Reason.CONFLICT, np.uint8),
        site,
        rows.source,
        rows.received_ms,
        rows.time_ms,
        rows.datastream,
        rows.value,
    )


def count_written(epoch: Epoch, written: Rows) -> None:
    """The boundary ``history``: what the pipeline let pass, and what is really in the segments."""
    names = list(epoch.names)
    epoch.counts.pass_on(booking.PIPELINE, booking.STORED, booking.HISTORY, booking.RECEIVED)
    if not len(written):
        return
    first = int(written.received_ms.min()) // booking.MINUTE_MS
    minutes = int(written.received_ms.max()) // booking.MINUTE_MS - first + 1
    place = written.source.astype(np.int64)
    if minutes > 1:  # not as a rule: an epoch lasts seconds
        place += (written.received_ms // booking.MINUTE_MS - first) * len(names)
    number = np.bincount(place)
    for key in np.flatnonzero(number).tolist():
        minute, source = divmod(key, len(names))
        line = epoch.counts.line(names[source], (first + minute) * booking.MINUTE_MS)
        epoch.counts.add_one(booking.HISTORY, booking.STORED, line, int(number[key]))
