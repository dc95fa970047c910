"""Responsible persons from a file: checked row by row, and with one bad row nothing is changed."""

import io
import re
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from fengsui.base.errors import FengsuiError
from fengsui.people import audit
from fengsui.people.accounts.models import User
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices import files
from fengsui.warn.calls.errors import BadContact
from fengsui.warn.calls.models import Contact

COLUMNS = {
    "org": ("单位", "单位编码", "机构"),
    "order": ("顺序", "次序", "叫应顺序"),
    "name": ("姓名", "责任人"),
    "post": ("职务", "岗位"),
    "phone": ("电话", "手机"),
    "email": ("邮箱", "电子邮箱"),
    "user": ("账号",),
    "active": ("在用",),
}
PHONE = re.compile(r"\+?[0-9][0-9 ()-]{2,28}", re.ASCII)
MAX_ROWS = 50_000
MAX_BYTES = 16 << 20


@dataclass(slots=True)
class Report:
    """How many rows were new, different and the same, and each bad one as (row, why).  ``kept``: was it kept?"""

    added: int = 0
    changed: int = 0
    same: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    kept: bool = False

    @property
    def good(self) -> int:
        return self.added + self.changed + self.same


class _DryRun(Exception):
    """Ends a check."""


def import_contacts(actor: Any, raw: bytes, *, dry_run: bool = False) -> Report:
    """CSV or xlsx with the columns org (short name or division code), name, order, post, phone, email, user, active.

    A person is known by organisation and name; who is not in the file is left alone, ``active`` 0 takes one out of the
    line.  Raises NotAllowed, BadFile, BadContact (the file as a whole).
    """
    if len(raw) > MAX_BYTES:
        raise BadContact(_("The file is larger than %(most)s MiB: split it.") % {"most": MAX_BYTES >> 20})
    rows = list(files.rows(io.BytesIO(raw)))
    if not rows or len(rows) > MAX_ROWS + 1:
        raise BadContact(_("The file holds no row, or more than %(most)s.") % {"most": MAX_ROWS})
    known = {alias: name for name, aliases in COLUMNS.items() for alias in (name, *aliases)}
    head = [known.get(cell.strip().casefold(), "") for cell in rows[0][1]]
    if missing := [name for name in ("org", "name") if name not in head]:
        raise BadContact(_("The column %(name)s is missing.") % {"name": missing[0]})
    given = [
        (number, {name: text.strip() for name, text in zip(head, cells, strict=False) if name})
        for number, cells in rows[1:]
    ]
    return import_rows(actor, given, dry_run=dry_run)


def import_rows(actor: Any, given: list[tuple[int, dict[str, str]]], *, dry_run: bool = False) -> Report:
    """The same for rows already read, as (number, column → text).  Raises NotAllowed."""
    if actor is not None:
        access.require(actor, "call.contacts")
    report = Report()
    wanted = {row.get("org", "") for _number, row in given}
    orgs = Org.objects.filter(Q(code__in=wanted) | Q(division_code__in=wanted - {""}))
    if actor is not None:
        orgs = orgs.filter(access.rows_where(actor, "call.contacts", "path"))
    by_name: dict[str, Org] = {}
    for org in orgs:
        by_name.setdefault(org.division_code, org) if org.division_code else None
        by_name[org.code] = org
    there = {(row.org_id, row.name): row for row in Contact.objects.filter(org__in=set(by_name.values()))}
    users = {
        user.username: user
        for user in User.objects.filter(username__in={row.get("user", "") for _n, row in given} - {""})
    }
    new: dict[tuple[int, str], Contact] = {}
    changed: list[Contact] = []
    for number, row in given:
        try:
            _take(row, by_name, users, there, new, changed, report)
        except FengsuiError as error:
            report.bad.append((number, str(error)))
    try:
        with transaction.atomic():
            Contact.objects.bulk_create(new.values(), batch_size=1000)
            Contact.objects.bulk_update(
                changed, ["order", "post", "phone", "email", "user", "is_active"], batch_size=1000
            )
            if report.bad or dry_run:
                raise _DryRun
            report.kept = True
            if new or changed:
                audit.record(
                    actor or "platform", "call.contacts.imported", added=len(new), changed=len(changed)
                )
    except _DryRun:
        pass
    return report


def _take(
    row: dict[str, str],
    orgs: dict[str, Org],
    users: dict[str, User],
    there: dict[tuple[int, str], Contact],
    new: dict[tuple[int, str], Contact],
    changed: list[Contact],
    report: Report,
) -> None:
    org = orgs.get(row.get("org", ""))
    if org is None:
        raise BadContact(
            _("There is no organisation “%(code)s” whose persons you may keep.")
            % {"code": row.get("org", "")[:64]}
        )
    values = read(row, users)
    name = values.pop("name")
    if (org.pk, name) in new:
        raise BadContact(_("%(name)s of %(org)s stands in the file twice.") % {"name": name, "org": org})
    old = there.get((org.pk, name))
    if old is None:
        new[org.pk, name] = Contact(org=org, name=name, **({"order": 1} | values))
        report.added += 1
        return
    if all(getattr(old, field) == value for field, value in values.items()):
        report.same += 1
        return
    for column, value in values.items():
        setattr(old, column, value)
    changed.append(old)
    report.changed += 1


def read(row: dict[str, str], users: dict[str, User]) -> dict[str, Any]:
    """The values of a row; columns that the file does not have are left out.  Raises BadContact."""
    name = row.get("name", "")
    if not name or len(name) > 60:
        raise BadContact(_("A name of 1 to 60 characters is missing."))
    values: dict[str, Any] = {"name": name}
    if text := row.get("order", ""):
        if not (text.isdecimal() and text.isascii() and 1 <= int(text[:5]) <= 999):
            raise BadContact(_("The order “%(text)s” is no number from 1 to 999.") % {"text": text[:20]})
        values["order"] = int(text)
    if "post" in row:
        values["post"] = row["post"][:80]
    if "phone" in row:
        if row["phone"] and not PHONE.fullmatch(row["phone"]):
            raise BadContact(_("“%(text)s” is no phone number.") % {"text": row["phone"][:40]})
        values["phone"] = row["phone"]
    if "email" in row:
        try:
            if row["email"]:
                validate_email(row["email"])
        except ValidationError:
            raise BadContact(_("“%(text)s” is no e-mail address.") % {"text": row["email"][:80]}) from None
        values["email"] = row["email"]
    if "user" in row:
        if row["user"] and row["user"] not in users:
            raise BadContact(_("There is no account “%(name)s”.") % {"name": row["user"][:80]})
        values["user"] = users.get(row["user"])
    if text := row.get("active", ""):
        if text not in ("0", "1", "否", "是"):
            raise BadContact(_("In use is 1 or 0, not “%(text)s”.") % {"text": text[:20]})
        values["is_active"] = text in ("1", "是")
    return values
