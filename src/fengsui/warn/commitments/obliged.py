"""Which sites commit each day and by when: the newest obligation of the nearest organisation; without one none does."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from fengsui.sense.devices.models import Site
from fengsui.warn.commitments.models import DEADLINE, Obligation
from fengsui.warn.inventories.models import MajorHazard


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds at a place.  ``of`` is the organisation that said so, "" where nobody did: then no site commits."""

    deadline: datetime.time = DEADLINE
    kinds: tuple[str, ...] = ()
    with_hazards: bool = False
    is_public: bool = False
    of: str = ""

    def deadline_at(self, day: datetime.date) -> datetime.datetime:
        return timezone.make_aware(datetime.datetime.combine(day, self.deadline))

    @property
    def is_any(self) -> bool:
        return bool(self.kinds) or self.with_hazards


NOBODY = Terms()


class Book:
    """The obligations in force, read once."""

    def __init__(self) -> None:
        self._at: dict[str, Terms] = {}
        for row in Obligation.objects.select_related("org").order_by("since", "pk"):
            self._at[row.org.path] = Terms(
                row.deadline, tuple(row.kinds), row.with_hazards, row.is_public, row.org.name
            )

    def __bool__(self) -> bool:
        """Does anybody have to commit?"""
        return any(terms.is_any for terms in self._at.values())

    def terms(self, path: str) -> Terms:
        """What holds at an organisation's path."""
        parts = path.strip("/").split("/")
        for n in range(len(parts), 0, -1):
            found = self._at.get("/" + "/".join(parts[:n]) + "/")
            if found is not None:
                return found
        return NOBODY

    def is_obliged(self, site: Site) -> bool:
        terms = self.terms(site.org_path)
        return site.is_active and (
            site.kind in terms.kinds
            or (terms.with_hazards and MajorHazard.objects.filter(site=site, is_current=True).exists())
        )

    def where(self, holds: Callable[[Terms], bool] = lambda _terms: True) -> Q:
        """Sites that commit under terms of which ``holds``, as a condition: the database looks, not we."""
        condition = Q(pk__in=[])
        hazards = MajorHazard.objects.filter(is_current=True).values("site_id")
        for path, terms in self._at.items():
            if not (terms.is_any and holds(terms)):
                continue
            must = Q(kind__in=terms.kinds)
            if terms.with_hazards:
                must |= Q(pk__in=hazards)
            nearer = Q(pk__in=[])
            for other in self._at:
                if other != path and other.startswith(path):
                    nearer |= Q(org_path__startswith=other)
            condition |= Q(org_path__startswith=path) & must & ~nearer
        return condition & Q(is_active=True)

    def obliged(self, sites: QuerySet[Site] | None = None) -> list[Site]:
        """Those of ``sites`` (by default all) that commit, by code."""
        rows: Any = Site.objects.select_related("org") if sites is None else sites
        return list(rows.filter(self.where()).order_by("code"))


def end_of(day: datetime.date) -> datetime.datetime:
    """The first instant after ``day``, local."""
    return timezone.make_aware(datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time()))


def begin_of(day: datetime.date) -> datetime.datetime:
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time()))
