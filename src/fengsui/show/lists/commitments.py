"""Safety commitments as people see them: every obliged site of a day with its state, by county, one site's days."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site
from fengsui.show.lists.visible import visible_to
from fengsui.warn.commitments.models import Commitment, Missing
from fengsui.warn.commitments.obliged import Book

GIVEN, LATE, MISSING, WAITING = "given", "late", "missing", "waiting"
STATES = {
    GIVEN: _("Given in time"),
    LATE: _("Given late"),
    MISSING: _("Not given"),
    WAITING: _("Still has time"),
}
WORST = (MISSING, WAITING, LATE, GIVEN)


@dataclass(frozen=True, slots=True)
class Line:
    """A site that has to commit, and how it stands that day.  ``row`` is the version that holds."""

    site: Site
    state: str
    deadline_at: datetime
    row: Commitment | None
    county: str  # path of its county, "" in none

    @property
    def words(self) -> str:
        return str(STATES[self.state])


@dataclass(frozen=True, slots=True)
class Figures:
    """Sites of a part of the tree by state; ``county`` is None for all of them."""

    given: int
    late: int
    missing: int
    waiting: int
    county: Org | None = None

    @property
    def obliged(self) -> int:
        return self.given + self.late + self.missing + self.waiting

    @property
    def rate(self) -> float | None:
        """Committed of obliged (reference of the trade: commitment rate), 0 … 1; None without an obliged site, and as
        long as one that has not committed still has time: a rate is of a day that is due."""
        return (self.given + self.late) / self.obliged if self.obliged and not self.waiting else None


def sites(user: Any) -> QuerySet[Site]:
    """Sites whose commitments ``user`` may see."""
    return visible_to(Site.objects.select_related("org"), user, "commitment.view")


def commitments(user: Any) -> QuerySet[Commitment]:
    return visible_to(
        Commitment.objects.select_related("site", "site__org"), user, "commitment.view", "site__org_path"
    )


def missing(user: Any) -> QuerySet[Missing]:
    return visible_to(
        Missing.objects.select_related("site", "site__org"), user, "commitment.view", "site__org_path"
    )


def day_of(
    user: Any,
    day: date,
    now: datetime,
    *,
    q: str = "",
    county: str = "",
    path: str = "",
    book: Book | None = None,
) -> list[Line]:
    """Every obliged site in sight, the missing first; ``q`` is part of a name or code, ``county`` a code.

    A past day is told by what was given and missed then; today and later by who has to commit now.
    """
    rows = sites(user).filter(org_path__startswith=path)
    if q:
        rows = rows.filter(
            Q(name__icontains=q) | Q(name_en__icontains=q) | Q(code__icontains=q) | Q(org__name__icontains=q)
        )
    counties = {org.path: org for org in Org.objects.filter(kind="county")}
    if county:
        within = next((path for path, org in counties.items() if org.code == county), None)
        rows = rows.filter(org_path__startswith=within) if within else rows.none()
    given = {one.site_id: one for one in commitments(user).filter(day=day).order_by("number")}
    missed = {one.site_id: one for one in missing(user).filter(day=day)}
    book = book or Book()
    past = day < timezone.localdate(now)
    known = rows.filter(pk__in=[*given, *missed]).order_by("code") if past else rows
    lines = []
    for site in known if past else book.obliged(rows):
        row = given.get(site.pk)
        note = missed.get(site.pk)
        deadline = (
            row.deadline_at
            if row
            else note.deadline_at
            if note
            else book.terms(site.org_path).deadline_at(day)
        )
        is_over = now >= deadline
        state = (LATE if row.is_late else GIVEN) if row else MISSING if is_over else WAITING
        lines.append(Line(site, state, deadline, row, _county(site.org_path, counties)))
    return sorted(lines, key=lambda one: (WORST.index(one.state), one.site.code))


def figures(lines: list[Line]) -> Figures:
    """How many there are of each state."""
    n = Counter(line.state for line in lines)
    return Figures(n[GIVEN], n[LATE], n[MISSING], n[WAITING])


def by_county(lines: list[Line]) -> list[Figures]:
    """The same county by county, the most missing first."""
    orgs = {org.path: org for org in Org.objects.filter(kind="county")}
    groups: dict[str, Counter[str]] = {}
    for line in lines:
        groups.setdefault(line.county, Counter())[line.state] += 1
    found = [Figures(n[GIVEN], n[LATE], n[MISSING], n[WAITING], orgs.get(path)) for path, n in groups.items()]
    return sorted(found, key=lambda one: (-one.missing, one.county.code if one.county else "~"))


def _county(path: str, counties: dict[str, Org]) -> str:
    parts = path.strip("/").split("/")
    return next(
        (p for n in range(len(parts), 0, -1) if (p := "/" + "/".join(parts[:n]) + "/") in counties), ""
    )
