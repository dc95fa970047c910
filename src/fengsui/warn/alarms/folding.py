"""Folding as rows: decided in the transaction that records episodes, and again when time or relations change it.

What is written is a function of the alarms of a connected part of the relations and the time (decision 0052), so it
does not matter who records what first.  One transaction at a time decides about a part: it holds the part's advisory
lock, taken before it touches a row, and reads after that.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from fengsui.stores import clock, outbox
from fengsui.warn.alarms import statements
from fengsui.warn.alarms.topology import Known, known
from fengsui.warn.folding import Episode, Fold, fold

LOCKS, BUCKETS = 53, 1024  # the class of our advisory locks, and how many there are: parts share them
FOLLOWED = "relations folded"  # in stores.changes: what the standing alarms were folded with


class Row(NamedTuple):
    """An episode of a part, and how it is folded now."""

    id: int
    key: str
    asset: int
    kind: str
    property: str
    priority: int
    raised_ms: int
    cleared_ms: int | None
    path: str
    is_quiet: bool
    parent_id: int | None
    cause_id: int | None
    rule: str
    refold_ms: int | None
    is_announced: bool


def lock(cursor: Any, things: Iterable[int]) -> tuple[Known, list[int]]:
    """Wait until nobody else decides about the parts that ``things`` lie in; (what is in force, the parts).

    To be called before any row of an alarm is written: whoever waits here must hold nothing that others want.
    """
    now = known(cursor)
    if not len(now.topology):
        return now, []
    found = sorted({now.topology.part_of(2 * t) for t in things if 2 * t in now.topology})
    if found:
        buckets = sorted({part % BUCKETS for part in found})
        cursor.execute("SELECT pg_advisory_xact_lock(%s, b) FROM unnest(%s::int[]) b", [LOCKS, buckets])
        now = known(
            cursor
        )  # relations may have changed while we waited; the next look at them sees to the rest
    return now, found


def refold(
    cursor: Any,
    now: Known,
    parts: Sequence[int],
    at: datetime,
    since_ms: int,
    fresh: Sequence[int] = (),
    touched: Iterable[int] | None = None,
) -> tuple[set[int], int]:
    """Decide anew about every alarm of ``parts`` (locked) that may be touched by what happened from ``since_ms`` on.

    ``touched``: the things where something happened, when it is known.  If nothing is downstream of them, only their
    own alarms can have changed, and only what is upstream can explain them: then nothing else is read.
    Returns which of ``fresh`` (just raised) are folded, and for how many alarms it is otherwise than before.  What
    changed for others than ``fresh`` is told by the outbox.
    """
    if not parts:
        return set(), 0
    at_ms = _ms(at)
    since_ms = min(since_ms, at_ms) - now.reach_ms
    own = None if touched is None else {2 * t for t in touched if 2 * t in now.topology}
    if own is None or any(now.topology.explains(asset) for asset in own):
        own = None
        assets = {a for found in now.topology.parts(parts).values() for a in found}
    else:
        assets = now.topology.upwards(own)
    things = sorted(a // 2 for a in assets if a % 2 == 0)
    read_from = _at(since_ms - now.reach_ms)
    cursor.execute(statements.PART, [at, things, at, read_from, things])
    rows = [Row(*row) for row in cursor.fetchall()]
    if len(rows) < 2 and not any(row.parent_id or row.refold_ms for row in rows):
        return set(), 0
    by_key = {row.key: row for row in rows}
    episodes = [
        Episode(r.key, r.asset, r.kind, r.property, r.priority, r.raised_ms, r.cleared_ms, r.path, r.is_quiet)
        for r in rows
    ]
    found = fold(episodes, now.topology, now.rules, at_ms)
    mine = rows if own is None else [row for row in rows if row.asset in own]
    open_still = [row for row in mine if row.cleared_ms is None or row.cleared_ms >= since_ms]
    changed = [row for row in open_still if _is_other(row, found.get(row.key), by_key)]
    _write(cursor, now, changed, found, by_key, at)
    _look_again(cursor, now, rows, found, by_key, whole=own is None)
    young = set(fresh)
    _tell(cursor, [row for row in changed if row.id not in young], found, by_key, at)
    return {row.id for row in rows if row.id in young and row.key in found}, len(changed)


def settle(at: datetime) -> int:
    """What time and people did to the folding; the worker calls it every few seconds.  Returns how many changed."""
    return _follow_relations(at) + _look(at)


@transaction.atomic
def _follow_relations(at: datetime) -> int:
    """Relations or rules of folding are others: everything that is active is decided about anew."""
    with connection.cursor() as cursor:
        cursor.execute(statements.MOVED, [FOLLOWED])
        moved, followed = cursor.fetchone()
        if moved == followed:
            return 0
        cursor.execute(statements.FOLLOW, [FOLLOWED, moved])
        cursor.execute(statements.ACTIVE_THINGS)
        things = [row[0] for row in cursor.fetchall()]
        now, parts = lock(cursor, things)
        _, changed = refold(cursor, now, parts, at, _ms(at))
        alone = [t for t in things if 2 * t not in now.topology]
        cursor.execute(statements.FOLDED_OF, [alone])
        rows = [Row(*row) for row in cursor.fetchall()]
        _write(cursor, now, rows, {}, {}, at)
        _tell(cursor, rows, {}, {}, at)
        return changed + len(rows)


@transaction.atomic
def _look(at: datetime) -> int:
    """Causes that cleared long enough ago, and what else asked to be looked at again."""
    with connection.cursor() as cursor:
        cursor.execute(statements.DUE, [at])
        due = cursor.fetchall()
        if not due:
            return 0
        now, parts = lock(cursor, {thing for _pk, thing, _raised in due})
        cursor.execute(statements.LOOKED_AT, [[pk for pk, _thing, _raised in due], at])
        return refold(cursor, now, parts, at, _ms(at))[1]


def _is_other(row: Row, found: Fold | None, by_key: dict[str, Row]) -> bool:
    if found is None:
        return row.parent_id is not None
    return (row.parent_id, row.cause_id, row.rule) != (
        by_key[found.parent].id,
        by_key[found.cause].id,
        found.rule,
    )


def _write(
    cursor: Any, now: Known, rows: list[Row], found: dict[str, Fold], by_key: dict[str, Row], at: datetime
) -> None:
    if not rows:
        return
    relations = {rule.code: rule.relation for rule in now.rules}
    columns: list[list[Any]] = [[], [], [], [], [], [], []]
    parents: set[int] = set()
    for row in sorted(rows, key=lambda row: row.id):
        one = found.get(row.key)
        new: tuple[Any, ...] = (None, None, "", "", None, None)
        if one is not None:
            parent, cause = by_key[one.parent].id, by_key[one.cause].id
            new = (parent, cause, one.rule, relations.get(one.rule, ""), one.hops, one.lag_ms)
        for column, value in zip(columns, (row.id, *new), strict=True):
            column.append(value)
        parents |= {pk for pk in (row.parent_id, new[0]) if pk is not None}
    cursor.execute(statements.FOLD, [at, at, *columns])
    cursor.execute(statements.COUNT, [sorted(parents)])
    counted = [{"alarm_id": pk, "key": key} for pk, key in cursor.fetchall()]
    outbox.add_many("alarm.counted", counted)


def _look_again(
    cursor: Any, now: Known, rows: list[Row], found: dict[str, Fold], by_key: dict[str, Row], whole: bool
) -> None:
    """A cause that is over explains what still stands for a while only: then we look again.

    ``whole``: every effect of these causes is among ``rows``; else what is to be looked at sooner stays.
    """
    linger = {rule.code: rule.linger_ms for rule in now.rules}
    wanted: dict[int, int] = defaultdict(lambda: 1 << 62)
    for row in rows:
        one = found.get(row.key)
        if one is None or row.cleared_ms is not None:
            continue
        cause = by_key[one.cause]
        if cause.cleared_ms is not None:
            wanted[cause.id] = min(wanted[cause.id], cause.cleared_ms + linger[one.rule] + 1)
    if not whole:
        sooner = {row.id: row.refold_ms for row in rows if row.refold_ms is not None}
        wanted.update({pk: min(ms, wanted.get(pk, ms)) for pk, ms in sooner.items()})
    other = [(row.id, wanted.get(row.id)) for row in rows if row.refold_ms != wanted.get(row.id)]
    if other:
        cursor.execute(statements.LOOK_AGAIN, [[pk for pk, _ in other], [ms for _, ms in other]])


def _tell(cursor: Any, rows: list[Row], found: dict[str, Fold], by_key: dict[str, Row], at: datetime) -> None:
    """Keep with each alarm that it was folded or comes back, tell screens, and people of what comes back."""
    into = [row for row in rows if row.key in found]
    out = [row for row in rows if row.key not in found]
    for what, some in (("folded", into), ("unfolded", out)):
        if some:
            notes = [
                f"{found[row.key].rule}: {found[row.key].cause}" if row.key in found else "" for row in some
            ]
            cursor.execute(statements.DEEDS_NOTED, [at, what, [row.id for row in some], notes])
            outbox.add_many(f"alarm.{what}", [_about(row) for row in some])
    back = [row for row in out if row.cleared_ms is None and row.is_announced]
    outbox.add_many("alarm.raised", [_about(row) for row in back])


def _about(row: Row) -> dict[str, Any]:
    return {"alarm_id": row.id, "key": row.key}


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def now() -> datetime:
    """The platform's time."""
    return clock.now()
