"""A back-test as ``fengsui rules backtest`` asks for it: drafts from files and changes, and the answer as data."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fengsui.run.spark import draft, facts
from fengsui.run.spark.draft import DraftRule
from fengsui.show.lists.backtest import (
    USUAL_PRIORITY,
    Answer,
    NoReadings,
    Side,
    Watched,
    compare,
    new_alarms,
    of_today,
)
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.rules import CODES
from fengsui.warn.rules import KINDS
from fengsui.warn.rules.scenario import RULE_KEYS, BadScenario

__all__ = [
    "Answer",
    "NoReadings",
    "Watched",
    "as_data",
    "by_datastream",
    "changed",
    "chosen",
    "compare",
    "of_today",
]


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
    counts = {name: new_alarms(side, answer.from_ms) for name, side in sides.items()}
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
