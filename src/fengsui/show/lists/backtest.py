"""A draft of rules over what was stored, beside the rules of today.

Both go through the engine in one pass over history (``stores/history/stretches``), so what is compared saw the same.
Nothing here asks who may see it: callers have found the rules of a person first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.stretches import Piece, stretches
from fengsui.warn.engine import NEVER, RuleRow, RuleTable
from fengsui.warn.engine.backtest import Replay, episodes, in_order
from fengsui.warn.engine.burden import DAY_MS, Burden, burden, without_counterpart
from fengsui.warn.engine.rules import CODES
from fengsui.warn.rules import check
from fengsui.warn.rules.kind import PARAMETERS

DISPOSAL = "alarm_disposal"
USUAL_PRIORITY = 3  # of a draft where today has no rule: as a new rule on the form
TRIAL_DAYS = 30
JUDGES = 2  # each has every second datastream, and a core if there is one
AHEAD = 2  # pieces that may wait for a judge
Progress = Callable[[int, int], None]  # readings so far, and of which time the last is


@dataclass(frozen=True, slots=True)
class Watched:
    """Rules in columns of equal length [r]; ids of ``table`` are rows."""

    table: RuleTable
    priority: np.ndarray  # int64


@dataclass(frozen=True, slots=True)
class Side:
    """What one set of rules raised.  Columns [alarms], sorted by (rule, raised)."""

    rules: int
    datastream: np.ndarray
    kind: np.ndarray  # places in CODES
    priority: np.ndarray
    raised_ms: np.ndarray
    cleared_ms: np.ndarray  # NEVER while it stands
    peak_value: np.ndarray
    only: np.ndarray  # bool: the other side has none of this datastream and kind that overlaps
    burden: Burden


@dataclass(frozen=True, slots=True)
class Answer:
    from_ms: int
    to_ms: int
    readings: int
    heard: int  # datastreams with at least one reading in the span
    datastreams: int
    refused: int  # rules of either side that make no sense and are not in force
    today: Side
    draft: Side
    woken: list[dict[str, Any]]


class NoReadings(Exception):
    """History has nothing of these datastreams in the span."""


def of_today(draft: Watched, rule_id: int | None = None) -> tuple[Watched, Watched]:
    """The rules in force that the draft would replace, and the draft: ``rule_id``, or all of the same datastream and
    kind; then the draft takes their priorities, because a file says none.
    """
    from fengsui.warn.alarms import loader
    from fengsui.warn.alarms.models import Rule

    there = loader.rules_of(np.unique(draft.table.datastream_id))
    same = there.rule_id == rule_id if rule_id else np.isin(_subject(there), _subject(draft.table))
    there = there.take(same)
    known = dict(Rule.objects.filter(pk__in=there.rule_id.tolist()).values_list("pk", "priority"))
    there = there.take(np.isin(there.rule_id, list(known)))  # without what runs in shadow
    today = Watched(there, np.array([known[r] for r in there.rule_id.tolist()], np.int64))
    if rule_id:
        return today, draft
    urgent: dict[int, int] = {}
    for subject, priority in zip(_subject(there).tolist(), today.priority.tolist(), strict=True):
        urgent[subject] = min(priority, urgent.get(subject, priority))
    wanted = [urgent.get(subject, USUAL_PRIORITY) for subject in _subject(draft.table).tolist()]
    return today, Watched(draft.table, np.array(wanted, np.int64))


def drafted(rule: Any, changes: Mapping[str, Any]) -> Watched:
    """A stored rule with some of its parameters (``setpoint``, ``on_delay_ms`` …) or its priority replaced.

    Raises BadRule.
    """
    values = check(rule.kind, {name: changes.get(name, getattr(rule, name)) for name in PARAMETERS})
    row = RuleRow(
        0, rule.datastream_id, rule.kind, values.setpoint, values.deadband,
        values.on_delay_ms, values.off_delay_ms, values.window_ms,
    )  # fmt: skip
    return Watched(RuleTable.of([row]), np.array([changes.get("priority", rule.priority)], np.int64))


def compare(
    today: Watched,
    draft: Watched,
    from_ms: int,
    to_ms: int,
    lead_ms: int,
    *,
    catalogue: Catalogue | None = None,
    progress: Progress = lambda readings, at_ms: None,
) -> Answer:
    """Both sets over [from_ms - lead_ms, to_ms); alarms that ended before ``from_ms`` are left out.

    Raises NoReadings, OSError.
    """
    n = len(today.table)
    both = _joined(today.table, draft.table)
    ids = np.unique(both.datastream_id)
    count = max(min(JUDGES, len(ids)), 1)
    shares = [both.take(np.isin(both.datastream_id, ids[i::count])) for i in range(count)]
    judges = [Replay(share, from_ms - lead_ms) for share in shares]
    readings, at_ms = 0, 0
    pieces = stretches(ids, from_ms - lead_ms, to_ms, catalogue=catalogue)
    for piece in _fed(pieces, judges):
        readings += int(np.count_nonzero(piece.time_ms >= from_ms))
        at_ms = max(at_ms, int(piece.time_ms[-1]))
        progress(readings, at_ms)
    if not readings:
        raise NoReadings
    for judge in judges:
        judge.look(to_ms)
    found = episodes(in_order(judge.events() for judge in judges))
    kept = (found["cleared_ms"] == NEVER) | (found["cleared_ms"] >= from_ms)
    found = {name: column[kept] for name, column in found.items()}
    first = found["rule_id"] < n
    subject = _subject(both)[found["rule_id"]]
    spans = subject, found["started_ms"], found["cleared_ms"]
    priority = np.concatenate([today.priority, draft.priority])

    def side(which: np.ndarray, rules: int) -> Side:
        mine, others = (tuple(c[w] for c in spans) for w in (which, ~which))
        rule = found["rule_id"][which]
        return Side(
            rules,
            both.datastream_id[rule],
            both.kind[rule],
            priority[rule],
            mine[1],
            mine[2],
            found["peak_value"][which],
            without_counterpart(mine, others),
            burden(rule, mine[1], mine[2], from_ms, to_ms),
        )

    sides = side(first, n), side(~first, len(draft.table))
    woken = _woken(*sides, from_ms)
    return Answer(
        from_ms,
        to_ms,
        readings,
        sum(judge.heard_since(from_ms) for judge in judges),
        len(ids),
        sum(len(judge.rules.refused) for judge in judges),
        *sides,
        woken,
    )


def _fed(pieces: Iterable[Piece], judges: Sequence[Replay]) -> Iterator[Piece]:
    """Give every piece to every judge, each in a thread of its own and at most AHEAD pieces behind; yield it then.

    A judge passes over what is not its own; the engine holds no lock of Python, so they work at once.
    """
    with ExitStack() as until:
        threads = [until.enter_context(ThreadPoolExecutor(1, f"judge-{i}")) for i in range(len(judges))]
        waiting: deque[list[Future[None]]] = deque()
        for piece in pieces:
            waiting.append(
                [thread.submit(judge.feed, piece) for thread, judge in zip(threads, judges, strict=True)]
            )
            yield piece
            while len(waiting) > AHEAD:
                for judged in waiting.popleft():
                    judged.result()
        for judged in chain.from_iterable(waiting):
            judged.result()


def new_alarms(side: Side, from_ms: int) -> dict[int, int]:
    """How many alarms were raised in the span, by datastream."""
    return _counts(side.datastream[_new(side, from_ms)])


def _woken(today: Side, draft: Side, from_ms: int) -> list[dict[str, Any]]:
    """Whom the alarms would have called first: the organisation whose desk the disposal loop begins at, and the roles
    it asks there, with how many people hold one of them.
    """
    from fengsui.loops import kinds
    from fengsui.loops.services import in_language, place
    from fengsui.people.orgs.models import Membership
    from fengsui.sense.devices.models import Datastream

    definition = kinds.in_force(kinds.current(DISPOSAL))
    start = definition.step(definition.start)
    org_of: dict[int, Any] = {}
    seen = np.unique(np.concatenate([today.datastream, draft.datastream])).tolist()
    for stream in Datastream.objects.filter(pk__in=seen).select_related("site__org"):
        org_of[stream.pk] = stream.site.org
    desks = {org.pk: place(start.desk, org) for org in org_of.values()}
    rows: dict[int, dict[str, Any]] = {}
    for name, side in (("today", today), ("draft", draft)):
        calls = _new(side, from_ms) & np.isin(side.priority, definition.opens_at_levels)
        for d, count in _counts(side.datastream[calls]).items():
            if d not in org_of:
                continue
            desk = desks[org_of[d].pk]
            row = rows.setdefault(
                desk.pk, {"organisation": in_language(desk.name, desk.name_en), "today": 0, "draft": 0}
            )
            row[name] += count
    for pk, row in rows.items():
        holders = Membership.objects.filter(org_id=pk, role__in=start.roles)
        row["roles"] = list(start.roles)
        row["people"] = holders.values("user").distinct().count()
    return sorted(rows.values(), key=lambda row: -max(row["today"], row["draft"]))


def _subject(table: RuleTable) -> np.ndarray:
    return table.datastream_id * len(CODES) + table.kind


def _joined(a: RuleTable, b: RuleTable) -> RuleTable:
    columns = {
        name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in RuleTable.__dataclass_fields__
    }
    return RuleTable(**columns | {"rule_id": np.arange(len(a) + len(b))})


def _new(side: Side, from_ms: int) -> np.ndarray:
    return side.raised_ms >= from_ms


def _counts(datastream: np.ndarray) -> dict[int, int]:
    ids, counts = np.unique(datastream, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule's draft over the last days, for its page; ``today`` is None when nothing is stored of them."""

    days: int
    readings: int
    today: Burden | None
    draft: Burden | None
    only_today: int
    only_draft: int
    woken: list[dict[str, Any]]

    @property
    def in_words(self) -> str:
        """One line that is kept as the reason when the draft is taken."""
        assert self.today
        assert self.draft
        return _("Back-test over %(days)s days: %(today)s alarms as in force, %(draft)s as drafted") % {
            "days": self.days,
            "today": self.today.alarms,
            "draft": self.draft.alarms,
        }

    @property
    def rows(self) -> list[tuple[str, Any, Any]]:
        """What a person compares: words, today, draft."""
        a, b = self.today, self.draft
        assert a
        assert b
        return [
            (_("Alarms"), a.alarms, b.alarms),
            (_("Only on this side"), self.only_today, self.only_draft),
            (_("Alarms a day"), round(a.per_day, 2), round(b.per_day, 2)),
            (_("Most in a day"), max(a.days), max(b.days)),
            (_("Most in 10 minutes"), a.peak_10_min, b.peak_10_min),
            (_("Longer than 24 hours"), a.stale, b.stale),
            (_("Chatters"), *(_("yes") if x.chattering else _("no") for x in (a, b))),
        ]


def try_rule(rule: Any, values: Mapping[str, Any], now_ms: int) -> Trial:
    """``rule`` with the form's values over the last TRIAL_DAYS, beside it as it is.  Raises BadRule, OSError."""
    draft = drafted(rule, values)
    today, draft = of_today(draft, rule.pk)
    from_ms = now_ms - TRIAL_DAYS * DAY_MS
    try:
        found = compare(today, draft, from_ms, now_ms, DAY_MS)
    except NoReadings:
        return Trial(TRIAL_DAYS, 0, None, None, 0, 0, [])
    only = int(found.today.only.sum()), int(found.draft.only.sum())
    return Trial(TRIAL_DAYS, found.readings, found.today.burden, found.draft.burden, *only, found.woken)
