"""The catalogue: which segments are true.  It lives in PostgreSQL, so that a segment becomes true with its epoch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection, transaction

from fengsui.stores.history import segments
from fengsui.stores.history.models import Segment, Tier
from fengsui.stores.history.segments import Written

log = structlog.get_logger()


class Replaced(Exception):
    """Somebody else changed the segments that a merge was about to replace; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Part:
    """What there is of the readings of one segment: absolute paths of readings and aggregates, "" where there is none.

    Without ``raw`` the readings were deleted by policy, and the aggregates are what is left.
    """

    raw: str
    minute: str
    hour: str
    first_ms: int
    last_ms: int

    def at(self, *kinds: str) -> str:
        """The first of ``kinds`` ("raw", "minute", "hour") that there is."""
        return next((kind for kind in kinds if getattr(self, kind)), "")


_PARTS = """
SELECT s.path, s.first_ms, s.last_ms, coalesce(m.path, ''), coalesce(h.path, '') FROM history_segment s
LEFT JOIN history_tier m ON m.segment_id = s.id AND m.kind = 'minute'
LEFT JOIN history_tier h ON h.segment_id = s.id AND h.kind = 'hour'
WHERE s.day BETWEEN %(low)s AND %(high)s AND s.first_ms < %(to)s AND s.last_ms >= %(from)s
UNION ALL
SELECT '', f.ms, f.ms + 86399999, f.minute, f.hour FROM (
    SELECT extract(epoch FROM day)::bigint * 1000 AS ms,
        coalesce(max(path) FILTER (WHERE kind = 'minute'), '') AS minute,
        coalesce(max(path) FILTER (WHERE kind = 'hour'), '') AS hour
    FROM history_tier WHERE segment_id IS NULL AND day BETWEEN %(low)s AND %(high)s
    GROUP BY day, substring(path FROM '[^/]+$')) f
ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The segments under ``folder``.

    ``is_ours`` is asked in each transaction that lists other files instead of listed ones.  The next owner of a
    partition deletes what is not listed (``recover``), so who has lost it must not list what it wrote before.
    """

    folder: Path
    is_ours: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)

    @classmethod
    def default(cls) -> "Catalogue":
        """The one of this installation."""
        return cls(Path(settings.HISTORY_ROOT))

    def between(self, from_ms: int, to_ms: int) -> list[str]:
        """Absolute paths of the segments that may hold a reading of [from_ms, to_ms), oldest first."""
        if from_ms >= to_ms:
            return []
        found = Segment.objects.filter(
            day__gte=_day(from_ms), day__lte=_day(to_ms - 1), first_ms__lt=to_ms, last_ms__gte=from_ms
        )
        return self.absolute(found.order_by("first_ms", "id").values_list("path", flat=True))

    def received_between(self, from_ms: int, to_ms: int) -> list[str]:
        """The same by the time of arrival."""
        found = Segment.objects.filter(first_received_ms__lt=to_ms, last_received_ms__gte=from_ms)
        return self.absolute(found.order_by("first_ms", "id").values_list("path", flat=True))

    def absolute(self, paths: Iterable[str]) -> list[str]:
        """The paths as a reader outside this folder needs them."""
        return [str(self.folder / path) for path in paths]

    def parts(self, from_ms: int, to_ms: int) -> list[Part]:
        """What there is of [from_ms, to_ms), oldest first: of one instant, so that nothing is in two parts."""
        if from_ms >= to_ms:
            return []
        with connection.cursor() as cursor:
            given = {"low": _day(from_ms), "high": _day(to_ms - 1), "from": from_ms, "to": to_ms}
            cursor.execute(_PARTS, given)
            return [
                Part(self._at(raw), self._at(minute), self._at(hour), first_ms, last_ms)
                for raw, first_ms, last_ms, minute, hour in cursor.fetchall()
            ]

    def _at(self, path: str) -> str:
        return str(self.folder / path) if path else ""

    def add(self, written: Sequence[Written]) -> None:
        """List new segments; belongs into the transaction that makes their readings true."""
        made = Segment.objects.bulk_create(
            Segment(**{f.name: getattr(w, f.name) for f in fields(w) if f.name != "tiers"}) for w in written
        )
        Tier.objects.bulk_create(
            Tier(partition=w.partition, day=w.day, segment=segment, **asdict(tier))
            for w, segment in zip(written, made, strict=True)
            for tier in w.tiers
        )

    def swap(self, old: Sequence[Segment], new: Written) -> list[str]:
        """List ``new`` instead of ``old``, in one transaction; returns the paths that are listed no more.

        Raises Replaced.
        """
        with transaction.atomic():
            self.require_ours()
            beside = Tier.objects.filter(segment__in=[s.id for s in old])
            paths = [s.path for s in old] + list(beside.values_list("path", flat=True))
            beside.delete()
            _all, details = Segment.objects.filter(id__in=[s.id for s in old]).delete()
            gone = details.get("history.Segment", 0)
            if gone != len(old):
                raise Replaced(f"{len(old) - gone} of {len(old)} segments are not listed any more")
            self.add([new])
        return paths

    def require_ours(self) -> None:
        """In the transaction of a change.  Raises Replaced."""
        if not self.is_ours():
            raise Replaced("the partition belongs to another pipeline now")

    def recover(self, partition: int) -> int:
        """Delete the files of ``partition`` that are not listed: left by a crash or replaced by a merge.

        Only its owner may call this, before it writes.  Returns how many were deleted.
        """
        listed = set(Segment.objects.filter(partition=partition).values_list("path", flat=True))
        listed |= set(Tier.objects.filter(partition=partition).values_list("path", flat=True))
        count = 0
        for pattern in (f"p{partition:04d}-*.parquet", f".p{partition:04d}-*.draft"):
            for file in self.folder.glob(f"*/date=*/{pattern}"):
                if str(file.relative_to(self.folder)) not in listed:
                    segments.remove(self.folder, [str(file.relative_to(self.folder))])
                    count += 1
        if count:
            log.info("history.recovered", partition=partition, files=count)
        return count


def _day(ms: int) -> date:
    return datetime.fromtimestamp(min(max(ms, 0), 253_402_300_799_999) / 1000, UTC).date()
