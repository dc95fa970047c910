"""The alarms of a long span as columns within a fraction of a second: finished days are kept packed beside their rows.

A packed day is a copy: the bytes of the columns of every alarm that was raised on it (UTC), which the database hands
over as one value instead of row by row.  It is never trusted alone.  The database notes which alarms of a packed day
changed, with the change itself (``PackedTouch``); those, and days that are not packed, are read from their rows.  So
what is read is what the rows say, whether ``pack`` ran a moment ago, long ago or never.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
from django.db import connection, transaction
from psycopg import Cursor

from fengsui.warn.alarms.columns import TYPES, Columns, rows
from fengsui.warn.alarms.models import Alarm, PackedDay, PackedTouch
from fengsui.warn.engine import NEVER

DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)
LOCKS = 0x5044  # class of the advisory locks of days: who changes an alarm shares its day's, who packs has it alone
KEPT_DAYS = 800  # packed; older ones are read from rows
FEW = 50  # sites: so few are read from rows, by their index
NOTHING = np.zeros(0, np.int64)
LONGER = "(a.cleared_at IS NULL OR a.cleared_at - a.raised_at > interval '1 day')"  # as the index alarm_long


def stood(from_ms: int, to_ms: int, sites: np.ndarray | None = None) -> Columns:
    """The alarms raised before ``to_ms`` and not over before ``from_ms``; of ``sites`` (ids), None: of all."""
    begin, end = _at(from_ms), _at(to_ms)
    if sites is not None and len(sites) <= FEW:
        where = "a.site_id = ANY(%s) AND a.raised_at < %s AND (a.cleared_at IS NULL OR a.cleared_at >= %s)"
        return rows(where, [sites.tolist(), end, begin])
    first, last = (
        from_ms // DAY_MS - 1,
        -(-to_ms // DAY_MS),
    )  # a day more: what is older stood longer than one
    touched = _touched(first, last)  # before the days: who packs in between takes them away
    packed, parts, changed = [], [], []
    for day, part in _packed(first, last):
        packed.append(day)
        gone = touched.get(day, NOTHING)
        parts.append(_without(part, gone))
        changed.extend(gone.tolist())
    for low, high in _runs(sorted(set(range(first, last)) - set(packed))):
        given = [_at(low * DAY_MS), min(_at(high * DAY_MS), end)]
        parts.append(rows("a.raised_at >= %s AND a.raised_at < %s", given))
    if changed:
        now = rows("a.id = ANY(%s)", [changed])
        parts.append(now.take(np.isin(now.raised_ms // DAY_MS, packed)))
    older = f"{LONGER} AND a.raised_at < %s AND (a.cleared_at IS NULL OR a.cleared_at >= %s)"
    parts.append(rows(older, [_at(first * DAY_MS), begin]))
    seen = None
    if sites is not None:
        seen = np.zeros(max([int(sites.max()), *(int(p.site.max(initial=0)) for p in parts)]) + 1, bool)
        seen[sites] = True
    return Columns.join([_cut(part, from_ms, to_ms, seen) for part in parts])


def pack(now: datetime) -> int:
    """Pack the finished days that are not, or of which something changed; return how many.  For a job.

    A day that somebody is changing is left to the next time.
    """
    oldest = Alarm.objects.order_by("raised_at").values_list("raised_at", flat=True).first()
    today = now.astimezone(UTC).date()
    if oldest is None:
        return 0
    begin = max(oldest.astimezone(UTC).date(), today - timedelta(days=KEPT_DAYS))
    PackedDay.objects.filter(day__lt=begin).delete()
    done = set(PackedDay.objects.values_list("day", flat=True))
    done -= set(PackedTouch.objects.order_by().values_list("day", flat=True).distinct())
    days = [today - timedelta(days=n) for n in range(1, (today - begin).days + 1)]
    return sum(_pack(day) for day in days if day not in done)


@transaction.atomic
def _pack(day: date) -> bool:
    number = (day - EPOCH).days
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCKS, number])
        if not cursor.fetchone()[0]:
            return False
    low, high = _at(number * DAY_MS), _at((number + 1) * DAY_MS)
    found = rows("a.raised_at >= %s AND a.raised_at < %s", [low, high])
    found = found.take(np.argsort(found.id))
    data = b"".join(getattr(found, name).tobytes() for name in TYPES)
    PackedDay.objects.bulk_create(
        [PackedDay(day=day, alarms=len(found), data=data)],
        update_conflicts=True, update_fields=["alarms", "data"], unique_fields=["day"],
    )  # fmt: skip
    PackedTouch.objects.filter(day=day).delete()
    return True


def _touched(first: int, last: int) -> dict[int, np.ndarray]:
    """The alarms that changed since they were packed, by day."""
    found = defaultdict(set)
    touches = PackedTouch.objects.filter(day__gte=_day(first), day__lt=_day(last))
    for day, pk in touches.values_list("day", "alarm_id").iterator():
        found[(day - EPOCH).days].add(pk)
    return {day: np.array(sorted(pks), np.int64) for day, pks in found.items()}


def _packed(first: int, last: int) -> Iterator[tuple[int, Columns]]:
    """The packed days, sorted by id each."""
    connection.ensure_connection()
    statement = "SELECT day, alarms, data FROM alarms_packedday WHERE day >= %s AND day < %s ORDER BY day"
    with Cursor(connection.connection) as cursor:  # Django's own reads bytes as text, twice as many
        for day, n, data in cursor.execute(statement, [_day(first), _day(last)], binary=True):
            columns, at = [], 0
            for kind in TYPES.values():
                columns.append(np.frombuffer(data, kind, n, at))
                at += columns[-1].nbytes
            yield (day - EPOCH).days, Columns(*columns)


def _without(part: Columns, gone: np.ndarray) -> Columns:
    """``part``, sorted by id, less those with the ids ``gone``."""
    if not len(gone) or not len(part):
        return part
    place = np.minimum(np.searchsorted(part.id, gone), len(part) - 1)
    kept = np.ones(len(part), bool)
    kept[place[part.id[place] == gone]] = False
    return part.take(kept)


def _cut(part: Columns, from_ms: int, to_ms: int, seen: np.ndarray | None) -> Columns:
    kept = (part.raised_ms < to_ms) & ((part.cleared_ms >= from_ms) | (part.cleared_ms == NEVER))
    if seen is not None:
        kept &= seen[part.site]
    return part if kept.all() else part.take(kept)


def _runs(days: list[int]) -> Iterator[tuple[int, int]]:
    """Stretches [low, high) of days in a row."""
    for i, day in enumerate(days):
        if i == 0 or days[i - 1] != day - 1:
            low = day
        if i + 1 == len(days) or days[i + 1] != day + 1:
            yield low, day + 1


def _day(number: int) -> date:
    return EPOCH + timedelta(days=number)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
