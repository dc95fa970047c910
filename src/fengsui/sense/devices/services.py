"""What can be done with sites and devices: import a table, hand out a template, give a device a new secret."""

import csv
import hashlib
import io
import secrets as random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices import files, relations
from fengsui.sense.devices.files import BadFile
from fengsui.sense.devices.models import Device
from fengsui.sense.devices.protocol_tables import TABLES
from fengsui.sense.devices.tables import BadCell, Column, Table

MAX_ROWS = 1_000_000
NAMED = 100_000  # bad rows kept in a report; all of them are counted
SECRET_BYTES = 24
STAGE = "devices_import"


@dataclass(frozen=True, slots=True)
class BadRow:
    """One thing wrong: ``row`` as the spreadsheet numbers it, the column, what stands there, why not, what to do."""

    row: int
    column: str
    value: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return _("row %(row)s, %(column)s: “%(value)s” %(problem)s. %(advice)s") % {
            "row": self.row, "column": self.column, "value": self.value, "problem": self.problem,
            "advice": self.advice,
        }  # fmt: skip


@dataclass(slots=True)
class Report:
    """What an import did, or would do.  Nothing was changed unless ``applied``."""

    kind: str
    dry_run: bool
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad_count: int = 0
    bad: list[BadRow] = field(default_factory=list)
    applied: bool = False

    def refuse(self, row: int, column: str, value: str, problem: str, advice: str) -> None:
        self.bad_count += 1
        if len(self.bad) < NAMED:
            self.bad.append(BadRow(row, column, value[:80], problem, advice))

    def summary(self) -> str:
        """One line for people."""
        if self.bad_count:
            said = ngettext(
                "%(bad)s problem in %(rows)s rows; nothing was changed.",
                "%(bad)s problems in %(rows)s rows; nothing was changed.",
                self.bad_count,
            )
            return said % {"bad": self.bad_count, "rows": self.rows}
        if self.dry_run:
            said = _("%(rows)s rows are good: %(created)s would be new, %(there)s are there already.")
            return said % {"rows": self.rows, "created": self.created, "there": self.updated + self.unchanged}
        return _("%(created)s new, %(updated)s changed, %(unchanged)s as before.") % {
            "created": self.created, "updated": self.updated, "unchanged": self.unchanged,
        }  # fmt: skip


def import_file(actor: Any, org: Org, file: IO[bytes], kind: str, dry_run: bool) -> Report:
    """Read a CSV or xlsx ``file`` of ``kind`` (a key of TABLES) for ``org`` and all below it.

    Every bad row is listed; with one bad row nothing is changed.  Rows are recognised by their code: new ones are
    created, others changed; columns that the file does not have are left alone.  ``actor`` None is the platform
    itself (the command line).  Raises NotAllowed, and BadFile when the file as a whole cannot be read.
    """
    table = TABLES[kind]
    scope = _scope(org, table)
    if actor is not None:
        access.require(actor, table.action, scope)
    report = Report(kind, dry_run)
    with transaction.atomic():
        with connection.cursor() as cursor:
            columns = _stage(cursor, table, file, report)
            if columns:
                _check(cursor, table, columns, scope, report)
            if columns and not report.bad_count:
                if dry_run:
                    _count(cursor, table, report)
                else:
                    relations.change_as(actor)
                    _merge(cursor, table, columns, report)
            cursor.execute(f"DROP TABLE IF EXISTS {STAGE}")
        if report.applied:
            audit.record(
                actor, f"{kind}.imported", org, rows=report.rows, created=report.created, updated=report.updated,
                file=str(getattr(file, "name", ""))[-120:],
            )  # fmt: skip
    return report


def template(kind: str) -> bytes:
    """An empty CSV for ``kind`` with an example row, headings in the reader's language; opens well in spreadsheets."""
    table = TABLES[kind]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([str(c.label) for c in table.columns])
    writer.writerow([c.example for c in table.columns])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


@transaction.atomic
def new_secret(actor: Any, device: Device) -> str:
    """Give ``device`` a new secret and return it: it is shown this once, only its SHA-256 is kept.

    Sessions that began with the old one end within seconds.  Raises NotAllowed.
    """
    if actor is not None:
        access.require(actor, "device.edit", device.site.org_path, device)
    secret = random.token_urlsafe(SECRET_BYTES)
    device.secret_sha256 = hashlib.sha256(secret.encode()).hexdigest()
    device.save(update_fields=["secret_sha256"])
    audit.record(actor, "device.secret", device)
    return secret


@transaction.atomic
def new_secrets(actor: Any, org: Org, devices: Iterable[Device]) -> list[tuple[str, str]]:
    """(device code, new secret) for many devices of ``org`` or below it, as one deed.  Raises NotAllowed."""
    if actor is not None:
        access.require(actor, "device.edit", org)
    changed = [d for d in devices if d.site.org_path.startswith(org.path)]
    out = []
    for device in changed:
        secret = random.token_urlsafe(SECRET_BYTES)
        device.secret_sha256 = hashlib.sha256(secret.encode()).hexdigest()
        out.append((device.code, secret))
    Device.objects.bulk_update(changed, ["secret_sha256"], batch_size=2000)
    audit.record(actor, "device.secrets", org, devices=len(out))
    return out


# ---- the import, step by step ---------------------------------------------------------------------------------


def _scope(org: Org, table: Table) -> str:
    """Path prefix of what may be touched; a shared table needs the right at the root."""
    return f"/{org.path.split('/')[1]}/" if table.shared else org.path


def _stage(cursor: Any, table: Table, file: IO[bytes], report: Report) -> list[Column]:
    """Read the file into a temporary table, cell by cell; return its columns, or [] when none can be trusted."""
    rows = files.rows(file)
    heading = next(rows, None)
    if heading is None:
        raise BadFile(_("The file is empty."))
    columns = _columns(table, heading, report)
    if report.bad_count:
        return []
    used = [c for c in columns if c is not None]
    fields = ", ".join(f"{c.name} {c.sql}" for c in table.columns)  # those not in the file stay NULL
    cursor.execute(f"DROP TABLE IF EXISTS {STAGE}")
    cursor.execute(f"CREATE TEMPORARY TABLE {STAGE} (row integer, {fields}) ON COMMIT DROP")
    with cursor.copy(f"COPY {STAGE} (row, {', '.join(c.name for c in used)}) FROM STDIN") as copy:
        for number, cells in rows:
            report.rows += 1
            if report.rows > MAX_ROWS:
                raise BadFile(_("More than %(most)s rows: split the file.") % {"most": f"{MAX_ROWS:,}"})
            values = _read(columns, number, cells, report)
            if values is not None:
                copy.write_row((number, *values))
    cursor.execute(f"ANALYZE {STAGE}")
    return used


def _columns(table: Table, heading: tuple[int, list[str]], report: Report) -> list[Column | None]:
    """The column of each cell of the heading, by name or by label in any of our languages."""
    number, cells = heading
    names = {column.name: column for column in table.columns}
    for language, _label in settings.LANGUAGES:
        with translation.override(language):
            names.update({str(column.label).lower(): column for column in table.columns})
    found: list[Column | None] = []
    for cell in cells:
        column = names.get(cell.lower().rstrip(" *"))
        if column is None and cell:
            report.refuse(
                number, cell, cell, _("is not a known column"),
                _("Known columns: %(names)s.") % {"names": ", ".join(c.name for c in table.columns)},
            )  # fmt: skip
        elif column is not None and column in found:
            report.refuse(
                number, cell, cell, _("stands twice in the heading"), _("Remove one of the columns.")
            )
        found.append(column)
    for column in table.columns:
        if column.required and column not in found:
            report.refuse(
                number,
                column.name,
                "",
                _("is missing in the heading"),
                _("Add the column, or begin with the template."),
            )
    return found


def _read(columns: list[Column | None], number: int, cells: list[str], report: Report) -> list[Any] | None:
    values, good = [], True
    for i, column in enumerate(columns):
        if column is None:
            continue
        cell = cells[i] if i < len(cells) else ""
        if not cell and column.required:
            report.refuse(number, column.name, "", _("is empty"), _("A value is needed here."))
            good = False
            continue
        try:
            values.append(column.read(cell))
        except BadCell as bad:
            report.refuse(number, column.name, cell, bad.problem, bad.advice)
            good = False
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        report.refuse(
            number, "", cells[len(columns)], _("stands to the right of the last column"),
            _("Is there a separator too many in this row?"),
        )  # fmt: skip
        good = False
    return values if good else None


def _check(cursor: Any, table: Table, columns: list[Column], scope: str, report: Report) -> None:
    """What only the database can tell: keys that stand twice, and names that refer to nothing."""
    key = ", ".join(table.key)
    cursor.execute(
        f"""SELECT row, {table.key[-1]}, first FROM (
                SELECT row, {table.key[-1]}, min(row) OVER (PARTITION BY {key}) AS first FROM {STAGE}
            ) t WHERE row > first ORDER BY row"""  # noqa: S608 - names from tables.py
    )
    for row, value, first in _all(cursor):
        report.refuse(
            row, table.key[-1], str(value), _("stands in row %(first)s already") % {"first": first},
            _("Keep one of the rows."),
        )  # fmt: skip
    there = {c.name for c in columns}
    for check in table.checks:
        if check.column not in there or (check.column == "range_max" and "range_min" not in there):
            continue
        cursor.execute(
            f"SELECT row, {check.column}::text FROM {STAGE} t WHERE {check.bad} ORDER BY row",  # noqa: S608
            {"scope": scope},
        )
        for row, value in _all(cursor):
            report.refuse(row, check.column, value or "", str(check.problem), str(check.advice))
    if table.after is not None and not report.bad_count:
        table.after(cursor, report.refuse)
    report.bad.sort(key=lambda bad: bad.row)


def _count(cursor: Any, table: Table, report: Report) -> None:
    cursor.execute(f"SELECT count(*) FROM {STAGE} t {table.existing}")  # noqa: S608
    report.updated = cursor.fetchone()[0]
    report.created = report.rows - report.updated


def _merge(cursor: Any, table: Table, columns: list[Column], report: Report) -> None:
    """One statement for all rows.  A row that changes nothing is not written."""
    there = {c.name for c in columns}
    values = {k: v for k, v in table.values.items() if all(n in there for n in _names(v, table))}
    defaults = {k: _default(table, v) for k, v in table.values.items() if k not in values}
    insert = {**values, **defaults, **table.fixed}
    changed = [k for k in values if k not in table.target]
    update = "NOTHING"
    if changed:
        update = (
            f"UPDATE SET {', '.join(f'{k} = excluded.{k}' for k in changed)} "
            f"WHERE ({', '.join(f'x.{k}' for k in changed)}) "
            f"IS DISTINCT FROM ({', '.join(f'excluded.{k}' for k in changed)})"
        )
    cursor.execute(
        f"""WITH done AS (
                INSERT INTO {table.into} AS x ({", ".join(insert)})
                SELECT {", ".join(insert.values())} FROM {STAGE} t {table.joins} ORDER BY t.row
                ON CONFLICT ({", ".join(table.target)}) DO {update} RETURNING (xmax = 0) AS made
            ) SELECT count(*) FILTER (WHERE made), count(*) FILTER (WHERE NOT made) FROM done"""  # noqa: S608
    )
    report.created, report.updated = cursor.fetchone()
    report.unchanged = report.rows - report.created - report.updated
    report.applied = True


def _names(expression: str, table: Table) -> list[str]:
    """Columns of the file that an expression needs: ``t.x`` is x, ``n.id`` the column that joins n."""
    joined = {
        "s": "site", "o": "org", "g": "thing", "p": "observed_property", "n": "sensor", "d": "device",
        "us": "upstream_site", "ug": "upstream_thing",
    }  # fmt: skip
    names = [c.name for c in table.columns if f"t.{c.name}" in expression]
    return names or [joined[expression.partition(".")[0]]]


def _default(table: Table, expression: str) -> str:
    """SQL of what a new row gets for a column that the file does not have."""
    name = _names(expression, table)[0]
    if expression.endswith(".id"):  # something to refer to that may be missing
        return "NULL"
    value = table.column(name).read("")
    if value is None:
        return "NULL"
    return str(value).lower() if isinstance(value, bool | int | float) else f"'{value}'"


def _all(cursor: Any) -> Iterator[tuple]:
    while page := cursor.fetchmany(5000):
        yield from page
