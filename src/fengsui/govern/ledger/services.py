"""Does the loss ledger balance?  Reads the lines, checks each boundary and the chain between them.

The rules: at every boundary received = stored + duplicate + quarantined; what left one boundary arrived at the next
(gateway → pipeline → history); and, when asked, the readings really found in the Parquet files, with those that were
deleted by policy, are those of the boundary ``history``.  A minute is *open* while readings of it may still be under
way: until it has been over for ``OPEN_FOR`` and nothing received in it or before waits on the bus.  An open line is
never called unbalanced.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from fengsui.govern.ledger.models import Boundary, Line
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Device, Site
from fengsui.stores import clock, history
from fengsui.stores.checkpoints.models import Writer

OF_A_SITE = ("mqtt:", "replay:")  # "mqtt:<site>" and "replay:<data set>@<site>": the site ends the name

OPEN_FOR = timedelta(seconds=60)
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Count:
    """One line: what came to a boundary and what became of it."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0

    @property
    def adds_up(self) -> bool:
        return self.received == self.stored + self.duplicate + self.quarantined


@dataclass(frozen=True, slots=True)
class Entry:
    """A source and minute through all boundaries.  ``found`` is the recount of the files, None if not made.

    ``deleted`` is what the data policy deleted since, counted with the recount only.
    """

    source: str
    minute: datetime
    gateway: Count
    pipeline: Count
    history: Count
    is_open: bool = False
    found: int | None = None
    deleted: int = 0

    @property
    def problems(self) -> list[str]:
        """What does not balance, as codes: "gateway", "pipeline", "history", "gateway-pipeline" …"""
        out = [b for b in Boundary.values if not self.at(b).adds_up]
        if self.gateway.stored != self.pipeline.received:
            out.append("gateway-pipeline")
        if self.pipeline.stored != self.history.received:
            out.append("pipeline-history")
        if self.found is not None and self.found + self.deleted != self.history.stored:
            out.append("history-files")
        return out

    @property
    def state(self) -> str:
        """balanced, open or unbalanced."""
        if self.is_open:
            return "open"
        return "unbalanced" if self.problems else "balanced"

    def at(self, boundary: str) -> Count:
        """The count at a boundary."""
        return {
            Boundary.GATEWAY: self.gateway,
            Boundary.PIPELINE: self.pipeline,
            Boundary.HISTORY: self.history,
        }[Boundary(boundary)]


@dataclass(frozen=True, slots=True)
class Missing:
    """Messages of a gateway instance that never arrived: their numbers were passed over."""

    gateway: str
    partition: int
    messages: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The ledger of a span of time."""

    entries: list[Entry] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def unbalanced(self) -> list[Entry]:
        return [e for e in self.entries if e.state == "unbalanced"]

    @property
    def balances(self) -> bool:
        """Whether nothing is lost, as far as can be said yet."""
        return not self.unbalanced and not self.missing


def open_from(now: datetime, oldest_waiting: datetime | None = None) -> datetime:
    """Minutes that end after this are open.  ``oldest_waiting`` is when the bus got the oldest message it holds."""
    settled = now - OPEN_FOR
    return settled if oldest_waiting is None else min(settled, oldest_waiting - OPEN_FOR)


def statement(
    from_at: datetime,
    to_at: datetime,
    *,
    is_open_from: datetime,
    sources: Sequence[str] | None = None,
    deep: bool = False,
) -> Statement:
    """The lines of minutes in [from_at, to_at), of all sources or some; ``deep`` recounts the Parquet files."""
    for attempt in range(ATTEMPTS):
        try:
            return _statement(from_at, to_at, is_open_from, sources, deep)
        except OSError:  # segments were merged and deleted meanwhile: look again
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def lines(
    from_at: datetime, to_at: datetime, *, user: Any = None, now: datetime | None = None
) -> list[Entry]:
    """The entries that ``user`` may see, newest first; without a user all of them."""
    found = statement(
        from_at,
        to_at,
        is_open_from=open_from(now or clock.now()),
        sources=None if user is None else sources_visible_to(user, from_at, to_at),
    )
    return sorted(found.entries, key=lambda e: (-e.minute.timestamp(), e.source))


def unbalanced(from_at: datetime, to_at: datetime, *, user: Any = None) -> list[Entry]:
    """Only those that do not balance."""
    return [e for e in lines(from_at, to_at, user=user) if e.state == "unbalanced"]


def sources_visible_to(user: Any, from_at: datetime, to_at: datetime) -> list[str] | None:
    """The sources whose lines of [from_at, to_at) ``user`` may see: devices, MQTT and replays of sites in sight.

    None is everything, for who stands at the root of the tree.
    """
    paths = access.paths_where(user, "ledger.view")
    if any(path.count("/") <= 2 for path in paths):  # "" or "/1/"
        return None
    devices = Device.objects.filter(access.rows_where(user, "ledger.view", "site__org_path"))
    named = Q(source__startswith=OF_A_SITE[0]) | Q(source__startswith=OF_A_SITE[1])
    sources = (
        Line.objects.filter(named, minute__gte=from_at, minute__lt=to_at)
        .order_by()
        .values_list("source", flat=True)
        .distinct()
    )
    site_of = {source: re.split("[:@]", source)[-1] for source in sources}
    sites = Site.objects.filter(
        access.rows_where(user, "ledger.view", "org_path"), code__in=set(site_of.values())
    )
    seen = set(sites.values_list("code", flat=True))
    return [*devices.values_list("code", flat=True), *(s for s, site in site_of.items() if site in seen)]


def totals(entries: Iterable[Entry]) -> dict[str, Count]:
    """The sum at each boundary."""
    sums = {boundary: [0, 0, 0, 0] for boundary in Boundary.values}
    for entry in entries:
        for boundary, numbers in sums.items():
            count = entry.at(boundary)
            for i, number in enumerate((count.received, count.stored, count.duplicate, count.quarantined)):
                numbers[i] += number
    return {boundary: Count(*numbers) for boundary, numbers in sums.items()}


def _statement(
    from_at: datetime, to_at: datetime, is_open_from: datetime, sources: Sequence[str] | None, deep: bool
) -> Statement:
    found: dict[tuple[str, datetime], int] = {}
    gone: dict[tuple[str, datetime], int] = {}
    with transaction.atomic():
        if deep and not connection.savepoint_ids:
            with connection.cursor() as cursor:  # lines and catalogue of the same instant
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        rows = Line.objects.filter(minute__gte=from_at, minute__lt=to_at)
        if sources is not None:
            rows = rows.filter(source__in=sources)
        counts: dict[tuple[str, datetime], dict[str, Count]] = {}
        for boundary, source, minute, *numbers in rows.values_list(
            "boundary", "source", "minute", "received", "stored", "duplicate", "quarantined"
        ):
            counts.setdefault((source, minute), {})[boundary] = Count(*numbers)
        missing = [
            Missing(*row)
            for row in Writer.objects.filter(missing__gt=0, seen_at__gte=from_at)
            .order_by("gateway", "partition")
            .values_list("gateway", "partition", "missing")
        ]
        if deep:
            found, gone = _recount(from_at, to_at)
    if sources is not None:
        found = {key: number for key, number in found.items() if key[0] in set(sources)}
    entries = []
    for source, minute in sorted(counts.keys() | found.keys(), key=lambda key: (key[1], key[0])):
        at = counts.get((source, minute), {})
        gateway, pipeline, stored = (at.get(b, Count()) for b in Boundary.values)
        is_open = minute + timedelta(minutes=1) > is_open_from
        recounted = found.get((source, minute), 0) if deep else None
        deleted = gone.get((source, minute), 0)
        entries.append(Entry(source, minute, gateway, pipeline, stored, is_open, recounted, deleted))
    return Statement(entries, missing)


def _recount(
    from_at: datetime, to_at: datetime
) -> tuple[dict[tuple[str, datetime], int], dict[tuple[str, datetime], int]]:
    """What the files hold, and what was deleted of them by policy."""
    span = round(from_at.timestamp() * 1000), round(to_at.timestamp() * 1000)
    return _by_minute(history.count_received(*span)), _by_minute(history.count_deleted(*span))


def _by_minute(table: Any) -> dict[tuple[str, datetime], int]:
    columns = (table[name].to_pylist() for name in ("source", "minute_ms", "rows"))
    return {
        (source, datetime.fromtimestamp(minute_ms / 1000, UTC)): number
        for source, minute_ms, number in zip(*columns, strict=True)
    }
