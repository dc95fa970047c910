"""The detectors on one core: the watch of a unit, a daily course, the sensor truth score."""

import time
from collections.abc import Callable

import numpy as np

from fengsui.run.benches.figure import Figure, figure
from fengsui.warn.detectors import forecast, monitor, truth

ABOUT = "readings a second of the detectors on one core: a watched unit, a daily course, sensor truth; and training"
DATASTREAMS = 50
ROWS = 5_000
DAY = 288


def bench(seconds: float) -> list[Figure]:
    """About ``seconds`` in all.  Ten things move fifty datastreams; each has noise of its own."""
    chance = np.random.default_rng(1)
    mix = chance.normal(size=(10, DATASTREAMS))
    rows = 50 + chance.normal(size=(ROWS, 10)) @ mix + 0.3 * chance.normal(size=(ROWS, DATASTREAMS))
    gaps = rows.copy()
    gaps[chance.random(rows.shape) < 0.05] = np.nan
    monitor.warm_up()
    forecast.warm_up()
    began = time.process_time()
    trained = monitor.train(rows[:2000])
    took_s = time.process_time() - began
    fresh = monitor.WatchState.fresh(trained)
    course = forecast.Course(DAY, 750)
    begin = forecast.CourseState.fresh(course)
    usual = truth.learn(rows[:2000])
    recent = truth.Recent(rows[-truth.WINDOW * 11 :], truth.WINDOW, truth.WINDOW * 10)
    size, each = f"{DATASTREAMS} datastreams, {len(trained.model.eigen)} components", seconds / 6
    one = [rows[i : i + 1] for i in range(200)]

    def singly() -> None:
        state = fresh
        for row in one:
            state, _ = monitor.step(state, row, trained)

    def every_truth() -> None:
        for column in range(DATASTREAMS):
            truth.judge(recent, column, usual)

    def watched(x: np.ndarray) -> Callable[[], object]:
        return lambda: monitor.step(fresh, x, trained)

    slot = np.arange(ROWS)
    return [
        figure(
            "watch of a unit", "M readings/s", _rate(watched(rows), rows.size, each),
            f"{size}, {ROWS:,} rows a call",
        ),
        figure("watch, 5 % missing", "M readings/s", _rate(watched(gaps), rows.size, each), size),
        figure("watch, a row a call", "M readings/s", _rate(singly, 200 * DATASTREAMS, each), size),
        figure(
            "daily course", "M readings/s", _rate(lambda: forecast.step(begin, slot, rows[:, 0], course), ROWS, each),
            f"one datastream, {DAY} readings a day",
        ),
        figure(
            "sensor truth", "datastreams/s",
            [1e6 * r for r in _rate(every_truth, DATASTREAMS, each)],
            f"each against {DATASTREAMS - 1} others and its past",
        ),
        figure("training of a unit", "s", took_s, f"{size}, 2,000 rows, limits by {monitor.STRETCHES} stretches"),
    ]  # fmt: skip


def _rate(deed: Callable[[], object], readings: int, seconds: float) -> list[float]:
    """M readings a second of processor time, some runs."""
    deed()
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(found) < 3:
        began, turns = time.process_time(), 0
        while time.process_time() - began < 0.02:
            deed()
            turns += 1
        found.append(turns * readings / (time.process_time() - began) / 1e6)
    return found
