"""What the engine remembers of one partition between batches, and how it outlives a restart and a change of
rules.

Most rules are at rest most of the time, and a rule at rest takes four bytes: the number of its *cell*, which it has
none.  A level or rate rule that is pending, and any rule that is active, holds a cell until it is at rest again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fengsui.warn.engine.events import CLEARED, NOTHING, Events, columns
from fengsui.warn.engine.rules import FROZEN, LEVEL, RATE, Forms, Rules, arrange, places
from fengsui.warn.rules.memory import KEPT, NEVER, Memory, at_rest

FORMAT = 2
CELL = ("active", "since_ms", "started_ms", "peak_value", "peak_ms")
MARK = ("good_ms", "mark_ms", "mark_value")
RING = ("kept_ms", "kept_value", "kept_next")
RUNNING, TOLD, LATER = 1, 2, 4  # bits of ``busy``


@dataclass(slots=True, eq=False)
class Cells:
    """What is remembered of rules that are not at rest, in any order; ``spare`` are the free ones."""

    active: np.ndarray  # bool [m]
    since_ms: np.ndarray  # int64 [m]
    started_ms: np.ndarray  # int64 [m]
    peak_value: np.ndarray  # float64 [m]
    peak_ms: np.ndarray  # int64 [m]
    spare: np.ndarray  # int32 [m]: a stack of the free cells
    spares: np.ndarray  # int64 [1]: how high it is

    @classmethod
    def fresh(cls, m: int) -> "Cells":
        """``m`` free cells."""
        rest = at_rest(m, rings=False)
        return cls(
            rest.active,
            rest.since_ms,
            rest.started_ms,
            rest.peak_value,
            rest.peak_ms,
            np.arange(m - 1, -1, -1, dtype=np.int32),
            np.array([m], np.int64),
        )

    def copy(self) -> "Cells":
        """Cells of their own with the same content."""
        return Cells(*(getattr(self, f.name).copy() for f in fields(self)))

    def make_room(self, wanted: int) -> None:
        """At least ``wanted`` free cells."""
        free, had = int(self.spares[0]), len(self.active)
        if free >= wanted:
            return
        more = Cells.fresh(max(wanted - free, had // 2, 64))
        for name in CELL:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))
        stack = np.empty(len(self.active), np.int32)
        stack[:free] = self.spare[:free]
        stack[free : free + len(more.active)] = more.spare + had
        self.spare = stack
        self.spares[0] = free + len(more.active)

    def take(self, count: int) -> np.ndarray:
        """The numbers of ``count`` cells that were free until now."""
        self.make_room(count)
        top = int(self.spares[0])
        self.spares[0] = top - count
        return self.spare[top - count : top].copy()

    def give_back(self, which: np.ndarray) -> None:
        """These are free again."""
        top = int(self.spares[0])
        self.spare[top : top + len(which)] = which
        self.spares[0] = top + len(which)


@dataclass(slots=True, eq=False)
class State:
    """Columns by slot, by mark (one a frozen rule) and by ring (one a rate rule), and the cells of the rules that
    run; ``rules`` are those it was last run with.  ``step`` and ``sweep`` change it in place.
    """

    rules: Rules
    last_ms: (
        np.ndarray
    )  # int64 [n]: the last reading seen of the slot, whatever its quality; NEVER before the first
    last_value: np.ndarray  # float64 [n]: its value, NaN where it had none
    busy: (
        np.ndarray
    )  # uint8 [n]: RUNNING: a level rule is active or pending · until the next reading: TOLD: every
    # silence is told, LATER: none is due before ``look_ms``; all of it follows from the other columns
    look_ms: np.ndarray  # int64 [1]
    cell: np.ndarray  # int32 [r]: -1 at rest
    good_ms: np.ndarray  # int64 [marks]: the last good reading
    mark_ms: np.ndarray  # int64 [marks]: when the value last really changed
    mark_value: np.ndarray  # float64 [marks]: to what
    kept_ms: np.ndarray  # int64 [rings, KEPT]: readings to compare with, in a ring
    kept_value: np.ndarray  # float64 [rings, KEPT]
    kept_next: np.ndarray  # int8 [rings]: where the ring goes on
    cells: Cells = field(default_factory=lambda: Cells.fresh(0))

    @classmethod
    def fresh(cls, rules: Rules, n_slots: int | None = None) -> "State":
        """The state of a partition that has seen nothing.  ``n_slots``, if given, must be that of ``rules``."""
        if n_slots is not None and n_slots != rules.n_slots:
            raise ValueError(f"{n_slots} slots asked for, the rules are compiled for {rules.n_slots}")
        return cls(
            rules,
            np.full(rules.n_slots, NEVER, np.int64),
            np.full(rules.n_slots, np.nan),
            np.zeros(rules.n_slots, np.uint8),
            np.full(1, NEVER, np.int64),
            np.full(len(rules), -1, np.int32),
            np.full(rules.n_marks, NEVER, np.int64),
            np.full(rules.n_marks, NEVER, np.int64),
            np.full(rules.n_marks, np.nan),
            np.full((rules.n_rings, KEPT), NEVER, np.int64),
            np.full((rules.n_rings, KEPT), np.nan),
            np.zeros(rules.n_rings, np.int8),
        )

    def copy(self) -> "State":
        """A state of its own with the same content."""
        return State(self.rules, *(getattr(self, f.name).copy() for f in fields(self)[1:]))

    @property
    def nbytes(self) -> int:
        """Room taken, without the rules."""
        held = [getattr(self, f.name) for f in fields(self)[1:-1]]
        return sum(c.nbytes for c in held) + sum(getattr(self.cells, f.name).nbytes for f in fields(Cells))

    @property
    def active(self) -> np.ndarray:
        """Which rules are active; bool [r], put together."""
        return self._of_cells("active")

    @property
    def started_ms(self) -> np.ndarray:
        """When each standing episode was raised; int64 [r], put together."""
        return self._of_cells("started_ms")

    def same_as(self, other: "State") -> bool:
        """Whether both remember exactly the same, bit for bit (any NaN equals any NaN)."""
        if not np.array_equal(self.rules.rule_id, other.rules.rule_id):
            return False
        names = ("last_ms", "last_value", *MARK, *RING)
        mine, others = np.flatnonzero(self.cell >= 0), np.flatnonzero(other.cell >= 0)
        return (
            np.array_equal(mine, others)
            and all(_equal(getattr(self, n), getattr(other, n)) for n in names)
            and all(_equal(self._held(n, mine), other._held(n, others)) for n in CELL)
        )

    def memory(self, which: np.ndarray) -> Memory:
        """What is remembered of the rules at ``which``, all of one family, for the plain definitions."""
        memory = at_rest(len(which), rings=False)
        held = np.flatnonzero(self.cell[which] >= 0)
        for name in CELL:
            getattr(memory, name)[held] = self._held(name, which[held])
        family = int(self.rules.family(which[0])) if len(which) else LEVEL
        if family == FROZEN:
            mark = self.rules.mark(which)
            return memory.but(
                since_ms=self.good_ms[mark], mark_ms=self.mark_ms[mark], mark_value=self.mark_value[mark]
            )
        if family == RATE:
            ring = self.rules.ring(which)
            return memory.but(**{name: getattr(self, name)[ring] for name in RING})
        return memory

    def put(self, which: np.ndarray, memory: Memory) -> None:
        """Write the memory of the rules at ``which`` back, all of one family."""
        if not len(which):
            return
        family = int(self.rules.family(which[0]))
        since_ms = memory.since_ms
        if family == FROZEN:
            mark = self.rules.mark(which)
            self.good_ms[mark], self.mark_ms[mark] = since_ms, memory.mark_ms
            self.mark_value[mark] = memory.mark_value
            since_ms = np.full(len(which), NEVER, np.int64)
        if family == RATE:
            ring = self.rules.ring(which)
            for name in RING:
                getattr(self, name)[ring] = getattr(memory, name)
        runs = memory.active | (since_ms != NEVER)
        has = self.cell[which] >= 0
        self._release(which[has & ~runs])
        beginning = which[runs & ~has]
        self.cell[beginning] = self.cells.take(len(beginning))
        at = self.cell[which[runs]]
        for name in CELL:
            column = since_ms if name == "since_ms" else getattr(memory, name)
            getattr(self.cells, name)[at] = column[runs]

    def count_busy(self) -> None:
        """Make ``busy`` follow from the other columns; silences are looked at anew by the next sweep."""
        running = np.flatnonzero(self.cell >= 0)
        level = running[self.rules.family(running) == LEVEL]
        self.busy[:], self.look_ms[:] = 0, NEVER
        self.busy[self.rules.slot(level)] = RUNNING

    def standing(self) -> Events:
        """Every episode that is active, as events of its raising with the peak so far."""
        running = np.flatnonzero(self.cell >= 0)
        which = running[self._held("active", running)]
        said = columns(len(which))
        said.rule_id[:] = self.rules.rule_id[which]
        said.what[:] = 1
        said.time_ms[:] = said.started_ms[:] = self._held("started_ms", which)
        said.value[:] = np.nan
        said.peak_value[:] = self._held("peak_value", which)
        said.peak_ms[:] = self._held("peak_ms", which)
        said.row[:] = -1
        return said

    def carry_over(self, rules: Rules, at_ms: int) -> tuple["State", Events]:
        """The state under other rules or other slots, and the clear events of what is no longer watched.

        A rule keeps its state by its id, a slot by its datastream.  An active episode goes on under a new
        setpoint and is judged by it at the next reading.  A delay in progress goes on where the new terms are
        no stricter than the old ones, and else begins again.  A rule that is gone (withdrawn, switched off,
        another kind or datastream) while active is cleared at ``at_ms``.
        """
        old = self.rules
        if rules.first is old.first and rules.rule_id is old.rule_id:  # as ``replace_rules`` leaves them
            return self._under(rules), NOTHING
        state = State.fresh(rules)
        there = places(rules.datastream, old.datastream)  # of each old slot
        here = np.flatnonzero(there >= 0)
        state.last_ms[there[here]], state.last_value[there[here]] = self.last_ms[here], self.last_value[here]

        running = np.flatnonzero(self.cell >= 0)
        was, now = _matched(running, old, rules, there)
        active = self._held("active", was)
        standing = self.standing()
        gone = ~np.isin(standing.rule_id, old.rule_id[was[active]]) if len(standing) else np.zeros(0, bool)

        judged = rules.family(now) <= RATE
        before, after = old.terms(was), rules.terms(now)
        stricter = np.where(active, after.clear_at < before.clear_at, after.raise_at > before.raise_at)
        again = judged & (stricter | ((rules.family(now) == RATE) & (after.window_ms != before.window_ms)))
        kept = active | ~again  # a delay to raise that begins again leaves nothing behind
        was, now, active, again = was[kept], now[kept], active[kept], again[kept]
        state.cell[now] = state.cells.take(len(now))
        for name in CELL:
            getattr(state.cells, name)[state.cell[now]] = self._held(name, was)
        state.cells.since_ms[state.cell[now[again]]] = NEVER

        was, now = _matched(self._marked(), old, rules, there)
        narrower = rules.raise_at[now] < old.raise_at[was]
        mark, other = old.mark(was), rules.mark(now)
        state.good_ms[other] = self.good_ms[mark]
        narrower &= ~state._actives(now)
        mark, other = mark[~narrower], other[~narrower]
        state.mark_ms[other], state.mark_value[other] = self.mark_ms[mark], self.mark_value[mark]

        was, now = _matched(self._ringed(), old, rules, there)
        same_window = old.terms(was).window_ms == rules.terms(now).window_ms
        ring, other = old.ring(was[same_window]), rules.ring(now[same_window])
        for name in RING:
            getattr(state, name)[other] = getattr(self, name)[ring]
        state.count_busy()

        said = standing.take(np.flatnonzero(gone))
        said.what[:] = CLEARED
        said.time_ms[:] = np.maximum(at_ms, said.started_ms)
        return state, said if len(said) else NOTHING

    def freeze(self) -> "Frozen":
        """What a checkpoint needs, as a copy: as little as can be, since nothing is stepped meanwhile."""
        running = np.flatnonzero(self.cell >= 0)
        return Frozen(
            self.rules,
            running,
            {name: self._held(name, running) for name in CELL},
            self.last_ms.copy(),
            self.last_value.copy(),
            {name: getattr(self, name).copy() for name in MARK},
            {name: getattr(self, name).copy() for name in RING},
        )

    def save(self, file: str | Path | BinaryIO) -> None:
        """Write a checkpoint that ``load`` reads back exactly.  The caller syncs and renames."""
        np.savez(file, **self.freeze().parts())  # type: ignore[arg-type]  # the stubs think of allow_pickle

    @classmethod
    def load(cls, file: str | Path | BinaryIO) -> "State":
        """The state that ``save`` wrote, under the rules it spoke of; carry it over to the rules in force.

        Raises ValueError for a file of another format, and what NumPy raises for a damaged one.
        """
        with np.load(file, allow_pickle=False) as found:
            return cls.of(found)

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> "State":
        """The state that ``parts`` gave, as ``load``."""
        if int(parts["format"]) != FORMAT:
            raise ValueError(f"checkpoint format {int(parts['format'])}, this engine reads {FORMAT}")
        forms = Forms(*(parts[f"form_{f.name}"] for f in fields(Forms)))
        rules = arrange(
            parts["datastream"], parts["slot"], parts["rule_id"], parts["raise_at"], parts["form"], forms
        )  # written in the order of the rules, which is that of ``arrange``
        state = cls.fresh(rules)
        state.last_ms[:], state.last_value[:] = parts["last_ms"], parts["last_value"]
        running = parts["running"]
        state.cell[running] = state.cells.take(len(running))
        for name in CELL:
            getattr(state.cells, name)[state.cell[running]] = parts[name]
        for name in (*MARK, *RING):
            getattr(state, name)[:] = parts[name]
        state.count_busy()
        return state

    @classmethod
    def placed(cls, parts: Mapping[str, Any], rules: Rules) -> "State":
        """The same under the very rules it was saved under: nothing has to be found, nothing is judged anew."""
        if int(parts["format"]) != FORMAT:
            raise ValueError(f"checkpoint format {int(parts['format'])}, this engine reads {FORMAT}")
        state, place = cls.fresh(rules), parts["place"]
        state.last_ms[:], state.last_value[:] = parts["last_ms"], parts["last_value"]
        running, family = place[parts["running"]], rules.family(place)
        state.cell[running] = state.cells.take(len(running))
        for name in CELL:
            getattr(state.cells, name)[state.cell[running]] = parts[name]
        marks, rings = rules.mark(place[family == FROZEN]), rules.ring(place[family == RATE])
        for name in MARK:
            getattr(state, name)[marks] = parts[name]
        for name in RING:
            getattr(state, name)[rings] = parts[name]
        state.count_busy()
        return state

    def _under(self, rules: Rules) -> "State":
        """``carry_over`` when every rule keeps its place: only what is stricter for the rules that changed."""
        old, state = self.rules, self.copy()
        state.rules = rules
        now = np.flatnonzero((old.raise_at != rules.raise_at) | (old.form != rules.form))
        before, after, family = old.terms(now), rules.terms(now), rules.family(now)
        active = state._actives(now)
        stricter = np.where(active, after.clear_at < before.clear_at, after.raise_at > before.raise_at)
        other_window = (family == RATE) & (after.window_ms != before.window_ms)
        again = (family <= RATE) & (state.cell[now] >= 0) & (stricter | other_window)
        state.cells.since_ms[state.cell[now[again & active]]] = NEVER
        state._release(now[again & ~active])
        mark = rules.mark(now[(family == FROZEN) & (after.raise_at < before.raise_at) & ~active])
        state.mark_ms[mark], state.mark_value[mark] = NEVER, np.nan
        ring = rules.ring(now[other_window])
        state.kept_ms[ring], state.kept_value[ring], state.kept_next[ring] = NEVER, np.nan, 0
        state.count_busy()
        return state

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _held(self, name: str, which: np.ndarray) -> np.ndarray:
        """A column of the cells of rules that all have one."""
        column: np.ndarray = getattr(self.cells, name)[self.cell[which]]
        return column

    def _of_cells(self, name: str) -> np.ndarray:
        column = getattr(at_rest(len(self.rules), rings=False), name)
        held = np.flatnonzero(self.cell >= 0)
        column[held] = self._held(name, held)
        return column

    def _actives(self, which: np.ndarray) -> np.ndarray:
        active = np.zeros(len(which), bool)
        has = self.cell[which] >= 0
        active[has] = self._held("active", which[has])
        return active

    def _release(self, which: np.ndarray) -> None:
        self.cells.give_back(self.cell[which])
        self.cell[which] = -1

    def _marked(self) -> np.ndarray:
        return self.rules.of_family(FROZEN)[_has_seen(self.mark_ms, self.good_ms)]

    def _ringed(self) -> np.ndarray:
        return self.rules.of_family(RATE)[_keeps(self.kept_ms)]


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """A state as it was at an instant; ``parts`` takes its time, in any thread."""

    rules: Rules
    running: np.ndarray
    held: dict[str, np.ndarray]
    last_ms: np.ndarray
    last_value: np.ndarray
    marks: dict[str, np.ndarray]
    rings: dict[str, np.ndarray]

    def parts(self) -> dict[str, np.ndarray]:
        """The columns of a checkpoint.

        Rules at rest are left out: they are fresh after ``carry_over``.  So a checkpoint of a calm partition
        is small, and it holds the terms of the rules it speaks of, so that a restart under other rules is an
        ordinary change of rules.
        """
        rules = self.rules
        seen, kept = _has_seen(self.marks["mark_ms"], self.marks["good_ms"]), _keeps(self.rings["kept_ms"])
        family = rules.family(self.running)
        seen[rules.mark(self.running[family == FROZEN])] = True
        kept[rules.ring(self.running[family == RATE])] = True
        marked, ringed = rules.of_family(FROZEN)[seen], rules.of_family(RATE)[kept]
        speaks = np.zeros(len(rules), bool)
        speaks[self.running] = speaks[marked] = speaks[ringed] = True
        spoken = np.flatnonzero(speaks)
        return {
            "format": np.array(FORMAT),
            "datastream": rules.datastream,
            "last_ms": self.last_ms,
            "last_value": self.last_value,
            "place": spoken.astype(np.int32),
            "rule_id": rules.rule_id[spoken],
            "slot": rules.slot(spoken).astype(np.int32),
            "raise_at": rules.raise_at[spoken],
            "form": rules.form[spoken],
            **{f"form_{f.name}": getattr(rules.forms, f.name) for f in fields(Forms)},
            "running": np.searchsorted(spoken, self.running),
            **self.held,
            **{name: column[seen] for name, column in self.marks.items()},
            **{name: column[kept] for name, column in self.rings.items()},
        }


def _has_seen(mark_ms: np.ndarray, good_ms: np.ndarray) -> np.ndarray:
    """Which frozen rules have seen something."""
    return (mark_ms != NEVER) | (good_ms != NEVER)


def _keeps(kept_ms: np.ndarray) -> np.ndarray:
    """Which rate rules keep readings."""
    kept: np.ndarray = (kept_ms != NEVER).any(axis=1)
    return kept


def _matched(which: np.ndarray, old: Rules, new: Rules, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of the old rules at ``which`` that are the same rule in ``new``, and where they are there.

    The same: its id, its datastream, its kind as far as it matters to what is remembered.
    """
    if new is old or (
        len(new) == len(old)
        and np.array_equal(new.first, old.first)
        and np.array_equal(new.rule_id, old.rule_id)
        and np.array_equal(new.datastream, old.datastream)
    ):
        was = now = which
    else:
        slot = there[old.slot(which)]
        begin = new.first[np.maximum(slot, 0)]
        count = np.where(slot >= 0, new.first[np.maximum(slot, 0) + 1] - begin, 0)
        now = np.full(len(which), -1, np.int64)
        left = np.flatnonzero(count > 0)
        wanted, turn = old.rule_id[which], 0
        while len(left):
            candidate = begin[left] + turn
            hit = new.rule_id[candidate] == wanted[left]
            now[left[hit]] = candidate[hit]
            turn += 1
            left = left[~hit]
            left = left[count[left] > turn]
        found = now >= 0
        was, now = which[found], now[found]
    a, b = old.form[was], new.form[now]
    same = (old.forms.family[a] == new.forms.family[b]) & (old.forms.sign[a] == new.forms.sign[b])
    return (was, now) if same.all() else (was[same], now[same])


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
