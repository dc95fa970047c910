"""The rules of folding as data: shown, checked and put in force as a whole, with their history."""

import csv
import io
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.stores import clock
from fengsui.warn.alarms.models import FoldTable
from fengsui.warn.folding import DEFAULTS, BadFolding, FoldRule, read_table


def in_force() -> tuple[FoldRule, ...]:
    """The table that holds now: the newest one, or the shipped one."""
    row = FoldTable.objects.first()
    return DEFAULTS if row is None else read_table(row.rows)


def as_csv(rules: tuple[FoldRule, ...]) -> str:
    """The table as people change it: one rule a row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(DEFAULTS[0].as_row()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rule.as_row() for rule in rules)
    return out.getvalue()


def from_csv(text: str) -> tuple[FoldRule, ...]:
    """A table from CSV.  Raises BadFolding with every problem."""
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise BadFolding([_("There is no rule in the file.")])
    if any(None in row for row in rows):
        raise BadFolding([_("A row has more cells than the heading.")])
    return read_table(rows)


@transaction.atomic
def put_in_force(actor: Any, text: str, reason: str) -> FoldTable:
    """The table of ``text`` (CSV) for the whole platform from now on; what stands is folded anew within seconds.

    Raises NotAllowed, BadFolding.
    """
    if access.paths_where(actor, "fold.edit") != [""]:
        access.require(actor, "fold.edit", "/")
    rules = from_csv(text)
    if not reason.strip():
        raise BadFolding([_("Say why the rules change.")])
    made = FoldTable.objects.create(
        since=clock.now(), actor_name=str(actor)[:150], reason=reason.strip()[:200],
        rows=[rule.as_row() for rule in rules],
    )  # fmt: skip
    audit.record(
        actor, "folding.rules", made, org_path="/", reason=made.reason, rules=[r.code for r in rules]
    )
    return made
