"""What an operator looks at: rates and boundaries of the last hour, the slowest sites, and what rests where.

Rates come from the loss ledger, so they are there after any restart.  The costly sums are kept for a few seconds,
however many screens ask.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.db.models import Count, Sum

from fengsui.base.quality import Reason
from fengsui.govern.ledger.booking import BOUNDARIES
from fengsui.govern.quarantine.models import Held
from fengsui.sense.devices.models import Site
from fengsui.show.lists.sites import sites as sites_of
from fengsui.show.live.hub import NotConnected, hub
from fengsui.stores.bus import READINGS
from fengsui.stores.checkpoints.models import Checkpoint
from fengsui.stores.history.models import Segment

MINUTES = 60
SLOWEST = 8
KEEP_S = 10.0
OUTCOMES = ("received", "stored", "duplicate", "quarantined")
T = TypeVar("T")

MINUTE_SUMS = """
SELECT boundary, date_trunc('minute', minute), sum(received)::bigint, sum(stored)::bigint, sum(duplicate)::bigint,
       sum(quarantined)::bigint
FROM ledger_line WHERE minute >= %s AND minute <= %s GROUP BY 1, 2
"""
OLDEST = """
SELECT s.id, extract(epoch FROM %(now)s - coalesce(t.last_observed_at, t.last_received_at)) * 1000
             / greatest(p.period_ms, 5000)
FROM devices_site s JOIN devices_sitestatus t ON t.site_id = s.id JOIN portal_siteperiod p ON p.site_id = s.id
WHERE s.is_active AND s.id = ANY (%(sites)s)
ORDER BY 2 DESC NULLS LAST LIMIT %(most)s
"""


@dataclass(slots=True)
class Minutes:
    """The last hour by minute, oldest first: readings by boundary and outcome."""

    at: list[datetime]
    counts: dict[str, dict[str, list[int]]]

    def sums(self) -> list[dict[str, Any]]:
        """One row a boundary: its sums, and by how many readings it does not add up."""
        out = []
        for boundary in BOUNDARIES:
            row: dict[str, Any] = {o: sum(self.counts[boundary][o]) for o in OUTCOMES}
            row["boundary"] = boundary
            row["gap"] = row["received"] - row["stored"] - row["duplicate"] - row["quarantined"]
            out.append(row)
        for before, after in pairwise(out):
            after["lost"] = before["stored"] - after["received"]
        return out


@dataclass(slots=True)
class Resting:
    """What rests where, in bytes; None where nobody answered."""

    disk_free: int
    disk_size: int
    bus: int | None = None
    bus_limit: int | None = None
    bus_messages: int | None = None
    database: int = 0
    history: int = 0
    readings: int = 0
    checkpoint_at: datetime | None = None
    state_behind: int = 0

    @property
    def bytes_each(self) -> float | None:
        return self.history / self.readings if self.readings else None


@dataclass(slots=True)
class Slow:
    """Sites that deserve a look, each with a number, worst first."""

    oldest: list[tuple[Site, float]] = field(default_factory=list)  # age in periods
    late: list[tuple[Site, int]] = field(default_factory=list)  # refused as too late, 24 h
    held: list[tuple[Site, int]] = field(default_factory=list)  # held for any reason, 24 h


def last_hour(now: datetime) -> Minutes:
    """The ledger of all sources; the minute of ``now`` is not complete and left out."""

    def look() -> Minutes:
        end = now.replace(second=0, microsecond=0)
        at = [end - timedelta(minutes=MINUTES - n) for n in range(MINUTES)]
        place = {minute: n for n, minute in enumerate(at)}
        counts = {b: {o: [0] * MINUTES for o in OUTCOMES} for b in BOUNDARIES}
        with connection.cursor() as cursor:
            cursor.execute(MINUTE_SUMS, [at[0], at[-1]])
            for boundary, minute, *numbers in cursor.fetchall():
                if (n := place.get(minute)) is not None and boundary in counts:
                    for outcome, number in zip(OUTCOMES, numbers, strict=True):
                        counts[boundary][outcome][n] = number
        return Minutes(at, counts)

    return _kept("last_hour", look)


def resting() -> Resting:
    """Disk, bus, database and history now."""
    return _kept("resting", _resting)


def _resting() -> Resting:
    disk = shutil.disk_usage(settings.MEDIA_ROOT.parent)
    out = Resting(disk.free, disk.total)
    try:
        info = json.loads(hub().ask(f"$JS.API.STREAM.INFO.{READINGS}", b"", 1.0))
        out.bus, out.bus_messages = info["state"]["bytes"], info["state"]["messages"]
        out.bus_limit = info["config"]["max_bytes"] if info["config"]["max_bytes"] > 0 else None
    except (NotConnected, ValueError, KeyError):
        pass  # shown as a dash
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        out.database = cursor.fetchone()[0]
    sums = Segment.objects.aggregate(size=Sum("bytes"), readings=Sum("rows"))
    out.history, out.readings = sums["size"] or 0, sums["readings"] or 0
    checkpoint = Checkpoint.objects.order_by("committed_at").first()  # of the slowest partition
    if checkpoint is not None:
        out.checkpoint_at = checkpoint.committed_at
        out.state_behind = checkpoint.stream_seq - checkpoint.state_seq
    return out


def slow_sites(user: Any, now: datetime) -> Slow:
    """The slowest of the sites that ``user`` sees."""
    return _kept(f"slow:{user.pk}", lambda: _slow_sites(user, now))


def _slow_sites(user: Any, now: datetime) -> Slow:
    seen = sites_of(user)
    out = Slow()
    with connection.cursor() as cursor:
        ids = list(seen.values_list("pk", flat=True))
        cursor.execute(OLDEST, {"now": now, "sites": ids, "most": SLOWEST})
        oldest = [(pk, float(age)) for pk, age in cursor.fetchall() if age is not None and age > 2]
    held = Held.objects.filter(received_at__gte=now - timedelta(days=1), site_id__in=seen.values("pk"))
    held = held.visible_to(user) if not user.is_superuser else held
    late, every = _most(held.filter(reason=Reason.TOO_LATE)), _most(held)
    found = Site.objects.in_bulk({pk for pk, _ in (*oldest, *late, *every)})
    out.oldest = [(found[pk], age) for pk, age in oldest if pk in found]
    out.late = [(found[pk], n) for pk, n in late if pk in found]
    out.held = [(found[pk], n) for pk, n in every if pk in found]
    return out


def _most(rows: Any) -> list[tuple[int, int]]:
    counted = rows.order_by().values("site_id").annotate(n=Count("pk")).order_by("-n", "site_id")
    return [(row["site_id"], row["n"]) for row in counted[:SLOWEST]]


_seen: dict[str, tuple[float, Any]] = {}


def _kept(name: str, look: Callable[[], T]) -> T:
    """What ``look`` found at most KEEP_S ago."""
    known = _seen.get(name)
    if known is not None and time.monotonic() - known[0] < KEEP_S:
        found: T = known[1]
        return found
    if len(_seen) > 500:
        _seen.clear()
    found = look()
    _seen[name] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Look again at the next question."""
    _seen.clear()
