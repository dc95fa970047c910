"""Who may publish and what their names mean: sites, devices and datastreams as a snapshot of the database.

The snapshot is replaced when the change counter "registry" moves.  Without the database the last snapshot serves
on.  A site's datastreams are decoded when the site is first heard, and kept as long as they do not change.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable

import msgspec
import numpy as np
import structlog
from django.db import DatabaseError, connection

from fengsui.stores.changes import in_thread

log = structlog.get_logger()

POLL_S = 1.0
LAYOUTS_PER_SITE = 64
IN_SERVICE = np.iinfo(np.int64).max
NOBODY = hashlib.sha256(
    b""
).hexdigest()  # compared against when there is no such device: equal time either way


class SiteRow(msgspec.Struct, frozen=True, array_like=True):
    id: int
    code: str
    org_path: str
    is_active: bool


class DeviceRow(msgspec.Struct, frozen=True, array_like=True):
    id: int
    code: str
    site: int
    secret_sha256: str
    is_active: bool


class MultiRow(msgspec.Struct, frozen=True, array_like=True):
    """A MultiDatastream: its datastreams in the order of its results."""

    id: int
    site: int
    members: tuple[int, ...]


class _StreamRow(msgspec.Struct, array_like=True):
    id: int
    code: str
    unit: str
    range_min: float | None
    range_max: float | None
    is_active: bool
    stopped_ms: int | None = None


_stream_rows = msgspec.json.Decoder(list[_StreamRow])


class Layout(msgspec.Struct, frozen=True):
    """What a tuple of codes means at a site: ``row`` int32 [n] into Streams, ``ids`` int32 [n]; -1 is unknown."""

    row: np.ndarray
    ids: np.ndarray
    all_known: bool


class Streams:
    """The datastreams of one site, as columns of equal length.

    ``ids`` int32, rising · ``units`` · ``range_min``, ``range_max`` float64, infinite where open · ``stopped_ms``
    int64, the greatest where in service.  ``row`` maps code → row, active datastreams only.
    """

    __slots__ = ("_layouts", "codes", "ids", "range_max", "range_min", "row", "stopped_ms", "units")

    def __init__(self, text: bytes | str) -> None:
        rows = _stream_rows.decode(text)
        self.ids = np.array([r.id for r in rows], np.int32)
        self.codes = tuple(r.code for r in rows)
        self.units = tuple(r.unit for r in rows)
        self.range_min = np.array([-np.inf if r.range_min is None else r.range_min for r in rows], np.float64)
        self.range_max = np.array([np.inf if r.range_max is None else r.range_max for r in rows], np.float64)
        self.stopped_ms = np.array(
            [IN_SERVICE if r.stopped_ms is None else r.stopped_ms for r in rows], np.int64
        )
        self.row = {r.code: i for i, r in enumerate(rows) if r.is_active}
        self._layouts: dict[tuple[str, ...], Layout] = {}

    @property
    def active_ids(self) -> list[int]:
        """The ids of the datastreams in use."""
        return [int(self.ids[row]) for row in self.row.values()]

    def layout(self, codes: tuple[str, ...]) -> Layout:
        """The rows and ids of ``codes``; devices send the same few tuples again and again, so they are kept."""
        if (known := self._layouts.get(codes)) is not None:
            return known
        row = np.array([self.row.get(code, -1) for code in codes], np.int32)
        known_row = row >= 0
        ids = np.full(len(row), -1, np.int32)
        ids[known_row] = self.ids[row[known_row]]
        layout = Layout(row, ids, bool(known_row.all()))
        if len(self._layouts) >= LAYOUTS_PER_SITE:
            self._layouts.pop(next(iter(self._layouts)), None)
        self._layouts[codes] = layout
        return layout


NO_STREAMS = Streams("[]")


class Snapshot:
    """One consistent reading of the tables.  ``number`` is the change counter it stands for."""

    __slots__ = ("_streams", "_texts", "devices", "multis", "number", "site_by_id", "sites")

    def __init__(
        self,
        number: int = -1,
        sites: list[SiteRow] | None = None,
        devices: list[DeviceRow] | None = None,
        streams: list[tuple[int, str]] | None = None,
        before: "Snapshot | None" = None,
        multis: list[MultiRow] | None = None,
    ) -> None:
        self.number = number
        self.multis = {m.id: m for m in multis or []}
        self.sites = {s.code: s for s in sites or []}
        self.site_by_id = {s.id: s for s in sites or []}
        self.devices = {d.code: d for d in devices or []}
        self._texts = dict(streams or [])
        self._streams: dict[int, Streams] = {}
        if before is not None:  # sites that did not change keep their decoded columns and layouts
            self._streams = {
                site: decoded
                for site, decoded in before._streams.items()
                if self._texts.get(site) == before._texts.get(site)
            }

    def streams(self, site: int) -> Streams:
        """The datastreams of a site; empty for a site that has none or does not exist."""
        if (known := self._streams.get(site)) is not None:
            return known
        if (text := self._texts.get(site)) is None:
            return NO_STREAMS
        return self._streams.setdefault(site, Streams(text))

    def multis_of(self, site: int) -> list[int]:
        """The ids of a site's MultiDatastreams in use, rising."""
        return sorted(pk for pk, row in self.multis.items() if row.site == site)

    @property
    def counts(self) -> dict[str, int]:
        return {"sites": len(self.sites), "devices": len(self.devices), "sites_heard": len(self._streams)}


def load(before: Snapshot | None = None) -> Snapshot:
    """Read the tables.  The counter is read first, so a change during reading leads to another reading."""
    with connection.cursor() as cursor:
        number = _counter(cursor)
        cursor.execute("SELECT id, code, org_path, is_active FROM devices_site")
        sites = [SiteRow(*row) for row in cursor]
        cursor.execute("SELECT id, code, site_id, secret_sha256, is_active FROM devices_device")
        devices = [DeviceRow(*row) for row in cursor]
        # One row a site, decoded only when the site is heard: 150,000 datastreams cost no Python objects here.
        cursor.execute(
            """SELECT site_id, json_agg(json_build_array(id, code, unit,
                      nullif(nullif(range_min, 'NaN'), '-Infinity'), nullif(nullif(range_max, 'NaN'), 'Infinity'),
                      is_active, floor(extract(epoch FROM stopped_at) * 1000)::bigint) ORDER BY id)::text
               FROM devices_datastream GROUP BY site_id"""
        )
        streams = cursor.fetchall()
        cursor.execute(
            """SELECT g.id, g.site_id, array_agg(m.datastream_id ORDER BY m.position)
               FROM devices_multidatastream g JOIN devices_multidatastreammember m ON m.multi_datastream_id = g.id
               WHERE g.is_active GROUP BY g.id"""
        )
        multis = [MultiRow(pk, site, tuple(members)) for pk, site, members in cursor]
    return Snapshot(number, sites, devices, streams, before, multis)


def _counter(cursor) -> int:
    cursor.execute("SELECT number FROM changes_change WHERE name = 'registry'")
    row = cursor.fetchone()
    return row[0] if row else 0


def _current() -> int:
    with connection.cursor() as cursor:
        return _counter(cursor)


class Registry:
    """The current snapshot, kept current by a task.  Reading it never waits and never touches the database."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or Snapshot()
        self.listeners: list[Callable[[Snapshot, Snapshot], Awaitable[None]]] = []  # told (before, after)
        self._task: asyncio.Task | None = None

    @property
    def loaded(self) -> bool:
        return self.snapshot.number >= 0

    async def start(self) -> None:
        """Read the tables once, then follow them.  Raises DatabaseError when the first reading fails."""
        self.snapshot = await asyncio.to_thread(in_thread, load)
        log.info("registry.loaded", **self.snapshot.counts)
        self._task = asyncio.create_task(self._follow(), name="registry")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> bool:
        """Look at the counter once; True when a new snapshot was read."""
        if await asyncio.to_thread(in_thread, _current) == self.snapshot.number:
            return False
        before = self.snapshot
        self.snapshot = await asyncio.to_thread(in_thread, load, before)
        log.info("registry.loaded", **self.snapshot.counts)
        for listener in list(self.listeners):
            try:
                await listener(before, self.snapshot)
            except Exception as error:
                log.error("registry.listener", error=repr(error))
        return True

    async def _follow(self) -> None:
        away = False
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.refresh()
                away = False
            except (DatabaseError, OSError) as error:
                if not away:
                    away = True
                    log.warning("registry.stale", error=repr(error))

    def site(self, code: str) -> SiteRow | None:
        return self.snapshot.sites.get(code)

    def site_of(self, device: DeviceRow) -> SiteRow | None:
        return self.snapshot.site_by_id.get(device.site)

    def streams(self, site_id: int) -> Streams:
        return self.snapshot.streams(site_id)

    def authenticate(self, code: str, secret: str) -> DeviceRow | None:
        """The device, if the secret is its own and it is in use.  Takes equal time for a wrong code or secret."""
        device = self.snapshot.devices.get(code)
        given = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        same = hmac.compare_digest(given, device.secret_sha256 if device else NOBODY)
        return device if device and device.is_active and same and device.secret_sha256 else None
