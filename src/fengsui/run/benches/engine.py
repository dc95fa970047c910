"""The alarm engine on one core: readings a second through the compiled kernel and through its plain twin."""

import io
import subprocess
import sys
import time

import numpy as np

from fengsui.run.benches.figure import Figure, figure
from fengsui.warn.engine import RuleRow, Rules, State, compile_rules, step, step_plain, warm_up

ABOUT = "readings a second of the alarm engine on one core, kernel and plain twin, six rules a datastream"
DATASTREAMS = 50_000
PERIOD_MS = 5_000
START_MS = 1_790_000_000_000


def bench(seconds: float) -> list[Figure]:
    """About ``seconds`` in all.  Plant values are noise around 50 with limits near its edges: some alarms, not many."""
    warm_up()
    began = time.perf_counter()
    rules = compile_rules(_rows(), {d: d for d in range(DATASTREAMS)})
    compiled_s = time.perf_counter() - began
    state = State.fresh(rules)
    whole = _rate(state, rules, DATASTREAMS, seconds * 0.35)
    small = _rate(state, rules, 500, seconds * 0.35)
    twin = _twin_rate(state, rules, seconds * 0.2)
    began = time.perf_counter()
    file = io.BytesIO()
    state.save(file)
    saved_s = time.perf_counter() - began
    six = f"{len(rules):,} rules: hh h l ll rate frozen"
    return [
        figure("kernel, 50,000 readings a call", "M readings/s", whole, six),
        figure("kernel, 500 readings a call", "M readings/s", small, six),
        figure("plain twin, 50,000 readings a call", "M readings/s", twin, six),
        figure("compile the rules", "s", compiled_s, six),
        figure("checkpoint", "s", saved_s, f"{file.tell() / 1e6:.0f} MB, every rule running"),
        figure(
            "ready in a new process", "s", [_start_s() for _ in range(3)], "import and warm-up, code cached"
        ),
    ]


def _rows() -> list[RuleRow]:
    rows: list[RuleRow] = []
    for d in range(DATASTREAMS):
        rows += [
            RuleRow(6 * d, d, "hh", 95.0, 1.0, 10_000, 5_000),
            RuleRow(6 * d + 1, d, "h", 90.0, 1.0, 10_000, 5_000),
            RuleRow(6 * d + 2, d, "l", 10.0, 1.0),
            RuleRow(6 * d + 3, d, "ll", 5.0, 1.0),
            RuleRow(6 * d + 4, d, "rate", 50.0, 1.0, 0, 0, 60_000),
            RuleRow(6 * d + 5, d, "frozen", 0.0, 0.0, 0, 0, 600_000),
        ]
    return rows


def _cycle(state: State, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One reading of every datastream, later than what the state has seen."""
    time_ms = np.full(DATASTREAMS, max(START_MS, int(state.last_ms.max())) + PERIOD_MS)
    value = np.random.default_rng(number).normal(50, 12, DATASTREAMS)
    return np.arange(DATASTREAMS), time_ms, value, np.zeros(DATASTREAMS, np.uint8)


def _rate(state: State, rules: Rules, size: int, seconds: float) -> list[float]:
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(found) < 3:
        columns = _cycle(state, len(found))
        parts = [tuple(c[i : i + size] for c in columns) for i in range(0, DATASTREAMS, size)]
        began = time.perf_counter()
        for slot, time_ms, value, quality in parts:
            step(state, slot, time_ms, value, quality, rules)
        found.append(DATASTREAMS / (time.perf_counter() - began) / 1e6)
    return found


def _twin_rate(state: State, rules: Rules, seconds: float) -> list[float]:
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(found) < 3:
        columns = _cycle(state, len(found))
        began = time.perf_counter()
        state, _ = step_plain(state, *columns, rules)
        found.append(DATASTREAMS / (time.perf_counter() - began) / 1e6)
    return found


def _start_s() -> float:
    script = "import time; t = time.perf_counter(); from fengsui.warn.engine import warm_up; warm_up()"
    script += "; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)
