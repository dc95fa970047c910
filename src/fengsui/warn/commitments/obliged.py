"""Which sites commit each day and by when: the newest obligation of the nearest organisation, else the shipped one."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from fengsui.sense.devices.models import Site
from fengsui.warn.commitments.models import DEADLINE, KINDS, Obligation
from fengsui.warn.inventories.models import MajorHazard


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds at a place.  ``of`` is the organisation that said so, "" where nobody did."""

    deadline: datetime.time = DEADLINE
    kinds: tuple[str, ...] = KINDS
    with_hazards: bool = True
    is_public: bool = False
    of: str = ""

    def deadline_at(self, day: datetime.date) -> datetime.datetime:
        return timezone.make_aware(datetime.datetime.combine(day, self.deadline))


SHIPPED = Terms()


class Book:
    """The obligations in force, read once."""

    def __init__(self) -> None:
        self._at: dict[str, Terms] = {}
        for row in Obligation.objects.select_related("org").order_by("since", "pk"):
            self._at[row.org.path] = Terms(
                row.deadline, tuple(row.kinds), row.with_hazards, row.is_public, row.org.name
            )
        self._hazardous = set(MajorHazard.objects.filter(is_current=True).values_list("site_id", flat=True))

    def terms(self, path: str) -> Terms:
        """What holds at an organisation's path."""
        parts = path.strip("/").split("/")
        for n in range(len(parts), 0, -1):
            found = self._at.get("/" + "/".join(parts[:n]) + "/")
            if found is not None:
                return found
        return SHIPPED

    def is_obliged(self, site: Site) -> bool:
        terms = self.terms(site.org_path)
        return site.is_active and (
            site.kind in terms.kinds or (terms.with_hazards and site.pk in self._hazardous)
        )

    def obliged(self, sites: QuerySet[Site] | None = None) -> list[Site]:
        """Those of ``sites`` (by default all) that commit, by code."""
        rows: Any = Site.objects.select_related("org") if sites is None else sites
        return [site for site in rows.filter(is_active=True).order_by("code") if self.is_obliged(site)]


def end_of(day: datetime.date) -> datetime.datetime:
    """The first instant after ``day``, local."""
    return timezone.make_aware(datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time()))


def begin_of(day: datetime.date) -> datetime.datetime:
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time()))
