"""Major hazards, inventories and identifications that a user sees."""

from typing import Any

from django.db.models import Q, QuerySet

from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.inventories.models import Identification, Inventory, MajorHazard

ORDER = ("-pk",)


def hazards(user: Any) -> QuerySet[MajorHazard]:
    """Every major hazard of today that ``user`` sees."""
    rows = MajorHazard.objects.filter(is_current=True)
    rows = rows.select_related("site", "site__org", "identification__inventory")
    return visible_to(rows, user, "hazard.view", "site__org_path")


def hazard_page(
    user: Any, *, grade: int | None = None, q: str = "", cursor: str | None = None, size: int = 50
) -> Page[MajorHazard]:
    """The newest first; ``q`` is a part of the name of the unit, the site or its enterprise."""
    rows = hazards(user)
    if grade is not None:
        rows = rows.filter(grade=grade)
    if q:
        rows = rows.filter(
            Q(unit__icontains=q) | Q(site__name__icontains=q) | Q(site__name_en__icontains=q)
            | Q(site__code__icontains=q) | Q(site__org__name__icontains=q)
        )  # fmt: skip
    return page(rows, ORDER, cursor, size)


def sites(user: Any) -> QuerySet[Site]:
    """Sites whose hazards ``user`` may see."""
    return visible_to(Site.objects.select_related("org"), user, "hazard.view")


def inventories(user: Any) -> QuerySet[Inventory]:
    return visible_to(Inventory.objects.select_related("site"), user, "hazard.view", "site__org_path")


def identifications(user: Any) -> QuerySet[Identification]:
    rows = Identification.objects.select_related("inventory__site")
    return visible_to(rows, user, "hazard.view", "inventory__site__org_path")
