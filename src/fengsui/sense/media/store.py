"""Files of devices on their way to rest: judged by their content, within limits, synced to the disk, then a row.

A gateway calls ``Store.keep`` from its event loop, before it answers the device; what is refused has a reason that is
counted and kept.  A file that comes twice, because our answer was lost, is kept once.
"""

import asyncio
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from django.db.models import Sum
from django.utils import timezone

from fengsui.people import audit
from fengsui.sense.gateways.field.adapter import Identity, Media, Origin
from fengsui.sense.media import folder
from fengsui.sense.media.models import FOLDER, Medium, MediumKind
from fengsui.stores.changes import in_thread
from fengsui.stores.durable import make_folder
from fengsui.stores.files import kind_of, sync

log = structlog.get_logger()

ENDINGS = {
    "jpg": MediumKind.PICTURE,
    "tif": MediumKind.PICTURE,
    "mp3": MediumKind.AUDIO,
    "wav": MediumKind.AUDIO,
    "wmv": MediumKind.VIDEO,
}  # JT/T 808, format of 0x0801
AGAIN = timedelta(days=2)  # within which the same file of the same number is the same medium
WAITED_FOR = timedelta(days=30)  # for a file of which we only know that it is there
LOOK_S = 60.0  # how often the size of all files is counted anew
PAUSE_S = 1.0  # before the database or the disk is tried again

EMPTY, TYPE, SIZE, DEVICE_FULL, FULL, ELSEWHERE = (
    "media_empty",
    "media_type",
    "media_size",
    "media_device_full",
    "media_full",
    "media_elsewhere",
)


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: of one file, of all files of a device, of all files, and what stays free on the disk."""

    file: int = 8 << 20
    device: int = 2 << 30
    total: int = 50 << 30
    free: int = 1 << 30


class Store:
    """One a process."""

    def __init__(self, room: Room | None = None) -> None:
        self.room = room or Room()
        self._total, self._counted = 0, -LOOK_S

    async def keep(
        self,
        identity: Identity,
        media: Sequence[Media],
        origins: Sequence[Origin | None],
        stopping: Callable[[], bool],
    ) -> list[str] | None:
        """Keep ``media`` of a device; for each why it is refused, "" for what is durable.

        Waits for the database and the disk as long as they are away; None when the gateway stops first.
        """
        told = False
        while True:
            try:
                return await asyncio.to_thread(in_thread, self._keep, identity, list(media), list(origins))
            except (DatabaseError, OSError) as error:
                if stopping():
                    return None
                if not told:
                    told = True
                    log.warning("media.waiting", device=identity.device_code, error=repr(error))
                await asyncio.sleep(PAUSE_S)

    def _keep(self, identity: Identity, media: list[Media], origins: list[Origin | None]) -> list[str]:
        return [self._one(identity, *pair) for pair in zip(media, origins, strict=True)]

    def _one(self, identity: Identity, media: Media, origin: Origin | None) -> str:
        now = timezone.now()
        if media.data is None:
            with transaction.atomic():
                self._announced(identity, media, origin, now)
            return ""
        sha256 = hashlib.sha256(media.data).hexdigest()
        if self._has(identity, media, sha256, now):
            return ""
        if not folder.is_shared():
            return ELSEWHERE
        kind = kind_of(media.data[:16])
        problem = self._problem(identity, media.data, kind.ending if kind else "")
        if problem or kind is None:
            return problem or TYPE
        root = Path(settings.MEDIA_ROOT)
        make_folder(root / FOLDER / f"{now:%Y/%m}")
        with transaction.atomic():
            row = self._waiting(identity, media, now) or self._new(identity, media, now)
            self._place(row, media)
            row.kind, row.content_type = ENDINGS[kind.ending], kind.content_type
            row.sha256, row.size, row.received_at = sha256, len(media.data), now
            if origin is not None:
                row.asked_by, row.command = origin.by, origin.command
            row.file.save(f"x.{kind.ending}", ContentFile(media.data), save=False)
            sync(row.file.path)
            row.save()
            audit.record(
                f"device {identity.device_code}", "media.received", row, org_path=row.site.org_path,
                number=media.number, kind=row.kind, bytes=row.size, sha256=sha256, command=row.command,
                asked_by=row.asked_by,
            )  # fmt: skip
        self._total += len(media.data)
        return ""

    def _problem(self, identity: Identity, data: bytes, ending: str) -> str:
        if not data:
            return EMPTY
        if ending not in ENDINGS:
            return TYPE
        if len(data) > self.room.file:
            return SIZE
        own = Medium.objects.here().filter(device_id=identity.device).aggregate(all=Sum("size"))["all"] or 0
        if own + len(data) > self.room.device:
            return DEVICE_FULL
        if time.monotonic() - self._counted >= LOOK_S:
            self._total = Medium.objects.here().aggregate(all=Sum("size"))["all"] or 0
            self._counted = time.monotonic()
        root = Path(settings.MEDIA_ROOT)
        root.mkdir(parents=True, exist_ok=True)
        if self._total + len(data) > self.room.total:
            return FULL
        return FULL if shutil.disk_usage(root).free - len(data) < self.room.free else ""

    def _has(self, identity: Identity, media: Media, sha256: str, now: datetime) -> bool:
        same = Medium.objects.filter(
            device_id=identity.device, number=media.number, sha256=sha256, received_at__gte=now - AGAIN
        )
        if media.number is None:
            same = same.filter(taken_at=_at(media.time_ms))
        return same.exists()

    def _waiting(self, identity: Identity, media: Media, now: datetime) -> Medium | None:
        """The newest medium of that number of which we only know that the device has it."""
        if media.number is None:
            return None
        known = Medium.objects.select_for_update(of=("self",)).filter(
            device_id=identity.device, number=media.number, received_at=None, told_at__gte=now - WAITED_FOR
        )
        return known.select_related("site").order_by("-told_at").first()

    def _announced(self, identity: Identity, media: Media, origin: Origin | None, now: datetime) -> None:
        row = self._waiting(identity, media, now)
        if row is None and media.listed and media.number is not None and self._is_here(identity, media):
            return
        row = row or self._new(identity, media, now)
        self._place(row, media)
        if origin is not None and not row.command:
            row.asked_by, row.command = origin.by, origin.command
        row.save()

    def _is_here(self, identity: Identity, media: Media) -> bool:
        """Whether what a list of stored media names has come before: the same number and time."""
        found = Medium.objects.filter(device_id=identity.device, number=media.number).exclude(
            received_at=None
        )
        return found.filter(taken_at=_at(media.time_ms)).exists()

    def _new(self, identity: Identity, media: Media, now: datetime) -> Medium:
        return Medium(
            device_id=identity.device, device_code=identity.device_code, site_id=identity.site,
            thing_id=identity.thing, protocol=identity.protocol, number=media.number, told_at=now,
        )  # fmt: skip

    def _place(self, row: Medium, media: Media) -> None:
        """What is said of it; what is not said leaves what was."""
        said: dict[str, Any] = {
            "kind": media.kind, "event": media.event, "channel": media.channel, "taken_at": _at(media.time_ms),
            "longitude": media.longitude, "latitude": media.latitude, "speed_km_h": media.speed_km_h,
            "direction_deg": media.direction_deg,
        }  # fmt: skip
        for name, value in said.items():
            if value is not None and value != "":
                setattr(row, name, value)


def sweep(before: datetime) -> int:
    """Delete files of the folder, older than ``before``, that no row speaks of; returns how many."""
    root = Path(settings.MEDIA_ROOT)
    count = 0
    for path in sorted((root / FOLDER).glob("*/*/*")):
        name = path.relative_to(root).as_posix()
        old = path.is_file() and path.stat().st_mtime < before.timestamp()
        if old and not Medium.objects.filter(file=name, removed_at=None).exists():
            path.unlink()
            count += 1
    return count


def _at(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC)
