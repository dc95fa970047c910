"""Scorecards of alarms as they were: how each rule, site or organisation did, by ISA-18.2 / EEMUA 191 figures.

The figures of a group are those of ``warn/engine/burden``, as if one person watched just this group.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import F, Q, QuerySet
from django.utils.translation import get_language

from fengsui.loops.models import Deed
from fengsui.people.orgs.models import Org
from fengsui.warn.alarms.models import Alarm, Occurrence
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import Burden, burden

GROUPS = {
    "rule": ("site__code", "datastream__code", "kind", "rule_id"),
    "site": ("site__code",),
    "organisation": ("org__name",),
    "county": ("org_path",),
    "kind": ("kind",),
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
) -> list[Score]:
    """A line for each group that had an alarm in [from_ms, to_ms), those with most alarms first.

    ``alarms`` and ``occurrences`` (none: nothing is known of any) are those that the caller may see;
    ``by`` is one of GROUPS.  Acknowledgements after the span count.
    Raises ValueError when the span is empty.
    """
    begin, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms) for ms in (from_ms, to_ms))
    stood = alarms.filter(Q(cleared_at=None) | Q(cleared_at__gte=begin), raised_at__lt=end)
    names = GROUPS[by]
    rows = stood.order_by().values_list(
        "rule_id", "datastream_id", "raised_at", "cleared_at", "acked_at", "key", *(F(name) for name in names)
    )
    counties = _counties() if by == "county" else None
    verdict = _judged(begin - WARNED_WITHIN)
    groups: dict[tuple[str, ...], list[Any]] = {}
    for row in rows.iterator(chunk_size=10_000):
        of = counties(row[6]) if counties else tuple(str(x) for x in row[6:])
        groups.setdefault(of, []).append(row[:6])
    happened = None
    if by in SITES and occurrences is not None:
        happened = _happened(
            alarms, occurrences.filter(at__gte=begin, at__lt=end, withdrawn_at=None), by, counties, verdict
        )
    for place in happened or ():
        groups.setdefault(place, [])
    found = [
        _score(of, members, from_ms, to_ms, verdict, None if happened is None else happened.get(of, []))
        for of, members in groups.items()
    ]
    if counties:
        found = [replace(score, of=score.of[:1], county=score.of[1]) for score in found]
    return sorted(found, key=lambda score: (-score.burden.alarms, score.of))


def _judged(begin: datetime) -> dict[str, str]:
    """The verdict of each alarm by key: of closed loops, by the last cause that was given."""
    found: dict[str, str] = {}
    closed = Deed.objects.filter(loop__key__startswith="alarm:", loop__closed_at__gte=begin)
    rows = closed.order_by("id").values_list("loop__key", "loop__outcome", "data__cause")
    for key, outcome, cause in rows.iterator(chunk_size=10_000):
        name = key.removeprefix("alarm:")
        if outcome == FALSE_OUTCOME:
            found[name] = FALSE
        elif cause is not None:
            found[name] = COUNTS_AS.get(cause, "")
    return found


def of_county(rows: QuerySet[Any], code: str, path: str = "org_path") -> QuerySet[Any]:
    """Those of ``rows`` that lie in the county with this code; none where there is no such county."""
    within = Org.objects.filter(kind="county", code=code).values_list("path", flat=True).first()
    return rows.filter(**{f"{path}__startswith": within}) if within else rows.none()


def _happened(
    alarms: QuerySet[Alarm],
    rows: QuerySet[Occurrence],
    by: str,
    counties: Callable[[str], tuple[str, ...]] | None,
    verdict: dict[str, str],
) -> dict[tuple[str, ...], list[float | None]]:
    """Of each place, for each occurrence in the span the seconds from its first alarm; None where there was none."""
    out: dict[tuple[str, ...], list[float | None]] = {}
    for site, at, place in rows.values_list("site_id", "at", SITES[by]):
        before = alarms.filter(site_id=site, raised_at__gt=at - WARNED_WITHIN, raised_at__lte=at)
        before = before.exclude(kind__in=OF_INSTRUMENTS).order_by("raised_at")
        warned = (
            raised
            for key, raised in before.values_list("key", "raised_at").iterator()
            if verdict.get(key) not in (FALSE, TEST)
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


def _score(
    of: tuple[str, ...],
    members: list[Any],
    from_ms: int,
    to_ms: int,
    verdict: dict[str, str],
    happened: list[float | None] | None,
) -> Score:
    # an alarm whose rule was deleted is told apart by its datastream
    rule = np.array([r if r is not None else -d for r, d, *_ in members], np.int64)
    raised, cleared, acked = (
        np.array([NEVER if row[i] is None else _ms(row[i]) for row in members], np.int64) for i in (2, 3, 4)
    )
    answered = (acked != NEVER) & (raised >= from_ms)
    waited = (acked - raised)[answered]
    return Score(
        of,
        burden(rule, raised, cleared, from_ms, to_ms),
        int(answered.sum()),
        float(np.median(waited)) / 1000 if len(waited) else None,
        float(np.percentile(waited, 90)) / 1000 if len(waited) else None,
        _verdicts([verdict.get(row[5], "") for row in members if _ms(row[2]) >= from_ms], happened),
    )


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


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
