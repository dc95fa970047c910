"""What rows say of every site in use, counted into the columns of the weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.db.models import Count, OuterRef, Q, Subquery

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.inventories.models import Identification, MajorHazard
from fengsui.warn.natural import zones
from fengsui.warn.naturals import exposure
from fengsui.warn.risk.weights import LEVELS, Weights
from fengsui.warn.risks.models import Fact
from fengsui.warn.warnings.models import Message

log = structlog.get_logger()

INDEX = "risk.index"  # code of the datastream that carries the index itself (``series``)


@dataclass(frozen=True, slots=True)
class Sites:
    """Sites in use by number: ids, places, paths of their organisations, and their counts (n, items)."""

    ids: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    paths: list[str]
    kinds: list[str]
    counts: np.ndarray


def gather(at: datetime, weights: Weights) -> Sites:
    """Everything the index is made of, in ten statements however many sites there are."""
    rows = list(
        Site.objects.filter(is_active=True)
        .order_by("pk")
        .values_list("pk", "longitude", "latitude", "org_path", "kind")
    )
    ids = np.array([row[0] for row in rows], np.int64)
    made = Sites(
        ids,
        np.array([row[1] for row in rows], float),
        np.array([row[2] for row in rows], float),
        [row[3] for row in rows],
        [row[4] for row in rows],
        np.zeros((len(rows), len(weights.items)), np.int64),
    )
    if rows:
        fill = _Fill(made, weights)
        fill.hazards()
        fill.alarms(at)
        fill.facts(at)
        fill.warnings(at)
        fill.naturals(at)
    return made


class _Fill:
    def __init__(self, sites: Sites, weights: Weights) -> None:
        self.sites = sites
        self.column = {key: i for i, key in enumerate(weights.keys)}
        self.row = {pk: i for i, pk in enumerate(sites.ids.tolist())}

    def add(self, found: Iterable[tuple[int, str, int]]) -> None:
        """(site, item, count); an item that the weights do not name counts for nothing."""
        for site, item, count in found:
            if site in self.row and item in self.column:
                self.sites.counts[self.row[site], self.column[item]] += count

    def hazards(self) -> None:
        graded = MajorHazard.objects.filter(is_current=True).values_list("site_id", "grade")
        self.add(
            (site, f"grade_{grade or 1}", n) for site, grade, n in graded.annotate(n=Count("pk")).order_by()
        )
        newest = Identification.objects.filter(inventory__site=OuterRef("pk")).order_by("-at", "-pk")
        processes = Site.objects.annotate(n=Subquery(newest.values("processes")[:1])).filter(n__gt=0)
        self.add((site, "process", n) for site, n in processes.values_list("pk", "n"))

    def alarms(self, at: datetime) -> None:
        """Active ones that are not put aside.  What rises too fast is a trend; silence is being off line."""
        rows = Alarm.objects.filter(cleared_at=None, is_suppressed=False)
        rows = rows.exclude(datastream__code=INDEX)  # an alarm over the index would raise itself
        rows = rows.filter(Q(shelved_until=None) | Q(shelved_until__lte=at))
        by = (
            rows.order_by()
            .values_list("site_id", "kind", "priority")
            .annotate(n=Count("datastream", distinct=True))
        )
        silent: dict[int, int] = {}
        for site, kind, priority, n in by:
            if kind == "silent":
                silent[site] = silent.get(site, 0) + n
            else:
                self.add([(site, "trend" if kind == "rate" else f"alarm_{LEVELS[priority - 1]}", n)])
        if silent:
            used = Datastream.objects.filter(site__in=silent, is_active=True, stopped_at=None)
            used = used.exclude(code=INDEX)
            all_of = dict(used.order_by().values_list("site_id").annotate(n=Count("pk")))
            self.add(
                (site, "offline", min(1000, 1000 * n // max(all_of.get(site, n), 1)))
                for site, n in silent.items()
            )

    def facts(self, at: datetime) -> None:
        rows = Fact.objects.holding(at).order_by().values_list("site_id", "kind")
        self.add((site, kind, n) for site, kind, n in rows.annotate(n=Count("pk")))

    def warnings(self, at: datetime) -> None:
        """Public warnings in force whose area or division covers the site; the same area said twice counts twice."""
        messages = list(
            Message.objects.in_force(at).exclude(level=None).values_list("level", "shapes", "divisions")
        )
        if not messages:
            return
        codes = dict(Org.objects.exclude(division_code="").values_list("path", "division_code"))
        covered: dict[str, np.ndarray] = {}
        for level, shapes, divisions in messages:
            inside = np.zeros(len(self.sites.ids), bool)
            for ring in shapes:
                inside |= self._within(ring)
            if not shapes:
                for code in divisions:
                    if code not in covered:
                        starts = tuple(path for path, own in codes.items() if own == code)
                        covered[code] = np.array(
                            [bool(starts) and p.startswith(starts) for p in self.sites.paths]
                        )
                    inside |= covered[code]
            item = f"weather_{LEVELS[level - 1]}"
            if item in self.column:
                self.sites.counts[inside, self.column[item]] += 1

    def naturals(self, at: datetime) -> None:
        """Levels of natural hazards that the platform itself found: they count as warnings of that colour do."""
        s = self.sites
        found = exposure.now_of(exposure.Places(s.ids, s.longitude, s.latitude, s.paths), at)
        self.add((site, f"weather_{LEVELS[level - 1]}", n) for site, level, n in found)

    def _within(self, ring: Any) -> np.ndarray:
        return zones.within(ring, self.sites.longitude, self.sites.latitude)
