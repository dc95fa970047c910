"""A draft of rules over recorded readings: what they would have raised.  The engine is the one that runs live."""

import numpy as np

from fengsui.warn.engine.events import RAISED, Events
from fengsui.warn.engine.rules import RuleTable, compile_rules
from fengsui.warn.engine.state import State
from fengsui.warn.rules.memory import NEVER


def backtest(
    readings: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    table: RuleTable,
    from_ms: int,
    to_ms: int,
) -> Events:
    """The events of [from_ms, to_ms) sorted by (rule, time): raised and cleared, as live.

    ``readings`` are datastream [n], time_ms int64, value float64 and quality uint8, each datastream whole and in
    order of time.  Rules of datastreams without readings count too: those are silent.  Memory begins empty at
    ``from_ms``, so an alarm that stood before is raised again at the first reading that confirms it.
    """
    from fengsui.warn.engine.kernel import step, sweep

    datastream, time_ms, value, quality = readings
    ids = np.unique(table.datastream_id)
    table = RuleTable(
        **{name: getattr(table, name) for name in table.__dataclass_fields__ if name != "armed_ms"},
        armed_ms=np.full(len(table), from_ms, np.int64),
    )
    rules = compile_rules(table, {int(d): slot for slot, d in enumerate(ids)})
    state = State.fresh(rules)
    place = np.minimum(np.searchsorted(ids, datastream), max(len(ids) - 1, 0))
    mine = np.flatnonzero(ids[place] == datastream) if len(ids) else np.zeros(0, np.int64)
    said = [step(state, place[mine], time_ms[mine], value[mine], quality[mine], rules)]
    said.append(sweep(state, to_ms, rules))
    found = Events.join(said)
    return found.take(np.lexsort((found.what, found.time_ms, found.rule_id)))


def episodes(events: Events) -> dict[str, np.ndarray]:
    """One row an episode, sorted by (rule, started): what a person compares with the alarms that really stood.

    rule_id int64 · started_ms int64 · raised_value float64 · cleared_ms int64, NEVER while it stands · cleared_value ·
    peak_value, the worst until it was cleared (that of the raising while it stands) · peak_ms.
    """
    up, down = events.take(events.what == RAISED), events.take(events.what != RAISED)
    ended = {
        key: i for i, key in enumerate(zip(down.rule_id.tolist(), down.started_ms.tolist(), strict=True))
    }
    keys = zip(up.rule_id.tolist(), up.started_ms.tolist(), strict=True)
    end = np.array([ended.get(key, -1) for key in keys], np.int64)
    over = end >= 0
    out = {
        "rule_id": up.rule_id,
        "started_ms": up.started_ms,
        "raised_value": up.value,
        "cleared_ms": np.full(len(up), NEVER, np.int64),
        "cleared_value": np.full(len(up), np.nan),
        "peak_value": up.peak_value.copy(),
        "peak_ms": up.peak_ms.copy(),
    }
    out["cleared_ms"][over] = down.time_ms[end[over]]
    out["cleared_value"][over] = down.value[end[over]]
    out["peak_value"][over] = down.peak_value[end[over]]
    out["peak_ms"][over] = down.peak_ms[end[over]]
    order = np.lexsort((out["started_ms"], out["rule_id"]))
    return {name: column[order] for name, column in out.items()}
