"""Is every file of history what was written?  And what to do with one that is not.

``verify`` reads every listed file and compares it with the catalogue; it changes nothing.  ``repair`` moves a damaged
segment aside (``damaged/``, never deleted), lists again what can still be read of it as a new segment, and says what
is lost, by source and minute of arrival: ``fengsui ledger --deep`` then shows exactly that.  A damaged
file of aggregates is made anew from its segment.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from django.db import transaction

from fengsui.stores.durable import make_folder, sync_folder
from fengsui.stores.history import segments
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.models import Segment, Tier
from fengsui.stores.history.packing import unpack
from fengsui.stores.history.rows import SCHEMA
from fengsui.stores.history.tierfiles import TierFiles

log = structlog.get_logger()
DAMAGED = "damaged"
PIECE = 1 << 20
FOLDERS = (segments.READINGS, "minutes", "hours")
MISSING, SIZE, CHECKSUM, STRANGER = "missing", "size", "checksum", "stranger"
ADVICE = {
    MISSING: "the file is gone: copy it back from a backup, or run `fengsui history repair`",
    SIZE: "the file was cut or grew: copy it back from a backup, or run `fengsui history repair`",
    CHECKSUM: "bytes of the file changed: copy it back from a backup, or run `fengsui history repair`",
    STRANGER: "the catalogue does not list it, so nobody reads it: move it away if you did not put it there",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not as it should be.  ``path`` is relative to the history folder."""

    path: str
    what: str
    rows: int
    day: str
    advice: str


@dataclass(slots=True)
class Report:
    """What ``verify`` saw."""

    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every listed file is as it was written; strangers do no harm."""
        return all(f.what == STRANGER for f in self.findings)


@dataclass(slots=True)
class Repaired:
    """What became of one damaged segment: how many readings are listed again and how many are lost."""

    path: str
    kept: int
    lost: int


def verify(catalogue: Catalogue) -> Report:
    """Read every file that is listed.  Raises OSError when the folder cannot be read at all."""
    report, listed = Report(), set()
    for row in _listed():
        listed.add(row.path)
        what = _check(catalogue.folder / row.path, row)
        if what == MISSING and not type(row).objects.filter(pk=row.pk).exists():
            continue  # merged meanwhile
        report.files += 1
        report.bytes += row.bytes
        if what:
            report.findings.append(Finding(row.path, what, row.rows, str(row.day), ADVICE[what]))
    fresh = _paths()  # written while we looked
    for name in FOLDERS:
        for file in sorted(catalogue.folder.glob(f"{name}/**/*")):
            path = str(file.relative_to(catalogue.folder))
            if file.is_file() and path not in listed and path not in fresh:
                report.findings.append(Finding(path, STRANGER, 0, "", ADVICE[STRANGER]))
    return report


def repair(catalogue: Catalogue, paths: Sequence[str]) -> list[Repaired]:
    """Put those of ``paths`` (that ``verify`` found) that are damaged aside and list what is readable of them.

    Only the owner of their partitions may call this.  Raises OSError and DatabaseError.
    """
    done = []
    for segment in Segment.objects.filter(path__in=paths).order_by("id"):
        if _check(catalogue.folder / segment.path, segment):
            done.append(_rescue(catalogue, segment))
    for tier in Tier.objects.filter(path__in=paths).select_related("segment").order_by("id"):
        if _check(catalogue.folder / tier.path, tier):
            _again(catalogue, tier)
    return done


def _listed() -> Iterator[Any]:
    yield from Segment.objects.order_by("id").iterator()
    yield from Tier.objects.order_by("id").iterator()


def _paths() -> set[str]:
    return {
        *Segment.objects.values_list("path", flat=True),
        *Tier.objects.values_list("path", flat=True),
    }


def _check(file: Path, row: Segment | Tier) -> str:
    """What is wrong with a listed file; empty when nothing is."""
    try:
        if file.stat().st_size != row.bytes:
            return SIZE
        digest = hashlib.sha256()
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                digest.update(piece)
    except FileNotFoundError:
        return MISSING
    except OSError:  # the disk itself cannot read it
        return CHECKSUM
    return "" if digest.hexdigest() == row.checksum else CHECKSUM


def _rescue(catalogue: Catalogue, segment: Segment) -> Repaired:
    tables = _readable(catalogue.folder / segment.path, segment)
    kept = sum(len(t) for t in tables)
    written = segments.write_segment(catalogue.folder, segment.partition, tables, 1) if kept else None
    with transaction.atomic():
        gone = list(Tier.objects.filter(segment=segment).values_list("path", flat=True))
        Tier.objects.filter(segment=segment).delete()
        segment_id, path = segment.pk, segment.path
        Segment.objects.filter(pk=segment_id).delete()
        if written is not None:
            catalogue.add([written])
    _put_aside(catalogue.folder, path)
    segments.remove(catalogue.folder, gone)
    log.error("history.repaired", path=path, kept=kept, lost=segment.rows - kept)
    return Repaired(path, kept, segment.rows - kept)


def _readable(file: Path, segment: Segment) -> list[pa.Table]:
    """The row groups that can be read whole and make sense, in order."""
    out: list[pa.Table] = []
    try:
        reader = pq.ParquetFile(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return out
    with reader:
        for group in range(reader.metadata.num_row_groups):
            try:
                table = unpack(reader.read_row_group(group)).cast(SCHEMA)
                table.validate(full=True)
            except (OSError, pa.ArrowException, ValueError):
                continue
            times = table["time"].combine_chunks().view(pa.int64()).to_numpy()
            if len(times) and segment.first_ms <= times.min() and times.max() <= segment.last_ms:
                out.append(table)
    return out


def _put_aside(folder: Path, path: str) -> None:
    aside = folder / DAMAGED / path
    make_folder(aside.parent)
    if (folder / path).exists():
        (folder / path).rename(aside)
        sync_folder(aside.parent)


def _again(catalogue: Catalogue, tier: Tier) -> None:
    """Make a file of aggregates anew from its readings; without them what it said is lost."""
    segment, path = tier.segment, tier.path
    _put_aside(catalogue.folder, path)
    if segment is None:
        tier.delete()
        log.error("history.aggregates_lost", path=path)
        return
    made = TierFiles(catalogue.folder, segment.path, (tier.kind,))
    try:
        with pq.ParquetFile(catalogue.folder / segment.path) as reader:
            for group in range(reader.metadata.num_row_groups):
                made.add(unpack(reader.read_row_group(group)).cast(SCHEMA))
        (written,) = made.finish()
    except BaseException:
        made.remove()
        raise
    Tier.objects.filter(pk=tier.pk).update(
        rows=written.rows, bytes=written.bytes, checksum=written.checksum, path=written.path
    )
