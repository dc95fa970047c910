"""What compound rules remember, in columns; as much as their number, whatever arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from fengsui.warn.expressions.table import RING, Table
from fengsui.warn.rules.memory import NEVER

OF_STREAM = ("heard_ms", "good_ms", "good_value")
OF_WINDOW = ("part", "low", "high", "total", "number", "last_value", "last_ms")
OF_RULE = ("now_ms", "told_ms", "told_value", "active", "since_ms", "due_ms")
OF_TERM = ("term_value", "term_true", "cause_value", "cause_true")
OF_LATCH = ("latch_ms",)
OF_INPUT = ("cause_input",)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Taken over by the kernel and changed in place."""

    heard_ms: np.ndarray  # int64 [s]: last reading, good or bad
    good_ms: np.ndarray  # int64 [s]
    good_value: np.ndarray  # float64 [s]
    part: np.ndarray  # int64 [w, RING]: which sixteenth of its window
    low: np.ndarray  # float64 [w, RING]
    high: np.ndarray  # float64 [w, RING]
    total: np.ndarray  # float64 [w, RING]
    number: np.ndarray  # int64 [w, RING]
    last_value: np.ndarray  # float64 [w, RING]
    last_ms: np.ndarray  # int64 [w, RING]
    now_ms: np.ndarray  # int64 [r]: the rule's clock, the latest that it heard
    told_ms: np.ndarray  # int64 [r]
    told_value: np.ndarray  # float64 [r]
    active: np.ndarray  # bool [r]
    since_ms: np.ndarray  # int64 [r]
    due_ms: np.ndarray  # int64 [r]: when time alone changes something, the largest number when never
    term_value: np.ndarray  # float64 [t]
    term_true: np.ndarray  # float64 [t]
    cause_value: np.ndarray  # float64 [t]: as it was when the standing episode was raised
    cause_true: np.ndarray  # float64 [t]
    latch_ms: np.ndarray  # int64 [l]: since when (``for``); a deadband's 1 or NEVER
    alarm: np.ndarray  # bool [k]
    cause_input: np.ndarray  # float64 [inputs]: what the names were when the standing episode was raised

    @classmethod
    def fresh(cls, table: Table) -> "Memory":
        """Of rules that have heard nothing."""
        s, w, r = len(table.stream), table.n_windows, len(table)
        t, latches = int(table.rule_terms[-1]), int(table.rule_latches[-1])

        def times(*shape: int) -> np.ndarray:
            return np.full(shape, NEVER, np.int64)

        def reals(*shape: int) -> np.ndarray:
            return np.full(shape, np.nan)

        due = np.where(table.listens, table.armed_ms, np.iinfo(np.int64).max).astype(np.int64)
        return cls(
            times(s), times(s), reals(s), times(w, RING), reals(w, RING), reals(w, RING), reals(w, RING),
            np.zeros((w, RING), np.int64), reals(w, RING), times(w, RING), times(r), times(r), reals(r),
            np.zeros(r, bool), times(r), due, reals(t), reals(t), reals(t), reals(t),
            times(latches), np.zeros(len(table.alarm_rule), bool), reals(len(table.inputs)),
        )  # fmt: skip

    def copy(self) -> "Memory":
        """The same, apart."""
        return Memory(*(getattr(self, f.name).copy() for f in fields(Memory)))

    def carried(self, old: Table, new: Table) -> "Memory":
        """The same under other rules.

        A datastream and a window keep what they heard.  A rule keeps everything while its version is the same; an
        edited one keeps its standing episode and its own last word, and begins to count anew.
        """
        made = Memory.fresh(new)
        _copy(self, made, OF_STREAM, *_same(old.stream, new.stream))
        before = {key: i for i, key in enumerate(_windows(old))}
        pairs = [(before[key], i) for i, key in enumerate(_windows(new)) if key in before]
        _copy(self, made, OF_WINDOW, *_columns(pairs))
        was, now = _same(old.rule_id, new.rule_id)
        _copy(self, made, ("now_ms", "told_ms", "told_value", "active"), was, now)
        kept = old.version[was] == new.version[now]
        _copy(self, made, ("since_ms", "due_ms"), was[kept], now[kept])
        for before_at, after_at in zip(was[kept].tolist(), now[kept].tolist(), strict=True):
            for names, first in (
                (OF_TERM, "rule_terms"), (OF_LATCH, "rule_latches"), (OF_INPUT, "rule_inputs"),
            ):  # fmt: skip
                there, here = getattr(old, first), getattr(new, first)
                width = int(there[before_at + 1] - there[before_at])
                if width != int(here[after_at + 1] - here[after_at]):
                    continue
                for name in names:
                    column = getattr(self, name)[there[before_at] : there[before_at + 1]]
                    getattr(made, name)[here[after_at] : here[after_at + 1]] = column
        _copy(self, made, ("alarm",), *_same(old.alarm_rule, new.alarm_rule))
        return made

    def parts(self, table: Table) -> dict[str, np.ndarray]:
        """Columns of a checkpoint, with what they speak of."""
        return {
            **{f.name: getattr(self, f.name).copy() for f in fields(Memory)},
            "of_stream": table.stream, "of_window": np.array(_windows(table), np.int64).reshape(-1, 2),
            "of_rule": table.rule_id, "of_version": table.version, "of_alarm": table.alarm_rule,
            "of_terms": table.rule_terms, "of_latches": table.rule_latches, "of_inputs": table.rule_inputs,
        }  # fmt: skip

    @classmethod
    def of(cls, parts: Mapping[str, np.ndarray], table: Table) -> "Memory":
        """What ``parts`` gave, under the rules of now; fresh when it is from before there were any."""
        if "of_rule" not in parts:
            return cls.fresh(table)
        windows = np.asarray(parts["of_window"])
        stream = np.asarray(parts["of_stream"])
        of = np.searchsorted(stream, windows[:, 0]) if len(windows) else np.empty(0, np.int64)
        none = np.empty(0, np.int32)
        old = Table(
            rule_id=parts["of_rule"], version=parts["of_version"], for_ms=none, clear_for_ms=none, offset_min=none,
            armed_ms=none, listens=none, begin=none, code=none, a=none, b=none, c=none, term=none, latch=none,
            rule_terms=parts["of_terms"], rule_latches=parts["of_latches"], rule_inputs=parts["of_inputs"],
            inputs=none, stream=stream, of_stream=none, told=none,
            window_of=np.searchsorted(of, np.arange(len(stream) + 1)).astype(np.int32), window_ms=windows[:, 1],
            alarm_rule=parts["of_alarm"], of_alarm=none, alarm_told=none, alarm_of=none, checked=(), streams=(),
        )  # fmt: skip
        return cls(*(np.array(parts[f.name]) for f in fields(Memory))).carried(old, table)


def _windows(table: Table) -> list[tuple[int, int]]:
    """(datastream, ms) of each window."""
    stream = np.repeat(table.stream, np.diff(table.window_of))
    return list(zip(stream.tolist(), table.window_ms.tolist(), strict=True))


def _same(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the same ids in both."""
    _, was, is_now = np.intersect1d(before, now, assume_unique=True, return_indices=True)
    return was, is_now


def _columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _copy(source: Memory, target: Memory, names: tuple[str, ...], was: np.ndarray, now: np.ndarray) -> None:
    for name in names:
        getattr(target, name)[now] = getattr(source, name)[was]
