"""Online patrols as people see them: what waits, what was done, draws, and which sites nobody looked at for long."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from fengsui.loops.models import Loop
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.patrols.models import Draw, Patrol
from fengsui.warn.patrols.services import KIND
from fengsui.warn.risks.models import SiteRisk

RECENT = ("-opened_at", "-id")


@dataclass(frozen=True, slots=True)
class Coverage:
    """A site and when it was last looked at; ``days`` since then, None: never."""

    site: Site
    level: int
    last: Patrol | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Patrols ended in a span, the sites they covered of all in sight, and what was found in it."""

    done: int
    drawn: int
    covered: int
    sites: int
    findings: int
    closed: int
    overdue: int
    waiting: int

    @property
    def share(self) -> float | None:
        """Sites looked at of all in sight, 0 … 1."""
        return self.covered / self.sites if self.sites else None


def patrols(user: Any) -> QuerySet[Patrol]:
    """Every patrol that ``user`` may know of."""
    return Patrol.objects.select_related("site", "site__org", "draw", "officer").visible_to(user)


def draws(user: Any) -> QuerySet[Draw]:
    return Draw.objects.select_related("org").visible_to(user)


def sites(user: Any) -> QuerySet[Site]:
    """Sites of which ``user`` may know when they were looked at."""
    return visible_to(Site.objects.select_related("org").filter(is_active=True), user, "patrol.view")


def patrol_page(
    user: Any, *, state: str = "", mine: bool = False, q: str = "", cursor: str | None = None, size: int = 50
) -> Page[Patrol]:
    """The newest first; ``state`` is open, done or dropped, ``mine`` what is mine or nobody's and still open."""
    rows = patrols(user)
    if mine:
        rows = rows.open().filter(Q(officer=user) | Q(officer=None))
    if state == "open":
        rows = rows.open()
    elif state == "done":
        rows = rows.filter(done_at__isnull=False)
    elif state == "dropped":
        rows = rows.filter(dropped_at__isnull=False)
    if q:
        rows = rows.filter(
            Q(site__name__icontains=q) | Q(site__name_en__icontains=q) | Q(site__code__icontains=q)
        )
    return page(rows, RECENT, cursor, size)


def coverage(user: Any, at: datetime, days: int) -> list[Coverage]:
    """Sites in sight that nobody looked at in the last ``days``, never looked at first, then by risk and time."""
    rows = list(sites(user).order_by("code"))
    last = {
        one.site_id: one
        for one in Patrol.objects.filter(site__in=rows, done_at__isnull=False).order_by("done_at")
    }
    levels = dict(SiteRisk.objects.filter(site__in=rows).values_list("site_id", "level"))
    found = []
    for site in rows:
        done = last.get(site.pk)
        since = None if done is None or done.done_at is None else (at - done.done_at).days
        if since is None or since >= days:
            found.append(Coverage(site, levels.get(site.pk, 4), done, since))
    return sorted(found, key=lambda one: (one.days is not None, one.level, -(one.days or 0), one.site.code))


def figures(user: Any, begin: datetime, end: datetime, now: datetime, path: str = "") -> Figures:
    """Of the sites in sight (below ``path``, if given) in [begin, end)."""
    done = patrols(user).filter(done_at__gte=begin, done_at__lt=end, site__org_path__startswith=path)
    counted = done.aggregate(
        n=Count("pk"), drawn=Count("pk", filter=Q(draw__isnull=False)), sites=Count("site", distinct=True)
    )
    loops = visible_to(Loop.objects.filter(kind_id=KIND), user, "patrol.view").filter(
        org_path__startswith=path
    )
    return Figures(
        done=counted["n"],
        drawn=counted["drawn"],
        covered=counted["sites"],
        sites=sites(user).filter(org_path__startswith=path).count(),
        findings=loops.filter(opened_at__gte=begin, opened_at__lt=end).count(),
        closed=loops.filter(closed_at__gte=begin, closed_at__lt=end).count(),
        overdue=loops.filter(closed_at=None, due_at__lte=now).count(),
        waiting=patrols(user).open().filter(site__org_path__startswith=path).count(),
    )


def officers(user: Any, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    """Who did how many, the most first."""
    done = patrols(user).filter(done_at__gte=begin, done_at__lt=end).order_by().values("officer_name")
    rows = done.annotate(n=Count("pk"), found=Count("pk", filter=Q(findings__gt=0)), last=Max("done_at"))
    return sorted(rows, key=lambda one: (-one["n"], one["officer_name"]))


def may_do(user: Any, site: Site) -> bool:
    return access.may(user, "patrol.do", site.org_path)


def month(at: datetime) -> tuple[datetime, datetime]:
    """The last 30 days."""
    return at - timedelta(days=30), at
