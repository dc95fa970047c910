"""How public benchmarks score a detector, each as its authors define it.

``outliers`` and ``changepoints``: SKAB, by the evaluation of its leaderboard (waico/SKAB, core/metrics.py, from the
library tsad).
``nab``: Lavin & Ahmad (2015), Evaluating Real-time Anomaly Detection Algorithms; nab/sweeper.py and
config/profiles.json of numenta/NAB at ea702d7.  ``batadal``: Taormina et al. (2018), Battle of the Attack Detection
Algorithms, J. Water Resour. Plann. Manage. 144(8), equations 1 to 4.  ``process_fault``: detection rate, delay and
false alarms as in Chiang, Russell & Braatz (2001).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

PROFILES = {  # numenta/NAB config/profiles.json: weights of a window found, a false alarm, a window missed
    "standard": (1.0, 0.11, 1.0),
    "reward_low_FP": (1.0, 0.22, 1.0),
    "reward_low_FN": (1.0, 0.11, 2.0),
}
FAR_PAST = 3.0  # a false alarm this many window widths behind a window costs its whole weight
PROBATION = 0.15  # of a file, at most of 5,000 rows: not scored
SCALE = np.linspace(-math.pi / 2, math.pi / 2, 1000)  # SKAB's table of its scoring function


@dataclass(frozen=True, slots=True)
class Confusion:
    tp: int = 0
    tn: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.tp + other.tp, self.tn + other.tn, self.fp + other.fp, self.fn + other.fn)

    @property
    def f1(self) -> float | None:
        return _part(self.tp, self.tp + (self.fn + self.fp) / 2)

    @property
    def far(self) -> float | None:
        """False alarm rate, in per cent of normal rows."""
        return _part(100 * self.fp, self.fp + self.tn)

    @property
    def mar(self) -> float | None:
        """Missing alarm rate, in per cent of abnormal rows."""
        return _part(100 * self.fn, self.fn + self.tp)


@dataclass(frozen=True, slots=True)
class Fault:
    """A test run whose fault begins at a known row.  Rates are parts of 1; delay is in rows, None: never found."""

    detected: float | None
    false_alarms: float | None
    delay: int | None


@dataclass(frozen=True, slots=True)
class Batadal:
    s: float
    s_ttd: float
    s_clf: float
    tpr: float
    tnr: float
    attacks: int
    found: int


def confusion(true: np.ndarray, said: np.ndarray) -> Confusion:
    """Row by row; both bool."""
    return Confusion(
        int((true & said).sum()),
        int((~true & ~said).sum()),
        int((~true & said).sum()),
        int((true & ~said).sum()),
    )


def changepoints(
    time_s: np.ndarray, true: np.ndarray, said: np.ndarray, window_s: float
) -> dict[str, tuple[float, float, float]]:
    """Of one SKAB file: for each profile the score, that of the null detector and that of the perfect one.

    A changepoint opens a window of ``window_s`` to its right; an overlapping one begins where the one before ends.
    The first change said in it scores from 1 at its beginning down to the cost of a false alarm at its end, along a
    hyperbolic tangent.
    """
    windows: list[list[float]] = [[float(t), float(t) + window_s] for t in time_s[true]]
    for before, after in itertools.pairwise(windows):
        if before[1] >= after[0]:
            after[0] = before[1]
    at = time_s[said]
    inside = np.zeros(len(at), bool)
    found: list[float | None] = []
    for low, high in windows:
        here = (at >= low) & (at <= high)
        inside |= here
        first = at[here]
        found.append(float(first[0] - low) / (high - low) if len(first) and high > low else None)
    false = int((~inside).sum())
    scores = {}
    for name, (tp, fp, fn) in PROFILES.items():
        score = -fp * false
        for place in found:
            score += -fn if place is None else _skab_scale(place, tp, -fp)
        scores[name] = (score, -fn * len(windows), tp * len(windows))
    return scores


def normalised(scores: list[dict[str, tuple[float, float, float]]]) -> dict[str, float | None]:
    """Summed over files, the null detector is 0 and the perfect one 100."""
    result = {}
    for name in PROFILES:
        score, null, perfect = (sum(one[name][i] for one in scores) for i in range(3))
        result[name] = _part(100 * (score - null), perfect - null)
    return result


def nab(said: np.ndarray, windows: list[tuple[int, int]]) -> dict[str, tuple[float, float, float]]:
    """Of one NAB file: for each profile the score, that of the null detector and that of the perfect one.

    ``said`` bool for each row, ``windows`` first and last row of each, in order.  Rows of the probationary part are not
    scored.  The earliest detection in a window counts, every one outside costs.
    """
    n = len(said)
    probation = min(math.floor(PROBATION * n), PROBATION * 5000)
    place = np.full(n, -1)
    for i, (first, last) in enumerate(windows):
        place[first : last + 1] = i
    rows = [int(r) for r in np.flatnonzero(said) if r >= probation]
    scored = [i for i, (_, last) in enumerate(windows) if last >= probation]
    most = sigmoid(-1.0)
    scores = {}
    for name, (tp, fp, fn) in PROFILES.items():
        score = 0.0
        best = dict.fromkeys(scored, -fn)
        for row in rows:
            if (i := int(place[row])) >= 0:
                first, last = windows[i]
                best[i] = max(best[i], sigmoid(-(last - row + 1) / (last - first + 1)) * tp / most)
            else:
                before = [w for w in windows if w[1] < row]
                width = before[-1][1] - before[-1][0] if before else 0
                score += fp * (sigmoid((row - before[-1][1]) / width) if width else -1.0)
        null = -fn * len(scored)
        scores[name] = (score + sum(best.values()), null, tp * len(windows))
    return scores


def sigmoid(place: float) -> float:
    """NAB's scaled sigmoid: near 1 at the left edge of a window (−1), 0 at its right edge, −1 far behind it."""
    return -1.0 if place > FAR_PAST else 2 / (1 + math.exp(5 * place)) - 1


def process_fault(said: np.ndarray, onset: int, in_a_row: int = 6) -> Fault:
    """Of a run whose fault begins at row ``onset``; found at the first of ``in_a_row`` alarms one after another.

    Chiang, Russell & Braatz ask for six in a row, so that a false alarm is not taken for a detection.
    """
    after = said[onset:]
    runs = (
        np.convolve(after, np.ones(in_a_row), "valid") >= in_a_row if len(after) >= in_a_row else np.zeros(0)
    )
    found = np.flatnonzero(runs)
    return Fault(
        float(after.mean()) if len(after) else None,
        float(said[:onset].mean()) if onset else None,
        int(found[0]) if len(found) else None,
    )


def batadal(true: np.ndarray, said: np.ndarray, share: float = 0.5) -> Batadal | None:
    """S = share·S_TTD + (1 − share)·S_CLF; None where there is no attack or nothing but attack.

    S_TTD is 1 less the mean part of an attack that passed before its first alarm (all of it when there is none);
    S_CLF the mean of true positive and true negative rate.
    """
    edges = np.diff(np.concatenate([[0], true.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(begins) or true.all():
        return None
    passed = []
    for begin, end in zip(begins, ends, strict=True):
        found = np.flatnonzero(said[begin:end])
        passed.append(found[0] / (end - begin) if len(found) else 1.0)
    s_ttd = 1 - float(np.mean(passed))
    tpr, tnr = float(said[true].mean()), float((~said[~true]).mean())
    s_clf = (tpr + tnr) / 2
    return Batadal(
        share * s_ttd + (1 - share) * s_clf, s_ttd, s_clf, tpr, tnr, len(begins), sum(p < 1 for p in passed)
    )


def _skab_scale(place: float, tp: float, fp: float) -> float:
    x = SCALE[min(int(place * len(SCALE)), len(SCALE) - 1)]
    half = (tp - fp) / 2
    return float(half * -np.tanh(x) / np.tanh(math.pi / 2) + half + fp)


def _part(number: float, whole: float) -> float | None:
    return number / whole if whole else None
