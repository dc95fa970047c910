"""What compound rules mean, in plain words of Python: the oracle of the compiled kernel.

It keeps every reading and looks back, where the kernel keeps sixteenths of a window; it walks the checked tree, where
the kernel runs a program.  One rule at a time, instants in order.  Unknown is NaN, for numbers and for conditions
(Kleene's three values): missing, bad or old data neither raises nor clears.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fengsui.warn.expressions.checking import Checked, Op

NAN = math.nan
PARTS = 16  # of a window: it begins and ends with a sixteenth
BAD = 2
NEVER = -(1 << 63)
REPEAT_MS = 60_000  # how often a value that stays is told again
MINUTE_MS, DAY_MIN = 60_000, 1440


@dataclass(frozen=True, slots=True)
class Said:
    """What a rule says at an instant: 1 true, 0 over, NaN unknown.  ``turned`` where an episode begins or ends."""

    time_ms: int
    value: float
    turned: bool


@dataclass(slots=True)
class Heard:
    """All that was heard of one datastream: good readings, and when it last sent anything."""

    good: list[tuple[int, float]] = field(default_factory=list)
    heard_ms: int = NEVER


@dataclass(slots=True)
class PlainRule:
    """One rule and all it remembers.  ``alarms`` (name, kind) → how many stand."""

    checked: Checked
    for_ms: int = 0
    clear_for_ms: int = 0
    offset_min: int = 0
    armed_ms: int = NEVER
    heard: dict[str, Heard] = field(default_factory=dict)
    alarms: dict[tuple[str, str], int] = field(default_factory=dict)
    timers: dict[int, int] = field(default_factory=dict)  # id of the step → since when
    latches: dict[int, bool] = field(default_factory=dict)
    now_ms: int = NEVER
    told_ms: int = NEVER
    told: float = NAN
    since_ms: int = NEVER
    active: bool = False

    def take(
        self,
        time_ms: int,
        readings: Mapping[str, tuple[float, int]],
        alarms: Mapping[tuple[str, str], int] | None = None,
    ) -> list[Said]:
        """What is said when these arrive together: name → (value, quality), and changes of (name, kind) of alarms."""
        said = self.until(time_ms - 1) if self.checked.listens else []
        for name, (value, quality) in readings.items():
            one = self.heard.setdefault(name, Heard())
            if time_ms <= one.heard_ms:
                continue
            one.heard_ms = time_ms
            if quality != BAD and math.isfinite(value):
                one.good.append((time_ms, value))
        for key, change in (alarms or {}).items():
            self.alarms[key] = max(0, self.alarms.get(key, 0) + change)
        self.now_ms = max(self.now_ms, time_ms)
        return said + self._judge()

    def until(self, now_ms: int) -> list[Said]:
        """What time alone changes up to ``now_ms``; only rules that ask for silence."""
        said: list[Said] = []
        while self.checked.listens:
            due = self.armed_ms if self.now_ms == NEVER else self._due()
            if due is None or due > now_ms:
                break
            self.now_ms = due
            said += self._judge()
        return said

    # ---- one evaluation -------------------------------------------------------------------------------------------

    def _judge(self) -> list[Said]:
        now = self.now_ms
        when = self._eval(self.checked.when)
        clear = NAN
        if self.checked.clear is not None:
            clear = self._eval(self.checked.clear)
        elif not math.isnan(when):
            clear = 1.0 - when
        wanted, delay = (clear, self.clear_for_ms) if self.active else (when, self.for_ms)
        if wanted == 1.0 and self.since_ms == NEVER:
            self.since_ms = now
        elif wanted == 0.0:
            self.since_ms = NEVER
        turned = wanted == 1.0 and now - self.since_ms >= delay and now > self.told_ms
        if turned:
            self.active, self.since_ms = not self.active, NEVER
        value = NAN if math.isnan(wanted) else float(self.active)
        if turned:
            value = float(self.active)
        same = value == self.told or (math.isnan(value) and math.isnan(self.told))
        if now > self.told_ms and (
            turned or not same or self.told_ms == NEVER or now - self.told_ms >= REPEAT_MS
        ):
            self.told_ms, self.told = now, value
            return [Said(now, value, turned)]
        return []

    def _due(self) -> int | None:
        """The next instant at which time alone changes something."""
        found = [t for t in self._deadlines(self.checked.when) if t > self.now_ms]
        if self.checked.clear is not None:
            found += [t for t in self._deadlines(self.checked.clear) if t > self.now_ms]
        if self.since_ms != NEVER:
            due = self.since_ms + (self.clear_for_ms if self.active else self.for_ms)
            found += [due] if due > self.now_ms else []
        return min(found, default=None)

    def _deadlines(self, op: Op) -> list[int]:
        found = [t for arg in op.args for t in self._deadlines(arg)]
        if op.code == "silent" and (since := self._since(op.name)) != NEVER:
            found.append(since + op.ms)
        if op.code == "for" and self.timers.get(id(op), NEVER) != NEVER:
            found.append(self.timers[id(op)] + op.ms)
        return found

    def _since(self, name: str) -> int:
        return max(self.heard[name].heard_ms if name in self.heard else NEVER, self.armed_ms)

    def _eval(self, op: Op) -> float:
        args = [self._eval(arg) for arg in op.args]
        return float(getattr(self, f"_{op.code}")(op, *args))

    # ---- conditions -----------------------------------------------------------------------------------------------

    def _and(self, op: Op, *args: float) -> float:
        return 0.0 if 0.0 in args else NAN if any(map(math.isnan, args)) else 1.0

    def _or(self, op: Op, *args: float) -> float:
        return 1.0 if 1.0 in args else NAN if any(map(math.isnan, args)) else 0.0

    def _not(self, op: Op, x: float) -> float:
        return 1.0 - x

    def _vote(self, op: Op, *args: float) -> float:
        sure, unknown = args.count(1.0), sum(map(math.isnan, args))
        return 1.0 if sure >= op.value else 0.0 if sure + unknown < op.value else NAN

    def _for(self, op: Op, x: float) -> float:
        if x == 0.0:
            self.timers[id(op)] = NEVER
            return 0.0
        if math.isnan(x):
            return NAN
        if self.timers.get(id(op), NEVER) == NEVER:
            self.timers[id(op)] = self.now_ms
        return float(self.now_ms - self.timers[id(op)] >= op.ms)

    def _compared(self, op: Op, x: float, y: float, band: float) -> float:
        if math.isnan(x) or math.isnan(y):
            return NAN
        above = op.code in ("gt", "ge")
        strict = op.code in ("gt", "lt")
        if len(op.args) > 2 and self.latches.get(id(op), False):
            y += -band if above else band
        result = (x > y if strict else x >= y) if above else (x < y if strict else x <= y)
        if len(op.args) > 2:
            self.latches[id(op)] = result
        return float(result)

    def _lt(self, op: Op, x: float, y: float, band: float = 0.0) -> float:
        return self._compared(op, x, y, band)

    _le = _gt = _ge = _lt

    def _eq(self, op: Op, x: float, y: float) -> float:
        return NAN if math.isnan(x) or math.isnan(y) else float(x == y)

    def _ne(self, op: Op, x: float, y: float) -> float:
        return NAN if math.isnan(x) or math.isnan(y) else float(x != y)

    def _on(self, op: Op, x: float) -> float:
        return NAN if math.isnan(x) else float(x >= 0.5)

    def _off(self, op: Op, x: float) -> float:
        return NAN if math.isnan(x) else float(x < 0.5)

    def _silent(self, op: Op) -> float:
        since = self._since(op.name)
        return NAN if since == NEVER else float(self.now_ms - since >= op.ms)

    def _alarm(self, op: Op) -> float:
        return float(any(self.alarms.get((op.name, kind), 0) for kind in op.words))

    def _time(self, op: Op) -> float:
        minute = (self.now_ms // MINUTE_MS + self.offset_min) % DAY_MIN
        begin, until = int(op.value), op.ms
        if begin < until:
            return float(begin <= minute < until)
        return float(minute >= begin or minute < until)

    def _day(self, op: Op) -> float:
        day = ((self.now_ms // MINUTE_MS + self.offset_min) // DAY_MIN + 3) % 7  # 1970 began with a Thursday
        return float(int(op.value) >> day & 1)

    def _sector(self, op: Op, x: float, begin: float, until: float) -> float:
        if any(map(math.isnan, (x, begin, until))):
            return NAN
        full = op.value
        return float((x - begin) % full <= (until - begin) % full)

    # ---- numbers --------------------------------------------------------------------------------------------------

    def _const(self, op: Op) -> float:
        return op.value

    def _fresh(self, name: str) -> list[tuple[int, float]]:
        """The good readings, none when the last is too old."""
        good = self.heard[name].good if name in self.heard else []
        return good if good and self.now_ms - good[-1][0] <= self.checked.inputs[name].max_age_ms else []

    def _value(self, op: Op) -> float:
        good = self._fresh(op.name)
        return good[-1][1] if good else NAN

    def _within(self, op: Op, good: list[tuple[int, float]]) -> list[float]:
        width = -(-op.ms // PARTS)
        now = self.now_ms // width
        return [v for t, v in good if now - PARTS < t // width <= now]

    def _min(self, op: Op) -> float:
        return min(self._within(op, self._fresh(op.name)), default=NAN)

    def _max(self, op: Op) -> float:
        return max(self._within(op, self._fresh(op.name)), default=NAN)

    def _mean(self, op: Op) -> float:
        found = self._within(op, self._fresh(op.name))
        return sum(found) / len(found) if found else NAN

    def _sum(self, op: Op) -> float:
        found = self._within(op, self._fresh(op.name))
        return sum(found) if found else NAN

    def _count(self, op: Op) -> float:
        good = self.heard[op.name].good if op.name in self.heard else []
        return float(len(self._within(op, good)))

    def _then(self, op: Op) -> tuple[int, float] | None:
        """The newest good reading at least a window ago (to a sixteenth), at most two windows."""
        width = -(-op.ms // PARTS)
        now = self.now_ms // width
        old = [
            (t, v)
            for t, v in self._fresh(op.name)
            if t // width <= now - PARTS and t >= self.now_ms - 2 * op.ms
        ]
        return old[-1] if old else None

    def _delta(self, op: Op) -> float:
        then = self._then(op)
        return self._fresh(op.name)[-1][1] - then[1] if then else NAN

    def _rate(self, op: Op) -> float:
        then = self._then(op)
        if then is None:
            return NAN
        t, v = self._fresh(op.name)[-1]
        return (v - then[1]) / ((t - then[0]) / 1000.0) if t > then[0] else NAN

    def _age(self, op: Op) -> float:
        good = self.heard[op.name].good if op.name in self.heard else []
        return (self.now_ms - good[-1][0]) / 1000.0 if good else NAN

    def _neg(self, op: Op, x: float) -> float:
        return -x

    def _abs(self, op: Op, x: float) -> float:
        return abs(x)

    def _add(self, op: Op, x: float, y: float) -> float:
        return _finite(x + y)

    def _sub(self, op: Op, x: float, y: float) -> float:
        return _finite(x - y)

    def _mul(self, op: Op, x: float, y: float) -> float:
        return _finite(x * y)

    def _div(self, op: Op, x: float, y: float) -> float:
        return _finite(x / y) if y else NAN

    def _highest(self, op: Op, *args: float) -> float:
        return max((x for x in args if not math.isnan(x)), default=NAN)

    def _lowest(self, op: Op, *args: float) -> float:
        return min((x for x in args if not math.isnan(x)), default=NAN)


def _finite(x: float) -> float:
    return x if math.isfinite(x) else NAN
