"""Whether the disks that keep what was confirmed have room, told by those who keep it to those who confirm.

Each role that keeps something looks at its disks every second and says on ``room.report`` how much is free.  A disk
with less than the least is full: gateways take nothing new until it has room again, so that what was taken can be
finished.  A disk nobody has spoken of for a while has no say: its role is gone, and readings wait for the role.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

SUBJECT = "room.report"
LOOK_S = 1.0
FORGET_S = 10.0
AGAIN = 1.125  # of the least must be free before a full disk is no longer called full
LAST = 4  # one part in four of the least is left to the database: below it nothing is begun


class Disk(msgspec.Struct, frozen=True):
    """A disk as its role sees it.  ``free`` and ``least`` in bytes; ``folder`` is one that lies on it."""

    host: str
    device: int
    folder: str
    free: int
    least: int
    is_full: bool

    @property
    def is_spent(self) -> bool:
        """So full that only what is under way may be finished."""
        return self.free < self.least // LAST


class Looker:
    """Looks at the disks of ``folders``; folders on one disk are one disk."""

    def __init__(self, folders: Iterable[Path], least: int) -> None:
        self._folders, self._least = list(folders), least
        self.disks: list[Disk] = []

    @property
    def is_full(self) -> bool:
        return any(disk.is_full for disk in self.disks)

    @property
    def is_spent(self) -> bool:
        return any(disk.is_spent for disk in self.disks)

    @property
    def lag(self) -> dict[str, int]:
        """For the status of a role: of its fullest disk, free bytes and the least."""
        if not self.disks:
            return {}
        fullest = min(self.disks, key=lambda disk: disk.free - disk.least)
        return {"disk_free": fullest.free, "disk_least": fullest.least}

    def look(self) -> list[Disk]:
        """Look now."""
        were_full = {disk.device for disk in self.disks if disk.is_full}
        found: dict[int, Disk] = {}
        for folder in self._folders:
            place = next(p for p in (folder, *folder.parents) if p.exists())
            device, free = os.stat(place).st_dev, free_bytes(place)
            least = self._least * AGAIN if device in were_full else self._least
            found.setdefault(
                device, Disk(socket.gethostname(), device, str(folder), free, self._least, free < least)
            )
        self.disks = list(found.values())
        return self.disks

    async def tell(self, client: Client, then: Callable[[], None] = lambda: None) -> None:
        """Look and say so, for ever; ``then`` is called after each look."""
        while True:
            with contextlib.suppress(nats.errors.Error, OSError):
                self.look()
                then()
                await client.publish(SUBJECT, msgspec.json.encode(self.disks))
            await asyncio.sleep(LOOK_S)


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write on the disk of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Room:
    """What a gateway has heard.  ``start`` it; until something is heard there is room."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, int], tuple[float, Disk]] = {}
        self._subscription: Any = None

    async def start(self, client: Client) -> None:
        async def hear(message: Msg) -> None:
            for disk in msgspec.json.decode(message.data, type=list[Disk]):
                self.hear(disk)

        self._subscription = await client.subscribe(SUBJECT, cb=hear)

    async def close(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error):
                await self._subscription.unsubscribe()
        self._subscription = None

    def hear(self, disk: Disk) -> None:
        self._heard[disk.host, disk.device] = (time.monotonic(), disk)

    @property
    def full(self) -> Disk | None:
        """A disk that has no room, the fullest of them."""
        since = time.monotonic() - FORGET_S
        found = [disk for at, disk in self._heard.values() if disk.is_full and at > since]
        return min(found, key=lambda disk: disk.free - disk.least) if found else None
