"""Scenario rules: the list, why an alarm of one was raised, and what one would have raised over stored history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow.compute as pc
from django.db.models import Count, Q, QuerySet
from django.utils.translation import get_language, gettext

from fengsui.show.lists.keyset import Page, page
from fengsui.warn.alarms import grounds
from fengsui.warn.expressions import BadExpression, parse
from fengsui.warn.expressions.words import explain
from fengsui.warn.scenarios import services
from fengsui.warn.scenarios.models import ScenarioRule
from fengsui.warn.scenarios.services import Bound

ORDER = ("id",)
TRIAL_DAYS = 7
MOST_SHOWN = 100  # episodes of a trial
MOST_READINGS = 2_000_000  # of a trial
DAY_MS = 86_400_000


def scenarios(user: Any) -> QuerySet[ScenarioRule]:
    """Every scenario rule that ``user`` sees, withdrawn ones too."""
    return ScenarioRule.objects.visible_to(user).select_related("site__org", "datastream", "rule")


def scenario_page(
    user: Any, *, q: str = "", site: str = "", which: str = "all", cursor: str | None = None
) -> Page[ScenarioRule]:
    """One page.  ``which``: all that are not withdrawn, active, draft or withdrawn; ``q`` a part of a name or code."""
    rows = scenarios(user)
    rows = rows.exclude(withdrawn_at=None) if which == "withdrawn" else rows.filter(withdrawn_at=None)
    if which in ("active", "draft"):
        rows = rows.filter(is_enabled=which == "active")
    if site:
        rows = rows.filter(site__code=site)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(name_en__icontains=q) | Q(code__icontains=q))
    rows = rows.annotate(
        alarms=Count("rule__alarms", filter=Q(rule__alarms__cleared_at=None), distinct=True)
    )  # standing
    return page(rows, ORDER, cursor)


# ---- why ---------------------------------------------------------------------------------------------------------


def why(cause: Mapping[str, Any]) -> dict[str, Any]:
    """The cause kept with an alarm, in words of the reader's language."""
    zh = (get_language() or "").startswith("zh")
    names = cause["names"]
    labels = {n["name"]: n["zh"] if zh else n["en"] for n in names}
    shown = grounds.shown(cause)
    parameters = cause.get("parameters", {})
    said = grounds.by(cause)
    return {
        "scenario": cause["scenario"],
        "version": cause["version"],
        "text": said.text if said and (cause.get("cause") or cause.get("cause_en")) else "",
        "terms": [
            {
                "text": term["text"], "held": term["held"], "words": in_words(term["text"], labels, parameters),
                "value": grounds.quantity(term["value"], term["unit"]) if term["value"] is not None else "",
            }
            for term in cause["terms"]
        ],
        "names": [{"name": n["name"], "label": labels[n["name"]], "value": shown[n["name"]]} for n in names],
    }  # fmt: skip


def in_words(text: str, labels: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    """An expression as a sentence in the reader's language; as it is written where it cannot be read."""
    try:
        return explain(parse(text), gettext, labels, parameters)
    except BadExpression:
        return text


def labels_of(bound: Sequence[Bound]) -> dict[str, str]:
    """What people call the datastreams of names."""
    zh = (get_language() or "").startswith("zh")
    return {b.name: b.datastream.name if zh else b.datastream.name_en or b.datastream.name for b in bound}


# ---- over history ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that a rule would have been raised; ``cleared_ms`` is None while it lasts at the end."""

    raised_ms: int
    cleared_ms: int | None
    terms: tuple[str, ...]  # that held

    @property
    def raised_at(self) -> datetime:
        return datetime.fromtimestamp(self.raised_ms / 1000, UTC)

    @property
    def cleared_at(self) -> datetime | None:
        return None if self.cleared_ms is None else datetime.fromtimestamp(self.cleared_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule as it is written over the last days of its site's history."""

    days: int
    readings: int
    cut: bool  # more was stored than a trial reads: the oldest were left out
    episodes: tuple[Episode, ...]

    @property
    def shown(self) -> tuple[Episode, ...]:
        """The newest, as many as a page takes."""
        return self.episodes[: -MOST_SHOWN - 1 : -1]


def try_over_history(values: Mapping[str, Any], bound: Sequence[Bound], now_ms: int) -> Trial:
    """What the rule would have raised over the last TRIAL_DAYS; readings of one instant are judged together.

    Alarms of other rules (``alarm(x)``) are not replayed and count as not active.  Raises BadExpression, OSError.
    """
    from fengsui.stores.history import query
    from fengsui.warn.expressions import CompoundRow, Memory, Rows, tabulate
    from fengsui.warn.expressions import cause as causes
    from fengsui.warn.expressions.kernel import step, sweep
    from fengsui.warn.expressions.table import CLEARED, RAISED
    from fengsui.warn.scenarios.loader import offset_min

    checked = services.checked(values, bound)
    streams = {b.name: b.datastream.pk for b in bound if b.name in checked.names}
    ids = np.unique(np.array(list(streams.values()), np.int32))
    begin = now_ms - TRIAL_DAYS * DAY_MS
    found = query(ids, begin, now_ms)
    cut = len(found) > MOST_READINGS
    order = pc.sort_indices(found, sort_keys=[("time", "ascending"), ("datastream", "ascending")])
    found = found.take(order[-MOST_READINGS:] if cut else order)
    time_ms = found["time"].combine_chunks().view("int64").to_numpy()
    row = CompoundRow(
        1, 1, checked, streams, values["for_ms"], values["clear_for_ms"], offset_min(),
        int(time_ms[0]) if len(time_ms) else begin,
    )  # fmt: skip
    table = tabulate([row])
    memory = Memory.fresh(table)
    n = len(time_ms)
    group = np.cumsum(np.append(True, np.diff(time_ms) != 0)[:n]) - 1
    value = found["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    rows = Rows(
        group, time_ms, np.zeros(n, np.uint8), np.searchsorted(table.stream, found["datastream"].to_numpy()), value,
        found["quality"].to_numpy().astype(np.uint8),
    )  # fmt: skip
    episodes: list[Episode] = []
    for told in (step(table, memory, rows), sweep(table, memory, now_ms)):
        for i in np.flatnonzero(told.what != 0).tolist():
            at = int(told.time_ms[i])
            if told.what[i] == RAISED:
                cause = causes.of_told(table, told, i)
                held = cause.held if cause else ()
                texts = tuple(term.text for term, so in zip(checked.terms, held, strict=False) if so)
                episodes.append(Episode(at, None, texts))
            elif told.what[i] == CLEARED and episodes:
                last = episodes[-1]
                episodes[-1] = Episode(last.raised_ms, at, last.terms)
    return Trial(TRIAL_DAYS, n, cut, tuple(episodes))
