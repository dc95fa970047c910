"""Control charts of one datastream: EWMA and tabular CUSUM, designed by average run length.

A chart sees standardised readings (less the mean, by the standard deviation, both of the training part) and says how
far its memory is from its limit: at 1 it alarms.  The limit is what gives the wished average number of readings
between two false alarms, if readings are independent and normal.  Where they are not, take the residual of a
forecast, or a longer run length.

Sources: Roberts (1959); Lucas & Saccucci (1990) for EWMA; Page (1954) and Montgomery, Introduction to Statistical
Quality Control, ch. 9 for the tabular CUSUM; Brook & Evans (1972) for run lengths by a Markov chain.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

STATES = 201  # of the Markov chain: run lengths are good to about 0.5 %


@dataclass(frozen=True, slots=True)
class Ewma:
    """z ← (1 − weight)·z + weight·x; alarm when |z| reaches ``width`` asymptotic standard deviations."""

    weight: float
    width: float

    @property
    def limit(self) -> float:
        return self.width * math.sqrt(self.weight / (2 - self.weight))


@dataclass(frozen=True, slots=True)
class Cusum:
    """up ← max(0, up + x − slack), down ← max(0, down − x − slack); alarm when one reaches ``limit``."""

    slack: float
    limit: float


@dataclass(frozen=True, slots=True, eq=False)
class ChartState:
    """What n datastreams' charts remember: ``up`` and ``down`` of CUSUM; EWMA keeps its one value in ``up``."""

    up: np.ndarray
    down: np.ndarray

    @classmethod
    def fresh(cls, n: int) -> "ChartState":
        return cls(np.zeros(n), np.zeros(n))


def design_ewma(run_length: float, weight: float = 0.2) -> Ewma:
    """The EWMA chart with this average run length in control.  Raises ValueError."""
    if not 0 < weight <= 1 or run_length < 2:
        raise ValueError(f"no EWMA with weight {weight} and run length {run_length}")
    return Ewma(weight, _where(lambda width: ewma_run_length(Ewma(weight, width)), run_length, 8.0))


def design_cusum(run_length: float, shift: float = 1.0) -> Cusum:
    """The two-sided CUSUM for a shift of ``shift`` standard deviations: its slack is half.  Raises ValueError."""
    if shift <= 0 or run_length < 2:
        raise ValueError(f"no CUSUM for a shift of {shift} and run length {run_length}")
    slack = shift / 2
    return Cusum(slack, _where(lambda limit: cusum_run_length(Cusum(slack, limit)), run_length, 60.0))


def ewma_run_length(chart: Ewma, shift: float = 0.0) -> float:
    """Average number of readings until the alarm when the mean is off by ``shift`` standard deviations."""
    limit = chart.limit
    width = 2 * limit / STATES
    middle = -limit + width * (np.arange(STATES) + 0.5)
    edge = -limit + width * np.arange(STATES + 1)
    reach = (edge[None, :] - (1 - chart.weight) * middle[:, None]) / chart.weight - shift
    return _absorbed(np.diff(_below(reach), axis=1), STATES // 2)


def cusum_run_length(chart: Cusum, shift: float = 0.0) -> float:
    """As ``ewma_run_length``, of both sides together: 1/L = 1/L⁺ + 1/L⁻ (Van Dobben de Bruyn 1968)."""
    return 1 / (1 / _one_side(chart, shift) + 1 / _one_side(chart, -shift))


def step_ewma(state: ChartState, x: np.ndarray, chart: Ewma) -> tuple[ChartState, np.ndarray]:
    """Advance by rows ``x`` (n rows, one column a datastream, standardised); the score of each, 1 at the limit.

    Pure.  A missing value leaves the memory as it is, and its score is missing.
    """
    z, scores = state.up.copy(), np.full(x.shape, np.nan)
    for i, row in enumerate(x):
        known = np.isfinite(row)
        z[known] += chart.weight * (row[known] - z[known])
        scores[i, known] = np.abs(z[known]) / chart.limit
    return ChartState(z, state.down), scores


def step_cusum(state: ChartState, x: np.ndarray, chart: Cusum) -> tuple[ChartState, np.ndarray]:
    """As ``step_ewma``.  After an alarm the sums go on: they tell how long and how far."""
    up, down, scores = state.up.copy(), state.down.copy(), np.full(x.shape, np.nan)
    for i, row in enumerate(x):
        known = np.isfinite(row)
        up[known] = np.maximum(0, up[known] + row[known] - chart.slack)
        down[known] = np.maximum(0, down[known] - row[known] - chart.slack)
        scores[i, known] = np.maximum(up[known], down[known]) / chart.limit
    return ChartState(up, down), scores


def _one_side(chart: Cusum, shift: float) -> float:
    width = 2 * chart.limit / (2 * STATES - 1)
    start = width * np.arange(STATES)
    upper = width * (np.arange(STATES) + 0.5)
    reach = _below(upper[None, :] - start[:, None] + chart.slack - shift)
    reach[:, 1:] = np.diff(reach, axis=1)
    return _absorbed(reach, 0)


def _absorbed(move: np.ndarray, start: int) -> float:
    """Average number of steps until a chain with these moves among its lasting states leaves them."""
    return float(np.linalg.solve(np.eye(len(move)) - move, np.ones(len(move)))[start])


@njit(cache=True, nogil=True)
def _below(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution function of each element."""
    found = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            found[i, j] = 0.5 * math.erfc(-x[i, j] / math.sqrt(2.0))
    return found


def _where(length: Callable[[float], float], wished: float, high: float) -> float:
    """The limit at which the run length, which grows with it, is as wished."""
    low = 1e-3
    for _ in range(60):
        middle = (low + high) / 2
        if length(middle) < wished:
            low = middle
        else:
            high = middle
        if high - low < 1e-5:
            break
    return (low + high) / 2
