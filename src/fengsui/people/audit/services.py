"""Write the audit trail and prove that nobody changed it.

Entries are added one after another: a transaction-level advisory lock is taken first and held until the caller
commits.  So ``record`` is the last thing a service does, after its own rows are locked and written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, models, transaction

from fengsui.people.audit import chain, context
from fengsui.people.audit.masking import masked
from fengsui.people.audit.models import Entry
from fengsui.people.orgs import access

LOCK = 0x46_53_41_55_44_49_54  # "FSAUDIT": the advisory lock that puts entries in one line


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found.  ``broken_id`` is the first entry that does not fit, ``why`` says how."""

    entries: int
    broken_id: int | None
    why: str
    head_id: int
    head_hash: str

    @property
    def whole(self) -> bool:
        return self.broken_id is None and not self.why


def record(
    actor: Any,
    action: str,
    obj: Any = None,
    *,
    ok: bool = True,
    org_path: str = "",
    source_ip: str | None = None,
    **detail: Any,
) -> Entry:
    """Add one entry, in the caller's transaction: it is there if and only if the deed is.

    ``actor`` is a user, a text that names a machine ("gateway"), or None for the platform itself.  ``obj`` is a row or
    a text.  ``org_path`` decides who may read the entry; by default it is that of ``obj``.  Address, session and
    request come from the request being served unless given.  Call it last (the lock is held until commit).
    """
    values = _values(actor, action, obj, ok, org_path, source_ip, detail)
    with transaction.atomic():
        return _append(values)


def refuse(actor: Any, action: str, obj: Any = None, *, org_path: str = "", **detail: Any) -> None:
    """Note that ``action`` was refused (``ok`` false), although the caller's transaction will be rolled back.

    Inside a request the entry waits for its end (``AuditMiddleware`` calls ``write_refusals``).  Outside a request it
    is written at once, and is lost if the caller is inside a transaction that it rolls back.
    """
    values = _values(actor, action, obj, False, org_path, None, detail)
    request = context.current()
    if request is not None:
        request.refusals.append(values)
        return
    with transaction.atomic():
        _append(values)


def write_refusals(request: context.Serving) -> None:
    """Write the refusals that waited for the end of a request."""
    waiting, request.refusals = request.refusals, []
    if waiting:
        with transaction.atomic():
            for values in waiting:
                _append(values)


def verify(*, head: tuple[int, str] | None = None) -> Verdict:
    """Walk the whole chain.  ``head`` (id, hash), noted earlier, also proves that no later part was cut off.

    Checks that every entry's hash fits its content, that each carries the hash of the one before, and that time never
    runs backwards.
    """
    count, previous, last_id, last_at, seen_head = 0, chain.GENESIS, 0, None, head is None
    for entry in _in_order():
        values = {name: getattr(entry, name) for name in chain.FIELDS}
        why = ""
        if entry.prev_hash != previous:
            why = "does not follow the entry before it"
        elif chain.link(entry.prev_hash, entry.at, values) != entry.hash:
            why = "its content was changed"
        elif last_at is not None and entry.at < last_at:
            why = "is older than the entry before it"
        elif head is not None and entry.id == head[0] and entry.hash != head[1]:
            why = "is not the entry that was noted"
        if why:
            return Verdict(count, entry.id, why, last_id, previous)
        seen_head = seen_head or (head is not None and entry.id == head[0])
        count, previous, last_id, last_at = count + 1, entry.hash, entry.id, entry.at
    if not seen_head and head is not None:
        return Verdict(count, head[0], "the noted entry is missing", last_id, previous)
    return Verdict(count, None, "", last_id, previous)


def _in_order(page: int = 2000) -> Iterator[Entry]:
    """Every entry, oldest first, a page at a time."""
    last = 0
    while rows := list(Entry.objects.order_by("id").filter(id__gt=last)[:page]):
        yield from rows
        last = rows[-1].id


def _append(values: dict[str, Any]) -> Entry:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(
            "SELECT clock_timestamp(), e.hash, e.at FROM (SELECT 1) one"
            " LEFT JOIN (SELECT hash, at FROM audit_entry ORDER BY id DESC LIMIT 1) e ON true"
        )
        now, prev_hash, prev_at = cursor.fetchone()
    at = now if prev_at is None else max(now, prev_at)
    prev_hash = prev_hash or chain.GENESIS
    return Entry.objects.create(at=at, prev_hash=prev_hash, hash=chain.link(prev_hash, at, values), **values)


def _values(
    actor: Any, action: str, obj: Any, ok: bool, org_path: str, source_ip: str | None, detail: dict[str, Any]
) -> dict[str, Any]:
    request = context.current() or context.Serving()
    is_user = isinstance(actor, AbstractBaseUser) or hasattr(actor, "get_username")
    return {
        "actor_id": actor.pk if is_user else None,
        "actor_name": chain.words(actor.get_username() if is_user else actor or "", 150),
        "actor_roles": chain.words(",".join(sorted({role for _, role in access.held(actor)})), 200)
        if is_user
        else "",
        "action": chain.words(action, 60),
        "object_type": chain.words(obj._meta.label_lower if isinstance(obj, models.Model) else "", 60),
        "object_id": chain.words(obj.pk if isinstance(obj, models.Model) else "", 80),
        "object_name": chain.words("" if obj is None else obj, 200),
        "org_path": chain.words(org_path or org_path_of(obj), 255),
        "source_ip": chain.address(source_ip or request.source_ip),
        "session": request.session,
        "request_id": request.request_id,
        "ok": bool(ok),
        "detail": chain.plain(masked(detail)),
    }


def org_path_of(obj: Any) -> str:
    """The organisation a row belongs to, from the names our tables use; "" when it has none."""
    if not isinstance(obj, models.Model):
        return ""
    if path := getattr(obj, "org_path", ""):
        return str(path)
    if obj._meta.label_lower == "orgs.org":
        return str(obj.path)
    if (org := getattr(obj, "org", None)) is not None:
        return str(org.path)
    if (site := getattr(obj, "site", None)) is not None:
        return str(getattr(site, "org_path", ""))
    return ""


def as_line(entry: Entry) -> dict[str, Any]:
    """An entry as it is exported: everything its hash covers, and the hashes, so that anybody can check the chain."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    body = {name: getattr(entry, name) for name in chain.FIELDS}
    return {"id": entry.id, "at": at, **body, "prev_hash": entry.prev_hash, "hash": entry.hash}


def first_broken_line(lines: Iterable[dict[str, Any]]) -> int | None:
    """The id of the first exported entry that does not fit its content or the one before it; None when all do.

    An export may begin anywhere in the chain.
    """
    previous = None
    for line in lines:
        at = datetime.fromisoformat(line["at"])
        if (
            previous not in (None, line["prev_hash"])
            or chain.link(line["prev_hash"], at, line) != line["hash"]
        ):
            return int(line["id"])
        previous = line["hash"]
    return None


def export(*, since: datetime | None = None, until: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Entries from ``since`` (inclusive) to ``until`` (exclusive), oldest first, as ``as_line`` gives them."""
    for entry in _in_order():
        if until is not None and entry.at >= until:
            return
        if since is None or entry.at >= since:
            yield as_line(entry)
