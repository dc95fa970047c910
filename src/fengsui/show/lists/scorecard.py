"""Scorecards of alarms as they were: how each rule, site or organisation did, by ISA-18.2 / EEMUA 191 figures.

The figures of a group are those of ``warn/engine/burden``, as if one person watched just this group.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import get_language

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.alarms import packed
from fengsui.warn.alarms.columns import Columns
from fengsui.warn.alarms.models import ALARM_KINDS, Alarm, Occurrence, Rule
from fengsui.warn.alarms.verdicts import FALSE, LOOP, REAL, TEST, VERDICT
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import LIMITS, MOST_FREQUENT, Burden, Limits, burden

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GROUPS = ("county", "organisation", "site", "rule", "kind")
OF_RULE = 100  # a group of ``rule`` is its id times this and the kind's number; below 0 as ``Columns.rule``
PLACES = {"site": "code", "organisation": "org__name", "county": "org_path"}  # what is read of a site
WIDEST = 1 << 23  # of numbers that are grouped by a table instead of by sorting
WARNED_WITHIN = timedelta(hours=24)  # an alarm of the site no earlier than this warned of what happened
OF_INSTRUMENTS = ["silent", "frozen", "truth"]  # kinds that warn of nothing at the site


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Alarms raised in the span by what their closed loops found, and what happened there.

    ``warned`` and ``missed``: occurrences with and without an alarm of their site within WARNED_WITHIN before, one that
    was neither found false or a test nor speaks of an instrument only; None where a group is no place.  ``lead_s``:
    from the first of those alarms to what happened, the median.
    """

    real: int
    false: int
    test: int
    warned: int | None
    missed: int | None
    lead_s: float | None

    @property
    def false_alarm_ratio(self) -> float | None:
        """False alarms of those judged real or false, 0 … 1 (FAR of the verification of warnings)."""
        return self.false / (self.real + self.false) if self.real + self.false else None

    @property
    def hit_rate(self) -> float | None:
        """Occurrences that were warned of, 0 … 1 (POD)."""
        happened = (self.warned or 0) + (self.missed or 0)
        return (self.warned or 0) / happened if happened else None


@dataclass(frozen=True, slots=True)
class Score:
    """One line: what it is of, its figures, and how alarms raised in the span were acknowledged."""

    of: tuple[str, ...]
    burden: Burden
    acked: int
    median_ack_s: float | None  # from raised to acknowledged; None when nobody did
    p90_ack_s: float | None
    verdicts: Verdicts
    county: str = ""  # its code, in a line of a county


def in_sight(user: Any, site: str = "", county: str = "") -> tuple[QuerySet[Site], QuerySet[Occurrence]]:
    """The sites whose alarms ``user`` may see, and what happened there; of a site or a county, by code, if given."""
    sites = Site.objects.filter(access.rows_where(user, "alarm.view"))
    happened = Occurrence.objects.visible_to(user)
    if site:
        sites, happened = sites.filter(code=site), happened.filter(site__code=site)
    if county:
        within = Org.objects.filter(kind="county", code=county).values_list("path", flat=True).first()
        if within is None:
            return sites.none(), happened.none()
        sites = sites.filter(org_path__startswith=within)
        happened = happened.filter(site__org_path__startswith=within)
    return sites, happened


def scorecard(
    sites: QuerySet[Site],
    from_ms: int,
    to_ms: int,
    by: str,
    occurrences: QuerySet[Occurrence] | None = None,
    limits: Limits = LIMITS,
) -> list[Score]:
    """A line for each group that had an alarm in [from_ms, to_ms), those with most alarms first.

    ``sites``, whose alarms count, and ``occurrences`` (none: nothing is known of any) are those that the caller may
    see; ``by`` is one of GROUPS.  Acknowledgements after the span count.
    Raises ValueError when the span is empty.
    """
    return Card.of(sites, from_ms, to_ms, by, occurrences, limits).scores()


@dataclass(frozen=True, slots=True)
class Contributor:
    """A rule (or what found alarms without one) and how many alarms of the span are its."""

    site: str
    datastream: str
    kind: str
    rule: int | None
    alarms: int
    share: float


class Card:
    """The alarms of a span and a scope, read once: its lines, the whole, priorities and who contributes most."""

    def __init__(
        self, columns: Columns, from_ms: int, to_ms: int, by: str, limits: Limits,
        happened: dict[tuple[str, ...], list[float | None]] | None,
    ) -> None:  # fmt: skip
        self.from_ms, self.to_ms, self.limits = from_ms, to_ms, limits
        self._columns, self._happened = columns, happened
        self._inside = columns.raised_ms >= from_ms
        keys, place = _grouped(_groups(columns, by))
        names = _names(by, keys.tolist())
        self._lines = sorted({names[key] for key in keys.tolist()} | set(happened or ()))
        number = {of: i for i, of in enumerate(self._lines)}
        small = np.uint16 if len(number) <= 1 << 16 else np.int64  # sorted by counting
        own = np.array([number[names[key]] for key in keys.tolist()], small)[place]
        self._rows = np.argsort(own, kind="stable")
        self._ends = np.r_[0, np.cumsum(np.bincount(own, minlength=len(number)))]
        self._raised = np.bincount(own[self._inside], minlength=len(number))

    @classmethod
    def of(
        cls, sites: QuerySet[Site], from_ms: int, to_ms: int, by: str,
        occurrences: QuerySet[Occurrence] | None = None, limits: Limits = LIMITS,
    ) -> "Card":  # fmt: skip
        """See ``scorecard``."""
        if from_ms >= to_ms:
            raise ValueError("an empty span")
        ids = None  # all
        if sites.query.where or sites.query.is_empty():
            ids = np.fromiter(sites.order_by().values_list("pk", flat=True).iterator(), np.int64)
        columns = packed.stood(from_ms, to_ms, ids)
        happened = None
        if by in PLACES and occurrences is not None:
            begin, end = (EPOCH + timedelta(milliseconds=ms) for ms in (from_ms, to_ms))
            happened = _happened(occurrences.filter(at__gte=begin, at__lt=end, withdrawn_at=None), by)
        return cls(columns, from_ms, to_ms, by, limits, happened)

    def __len__(self) -> int:
        return len(self._lines)

    def scores(self, most: int | None = None) -> list[Score]:
        """The lines, those with most alarms first; at most ``most``."""
        order = sorted(range(len(self._lines)), key=lambda i: (-self._raised[i], self._lines[i]))
        return [self._score(i) for i in order[:most]]

    def whole(self) -> Burden:
        """All of it as if one person watched it."""
        c = self._columns
        return burden(c.rule, c.raised_ms, c.cleared_ms, self.from_ms, self.to_ms, self.limits)

    def priorities(self) -> list[tuple[int, int, float]]:
        """(priority, alarms raised, share 0 … 1), red first."""
        counts = np.bincount(self._columns.priority[self._inside], minlength=5)
        total = int(counts.sum())
        return [(p, n, n / total if total else 0.0) for p, n in enumerate(counts[1:5].tolist(), 1)]

    def contributors(self, most: int = MOST_FREQUENT) -> list[Contributor]:
        """The rules that raised most."""
        c = self._columns
        keys, place = _grouped(c.rule[self._inside])
        counts = np.bincount(place, minlength=len(keys))
        top = np.lexsort((keys, -counts))[:most].tolist()
        one = [int(c.id[np.argmax(self._inside & (c.rule == keys[i]))]) for i in top]
        known = Alarm.objects.select_related("site", "datastream").in_bulk(one)
        return [
            Contributor(a.site.code, a.datastream.code, a.kind, a.rule_id, n, n / len(place))
            for n, pk in zip(counts[top].tolist(), one, strict=True)
            if (a := known.get(pk)) is not None  # deleted a moment ago
        ]

    def _score(self, i: int) -> Score:
        of, rows = self._lines[i], self._rows[self._ends[i] : self._ends[i + 1]]
        c = self._columns
        raised, acked, inside = c.raised_ms[rows], c.acked_ms[rows], self._inside[rows]
        answered = (acked != NEVER) & inside
        waited = (acked - raised)[answered]
        median, p90 = (np.percentile(waited, [50, 90]) / 1000).tolist() if len(waited) else (None, None)
        happened = None if self._happened is None else self._happened.get(of, [])
        said = np.bincount(c.verdict[rows][inside], minlength=4).tolist()
        score = Score(
            of,
            burden(c.rule[rows], raised, c.cleared_ms[rows], self.from_ms, self.to_ms, self.limits),
            len(waited),
            median,
            p90,
            _verdicts(said, happened),
        )
        return replace(score, of=of[:1], county=of[1]) if len(of) == 2 else score


def _groups(columns: Columns, by: str) -> np.ndarray:
    """The number of the group of each alarm; ``_names`` says what it is called."""
    if by == "kind":
        return columns.kind
    if by == "rule":
        return np.where(columns.rule > 0, columns.rule * OF_RULE + columns.kind, columns.rule)
    return columns.site


def _grouped(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``numpy.unique`` with the inverse, by a table where the numbers lie close together."""
    low = int(values.min(initial=0))
    width = int(values.max(initial=0)) - low + 1
    if width > WIDEST:
        return np.unique(values, return_inverse=True)
    there = np.zeros(width, bool)
    offset = values.astype(np.int64) - low
    there[offset] = True
    place = np.cumsum(there, dtype=np.int32) - 1
    return np.flatnonzero(there) + low, place[offset]


def _names(by: str, keys: list[int]) -> dict[int, tuple[str, ...]]:
    """What each group is called; two of one name are one line."""
    if by == "kind":
        return {key: (list(dict(ALARM_KINDS))[key],) for key in keys}
    if by in PLACES:
        of = _place(by)
        return {pk: of(said) for pk, said in Site.objects.filter(pk__in=keys).values_list("pk", PLACES[by])}
    found: dict[int, tuple[str, ...]] = {}
    rules = Rule.every.filter(pk__in=[key // OF_RULE for key in keys if key > 0])
    for pk, site, stream in rules.values_list("pk", "datastream__site__code", "datastream__code"):
        found[pk] = (site, stream)
    gone = Datastream.objects.filter(pk__in=[-key // OF_RULE for key in keys if key < 0])
    without = {pk: (site, code) for pk, site, code in gone.values_list("pk", "site__code", "code")}
    kinds = list(dict(ALARM_KINDS))
    return {
        key: (*found[key // OF_RULE], kinds[key % OF_RULE], str(key // OF_RULE))
        if key > 0
        else (*without[-key // OF_RULE], kinds[-key % OF_RULE], "None")
        for key in keys
    }


def _happened(rows: QuerySet[Occurrence], by: str) -> dict[tuple[str, ...], list[float | None]]:
    """Of each place, for each occurrence the seconds from its first alarm; None where there was none."""
    of, out = _place(by), dict[tuple[str, ...], list[float | None]]()
    found = list(rows.values_list("pk", "at", f"site__{PLACES[by]}"))
    first = _first_alarms([pk for pk, _at, _said in found])
    for pk, at, said in found:
        warned = first.get(pk)
        out.setdefault(of(said), []).append(None if warned is None else (at - warned).total_seconds())
    return out


def _first_alarms(occurrences: list[int]) -> dict[int, datetime | None]:
    """When the first alarm was raised that warned of each."""
    statement = f"""
        SELECT o.id, (
            SELECT min(a.raised_at) FROM alarms_alarm a {LOOP}
            WHERE a.site_id = o.site_id AND a.raised_at > o.at - %s AND a.raised_at <= o.at
                AND a.kind <> ALL(%s) AND {VERDICT} NOT IN ({FALSE}, {TEST})
        ) FROM alarms_occurrence o WHERE o.id = ANY(%s)"""  # noqa: S608 - our own fragments
    with connection.cursor() as cursor:
        cursor.execute(statement, [WARNED_WITHIN, OF_INSTRUMENTS, occurrences])
        return dict(cursor.fetchall())


def _place(by: str) -> Callable[[str], tuple[str, ...]]:
    """From what PLACES reads of a site to the name of its group."""
    return _counties() if by == "county" else lambda said: (said,)


def _counties() -> Callable[[str], tuple[str, ...]]:
    """Name, in the language of the moment, and code of the county of a path; "" where it is in none."""
    zh = (get_language() or "zh").startswith("zh")
    rows = Org.objects.filter(kind="county").values_list("path", "code", "name", "name_en")
    known = {path: (name if zh else name_en or name, code) for path, code, name, name_en in rows}

    def of(path: str) -> tuple[str, ...]:
        parts = path.strip("/").split("/")
        above = ("/" + "/".join(parts[:n]) + "/" for n in range(len(parts), 0, -1))
        return next((known[p] for p in above if p in known), ("", ""))

    return of


def _verdicts(said: list[int], happened: list[float | None] | None) -> Verdicts:
    """``said``: how many alarms of each verdict."""
    leads = [lead for lead in happened or () if lead is not None]
    return Verdicts(
        said[REAL],
        said[FALSE],
        said[TEST],
        None if happened is None else len(leads),
        None if happened is None else len(happened) - len(leads),
        float(np.median(leads)) if leads else None,
    )
