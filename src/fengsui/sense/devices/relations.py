"""What may not be among the relations of assets, and who changes them: for imports, the admin and region packs."""
# ruff: noqa: S608 - SQL of our own fragments; values are parameters

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.base.relations import NEIGHBOUR, NO_WAY_BACK, find_cycle
from fengsui.sense.devices.models import RelationKind
from fengsui.sense.devices.tables import BadCell, Check, Column, Table, code, words, yes

ACTOR = "SELECT set_config('fengsui.actor', %s, true)"  # read by the trigger that keeps the history

# Ends as one number each: a thing 2·id, a site 2·id + 1.  What a site's relation reaches is all its things, save those
# that stand at the other end of a relation with it.
CONTAINED = """
SELECT DISTINCT 2 * r.site_id + 1, 2 * h.id FROM {relations} r JOIN devices_thing h ON h.site_id = r.site_id
WHERE r.thing_id IS NULL AND r.kind <> 'neighbour' AND NOT EXISTS (
    SELECT FROM {relations} o WHERE o.upstream_thing_id = h.id AND o.site_id = r.site_id AND o.thing_id IS NULL)
"""


def change_as(actor: Any) -> None:
    """Relations changed in this transaction from here on are changed by ``actor``."""
    with connection.cursor() as cursor:
        cursor.execute(ACTOR, [str(actor)[:150] if actor else ""])


def relation_kind(text: str) -> str:
    """A relation by its code or its name in the reader's language."""
    if text in RelationKind.values:
        return text
    for value, label in RelationKind.choices:
        if text == str(label):
            return str(value)
    raise BadCell(
        _("is not a relation"), _("Choose one of: %(kinds)s.") % {"kinds": ", ".join(RelationKind.values)}
    )


def maybe_code(text: str) -> str:
    return code(text) if text else ""


def find_way_back(cursor: Any, extra: str = "", more: Iterable[tuple[int, int]] = ()) -> list[str]:
    """A way along feeds, carries and contains that comes back to where it began, in words; [] when none.

    ``extra``: a temporary table of further relations (the columns of AssetRelation); ``more``: edges as numbers.
    """
    stored = "SELECT kind, upstream_thing_id, site_id, thing_id FROM devices_assetrelation WHERE is_active"
    if extra:
        stored += f" UNION ALL SELECT kind, upstream_thing_id, site_id, thing_id FROM {extra}"
    every = f"(SELECT * FROM ({stored}) u WHERE kind = ANY(%s))"
    kinds = list(NO_WAY_BACK)
    cursor.execute(
        f"""SELECT 2 * upstream_thing_id, coalesce(2 * thing_id, 2 * site_id + 1) FROM {every} r
            UNION ({CONTAINED.format(relations=every)})""",
        [kinds, kinds, kinds],
    )
    found = find_cycle([*cursor.fetchall(), *more])
    if not found:
        return []
    cursor.execute(
        """SELECT n, coalesce(h.code, s.code) FROM unnest(%s::bigint[]) WITH ORDINALITY u (n, i)
           LEFT JOIN devices_thing h ON n % 2 = 0 AND h.id = n / 2
           LEFT JOIN devices_site s ON n % 2 = 1 AND s.id = n / 2 ORDER BY i""".replace("% ", "%% "),
        [found],
    )
    return [name for _number, name in cursor.fetchall()]


def check_way_back(cursor: Any, refuse: Callable[[int, str, str, str, str], None]) -> None:
    """Refuse an import after which something would feed, carry or contain itself."""
    cursor.execute("DROP TABLE IF EXISTS devices_relations_wanted")
    cursor.execute(
        f"""CREATE TEMPORARY TABLE devices_relations_wanted ON COMMIT DROP AS
            SELECT t.row, t.relation AS kind, ug.id AS upstream_thing_id, s.id AS site_id, g.id AS thing_id
            FROM devices_import t {RELATIONS.joins} WHERE coalesce(t.is_active, true)"""
    )
    if way := find_way_back(cursor, "devices_relations_wanted"):
        cursor.execute(
            "SELECT max(row) FROM devices_relations_wanted WHERE kind = ANY(%s)", [list(NO_WAY_BACK)]
        )
        refuse(
            cursor.fetchone()[0] or 1, "relation", " → ".join(way), _("comes back to where it began"),
            _("Nothing feeds, carries or contains itself: take one of these relations out."),
        )  # fmt: skip


def _no_site(column: str) -> Check:
    return Check(
        column,
        f"NOT EXISTS (SELECT FROM devices_site s WHERE s.code = t.{column} AND starts_with(s.org_path, %(scope)s))",
        gettext_lazy("is not a site that you may edit"),
        gettext_lazy("Correct the code, or import the site first."),
    )


def _no_thing(site: str, thing: str) -> Check:
    return Check(
        thing,
        f"t.{thing} <> '' AND EXISTS (SELECT FROM devices_site s WHERE s.code = t.{site}) AND NOT EXISTS "
        "(SELECT FROM devices_site s JOIN devices_thing g ON g.site_id = s.id "
        f"WHERE s.code = t.{site} AND g.code = t.{thing})",
        gettext_lazy("is not a thing of this site"),
        gettext_lazy("Correct the code, or import the thing first."),
    )


_EMPTY = "coalesce(t.{}, '') = ''"
_JOINS = """JOIN devices_site us ON us.code = t.upstream_site
        LEFT JOIN devices_thing ug ON ug.site_id = us.id AND ug.code = t.upstream_thing
        JOIN devices_site s ON s.code = t.site LEFT JOIN devices_thing g ON g.site_id = s.id AND g.code = t.thing"""
RELATIONS = Table(
    "relation",
    gettext_lazy("Asset relations"),
    "device.edit",
    False,
    "devices_assetrelation",
    (
        Column("relation", gettext_lazy("Relation"), relation_kind, required=True, example="carries"),
        Column("upstream_site", gettext_lazy("Upstream site"), code, required=True, example="plant-1"),
        Column("upstream_thing", gettext_lazy("Upstream thing"), maybe_code, example="GW-1"),
        Column("site", gettext_lazy("Site"), code, required=True, example="plant-1"),
        Column("thing", gettext_lazy("Thing"), maybe_code, example="R-101"),
        Column("note", gettext_lazy("Note"), words(200)),
        Column("is_active", gettext_lazy("In force"), yes, "boolean", example="yes"),
    ),
    ("relation", "upstream_site", "upstream_thing", "site", "thing"),
    ("kind", "upstream_site_id", "upstream_thing_id", "site_id", "thing_id"),
    _JOINS,
    f"""{_JOINS} JOIN devices_assetrelation x ON x.kind = t.relation AND x.upstream_site_id = us.id
        AND x.upstream_thing_id IS NOT DISTINCT FROM ug.id AND x.site_id = s.id
        AND x.thing_id IS NOT DISTINCT FROM g.id""",
    {
        "kind": "t.relation", "upstream_site_id": "us.id", "upstream_thing_id": "ug.id", "site_id": "s.id",
        "thing_id": "g.id", "note": "t.note", "is_active": "t.is_active",
    },
    (
        _no_site("upstream_site"),
        _no_site("site"),
        _no_thing("upstream_site", "upstream_thing"),
        _no_thing("site", "thing"),
        Check(
            "relation",
            f"t.relation <> '{NEIGHBOUR}' AND {_EMPTY.format('upstream_thing')}",
            gettext_lazy("needs an upstream thing"),
            gettext_lazy("Say which thing of the upstream site it is; only neighbours may be whole sites."),
        ),
        Check(
            "relation",
            f"t.relation = '{NEIGHBOUR}' AND ({_EMPTY.format('upstream_thing')}) <> ({_EMPTY.format('thing')})",
            gettext_lazy("stands between a thing and a site"),
            gettext_lazy("Neighbours are two things, or two sites: fill both things or neither."),
        ),
        Check(
            "site",
            "t.site = t.upstream_site AND coalesce(t.thing, '') = coalesce(t.upstream_thing, '')",
            gettext_lazy("is at both ends"),
            gettext_lazy("A relation has two different ends."),
        ),
    ),
    after=check_way_back,
)  # fmt: skip
