"""Many compound rules as columns: programs for a small stack machine, and who wants to know of which datastream.

A program is a run of steps; a step has a code, two whole numbers and a real one.  Windows are shared: two rules that
ask for the highest of a datastream over ten minutes look into the same sixteenths.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fengsui.warn.expressions.checking import MAX_STACK, Checked, Op
from fengsui.warn.expressions.errors import BadExpression
from fengsui.warn.expressions.parsing import ALARMS
from fengsui.warn.rules.kind import gettext_noop

CODES = (
    "const", "value", "min", "max", "mean", "sum", "count", "delta", "rate", "age", "silent", "alarm", "time", "day",
    "sector", "neg", "abs", "add", "sub", "mul", "div", "highest", "lowest", "lt", "le", "gt", "ge", "eq", "ne", "on",
    "off", "and", "or", "not", "vote", "for",
)  # fmt: skip
WINDOWED = ("min", "max", "mean", "sum", "count", "delta", "rate")
JOINED = {"and": "and", "or": "or", "highest": "highest", "lowest": "lowest"}
PARTS = 16  # of a window
RING = 2 * PARTS + 1  # sixteenths kept: two windows back, for changes
TOLD, RAISED, CLEARED = 0, 1, 2
READING, ALARM_UP, ALARM_DOWN = 0, 1, 2


class CompoundRow(NamedTuple):
    """A rule as it is stored.  ``streams`` maps its names to datastreams; ``version`` moves with what it says."""

    rule_id: int
    version: int
    checked: Checked
    streams: dict[str, int]
    for_ms: int = 0
    clear_for_ms: int = 0
    offset_min: int = 0  # local time ahead of UTC
    armed_ms: int = 0


class Watched(NamedTuple):
    """An ordinary rule whose alarm some expression asks for."""

    rule_id: int
    datastream: int
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """``r`` rules over ``s`` datastreams and ``w`` windows; ``k`` watched alarms, ``o`` steps, ``t`` terms."""

    rule_id: np.ndarray  # int64 [r]
    version: np.ndarray  # int64 [r]
    for_ms: np.ndarray  # int64 [r]
    clear_for_ms: np.ndarray  # int64 [r]
    offset_min: np.ndarray  # int64 [r]
    armed_ms: np.ndarray  # int64 [r]
    listens: np.ndarray  # bool [r]
    begin: np.ndarray  # int32 [2 r + 1]: program of rule i is begin[2 i] …, its clearing one begin[2 i + 1] …
    code: np.ndarray  # uint8 [o]
    a: np.ndarray  # int32 [o]
    b: np.ndarray  # int32 [o]
    c: np.ndarray  # float64 [o]
    term: np.ndarray  # int32 [o], -1 where the step is none
    latch: np.ndarray  # int32 [o]: place of what it remembers (timers, deadbands), -1
    rule_terms: np.ndarray  # int32 [r + 1]
    rule_latches: np.ndarray  # int32 [r + 1]
    rule_inputs: np.ndarray  # int32 [r + 1] into ``inputs``
    inputs: np.ndarray  # int32: places in ``stream``, in the order of ``Checked.names``
    stream: np.ndarray  # int32 [s], rising: datastreams
    of_stream: np.ndarray  # int32 [s + 1] into ``told``
    told: np.ndarray  # int32: rules to evaluate, by datastream
    window_of: np.ndarray  # int32 [s + 1] into windows, those of a datastream side by side
    window_ms: np.ndarray  # int64 [w]
    alarm_rule: np.ndarray  # int64 [k], rising: ids of ordinary rules
    of_alarm: np.ndarray  # int32 [k + 1] into ``alarm_told``
    alarm_told: np.ndarray  # int32
    alarm_of: np.ndarray  # int32: watched alarms of a step, its ``a`` to ``b``
    checked: tuple[Checked, ...]
    streams: tuple[dict[str, int], ...]

    def __len__(self) -> int:
        return len(self.rule_id)

    @property
    def n_windows(self) -> int:
        """How many windows are kept."""
        return len(self.window_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What arrived, in columns [n] in order: rows of one ``group`` came together and are judged together.

    ``what`` READING: ``place`` is a place in ``Table.stream``; else in ``Table.alarm_rule``.
    """

    group: np.ndarray  # int64, rising
    time_ms: np.ndarray  # int64
    what: np.ndarray  # uint8
    place: np.ndarray  # int32
    value: np.ndarray  # float64
    quality: np.ndarray  # uint8

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What rules say, in columns [m] in the order in which they said it: a value of the rule's own datastream.

    1 it is so, 0 it is not, NaN nobody knows.  ``what`` RAISED and CLEARED where an episode begins and ends.
    """

    rule: np.ndarray  # int64: place in the table
    time_ms: np.ndarray  # int64
    value: np.ndarray  # float64
    what: np.ndarray  # int64
    group: np.ndarray  # int64: of the rows that made it say so; -1 the clock
    cause_at: np.ndarray  # int64: where in ``cause`` the raising is explained, -1 where nothing is raised
    cause: (
        np.ndarray
    )  # float64: of a raising the values of its conditions, whether they held, the values of its names

    def __len__(self) -> int:
        return len(self.rule)


def tabulate(rows: Iterable[CompoundRow], watched: Sequence[Watched] = ()) -> Table:
    """The rules in columns.  Raises BadExpression where a program would need too much room."""
    listed = list(rows)
    streams = sorted({row.streams[name] for row in listed for name in row.checked.names})
    place = {stream: i for i, stream in enumerate(streams)}
    wanted = sorted({(place[row.streams[name]], ms) for row in listed for name, ms in row.checked.windows})
    window = {pair: i for i, pair in enumerate(wanted)}
    ordinary = sorted(set(watched))
    build = _Builder(place, window, ordinary)
    told: list[set[int]] = [set() for _ in streams]
    alarm_told: list[set[int]] = [set() for _ in ordinary]
    begin, terms, latches = [0], [0], [0]
    for number, row in enumerate(listed):
        build.row = row
        build.add(row.checked.when)
        begin.append(len(build.code))
        if row.checked.clear is not None:
            build.add(row.checked.clear)
        begin.append(len(build.code))
        terms.append(terms[-1] + len(row.checked.terms))
        latches.append(build.latches)
        for name in row.checked.names:
            told[place[row.streams[name]]].add(number)
        for at in build.asked:
            alarm_told[at].add(number)
        build.asked.clear()
        build.first_term = terms[-1]
    of_stream, by_stream = _sparse(told)
    of_alarm, by_alarm = _sparse(alarm_told)
    of = np.array([at for at, _ in wanted], np.int64)
    return Table(
        rule_id=np.array([row.rule_id for row in listed], np.int64),
        version=np.array([row.version for row in listed], np.int64),
        for_ms=np.array([row.for_ms for row in listed], np.int64),
        clear_for_ms=np.array([row.clear_for_ms for row in listed], np.int64),
        offset_min=np.array([row.offset_min for row in listed], np.int64),
        armed_ms=np.array([row.armed_ms for row in listed], np.int64),
        listens=np.array([row.checked.listens for row in listed], bool),
        begin=np.array(begin, np.int32),
        code=np.array(build.code, np.uint8),
        a=np.array(build.a, np.int32),
        b=np.array(build.b, np.int32),
        c=np.array(build.c, np.float64),
        term=np.array(build.term, np.int32),
        latch=np.array(build.latch, np.int32),
        rule_terms=np.array(terms, np.int32),
        rule_latches=np.array(latches, np.int32),
        rule_inputs=np.cumsum([0, *(len(row.checked.names) for row in listed)]).astype(np.int32),
        inputs=np.array([place[row.streams[name]] for row in listed for name in row.checked.names], np.int32),
        stream=np.array(streams, np.int32),
        of_stream=of_stream,
        told=by_stream,
        window_of=np.searchsorted(of, np.arange(len(streams) + 1)).astype(np.int32),
        window_ms=np.array([ms for _, ms in wanted], np.int64),
        alarm_rule=np.array([one.rule_id for one in ordinary], np.int64),
        of_alarm=of_alarm,
        alarm_told=by_alarm,
        alarm_of=np.array(build.alarm_of, np.int32),
        checked=tuple(row.checked for row in listed),
        streams=tuple(row.streams for row in listed),
    )


class _Builder:
    """Collects steps; the arguments of a step come before it, as a stack machine wants them."""

    def __init__(
        self, place: dict[int, int], window: dict[tuple[int, int], int], ordinary: list[Watched]
    ) -> None:
        self.place, self.window, self.ordinary = place, window, ordinary
        self.row: CompoundRow
        self.code: list[int] = []
        self.a: list[int] = []
        self.b: list[int] = []
        self.c: list[float] = []
        self.term: list[int] = []
        self.latch: list[int] = []
        self.alarm_of: list[int] = []
        self.latches, self.first_term = 0, 0
        self.asked: list[int] = []

    def add(self, op: Op) -> None:
        """The steps of ``op``."""
        if stack_of(op) > MAX_STACK:
            raise BadExpression(1, gettext_noop("the expression is too deep; make it simpler"))
        self._add(op)

    def _add(self, op: Op) -> None:
        for number, arg in enumerate(op.args):
            self._add(arg)
            if number and op.code in JOINED:
                self._step(op.code)
        if op.code in JOINED:
            return
        stream = self.place[self.row.streams[op.name]] if op.name else -1
        age = self.row.checked.inputs[op.name].max_age_ms if op.name else 0
        if op.code == "const":
            self._step("const", c=op.value)
        elif op.code == "value":
            self._step("value", stream, c=float(age))
        elif op.code in WINDOWED:
            self._step(op.code, self.window[stream, op.ms], stream, float(age))
        elif op.code == "age":
            self._step("age", stream)
        elif op.code == "silent":
            self._step("silent", stream, c=float(op.ms), term=op.term)
        elif op.code == "alarm":
            first = len(self.alarm_of)
            datastream = self.row.streams[op.name]
            mine = [
                i for i, w in enumerate(self.ordinary) if w.datastream == datastream and w.kind in op.words
            ]
            self.alarm_of += mine
            self.asked += mine
            self._step("alarm", first, len(self.alarm_of), term=op.term)
        elif op.code == "time":
            self._step("time", int(op.value), op.ms, term=op.term)
        elif op.code == "day":
            self._step("day", int(op.value), term=op.term)
        elif op.code == "sector":
            self._step("sector", c=op.value, term=op.term)
        elif op.code == "vote":
            self._step("vote", int(op.value), len(op.args))
        elif op.code == "for":
            self._step("for", c=float(op.ms), remembers=True)
        elif op.code in ("lt", "le", "gt", "ge", "eq", "ne"):
            # with a deadband there are three arguments; ``b`` says so, ``a`` that the datastream is on the right
            self._step(op.code, int(op.value), len(op.args) - 2, term=op.term, remembers=len(op.args) > 2)
        else:
            self._step(op.code, term=op.term)

    def _step(
        self, code: str, a: int = -1, b: int = -1, c: float = 0.0, term: int = -1, remembers: bool = False
    ) -> None:
        self.code.append(CODES.index(code))
        self.a.append(a)
        self.b.append(b)
        self.c.append(c)
        self.term.append(term if term < 0 else self.first_term + term)
        self.latch.append(self.latches if remembers else -1)
        self.latches += remembers


def stack_of(op: Op) -> int:
    """How many places of the stack a step needs while it is worked out."""
    most = 1
    for number, arg in enumerate(op.args):
        below = min(number, 1) if op.code in JOINED else number
        most = max(most, below + stack_of(arg))
    return max(most, len(op.args) if op.code not in JOINED else 1)


def alarms_of(rows: Iterable[CompoundRow]) -> set[tuple[int, str]]:
    """The (datastream, kind) of ordinary rules that some expression asks for."""
    return {
        (row.streams[name], kind) for row in rows for name, kinds in row.checked.alarms for kind in kinds
        if kind in ALARMS
    }  # fmt: skip


def _sparse(sets: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    first = np.zeros(len(sets) + 1, np.int32)
    np.cumsum([len(found) for found in sets], out=first[1:])
    return first, np.array([i for found in sets for i in sorted(found)], np.int32)
