"""One ``fengsui up`` a FENGSUI_HOME: a file lock that the kernel drops when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunning(Exception):
    """Another process holds this FENGSUI_HOME; the message says which."""


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold ``home``.  Raises AlreadyRunning."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(
                f"fengsui is running on {home} (pid {holder}): stop it first, or set FENGSUI_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
