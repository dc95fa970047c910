"""Deletion by policy: raw readings go first and leave their minutes and hours, then minutes, then hours.

What is deleted is counted by source and minute of arrival (``Deletion.tally``), so that the loss ledger still balances
against the files: deleted is not lost.  A file whose datastreams all go is listed no more; one that also holds
readings which stay is written anew without the others.  The catalogue is swapped in one transaction, the old files are
deleted after a grace, as when merging; only the owner of a partition calls ``Retention``.
"""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from django.db import transaction
from django.db.models import Sum

from fengsui.stores.history import segments, tiers
from fengsui.stores.history.catalogue import Catalogue, Replaced
from fengsui.stores.history.compaction import GRACE_S
from fengsui.stores.history.keep import HOUR, MINUTE, RAW, Drop, Keep
from fengsui.stores.history.models import Deletion, Segment, Tier
from fengsui.stores.history.packing import unpack
from fengsui.stores.history.rows import SCHEMA
from fengsui.stores.history.tierfiles import TierFiles, WrittenTier

log = structlog.get_logger()

TALLY = pa.schema([("source", pa.string()), ("minute_ms", pa.int64()), ("rows", pa.int64())])
LOOKS = 16  # files in a round that are looked into and hold nothing that is to go
Note = Callable[[Deletion], None]  # called in the transaction that deletes


@dataclass(frozen=True, slots=True)
class Due:
    """A file of which something is to go: all of it, or the datastreams of ``drop``."""

    kind: str
    day: date
    row: Segment | Tier
    drop: Drop


class Retention:
    """Deletes what the policy lets go of one partition, a file a time."""

    def __init__(self, catalogue: Catalogue, partition: int, note: Note, grace_s: float = GRACE_S) -> None:
        self._catalogue, self._partition, self._note = catalogue, partition, note
        self._grace_s = grace_s
        self._replaced: list[tuple[float, str]] = []
        self._unreadable: set[str] = set()

    def run_once(self, keep: Keep, today: date) -> bool:
        """Delete from the oldest file that is due, after looking into some that turn out not to be.  True for either.

        Raises OSError and django.db.DatabaseError: nothing is lost then, and the next call begins again.
        """
        self.delete_due()
        for _look in range(LOOKS):
            found = due_files(keep, today, self._partition)
            due = next((due for due in found if due.row.path not in self._unreadable), None)
            if due is None:
                return False
            try:
                gone = _delete(self._catalogue, due, self._note)
            except Replaced as error:
                log.warning("history.deletion_dropped", partition=self._partition, error=str(error))
                return False
            except (pa.ArrowException, FileNotFoundError) as error:
                self._unreadable.add(due.row.path)  # what cannot be counted is not deleted
                log.error(
                    "history.unreadable", path=due.row.path, error=str(error), then="fengsui history verify"
                )
                continue
            if gone:
                at = time.monotonic() + self._grace_s
                self._replaced += [(at, path) for path in gone]
                break
        return True

    def delete_due(self) -> None:
        """Delete the files whose grace is over."""
        now = time.monotonic()
        segments.remove(self._catalogue.folder, [path for due, path in self._replaced if due <= now])
        self._replaced = [(due, path) for due, path in self._replaced if due > now]


def due_files(keep: Keep, today: date, partition: int | None = None) -> Iterator[Due]:
    """The files, oldest first, of which something is to go, or may be: those not looked at for the same yet."""
    of_partition = {} if partition is None else {"partition": partition}
    for kind in (RAW, MINUTE, HOUR):
        before = keep.before(kind, today)
        if before is None:
            continue
        rows = Segment.objects.all() if kind == RAW else Tier.objects.filter(kind=kind, segment__isnull=True)
        drop_of = lru_cache(None)(lambda day, kind=kind: keep.drop(kind, day, today))
        for row in rows.filter(day__lt=before, **of_partition).order_by("day", "id").iterator(500):
            drop = drop_of(row.day)
            if drop.is_nothing or row.trimmed == drop.signature:
                continue
            if kind == HOUR and _has_minutes(row):
                continue  # hours go after their minutes
            yield Due(kind, row.day, row, drop)


def count_due(catalogue: Catalogue, due: Due) -> int:
    """How many rows of the file would go.  Raises OSError."""
    if due.drop.is_everything:
        return due.row.rows
    return sum(int(due.drop.mask(ids).sum()) for ids in _datastreams(catalogue.folder / due.row.path))


def count_deleted(from_ms: int, to_ms: int) -> pa.Table:
    """How many deleted readings had arrived in [from_ms, to_ms): source, minute_ms (int64), rows (int64)."""
    found = Deletion.objects.filter(kind=RAW, first_received_ms__lt=to_ms, last_received_ms__gte=from_ms)
    tables = [
        pq.read_table(io.BytesIO(tally), schema=TALLY) for tally in found.values_list("tally", flat=True)
    ]
    table = pa.concat_tables([TALLY.empty_table(), *tables])
    minute = table["minute_ms"].to_numpy()
    inside = (minute >= from_ms // tiers.MINUTE_MS * tiers.MINUTE_MS) & (minute < to_ms)
    summed = table.filter(pa.array(inside)).group_by(["source", "minute_ms"]).aggregate([("rows", "sum")])
    return summed.rename_columns({"rows_sum": "rows"}).select(TALLY.names)


def totals() -> dict[str, tuple[int, int]]:
    """By kind: rows deleted so far and bytes set free."""
    found = Deletion.objects.values("kind").annotate(r=Sum("rows"), b=Sum("freed_bytes")).order_by()
    return {row["kind"]: (row["r"], row["b"]) for row in found}


# ---- one file ----------------------------------------------------------------------------------------------------


def _delete(catalogue: Catalogue, due: Due, note: Note) -> list[str]:
    """Do it; returns the paths that are listed no more.  Raises Replaced, OSError and DatabaseError."""
    drop = due.drop
    if not drop.is_everything:
        found = [drop.mask(ids) for ids in _datastreams(catalogue.folder / due.row.path)]
        if not any(mask.any() for mask in found):
            type(due.row).objects.filter(pk=due.row.pk).update(trimmed=drop.signature)
            return []
        if all(mask.all() for mask in found):
            drop = Drop(True, drop.others[:0])
    if isinstance(due.row, Segment):
        return _Raw(catalogue, due.row, drop, due.drop.signature, note).delete()
    return _aggregates(catalogue, due.row, drop, due.drop.signature, note)


@dataclass(slots=True)
class _Raw:
    """A segment is parted: what stays becomes a segment with aggregates of its own, what goes leaves aggregates."""

    catalogue: Catalogue
    segment: Segment
    drop: Drop
    signature: str
    note: Note
    left: TierFiles = field(init=False)
    tally: list[pa.Table] = field(default_factory=list)

    def delete(self) -> list[str]:
        segment, folder = self.segment, self.catalogue.folder
        mine = list(Tier.objects.filter(segment=segment))
        whole = self.drop.is_everything
        have = {tier.kind for tier in mine} if whole else set()
        stem = segment.path if whole else _new_name(segment.path)
        self.left = TierFiles(folder, stem, tuple(kind for kind in tiers.WIDTH_MS if kind not in have))
        stays = None
        try:
            if whole:
                for _table in self._kept():
                    raise AssertionError("everything goes and something stays")
            else:
                stays = segments.write_segment(folder, segment.partition, self._kept(), max(segment.level, 1))
            left = self.left.finish()
            counted = pa.concat_tables(self.tally).group_by(["source", "minute_ms"])
            tally = counted.aggregate([("rows", "sum")]).rename_columns({"rows_sum": "rows"})
            minute = tally["minute_ms"].to_numpy()
            gone = [] if whole else [tier.path for tier in mine]
            new_bytes = sum(tier.bytes for tier in left)
            new_bytes += stays.bytes + sum(t.bytes for t in stays.tiers) if stays else 0
            old_bytes = segment.bytes + (0 if whole else sum(tier.bytes for tier in mine))
            with transaction.atomic():
                self.catalogue.require_ours()
                if not whole:
                    Tier.objects.filter(pk__in=[tier.pk for tier in mine]).delete()
                _all, details = Segment.objects.filter(pk=segment.pk).delete()
                if details.get("history.Segment") != 1:
                    raise Replaced(f"{segment.path} is not listed any more")
                if stays:
                    self.catalogue.add([stays])
                    Segment.objects.filter(path=stays.path).update(trimmed=self.signature)
                _list(left, segment.partition, segment.day)
                self.note(
                    Deletion.objects.create(
                        kind=RAW,
                        partition=segment.partition,
                        day=segment.day,
                        rows=segment.rows - (stays.rows if stays else 0),
                        freed_bytes=old_bytes - new_bytes,
                        first_received_ms=int(minute.min()),
                        last_received_ms=int(minute.max()) + tiers.MINUTE_MS - 1,
                        tally=_bytes_of(tally),
                    )
                )
        except BaseException:
            self.left.remove()
            if stays:
                segments.remove(folder, [stays.path, *(tier.path for tier in stays.tiers)])
            raise
        return [segment.path, *gone]

    def _kept(self) -> Iterator[pa.Table]:
        """The rows that stay, in order; what goes is counted on the way."""
        with pq.ParquetFile(self.catalogue.folder / self.segment.path) as reader:
            for group in range(reader.metadata.num_row_groups):
                table = unpack(reader.read_row_group(group)).cast(SCHEMA).combine_chunks()
                mask = pa.array(self.drop.mask(table["datastream"].to_numpy()))
                goes, stays = table.filter(mask), table.filter(pa.compute.invert(mask))
                if len(goes):
                    self.left.add(goes.combine_chunks())
                    self.tally.append(_tally(goes))
                if len(stays):
                    yield stays.combine_chunks()


def _aggregates(catalogue: Catalogue, tier: Tier, drop: Drop, signature: str, note: Note) -> list[str]:
    """Minutes or hours without readings go; those that stay are written anew, minutes with their hours."""
    pair = [tier]
    if tier.kind == MINUTE:
        pair += Tier.objects.filter(
            kind=HOUR, segment__isnull=True, day=tier.day, path__endswith=f"/{Path(tier.path).name}"
        )
    made: list[TierFiles] = []
    lists: list[tuple[WrittenTier, ...]] = []
    rows = tier.rows
    old = [tier] if drop.is_everything else pair
    try:
        if not drop.is_everything:
            stay, left = (TierFiles(catalogue.folder, _new_name(tier.path)) for _ in range(2))
            made += [stay, left]
            for one in pair:
                for table in _tables(catalogue.folder / one.path):
                    mask = drop.mask(table["datastream"].to_numpy())
                    if one is tier:
                        rows -= int((~mask).sum())
                    if not mask.all():
                        stay.add_tier(one.kind, table.filter(pa.array(~mask)))
                    if one is not tier and mask.any():
                        left.add_tier(one.kind, table.filter(pa.array(mask)))
            lists = [stay.finish(), left.finish()]
        with transaction.atomic():
            catalogue.require_ours()
            _all, details = Tier.objects.filter(pk__in=[one.pk for one in old]).delete()
            if details.get("history.Tier", 0) != len(old):
                raise Replaced(f"{tier.path} is not listed any more")
            for place, written in enumerate(lists):
                _list(written, tier.partition, tier.day, {tier.kind: signature} if place == 0 else {})
            freed = sum(one.bytes for one in old) - sum(w.bytes for written in lists for w in written)
            note(
                Deletion.objects.create(
                    kind=tier.kind, partition=tier.partition, day=tier.day, rows=rows, freed_bytes=freed
                )
            )
    except BaseException:
        for files in made:
            files.remove()
        raise
    return [one.path for one in old]


def _has_minutes(hour: Tier) -> bool:
    name = Path(hour.path).name
    beside = Tier.objects.filter(kind=MINUTE, segment__isnull=True, day=hour.day, path__endswith=f"/{name}")
    return beside.exists()


def _list(
    written: tuple[WrittenTier, ...], partition: int, day: date, trimmed: dict[str, str] | None = None
) -> None:
    Tier.objects.bulk_create(
        Tier(
            kind=w.kind, path=w.path, rows=w.rows, bytes=w.bytes, checksum=w.checksum,
            partition=partition, day=day, segment=None, trimmed=(trimmed or {}).get(w.kind, ""),
        )
        for w in written
    )  # fmt: skip


def _new_name(path: str) -> str:
    """The path of another file of the same partition and day."""
    partition = Path(path).name.split("-")[0]
    return str(Path(path).with_name(f"{partition}-left-{uuid4().hex}.parquet"))


def _datastreams(file: Path) -> Iterator[np.ndarray]:
    with pq.ParquetFile(file) as reader:
        for group in range(reader.metadata.num_row_groups):
            yield reader.read_row_group(group, columns=["datastream"])["datastream"].to_numpy()


def _tables(file: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(file) as reader:
        for group in range(reader.metadata.num_row_groups):
            yield reader.read_row_group(group).cast(tiers.SCHEMA).combine_chunks()


def _tally(table: pa.Table) -> pa.Table:
    minute = table["received"].combine_chunks().view(pa.int64()).to_numpy()
    minute = minute // tiers.MINUTE_MS * tiers.MINUTE_MS
    each = pa.table({"source": table["source"].cast(pa.string()), "minute_ms": pa.array(minute)})
    counted = each.group_by(["source", "minute_ms"]).aggregate([([], "count_all")])
    return counted.rename_columns({"count_all": "rows"}).select(TALLY.names).cast(TALLY)


def _bytes_of(tally: pa.Table) -> bytes:
    sink = io.BytesIO()
    ordered = tally.select(TALLY.names).sort_by([("source", "ascending"), ("minute_ms", "ascending")])
    pq.write_table(
        ordered,
        sink,
        compression="zstd",
        use_dictionary=["source"],
        column_encoding={"minute_ms": "DELTA_BINARY_PACKED", "rows": "DELTA_BINARY_PACKED"},
    )
    return sink.getvalue()
