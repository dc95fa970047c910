"""A draft of rules over what was stored, beside the rules of today: ``fengsui rules backtest``.

Both go through the engine in one pass over history (``stores/history/stretches``), so what is compared saw the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fengsui.run.spark import draft, facts
from fengsui.run.spark.draft import DraftRule
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.stretches import stretches
from fengsui.warn.engine import NEVER, RuleTable
from fengsui.warn.engine.backtest import Replay, episodes
from fengsui.warn.engine.burden import Burden, burden, without_counterpart
from fengsui.warn.engine.rules import CODES
from fengsui.warn.rules import KINDS
from fengsui.warn.rules.scenario import RULE_KEYS, BadScenario

DISPOSAL = "alarm_disposal"
USUAL_PRIORITY = 3  # of a draft where today has no rule: as a new rule on the form
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


def chosen(rules: list[DraftRule], streams: pa.Table, site: str = "") -> Watched:
    """A draft as a file gives it, over the datastreams it is for; of ``site`` only, if it is given.

    Raises BadScenario.
    """
    if site:
        streams = streams.filter(pc.equal(streams["site_code"], site))
        if not len(streams):
            raise BadScenario(f"--site {site}: there is no site with datastreams under this code")
    table, _number = draft.table(rules, streams)
    return Watched(table, np.full(len(table), USUAL_PRIORITY, np.int64))


def of_today(drafted: Watched, rule_id: int | None = None) -> tuple[Watched, Watched]:
    """The rules in force that the draft would replace, and the draft: ``rule_id``, or all of the same datastream and
    kind; then the draft takes their priorities, because a file says none.
    """
    from fengsui.warn.alarms import loader
    from fengsui.warn.alarms.models import Rule

    there = loader.rules_of(np.unique(drafted.table.datastream_id))
    same = there.rule_id == rule_id if rule_id else np.isin(_subject(there), _subject(drafted.table))
    there = there.take(same)
    known = dict(Rule.objects.filter(pk__in=there.rule_id.tolist()).values_list("pk", "priority"))
    today = Watched(there, np.array([known[r] for r in there.rule_id.tolist()], np.int64))
    if rule_id:
        return today, drafted
    urgent: dict[int, int] = {}
    for subject, priority in zip(_subject(there).tolist(), today.priority.tolist(), strict=True):
        urgent[subject] = min(priority, urgent.get(subject, priority))
    wanted = [urgent.get(subject, USUAL_PRIORITY) for subject in _subject(drafted.table).tolist()]
    return today, Watched(drafted.table, np.array(wanted, np.int64))


def compare(
    today: Watched,
    drafted: Watched,
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
    both = _joined(today.table, drafted.table)
    replay = Replay(both, from_ms - lead_ms)
    readings, at_ms = 0, 0
    for piece in stretches(replay.ids, from_ms - lead_ms, to_ms, catalogue=catalogue):
        replay.feed(piece)
        readings += int(np.count_nonzero(piece.time_ms >= from_ms))
        at_ms = max(at_ms, int(piece.time_ms[-1]))
        progress(readings, at_ms)
    if not readings:
        raise NoReadings
    replay.look(to_ms)
    found = episodes(replay.events())
    kept = (found["cleared_ms"] == NEVER) | (found["cleared_ms"] >= from_ms)
    found = {name: column[kept] for name, column in found.items()}
    first = found["rule_id"] < n
    subject = _subject(both)[found["rule_id"]]
    spans = subject, found["started_ms"], found["cleared_ms"]
    priority = np.concatenate([today.priority, drafted.priority])

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

    sides = side(first, n), side(~first, len(drafted.table))
    woken = _woken(*sides, from_ms)
    return Answer(
        from_ms,
        to_ms,
        readings,
        replay.heard_since(from_ms),
        len(replay.ids),
        len(replay.rules.refused),
        *sides,
        woken,
    )


def by_datastream(answer: Answer) -> list[dict[str, Any]]:
    """Datastreams that had an alarm on either side, those that change most first."""
    names = {
        d: (site, code)
        for d, site, code in zip(
            *(facts.streams()[name].to_pylist() for name in ("datastream", "site_code", "code")), strict=True
        )
    }
    rows = []
    sides = {"today": answer.today, "draft": answer.draft}
    counts = {name: _counts(side.datastream[_new(side, answer.from_ms)]) for name, side in sides.items()}
    for d in sorted(set().union(*counts.values())):
        site, code = names.get(d, ("", str(d)))
        rows.append({"site": site, "datastream": code} | {name: c.get(d, 0) for name, c in counts.items()})
    return sorted(rows, key=lambda row: -abs(row["draft"] - row["today"]))


def as_data(answer: Answer) -> dict[str, Any]:
    """The answer as JSON has it; times in ms UTC."""
    out: dict[str, Any] = {
        name: getattr(answer, name)
        for name in ("from_ms", "to_ms", "readings", "heard", "datastreams", "refused")
    }
    for name in ("today", "draft"):
        side: Side = getattr(answer, name)
        out[name] = {
            "rules": side.rules,
            **asdict(side.burden),
            "only_here": int(side.only.sum()),
            "alarms_list": [
                {
                    "datastream_id": int(d),
                    "kind": CODES[k],
                    "priority": int(p),
                    "raised_ms": int(r),
                    "cleared_ms": None if c == NEVER else int(c),
                    "peak_value": None if np.isnan(v) else float(v),
                    "only_here": bool(o),
                }
                for d, k, p, r, c, v, o in zip(
                    side.datastream, side.kind, side.priority, side.raised_ms, side.cleared_ms,
                    side.peak_value, side.only, strict=True,
                )
            ],
        }  # fmt: skip
    return out | {"by_datastream": by_datastream(answer), "woken": answer.woken}


def _woken(today: Side, drafted: Side, from_ms: int) -> list[dict[str, Any]]:
    """Whom the alarms would have called first: the organisation whose desk the disposal loop begins at, and the roles
    it asks there, with how many people hold one of them.
    """
    from fengsui.loops import kinds
    from fengsui.loops.services import place
    from fengsui.people.orgs.models import Membership
    from fengsui.sense.devices.models import Datastream

    definition = kinds.in_force(kinds.current(DISPOSAL))
    start = definition.step(definition.start)
    org_of: dict[int, Any] = {}
    seen = np.unique(np.concatenate([today.datastream, drafted.datastream])).tolist()
    for stream in Datastream.objects.filter(pk__in=seen).select_related("site__org"):
        org_of[stream.pk] = stream.site.org
    desks = {org.pk: place(start.desk, org) for org in org_of.values()}
    rows: dict[int, dict[str, Any]] = {}
    for name, side in (("today", today), ("draft", drafted)):
        calls = _new(side, from_ms) & np.isin(side.priority, definition.opens_at_levels)
        for d, count in _counts(side.datastream[calls]).items():
            if d not in org_of:
                continue
            desk = desks[org_of[d].pk]
            row = rows.setdefault(desk.pk, {"organisation": desk.name, "today": 0, "draft": 0})
            row[name] += count
    for pk, row in rows.items():
        holders = Membership.objects.filter(org_id=pk, role__in=start.roles)
        row["roles"] = list(start.roles)
        row["people"] = holders.values("user").distinct().count()
    return sorted(rows.values(), key=lambda row: -max(row["today"], row["draft"]))


def changed(rule: Any, changes: Mapping[str, Any]) -> Watched:
    """A stored rule with some parameters replaced (``setpoint``, ``deadband``, ``on_delay`` …, ``priority``).

    Raises BadScenario.
    """
    entry: dict[str, Any] = {"kind": rule.kind}
    for key, name in RULE_KEYS.items():
        if name in KINDS[rule.kind].takes and (value := getattr(rule, name)) is not None:
            entry[key] = f"{value}ms" if name.endswith("_ms") else value
    entry |= {key: value for key, value in changes.items() if key != "priority"}
    priority = str(changes.get("priority", rule.priority))
    if priority not in ("1", "2", "3", "4"):
        raise BadScenario(f"priority {priority}: is 1 (red) to 4 (blue)")
    read = draft.rule(entry, f"rule {rule.pk}")
    streams = facts.streams()
    streams = streams.filter(pc.equal(streams["datastream"], rule.datastream_id))
    table, _number = draft.table([read], streams)
    return Watched(table, np.full(len(table), int(priority), np.int64))


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
