"""Scorecards of alarms as they were: how each rule, site or organisation did, by ISA-18.2 / EEMUA 191 figures.

The figures of a group are those of ``warn/engine/burden``, as if one person watched just this group.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet
from django.utils.translation import get_language

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.show.lists.alarm_columns import KIND, OF_RULE, Columns, copied, read
from fengsui.warn.alarms.models import ALARM_KINDS, Alarm, Occurrence, Rule
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import LIMITS, MOST_FREQUENT, Burden, Limits, burden

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# a group of ``rule`` is its id, or less its datastream's, times OF_RULE, and the kind's number
GROUPS = {  # numbers of ``_names``, as SQL over alarms
    "rule": f"CASE WHEN a.rule_id IS NULL THEN -(a.datastream_id::bigint * {OF_RULE} + {KIND}) "
    f"ELSE a.rule_id::bigint * {OF_RULE} + {KIND} END",
    "site": "a.site_id",
    "organisation": "a.org_id",
    "county": "a.org_id",
    "kind": KIND,
}


SITES = {"site": "site__code", "organisation": "site__org__name", "county": "site__org_path"}
# What the cause of a closed disposal loop says about its alarm; other causes judge nothing.
REAL, FALSE, TEST = "real", "false", "test"
COUNTS_AS = {
    "real": REAL,
    "process": REAL,
    "instrument": FALSE,
    "communication": FALSE,
    "setpoint": FALSE,
    "maintenance": TEST,
}
FALSE_OUTCOME = "false_alarm"
WARNED_WITHIN = timedelta(hours=24)  # an alarm of the site no earlier than this warned of what happened
OF_INSTRUMENTS = (
    "silent",
    "frozen",
    "truth",
)  # kinds that speak of the instrument: they warn of nothing at the site


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


def scorecard(
    alarms: QuerySet[Alarm],
    from_ms: int,
    to_ms: int,
    by: str,
    occurrences: QuerySet[Occurrence] | None = None,
    limits: Limits = LIMITS,
) -> list[Score]:
    """A line for each group that had an alarm in [from_ms, to_ms), those with most alarms first.

    ``alarms`` and ``occurrences`` (none: nothing is known of any) are those that the caller may see;
    ``by`` is one of GROUPS.  Acknowledgements after the span count.
    Raises ValueError when the span is empty.
    """
    return Card.of(alarms, from_ms, to_ms, by, occurrences, limits).scores()


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
        self, columns: Columns, from_ms: int, to_ms: int, names: dict[int, tuple[str, ...]], limits: Limits,
        verdict: dict[int, str], happened: dict[tuple[str, ...], list[float | None]] | None,
    ) -> None:  # fmt: skip
        self._columns, self.from_ms, self.to_ms, self.limits = columns, from_ms, to_ms, limits
        self._verdict, self._happened = verdict, happened
        keys, place = np.unique(columns.group, return_inverse=True)
        groups = sorted({names[key] for key in keys.tolist()} | set(happened or ()))
        number = {of: i for i, of in enumerate(groups)}
        self._groups = groups
        own = np.array([number[names[key]] for key in keys.tolist()], np.int64)[place] if len(keys) else place
        order = np.argsort(own, kind="stable")
        self._rows = order
        self._ends = np.searchsorted(own[order], np.arange(len(groups) + 1))
        inside = (columns.raised_ms >= from_ms) & (columns.raised_ms < to_ms)
        self._raised = np.bincount(own[inside], minlength=len(groups)) if len(own) else np.zeros(len(groups))

    @classmethod
    def of(
        cls, alarms: QuerySet[Alarm], from_ms: int, to_ms: int, by: str,
        occurrences: QuerySet[Occurrence] | None = None, limits: Limits = LIMITS,
    ) -> "Card":  # fmt: skip
        """See ``scorecard``."""
        if from_ms >= to_ms:
            raise ValueError("an empty span")
        begin, end = (EPOCH + timedelta(milliseconds=ms) for ms in (from_ms, to_ms))
        stood = alarms.filter(Q(cleared_at=None) | Q(cleared_at__gte=begin), raised_at__lt=end)
        columns = read(stood, GROUPS[by])
        counties = _counties() if by == "county" else None
        verdict = _judged(begin - WARNED_WITHIN)
        happened = None
        if by in SITES and occurrences is not None:
            rows = occurrences.filter(at__gte=begin, at__lt=end, withdrawn_at=None)
            happened = _happened(alarms, rows, by, counties, verdict)
        names = _names(by, np.unique(columns.group).tolist(), counties)
        return cls(columns, from_ms, to_ms, names, limits, verdict, happened)

    def __len__(self) -> int:
        return len(self._groups)

    def scores(self, most: int | None = None) -> list[Score]:
        """The lines, those with most alarms first; at most ``most``."""
        order = sorted(range(len(self._groups)), key=lambda i: (-self._raised[i], self._groups[i]))
        return [self._score(i) for i in order[:most]]

    def whole(self) -> Burden:
        """All of it as if one person watched it."""
        c = self._columns
        return burden(c.rule, c.raised_ms, c.cleared_ms, self.from_ms, self.to_ms, self.limits)

    def priorities(self) -> list[tuple[int, int, float]]:
        """(priority, alarms raised, share 0 … 1), red first."""
        inside = self._inside()
        counts = np.bincount(inside.priority, minlength=5)[1:5].tolist()
        return [(p, n, n / len(inside) if len(inside) else 0.0) for p, n in enumerate(counts, 1)]

    def contributors(self, most: int = MOST_FREQUENT) -> list[Contributor]:
        """The rules that raised most."""
        inside = self._inside()
        rules, first, counts = np.unique(inside.rule, return_index=True, return_counts=True)
        order = np.lexsort((rules, -counts))[:most]
        rows = Alarm.objects.in_bulk(inside.id[first[order]].tolist())
        found = []
        for i in order.tolist():
            alarm = rows.get(int(inside.id[first[i]]))
            if alarm is not None:
                found.append((alarm, int(counts[i])))
        sites = dict(
            Datastream.objects.filter(pk__in=[a.datastream_id for a, _ in found]).values_list("pk", "code")
        )
        codes = dict(Site.objects.filter(pk__in=[a.site_id for a, _ in found]).values_list("pk", "code"))
        return [
            Contributor(codes[a.site_id], sites[a.datastream_id], a.kind, a.rule_id, n, n / len(inside))
            for a, n in found
        ]

    def _inside(self) -> Columns:
        c = self._columns
        return c.take(np.flatnonzero((c.raised_ms >= self.from_ms) & (c.raised_ms < self.to_ms)))

    def _score(self, i: int) -> Score:
        of = self._groups[i]
        c = self._columns.take(self._rows[self._ends[i] : self._ends[i + 1]])
        inside = c.raised_ms >= self.from_ms
        answered = (c.acked_ms != NEVER) & inside
        waited = (c.acked_ms - c.raised_ms)[answered]
        happened = None if self._happened is None else self._happened.get(of, [])
        said = [self._verdict.get(pk, "") for pk in c.id[inside].tolist()] if self._verdict else []
        score = Score(
            of,
            burden(c.rule, c.raised_ms, c.cleared_ms, self.from_ms, self.to_ms, self.limits),
            int(answered.sum()),
            float(np.median(waited)) / 1000 if len(waited) else None,
            float(np.percentile(waited, 90)) / 1000 if len(waited) else None,
            _verdicts(said, happened),
        )
        return replace(score, of=of[:1], county=of[1]) if len(of) == 2 else score


def _names(
    by: str, keys: list[int], counties: Callable[[str], tuple[str, ...]] | None
) -> dict[int, tuple[str, ...]]:
    """What each group that ``read`` found is called; two of one name are one line."""
    if by == "kind":
        return {key: (list(dict(ALARM_KINDS))[key],) for key in keys}
    if by == "site":
        return {pk: (code,) for pk, code in Site.objects.filter(pk__in=keys).values_list("pk", "code")}
    if counties is not None or by == "organisation":
        rows = Org.objects.filter(pk__in=keys).values_list("pk", "name", "path")
        return {pk: counties(path) if counties is not None else (name,) for pk, name, path in rows}
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


def _judged(begin: datetime) -> dict[int, str]:
    """The verdict of each alarm by id: of closed loops, by the last cause that was given."""
    causes = list(COUNTS_AS)
    statement = """
        SELECT a.id, CASE WHEN l.outcome = %s THEN -1::bigint
            ELSE coalesce(array_position(%s::text[], d.cause), 0)::bigint END
        FROM loops_loop l JOIN alarms_alarm a ON a.key = substr(l.key, 7)
        LEFT JOIN LATERAL (
            SELECT d.data ->> 'cause' AS cause FROM loops_deed d
            WHERE d.loop_id = l.id AND d.data ->> 'cause' IS NOT NULL ORDER BY d.id DESC LIMIT 1
        ) d ON true
        WHERE l.key LIKE 'alarm:%%' AND l.closed_at >= %s AND (l.outcome = %s OR d.cause IS NOT NULL)"""
    ids, said = copied(statement, [FALSE_OUTCOME, causes, begin, FALSE_OUTCOME], 2)
    words = ["", *(COUNTS_AS[cause] for cause in causes), FALSE]  # −1 is the last
    return {pk: words[i] for pk, i in zip(ids.tolist(), said.tolist(), strict=True)}


def of_county(rows: QuerySet[Any], code: str, path: str = "org_path") -> QuerySet[Any]:
    """Those of ``rows`` that lie in the county with this code; none where there is no such county."""
    within = Org.objects.filter(kind="county", code=code).values_list("path", flat=True).first()
    return rows.filter(**{f"{path}__startswith": within}) if within else rows.none()


def _happened(
    alarms: QuerySet[Alarm],
    rows: QuerySet[Occurrence],
    by: str,
    counties: Callable[[str], tuple[str, ...]] | None,
    verdict: dict[int, str],
) -> dict[tuple[str, ...], list[float | None]]:
    """Of each place, for each occurrence in the span the seconds from its first alarm; None where there was none."""
    out: dict[tuple[str, ...], list[float | None]] = {}
    for site, at, place in rows.values_list("site_id", "at", SITES[by]):
        before = alarms.filter(site_id=site, raised_at__gt=at - WARNED_WITHIN, raised_at__lte=at)
        before = before.exclude(kind__in=OF_INSTRUMENTS).order_by("raised_at")
        warned = (
            raised
            for pk, raised in before.values_list("pk", "raised_at").iterator()
            if verdict.get(pk) not in (FALSE, TEST)
        )
        first = next(warned, None)
        lead = None if first is None else (at - first).total_seconds()
        out.setdefault(counties(place) if counties else (str(place),), []).append(lead)
    return out


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


def _verdicts(said: list[str], happened: list[float | None] | None) -> Verdicts:
    leads = [lead for lead in happened or () if lead is not None]
    return Verdicts(
        said.count(REAL),
        said.count(FALSE),
        said.count(TEST),
        None if happened is None else len(leads),
        None if happened is None else len(happened) - len(leads),
        float(np.median(leads)) if leads else None,
    )
