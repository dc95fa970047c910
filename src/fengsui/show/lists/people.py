"""Organisations level by level, and the audit trail, newest first."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from fengsui.people.audit.models import Entry
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to

TOPS_MAX = 100


@dataclass(frozen=True, slots=True)
class Child:
    org: Org
    children: int
    sites: int


def tops(user: Any) -> list[Org]:
    """The highest organisations that ``user`` sees."""
    paths = access.paths_where(user, "org.view")
    if paths == [""]:
        return list(Org.objects.filter(parent=None).order_by("path")[:TOPS_MAX])
    return list(Org.objects.filter(path__in=paths).order_by("path")[:TOPS_MAX])


def children(user: Any, parent: Org, cursor: str | None = None) -> Page[Org]:
    """What is directly below ``parent``, by division code."""
    rows = access.orgs_where(user, "org.view").filter(parent=parent)
    return page(rows, ("division_code", "code"), cursor)


def with_counts(user: Any, orgs: list[Org]) -> list[Child]:
    """How much is below each: organisations directly, sites at it."""
    ids = [org.pk for org in orgs]
    below = dict(Org.objects.filter(parent__in=ids).values_list("parent").annotate(n=Count("pk")).order_by())
    sites = visible_to(Site.objects.filter(org__in=ids), user, "site.view")
    at = dict(sites.values_list("org").annotate(n=Count("pk")).order_by())
    return [Child(org, below.get(org.pk, 0), at.get(org.pk, 0)) for org in orgs]


def audit_page(
    user: Any,
    *,
    actor: str = "",
    action: str = "",
    object: str = "",
    refused_only: bool = False,
    cursor: str | None = None,
) -> Page[Entry]:
    """Entries about what lies where ``user`` may read the trail; names match from their beginning."""
    rows = visible_to(Entry.objects.all(), user, "audit.view")
    if actor:
        rows = rows.filter(actor_name__istartswith=actor)
    if action:
        rows = rows.filter(action__startswith=action)
    if object:
        rows = rows.filter(object_name__icontains=object)
    if refused_only:
        rows = rows.filter(ok=False)
    return page(rows, ("-id",), cursor)
