"""An epoch made true: segments and state on disk first, then one transaction that makes all of it count.

The segments of one epoch may be written while the epoch before it is in its transaction.  Every step can be tried
again: what is done is kept on the ``Pending`` and not done twice.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from django.db import DatabaseError, connection, transaction

from fengsui.base.batch import Refused
from fengsui.base.quality import Reason
from fengsui.govern.ledger import booking
from fengsui.govern.quarantine import holding, spans
from fengsui.govern.quarantine.holding import HeldRows
from fengsui.run import settings as run_settings
from fengsui.run.pipeline import configuration
from fengsui.run.pipeline.epoch import Epoch, Poison, Settled, count_written, settle
from fengsui.run.pipeline.partition import POISONED, Snapshot
from fengsui.stores.checkpoints import claims, states, writers
from fengsui.stores.checkpoints.claims import Claim
from fengsui.stores.durable import make_folder, sync_folder
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.matching import find_stored
from fengsui.stores.history.segments import Written, write_segments

SITE_STATUS_S = 5.0  # a site that is heard all the time is noted this often
SITE_STATUS = """
INSERT INTO devices_sitestatus (site_id, last_received_at, last_observed_at)
SELECT s.id, to_timestamp(r / 1000.0), to_timestamp(nullif(o, %s) / 1000.0)
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS t (id, r, o) JOIN devices_site s USING (id)
ON CONFLICT (site_id) DO UPDATE SET
    last_received_at = greatest(devices_sitestatus.last_received_at, excluded.last_received_at),
    last_observed_at = greatest(devices_sitestatus.last_observed_at, excluded.last_observed_at)
"""


@dataclass(slots=True)
class Pending:
    """An epoch on its way, and how far it got."""

    epoch: Epoch
    snapshot: Snapshot | None  # None: the state before stays in force
    path_of: Callable[[int], str]
    settled: Settled | None = None
    written: list[Written] | None = None
    state_file: str | None = None
    state_s: float | None = None  # how long the state took to write
    tried: bool = False  # a transaction was begun, and its end may not have been heard


@dataclass(slots=True)
class Committer:
    """Commits the epochs of one partition: ``write`` in one thread, ``book`` in one thread, each in their order."""

    catalogue: Catalogue
    home: Path
    claim: Claim
    open_spans: spans.Open
    state_bytes: int = 0
    _heard: dict[int, tuple[int, int]] = field(default_factory=dict)
    _heard_at: float = 0.0

    @property
    def states(self) -> Path:
        return run_settings.states_folder()

    def commit(self, pending: Pending) -> None:
        """Make it durable, all at once.  Raises what ``write`` and ``book`` raise."""
        self.write(pending)
        self.book(pending)

    def write(self, pending: Pending) -> None:
        """Put its segments on disk.  Raises OSError and DatabaseError, to be called again.

        An epoch with rows that came behind asks history: what came before it must be booked by then.
        """
        epoch = pending.epoch
        if pending.settled is None:
            pending.settled = settle(epoch, self._find_stored)
        if pending.written is None:
            keep(self.home / "quarantine", self.claim.partition, epoch.poison)
            rows = pending.settled.rows
            pending.written = write_segments(
                self.catalogue.folder, self.claim.partition, rows, list(epoch.names)
            )
            if sum(w.rows for w in pending.written) != len(rows):
                raise AssertionError("segments do not hold the rows of their epoch")
            count_written(epoch, rows)

    def book(self, pending: Pending) -> None:
        """Make what is written count, and the state.  Raises as ``write``, and Superseded, to stop."""
        if pending.state_file is None and pending.snapshot is not None:
            began = time.monotonic()
            stored = pending.snapshot.stored
            if not stored.file:
                parts = configuration.parts(pending.snapshot)
                stored.file = states.save(self.states, self.claim.partition, parts)
            pending.state_file = states.save(self.states, self.claim.partition, pending.snapshot.parts())
            pending.state_s = time.monotonic() - began
            self.state_bytes = (self.states / pending.state_file).stat().st_size
        self._transact(pending)
        if pending.snapshot is not None and pending.state_file is not None:
            named = (pending.state_file, pending.snapshot.stored.file)
            states.remove_others(self.states, self.claim.partition, *named)

    def _find_stored(self, datastream: np.ndarray, time_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        files = self.catalogue.between(int(time_ms.min()), int(time_ms.max()) + 1)
        return find_stored(files, datastream, time_ms)

    def _transact(self, pending: Pending) -> None:
        state = None
        if pending.snapshot is not None and pending.state_file is not None:
            state = (pending.snapshot.seq, pending.state_file)
        rows, is_new = pending.settled.rows, pending.settled.is_new  # type: ignore[union-attr]
        turn, open_spans = spans.fold(self.open_spans, rows.datastream, rows.time_ms, rows.reason, is_new)
        heard = self._due(pending.epoch.heard)
        after = claims.next_of(self.claim, pending.epoch.seq, state)
        if not (pending.tried and claims.happened(self.claim)):
            pending.tried = True
            with transaction.atomic():
                claims.advance(self.claim, after)
                self._book(pending, turn, heard)
        self.claim, self.open_spans = after, open_spans
        if heard:
            self._heard, self._heard_at = {}, time.monotonic()

    def _book(self, pending: Pending, turn: spans.Turn, heard: dict[int, tuple[int, int]]) -> None:
        epoch = pending.epoch
        names = list(epoch.names)
        held = [*pending.settled.held]  # type: ignore[union-attr]
        if epoch.poison:
            held.append(_poisoned(epoch.poison, len(names)))
            names.append(POISONED)
        self.catalogue.add(pending.written or [])
        booking.book(epoch.counts.rows())
        holding.hold(held, names, pending.path_of)
        spans.write(turn)
        writers.write(self.claim.partition, epoch.writers)
        if heard:
            with connection.cursor() as cursor:
                columns = zip(*((site, *times) for site, times in sorted(heard.items())), strict=True)
                cursor.execute(SITE_STATUS, [_NEVER, *(list(column) for column in columns)])

    def _due(self, heard: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """What to note of the sites now: all that was heard since the last note, or nothing yet."""
        for site, (received, observed) in heard.items():
            before = self._heard.get(site, (received, observed))
            self._heard[site] = (max(received, before[0]), max(observed, before[1]))
        return self._heard if time.monotonic() - self._heard_at >= SITE_STATUS_S else {}

    @property
    def owes_site_status(self) -> bool:
        """Sites were heard that are not noted yet, though it is time."""
        return bool(self._heard) and time.monotonic() - self._heard_at >= SITE_STATUS_S


_NEVER = int(np.iinfo(np.int64).min)
LOST = (DatabaseError, OSError)


def keep(folder: Path, partition: int, poison: list[Poison]) -> None:
    """Write the bytes of poisoned messages to files of their own, durably.  Raises OSError."""
    if not poison:
        return
    make_folder(folder, 0o700)
    for p in poison:
        with (folder / file_of(partition, p.seq)).open("wb") as file:
            file.write(p.data)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)


def file_of(partition: int, seq: int) -> str:
    """The name of the file that holds a poisoned message."""
    return f"p{partition:04d}-{seq}.message"


def _poisoned(poison: list[Poison], source: int) -> HeldRows:
    """One held row a message: the error, and where its bytes are."""
    n = len(poison)
    return HeldRows(
        np.full(n, Reason.UNPARSABLE, np.uint8),
        np.zeros(n, np.int32),
        np.full(n, source, np.int32),
        np.array([p.received_ms for p in poison], np.int64),
        np.array([p.received_ms for p in poison], np.int64),
        np.full(n, -1, np.int32),
        np.full(n, np.nan),
        {
            i: Refused(code=f"message {p.seq} of {p.gateway or 'unknown'}", value=p.error)
            for i, p in enumerate(poison)
        },
    )
