"""Alarms as columns: what figures over many of them read, by the database's binary COPY instead of an object a row.

COPY gives every column as an eight-byte number, so that a million rows are one array; an instant that is not there is
``NEVER``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from django.db import connection

from fengsui.warn.alarms.models import ALARM_KINDS
from fengsui.warn.alarms.verdicts import LOOP, VERDICT
from fengsui.warn.engine import NEVER

HEAD, TAIL = 19, 2  # bytes of a binary COPY before the first row and after the last
EPOCH_MS = 946_684_800_000  # PostgreSQL counts microseconds from 2000-01-01
INFINITY = np.iinfo(np.int64).max
OF_DATASTREAM = 100  # more than there are kinds
KIND = (
    f"(array_position(ARRAY[{', '.join(repr(k) for k, _ in ALARM_KINDS)}], a.kind::text) - 1)"  # its number
)
TYPES = {
    "id": np.int64, "rule": np.int64, "raised_ms": np.int64, "cleared_ms": np.int64, "acked_ms": np.int64,
    "site": np.int32, "kind": np.uint8, "priority": np.uint8, "verdict": np.uint8,
}  # fmt: skip
SELECT = f"""
    SELECT a.id, coalesce(a.rule_id::bigint, -(a.datastream_id::bigint * {OF_DATASTREAM} + {KIND})), a.raised_at,
        coalesce(a.cleared_at, 'infinity'), coalesce(a.acked_at, 'infinity'), a.site_id::bigint, {KIND}::bigint,
        a.priority::bigint, ({VERDICT})::bigint
    FROM alarms_alarm a {LOOP} WHERE """  # noqa: S608 - our own fragments; values are parameters


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n alarms, of TYPES: ids, instants in ms UTC, ``kind`` as its place in ALARM_KINDS, ``verdict`` of ``verdicts``.

    ``rule`` below 0: there is none, it is the datastream's and kind's.
    """

    id: np.ndarray
    rule: np.ndarray
    raised_ms: np.ndarray
    cleared_ms: np.ndarray
    acked_ms: np.ndarray
    site: np.ndarray
    kind: np.ndarray
    priority: np.ndarray
    verdict: np.ndarray

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def of(cls, columns: Iterable[np.ndarray]) -> "Columns":
        """Of numbers of any type, in the order of TYPES."""
        return cls(*(c.astype(t, copy=False) for c, t in zip(columns, TYPES.values(), strict=True)))

    @classmethod
    def join(cls, parts: Sequence["Columns"]) -> "Columns":
        """One after the other."""
        if not parts:
            return cls.of([np.zeros(0, np.int64)] * len(TYPES))
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def take(self, which: np.ndarray | slice) -> "Columns":
        """The rows at ``which``."""
        return Columns(*(getattr(self, f.name)[which] for f in fields(self)))


def rows(where: str, given: Sequence[Any]) -> Columns:
    """The alarms for which the SQL condition ``where`` holds, which calls the table ``a``."""
    pk, rule, raised, cleared, acked, *others = copied(SELECT + where, given, len(TYPES))
    return Columns.of([pk, rule, _ms(raised), _ms(cleared), _ms(acked), *others])


def copied(statement: str, given: Sequence[Any], count: int) -> list[np.ndarray]:
    """The ``count`` columns of a SELECT of numbers and instants of eight bytes, none NULL."""
    connection.ensure_connection()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)", given) as out,
    ):
        data = b"".join(bytes(part) for part in out)
    layout: list[tuple[str, str]] = [("n", ">i2")]
    for i in range(count):
        layout += [(f"l{i}", ">i4"), (f"v{i}", ">i8")]
    found = np.frombuffer(data[HEAD : len(data) - TAIL], np.dtype(layout))
    return [found[f"v{i}"].astype(np.int64) for i in range(count)]


def _ms(column: np.ndarray) -> np.ndarray:
    ms: np.ndarray = column // 1000 + EPOCH_MS
    return np.where(column == INFINITY, NEVER, ms)
