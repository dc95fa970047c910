"""One datastream that runs a daily and weekly course: forecast, and how unusual the error is.  It learns as it runs.

Two errors are looked at.  The *next* value: the best of "as the last one" and "as the last one, with the step that
yesterday, or last week, had here" (a leap).  The *course*: the best of the running level and of yesterday's, or last
week's, value at this time (a day that is not as days are, even if each step is small).  The best is the forecast with
the least mean error so far.

Of each error its size and its exponentially weighted mean are judged: four statistics, each against the tail of the
very forecast that made it.  The limit is what normal readings pass with probability ``risk`` / 4, by the theory of
extreme values: excesses over a high quantile of what was seen while learning follow a generalised Pareto distribution
(Pickands 1975), fitted by moments (Hosking & Wallis 1987) and kept up to date with every excess that raised no alarm,
as in SPOT (Siffer et al. 2017).  No form of distribution is assumed below, and never an upper end (a shape below 0),
which a few readings cannot prove.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numba import njit

RISK = 1e-3  # at most one false alarm in a thousand readings; made-up normal days have up to 0.9 of that, by test
WEIGHT = 0.1  # of the newest error in the mean: about ten readings
FORGET = 0.002  # of the newest error in the record of a forecast: about five hundred readings
HIGH = 0.98
LEAST_HIGH = 0.9  # where little was seen, further down, for …
EXCESSES = 25  # … so many excesses: fewer say nothing of a tail
LATE = 500  # errors from which the tail of a forecast is known that could not be made while learning
MOST_EXCESSES = 1000  # the newest of a tail: memory is bounded, and what was long ago is forgotten
TRIED = 25  # errors until a forecast may be chosen, and until its tail is known
QUIET = 25  # readings without excess until an episode is over: the mean has forgotten it
JUDGED = 4
FORECASTS = 6  # next: last, +yesterday's step, +last week's; course: level, yesterday, last week
NONE = np.iinfo(np.int64).min


@dataclass(slots=True)
class Tail:
    """The upper tail of one statistic: excesses over ``high`` of ``count`` readings."""

    high: float = math.nan
    count: int = 0
    peaks: list[float] = field(default_factory=list)
    limit: float = math.inf

    def learn(self, seen: np.ndarray, risk: float) -> None:
        """Begin with what was seen while learning; too little of it says nothing, and nothing is judged."""
        seen = seen[np.isfinite(seen)]
        if len(seen) < TRIED:
            return
        part = min(HIGH, max(1 - EXCESSES / len(seen), LEAST_HIGH))
        self.high, self.count = float(np.quantile(seen, part)), len(seen)
        self.peaks = [float(v) - self.high for v in seen[seen > self.high]]
        self.limit = pareto_limit(np.array(self.peaks), self.high, self.count, risk)

    def add(self, value: float, risk: float) -> None:
        """One more reading that raised no alarm; the tail of a forecast that came late begins to be known by it."""
        self.count += 1
        if math.isnan(self.high):
            self.peaks.append(value)
            if len(self.peaks) >= LATE:
                self.learn(np.array(self.peaks), risk)
            return
        if value > self.high:
            self.peaks.append(value - self.high)
            if len(self.peaks) > MOST_EXCESSES:
                self.count -= round(self.count / len(self.peaks))
                del self.peaks[0]
            self.limit = pareto_limit(np.array(self.peaks), self.high, self.count, risk)

    def copy(self) -> "Tail":
        return Tail(self.high, self.count, list(self.peaks), self.limit)


@dataclass(frozen=True, slots=True)
class Course:
    """How a datastream is watched: readings a day (0: no course is known), how many it learns from first, the risk."""

    day: int
    learn: int
    risk: float = RISK


@dataclass(frozen=True, slots=True, eq=False)
class CourseState:
    """What the watch of one datastream remembers; a step leaves it as it was."""

    value: np.ndarray  # (a week,) the value of each slot of the week
    slot: np.ndarray  # (a week,) which slot it was
    record: np.ndarray  # (2, 6) mean error of each forecast, and how many made it
    memory: np.ndarray  # level, last value, then each forecast's weighted mean error
    last_slot: int
    count: int
    learnt: np.ndarray  # (≤ learn, 12) errors and mean errors while learning
    tails: tuple[Tail, ...]  # of each forecast's error, then of its mean error
    quiet: int  # readings since the last excess; QUIET or more: no episode

    @classmethod
    def fresh(cls, course: Course) -> "CourseState":
        week = max(1, 7 * course.day)
        return cls(
            np.full(week, np.nan), np.full(week, NONE), np.zeros((2, FORECASTS)), np.full(2 + FORECASTS, np.nan),
            NONE, 0, np.empty((0, 2 * FORECASTS)), tuple(Tail() for _ in range(2 * FORECASTS)), QUIET,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """``ratio`` (n,) the largest statistic by its limit (NaN: not judged); ``onset`` (n,) an episode begins here."""

    ratio: np.ndarray
    abnormal: np.ndarray
    onset: np.ndarray


def step(
    state: CourseState, slot: np.ndarray, value: np.ndarray, course: Course
) -> tuple[CourseState, Judged]:
    """Advance by readings: ``slot`` counts intervals from any fixed instant, ``value`` may be missing (NaN).

    Pure; cut otherwise into calls it says the same.
    """
    kept, slots, record, memory = (
        state.value.copy(),
        state.slot.copy(),
        state.record.copy(),
        state.memory.copy(),
    )
    error, best = np.empty((len(value), 2 * FORECASTS)), np.empty((len(value), 2), np.int64)
    slot = np.ascontiguousarray(slot, np.int64)
    value = np.ascontiguousarray(value, np.float64)
    _errors(slot, value, kept, slots, record, memory, course.day, error, best)
    tails, learnt, count, quiet = [t.copy() for t in state.tails], [state.learnt], state.count, state.quiet
    ratio, abnormal, onset = (
        np.full(len(value), np.nan),
        np.zeros(len(value), bool),
        np.zeros(len(value), bool),
    )
    each = course.risk / JUDGED
    for i, row in enumerate(error):
        if count < course.learn:
            learnt.append(row[None, :])
            count += 1
            if count == course.learn:
                whole = np.concatenate(learnt)
                for k, tail in enumerate(tails):
                    tail.learn(whole[:, k], each)
                learnt = [np.empty((0, 2 * FORECASTS))]
            continue
        judged = [k for b in best[i] if b >= 0 for k in (b, b + FORECASTS) if math.isfinite(tails[k].limit)]
        if judged:
            ratio[i] = max(_by(row[k], tails[k].limit) for k in judged)
            abnormal[i] = ratio[i] > 1
        if abnormal[i]:
            onset[i] = quiet >= QUIET
            quiet = 0
        else:
            quiet += 1
            for k, tail in enumerate(tails):
                if math.isfinite(row[k]):
                    tail.add(float(row[k]), each)
    last = int(slot[-1]) if len(slot) else state.last_slot
    after = CourseState(kept, slots, record, memory, last, count, np.concatenate(learnt), tuple(tails), quiet)
    return after, Judged(ratio, abnormal, onset)


def expected(state: CourseState, slot: int, course: Course) -> float:
    """What the best forecast of the course says of ``slot``: level, yesterday or last week; NaN: nothing yet."""
    guess, week = [float(state.memory[0])], len(state.value)
    for back in (course.day, week) if course.day > 0 else ():
        at = (slot - back) % week
        guess.append(float(state.value[at]) if state.slot[at] == slot - back else math.nan)
    best, least = guess[0], math.inf
    for k, value in enumerate(guess, 3):
        if math.isfinite(value) and state.record[1, k] >= TRIED and state.record[0, k] < least:
            best, least = value, float(state.record[0, k])
    return best


def pareto_limit(peaks: np.ndarray, high: float, count: int, risk: float) -> float:
    """What a reading passes with probability ``risk``, given the excesses over ``high`` among ``count`` readings."""
    if not len(peaks):
        return high
    mean, variance = float(peaks.mean()), float(peaks.var())
    if variance <= 0 or mean <= 0:
        return high + mean
    ratio = mean * mean / variance
    shape = min(max((1 - ratio) / 2, 0.0), 0.5)
    scale = mean * (1 - shape)
    rare = risk * count / len(peaks)
    if rare >= 1:
        return high
    over = -math.log(rare) if abs(shape) < 1e-6 else (rare**-shape - 1) / shape
    return high + scale * over


def warm_up() -> None:
    """Compile, or load what was compiled."""
    course = Course(1, 1)
    step(CourseState.fresh(course), np.arange(3), np.arange(3.0), course)


def _by(value: float, limit: float) -> float:
    if limit > 0:
        return value / limit
    return math.inf if value > 0 else 0.0


@njit(cache=True, nogil=True)
def _errors(
    slot: np.ndarray, value: np.ndarray, kept: np.ndarray, slots: np.ndarray, record: np.ndarray, memory: np.ndarray,
    day: int, out: np.ndarray, best: np.ndarray,
) -> None:  # fmt: skip
    week = len(kept)
    guess = np.empty(6)
    level_weight = 1.0 / day if day > 0 else 0.01
    for i in range(len(value)):
        at, x = slot[i], value[i]
        out[i, :] = np.nan
        best[i, :] = -1
        if not np.isfinite(x):
            continue
        level, last = memory[0], memory[1]
        guess[:] = np.nan
        guess[0], guess[3] = last, level
        if day > 0:
            for which, back in ((1, day), (2, week)):
                then, before = (at - back) % week, (at - back - 1) % week
                # a whole week ago is the very place that is written next
                if slots[then] == at - back:
                    guess[3 + which] = kept[then]
                    if slots[before] == at - back - 1:
                        guess[which] = last + kept[then] - kept[before]
        for part in range(2):
            for k in range(3 * part, 3 * part + 3):
                proven = record[1, k] >= TRIED
                if (
                    np.isfinite(guess[k])
                    and proven
                    and (best[i, part] < 0 or record[0, k] < record[0, best[i, part]])
                ):
                    best[i, part] = k
        for k in range(6):
            if np.isfinite(guess[k]):
                error, mean = abs(x - guess[k]), memory[2 + k]
                memory[2 + k] = error if not np.isfinite(mean) else mean + WEIGHT * (error - mean)
                out[i, k], out[i, 6 + k] = error, memory[2 + k]
                record[1, k] += 1
                record[0, k] += max(FORGET, 1 / record[1, k]) * (error - record[0, k])
        memory[0] = x if not np.isfinite(level) else level + level_weight * (x - level)
        memory[1] = x
        kept[at % week], slots[at % week] = x, at
