"""A draft of rules over recorded readings: what they would have raised.  The engine is the one that runs live."""

from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from fengsui.warn.engine.events import RAISED, Events
from fengsui.warn.engine.rules import RuleTable, compile_rules
from fengsui.warn.engine.sorting import order
from fengsui.warn.engine.state import State
from fengsui.warn.rules.memory import NEVER

Readings = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Replay:
    """The engine over recorded readings, piece by piece: memory is what the engine remembers, and what was said.

    ``readings`` are datastream [n], time_ms int64, value float64 and quality uint8; those of a datastream come in order
    of time, within a piece and from piece to piece, as a pipeline sees them; the events are equal whatever the pieces.
    Memory begins empty at ``from_ms``, so an alarm that stood before is raised again at the first reading that
    confirms it, and silence counts from there.
    """

    def __init__(self, table: RuleTable, from_ms: int) -> None:
        armed = np.full(len(table), from_ms, np.int64)
        kept = {f.name: getattr(table, f.name) for f in fields(table)} | {"armed_ms": armed}
        self.ids = np.unique(table.datastream_id)
        self.rules = compile_rules(RuleTable(**kept), {int(d): slot for slot, d in enumerate(self.ids)})
        self._state = State.fresh(self.rules)
        self._slot = np.full(
            int(self.ids[-1]) + 2 if len(self.ids) else 1, -1, np.int64
        )  # the last: of others
        self._slot[self.ids] = np.arange(len(self.ids))
        self._said: list[Events] = []

    def feed(self, readings: Readings) -> None:
        """Judge some more.  Readings of datastreams without a rule are passed over."""
        from fengsui.warn.engine.kernel import skim

        datastream, time_ms, value, quality = readings
        self._keep(skim(self._state, datastream, self._slot, time_ms, value, quality, self.rules))

    def look(self, now_ms: int) -> None:
        """Look at the clock, as a pipeline does every second: which datastreams are silent."""
        from fengsui.warn.engine.kernel import sweep

        self._keep(sweep(self._state, now_ms, self.rules))

    def heard_since(self, from_ms: int) -> int:
        """How many of the datastreams had a reading at or after ``from_ms``."""
        return int((self._state.last_ms >= from_ms).sum())

    def events(self) -> Events:
        """All that was said so far, sorted by (rule, time)."""
        return in_order(self._said)

    def _keep(self, said: Events) -> None:
        if len(said):
            self._said.append(said)


def in_order(said: Iterable[Events]) -> Events:
    """What was said in several pieces or by several replays, sorted by (rule, time)."""
    found = Events.join(said)
    return found.take(order(found.rule_id, found.time_ms, found.what))


def backtest(
    readings: Readings,
    table: RuleTable,
    from_ms: int,
    to_ms: int,
) -> Events:
    """The events of [from_ms, to_ms) sorted by (rule, time): raised and cleared, as live.

    ``readings`` as ``Replay`` takes them, in one piece.  Rules of datastreams without readings count too: those are
    silent.
    """
    replay = Replay(table, from_ms)
    replay.feed(readings)
    replay.look(to_ms)
    return replay.events()


def episodes(events: Events) -> dict[str, np.ndarray]:
    """One row an episode, sorted by (rule, started): what a person compares with the alarms that really stood.

    rule_id int64 · started_ms int64 · raised_value float64 · cleared_ms int64, NEVER while it stands · cleared_value ·
    peak_value, the worst until it was cleared (that of the raising while it stands) · peak_ms.
    """
    up, down = events.take(events.what == RAISED), events.take(events.what != RAISED)
    both = np.concatenate([up.rule_id, down.rule_id]), np.concatenate([up.started_ms, down.started_ms])
    place = order(*both)  # an end right behind its beginning
    same = np.ones(max(len(place) - 1, 0), bool)
    for column in both:
        same &= column[place][1:] == column[place][:-1]
    begun, ending = place[:-1][same], place[1:][same]
    paired = (begun < len(up)) & (ending >= len(up))
    end = np.full(len(up), -1, np.int64)
    end[begun[paired]] = ending[paired] - len(up)
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
    place = order(out["rule_id"], out["started_ms"])
    return {name: column[place] for name, column in out.items()}
