"""The housekeeping of one partition's history: merge what is worth merging, then delete what the data policy lets go.

One thread does both, so they never meet over a file.  Deleting is bounded: a file a round, and each is audited in the
transaction that deletes it.
"""

import time
from collections.abc import Callable

import pyarrow as pa
import structlog

from fengsui.govern.retention import services as policy
from fengsui.people import audit
from fengsui.stores import clock
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.compaction import Compactor
from fengsui.stores.history.keep import Keep
from fengsui.stores.history.models import Deletion
from fengsui.stores.history.retention import Retention

log = structlog.get_logger()
LOOK_EVERY_S = 60.0  # for what is due, when nothing was
DAMAGED_S = 600.0  # before merging is tried again after a file could not be read


class Keeper:
    """Call ``run_round`` every few seconds, from one thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        partition: int,
        partitions: int,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """``has_room``: whether the disk is free enough for a merged file beside those it is made of."""
        self._has_room = has_room
        self._partition, self._partitions = partition, partitions
        self._compactor = Compactor(catalogue, partition)
        self._retention = Retention(catalogue, partition, record)
        self._keep: Keep | None = None
        self._revision = (-1, -1)
        self._look_at = self._merge_at = 0.0

    def run_round(self) -> None:
        """Raises OSError and django.db.DatabaseError: the next round begins again."""
        if time.monotonic() >= self._merge_at and self._has_room():
            self._merge()
        revision = policy.revision()
        if revision != self._revision or self._keep is None:
            self._keep = policy.keep_of(self._partition, self._partitions)
            self._revision, self._look_at = revision, 0.0
        if time.monotonic() < self._look_at:
            self._retention.delete_due()
        elif not self._retention.run_once(self._keep, clock.now().date()):
            self._look_at = time.monotonic() + LOOK_EVERY_S

    def _merge(self) -> None:
        try:
            while self._compactor.run_once(clock.now()):
                pass
        except (pa.ArrowException, FileNotFoundError) as error:
            # a damaged file is no reason to stop judging readings; somebody has to repair it
            self._merge_at = time.monotonic() + DAMAGED_S
            log.error(
                "history.unreadable",
                partition=self._partition,
                error=str(error),
                then="fengsui history verify",
            )


def record(done: Deletion) -> None:
    """Note a deletion in the audit trail, in its transaction."""
    said = {
        "kind": done.kind,
        "day": done.day.isoformat(),
        "rows": done.rows,
        "freed_bytes": done.freed_bytes,
    }
    audit.record("pipeline", "history.deleted", done, partition=done.partition, **said)
    log.info("history.deleted", partition=done.partition, **said)
