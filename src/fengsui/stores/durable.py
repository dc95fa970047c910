"""Files that are whole or not there after a power cut, and names that last.

A file is durable when its bytes are synced *and* the name in its folder is: so a folder that was made is synced in
the folder above it, too.
"""

import os
import uuid
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable, and its own name in its parent."""
    for place in (folder, folder.parent):
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """``folder`` and what is missing above it, each with a durable name.  Raises OSError."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    for place in reversed(missing):
        sync_folder(place)


def write_once(path: Path, text: str, mode: int = 0o600) -> None:
    """Write ``path`` unless it is there; the first of several writers wins.  Whole and durable on return."""
    make_folder(path.parent, 0o700)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    draft.unlink()
    sync_folder(path.parent)
