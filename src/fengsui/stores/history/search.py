"""Readings by condition, in an order, a page at a time, of many datastreams: what a list of observations asks.

Conditions and order are SQL over ``datastream``, ``time_ms``, ``moment`` (timestamp, UTC), ``value`` (null where there
is none), ``quality``, ``reason`` and ``received_ms``, with values as parameters.  Corrected readings are judged as
corrected.  A list by time is looked for in windows that begin small and double, so that the first page of a year costs
what the first page of a day does.
"""
# ruff: noqa: S608 - the fragments are our own

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from django.db.models import Max, Min, Sum

from fengsui.base.errors import BadInput
from fengsui.base.quality import Reason
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.corrections import Corrections
from fengsui.stores.history.models import Segment
from fengsui.stores.history.packing import VALUE_SQL
from fengsui.stores.history.queries import again_if_replaced, ask, measured, these
from fengsui.stores.history.recent import not_among, span_of, within
from fengsui.stores.history.rows import MS, SCHEMA

FEW = 64  # datastreams that are found in a segment without reading all of it
AT_ONCE = 4_000_000  # readings of the first window
MOST = 1_000_000_000  # readings looked through for one page of many datastreams
FOR_SPANS = 64_000_000  # the same for the first and last of each, which nobody has asked for
SHORTEST_MS, DAY_MS = 60_000, 86_400_000
CORRECTIONS = 500


class TooMuch(BadInput):
    """A question whose answer needs more readings than may be looked through; name a time or fewer datastreams."""

    code = "show.sta_too_much"


@dataclass(frozen=True, slots=True)
class Asked:
    """Readings of ``ids`` (int32, rising) of [from_ms, to_ms) for which ``where`` holds.

    ``order`` is by these expressions (and whether each falls), then by time and datastream; ``falls`` says which way
    time goes.  ``after`` (time, datastream) is the place behind which an order by time alone goes on.  ``without``
    are (datastream, time) left out; ``only`` the sole ones wanted.
    """

    ids: np.ndarray
    from_ms: int
    to_ms: int
    where: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    order: tuple[tuple[str, bool], ...] = ()
    falls: bool = False
    after: tuple[int, int] | None = None
    without: Sequence[tuple[int, int]] = ()
    only: Sequence[tuple[int, int]] | None = None


def page(asked: Asked, limit: int, skip: int = 0, recent: pa.Table | None = None) -> pa.Table:
    """At most ``limit`` readings behind the first ``skip``, in order, as rows.SCHEMA.  Raises TooMuch."""
    asked, density = bounded(asked, recent)
    wanted = limit + skip
    if asked.order:
        affordable(asked, density)
        return _look(asked, wanted, recent).slice(skip)
    parts: list[pa.Table] = []
    found, seen = 0, 0.0
    for from_ms, to_ms in windows(asked, density):
        seen += density * (to_ms - from_ms)
        if seen > MOST and len(asked.ids) > FEW and found == 0 and not asked.after:
            raise TooMuch("too many readings to look through: name a span of phenomenonTime, or Datastreams")
        part = _look(replace(asked, from_ms=from_ms, to_ms=to_ms), wanted - found, recent)
        parts.append(part)
        found += len(part)
        if found >= wanted:
            break
    return pa.concat_tables(parts or [SCHEMA.empty_table()]).slice(skip)


def count(asked: Asked, recent: pa.Table | None = None) -> int:
    """How many there are, exactly.  Raises TooMuch."""
    asked, density = bounded(replace(asked, after=None), recent)
    affordable(asked, density)
    return _count(asked, recent)


def each(asked: Asked, limit: int, recent: pa.Table | None = None, most: float = MOST) -> pa.Table:
    """The first ``limit`` of every datastream by time, in the order of datastreams.

    Of many datastreams, those whose readings are not found among the first ``most`` of all have fewer.
    """
    asked, density = bounded(asked, recent)
    parts: list[pa.Table] = []
    missing = {int(pk): limit for pk in asked.ids}
    seen = 0.0
    for from_ms, to_ms in windows(asked, density):
        seen += density * (to_ms - from_ms)
        if not missing or (parts and seen > most and len(asked.ids) > FEW):
            break
        ids = np.array(sorted(missing), np.int32)
        part = _look(replace(asked, ids=ids, from_ms=from_ms, to_ms=to_ms), limit, recent, each=True)
        there, counts = np.unique(part["datastream"].to_numpy(), return_counts=True)
        keep = np.ones(len(part), bool)
        for pk, n in zip(there.tolist(), counts.tolist(), strict=True):
            if n > missing[pk]:
                rows = np.flatnonzero(part["datastream"].to_numpy() == pk)
                keep[rows[missing[pk] :]] = False
            missing[pk] -= n
            if missing[pk] <= 0:
                del missing[pk]
        parts.append(part.filter(pa.array(keep)))
    found = pa.concat_tables(parts or [SCHEMA.empty_table()])
    return found.take(pa.array(np.argsort(found["datastream"].to_numpy(), kind="stable")))


def spans(ids: np.ndarray, recent: pa.Table | None = None) -> dict[int, tuple[int, int]]:
    """First and last time (ms) of each datastream that has readings; of many, only of those that are soon found."""
    ends: list[dict[int, int]] = []
    for falls in (False, True):
        found = each(Asked(ids, -(1 << 62), 1 << 62, falls=falls), 1, recent, FOR_SPANS)
        times = found["time"].combine_chunks().cast(MS).view(pa.int64()).to_pylist()
        ends.append(dict(zip(found["datastream"].to_pylist(), times, strict=True)))
    first, last = ends
    return {pk: (first[pk], last[pk]) for pk in first if pk in last}


# ---- what a look costs ----------------------------------------------------------------------------------------


def bounded(asked: Asked, recent: pa.Table | None) -> tuple[Asked, float]:
    """The same within what there is at all, and how many readings a millisecond there are over all of history."""
    found = Segment.objects.aggregate(rows=Sum("rows"), low=Min("first_ms"), high=Max("last_ms"))
    density = 0.0
    lows, highs = [], []
    if found["low"] is not None:
        lows.append(found["low"])
        highs.append(found["high"] + 1)
        density = found["rows"] / (found["high"] + 1 - found["low"])
    if recent is not None and len(recent):
        low, high = span_of(recent)
        lows.append(low)
        highs.append(high)
    if not lows:
        return replace(asked, from_ms=0, to_ms=0), density
    from_ms, to_ms = max(asked.from_ms, min(lows)), min(asked.to_ms, max(highs))
    if asked.after is not None and not asked.order:
        if asked.falls:
            to_ms = min(to_ms, asked.after[0] + 1)
        else:
            from_ms = max(from_ms, asked.after[0])
    return replace(asked, from_ms=from_ms, to_ms=max(from_ms, to_ms)), density


def affordable(asked: Asked, density: float) -> None:
    if len(asked.ids) > FEW and density * (asked.to_ms - asked.from_ms) > MOST:
        raise TooMuch("too many readings to count or sort: name a span of phenomenonTime, or Datastreams")


def windows(asked: Asked, density: float) -> Iterator[tuple[int, int]]:
    """Spans that cover what is asked in the order of time, each twice as long as the one before."""
    width = max(SHORTEST_MS, int(min(AT_ONCE / max(density, 1e-9), 1e12)))
    if len(asked.ids) <= FEW:
        width = max(width, DAY_MS)
    low, high = asked.from_ms, asked.to_ms
    while low < high:
        if asked.falls:
            yield max(low, high - width), high
            high -= width
        else:
            yield low, min(high, low + width)
            low += width
        width *= 2


# ---- one look -------------------------------------------------------------------------------------------------


def _look(asked: Asked, limit: int, recent: pa.Table | None, *, each: bool = False) -> pa.Table:
    """The first ``limit`` (of each datastream) of one span: from the segments, and what is not committed yet."""
    if not len(asked.ids) or asked.from_ms >= asked.to_ms:
        return SCHEMA.empty_table()
    made = Question(asked, limit, each)
    stored = again_if_replaced(lambda: made.of(Catalogue.default().between(asked.from_ms, asked.to_ms)))
    if recent is None or not len(fresh := within(recent, asked.ids, asked.from_ms, asked.to_ms)):
        return stored
    return made.of_table(
        pa.concat_tables([stored, not_among(fresh, stored).cast(SCHEMA)]).combine_chunks(), stored
    )


def _count(asked: Asked, recent: pa.Table | None) -> int:
    if not len(asked.ids) or asked.from_ms >= asked.to_ms:
        return 0
    made = Question(asked, 0, False)

    def look() -> int:
        files = Catalogue.default().between(asked.from_ms, asked.to_ms)
        return made.count(files) if files else 0

    found = again_if_replaced(look)
    if recent is None or not len(fresh := within(recent, asked.ids, asked.from_ms, asked.to_ms)):
        return found
    low, high = span_of(fresh)
    new = not_among(fresh, measured(asked.ids, low, high))
    return found + len(made.of_table(new.cast(SCHEMA), None, limited=False))


class Question:
    """The SQL of one look."""

    def __init__(self, asked: Asked, limit: int, each: bool) -> None:
        self.asked, self.limit, self.each = asked, limit, each
        self.corrected = Corrections.of(asked.ids, asked.from_ms, asked.to_ms)
        if len(self.corrected.rows) > CORRECTIONS:
            raise TooMuch("too many corrections lie in this span: name a shorter one, or fewer Datastreams")
        self.tables: dict[str, pa.Table] = {}
        conditions = [asked.where] if asked.where else []
        self.given: dict[str, Any] = dict(asked.given)
        if asked.after is not None and not asked.order:
            self.given |= {"after_ms": asked.after[0], "after_id": asked.after[1]}
            beyond = "<" if asked.falls else ">"
            conditions.append(
                f"(time_ms {beyond} $after_ms OR (time_ms = $after_ms AND datastream > $after_id))"
            )
        for name, pairs, word in (("only_these", asked.only, "IN"), ("not_these", asked.without, "NOT IN")):
            if pairs is None or (not pairs and word == "NOT IN"):
                continue
            self.tables[name] = pa.table(
                {
                    "d": pa.array([p[0] for p in pairs], pa.int32()),
                    "t": pa.array([p[1] for p in pairs], pa.int64()),
                }
            )
            conditions.append(f"(datastream, time_ms) {word} (SELECT (d, t) FROM {name})")
        self.where = " AND ".join(f"({c})" for c in conditions) or "true"
        by = [f"{sql} {'DESC' if falls else 'ASC'} NULLS LAST" for sql, falls in asked.order]
        self.order = ", ".join([*by, f"time_ms {'DESC' if asked.falls else 'ASC'}", "datastream"])

    def of(self, files: list[str]) -> pa.Table:
        if not files:
            return SCHEMA.empty_table()
        source, given, tables = these(files, self.asked.ids, self.asked.from_ms, self.asked.to_ms)
        inner = self.inner(VALUE_SQL, source)
        return self._ask(inner, given, tables, True)

    def of_table(self, table: pa.Table, stored: pa.Table | None, *, limited: bool = True) -> pa.Table:
        """The same of readings in memory; those of ``stored`` are corrected and judged already."""
        if stored is None:
            return self._ask(self.inner("value", "held"), {}, {"held": table}, limited)
        fresh = table.slice(len(stored))
        judged = self._ask(self.inner("value", "held"), {}, {"held": fresh}, limited)
        both = pa.concat_tables([stored, judged]).combine_chunks()
        plain = "SELECT datastream, time, epoch_ms(time) AS time_ms, value, quality, reason, source, received FROM held"
        return self._ask(plain, {}, {"held": both}, limited, "true")

    def count(self, files: list[str]) -> int:
        source, given, tables = these(files, self.asked.ids, self.asked.from_ms, self.asked.to_ms)
        inner = self.inner(VALUE_SQL, source)
        sql = f"SELECT count(*) AS n FROM ({inner}) WHERE {self.where}"
        return int(ask(sql, given | self.given, **tables, **self.tables)["n"][0].as_py())

    def _ask(
        self,
        inner: str,
        given: dict[str, Any],
        tables: dict[str, pa.Table],
        limited: bool,
        where: str | None = None,
    ) -> pa.Table:
        limit = ""
        if limited and self.each:
            way = "DESC" if self.asked.falls else "ASC"
            limit = f"QUALIFY row_number() OVER (PARTITION BY datastream ORDER BY time_ms {way}) <= {int(self.limit)}"
            order = f"ORDER BY datastream, time_ms {way}"
        else:
            order = f"ORDER BY {self.order}" + (f" LIMIT {int(self.limit)}" if limited else "")
        condition = self.where if where is None else where
        sql = f"""SELECT datastream, time, coalesce(value, 'NaN'::DOUBLE) AS value, quality, reason,
            source::VARCHAR AS source, received FROM ({inner}) WHERE {condition} {limit} {order}"""
        needed = {k: v for k, v in self.given.items() if f"${k}" in sql}
        used = {k: v for k, v in self.tables.items() if k in sql}
        found = ask(sql, given | needed, **tables, **used)
        return found.set_column(
            found.schema.get_field_index("source"),
            "source",
            found["source"].combine_chunks().dictionary_encode(),
        ).cast(SCHEMA)

    def inner(self, value: str, source: str) -> str:
        quality, reason = "quality", "reason"
        plain = f"{value}"
        whens_v, whens_q, whens_r = [], [], []
        for row in reversed(self.corrected.rows):  # the newest that covers a reading counts
            lies = (
                f"datastream = {int(row.datastream)} AND epoch_ms(time) >= {int(row.from_ms)} "
                f"AND epoch_ms(time) < {int(row.to_ms)}"
            )
            shown = (
                f"{float(row.factor)!r} * ({plain}) + {float(row.shift)!r}"
                if row.factor
                else f"{float(row.shift)!r}"
            )
            whens_v.append(f"WHEN {lies} THEN {shown}")
            whens_q.append(f"WHEN {lies} THEN {'quality' if row.quality is None else int(row.quality)}")
            whens_r.append(f"WHEN {lies} THEN {int(Reason.CORRECTED)}")
        if whens_v:
            value = f"CASE {' '.join(whens_v)} ELSE {plain} END"
            quality = f"CASE {' '.join(whens_q)} ELSE quality END"
            reason = f"CASE {' '.join(whens_r)} ELSE reason END"
        return f"""SELECT datastream, time, epoch_ms(time) AS time_ms, make_timestamp(epoch_ms(time) * 1000) AS moment,
            CASE WHEN isnan({value}) THEN NULL ELSE {value} END AS value, {quality} AS quality, {reason} AS reason,
            source, epoch_ms(received) AS received_ms, received FROM {source}"""
