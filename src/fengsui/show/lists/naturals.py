"""Who is under what, as people see it: sites, divisions and hazards, now and within the next hours."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import NOT_OURS, BadCursor
from fengsui.show.lists.visible import visible_to
from fengsui.warn.natural.thresholds import CALM
from fengsui.warn.naturals import exposure
from fengsui.warn.naturals.exposure import WARNING, Hazard
from fengsui.warn.naturals.models import Quake, Source, Statement, Storm
from fengsui.warn.warnings.models import Message

SIZE, LARGEST = 50, 500
KINDS = ("rain", "stage", "fire", "tailings", "quake", "typhoon", WARNING)
OF = ("county", "city", "province", "enterprise")


@dataclass(frozen=True, slots=True)
class Filters:
    """``q`` is a part of a site's or organisation's name or code; ``level``: that or worse within 24 h; ``hours`` ahead
    that is looked at (0: now)."""

    q: str = ""
    kind: str = ""
    level: int | None = None
    hours: int = 24


@dataclass(frozen=True, slots=True)
class Under:
    """One hazard over one site: level now, the worst within 24 h, the first moment of each level that is worse."""

    hazard: Hazard
    now: int
    worst: int
    from_ms: int | None  # when it is first at its worst; None: it is now


@dataclass(slots=True)
class SiteUnder:
    site: Site
    now: int
    worst: int
    under: list[Under]


@dataclass(slots=True)
class Part:
    """A part of the tree: how many of its sites in sight are under what, by level, now and within 24 h."""

    code: str
    name: str
    name_en: str
    sites: int
    now: int
    worst: int
    touched_now: int
    touched: int
    counts: tuple[int, int, int, int]
    kinds: list[tuple[str, int]] = field(default_factory=list)  # (kind, worst level)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything at one moment for one person: sites in sight, hazards that concern them, levels."""

    at: datetime
    times_ms: list[int]
    where: exposure.Places
    hazards: list[Hazard]
    levels: np.ndarray  # uint8 [hazards, times, sites]

    @property
    def now(self) -> np.ndarray:
        return _least(self.levels[:, 0, :], len(self.where.ids))

    @property
    def worst(self) -> np.ndarray:
        return _least(
            self.levels.min(axis=1) if self.levels.shape[1] else self.levels[:, 0, :], len(self.where.ids)
        )


def _least(levels: np.ndarray, n: int) -> np.ndarray:
    return levels.min(axis=0) if len(levels) else np.full(n, CALM, np.uint8)


def sites(user: Any) -> Any:
    return visible_to(Site.objects.all(), user, "natural.view")


def hazards(user: Any, at: datetime) -> list[Hazard]:
    """What concerns this person: hazards of organisations at, above and below theirs."""
    messages = Message.objects.filter(_concerning(user))
    found = exposure.hazards(at, Statement.objects.concerning(user), messages)
    if not any(one.link for one in found):
        return found
    mine = visible_to(messages, user, "warning.view").values_list("pk", flat=True)
    may_open = {f"{WARNING}:{pk}" for pk in mine.filter(expires_at__gt=at)}
    return [one if not one.link or one.key in may_open else replace(one, link="") for one in found]


def _concerning(user: Any) -> Any:
    from django.db.models import Q

    paths = access.paths_where(user, "natural.view")
    if "" in paths:
        return Q()
    above = {path[: i + 1] for path in paths for i, c in enumerate(path) if c == "/" and i}
    wanted = Q(org_path__in=above)
    for path in paths:
        wanted |= Q(org_path__startswith=path)
    return wanted


def look(user: Any, at: datetime, filters: Filters | None = None, rows: Any = None) -> Look:
    """Levels of every site in sight (or of ``rows`` of them) by the hazards that concern ``user``."""
    filters = filters or Filters()
    listed = [one for one in hazards(user, at) if not filters.kind or one.kind == filters.kind]
    where = exposure.places(sites(user) if rows is None else rows)
    times = [ms for ms in exposure.steps(at) if ms <= at.timestamp() * 1000 + filters.hours * 3_600_000 + 1]
    return Look(at, times, where, listed, exposure.matrix(where, listed, times))


def site_page(
    user: Any, at: datetime, filters: Filters, cursor: str | None = None, size: int = SIZE
) -> tuple[list[SiteUnder], str | None, Look]:
    """Sites that are under something, the worst first.  The cursor names the place after the last one."""
    rows = sites(user)
    if filters.q:
        from django.db.models import Q

        rows = rows.filter(
            Q(name__icontains=filters.q) | Q(name_en__icontains=filters.q) | Q(code__icontains=filters.q)
            | Q(org__name__icontains=filters.q)
        )  # fmt: skip
    seen = look(user, at, filters, rows)
    now, worst = seen.now, seen.worst
    which = np.flatnonzero(worst <= (filters.level or CALM - 1))
    order = which[np.lexsort((seen.where.ids[which], now[which], worst[which]))]
    if cursor:
        after = _place(cursor)
        keys = list(
            zip(worst[order].tolist(), now[order].tolist(), seen.where.ids[order].tolist(), strict=True)
        )
        order = order[[i for i, key in enumerate(keys) if key > after]] if keys else order
    size = max(1, min(size, LARGEST))
    shown = order[:size]
    found = sites(user).select_related("org").in_bulk(seen.where.ids[shown].tolist())
    items = [
        SiteUnder(found[pk], int(now[i]), int(worst[i]), _under(seen, i))
        for i, pk in zip(shown.tolist(), seen.where.ids[shown].tolist(), strict=True)
        if pk in found
    ]
    last = shown[-1] if len(order) > size else None
    return items, None if last is None else f"{worst[last]}-{now[last]}-{seen.where.ids[last]}", seen


def _place(cursor: str) -> tuple[int, int, int]:
    try:
        worst, now, pk = (int(part) for part in cursor.split("-"))
    except ValueError:
        raise BadCursor(NOT_OURS) from None
    return worst, now, pk


def of_site(user: Any, site: Site, at: datetime) -> SiteUnder:
    """One site that is already known to be in sight."""
    seen = look(user, at, rows=Site.objects.filter(pk=site.pk))
    if not len(seen.where.ids):
        return SiteUnder(site, CALM, CALM, [])
    return SiteUnder(site, int(seen.now[0]), int(seen.worst[0]), _under(seen, 0))


def _under(seen: Look, i: int) -> list[Under]:
    found = []
    for h, one in enumerate(seen.hazards):
        column = seen.levels[h, :, i]
        worst = int(column.min()) if len(column) else CALM
        if worst != CALM:
            first = int(np.argmax(column == worst))
            found.append(Under(one, int(column[0]), worst, seen.times_ms[first] if first else None))
    return sorted(found, key=lambda under: (under.worst, under.now, under.hazard.key))


def parts(user: Any, at: datetime, kind: str, filters: Filters) -> list[Part]:
    """Parts of the tree of one kind with sites in sight, the worst first; those under nothing last."""
    seen = look(user, at, filters)
    now, worst = seen.now, seen.worst
    by_hazard = seen.levels.min(axis=1) if len(seen.hazards) else seen.levels[:, 0, :]
    rows = Org.objects.filter(kind=kind).values_list("path", "code", "name", "name_en")
    found = []
    for path, code, name, name_en in rows:
        if filters.q and not any(filters.q.casefold() in text.casefold() for text in (code, name, name_en)):
            continue
        mine = seen.where.under((path,))
        if not mine.any():
            continue
        kinds: dict[str, int] = {}
        for h, one in enumerate(seen.hazards):
            level = int(by_hazard[h, mine].min())
            if level != CALM:
                kinds[one.kind] = min(level, kinds.get(one.kind, CALM))
        counts = tuple(int((worst[mine] == level).sum()) for level in (1, 2, 3, 4))
        found.append(
            Part(
                code, name, name_en or name, int(mine.sum()), int(now[mine].min()), int(worst[mine].min()),
                int((now[mine] < CALM).sum()), int((worst[mine] < CALM).sum()), counts,  # type: ignore[arg-type]
                sorted(kinds.items(), key=lambda pair: (pair[1], pair[0])),
            )
        )  # fmt: skip
    limit = filters.level or CALM
    found = [part for part in found if part.worst <= limit]
    return sorted(found, key=lambda part: (part.worst, part.now, -part.touched, part.code))


def hazard_counts(user: Any, at: datetime, filters: Filters) -> list[tuple[Hazard, int, int]]:
    """Every hazard that concerns ``user`` with how many sites in sight are under it now, and within 24 h."""
    seen = look(user, at, filters)
    found = []
    for h, one in enumerate(seen.hazards):
        if filters.level and one.level > filters.level:
            continue
        levels = seen.levels[h]
        found.append((one, int((levels[0] < CALM).sum()), int((levels < CALM).any(axis=0).sum())))
    return sorted(found, key=lambda row: (row[0].level, -row[2], row[0].key))


def quakes(user: Any) -> Any:
    return Quake.objects.concerning(user).filter(is_current=True).select_related("source")


def storms(user: Any) -> Any:
    return Storm.objects.concerning(user).select_related("source")


def sources(user: Any) -> Any:
    return Source.objects.concerning(user).select_related("org")
