"""Who was turned away, in the audit trail: wrong credentials, another site's readings, forbidden MQTT topics.

A device that keeps trying must not fill the trail: the first refusal of a kind is written at once, the following
ones of the same device, address, door and kind are counted and written as one entry a minute.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import DatabaseError

from fengsui.people import audit
from fengsui.sense.codecs.readings_json import text
from fengsui.stores.changes import in_thread

log = structlog.get_logger()

WINDOW_S = 60.0
KINDS_AT_ONCE = 5000  # distinct device, address and kind remembered; more are counted together


@dataclass(slots=True)
class _Kind:
    """Refusals of one device, address and kind: how many are not written yet, and when the last entry was."""

    action: str
    device: str
    source_ip: str | None
    org_path: str
    waiting: int = 0
    written_at: float = -WINDOW_S
    detail: dict[str, Any] = field(default_factory=dict)


class Refusals:
    """Collects refusals on the event loop and writes them from a thread.  Never makes a request wait."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kinds: dict[tuple, _Kind] = {}
        self._task: asyncio.Task | None = None
        self._wake = asyncio.Event()

    def note(
        self, action: str, device: str, source_ip: str | None = None, *, org_path: str = "", **detail: Any
    ) -> None:
        """One refusal.  ``action`` such as "device.login" or "readings.publish"; ``detail`` of the latest is kept."""
        self.counts[action] += 1
        device = text(device, 64)
        key = (action, device, source_ip, detail.get("by"), detail.get("why"))
        if key not in self._kinds and len(self._kinds) >= KINDS_AT_ONCE:
            key, device, source_ip, org_path = (action, "", "", None, None), "(several)", None, ""
        kind = self._kinds.setdefault(key, _Kind(action, device, source_ip, org_path))
        kind.waiting += 1
        kind.detail = {
            name: text(value) if isinstance(value, str) else value for name, value in detail.items()
        }
        log.info("refused", action=action, device=device, source_ip=source_ip)
        self._wake.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_for_ever(), name="refusals")

    async def close(self) -> None:
        """Write what waits, then stop."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush(everything=True)

    async def flush(self, *, everything: bool = False) -> None:
        """Write the kinds whose minute is over (or all), and forget those that have been quiet for one."""
        now = time.monotonic()
        due = [
            kind
            for kind in self._kinds.values()
            if kind.waiting and (everything or now - kind.written_at >= WINDOW_S)
        ]
        if due:
            entries = [(kind, kind.waiting) for kind in due]
            try:
                await asyncio.to_thread(in_thread, _write, entries)
            except (DatabaseError, OSError) as error:
                log.warning("refusals.unwritten", error=repr(error), kinds=len(due))
                return
            for kind, times in entries:
                kind.waiting -= times
                kind.written_at = now
        for key in [k for k, v in self._kinds.items() if not v.waiting and now - v.written_at >= WINDOW_S]:
            del self._kinds[key]

    async def _write_for_ever(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), WINDOW_S / 4)
            except TimeoutError:
                pass
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(0.2)


def _write(entries: list[tuple[_Kind, int]]) -> None:
    for kind, times in entries:
        audit.record(
            f"device {kind.device}", kind.action, kind.device, ok=False, org_path=kind.org_path,
            source_ip=kind.source_ip, times=times, **kind.detail,
        )  # fmt: skip
