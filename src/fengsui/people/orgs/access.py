"""Who may do what, and where: the one place that answers it.

A membership gives a user a role at an organisation; the role holds there and at everything below.  ``MAY`` says which
roles may do an action; ``docs/permissions.md`` shows the same table to people.  A superuser may do everything.

Lists start from ``rows_where`` or ``orgs_where``; a row out of sight is answered like a row that does not exist (404).
The memberships of a user are read once and kept on the user object, so that a request costs one query;
long-lived callers (the live stream) call ``forget(user)`` before they ask again.
"""

from typing import Any

from django.db.models import Q, QuerySet

from fengsui.base.errors import NotAllowed
from fengsui.people.orgs.models import Membership, Org, Role

DUTY, COMMAND, REGULATE, SAFETY, STEWARD, OPERATE, VIEW = Role.values  # in the order of orgs.models.Role

EVERYONE: frozenset[str] = frozenset(Role.values)
STAFF = EVERYONE - {VIEW}

MAY: dict[str, frozenset[str]] = {
    # seeing
    "org.view": EVERYONE,
    "site.view": EVERYONE,
    "device.view": EVERYONE,
    "reading.view": EVERYONE,
    "alarm.view": EVERYONE,
    "rule.view": EVERYONE,
    "loop.view": EVERYONE,
    "warning.view": EVERYONE,
    "hazard.view": EVERYONE,
    "risk.view": EVERYONE,
    "detector.view": EVERYONE,
    "commitment.view": EVERYONE,
    "patrol.view": EVERYONE,
    "report.view": EVERYONE,
    "natural.view": EVERYONE,
    "ledger.view": EVERYONE,
    "quarantine.view": STAFF,
    "status.view": frozenset({DUTY, COMMAND, STEWARD, OPERATE}),
    "user.view": frozenset({COMMAND, OPERATE}),
    "audit.view": frozenset({COMMAND, OPERATE}),
    # alarms and their loops
    "alarm.ack": frozenset({DUTY, COMMAND, SAFETY}),
    "alarm.shelve": frozenset({DUTY, COMMAND}),
    "fold.edit": frozenset({COMMAND}),
    "loop.act": frozenset({DUTY, COMMAND, REGULATE, SAFETY}),
    "loop.assign": frozenset({DUTY, COMMAND}),
    "loop.kind.edit": frozenset({COMMAND, OPERATE}),
    # public warnings
    "warning.draft": frozenset({DUTY, COMMAND, REGULATE}),
    "warning.review": frozenset({DUTY, COMMAND, REGULATE}),
    "warning.approve": frozenset({COMMAND}),
    "warning.feed": frozenset({OPERATE}),
    # call-and-confirm
    "call.view": STAFF,
    "call.start": frozenset({DUTY, COMMAND}),
    "call.record": frozenset({DUTY, COMMAND, REGULATE}),
    "call.contacts": frozenset({DUTY, STEWARD, OPERATE}),
    # major hazards and live risk
    "hazard.edit": frozenset({REGULATE, SAFETY, STEWARD}),
    "risk.declare": frozenset({DUTY, COMMAND, REGULATE, SAFETY}),
    "risk.weigh": frozenset({COMMAND}),
    # what enterprises promise each day
    "commitment.give": frozenset({SAFETY}),
    "commitment.oblige": frozenset({COMMAND, REGULATE}),
    # looks from the desk, and reports
    "patrol.do": frozenset({DUTY, COMMAND, REGULATE}),
    "report.make": frozenset({DUTY, COMMAND, REGULATE}),
    "report.order": frozenset({COMMAND, REGULATE}),
    "report.template": frozenset({COMMAND, OPERATE}),
    # natural hazards
    "natural.edit": frozenset({STEWARD, OPERATE}),
    "natural.thresholds": frozenset({COMMAND}),
    # cameras
    "video.view": frozenset({DUTY, COMMAND, REGULATE, SAFETY, OPERATE}),
    "video.control": frozenset({DUTY, COMMAND}),
    "media.view": frozenset({DUTY, COMMAND, REGULATE, SAFETY, OPERATE}),
    # what moves
    "unit.view": STAFF,
    "unit.edit": frozenset({STEWARD, OPERATE}),
    "fence.edit": frozenset({COMMAND, REGULATE, STEWARD}),
    # data
    "rule.edit": frozenset({REGULATE, STEWARD}),
    "detector.edit": frozenset({REGULATE, STEWARD}),
    "site.edit": frozenset({STEWARD, OPERATE}),
    "device.edit": frozenset({STEWARD, OPERATE}),
    "device.command": frozenset({COMMAND, STEWARD, OPERATE}),
    "quarantine.resolve": frozenset({STEWARD}),
    # the platform
    "org.edit": frozenset({OPERATE}),
    "user.edit": frozenset({OPERATE}),
    "member.grant": frozenset({OPERATE}),
    "code.edit": frozenset({OPERATE}),
    "retention.edit": frozenset({OPERATE}),
}

_HELD = "_fengsui_held"


def held(user: Any) -> list[tuple[str, str]]:
    """Every ``(organisation path, role)`` of the user, read once per user object.  Nothing for a stranger."""
    if user is None or not getattr(user, "is_active", False) or not user.pk:
        return []
    known: list[tuple[str, str]] | None = getattr(user, _HELD, None)
    if known is None:
        known = list(Membership.objects.filter(user_id=user.pk).values_list("org__path", "role"))
        setattr(user, _HELD, known)
    return known


def forget(user: Any) -> None:
    """Drop what ``held`` remembers; the next question reads the memberships again."""
    if hasattr(user, _HELD):
        delattr(user, _HELD)


def paths_where(user: Any, action: str) -> list[str]:
    """The shortest list of path prefixes under which ``user`` may do ``action``; ``[""]`` is everywhere.

    A row is in sight when its ``org_path`` starts with one of them.  Raises KeyError for an action not in ``MAY``.
    """
    roles = MAY[action]
    if _is_super(user):
        return [""]
    shortest: list[str] = []
    for path in sorted({path for path, role in held(user) if role in roles}):
        if not shortest or not path.startswith(shortest[-1]):
            shortest.append(path)
    return shortest


def rows_where(user: Any, action: str, field: str = "org_path") -> Q:
    """The same as a condition on a table whose rows carry ``field`` (``"site__org_path"`` works too)."""
    paths = paths_where(user, action)
    if paths == [""]:
        return Q()
    condition = Q(pk__in=[])
    for path in paths:
        condition |= Q(**{f"{field}__startswith": path})
    return condition


def orgs_where(user: Any, action: str) -> QuerySet[Org]:
    """Every organisation at or below one where ``user`` may do ``action``."""
    return Org.objects.filter(rows_where(user, action, "path"))


def roles_at(user: Any, org: Org | str) -> set[str]:
    """The roles that ``user`` holds at ``org`` (an Org or its path) or above it."""
    path = _path(org)
    return {role for held_path, role in held(user) if path.startswith(held_path)}


def may(user: Any, action: str, org: Org | str | None = None) -> bool:
    """May ``user`` do ``action`` at ``org`` (an Org or its path)?  Without an organisation: anywhere at all?"""
    paths = paths_where(user, action)
    if org is None:
        return bool(paths)
    path = _path(org)
    return any(path.startswith(prefix) for prefix in paths)


def require(user: Any, action: str, org: Org | str | None = None, obj: Any = None) -> None:
    """Raise NotAllowed unless ``user`` may do ``action`` at ``org``.  A refusal is kept in the audit trail.

    The entry is written after the transaction of the caller was rolled back: see ``audit.refuse``.
    """
    if may(user, action, org):
        return
    from fengsui.people import audit

    path = "" if org is None else _path(org)
    audit.refuse(user, action, obj if obj is not None else org, org_path=path)
    raise NotAllowed(f"{user or 'nobody'} may not {action} at {path or 'any organisation'}")


def _is_super(user: Any) -> bool:
    return bool(
        user is not None and getattr(user, "is_active", False) and getattr(user, "is_superuser", False)
    )


def _path(org: Org | str) -> str:
    return org if isinstance(org, str) else org.path
