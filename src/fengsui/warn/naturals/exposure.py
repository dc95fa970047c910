"""Who is under what, now and in the hours to come: levels in force and warnings of all kinds over all sites.

A *hazard* is a statement of the platform or a public warning in force.  Each is laid over the sites as arrays; what
comes out is a matrix of levels, hazards × times × sites.  Nothing of it is a row: it is as new as the rows it is from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site
from fengsui.warn.natural import zones
from fengsui.warn.natural.thresholds import CALM
from fengsui.warn.naturals.models import Statement
from fengsui.warn.warnings.models import Message

AHEAD_H = 24
WARNING = "warning"  # the kind of hazards that are public warnings


@dataclass(frozen=True, slots=True)
class Places:
    """Sites in use in columns of equal length; ``paths`` are those of their organisations."""

    ids: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    paths: list[str]
    known: dict[str, np.ndarray] = field(default_factory=dict)  # what ``under`` has answered

    def under(self, starts: tuple[str, ...]) -> np.ndarray:
        """Which of them are at or below one of these organisations; bool [n]."""
        key = "\0".join(starts)
        if key not in self.known:
            self.known[key] = np.array([path.startswith(starts) for path in self.paths], bool)
        return self.known[key]


@dataclass(frozen=True, slots=True)
class Hazard:
    """Something in force or about to be: when, at which level, where, by whom, and why (numbers by name)."""

    key: str
    kind: str  # of warn.natural.thresholds.KINDS, or WARNING
    level: int
    name: str
    name_en: str
    source: str
    source_en: str
    begins_ms: int
    until_ms: int | None
    zone: dict[str, Any]
    why: dict[str, Any]
    link: str = ""
    is_demo: bool = False


def places(sites: QuerySet[Site]) -> Places:
    """Sites in use, in order of their number."""
    rows = list(
        sites.filter(is_active=True).order_by("pk").values_list("pk", "longitude", "latitude", "org_path")
    )
    return Places(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], float),
        np.array([row[2] for row in rows], float),
        [row[3] for row in rows],
    )


def hazards(at: datetime, statements: QuerySet[Statement], messages: QuerySet[Message]) -> list[Hazard]:
    """Statements in force at ``at``, and real public warnings in force then that say their level."""
    found = [_statement(row) for row in statements.filter(raised_at__lte=at).filter(
        Q(cleared_at=None) | Q(cleared_at__gt=at)).order_by("level", "pk")]  # fmt: skip
    rows = messages.in_force(at).exclude(level=None).defer("document").order_by("level", "pk")
    found += [_message(row) for row in rows]
    return found


def _statement(row: Statement) -> Hazard:
    return Hazard(
        row.key, row.kind, row.level, row.name, row.name_en or row.name, row.source_name,
        row.source_name_en or row.source_name, _ms(row.raised_at), None if row.until_at is None else _ms(row.until_at),
        row.zone, row.why, is_demo=row.is_demo,
    )  # fmt: skip


def _message(row: Message) -> Hazard:
    zone: dict[str, Any]
    if row.shapes:
        zone = {"form": "rings", "level": row.level, "rings": row.shapes}
    else:
        zone = {"form": "divisions", "level": row.level, "codes": row.divisions}
    source = row.sender_name or row.sender
    return Hazard(
        f"{WARNING}:{row.pk}", WARNING, row.level or CALM, row.headline or row.event,
        row.headline_en or row.headline or row.event, source, source, _ms(row.sent_at), _ms(row.expires_at), zone,
        {"event": row.event, "area": row.area_desc}, f"/warnings/messages/{row.pk}/",
    )  # fmt: skip


def matrix(where: Places, listed: Sequence[Hazard], times_ms: Sequence[int]) -> np.ndarray:
    """uint8 [hazards, times, sites]: 1 red … 4 blue, CALM none; after a hazard's end it is none."""
    out = np.full((len(listed), len(times_ms), len(where.ids)), CALM, np.uint8)
    if not len(where.ids):
        return out
    when = np.asarray(times_ms, np.int64)
    codes: dict[str, tuple[str, ...]] | None = None
    for i, one in enumerate(listed):
        holds = when >= one.begins_ms
        if one.until_ms is not None and one.zone["form"] != "track":
            holds &= when < one.until_ms
        if not holds.any():
            continue
        if one.zone["form"] == "divisions":
            if codes is None:
                codes = _divisions()
            starts = tuple(path for code in one.zone["codes"] for path in _paths_of(code, codes))
            if starts:
                out[i][np.ix_(holds, where.under(starts))] = one.zone["level"]
        else:
            found = zones.levels(one.zone, where.lon, where.lat, when.tolist())
            out[i][holds] = found[holds]
    return out


def _divisions() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for path, code in Org.objects.exclude(division_code="").values_list("path", "division_code"):
        found.setdefault(code, []).append(path)
    return {code: tuple(paths) for code, paths in found.items()}


def _paths_of(code: str, codes: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Organisations of a division; a code of a part that nobody is (town, street) stands for its county."""
    return codes.get(code) or codes.get(code[:6]) or ()


def steps(at: datetime, every_h: int = 3) -> list[int]:
    """From ``at`` to AHEAD_H hours later, ms UTC."""
    return [_ms(at + timedelta(hours=h)) for h in range(0, AHEAD_H + 1, every_h)]


def now_of(where: Places, at: datetime) -> list[tuple[int, int, int]]:
    """(site, level, how many) of statements at ``at`` for live risk: warnings are counted there by themselves."""
    listed = hazards(at, Statement.objects.all(), Message.objects.none())
    if not listed:
        return []
    found = matrix(where, listed, [_ms(at)])[:, 0, :]
    told = []
    for level in (1, 2, 3, 4):
        many = (found == level).sum(axis=0)
        told += [(int(where.ids[i]), level, int(many[i])) for i in np.flatnonzero(many).tolist()]
    return told


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
