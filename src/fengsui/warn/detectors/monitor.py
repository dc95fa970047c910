"""A unit under watch: is it as in normal operation, and if not, which datastreams make it so.

Six statistics, each with a purpose: T² and Q of the reading itself (a leap), of the exponentially weighted mean of
readings (a small lasting shift: MEWMA, Lowry et al. 1992), and the exponentially weighted mean of T² and Q (more
spread than usual).  A reading is abnormal when one of them is beyond its limit.  The false-alarm budget ``alpha`` is
shared out evenly (Bonferroni).

Limits come from the training part alone.  It is cut into stretches; each is judged by a model of the others, and the
limit is the largest of what theory says (components) and what these unseen readings say: their own quantile where
there are enough of them, else Box's approximation too.  So dependence in time and heavy tails widen the limits as far
as they were seen.

Where normal operation wanders (seasons, warming up, fouling) the centre follows the readings, but only while they are
normal, as in recursive PCA (Li et al. 2000).  Whether and how fast is found in the training part too: the slowest at
which a model of its first half keeps to the budget in its second half.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from fengsui.warn.detectors import components
from fengsui.warn.detectors.components import Components, TooLittle

STATISTICS = ("t2", "q", "t2_of_mean", "q_of_mean", "mean_of_t2", "mean_of_q")
ALPHA = 0.01  # one false alarm in a hundred normal readings, as is usual for T² and Q
WEIGHT = 0.2  # of the newest reading in a mean: the middle of what Montgomery recommends (0.05 to 0.25)
STRETCHES = 10
FOLLOW = (
    0.0,
    1.0,
    4.0,
)  # by the number of training rows: not at all, with a memory as long as the training, a quarter of it
PATIENCE = 5.0  # times alpha that a half may alarm about the other before the centre has to follow faster
ENOUGH = 10  # unseen readings beyond a limit, for their quantile to be known well
SETTLE = 25  # readings until a mean has forgotten where it began: 0.8²⁵ < 0.4 %


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """A trained watch.  ``limit`` of each of STATISTICS within the shared budget; ``alone`` if one were used alone."""

    model: Components
    alpha: float
    weight: float
    limit: np.ndarray  # (6,)
    alone: np.ndarray  # (6,)
    follow: float  # weight of the newest normal reading in the centre
    usual: np.ndarray  # (2,) mean of T² and of Q in normal operation
    usual_share: np.ndarray  # (2, m) mean shares of T² and Q of each used datastream


@dataclass(frozen=True, slots=True, eq=False)
class WatchState:
    """What a watch remembers between readings; a step leaves it as it was."""

    centre: np.ndarray  # (m,) where normal is now, standardised
    past: np.ndarray  # (lags, m) less the centre, newest first; NaN where nothing was
    mean: np.ndarray  # (M,)
    spread: np.ndarray  # (2,)

    @classmethod
    def fresh(cls, monitor: Monitor) -> "WatchState":
        model = monitor.model
        m, lags = len(model.mean), model.lags
        return cls(np.zeros(m), np.full((lags, m), np.nan), np.zeros(m * (lags + 1)), monitor.usual.copy())


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """``statistic`` (n, 6); ``ratio`` (n,) the largest statistic by its limit, above 1 abnormal; NaN: not judged."""

    statistic: np.ndarray
    ratio: np.ndarray

    @property
    def abnormal(self) -> np.ndarray:
        flags: np.ndarray = self.ratio > 1
        return flags


@dataclass(frozen=True, slots=True)
class Share:
    """One datastream (its column) and its part of what made a reading abnormal, 0 to 1."""

    column: int
    part: float


def train(x: np.ndarray, alpha: float = ALPHA, weight: float = WEIGHT, lags: int | None = None) -> Monitor:
    """Learn normal operation from ``x``: rows in time order, a column a datastream.  Raises TooLittle, ValueError."""
    if not 0 < alpha < 0.5 or not 0 < weight <= 1:
        raise ValueError(f"alpha {alpha} must be between 0 and 0.5, weight {weight} between 0 and 1")
    x = np.ascontiguousarray(x, np.float64)
    return _train(x, alpha, weight, lags, _follow(x, alpha, weight, lags))


def _train(x: np.ndarray, alpha: float, weight: float, lags: int | None, follow: float) -> Monitor:
    model = components.fit(x, lags)
    never = np.full(len(STATISTICS), np.inf)
    usual = np.array([len(model.eigen), model.rest.sum()])
    draft = Monitor(model, alpha, weight, never, never, follow, usual, _usual_shares(model, x))
    seen = _unseen(x, draft)
    if len(seen) < SETTLE:
        raise TooLittle(f"{len(seen)} readings were left to set limits by: at least {SETTLE} are needed")
    theory = (components.t2_limit, components.q_limit)

    def limits(level: float) -> np.ndarray:
        found = np.quantile(seen, 1 - level, axis=0)
        if len(seen) * level < ENOUGH:
            by_box = [components.box(float(s.mean()), float(s.var(ddof=1)), level) for s in seen.T]
            found = np.maximum(found, by_box)
        for i, by_theory in enumerate(theory):
            found[i] = max(found[i], by_theory(model, level))
        return np.maximum(found, 1e-12)

    return replace(
        draft, limit=limits(alpha / len(STATISTICS)), alone=limits(alpha), usual=seen[:, :2].mean(axis=0)
    )


def _follow(x: np.ndarray, alpha: float, weight: float, lags: int | None) -> float:
    """The slowest weight of the centre at which the first half does not alarm too much about the second."""
    half = max(1, len(x) // 2)
    best, fewest = 0.0, np.inf
    for part in FOLLOW:
        try:
            first = _train(x[:half], alpha, weight, lags, part / half)
        except TooLittle:
            return 0.0
        state, _ = step(WatchState.fresh(first), x[max(0, half - SETTLE) : half], first)
        often = float(step(state, x[half:], first)[1].abnormal.mean())
        if often < fewest:
            best, fewest = part / len(x), often
        if often <= PATIENCE * alpha:
            break
    return best


def step(state: WatchState, x: np.ndarray, monitor: Monitor) -> tuple[WatchState, Watched]:
    """Advance by rows ``x`` (all datastreams, also those not used); pure: ``state`` is left as it was.

    Rows come in time order at the interval of the training.  Cutting them otherwise into calls changes nothing.
    """
    model = monitor.model
    centre, past = state.centre.copy(), state.past.copy()
    mean, spread = state.mean.copy(), state.spread.copy()
    rows = np.ascontiguousarray(model.standardised(np.asarray(x, np.float64)))
    statistic = np.empty((len(rows), len(STATISTICS)))
    _run(
        rows, centre, past, mean, spread, model.loading, model.eigen, model.left, monitor.weight, monitor.limit,
        monitor.follow, statistic,
    )  # fmt: skip
    return WatchState(centre, past, mean, spread), Watched(statistic, (statistic / monitor.limit).max(axis=1))


def watch(x: np.ndarray, monitor: Monitor) -> Watched:
    """``step`` from a fresh state."""
    return step(WatchState.fresh(monitor), x, monitor)[1]


def explain(state: WatchState, row: np.ndarray, monitor: Monitor) -> list[Share]:
    """Which datastreams made ``row``, read after ``state``, abnormal; largest part first; parts sum to 1.

    Every statistic beyond its limit is taken apart, weighed by how far beyond it is.  A part counts by how much
    larger it is than in normal operation, so that a datastream that always moves much does not hide another.
    """
    model = monitor.model
    after, watched = step(state, row[None, :], monitor)
    over = np.nan_to_num(watched.statistic[0] / monitor.limit)
    now = _wide(model, state, row)
    weigh = np.where(over > 1, over, 0.0)
    if not weigh.any():
        weigh = over
    t2_weight, q_weight = weigh[0] + weigh[4], weigh[1] + weigh[5]
    parts = np.zeros(len(model.mean))
    for weight, wide, shares, usual in (
        (t2_weight, now, components.t2_shares, monitor.usual_share[0]),
        (q_weight, now, components.q_shares, monitor.usual_share[1]),
        (weigh[2], after.mean, components.t2_shares, monitor.usual_share[0]),
        (weigh[3], after.mean, components.q_shares, monitor.usual_share[1]),
    ):
        part = np.maximum(shares(model, wide), 0.0) / usual
        if weight > 0 and part.sum() > 0:
            parts += weight * part / part.sum()
    if not parts.sum() > 0:
        return []
    parts /= parts.sum()
    column = np.flatnonzero(model.used)
    return [Share(int(column[i]), float(parts[i])) for i in np.argsort(-parts, kind="stable") if parts[i] > 0]


def steady(abnormal: np.ndarray, rows: int) -> np.ndarray:
    """The state that has to be said ``rows`` times one after another before it is believed, normal at first."""
    said, believed, doubt = np.empty(len(abnormal), bool), False, 0
    for i, now in enumerate(abnormal):
        doubt = doubt + 1 if bool(now) != believed else 0
        if doubt >= rows:
            believed, doubt = not believed, 0
        said[i] = believed
    return said


def warm_up() -> None:
    """Compile, or load what was compiled."""
    rows = np.array([[np.nan, 1.0], [0.5, 1.0]])
    loading, one = np.array([[0.6], [0.8], [0.0], [0.0]]), np.ones(1)
    past, limit = np.full((1, 2), np.nan), np.ones(len(STATISTICS))
    _run(
        rows, np.zeros(2), past, np.zeros(4), np.ones(2), loading, one, 1.0, 0.2, limit, 0.1, np.empty((2, 6))
    )


def _unseen(x: np.ndarray, draft: Monitor) -> np.ndarray:
    """The statistics of every training row by models that did not learn from its stretch."""
    n, lags = len(x), draft.model.lags
    edges = np.linspace(0, n, STRETCHES + 1).astype(int)
    found = []
    for low, high in itertools.pairwise(edges):
        try:
            model = components.fit_parts([p for p in (x[:low], x[high:]) if len(p) > lags], lags)
        except TooLittle:
            continue
        usual = np.array([len(model.eigen), model.rest.sum()])
        other = replace(draft, model=model, usual=usual)
        begin = max(0, low - SETTLE - lags)
        statistic = watch(x[begin:high], other).statistic[low - begin :]
        found.append(statistic[np.isfinite(statistic).all(axis=1)])
    return np.concatenate(found) if found else np.empty((0, len(STATISTICS)))


def _usual_shares(model: Components, x: np.ndarray) -> np.ndarray:
    """Mean part of each used datastream in T² and in Q in normal operation, never quite nothing."""
    runs = components.heard(model.standardised(x))
    wide = np.concatenate([components.widened(np.nan_to_num(run), model.lags) for run in runs])
    score = wide @ model.loading
    t2 = np.abs(wide * ((score / model.eigen) @ model.loading.T))
    q = (wide - score @ model.loading.T) ** 2
    shares = np.array([s.mean(axis=0).reshape(model.lags + 1, -1).sum(axis=0) for s in (t2, q)])
    floor: np.ndarray = np.maximum(shares, shares.mean(axis=1, keepdims=True) * 1e-3 + 1e-300)
    return floor


def _wide(model: Components, state: WatchState, row: np.ndarray) -> np.ndarray:
    """A row with its past beside it, what is missing replaced by the mean."""
    wide = np.concatenate([model.standardised(row[None, :]) - state.centre, state.past]).ravel()
    return np.nan_to_num(wide)


@njit(cache=True, nogil=True)
def _run(
    rows: np.ndarray, centre: np.ndarray, past: np.ndarray, mean: np.ndarray, spread: np.ndarray, loading: np.ndarray,
    eigen: np.ndarray, left: float, weight: float, limit: np.ndarray, follow: float, out: np.ndarray,
) -> None:  # fmt: skip
    """Each row by itself and in order, so that where a call ends does not matter, not even in the last bit."""
    n, m = rows.shape
    lags = past.shape[0]
    columns, a = loading.shape
    wide, known = np.empty(columns), np.empty(columns, np.bool_)
    score, score_of_mean = np.empty(a), np.empty(a)
    normal, solved = np.empty((a, a)), np.empty(a)
    for i in range(n):
        there, there_now = 0, 0
        for j in range(columns):
            value = rows[i, j] - centre[j] if j < m else past[j // m - 1, j % m]
            known[j] = np.isfinite(value)
            wide[j] = value if known[j] else 0.0
            there += known[j]
            there_now += known[j] and j < m
        for k in range(lags - 1, 0, -1):
            past[k] = past[k - 1]
        if lags > 0:
            for j in range(m):
                past[0, j] = wide[j] if known[j] else np.nan
        if 2 * there_now < m:
            out[i, :] = np.nan
            continue
        if there < columns:
            _fill(wide, known, loading, eigen, max(left, 1e-9), normal, solved)
        score[:] = 0.0
        for j in range(columns):
            for k in range(a):
                score[k] += loading[j, k] * wide[j]
            mean[j] += weight * (wide[j] - mean[j])
        score_of_mean[:] = 0.0
        for j in range(columns):
            for k in range(a):
                score_of_mean[k] += loading[j, k] * mean[j]
        t2, t2_of_mean, q, q_of_mean = 0.0, 0.0, 0.0, 0.0
        for k in range(a):
            t2 += score[k] * score[k] / eigen[k]
            t2_of_mean += score_of_mean[k] * score_of_mean[k] / eigen[k]
        for j in range(columns):
            fit, fit_of_mean = 0.0, 0.0
            for k in range(a):
                fit += loading[j, k] * score[k]
                fit_of_mean += loading[j, k] * score_of_mean[k]
            if known[j]:
                q += (wide[j] - fit) ** 2
            q_of_mean += (mean[j] - fit_of_mean) ** 2
        q *= columns / there
        spread[0] += weight * (t2 - spread[0])
        spread[1] += weight * (q - spread[1])
        out[i, 0], out[i, 1], out[i, 2] = t2, q, t2_of_mean
        out[i, 3], out[i, 4], out[i, 5] = q_of_mean, spread[0], spread[1]
        if follow > 0.0 and (out[i] <= limit).all():
            for j in range(m):
                if known[j]:
                    centre[j] += follow * wide[j]


@njit(cache=True, nogil=True)
def _fill(
    wide: np.ndarray, known: np.ndarray, loading: np.ndarray, eigen: np.ndarray, left: float, normal: np.ndarray,
    solved: np.ndarray,
) -> None:  # fmt: skip
    """What is missing in ``wide`` becomes what the known part lets expect: Cholesky of (PₖᵀPₖ + left·Λ⁻¹)."""
    columns, a = loading.shape
    normal[:, :] = 0.0
    solved[:] = 0.0
    for j in range(columns):
        if known[j]:
            for k in range(a):
                solved[k] += loading[j, k] * wide[j]
                for p in range(k + 1):
                    normal[k, p] += loading[j, k] * loading[j, p]
    for k in range(a):
        normal[k, k] += left / eigen[k]
    for k in range(a):
        for p in range(k + 1):
            total = normal[k, p]
            for q in range(p):
                total -= normal[k, q] * normal[p, q]
            normal[k, p] = np.sqrt(max(total, 1e-300)) if p == k else total / normal[p, p]
    for k in range(a):
        for p in range(k):
            solved[k] -= normal[k, p] * solved[p]
        solved[k] /= normal[k, k]
    for k in range(a - 1, -1, -1):
        for p in range(k + 1, a):
            solved[k] -= normal[p, k] * solved[p]
        solved[k] /= normal[k, k]
    for j in range(columns):
        if not known[j]:
            for k in range(a):
                wide[j] += loading[j, k] * solved[k]
