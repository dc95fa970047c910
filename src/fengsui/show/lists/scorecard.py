"""Scorecards of alarms as they were: how each rule, site or organisation did, by ISA-18.2 / EEMUA 191 figures.

The figures of a group are those of ``warn/engine/burden``, as if one person watched just this group.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import F, Q, QuerySet

from fengsui.warn.alarms.models import Alarm
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import Burden, burden

GROUPS = {
    "rule": ("site__code", "datastream__code", "kind", "rule_id"),
    "site": ("site__code",),
    "organisation": ("org__name",),
    "kind": ("kind",),
}


@dataclass(frozen=True, slots=True)
class Score:
    """One line: what it is of, its figures, and how alarms raised in the span were acknowledged."""

    of: tuple[str, ...]
    burden: Burden
    acked: int
    median_ack_s: float | None  # from raised to acknowledged; None when nobody did


def scorecard(alarms: QuerySet[Alarm], from_ms: int, to_ms: int, by: str) -> list[Score]:
    """A line for each group that had an alarm in [from_ms, to_ms), those with most alarms first.

    ``alarms`` are those that the caller may see; ``by`` is one of GROUPS.  Acknowledgements after the span count.
    Raises ValueError when the span is empty.
    """
    begin, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms) for ms in (from_ms, to_ms))
    stood = alarms.filter(Q(cleared_at=None) | Q(cleared_at__gte=begin), raised_at__lt=end)
    names = GROUPS[by]
    rows = stood.order_by().values_list(
        "rule_id", "datastream_id", "raised_at", "cleared_at", "acked_at", *(F(name) for name in names)
    )
    groups: dict[tuple[str, ...], list[Any]] = {}
    for row in rows.iterator(chunk_size=10_000):
        groups.setdefault(tuple(str(x) for x in row[5:]), []).append(row[:5])
    found = [_score(of, members, from_ms, to_ms) for of, members in groups.items()]
    return sorted(found, key=lambda score: (-score.burden.alarms, score.of))


def _score(of: tuple[str, ...], members: list[Any], from_ms: int, to_ms: int) -> Score:
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
    )


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
