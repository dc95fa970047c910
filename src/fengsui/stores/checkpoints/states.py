"""The state of a partition as one file: written beside, synced, renamed, so that it is whole or not there.

The file is NumPy's: a zip of columns without compression (``numpy.load`` reads it), each with its own checksum (CRC-32)
that is checked when it is read.  Columns are written from where they are and read one by one: no second copy in memory.
"""

import os
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fengsui.stores.durable import make_folder, sync_folder

CHUNK = 4 << 20  # bytes written at a time: between them other threads get their turn


class BadState(Exception):
    """The state file is missing or damaged; the message names it."""


class Parts(Mapping[str, np.ndarray]):
    """The columns of a state file, each read when it is asked for.  Close it.  Raises BadState."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._found = np.load(file, allow_pickle=False)
            self._names = list(self._found.files)
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise BadState(f"{file}: {error}") from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        try:
            column: np.ndarray = self._found[name]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise BadState(f"{self.file}: {name}: {error}") from error
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The columns whose names begin so, without it."""
        return {name.removeprefix(prefix): self[name] for name in self if name.startswith(prefix)}

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_error: object) -> None:
        self._found.close()


def save(folder: Path, partition: int, parts: Mapping[str, np.ndarray]) -> str:
    """Write the columns; returns the name of the file.  Durable on return.  Raises OSError."""
    make_folder(folder)
    name = f"p{partition:04d}-{uuid.uuid4().hex}.state"
    draft = folder / f".{name}.draft"
    try:
        with draft.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for part, column in parts.items():
                    with archive.open(f"{part}.npy", "w", force_zip64=True) as member:
                        _write(member, column)  # type: ignore[arg-type]  # the stubs say IO[bytes]
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / name)
        sync_folder(folder)
    except BaseException:
        draft.unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
        raise
    return name


def load(folder: Path, name: str) -> Parts:
    """The columns of a state file.  Raises BadState."""
    return Parts(folder / name)


def remove_others(folder: Path, partition: int, *keep: str) -> int:
    """Delete every state file of ``partition`` but those of ``keep``; returns how many."""
    count = 0
    for pattern in (f"p{partition:04d}-*.state", f".p{partition:04d}-*.draft"):
        for file in folder.glob(pattern):
            if file.name not in keep:
                file.unlink(missing_ok=True)
                count += 1
    return count


def _write(file: BinaryIO, column: np.ndarray) -> None:
    column = np.asanyarray(column, order="C")
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(column))
    data = memoryview(column.reshape(-1)).cast("B") if column.size else memoryview(b"")  # type: ignore[arg-type]
    for at in range(0, len(data), CHUNK):
        file.write(data[at : at + CHUNK])
