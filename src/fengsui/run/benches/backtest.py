"""A draft of rules over stored readings, beside the rules of today: readings a second, and what a month would take.

What is made: two days of DATASTREAMS datastreams each 5 s for as many hours as the time allows, one merged segment a
day, in a database and folder of their own.  Values are rounded noise around a slow wave that crosses the limits now and
then.  Both sets have h, l and silent on every datastream.  A month of 10,000 datastreams is scaled from it.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fengsui.run.benches.figure import Figure, figure

ABOUT = (
    "a back-test of rules over history: readings a second, and a month of 10,000 datastreams scaled from it"
)
DATASTREAMS = 1_000
PERIOD_MS = 5_000
DAY_MS = 86_400_000
T0 = 1_790_000_000_000 // DAY_MS * DAY_MS
READINGS_A_SECOND = 800_000  # a day, of the time that is allowed
MONTH = 30 * DAY_MS // PERIOD_MS * 10_000
RUNS = 3


def bench(seconds: float) -> list[Figure]:
    from fengsui.run.scratch import Scratch

    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        database = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            while made.run("migrate").returncode:
                if time.monotonic() > deadline:
                    raise RuntimeError("no database within 120 s")
                time.sleep(0.3)
            size = max(int(seconds * READINGS_A_SECOND / DATASTREAMS), 720)
            done = subprocess.run(
                [sys.executable, "-m", "fengsui.run.benches.backtest", str(size)],
                env=made.env,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            return [Figure(**row) for row in json.loads(done.stdout.splitlines()[-1])]
        finally:
            database.terminate()
            database.wait(30)


def measure(each: int) -> list[Figure]:
    """Two days with ``each`` readings of every datastream a day, at most a whole day."""
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.segments import write_segment

    each = min(each, DAY_MS // PERIOD_MS)
    catalogue = Catalogue.default()
    for day in range(2):
        catalogue.add([write_segment(catalogue.folder, 0, [_table(day, each)], level=1)])
    return [
        *_compared(catalogue, "", 58.0, 42.0),
        *_compared(catalogue, ", limits that are never reached", 68.0, 32.0),
    ]


def _compared(catalogue, words: str, high: float, low: float) -> list[Figure]:  # type: ignore[no-untyped-def]
    from fengsui.show.lists.backtest import Watched, compare
    from fengsui.warn.engine import RuleRow, RuleTable

    levels = (("h", high), ("l", low), ("silent", None))
    sides = [
        RuleTable.of(
            RuleRow(
                3 * d + k, d, kind, None if point is None else point + by, 0.5 if point else 0.0,
                window_ms=0 if point else 60_000,
            )
            for d in range(DATASTREAMS)
            for k, (kind, point) in enumerate(levels)
        )
        for by in (0.0, 1.0)
    ]  # fmt: skip
    today, drafted = (Watched(table, np.full(len(table), 3, np.int64)) for table in sides)
    speeds, readings, raised = [], 0, 0
    for run in range(RUNS + 1):
        began = time.perf_counter()
        answer = compare(today, drafted, T0, T0 + 2 * DAY_MS, 0, catalogue=catalogue)
        took = time.perf_counter() - began
        readings, raised = answer.readings, answer.today.burden.alarms
        if run:  # the first compiles and opens what the others find
            speeds.append(readings / took / 1e6)
    note = f"{readings:,} readings, {DATASTREAMS:,} datastreams, {6 * DATASTREAMS:,} rules, {raised:,} alarms of today"
    return [
        figure(f"draft and today in one pass{words}", "M readings/s", speeds, note),
        figure(
            f"30 days × 10,000 datastreams at 5 s, scaled{words}",
            "s",
            [MONTH / (speed * 1e6) for speed in speeds],
            f"{MONTH:,} readings, goal 60 s on two cores; not run, scaled",
        ),
    ]


def _table(day: int, each: int):  # type: ignore[no-untyped-def]  # pyarrow has no types
    from fengsui.stores.history.rows import Rows, to_table

    rng = np.random.default_rng(day)
    n = DATASTREAMS * each
    at = T0 + day * DAY_MS + np.arange(each) * PERIOD_MS
    wave = 50 + 6 * np.sin(np.arange(each) / 700)
    value = np.round(np.tile(wave, DATASTREAMS) + rng.normal(0, 0.8, n), 1)
    none = np.zeros(n, np.uint8)
    rows = Rows(
        np.repeat(np.arange(DATASTREAMS, dtype=np.int32), each), np.tile(at, DATASTREAMS), value, none, none,
        np.zeros(n, np.int32), np.tile(at + 40, DATASTREAMS),
    )  # fmt: skip
    return to_table(rows, ["bench"])


if __name__ == "__main__":
    from fengsui.run import django_setup

    django_setup.setup()
    print(json.dumps([f.as_dict() for f in measure(int(sys.argv[1]))]))
