"""What the engine said, made into rows: in bulk, and any number of times with the same result."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from fengsui.stores import outbox
from fengsui.warn.alarms import folding, statements, storms
from fengsui.warn.alarms.life import live_payloads
from fengsui.warn.engine import CLEARED, NEVER, RAISED, Events

TRIES = 3  # people and the worker lock the same rows in other orders; the database then lets one of us start again


class EventRow(NamedTuple):
    """One event of the engine; None where there is no value or time.  Times in ms UTC.

    ``cause`` is JSON: what a scenario rule saw when it was raised.
    """

    rule_id: int
    what: int  # engine.RAISED or engine.CLEARED
    time_ms: int
    value: float | None
    started_ms: int
    peak_value: float | None
    peak_ms: int | None
    received_ms: int | None = None
    cause: str | None = None


def event_rows(events: Events, received_ms: np.ndarray | None = None) -> list[EventRow]:
    """Engine events as rows.  ``received_ms`` (int64, by row of the stepped batch) says when a reading
    reached us.
    """
    rows = events.row.tolist()
    received = [None if received_ms is None or row < 0 else int(received_ms[row]) for row in rows]
    return [
        EventRow(
            rule_id, what, t, _number(value), started, _number(peak), None if at == NEVER else at, reached
        )
        for rule_id, what, t, value, started, peak, at, reached in zip(
            events.rule_id.tolist(),
            events.what.tolist(),
            events.time_ms.tolist(),
            events.value.tolist(),
            events.started_ms.tolist(),
            events.peak_value.tolist(),
            events.peak_ms.tolist(),
            received,
            strict=True,
        )
    ]


def key_of(rule_id: int, started_ms: int) -> str:
    """The key of an episode: the same readings give the same key, always."""
    return f"{rule_id}:{started_ms}"


def record_events(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """Raise and clear in one transaction; returns a LIVE payload for each thing that really changed.

    Idempotent: an episode that exists is not raised again, one that is cleared not cleared again.  At most
    one episode of a rule is active: an older one that was left open (its end was lost with a checkpoint) ends
    where the new one begins.  Shelved, suppressed and folded alarms are recorded without "alarm.raised": that
    event means that people are told. Events of rules that no longer exist are passed over.
    """
    for _ in range(TRIES):
        try:
            return _record(events)
        except OperationalError as error:
            if connection.in_atomic_block or not isinstance(error.__cause__, DeadlockDetected):
                raise
    return _record(events)


@transaction.atomic
def _record(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statements.RULES, [list({e.rule_id for e in events})])
        rules = {rule: (shadow, thing) for rule, shadow, thing in cursor.fetchall()}
        events = _without_shadows(cursor, events, {rule for rule, (shadow, _) in rules.items() if shadow})
        things = {rules[e.rule_id][1] for e in events if e.rule_id in rules}
        known, parts = folding.lock(cursor, things)
        raised = [e for e in events if e.what == RAISED]
        cleared = [e for e in events if e.what == CLEARED]
        new: list[tuple[Any, ...]] = []
        if raised:
            cursor.execute(statements.RAISE, _columns(raised))
            new = cursor.fetchall()
        ids = [row[0] for row in new]
        _deeds(cursor, "raised", ids)
        over: list[tuple[Any, ...]] = []
        ended = {key_of(e.rule_id, e.started_ms) for e in cleared}
        told = live_payloads([pk for pk, key, _ in new if key in ended], "raised")  # before it is over
        if cleared:
            cursor.execute(statements.CLEAR, _columns(cleared))
            over = cursor.fetchall()
            _deeds(cursor, "cleared", [pk for pk, _ in over])
        if new:
            cursor.execute(statements.END_OLDER, [ids])
            left = cursor.fetchall()
            _deeds(
                cursor,
                "cleared",
                [pk for pk, _ in left],
                "its end was not seen; a later episode began",
            )
            over += left
        folded: set[int] = set()
        if new or over:
            since = min(e.started_ms for e in events)
            folded, _ = folding.refold(cursor, known, parts, folding.now(), since, ids, things)
        if new:
            outbox.add_many(
                "alarm.raised",
                [_about(pk, key) for pk, key, announced in new if announced and pk not in folded],
            )
            told += live_payloads([pk for pk, key, _ in new if key not in ended], "raised")
            storms.follow(cursor, ids)
        return sorted(told, key=lambda payload: payload["id"]) + _over(over)


@transaction.atomic
def record_peaks(standing: Sequence[EventRow]) -> int:
    """Bring the peaks of active alarms up to date (rows of ``State.standing``); returns how many changed."""
    if not standing:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(statements.PEAKS, _columns(standing))
        return int(cursor.rowcount)


@transaction.atomic
def reconcile(
    standing: Sequence[EventRow], partition: int, partitions: int, at_ms: int
) -> list[dict[str, Any]]:
    """Make the rows of a partition agree with its engine, once it has caught up after a start; returns
    payloads.

    Episodes that the engine holds and the table lacks are raised.  Episodes that the table holds open and the
    engine does not know (the rule changed between a checkpoint and a crash, the state was lost) are cleared
    at ``at_ms``.
    """
    payloads = record_events(standing)
    with connection.cursor() as cursor:
        keys = [key_of(e.rule_id, e.started_ms) for e in standing]
        cursor.execute(statements.END_UNKNOWN, [at_ms, partitions, partition, keys])
        over = cursor.fetchall()
        cursor.execute(statements.END_UNKNOWN_SHADOW, [at_ms, partitions, partition, keys])
        _deeds(cursor, "cleared", [pk for pk, _ in over], "no longer watched")
    return payloads + _over(over)


def _without_shadows(cursor: Any, events: Sequence[EventRow], shadows: set[int]) -> list[EventRow]:
    """The events of rules in force; those of rules in shadow are recorded apart, here."""
    if not shadows:
        return list(events)
    mine = [e for e in events if e.rule_id in shadows]
    if raised := [e for e in mine if e.what == RAISED]:
        cursor.execute(statements.RAISE_SHADOW, _columns(raised))
        new = [row[0] for row in cursor.fetchall()]
    if cleared := [e for e in mine if e.what == CLEARED]:
        cursor.execute(statements.CLEAR_SHADOW, _columns(cleared))
    if raised:
        cursor.execute(statements.END_OLDER_SHADOW, [new])
    return [e for e in events if e.rule_id not in shadows]


def _over(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    if not rows:
        return []
    outbox.add_many("alarm.cleared", [_about(pk, key) for pk, key in rows])
    return live_payloads([pk for pk, _ in rows], "cleared")


def _about(pk: int, key: str) -> dict[str, Any]:
    return {"alarm_id": pk, "key": key}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _columns(events: Sequence[EventRow]) -> list[list[Any]]:
    by_field = dict(zip(EventRow._fields, zip(*events, strict=True), strict=True))
    wanted = ("rule_id", "time_ms", "value", "started_ms", "peak_value", "peak_ms", "received_ms", "cause")
    return [list(by_field[name]) for name in wanted]


def _deeds(cursor: Any, what: str, ids: Iterable[int], note: str = "") -> None:
    listed = list(ids)
    if listed:
        cursor.execute(statements.DEEDS[what], [note, listed])
