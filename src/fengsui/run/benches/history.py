"""History at rest: write, merge, verify, the four questions of a screen, and PostgreSQL beside it.

What is made: every day 200 tags of one site each 5 s, and 440,000 datastreams each 5 s for one minute of the day, in
sixteen fresh segments that are merged into one, as the pipeline does it.  Values are rounded noise around a slow wave.
Last come the newest values of a site from a pipeline's memory (``hot``).
A month of one tag comes from aggregates: its cost grows with the days, so the figure names how many were made.
"""

# ruff: noqa: S608 - the fragments are our own

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from fengsui.run.benches import hot
from fengsui.run.benches.figure import Figure, figure

ABOUT = "history: bytes a reading, write, merge and verify speed, four questions, PostgreSQL beside"
DATASTREAMS = 440_000
EACH = 12  # readings a day of those, each PERIOD_MS for a minute
TAGS = 200  # of the site that is asked about
PERIOD_MS = 5_000
EPOCHS = 16
DAY_MS = 86_400_000
T0 = 1_790_000_000_000 // DAY_MS * DAY_MS
SECONDS_A_DAY = 7  # of the time that is allowed
RUNS = 9
REPOSITORY = Path(__file__).parents[4]


def bench(seconds: float) -> list[Figure]:
    from fengsui.run.scratch import Scratch

    days = int(min(max(seconds // SECONDS_A_DAY, 2), 30))
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        database = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            while made.run("migrate").returncode:
                if time.monotonic() > deadline:
                    raise RuntimeError("no database within 120 s")
                time.sleep(0.3)
            done = subprocess.run(
                [sys.executable, "-m", "fengsui.run.benches.history", str(days)],
                env=made.env,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            at_rest = [Figure(**row) for row in json.loads(done.stdout.splitlines()[-1])]
        finally:
            database.terminate()
            database.wait(30)
    return [*at_rest, *hot.figures()]


def _measure(days: int) -> list[Figure]:
    from fengsui.stores import history
    from fengsui.stores.history import integrity, segments
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.compaction import merge
    from fengsui.stores.history.models import Segment, Tier

    catalogue = Catalogue.default()
    out = _real_series(catalogue.folder.parent / "real")
    history.curve([1], T0, T0 + DAY_MS, 400)
    wrote, merged, fresh_bytes = [], [], []
    segments.write_segment(catalogue.folder.parent / "warm", 0, [_tables(0, 0)[0]], level=1)  # compiles
    for day in range(days):
        for epoch in range(EPOCHS):
            table, rows, names = _tables(day, epoch)
            began = time.perf_counter()
            written = history.write_segments(catalogue.folder, 0, rows, names)
            wrote.append(len(rows) / (time.perf_counter() - began) / 1e6)
            fresh_bytes.append(sum(w.bytes for w in written) / len(table))
            catalogue.add(written)
        group = list(Segment.objects.filter(level=0))
        began = time.perf_counter()
        made = merge(catalogue.folder, group)
        merged.append(made.rows / (time.perf_counter() - began) / 1e6)
        segments.remove(catalogue.folder, catalogue.swap(group, made))
    rows_made = sum(Segment.objects.values_list("rows", flat=True))
    size = f"{DATASTREAMS + TAGS:,} datastreams, {days} days made, {rows_made:,} readings"
    raw = sum(Segment.objects.values_list("bytes", flat=True)) / rows_made
    beside = sum(Tier.objects.values_list("bytes", flat=True)) / rows_made
    began = time.perf_counter()
    report = integrity.verify(catalogue)
    speed = report.bytes / (time.perf_counter() - began) / 1e6
    if not report.whole:
        raise RuntimeError(f"damaged: {report.findings[:3]}")
    out += [
        figure("fresh segments", "M readings/s", wrote, size),
        figure("merge, with aggregates", "M readings/s", merged, f"{EPOCHS} segments into one"),
        figure("verify", "MB/s", speed, f"{report.files} files"),
        figure("synthetic, fresh", "B/reading", fresh_bytes),
        figure("synthetic, merged", "B/reading", raw),
        figure("synthetic, aggregates beside", "B/reading", beside),
    ]
    last = T0 + days * DAY_MS
    site = list(range(1, TAGS + 1))
    questions: dict[str, tuple[str, Callable[[], object]]] = {
        "one tag 24 h, every reading": ("goal 20 ms", lambda: history.query([77], last - DAY_MS, last)),
        "one tag 24 h, curve of 1,000": (
            "goal 20 ms",
            lambda: history.curve([77], last - DAY_MS, last, 1000),
        ),
        "200 tags hourly min/max 24 h": (
            "goal 50 ms",
            lambda: history.aggregate(site, last - DAY_MS, last, "hour"),
        ),
        f"one tag {days} days, curve of {200 if days < 20 else 1000:,}": (
            "goal 100 ms for 30 days; grows with the days",
            lambda: history.curve([77], T0, last, 200 if days < 20 else 1000),
        ),
        "last values of a site, from files": (
            "goal 5 ms; a screen asks the pipeline's memory",
            lambda: history.last_values(site, last),
        ),
    }
    os.sync()  # what was written above must not be written during the questions
    ours: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(RUNS):  # in turns: what else the machine does meets all of them
        for name, (_note, ask) in questions.items():
            ours[name] += _times(ask, 2)
    theirs = _postgres(days - 1)
    for name, (note, _ask) in questions.items():
        out.append(figure(name, "ms", ours[name], note))
        if name in theirs:
            ratio = float(np.median(theirs[name]) / np.median(ours[name]))
            out.append(
                figure(
                    f"PostgreSQL: {name}", "ms", theirs[name], f"the site's last day only; {ratio:.1f} x ours"
                )
            )
    return [*out, *theirs["load"]]


def _times(ask: Callable[[], object], runs: int = RUNS) -> list[float]:
    """Milliseconds of all but the first."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        ask()
        found.append((time.perf_counter() - began) * 1000)
    return found[1:]


def _tables(day: int, epoch: int):  # type: ignore[no-untyped-def]
    """The readings of a sixteenth of a day: table, rows and source names.  The site has ids 1 to 200."""
    from fengsui.stores.history.rows import Rows, to_table

    rng = np.random.default_rng(day * 100 + epoch)
    start, span = T0 + day * DAY_MS + epoch * DAY_MS // EPOCHS, DAY_MS // EPOCHS
    fast = np.arange(start, start + span, PERIOD_MS)
    parts = [(np.repeat(np.arange(1, TAGS + 1), len(fast)), np.tile(fast, TAGS))]
    others = np.arange(
        TAGS + 1 + epoch, TAGS + 1 + DATASTREAMS, EPOCHS
    )  # a sixteenth of them, for their minute
    parts.append((np.repeat(others, EACH), np.tile(start + PERIOD_MS * np.arange(EACH), len(others))))
    datastream = np.concatenate([p[0] for p in parts]).astype(np.int32)
    time_ms = np.concatenate([p[1] for p in parts]).astype(np.int64)
    n = len(datastream)
    value = np.round(50 + 10 * np.sin(time_ms / 3e6 + datastream) + rng.normal(0, 0.5, n), 2)
    late = rng.integers(30, 400, 1 << 16)[(time_ms // PERIOD_MS) & 0xFFFF]
    zero = np.zeros(n, np.uint8)
    rows = Rows(datastream, time_ms, value, zero, zero, np.zeros(n, np.int32), time_ms + late)
    return to_table(rows, ["bench"]), rows, ["bench"]


def _real_series(folder: Path) -> list[Figure]:
    """Bytes a reading of the real series that come with the demonstration, all columns counted."""
    import gzip

    from fengsui.stores.history import segments
    from fengsui.stores.history.rows import Rows, to_table

    files = sorted((REPOSITORY / "regions/yichang/data/tep").glob("*.csv.gz"))
    runs = [pc.read_csv(io.BytesIO(gzip.decompress(f.read_bytes()))) for f in files]
    if not runs:
        return []
    names = [n for n in runs[0].column_names if n.startswith(("XMEAS", "XMV"))]
    series = [np.concatenate([r[n].to_numpy() for r in runs]) for n in names]
    length = len(series[0])
    time_ms = np.tile(T0 + np.arange(length) * PERIOD_MS, len(series))
    late = np.tile(np.random.default_rng(1).integers(30, 400, length), len(series))
    n = len(time_ms)
    rows = Rows(
        np.repeat(np.arange(len(series), dtype=np.int32), length),
        time_ms,
        np.concatenate(series),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int32),
        time_ms + late,
    )
    table: pa.Table = to_table(rows, ["tep"])
    out = []
    for name, level in (("fresh", 0), ("merged", 1)):
        written = segments.write_segment(folder, 0, [table], level)
        note = f"{len(series)} variables, {length} readings each, one segment"
        out.append(figure(f"Tennessee Eastman, {name}", "B/reading", written.bytes / written.rows, note))
    return out


def _postgres(day: int) -> dict[str, Any]:
    """The site's last day by COPY into a table with a covering index, and the same questions in SQL."""
    from django.db import connection

    low, high = T0 + day * DAY_MS, T0 + (day + 1) * DAY_MS
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNLOGGED TABLE bench_reading (datastream int, time bigint, value float8, quality smallint)"
        )
        began = time.perf_counter()
        count = 0
        for epoch in range(EPOCHS):
            _table, rows, _names = _tables(day, epoch)
            site = rows.take(rows.datastream <= TAGS)
            text = io.BytesIO()
            columns = {"d": site.datastream, "t": site.time_ms, "v": site.value, "q": site.quality}
            pc.write_csv(pa.table(columns), text, pc.WriteOptions(include_header=False))
            with cursor.copy("COPY bench_reading FROM STDIN (FORMAT csv)") as copy:
                copy.write(text.getvalue())
            count += len(site)
        loaded = count / (time.perf_counter() - began) / 1e6
        cursor.execute("CREATE INDEX ON bench_reading (datastream, time) INCLUDE (value, quality)")
        cursor.execute("VACUUM ANALYZE bench_reading")
        indexed = count / (time.perf_counter() - began) / 1e6
        cursor.execute("SELECT pg_total_relation_size('bench_reading')")
        size = cursor.fetchone()[0] / count

        def ask(sql: str) -> Callable[[], object]:
            def run() -> object:
                cursor.execute(sql, {"low": low, "high": high})
                return cursor.fetchall()

            return run

        span = "time >= %(low)s AND time < %(high)s"
        return {
            "one tag 24 h, every reading": _times(
                ask(
                    f"SELECT time, value, quality FROM bench_reading WHERE datastream = 77 AND {span} ORDER BY time"
                )
            ),
            "200 tags hourly min/max 24 h": _times(
                ask(
                    f"""SELECT datastream, time / 3600000, min(value), max(value) FROM bench_reading
                        WHERE {span} GROUP BY 1, 2"""
                )
            ),
            "last values of a site, from files": _times(
                ask(
                    f"""SELECT d, (SELECT value FROM bench_reading WHERE datastream = d ORDER BY time DESC LIMIT 1)
                        FROM generate_series(1, {TAGS}) d"""
                )
            ),
            "load": [
                figure("PostgreSQL: COPY", "M readings/s", loaded, "unlogged, no index yet"),
                figure("PostgreSQL: COPY and index", "M readings/s", indexed),
                figure("PostgreSQL: on disk", "B/reading", size, "table and covering index"),
            ],
        }


if __name__ == "__main__":
    from fengsui.run import django_setup

    django_setup.setup()
    print(json.dumps([f.as_dict() for f in _measure(int(sys.argv[1]))]))
