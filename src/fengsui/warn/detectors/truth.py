"""Does an instrument tell the truth?  A score from 100 (nothing speaks against it) to 0, with its reasons.

Looked for, each against what the same datastream did in normal operation:

``frozen``      one value for longer than ever, and longer than its usual share of repeats makes likely
``too_clean``   much less noise than it has: smoothed, computed or typed in.  Noise is what successive readings differ
                by (the mean square successive difference of von Neumann 1941), compared by F
``copied``      for a stretch the very values of another datastream, or its noise through a straight line
``repeated``    for a stretch the very values of its own past: a recording is played
``missing``     more readings missing than usual

Each reason takes its severity's part of the score.  What was so in normal operation already (twin tags, a periodic
programme, a value that seldom changes) is no reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fengsui.warn.detectors.quantiles import f_quantile

ALPHA = 1e-3  # of one check of one datastream
WINDOW = 120  # readings that are judged together
STRETCH = 20  # readings one after another that must be equal to be a copy …
DISTINCT = 10  # … with this many different values among them: a constant equals any other constant
SAME_NOISE = (
    0.999  # correlation of successive differences from which noise is shared; two instruments have their own
)
KEPT = 0.95  # of squared differences, the smallest: steps of the process are no noise
REASONS = ("frozen", "too_clean", "copied", "repeated", "missing")


@dataclass(frozen=True, slots=True)
class Reason:
    """``severity`` 0 to 1; ``of`` the other datastream's column of a copy; ``rows`` how long, ``back`` how long ago."""

    what: str
    severity: float
    rows: int = 0
    of: int = -1
    back: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    score: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What was usual in normal operation, a column a datastream (n of them)."""

    repeats: np.ndarray  # (n,) share of readings equal to the one before
    longest: np.ndarray  # (n,) longest run of one value
    noise: np.ndarray  # (n,) mean square successive difference, trimmed
    differences: np.ndarray  # (n,) how many it was made of
    missing: np.ndarray  # (n,) share
    twins: np.ndarray  # (n, n) bool: values or noise are shared as a rule
    periodic: np.ndarray  # (n,) bool: repeats itself as a rule


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """The last readings of all datastreams, oldest first: ``window`` to be judged, behind them ``past``."""

    rows: np.ndarray
    window: int
    past: int

    @classmethod
    def fresh(cls, datastreams: int, window: int = WINDOW, past: int = 10 * WINDOW) -> "Recent":
        return cls(np.empty((0, datastreams)), window, past)


def learn(x: np.ndarray) -> Usual:
    """What is usual, from ``x``: rows in time order, a column a datastream."""
    n = x.shape[1]
    noise = np.zeros((2, n))
    for k in range(n):
        noise[:, k] = _noise(x[:, k])
    twins = np.zeros((n, n), bool)
    for a in range(n):
        for b in range(a + 1, n):
            twins[a, b] = twins[b, a] = _shared(x[:, a], x[:, b]) or _same_stretch(x[:, a], x[:, b]) > 0
    return Usual(
        np.array([_repeats(x[:, k]) for k in range(n)]),
        np.array([_longest(x[:, k]) for k in range(n)]),
        noise[0], noise[1], 1 - np.isfinite(x).mean(axis=0), twins,
        np.array([_own_past(x[:, k], len(x) // 2)[0] > 0 for k in range(n)]),
    )  # fmt: skip


def step(
    state: Recent, x: np.ndarray, usual: Usual, columns: Sequence[int] | None = None
) -> tuple[Recent, list[Truth]]:
    """Take in rows ``x``: the truth of each datastream (or of ``columns``) now.  Pure; how rows are cut is all one."""
    rows = np.concatenate([state.rows, x])[-(state.window + state.past) :]
    after = Recent(rows, state.window, state.past)
    every = range(rows.shape[1]) if columns is None else columns
    return after, [judge(after, k, usual) for k in every]


def judge(recent: Recent, column: int, usual: Usual) -> Truth:
    """The truth of one datastream by its last readings."""
    window = recent.rows[-recent.window :]
    v = window[:, column]
    known = v[np.isfinite(v)]
    reasons: list[Reason] = []
    gone, was = 1 - len(known) / max(1, len(v)), float(usual.missing[column])
    if len(v) >= STRETCH and gone > was + 3 * math.sqrt(max(was * (1 - was), 1 / len(v)) / len(v)):
        reasons.append(Reason("missing", min(1.0, gone - was), len(v) - len(known)))
    run, limit = _longest(v), _run_limit(len(v), float(usual.repeats[column]), int(usual.longest[column]))
    frozen = run > limit
    if frozen:
        reasons.append(Reason("frozen", 1 - limit / run, run))
    noise, count = _noise(v)
    if not (frozen and 2 * run > len(v)) and usual.noise[column] > 0 and count >= STRETCH:
        ratio = noise / float(usual.noise[column])
        least = 1 / f_quantile(1 - ALPHA, _freedom(usual.differences[column]), _freedom(count))
        if ratio < least / 2:  # and by half: a long history makes any difference significant
            reasons.append(Reason("too_clean", 1 - ratio / least, count))
    if copied := _copy(window, column, usual):
        reasons.append(copied)
    if not usual.periodic[column] and not frozen:
        rows, back = _own_past(recent.rows[:, column], min(len(recent.rows), recent.window))
        if rows:
            reasons.append(Reason("repeated", min(1.0, 0.5 + rows / (2 * len(v))), rows, back=back))
    left = math.prod(1 - r.severity for r in reasons)
    return Truth(round(100 * left), tuple(sorted(reasons, key=lambda r: -r.severity)))


def _copy(window: np.ndarray, column: int, usual: Usual) -> Reason | None:
    v, best = window[:, column], None
    for other in range(window.shape[1]):
        if other == column or usual.twins[column, other]:
            continue
        rows = _same_stretch(v, window[:, other])
        if not rows and _shared(v, window[:, other]):
            rows = len(v)
        if rows and (best is None or rows > best.rows):
            best = Reason("copied", min(1.0, 0.5 + rows / (2 * len(v))), rows, of=other)
    return best


def _repeats(v: np.ndarray) -> float:
    known = v[np.isfinite(v)]
    return float((np.diff(known) == 0).mean()) if len(known) > 1 else 0.0


def _longest(v: np.ndarray) -> int:
    """The longest run of one value; a missing one neither ends nor lengthens it."""
    known = v[np.isfinite(v)]
    if not len(known):
        return 0
    ends = np.flatnonzero(np.concatenate([np.diff(known) != 0, [True]]))
    return int(np.diff(np.concatenate([[-1], ends])).max())


def _run_limit(rows: int, repeats: float, longest: int) -> int:
    """The run that ``rows`` readings exceed with probability ALPHA by chance, never below what was seen."""
    if repeats >= 1:
        return rows
    by_chance = 1 + math.log(ALPHA / rows) / math.log(repeats) if repeats > 0 else 1.0
    return int(min(rows, max(longest, math.ceil(by_chance), 3)))


def _noise(v: np.ndarray) -> tuple[float, int]:
    square = np.sort(np.diff(v[np.isfinite(v)]) ** 2)
    kept = square[: math.ceil(KEPT * len(square))]
    return (float(kept.mean()) if len(kept) else 0.0), len(kept)


def _freedom(differences: float) -> float:
    """Successive differences overlap: they are worth two thirds of their number (von Neumann et al. 1941)."""
    return max(1.0, 2 * float(differences) / 3)


def _shared(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two series move with the same noise, through a straight line."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < STRETCH + 1:
        return False
    x, y = np.diff(a[both]), np.diff(b[both])
    if len(np.unique(x)) < DISTINCT or len(np.unique(y)) < DISTINCT:
        return False
    size = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return size > 0 and abs(float((x * y).sum())) / size >= SAME_NOISE


def _same_stretch(a: np.ndarray, b: np.ndarray) -> int:
    """The longest stretch of equal moving values, 0 if none is a copy."""
    edges = np.diff(np.concatenate([[0], (a == b).astype(np.int8), [0]]))
    best = 0
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if end - begin >= STRETCH and len(np.unique(a[begin:end])) >= DISTINCT:
            best = max(best, int(end - begin))
    return best


def _own_past(v: np.ndarray, window: int) -> tuple[int, int]:
    """The longest stretch of the last ``window`` readings that was there before, and how many readings before."""
    seen: dict[bytes, int] = {}
    begin, best, back = len(v) - window, 0, 0
    for i in range(max(0, begin - STRETCH + 1)):
        part = v[i : i + STRETCH]
        if np.isfinite(part).all() and len(np.unique(part)) >= DISTINCT:
            seen.setdefault(part.tobytes(), i)
    i = begin
    while seen and i <= len(v) - STRETCH:
        found = seen.get(v[i : i + STRETCH].tobytes())
        if found is None:
            i += 1
            continue
        rows = STRETCH
        while i + rows < len(v) and found + rows < i and v[i + rows] == v[found + rows]:
            rows += 1
        if rows > best:
            best, back = rows, i - found
        i += rows
    return best, back
