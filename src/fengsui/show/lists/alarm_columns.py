"""Alarms as columns: what a scorecard reads, by the database's binary COPY instead of an object a row.

Every column is an eight-byte number, so that a million rows are one array; an instant that is not there is ``NEVER``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from fengsui.warn.alarms.models import ALARM_KINDS, Alarm
from fengsui.warn.engine import NEVER

HEAD, TAIL = 19, 2  # bytes of a binary COPY before the first row and after the last
EPOCH_MS = 946_684_800_000  # PostgreSQL counts microseconds from 2000-01-01
OF_RULE = 100
KIND = (
    f"(array_position(ARRAY[{', '.join(repr(k) for k, _ in ALARM_KINDS)}], a.kind::text) - 1)"  # its number
)
INFINITY = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n alarms; ids and ms UTC (int64).  ``rule`` below 0: there is none, it is the datastream's and kind's."""

    id: np.ndarray
    rule: np.ndarray
    raised_ms: np.ndarray
    cleared_ms: np.ndarray
    acked_ms: np.ndarray
    priority: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: np.ndarray) -> "Columns":
        """The rows at ``which``."""
        return Columns(*(getattr(self, name)[which] for name in self.__slots__))


def read(alarms: QuerySet[Alarm], group: str) -> Columns:
    """``alarms`` as columns; ``group`` is an SQL expression over the table of alarms that gives a bigint."""
    try:
        inner, given = alarms.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:  # a filter that nothing can pass
        return Columns(*[np.zeros(0, np.int64)] * 7)
    table = Alarm._meta.db_table
    statement = f"""
        SELECT a.id, coalesce(a.rule_id::bigint, -(a.datastream_id::bigint * {OF_RULE} + {KIND})), a.raised_at,
            coalesce(a.cleared_at, 'infinity'), coalesce(a.acked_at, 'infinity'), a.priority::bigint, ({group})::bigint
        FROM {table} a WHERE a.id IN ({inner})"""  # noqa: S608 - our own fragments; values are parameters
    if (where := _plain(inner, table)) is not None:
        statement = statement.replace(f"a.id IN ({inner})", where)
    pk, rule, raised, cleared, acked, priority, own = copied(statement, given, 7)
    return Columns(pk, rule, _ms(raised), _ms(cleared), _ms(acked), priority, own)


def copied(statement: str, given: Any, count: int) -> list[np.ndarray]:
    """The ``count`` columns of a SELECT of numbers and instants of eight bytes, none NULL."""
    parts: list[bytes] = []
    connection.ensure_connection()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)", given) as out,
    ):
        parts.extend(bytes(part) for part in out)
    data = b"".join(parts)
    fields = [("n", ">i2")]
    for i in range(count):
        fields += [(f"l{i}", ">i4"), (f"v{i}", ">i8")]
    rows = np.frombuffer(data[HEAD : len(data) - TAIL], np.dtype(fields))
    return [rows[f"v{i}"].astype(np.int64) for i in range(count)]


def _plain(inner: str, table: str) -> str | None:
    """The condition of a SELECT over this table alone, said of ``a``; None where other tables are joined."""
    head = f'SELECT "{table}"."id" AS "pk" FROM "{table}"'  # noqa: S608 - compared, not run
    if not inner.startswith(head) or " JOIN " in inner:
        return None
    rest = inner[len(head) :].strip()
    if not rest:
        return "true"
    if not rest.startswith("WHERE ") or "SELECT" in rest:
        return None
    return rest.removeprefix("WHERE ").replace(f'"{table}".', "a.")


def _ms(column: np.ndarray) -> np.ndarray:
    ms: np.ndarray = column // 1000 + EPOCH_MS
    return np.where(column == INFINITY, NEVER, ms)
