"""The compound rules a partition works under, and their way between rows of readings and the kernel.

A rule has a datastream of its own: what it says (1 it is so, 0 it is not) is a reading there, and an ordinary alarm
rule over it makes the alarm.  ``InForce`` is what was read of the database, ``Placed`` puts it beside the slots of a
partition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fengsui.warn.expressions.cause import Cause
from fengsui.warn.expressions.checking import walk
from fengsui.warn.expressions.memory import Memory
from fengsui.warn.expressions.table import (
    ALARM_DOWN,
    ALARM_UP,
    READING,
    CompoundRow,
    Rows,
    Table,
    Watched,
    tabulate,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class About:
    """What a cause needs to be told in words, long after the rule was changed: JSON as it is kept with an alarm."""

    rule: Mapping[str, Any]  # id, version, expression
    names: tuple[Mapping[str, Any], ...]  # name, datastream, zh, en, unit; in the order of ``Checked.names``


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """``stream`` and ``ordinary`` [r]: the datastream a rule speaks on, and the ordinary rule over that."""

    table: Table
    stream: np.ndarray  # int32 [r]
    ordinary: np.ndarray  # int64 [r]
    about: tuple[About, ...] = ()
    said: tuple[tuple[CompoundRow, ...], tuple[Watched, ...]] = ((), ())  # what the table was made of

    def same_as(self, other: "InForce") -> bool:
        """Whether both say the same, on the same datastreams, in the same words."""
        return (
            self.said == other.said
            and self.about == other.about
            and np.array_equal(self.stream, other.stream)
            and np.array_equal(self.ordinary, other.ordinary)
        )

    @property
    def waits_for_rules(self) -> bool:
        """Whether some expression asks for alarms of ordinary rules."""
        return any(checked.alarms for checked in self.table.checked)

    def __len__(self) -> int:
        return len(self.table)


NONE = InForce(tabulate([]), np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """``InForce`` beside the slots of a partition."""

    rules: InForce
    place: np.ndarray  # int32 [slots]: place in ``Table.stream``, -1 where no rule asks for the datastream
    of_ordinary: Mapping[int, int]  # id of the ordinary rule → place of the compound one

    @classmethod
    def of(cls, rules: InForce, slots: np.ndarray, n_slots: int) -> "Placed":
        """``slots``: of each of ``Table.stream``, -1 for one that is not in use."""
        place = np.full(n_slots, -1, np.int32)
        known = slots >= 0
        place[slots[known]] = np.flatnonzero(known)
        return cls(rules, place, {rule: i for i, rule in enumerate(rules.ordinary.tolist())})

    def watched(self, rule_id: np.ndarray) -> np.ndarray:
        """Places in ``Table.alarm_rule`` of ordinary rules, -1 for those nobody asks for."""
        known = self.rules.table.alarm_rule
        if not len(known) or not len(rule_id):
            return np.full(len(rule_id), -1, np.int64)
        at = np.minimum(np.searchsorted(known, rule_id), len(known) - 1)
        return np.where(known[at] == rule_id, at, -1)

    def stand(self, memory: Memory, rule_id: np.ndarray) -> None:
        """Tell ``memory`` which ordinary alarms stand now; the others do not."""
        memory.alarm[:] = False
        at = self.watched(rule_id)
        memory.alarm[at[at >= 0]] = True

    def rows(
        self, slots: np.ndarray, of: np.ndarray, time_ms: np.ndarray, value: np.ndarray, quality: np.ndarray,
        alarm_rule: np.ndarray, alarm_row: np.ndarray, alarm_raised: np.ndarray,
    ) -> tuple[Rows, np.ndarray] | None:  # fmt: skip
        """Readings that were just judged [n], and alarms of ordinary rules that began or ended with them [k].

        ``of`` is the batch of a reading, rising as batches came.  What came in one batch for one instant is a group.
        Returns the rows in the order in which the kernel wants them and the batch of each group; None: no rule asks.
        """
        place = self.place[slots]
        mine = np.flatnonzero(place >= 0)
        asked = self.watched(alarm_rule)
        up = np.flatnonzero((asked >= 0) & (alarm_row >= 0))
        if not len(mine) and not len(up):
            return None
        at = alarm_row[up]
        row = np.concatenate([mine, at])
        what = np.concatenate([
            np.full(len(mine), READING, np.uint8),
            np.where(alarm_raised[up], ALARM_UP, ALARM_DOWN).astype(np.uint8),
        ])  # fmt: skip
        where = np.concatenate([place[mine], asked[up].astype(np.int32)])
        batch, at_ms = of[row], time_ms[row]
        order = np.lexsort((where, what, at_ms, batch))
        row, what, where, batch, at_ms = row[order], what[order], where[order], batch[order], at_ms[order]
        begins = np.append(True, (np.diff(batch) != 0) | (np.diff(at_ms) != 0))
        group = np.cumsum(begins) - 1
        return Rows(group, at_ms, what, where, value[row], quality[row]), batch[begins]

    def told(self, rule: int, cause: Cause) -> dict[str, Any]:
        """The cause as JSON: which conditions of the expression held, and what everything was."""
        about, checked = self.rules.about[rule], self.rules.table.checked[rule]
        asked: set[int] = set()
        walk(checked.when, lambda op: asked.add(op.term))
        return {
            **about.rule,
            "terms": [
                {
                    "text": term.text,
                    "names": list(term.names),
                    "unit": term.unit,
                    "held": held,
                    "value": value,
                }
                for number, (term, held, value) in enumerate(
                    zip(checked.terms, cause.held, cause.values, strict=True)
                )
                if number in asked  # those of the clearing expression come after them
            ],
            "names": [
                {**name, "value": value} for name, value in zip(about.names, cause.inputs, strict=True)
            ],
        }
