"""What can be done to the tree of organisations and to the roles people hold in it.

``actor`` is the user who does it, or None for the platform itself (a command typed on the server).  Everything that
changes the shape of the tree takes one advisory lock, so that two moves cannot tie a knot.
"""

from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr
from django.utils.translation import gettext as _

from fengsui.base import codes
from fengsui.base.errors import BadInput
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Membership, Org, OrgKind, Role

TREE_LOCK = 0x46_53_54_52_45_45  # "FSTREE"
MAX_PATH = 255

# a division of this kind carries a code of this level; bureaus and enterprises may carry any
LEVEL_OF: dict[Any, codes.Level] = {
    OrgKind.PROVINCE: codes.Level.PROVINCE,
    OrgKind.CITY: codes.Level.CITY,
    OrgKind.COUNTY: codes.Level.COUNTY,
    OrgKind.TOWNSHIP: codes.Level.TOWNSHIP,
    OrgKind.VILLAGE: codes.Level.VILLAGE,
}
# a county may hang under a province (municipalities, directly governed counties), a township under a city
UNDER: dict[Any, frozenset[Any]] = {
    OrgKind.PROVINCE: frozenset(),
    OrgKind.CITY: frozenset({OrgKind.PROVINCE}),
    OrgKind.COUNTY: frozenset({OrgKind.PROVINCE, OrgKind.CITY}),
    OrgKind.TOWNSHIP: frozenset({OrgKind.CITY, OrgKind.COUNTY}),
    OrgKind.VILLAGE: frozenset({OrgKind.TOWNSHIP}),
    OrgKind.BUREAU: frozenset(OrgKind),
    OrgKind.PARK: frozenset({OrgKind.PROVINCE, OrgKind.CITY, OrgKind.COUNTY, OrgKind.TOWNSHIP}),
    OrgKind.ENTERPRISE: frozenset(OrgKind) - {OrgKind.ENTERPRISE},
}
EDITABLE = ("name", "name_en", "division_code", "uscc", "longitude", "latitude")


class BadOrg(BadInput):
    """An organisation that does not fit into the tree: its kind, its code or its place."""

    code = "people.bad_org"


@transaction.atomic
def create_org(
    *,
    actor: Any,
    parent: Org | None,
    kind: str,
    code: str,
    name: str,
    name_en: str = "",
    division_code: str = "",
    uscc: str = "",
    longitude: float | None = None,
    latitude: float | None = None,
    is_demo: bool = False,
) -> Org:
    """Add an organisation under ``parent`` (None: a root, which only a superuser or the platform may add).

    Raises NotAllowed, BadOrg and, for a code of the wrong form, BadCode.
    """
    _lock_tree()
    if parent is not None:
        parent = Org.objects.get(pk=parent.pk)
    _allowed(actor, "org.edit", parent)
    org = Org(
        parent=parent, kind=kind, code=code, name=name, name_en=name_en, division_code=division_code,
        uscc=codes.check_uscc(uscc) if uscc else "", longitude=longitude, latitude=latitude, is_demo=is_demo,
    )  # fmt: skip
    _check_place(org, parent)
    if Org.objects.filter(code=code).exists():
        raise BadOrg(_("another organisation has the short name %(code)s") % {"code": code})
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('orgs_org', 'id'))")
        org.pk = cursor.fetchone()[0]
    org.path = f"{parent.path if parent else '/'}{org.pk}/"
    org.depth = parent.depth + 1 if parent else 0
    if len(org.path) > MAX_PATH:
        raise BadOrg(_("the tree is too deep at %(org)s") % {"org": name})
    org.save(force_insert=True)
    audit.record(actor, "org.created", org, kind=kind, code=code, division_code=division_code)
    return org


@transaction.atomic
def edit_org(*, actor: Any, org: Org, **values: Any) -> Org:
    """Change names, codes or place (``EDITABLE``).  Raises NotAllowed, BadOrg, BadCode."""
    if unknown := set(values) - set(EDITABLE):
        raise TypeError(f"not editable: {sorted(unknown)}")
    _lock_tree()
    now = Org.objects.select_related("parent").get(pk=org.pk)
    _allowed(actor, "org.edit", now)
    if values.get("uscc"):
        values["uscc"] = codes.check_uscc(values["uscc"])
    before = {name: getattr(now, name) for name in values if getattr(now, name) != values[name]}
    for name, value in values.items():
        setattr(now, name, value)
        setattr(org, name, value)
    if "division_code" in before:
        _check_place(now, now.parent)
        for child in now.children.exclude(division_code=""):
            _check_place(child, now)
    if before:
        now.save(update_fields=list(before))
        audit.record(actor, "org.edited", now, before=before, after={name: values[name] for name in before})
    return now


@transaction.atomic
def move_org(*, actor: Any, org: Org, parent: Org | None, division_code: str | None = None) -> Org:
    """Hang ``org``, with everything below it, under ``parent``; needs ``org.edit`` where it was and where it goes.

    Every row in any table that carries ``org_path`` follows, but for the audit trail, which keeps what was.
    A new place may need a new ``division_code``; None keeps it.  Raises NotAllowed, BadOrg, BadCode.
    """
    _lock_tree()
    org = Org.objects.select_for_update().get(pk=org.pk)
    new_parent = Org.objects.get(pk=parent.pk) if parent is not None else None
    _allowed(actor, "org.edit", org)
    _allowed(actor, "org.edit", org.parent)
    _allowed(actor, "org.edit", new_parent)
    if new_parent is not None and new_parent.path.startswith(org.path):
        raise BadOrg(_("%(org)s cannot hang under itself") % {"org": org})
    old_code = org.division_code
    org.parent, org.division_code = new_parent, old_code if division_code is None else division_code
    _check_place(org, new_parent)
    for child in org.children.exclude(division_code=""):
        _check_place(child, org)
    old, new = org.path, f"{new_parent.path if new_parent else '/'}{org.pk}/"
    deeper = (new_parent.depth + 1 if new_parent else 0) - org.depth
    below = Org.objects.filter(path__startswith=old)
    longest = max(len(path) for path in below.values_list("path", flat=True))
    if longest - len(old) + len(new) > MAX_PATH:
        raise BadOrg(_("the tree is too deep at %(org)s") % {"org": org})
    if old != new:
        Org.objects.filter(pk=org.pk).update(parent=new_parent, division_code=org.division_code)
        below.update(path=_moved("path", old, new), depth=F("depth") + deeper)
        for model in _tables_with_paths():
            model._base_manager.filter(org_path__startswith=old).update(org_path=_moved("org_path", old, new))
    org.refresh_from_db()
    if old != new:
        codes_changed: dict[str, Any] = (
            {} if old_code == org.division_code else {"codes": [old_code, org.division_code]}
        )
        audit.record(actor, "org.moved", org, before=old, after=new, **codes_changed)
    return org


@transaction.atomic
def remove_org(*, actor: Any, org: Org) -> None:
    """Remove an organisation that nothing hangs on.  Raises NotAllowed, BadOrg."""
    _lock_tree()
    org = Org.objects.select_for_update().get(pk=org.pk)
    _allowed(actor, "org.edit", org.parent)
    entry = {"path": org.path, "code": org.code, "name": org.name}
    if org.memberships.exists():
        raise BadOrg(_("people still hold roles at %(org)s") % {"org": org})
    pk = org.pk
    try:
        org.delete()
    except models.ProtectedError as error:
        kinds = sorted({str(row._meta.verbose_name) for row in error.protected_objects})
        raise BadOrg(
            _("%(org)s is still in use: %(kinds)s") % {"org": org, "kinds": ", ".join(kinds)}
        ) from None
    org.pk = pk
    audit.record(actor, "org.removed", org, **entry)


@transaction.atomic
def grant(*, actor: Any, user: Any, org: Org, role: str) -> Membership:
    """Give ``user`` a role at ``org`` and below.  Giving it again changes nothing.  Raises NotAllowed, BadOrg."""
    org = Org.objects.get(pk=org.pk)
    _allowed(actor, "member.grant", org)
    if role not in Role.values:
        raise BadOrg(
            _("no such role: %(role)s; there are %(roles)s") % {"role": role, "roles": ", ".join(Role.values)}
        )
    membership, is_new = Membership.objects.get_or_create(user=user, org=org, role=role)
    access.forget(user)
    if is_new:
        audit.record(actor, "member.granted", org, user=user.get_username(), user_id=user.pk, role=role)
    return membership


@transaction.atomic
def revoke(*, actor: Any, membership: Membership) -> None:
    """Take a role back.  Raises NotAllowed."""
    _allowed(actor, "member.grant", membership.org)
    user, org, role = membership.user, membership.org, membership.role
    gone, _counts = Membership.objects.filter(pk=membership.pk).delete()
    access.forget(user)
    if gone:
        audit.record(actor, "member.revoked", org, user=user.get_username(), user_id=user.pk, role=role)


def check_place(org: Org) -> None:
    """Does ``org`` fit where it stands: kind, codes?  For forms.  Raises BadOrg, BadCode."""
    _check_place(org, org.parent)


def _check_place(org: Org, parent: Org | None) -> None:
    if org.kind not in OrgKind.values:
        raise BadOrg(_("no such kind of organisation: %(kind)s") % {"kind": org.kind})
    if parent is not None and parent.kind not in UNDER[org.kind]:
        raise BadOrg(
            _("%(kind)s cannot hang under %(above)s")
            % {"kind": org.get_kind_display(), "above": parent.get_kind_display()}
        )
    wanted = LEVEL_OF.get(OrgKind(org.kind))
    if wanted is not None:
        if not org.division_code:
            raise BadOrg(
                _("%(kind)s: the division code (GB/T 2260) is missing") % {"kind": org.get_kind_display()}
            )
        if codes.level(org.division_code) is not wanted:
            raise BadOrg(
                _("%(code)s is not the code of this kind: %(kind)s")
                % {"code": org.division_code, "kind": org.get_kind_display()}
            )
        twins = Org.objects.filter(kind=org.kind, division_code=org.division_code).exclude(pk=org.pk)
        if twins.exists():
            raise BadOrg(
                _("another organisation has the division code %(code)s") % {"code": org.division_code}
            )
    if not org.division_code:
        return
    coded = parent
    while coded is not None and not coded.division_code:
        coded = coded.parent
    if coded is None:
        codes.level(org.division_code)
    elif not codes.lies_under(org.division_code, coded.division_code):
        raise BadOrg(
            _("%(code)s does not lie under %(above)s (%(org)s)")
            % {"code": org.division_code, "above": coded.division_code, "org": coded}
        )


def _allowed(actor: Any, action: str, org: Org | None) -> None:
    if actor is None:
        return
    if org is None and not actor.is_superuser:
        access.require(actor, action, "/")  # nobody but a superuser holds a role at the top of all trees
    access.require(actor, action, org)


def _lock_tree() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TREE_LOCK])


def _moved(field: str, old: str, new: str) -> Concat:
    return Concat(Value(new), Substr(field, len(old) + 1), output_field=models.CharField())


def _tables_with_paths() -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models()
        if model._meta.managed
        and model._meta.label_lower != "audit.entry"
        and any(field.name == "org_path" for field in model._meta.local_concrete_fields)
    ]
