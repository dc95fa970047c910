"""Control charts of many datastreams at once, with limits that their own normal operation has shown to be wide enough.

``charts`` designs EWMA and CUSUM for readings that are independent and normal; few are.  So the training part is cut
into stretches, each is charted with mean and deviation of the others, and a datastream's limit is widened by as much
as its charts went beyond theirs there.  What a chart says stays simple: which side, and how far.
"""

from dataclasses import dataclass, replace

import numpy as np

from fengsui.warn.detectors import charts
from fengsui.warn.detectors.charts import ChartState, Cusum, Ewma
from fengsui.warn.detectors.components import CONSTANT, TooLittle

RUN_LENGTH = (
    10_000  # rows between two false alarms of one datastream's chart, if its readings were independent
)
STRETCHES = 10
MARGIN = 1.1  # beyond the widest that was seen: the next stretch may be a little wider
FULL = 1.25  # times its limit a sum stops growing, so that it can come down again
LEAST_ROWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Charted:
    """n datastreams: ``used`` (n,) those that moved; of these ``mean``, ``scale`` and how far limits were widened."""

    used: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    ewma: Ewma
    cusum: Cusum
    ewma_wide: np.ndarray
    cusum_wide: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class ChartedState:
    """The memory of both charts of each used datastream."""

    ewma: ChartState
    cusum: ChartState

    @classmethod
    def fresh(cls, charted: Charted) -> "ChartedState":
        n = len(charted.mean)
        return cls(ChartState.fresh(n), ChartState.fresh(n))


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Of each used datastream the chart that is further: ``ratio`` (NaN: no value), ``up`` its side, ``is_cusum``."""

    ratio: np.ndarray
    up: np.ndarray
    is_cusum: np.ndarray


def learn(x: np.ndarray, run_length: float = RUN_LENGTH) -> Charted:
    """Charts of normal operation ``x`` (rows in time order, a column a datastream).  Raises TooLittle."""
    if len(x) < LEAST_ROWS:
        raise TooLittle(f"{len(x)} rows: charts learn from at least {LEAST_ROWS}")
    known = np.isfinite(x)
    count = known.sum(axis=0)
    mean, scale = _moments(x)
    used = (scale > CONSTANT * np.maximum(np.abs(mean), 1e-12)) & (count > len(x) // 2)
    if not used.any():
        raise TooLittle("no datastream moved while learning")
    narrow = x[:, used]
    n = narrow.shape[1]
    draft = Charted(
        used, mean[used], scale[used], charts.design_ewma(run_length), charts.design_cusum(run_length), np.ones(n),
        np.ones(n),
    )  # fmt: skip
    wide = np.ones((2, n))
    for part in np.array_split(np.arange(len(x)), STRETCHES):
        others = np.delete(narrow, part, axis=0)
        m, s = _moments(others)
        z = (narrow[part] - m) / np.where(s > 0, s, 1.0)
        for i, (step, chart) in enumerate(((charts.step_ewma, draft.ewma), (charts.step_cusum, draft.cusum))):
            scores = step(ChartState.fresh(n), z, chart)[1]  # type: ignore[operator]
            most = np.where(np.isfinite(scores), scores, 0.0).max(axis=0)
            wide[i] = np.maximum(wide[i], most * MARGIN)
    return replace(draft, ewma_wide=wide[0], cusum_wide=wide[1])


def step(state: ChartedState, row: np.ndarray, charted: Charted) -> tuple[ChartedState, Sides]:
    """Advance by one row of all datastreams.  Pure."""
    z = ((row[charted.used] - charted.mean) / charted.scale)[None, :]
    ewma, by_ewma = charts.step_ewma(state.ewma, z, charted.ewma)
    cusum, by_cusum = charts.step_cusum(state.cusum, z, charted.cusum)
    full = FULL * charted.cusum.limit * charted.cusum_wide
    cusum = ChartState(np.minimum(cusum.up, full), np.minimum(cusum.down, full))
    one, other = by_ewma[0] / charted.ewma_wide, np.minimum(by_cusum[0] / charted.cusum_wide, FULL)
    is_cusum = other > one
    up = np.where(is_cusum, cusum.up >= cusum.down, ewma.up > 0)
    return ChartedState(ewma, cusum), Sides(np.where(is_cusum, other, one), up, is_cusum)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    spread = (np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
    return mean, np.sqrt(spread)
