"""Writing the aggregates of a segment while it is written: a minute file and an hour file, synced before it is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fengsui.stores.durable import make_folder, sync_folder
from fengsui.stores.history import tiers
from fengsui.stores.history.files import Hashing


@dataclass(frozen=True, slots=True)
class WrittenTier:
    """A file of aggregates on disk.  ``path`` is relative to the history folder, ``kind`` minute or hour."""

    kind: str
    path: str
    rows: int
    bytes: int
    checksum: str


class TierFiles:
    """The aggregates of one segment.  ``kinds`` None: those that are worth their room (``tiers.WORTH``)."""

    def __init__(self, folder: Path, raw: str, kinds: Sequence[str] | None = None) -> None:
        self._folder, self._raw, self._kinds = folder, raw, kinds
        self._open: dict[str, _File] = {}
        self.written: tuple[WrittenTier, ...] = ()

    def add(self, table: pa.Table) -> None:
        """Readings (rows.SCHEMA, sorted, continuing those before) to be counted in.  Raises OSError."""
        found = {kind: tiers.summarise(table, width) for kind, width in tiers.WIDTH_MS.items()}
        if self._kinds is None:
            self._kinds = tuple(kind for kind in found if len(found[kind]) * tiers.WORTH <= len(table))
        for kind in self._kinds:
            if kind not in self._open:
                self._open[kind] = _File(self._folder, kind, tiers.file_name(kind, self._raw))
            self._open[kind].add(found[kind])

    def add_tier(self, kind: str, table: pa.Table) -> None:
        """Aggregates that exist already, of ``kind``, sorted."""
        if kind not in self._open:
            self._open[kind] = _File(self._folder, kind, tiers.file_name(kind, self._raw))
        self._open[kind].add(table)

    def finish(self) -> tuple[WrittenTier, ...]:
        """Make them durable under their names.  Raises OSError; ``remove`` them then."""
        self.written = tuple(file.finish(self._folder) for file in self._open.values())
        return self.written

    def remove(self) -> None:
        """Delete what was written."""
        for file in self._open.values():
            file.remove(self._folder)


class _File:
    def __init__(self, folder: Path, kind: str, path: Path) -> None:
        self.kind, self.path, self.rows = kind, path, 0
        make_folder((folder / path).parent)
        self._draft = (folder / path).with_name(f".{path.name}.draft")
        self._file = self._draft.open("wb")
        self._sink = Hashing(self._file)
        self._writer = pq.ParquetWriter(self._sink, tiers.SCHEMA, **tiers.FORMAT)

    def add(self, table: pa.Table) -> None:
        self.rows += len(table)
        self._writer.write_table(table, row_group_size=tiers.ROW_GROUP)

    def finish(self, folder: Path) -> WrittenTier:
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.rename(folder / self.path)
        sync_folder((folder / self.path).parent)
        return WrittenTier(
            self.kind, str(self.path), self.rows, self._sink.size, self._sink.digest.hexdigest()
        )

    def remove(self, folder: Path) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)
        (folder / self.path).unlink(missing_ok=True)
