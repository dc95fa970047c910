"""A unit's datastreams together: principal components of normal operation, Hotelling's T² and Q.

T² says how far a reading lies from normal along what usually moves together, Q how much of it does not fit the usual
pattern at all.  Past readings may be columns too (dynamic PCA): then the course of things is part of the pattern.

How many components: as long as the next eigenvalue is above the largest that noise of what is left would give
(Marchenko & Pastur 1967; one after another as Kritchman & Nadler 2008), and until they explain 95 %: what is left
must be more than rounding.  Limits: T² by F (Tracy, Young & Mason 1992), Q by Jackson & Mudholkar (1979) and by Box
(1954), the last with moments of readings that the model had not seen.

A missing value is replaced by what the model expects from the others (Nelson, Taylor & MacGregor 1996); a row of
which less than half is known is not judged.
"""

import math
from dataclasses import dataclass

import numpy as np

from fengsui.warn.detectors.quantiles import chi2_quantile, f_quantile, normal_quantile

CONSTANT = 1e-9  # less spread than this part of the value's size is none
ROWS_A_COLUMN = (
    10  # training rows that a column wants (the common rule of thumb), before past readings become columns
)
EXPLAINED = 0.95  # of the variance is enough: the usual cumulative percentage (Valle, Li & Qin 1999)
MOST_LAGS = 2  # Ku, Storer & Georgakis (1995) find one or two enough


class TooLittle(ValueError):
    """The training part cannot carry a model: the message says what it would need."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """What normal operation looked like.  m datastreams, lags l, M = m·(l + 1) columns, a components.

    ``used`` (of all datastreams, bool): those that moved in training; the others cannot be judged by spread.
    """

    used: np.ndarray
    mean: np.ndarray  # (m,)
    scale: np.ndarray  # (m,)
    lags: int
    loading: np.ndarray  # (M, a)
    eigen: np.ndarray  # (a,)
    rest: np.ndarray  # (M − a,) eigenvalues of what is left
    rows: int

    @property
    def left(self) -> float:
        """Variance of a column outside the components."""
        return float(self.rest.sum()) / max(1, len(self.rest))

    def standardised(self, x: np.ndarray) -> np.ndarray:
        """The used columns of x, less their mean, by their scale."""
        return (x[:, self.used] - self.mean) / self.scale


def fit(x: np.ndarray, lags: int | None = None) -> Components:
    """The components of ``x`` (n rows of normal operation in time order, a column a datastream).

    ``lags`` past rows are columns too; None means as many as the rows can carry, two at most.  Raises TooLittle.
    """
    return fit_parts([np.asarray(x, np.float64)], lags)


def fit_parts(parts: list[np.ndarray], lags: int | None = None) -> Components:
    """``fit`` on several stretches that do not follow one another."""
    whole = np.concatenate(parts)
    known = np.isfinite(whole)
    rows = int(known.any(axis=1).sum())
    if not rows:
        raise TooLittle("there is no row to learn from")
    count = known.sum(axis=0)
    filled = np.where(known, whole, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    scale = np.sqrt((np.where(known, whole - mean, 0.0) ** 2).sum(axis=0) / np.maximum(count - 1, 1))
    used = (scale > CONSTANT * np.maximum(np.abs(mean), 1e-12)) & (count > rows // 2)
    m = int(used.sum())
    if m < 2:
        raise TooLittle(f"{m} of {whole.shape[1]} datastreams moved while learning: two are needed")
    parts = [run for p in parts for run in heard(p[:, used])]
    rows = sum(map(len, parts))
    if rows < 2 * m + 2:
        raise TooLittle(f"{rows} rows for {m} datastreams: at least {2 * m + 2} are needed")
    if lags is None:
        lags = max(0, min(MOST_LAGS, rows // (ROWS_A_COLUMN * m) - 1))
    mean, scale = mean[used], scale[used]
    wide = np.concatenate([widened(np.nan_to_num((p - mean) / scale), lags) for p in parts])
    n, columns = wide.shape
    if n <= columns + 1:
        raise TooLittle(f"{n} rows for {columns} columns with {lags} past rows: give more rows or fewer lags")
    value, vector = np.linalg.eigh(wide.T @ wide / (n - 1))
    value, vector = np.maximum(value[::-1], 0.0), vector[:, ::-1]
    a = _count(value, n)
    sign = np.sign(vector[np.abs(vector).argmax(axis=0), np.arange(columns)])
    return Components(
        used, mean, scale, lags, np.ascontiguousarray((vector * sign)[:, :a]), value[:a], value[a:], n
    )


def widened(rows: np.ndarray, lags: int) -> np.ndarray:
    """Each row with the ``lags`` rows before it beside it; the first ``lags`` rows have none and fall away."""
    n = len(rows)
    if n <= lags:
        return np.empty((0, rows.shape[1] * (lags + 1)))
    return np.concatenate([rows[lags - k : n - k] for k in range(lags + 1)], axis=1)


def heard(rows: np.ndarray) -> list[np.ndarray]:
    """The stretches of rows of which at least half is known: silence is not normal operation."""
    there = 2 * np.isfinite(rows).sum(axis=1) >= rows.shape[1]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    return [rows[begin:end] for begin, end in edges.reshape(-1, 2)]


def t2_limit(model: Components, alpha: float) -> float:
    """T² that a new normal reading passes with probability ``alpha``: a(n²−1)/(n(n−a))·F(a, n−a)."""
    a, n = len(model.eigen), model.rows
    return a * (n * n - 1) / (n * (n - a)) * f_quantile(1 - alpha, a, n - a)


def q_limit(model: Components, alpha: float) -> float:
    """Q that a normal reading passes with probability ``alpha`` (Jackson & Mudholkar 1979, eq. 2.4)."""
    return jackson_mudholkar(model.rest, alpha)


def jackson_mudholkar(rest: np.ndarray, alpha: float) -> float:
    """The limit of Q from the eigenvalues that were left out."""
    one, two, three = (float((rest**k).sum()) for k in (1, 2, 3))
    if one <= 0:
        return 0.0
    h = 1 - 2 * one * three / (3 * two * two)
    if h <= 0:  # one eigenvalue towers above the rest; Box needs no such power
        return box(one, 2 * two, alpha)
    deviate = normal_quantile(1 - alpha)
    inner = deviate * math.sqrt(2 * two * h * h) / one + 1 + two * h * (h - 1) / one**2
    return float(one * inner ** (1 / h))


def box(mean: float, variance: float, alpha: float) -> float:
    """The limit of a sum of squares with this mean and variance: g·χ²(h) with g = v/2m, h = 2m²/v (Box 1954)."""
    if mean <= 0 or variance <= 0:
        return max(mean, 0.0)
    return variance / (2 * mean) * chi2_quantile(1 - alpha, 2 * mean * mean / variance)


def t2_shares(model: Components, wide: np.ndarray) -> np.ndarray:
    """What each used datastream adds to T² (Nomikos 1996): sums to T²; its lags are added to it.  ``wide`` is (M,)."""
    score = wide @ model.loading
    return _by_datastream(model, wide * (model.loading @ (score / model.eigen)))


def q_shares(model: Components, wide: np.ndarray) -> np.ndarray:
    """What each used datastream adds to Q: its squared residual; sums to Q."""
    return _by_datastream(model, (wide - model.loading @ (wide @ model.loading)) ** 2)


def _count(value: np.ndarray, rows: int) -> int:
    """How many of these eigenvalues, largest first, are no noise; at least one."""
    a, columns = 1, len(value)
    while a < columns - 1:
        left = value[a:]
        if left.sum() <= (1 - EXPLAINED) * value.sum():
            break
        if left[0] <= left.mean() * (1 + math.sqrt(len(left) / rows)) ** 2:
            break
        a += 1
    return a


def _by_datastream(model: Components, columns: np.ndarray) -> np.ndarray:
    added: np.ndarray = columns.reshape(model.lags + 1, -1).sum(axis=0)
    return added
