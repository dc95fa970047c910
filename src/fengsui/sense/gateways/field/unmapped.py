"""Codes that nobody mapped, on their way into their table: collected on the event loop, written from a thread.

What is collected is bounded by devices and codes; a device that makes codes up fills its share and no more.  Counts
that cannot be written now are written later.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.db import DatabaseError, connection

from fengsui.sense.gateways.field.entering import Unmapped
from fengsui.stores.changes import in_thread

log = structlog.get_logger()

EVERY_S = 2.0
AT_ONCE = 20_000  # codes of all devices that wait to be written
PER_DEVICE = 1_000  # different codes of one device, since the gateway started
UPSERT = """
    INSERT INTO devices_unmappedcode AS x (device_id, protocol, code, unit, first_at, last_at, count, last_value)
    SELECT d.id, %s, %s, %s, %s, %s, %s, %s FROM devices_device d WHERE d.id = %s
    ON CONFLICT (device_id, protocol, code) DO UPDATE SET unit = excluded.unit, count = x.count + excluded.count,
        last_at = greatest(x.last_at, excluded.last_at), last_value = excluded.last_value"""


@dataclass(slots=True)
class _Seen:
    first_ms: int
    last_ms: int
    count: int
    unit: str
    value: float


class UnmappedCodes:
    """One a process."""

    def __init__(self) -> None:
        self.left_out = 0  # readings whose code is in no row: too many codes at once
        self._seen: dict[tuple[int, str, str], _Seen] = {}
        self._codes: dict[int, set[tuple[str, str]]] = {}
        self._task: asyncio.Task | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_for_ever(), name="unmapped")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    def note(self, found: Iterable[Unmapped]) -> None:
        """Count readings of unmapped codes."""
        for one in found:
            key = (one.device, one.protocol, one.code)
            seen = self._seen.get(key)
            if seen is not None:
                seen.last_ms, seen.count = one.received_ms, seen.count + 1
                seen.unit, seen.value = one.unit, one.value
                continue
            codes = self._codes.setdefault(one.device, set())
            if len(self._seen) >= AT_ONCE or (len(codes) >= PER_DEVICE and key[1:] not in codes):
                self.left_out += 1
                continue
            codes.add(key[1:])
            self._seen[key] = _Seen(one.received_ms, one.received_ms, 1, one.unit, one.value)

    async def flush(self) -> None:
        """Write what waits; keep it when the database is away."""
        if not self._seen:
            return
        seen, self._seen = self._seen, {}
        try:
            await asyncio.to_thread(in_thread, _write, seen)
        except (DatabaseError, OSError) as error:
            log.warning("unmapped.unwritten", error=repr(error), codes=len(seen))
            for key, one in seen.items():
                newer = self._seen.get(key)
                if newer is None:
                    self._seen[key] = one
                else:
                    newer.first_ms, newer.count = one.first_ms, newer.count + one.count

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.flush()


def _write(seen: dict[tuple[int, str, str], _Seen]) -> None:
    rows = [
        (
            protocol, code, one.unit, _at(one.first_ms), _at(one.last_ms), one.count,
            one.value if math.isfinite(one.value) else None, device,
        )
        for (device, protocol, code), one in sorted(seen.items())  # one order for every gateway: no deadlock
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT, rows)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
