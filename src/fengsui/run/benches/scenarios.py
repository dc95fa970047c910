"""Scenario rules on one core: evaluations a second through the compiled kernel, and through its plain oracle.

The rules are those of a plant: levels with a rise, gas with a vote and wind, a reactor with windows and a "for".  Each
reading is of one datastream of one site, so a site's rules are evaluated as often as anything of it arrives.  Rates are
by the thread's own CPU time, whatever else the machine does meanwhile; one figure by the clock is beside them.
"""

import io
import time

import numpy as np

from fengsui.run.benches.figure import Figure, figure
from fengsui.warn.engine import RuleRow, State, compile_rules
from fengsui.warn.engine import step as step_levels
from fengsui.warn.engine import warm_up as warm_up_levels
from fengsui.warn.expressions import CompoundRow, Input, Memory, Rows, Table, check, parse, tabulate
from fengsui.warn.expressions.kernel import step, sweep, warm_up
from fengsui.warn.expressions.plain import PlainRule

ABOUT = "evaluations of scenario rules a second on one core, on top of thresholds"
SITES = 1_000
PERIOD_MS = 5_000
START_MS = 1_790_000_000_000
INPUTS = {
    "level": Input("%"), "inlet": Input("1"), "t": Input("°C"), "p": Input("kPa"), "cooling": Input("m3/h"),
    "gas1": Input("%LEL"), "gas2": Input("%LEL"), "gas3": Input("%LEL"), "wind": Input("m/s"), "from": Input("°"),
}  # fmt: skip
RULES = (
    "level > 88 % deadband 2 % and delta(level, 5m) > 0 % and inlet is on",
    "t > 120 °C and rate(t, 5m) > 1 °C/min and (cooling < 80 m3/h or delta(p, 5m) > 20 kPa) for 30s",
    "at_least(2, gas1 > 25 %LEL, gas2 > 25 %LEL, gas3 > 25 %LEL) and (wind < 1.5 m/s or sector(from, 200 °, 290 °))",
    "mean(p, 10m) > 2800 kPa and max(t, 10m) > 118 °C and not time(12:00, 12:30)",
    "silent(gas1, 2m) and silent(gas2, 2m) and silent(gas3, 2m)",
)


def bench(seconds: float) -> list[Figure]:
    """About ``seconds`` in all."""
    warm_up()
    warm_up_levels()
    checked = [check(text, parse(text), INPUTS) for text in RULES]
    names = list(INPUTS)
    began = time.perf_counter()
    rows = [
        CompoundRow(
            site * len(RULES) + number + 1, 1, one, {name: site * len(names) + i for i, name in enumerate(names)},
            30_000, 30_000, 480, START_MS,
        )
        for site in range(SITES) for number, one in enumerate(checked)
    ]  # fmt: skip
    table = tabulate(rows)
    compiled_s = time.perf_counter() - began
    memory = Memory.fresh(table)
    alone, both, by_clock = _rates(table, memory, seconds * 0.7)
    swept = []
    for number in range(3):
        began = time.perf_counter()
        sweep(table, memory, int(memory.now_ms.max()) + number)
        swept.append(time.perf_counter() - began)
    began = time.perf_counter()
    file = io.BytesIO()
    np.savez(file, **memory.parts(table))  # type: ignore[arg-type]  # the stubs think of allow_pickle
    saved_s = time.perf_counter() - began
    of = f"{len(table):,} rules over {len(table.stream):,} datastreams"
    return [
        figure("kernel", "evaluations/s", alone, of),
        figure(
            "kernel and six thresholds a datastream", "evaluations/s", both, "the same readings through both"
        ),
        figure("the same by the clock", "evaluations/s", by_clock, "as long as it really took"),
        figure("plain oracle", "evaluations/s", _plain(rows[: len(RULES)], seconds * 0.2), "one site"),
        figure("compile the rules", "s", compiled_s, of),
        figure("look at the clock", "s", swept, of),
        figure("checkpoint", "s", saved_s, f"{file.tell() / 1e6:.0f} MB"),
    ]


def _rates(table: Table, memory: Memory, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Evaluations a second of CPU by the kernel alone, by it together with thresholds over the same readings, and the
    latter by the clock."""
    n = len(table.stream)
    levels = compile_rules(_levels(n), {d: d for d in range(n)})
    state = State.fresh(levels)
    evaluations = int(table.of_stream[-1])
    order = np.random.default_rng(1).permutation(n).astype(np.int32)
    alone: list[float] = []
    both: list[float] = []
    by_clock: list[float] = []
    number = 0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(alone) < 3:
        rng = np.random.default_rng(number)
        now = START_MS + number * PERIOD_MS
        value = rng.normal(80, 15, n)
        value[table.stream[order] % len(INPUTS) == 1] = rng.integers(0, 2, SITES)
        rows = Rows(
            np.arange(n),
            now + np.arange(n) // (n // 1000),
            np.zeros(n, np.uint8),
            order,
            value,
            np.zeros(n, np.uint8),
        )
        clock, began = time.perf_counter(), time.thread_time()
        step(table, memory, rows)
        middle = time.thread_time()
        sent = np.argsort(order)
        step_levels(state, np.arange(n), rows.time_ms[sent], value[sent], rows.quality, levels)
        ended, until = time.thread_time(), time.perf_counter()
        if number:  # the first round fills what is empty
            alone.append(evaluations / (middle - began))
            both.append(evaluations / (ended - began))
            by_clock.append(evaluations / (until - clock))
        number += 1
    return alone, both, by_clock


def _levels(n: int) -> list[RuleRow]:
    kinds = (("hh", 130.0), ("h", 125.0), ("l", 30.0), ("ll", 25.0))
    rows = [
        RuleRow(6 * d + i, d, kind, at, 1.0, 10_000) for d in range(n) for i, (kind, at) in enumerate(kinds)
    ]
    rows += [RuleRow(6 * d + 4, d, "rate", 50.0, 1.0, 0, 0, 60_000) for d in range(n)]
    return rows + [RuleRow(6 * d + 5, d, "frozen", 0.0, 0.0, 0, 0, 600_000) for d in range(n)]


def _plain(rows: list[CompoundRow], seconds: float) -> list[float]:
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(found) < 3:
        rng = np.random.default_rng(len(found))
        rules = [PlainRule(row.checked, row.for_ms, row.clear_for_ms, 480, START_MS) for row in rows]
        began, done = time.perf_counter(), 0
        for number in range(20):
            for name in INPUTS:
                for rule in rules:
                    if name in rule.checked.names:
                        rule.take(START_MS + number * PERIOD_MS, {name: (float(rng.normal(80, 15)), 0)})
                        done += 1
        found.append(done / (time.perf_counter() - began))
    return found
