"""The three ways to watch that can be trained, put in force and explained, behind one step.

``unit``    many datastreams together: T², Q and their means (monitor)
``charts``  each datastream by EWMA and CUSUM (charted)
``course``  each datastream by its forecast (forecast)

A step takes one row and gives how far it is from its limit (above 1: abnormal; NaN: it cannot be said) and which
datastreams made it so.  Pure, and the same however rows are handed over.
"""

import math
from dataclasses import dataclass

import numpy as np

from fengsui.warn.detectors import charted, forecast, monitor, truth
from fengsui.warn.detectors.charted import Charted, ChartedState
from fengsui.warn.detectors.components import TooLittle
from fengsui.warn.detectors.forecast import Course, CourseState
from fengsui.warn.detectors.monitor import Monitor, WatchState
from fengsui.warn.detectors.truth import Usual

METHODS = ("unit", "charts", "course")
DAY_MS = 86_400_000
LONGEST_DAY = 1440  # rows of a day whose course is remembered: a row a minute; faster ones have no course
LEAST_COURSE = 200  # rows from which a tail can be told


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What was learnt from normal operation; only the part of ``method`` is there, and ``usual`` always."""

    method: str
    usual: Usual
    monitor: Monitor | None = None
    charted: Charted | None = None
    course: Course | None = None
    courses: tuple[
        CourseState, ...
    ] = ()  # where each datastream's forecast stands at the end of the training


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a detector remembers between rows; a step leaves it as it was."""

    watch: WatchState | None = None
    charted: ChartedState | None = None
    courses: tuple[CourseState, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One datastream (its column), its ``share`` 0 to 1 and in what it shows.

    ``sign``: ``t2q``, ``by`` so much off its usual mean · ``ewma_up`` ``ewma_down`` ``cusum_up`` ``cusum_down`` ·
    ``above`` ``below`` a forecast, by ``by``; in its own unit.
    """

    column: int
    share: float
    sign: str
    by: float | None = None


def learn(
    method: str, x: np.ndarray, every_ms: int, first_row: int, usual_rows: int = 5_000, alpha: float | None = None
) -> Learnt:  # fmt: skip
    """Learn from rows ``x`` of normal operation, ``every_ms`` apart, the first the ``first_row``-th since 1970.

    Raises TooLittle.
    """
    usual = truth.learn(x[-usual_rows:])
    if method == "unit":
        return Learnt(method, usual, monitor=monitor.train(x, alpha or monitor.ALPHA))
    if method == "charts":
        return Learnt(method, usual, charted=charted.learn(x))
    if len(x) < LEAST_COURSE:
        raise TooLittle(f"{len(x)} rows: a forecast learns from at least {LEAST_COURSE}")
    day = DAY_MS // every_ms
    course = Course(int(day) if day <= LONGEST_DAY and DAY_MS % every_ms == 0 else 0, len(x))
    slots = np.arange(first_row, first_row + len(x))
    ends = tuple(
        forecast.step(CourseState.fresh(course), slots, x[:, k], course)[0] for k in range(x.shape[1])
    )
    return Learnt(method, usual, course=course, courses=ends)


def fresh(learnt: Learnt) -> State:
    """Where a detector begins."""
    if learnt.monitor is not None:
        return State(watch=WatchState.fresh(learnt.monitor))
    if learnt.charted is not None:
        return State(charted=ChartedState.fresh(learnt.charted))
    return State(courses=learnt.courses)


def step(
    state: State, slot: int, row: np.ndarray, learnt: Learnt, always: bool = False
) -> tuple[State, float, tuple[Part, ...]]:
    """Advance by one row (all datastreams): next state, ratio, and the parts if it is abnormal (or ``always``)."""
    if learnt.monitor is not None and state.watch is not None:
        watch, seen = monitor.step(state.watch, row[None, :], learnt.monitor)
        ratio = float(seen.ratio[0])
        parts: tuple[Part, ...] = ()
        if ratio > 1 or (always and math.isfinite(ratio)):
            shares = monitor.explain(state.watch, row, learnt.monitor)
            model = learnt.monitor.model
            usual = np.full(len(row), np.nan)
            usual[model.used] = model.mean + state.watch.centre * model.scale
            off = row - usual
            parts = tuple(Part(s.column, s.part, "t2q", _known(off[s.column])) for s in shares)
        return State(watch=watch), ratio, parts
    if learnt.charted is not None and state.charted is not None:
        after, sides = charted.step(state.charted, row, learnt.charted)
        signs = [
            ("cusum" if c else "ewma") + ("_up" if up else "_down")
            for c, up in zip(sides.is_cusum.tolist(), sides.up.tolist(), strict=True)
        ]
        columns = np.flatnonzero(learnt.charted.used)
        return State(charted=after), *_parts(columns, sides.ratio, signs, [None] * len(columns), always)
    return _course(state, slot, row, learnt, always)


def _course(
    state: State, slot: int, row: np.ndarray, learnt: Learnt, always: bool
) -> tuple[State, float, tuple[Part, ...]]:
    assert learnt.course is not None
    ratio = np.full(len(row), np.nan)
    after, signs, by = [], [], []
    for k, one in enumerate(state.courses):
        next_one, judged = forecast.step(one, np.array([slot]), row[k : k + 1], learnt.course)
        off = float(row[k]) - forecast.expected(one, slot, learnt.course)
        after.append(next_one)
        ratio[k] = judged.ratio[0]
        signs.append("above" if off >= 0 else "below")
        by.append(_known(off))
    return State(courses=tuple(after)), *_parts(np.arange(len(row)), ratio, signs, by, always)


def _parts(
    columns: np.ndarray, ratio: np.ndarray, signs: list[str], by: list[float | None], always: bool
) -> tuple[float, tuple[Part, ...]]:
    """The largest ratio, and who has part in it: those beyond their limit by as much as they are beyond it."""
    known = np.isfinite(ratio)
    if 2 * known.sum() < len(ratio) or not known.any():
        return math.nan, ()
    finite = np.where(known, ratio, 0.0)
    most = float(finite.max())
    if most <= 1 and not always:
        return most, ()
    weigh = np.where(finite > 1, finite, 0.0) if most > 1 else finite
    weigh = np.minimum(weigh, 1e9)  # a limit of 0 is passed infinitely far
    if not weigh.sum() > 0:
        return most, ()
    weigh = weigh / weigh.sum()
    order = np.argsort(-weigh, kind="stable")
    return most, tuple(
        Part(int(columns[i]), float(weigh[i]), signs[i], by[i]) for i in order.tolist() if weigh[i] > 0
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
