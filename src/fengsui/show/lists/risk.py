"""Live risk as people see it: sites and parts of the tree, worst first; the points of one site; what was at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site, SiteKind
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.risk import arrays, plain
from fengsui.warn.risk.weights import TREE, Weights
from fengsui.warn.risks import services
from fengsui.warn.risks.models import Fact, RiskChange, SiteRisk

WORST = ("level", "-index", "pk")


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the tree: its index (thousandths), level, sites in sight, the worst of them, other coloured ones."""

    kind: str
    code: str
    name: str
    name_en: str
    index: int
    level: int
    sites: int
    worst: Site
    worst_index: int
    others: tuple[int, int, int]
    division: str = ""  # GB/T 2260, of organisations that are one


@dataclass(frozen=True, slots=True)
class Line:
    """One point of an explanation in words: of the group, the item, how many, what it gave."""

    group_zh: str
    group_en: str
    zh: str
    en: str
    count: int
    milli: int
    is_cut: bool

    @property
    def group(self) -> dict[str, str]:
        return {"zh": self.group_zh, "en": self.group_en}

    @property
    def words(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}


def risks(user: Any) -> QuerySet[SiteRisk]:
    """The risk of every site that ``user`` sees."""
    rows = SiteRisk.objects.select_related("site", "site__org")
    return visible_to(rows, user, "risk.view", "site__org_path")


def risk_page(
    user: Any, *, level: int | None = None, q: str = "", cursor: str | None = None, size: int = 50
) -> Page[SiteRisk]:
    """Worst first; ``q`` is a part of a site's name or code, or of its enterprise's name."""
    rows = risks(user)
    if level is not None:
        rows = rows.filter(level=level)
    if q:
        rows = rows.filter(
            Q(site__name__icontains=q) | Q(site__name_en__icontains=q) | Q(site__code__icontains=q)
            | Q(site__org__name__icontains=q)
        )  # fmt: skip
    return page(rows, WORST, cursor, size)


def facts(user: Any) -> QuerySet[Fact]:
    return visible_to(Fact.objects.select_related("site"), user, "risk.view", "site__org_path")


def changes(user: Any) -> QuerySet[RiskChange]:
    return visible_to(RiskChange.objects.select_related("site"), user, "risk.view", "site__org_path")


def explained(user: Any, risk: SiteRisk, weights: Weights | None = None) -> list[Line]:
    """Every point of the index, in words; they add up to it exactly.  A neighbour out of sight has no name."""
    weights = weights or services.in_force()
    near = [(own, metres) for _site, own, metres in risk.neighbours]
    return _lines(plain.explain(risk.counts, near, weights).points, weights)


def _lines(points: Iterable[plain.Point], weights: Weights) -> list[Line]:
    groups = {group.key: group for group in weights.groups}
    items = {item.key: item for item in weights.items}
    lines = []
    for point in points:
        group = groups.get(point.group)
        zh, en = (group.zh, group.en) if group else ("合计", "total")
        if point.item == "most":
            most = group.most if group else 100_000
            words = (f"以 {most / 1000:g} 分为限", f"at most {most / 1000:g} points")
        else:
            words = (items[point.item].zh, items[point.item].en)
        lines.append(Line(zh, en, *words, point.count, point.milli, point.item == "most"))
    return lines


def points_at(user: Any, site: Site, at: datetime) -> tuple[RiskChange, list[Line]] | None:
    """The index of a site as it was at ``at``, point by point under the weights of then; None: not kept."""
    row = changes(user).filter(site=site, at__lte=at).first()
    if row is None:
        return None
    weights = services.weights_of(row.weights_sha256)
    return (row, _lines(plain.points(row.counts, weights), weights)) if weights is not None else None


def neighbours(user: Any, risk: SiteRisk) -> list[dict[str, Any]]:
    """The sites near by whose risk is felt, nearest first; those out of sight only as a number and a distance."""
    seen = {site.pk: site for site in visible_to(Site.objects.all(), user, "risk.view").filter(
        pk__in=[row[0] for row in risk.neighbours]
    )}  # fmt: skip
    found = [{"site": seen.get(pk), "own": own, "metres": metres} for pk, own, metres in risk.neighbours]
    return sorted(found, key=lambda one: one["metres"])


def tree(user: Any, kind: str) -> list[Node]:
    """Parts of the tree of one kind with at least one site in sight, worst first, from the sites in sight only."""
    return nodes(kind, [(risk.site, risk.index) for risk in risks(user).order_by("pk")])


def nodes(kind: str, rows: list[tuple[Site, int]]) -> list[Node]:
    """The same from (site, index) rows: the tree of any moment."""
    names = _names(kind)
    numbers: dict[str, int] = {}
    value, node, member = [], [], []
    for site, index in rows:
        for key in _keys(kind, site, names):
            value.append(index)
            node.append(numbers.setdefault(key, len(numbers)))
            member.append(site)
    if kind not in TREE or not numbers:
        return []
    weights = services.in_force()
    at = np.array(node, np.int64)
    rules = [weights.tree[kind]] * len(numbers)
    sums, worst, others = arrays.spread(np.array(value, np.int64), at, len(numbers), rules, weights)
    top: dict[int, Site] = {}
    for one, site, index in zip(node, member, value, strict=True):
        if index == worst[one]:
            top.setdefault(one, site)
    size = np.bincount(at, minlength=len(numbers))
    found = []
    for key, i in numbers.items():
        code, name, name_en, division = names[key] if key in names else _industry(key, names)
        found.append(
            Node(
                kind, code, name, name_en, int(sums[i]), plain.level_of(int(sums[i]), weights), int(size[i]), top[i],
                int(worst[i]), (int(others[i][0]), int(others[i][1]), int(others[i][2])), division,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (-one.index, one.code))


Names = dict[str, tuple[str, str, str, str]]


def _names(kind: str) -> Names:
    of = "county" if kind == "industry" else kind
    rows = Org.objects.filter(kind=of).values_list("path", "code", "name", "name_en", "division_code")
    return {path: (code, name, name_en or name, division) for path, code, name, name_en, division in rows}


def _keys(kind: str, site: Site, names: Names) -> list[str]:
    """The parts of the tree that a site belongs to; an industry is a kind of site in a county."""
    steps = site.org_path.strip("/").split("/")
    paths = ["/" + "/".join(steps[: n + 1]) + "/" for n in range(len(steps))]
    if kind == "industry":
        return [f"{path}|{site.kind}" for path in paths if path in names] or [f"|{site.kind}"]
    return [path for path in paths if path in names]


def _industry(key: str, names: Names) -> tuple[str, str, str, str]:
    path, _, kind = key.partition("|")
    label = str(SiteKind(kind).label)
    code, name, name_en, division = names.get(path, ("", "", "", ""))
    return f"{code}|{kind}", f"{name} {label}".strip(), f"{name_en} {label}".strip(), division


def at_time(user: Any, at: datetime) -> list[RiskChange]:
    """The risk of every site in sight as it was at ``at``: its last change until then."""
    return list(changes(user).filter(at__lte=at).order_by("site_id", "-at", "-pk").distinct("site_id"))
