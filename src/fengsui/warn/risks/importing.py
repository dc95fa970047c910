"""Declared facts from a file: checked row by row, and with one bad row none is declared."""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.devices import files
from fengsui.sense.devices.models import Site
from fengsui.stores import clock
from fengsui.warn.risks import services
from fengsui.warn.risks.errors import BadFact
from fengsui.warn.risks.models import FactKind

COLUMNS = {
    "site": ("站点", "站点编码"),
    "kind": ("种类", "类型"),
    "from": ("起始", "起", "开始时间"),
    "to": ("截止", "止", "结束时间"),
    "source": ("来源", "作业票号"),
}
MAX_ROWS = 5_000
MAX_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """How many rows are good, and each bad one as (row, why).  ``declared``: whether they were declared."""

    good: int
    bad: list[tuple[int, str]]
    declared: bool


class _DryRun(Exception):
    """Ends a check."""


def import_facts(actor: Any, raw: bytes, *, dry_run: bool = False) -> Report:
    """CSV or xlsx with the columns site, kind, from, to, source (``from`` empty: now; ``to`` empty: until withdrawn).

    Times are ISO 8601, without an offset in the platform's zone.  Raises BadFile, BadFact (the file as a whole).
    """
    if len(raw) > MAX_BYTES:
        raise BadFact(_("The file is larger than %(most)s MiB: split it.") % {"most": MAX_BYTES >> 20})
    rows = list(files.rows(io.BytesIO(raw)))
    if not rows or len(rows) > MAX_ROWS + 1:
        raise BadFact(_("The file holds no row, or more than %(most)s.") % {"most": MAX_ROWS})
    known = {alias: name for name, aliases in COLUMNS.items() for alias in (name, *aliases)}
    head = [known.get(cell.strip().casefold(), "") for cell in rows[0][1]]
    if missing := [name for name in ("site", "kind", "source") if name not in head]:
        raise BadFact(_("The column %(name)s is missing.") % {"name": missing[0]})
    sites = {
        site.code: site
        for site in Site.objects.filter(access.rows_where(actor, "risk.declare"), is_active=True)
    }
    bad: list[tuple[int, str]] = []
    good = 0
    try:
        with transaction.atomic():
            for number, cells in rows[1:]:
                row = {name: text.strip() for name, text in zip(head, cells, strict=False) if name}
                try:
                    with transaction.atomic():
                        _declare(actor, sites, row)
                    good += 1
                except FengsuiError as error:
                    bad.append((number, str(error)))
            if bad or dry_run:
                raise _DryRun
    except _DryRun:
        return Report(good, bad, declared=False)
    return Report(good, bad, declared=True)


def _declare(actor: Any, sites: dict[str, Site], row: dict[str, str]) -> None:
    site = sites.get(row.get("site", ""))
    if site is None:
        raise BadFact(
            _("There is no site “%(code)s” that you may declare for.") % {"code": row.get("site", "")}
        )
    labels = {str(label): value for value, label in FactKind.choices}
    kind = row.get("kind", "")
    begins = _time(row.get("from", "")) or clock.now()
    services.declare(
        actor, site, labels.get(kind, kind), begins, _time(row.get("to", "")), row.get("source", "")
    )


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        raise BadFact(_("“%(text)s” is no time; write 2026-11-27T08:00.") % {"text": text})
    return timezone.make_aware(at) if timezone.is_naive(at) else at
