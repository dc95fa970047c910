"""Whether the folder of media here is the one that portals read: a mark in it that the database knows.

A portal marks its folder when it starts; a gateway on another machine keeps files only where it finds that mark, so
that no device drops a picture that nobody can see.
"""

import asyncio
import os
import uuid
from pathlib import Path

import structlog
from django.conf import settings
from django.db import DatabaseError

from fengsui.sense.media.models import Folder
from fengsui.stores.changes import in_thread
from fengsui.stores.durable import make_folder
from fengsui.stores.files import sync

log = structlog.get_logger()

MARK = ".fengsui"
PAUSE_S = 1.0


async def claim_when_ready() -> None:
    """Mark the folder as soon as the database and the disk are there."""
    told = False
    while True:
        try:
            return await asyncio.to_thread(in_thread, claim)
        except (DatabaseError, OSError) as error:
            if not told:
                told = True
                log.warning("media.folder_waiting", error=repr(error))
            await asyncio.sleep(PAUSE_S)


def claim() -> None:
    """Mark the folder of a portal.  Raises DatabaseError and OSError."""
    known, _new = Folder.objects.get_or_create(pk=1, defaults={"mark": uuid.uuid4().hex})
    path = Path(settings.MEDIA_ROOT) / MARK
    if _read(path) == known.mark:
        return
    make_folder(path.parent)
    draft = path.with_name(f"{MARK}.{uuid.uuid4().hex}")
    draft.write_text(known.mark)
    sync(str(draft))
    os.replace(draft, path)
    sync(str(path))


def is_shared() -> bool:
    """Whether portals see what is kept here; True as long as none has started.  Raises DatabaseError and OSError."""
    known = Folder.objects.filter(pk=1).first()
    return known is None or _read(Path(settings.MEDIA_ROOT) / MARK) == known.mark


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
