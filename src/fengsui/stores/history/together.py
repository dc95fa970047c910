"""Readings of several datastreams at the same instant as one row: what a MultiDatastream's list of observations asks.

A group is named by a number and has its datastreams in order.  Conditions and order are SQL over ``gathered`` (its
number), ``time_ms``, ``moment``, ``v0``, ``v1`` … (values; null where there is none) and ``quality`` (the worst).
An instant is there as soon as one of the datastreams has a reading of it.  The rest is as in ``search``.
"""
# ruff: noqa: S608 - the fragments are our own

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.packing import VALUE_SQL
from fengsui.stores.history.queries import again_if_replaced, ask, measured, these
from fengsui.stores.history.recent import not_among, span_of, within
from fengsui.stores.history.rows import SCHEMA
from fengsui.stores.history.search import FEW, MOST, Asked, Question, TooMuch, affordable, bounded, windows

Groups = Mapping[int, tuple[int, ...]]
_COLUMNS = "datastream, time_ms, value, quality, reason"


@dataclass(frozen=True, slots=True)
class Together:
    """``asked``: as in ``search``, its ``ids`` all datastreams of ``groups``; its ``after`` is (time, group).

    ``of_readings`` is a condition on single readings, as in ``search``.
    """

    asked: Asked
    groups: Groups
    of_readings: str = ""

    @property
    def width(self) -> int:
        return max((len(members) for members in self.groups.values()), default=0)


def page(wanted: Together, limit: int, skip: int = 0, recent: pa.Table | None = None) -> pa.Table:
    """At most ``limit`` instants behind the first ``skip``, in order: gathered, time_ms, and v, q, r of each member.

    ``q0`` is null where the first member has no reading then.  Raises TooMuch.
    """
    asked, density = bounded(wanted.asked, recent)
    wanted, most = replace(wanted, asked=asked), limit + skip
    if asked.order:
        affordable(asked, density)
        return _look(wanted, recent, f"LIMIT {int(most)}").slice(skip)
    parts: list[pa.Table] = []
    found, seen = 0, 0.0
    for from_ms, to_ms in windows(asked, density):
        seen += density * (to_ms - from_ms)
        if seen > MOST and len(asked.ids) > FEW and found == 0 and not asked.after:
            raise TooMuch(
                "too many readings to look through: name a span of phenomenonTime, or MultiDatastreams"
            )
        span = replace(wanted, asked=replace(asked, from_ms=from_ms, to_ms=to_ms))
        parts.append(_look(span, recent, f"LIMIT {int(most - found)}"))
        found += len(parts[-1])
        if found >= most:
            break
    return pa.concat_tables(parts).slice(skip) if parts else _look(wanted, recent, "LIMIT 0")


def each(wanted: Together, limit: int, recent: pa.Table | None = None) -> pa.Table:
    """The first ``limit`` instants of every group by time, group after group."""
    asked, density = bounded(wanted.asked, recent)
    parts: list[pa.Table] = []
    missing = dict.fromkeys(wanted.groups, limit)
    seen = 0.0
    for from_ms, to_ms in windows(asked, density):
        seen += density * (to_ms - from_ms)
        if not missing or (parts and seen > MOST and len(asked.ids) > FEW):
            break
        groups = {pk: wanted.groups[pk] for pk in missing}
        ids = np.unique(np.array([one for members in groups.values() for one in members], np.int32))
        span = Together(replace(asked, ids=ids, from_ms=from_ms, to_ms=to_ms), groups, wanted.of_readings)
        part = _look(span, recent, "", each=limit)
        keep = []
        for row, pk in enumerate(part["gathered"].to_pylist()):
            if missing.get(pk, 0) > 0:
                keep.append(row)
                missing[pk] -= 1
        missing = {pk: left for pk, left in missing.items() if left > 0}
        parts.append(_widened(part.take(pa.array(keep, pa.int64())), wanted.width))
    found = pa.concat_tables(parts) if parts else _look(replace(wanted, asked=asked), recent, "LIMIT 0")
    return found.take(pa.array(np.argsort(found["gathered"].to_numpy(), kind="stable")))


def count(wanted: Together, recent: pa.Table | None = None) -> int:
    """How many instants there are, exactly.  Raises TooMuch."""
    asked, density = bounded(replace(wanted.asked, after=None, order=()), recent)
    affordable(asked, density)
    found = _look(replace(wanted, asked=asked), recent, "", counted=True)
    return int(found["n"][0].as_py())


def _widened(table: pa.Table, width: int) -> pa.Table:
    """The same with the columns of the widest group."""
    for i in range(width):
        if f"v{i}" not in table.column_names:
            for name, kind in ((f"v{i}", pa.float64()), (f"q{i}", pa.uint8()), (f"r{i}", pa.uint8())):
                table = table.append_column(name, pa.nulls(len(table), kind))
    return table


def _look(
    wanted: Together, recent: pa.Table | None, limit: str, *, each: int = 0, counted: bool = False
) -> pa.Table:
    asked = wanted.asked
    fresh = SCHEMA.empty_table()
    if recent is not None and asked.from_ms < asked.to_ms:
        fresh = within(recent, asked.ids, asked.from_ms, asked.to_ms)
        if len(fresh):
            fresh = not_among(fresh, measured(asked.ids, *span_of(fresh))).cast(SCHEMA)
    return again_if_replaced(partial(_ask, wanted, fresh.combine_chunks(), limit, each, counted))


def _ask(wanted: Together, fresh: pa.Table, limit: str, each: int, counted: bool) -> pa.Table:
    asked = wanted.asked
    files = Catalogue.default().between(asked.from_ms, asked.to_ms) if asked.from_ms < asked.to_ms else []
    plain = Question(replace(asked, where=wanted.of_readings, order=(), after=None), 0, False)
    given: dict[str, Any] = dict(plain.given)
    tables: dict[str, pa.Table] = {**plain.tables, "members": _members(wanted.groups), "held": fresh}
    sources = [f"SELECT {_COLUMNS} FROM ({plain.inner('value', 'held')}) WHERE {plain.where}"]
    if files and len(asked.ids):
        source, more, named = these(files, asked.ids, asked.from_ms, asked.to_ms)
        given, tables = given | more, tables | named
        sources.append(f"SELECT {_COLUMNS} FROM ({plain.inner(VALUE_SQL, source)}) WHERE {plain.where}")
    columns = ", ".join(
        f"max({of}) FILTER (WHERE place = {i}) AS {name}{i}"
        for i in range(wanted.width)
        for of, name in (("value", "v"), ("quality", "q"), ("reason", "r"))
    )
    conditions = [f"({asked.where})"] if asked.where else []
    if asked.after is not None and not asked.order:
        given |= {"after_ms": asked.after[0], "after_id": asked.after[1]}
        beyond = "<" if asked.falls else ">"
        conditions.append(f"(time_ms {beyond} $after_ms OR (time_ms = $after_ms AND gathered > $after_id))")
    way = "DESC" if asked.falls else "ASC"
    by = [f"{sql} {'DESC' if falls else 'ASC'} NULLS LAST" for sql, falls in asked.order]
    order = ", ".join([*by, f"time_ms {way}", "gathered"])
    if each:
        limit = f"QUALIFY row_number() OVER (PARTITION BY gathered ORDER BY time_ms {way}) <= {int(each)}"
        order = f"gathered, time_ms {way}"
    shown = ", ".join(f"v{i}, q{i}, r{i}" for i in range(wanted.width))
    body = f"""WITH readings AS ({" UNION ALL ".join(sources)}),
        rows AS (SELECT gathered, time_ms, make_timestamp(time_ms * 1000) AS moment, max(quality) AS quality
                 {", " + columns if columns else ""}
                 FROM readings JOIN members USING (datastream) GROUP BY gathered, time_ms)
        """
    condition = " AND ".join(conditions) or "true"
    if counted:
        sql = f"{body} SELECT count(*) AS n FROM rows WHERE {condition}"
    else:
        tail = f"{limit} ORDER BY {order}" if each else f"ORDER BY {order} {limit}"
        sql = f"{body} SELECT gathered, time_ms{', ' + shown if shown else ''} FROM rows WHERE {condition} {tail}"
    needed = {name: value for name, value in (dict(asked.given) | given).items() if f"${name}" in sql}
    return ask(sql, needed, **{name: table for name, table in tables.items() if name in sql})


def _members(groups: Groups) -> pa.Table:
    rows = [(pk, one, i) for pk, members in groups.items() for i, one in enumerate(members)]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        {
            name: pa.array(column, pa.int32())
            for name, column in zip(("gathered", "datastream", "place"), columns, strict=True)
        }
    )
