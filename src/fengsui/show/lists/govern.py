"""The quarantine, newest first, and the loss ledger, minute by minute."""

import base64
import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fengsui.govern.ledger import services as ledger
from fengsui.govern.ledger.services import Entry
from fengsui.govern.quarantine.models import Held, HeldQuerySet
from fengsui.govern.quarantine.services import held_visible_to
from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import NOT_OURS, BadCursor, Page, page

ENTRIES = 100


# ---- quarantine -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldFilters:
    """What to list; empty means any.  ``status`` is held, replayed or dismissed."""

    status: str = "held"
    reason: int | None = None
    site: str = ""
    source: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None


def held(user: Any, filters: HeldFilters) -> HeldQuerySet:
    """The held readings that ``user`` sees and the filters name."""
    rows = held_visible_to(user).select_related("datastream", "resolved_by", "resolved_in")
    if filters.status:
        rows = rows.filter(status=filters.status)
    if filters.reason is not None:
        rows = rows.filter(reason=filters.reason)
    if filters.site:
        site = Site.objects.filter(code=filters.site).values_list("pk", flat=True).first()
        rows = rows.filter(site_id=-1 if site is None else site)
    if filters.source:
        rows = rows.filter(source=filters.source)
    if filters.since:
        rows = rows.filter(received_at__gte=filters.since)
    if filters.until:
        rows = rows.filter(received_at__lt=filters.until)
    return rows


def held_page(user: Any, filters: HeldFilters, cursor: str | None = None) -> Page[Held]:
    return page(held(user, filters), ("-id",), cursor)


def sites_of(rows: Iterable[Held]) -> dict[int, Site]:
    """The sites of one page of held readings, by id."""
    return Site.objects.in_bulk({row.site_id for row in rows})


# ---- ledger ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerPage:
    entries: list[Entry]
    next: str | None


# source and minute through all boundaries; the rules are those of ``govern.ledger.services.Entry.problems``
_KEYS = """
SELECT source, minute FROM (
    SELECT source, minute,
        sum(stored) FILTER (WHERE boundary = 'gateway') AS g_out,
        sum(received) FILTER (WHERE boundary = 'pipeline') AS p_in,
        sum(stored) FILTER (WHERE boundary = 'pipeline') AS p_out,
        sum(received) FILTER (WHERE boundary = 'history') AS h_in,
        bool_and(received = stored + duplicate + quarantined) AS adds_up
    FROM ledger_line WHERE minute >= %(since)s AND minute < %(until)s {where} GROUP BY minute, source
) x {having} ORDER BY minute DESC, source LIMIT %(most)s
"""
_UNBALANCED = """
WHERE minute + interval '1 minute' <= %(settled)s AND NOT (adds_up
      AND coalesce(g_out, 0) = coalesce(p_in, 0) AND coalesce(p_out, 0) = coalesce(h_in, 0))
"""
_NEWEST = """
SELECT DISTINCT minute, source FROM ledger_line
WHERE minute >= %(since)s AND minute < %(until)s {where} ORDER BY minute DESC, source LIMIT %(most)s
"""


def ledger_page(
    user: Any,
    since: datetime.datetime,
    now: datetime.datetime,
    *,
    source: str = "",
    unbalanced_only: bool = False,
    cursor: str | None = None,
) -> LedgerPage:
    """Entries from ``since`` on, newest minute first, then by source.  Raises BadCursor."""
    settled = ledger.open_from(now)
    values: dict[str, Any] = {
        "since": since,
        "until": now + datetime.timedelta(minutes=1),
        "most": ENTRIES + 1,
    }
    values["settled"] = settled
    where = ""
    sources = [source] if source else None
    visible = ledger.sources_visible_to(user, since, values["until"])
    if visible is not None:
        sources = [s for s in visible if not source or s == source]
    if sources is not None:
        where += " AND source = ANY (%(sources)s)"
        values["sources"] = sources
    if cursor:
        minute, after = _place(cursor)
        where += " AND minute <= %(minute)s AND (minute < %(minute)s OR source > %(after)s)"
        values |= {"minute": minute, "after": after}
    with connection.cursor() as sql:
        if unbalanced_only:
            sql.execute(_KEYS.format(where=where, having=_UNBALANCED), values)
            keys = [(source, minute) for source, minute in sql.fetchall()]
        else:
            sql.execute(_NEWEST.format(where=where), values)
            keys = [(source, minute) for minute, source in sql.fetchall()]
    shown = keys[:ENTRIES]
    if not shown:
        return LedgerPage([], None)
    minutes = [minute for _, minute in shown]
    found = ledger.statement(
        min(minutes),
        max(minutes) + datetime.timedelta(minutes=1),
        is_open_from=settled,
        sources=sorted({source for source, _ in shown}),
    )
    by_key = {(entry.source, entry.minute): entry for entry in found.entries}
    entries = [by_key[key] for key in shown if key in by_key]
    return LedgerPage(entries, _after(shown[-1]) if len(keys) > ENTRIES else None)


def _after(key: tuple[str, datetime.datetime]) -> str:
    text = json.dumps([key[1].isoformat(), key[0]], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime.datetime, str]:
    try:
        minute, source = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at = datetime.datetime.fromisoformat(minute)
        if at.tzinfo is None or not isinstance(source, str) or "\0" in source:
            raise ValueError
        return at, source
    except (ValueError, TypeError):
        raise BadCursor(NOT_OURS) from None
