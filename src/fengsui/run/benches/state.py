"""What a pipeline holds in memory, and how long it takes to check it, save it, change it and have it back.

Two ways.  *With everything real*: bus, database with rows, a pipeline process, messages; 440,000 datastreams, and 3.5
million with ``python -m fengsui.run.benches.state --sites 7000`` (minutes, most of it to make the rows).  *In memory*:
3.5 million datastreams in a process of its own, without database and bus.  Six rules a datastream: hh h l ll frozen
silent.  Real plants have fewer (half a rule a datastream in the region of Yichang); this is the reference's mix with
silence in place of rate, which costs more and is stated apart.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.run import memory
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.start import resident_mib

ABOUT = "3.5 million datastreams in memory, 440,000 with rows: bytes, sweep, checkpoint, restart, 100,000 rules changed"
EACH = 500  # datastreams of a site
SITES, SITES_IN_MEMORY = 880, 7000
CHANGED = 100_000
START_MS = 1_790_000_000_000
WITHIN_S = 300

RULES = (  # kind, setpoint, deadband, on_delay_ms, window_ms
    ("hh", 900.0, 1.0, 0, 0),
    ("h", 800.0, 1.0, 10_000, 0),
    ("l", 200.0, 1.0, 10_000, 0),
    ("ll", 100.0, 1.0, 0, 0),
    ("frozen", 0.0, 0.0, 0, 600_000),
    ("silent", None, 0.0, 0, 300_000),
)

# The rows are made without their checks and with their indexes at the end: a tenth of the time.
ROWS = """
INSERT INTO orgs_org (path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
VALUES ('/1/', 0, 'enterprise', 'works', 'Works', '', '', '', false);
INSERT INTO devices_observedproperty (code, name, name_en, definition, description)
VALUES ('level', 'Level', '', '', '');
INSERT INTO devices_site (id, code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo,
    is_active)
SELECT n, 's' || n, 'Site', '', o.id, o.path, 'other', 111, 30, '', false, true
FROM generate_series(1, {sites}) n, orgs_org o;
INSERT INTO devices_thing (site_id, code, name, name_en, description, properties)
SELECT id, 'tank', 'Tank', '', '', '{{}}' FROM devices_site;
INSERT INTO devices_datastream (id, site_id, thing_id, observed_property_id, code, name, name_en, unit, range_min,
    range_max, period_ms, decimals, is_active, stopped_reason)
SELECT (s.id - 1) * {each} + n, s.id, t.id, p.id, 'T' || n, 'Level', '', 'm', 0, 1000, 1000, 2, true, ''
FROM devices_site s JOIN devices_thing t ON t.site_id = s.id, devices_observedproperty p, generate_series(1, {each}) n;
INSERT INTO alarms_rule (datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
    is_enabled, basis, shelved_reason, version)
SELECT d.id, k.kind, k.setpoint, k.deadband, k.on_delay_ms, 0, k.window_ms, 2, true, '', '', 1
FROM devices_datastream d, (VALUES {rules}) k (kind, setpoint, deadband, on_delay_ms, window_ms)
"""
BIG = ("devices_datastream", "alarms_rule")


def bench(seconds: float) -> list[Figure]:
    return [*in_memory(SITES_IN_MEMORY), *a_rate(), *with_rows(SITES, CHANGED)]


# ---- in memory ----------------------------------------------------------------------------------------------------


def in_memory(sites: int) -> list[Figure]:
    """A process that holds and saves it, then one that has it back."""
    n = sites * EACH
    name = f"{n:,} datastreams"
    with tempfile.TemporaryDirectory() as folder:
        held = _child("hold", folder, sites)
        back = _child("again", folder, sites)
    six = f"{held['rules']:,} rules"
    of = held["bytes"]
    parts = " · ".join(f"{part} {size / n:.0f}" for part, size in of.items())
    found = [
        ("state and configuration", "bytes a datastream", sum(of.values()) / n, f"{six}; {parts}"),
        ("state and configuration", "MB", sum(of.values()) / 1e6, six),
        (
            "process", "MB", back["resident"] / 1e6,
            f"resident after a restart, {back['libraries'] / 1e6:.0f} MB of it before the first datastream",
        ),
        ("process, most", "MB", held["peak"] / 1e6, "ever, rules compiled and checkpoints written"),
        ("sweep for silence", "ms", held["sweep_ms"], "nobody is silent; processor time"),
        ("sweep, all silent", "ms", held["told_ms"], f"told before; telling took {held['tell_s']:.1f} s"),
        ("stream stands for a checkpoint", "ms", held["stall_ms"], "the copy; processor time"),
        (
            "checkpoint written", "s", held["write_s"],
            f"{held['file'] / n:.0f} bytes a datastream, synced, beside the stream",
        ),
        ("100,000 rules changed", "s", held["change_s"], "once read from the database: compiled and in force"),
        (
            "restart", "s", back["total_s"],
            f"process start to first message judged, from files, no database; {back['cpu_s']:.1f} s of processor time, "
            f"load {os.getloadavg()[0]:.1f}: "
            + " · ".join(f"{step} {took:.1f}" for step, took in back["steps"].items()),
        ),
    ]  # fmt: skip
    return [figure(f"{name}: {what}", unit, value, note) for what, unit, value, note in found]


def a_rate() -> list[Figure]:
    """What the mix leaves out."""
    found = _child("mixes", ".", 10)
    note = f"{found['frozen']:.0f} with frozen in its place: a rate keeps nine readings"
    return [figure("six rules with a rate", "bytes a datastream", found["rate"], note)]


def mixes(_folder: Path, sites: int) -> dict[str, float]:
    """Bytes a datastream with a rule of this kind in place of the frozen one."""
    found = {}
    for kind, setpoint in (("rate", 1.0), ("frozen", 0.0)):
        rules = [(kind, setpoint, 0.0, 0, 60_000) if r[0] == "frozen" else r for r in RULES]
        n = sites * EACH
        found[kind] = sum(sizes(make(np.arange(1, n + 1, dtype=np.int32), rules)).values()) / n
    return found


def make(datastream: np.ndarray, kinds: Any = RULES) -> Any:
    """A partition of these datastreams."""
    from fengsui.govern.catalogue.columns import ALWAYS, arrange
    from fengsui.govern.checks import CheckPolicy
    from fengsui.run.pipeline.partition import Partition
    from fengsui.warn.engine import compile_tables

    n = len(datastream)
    site = ((datastream - 1) // EACH + 1).astype(np.int32)
    columns = arrange(
        [datastream, site, np.zeros(n), np.full(n, 1000.0), np.zeros(n, np.int32), np.full(n, ALWAYS)],
        np.unique(site),
        ["/1/"] * len(np.unique(site)),
    )
    some = range(0, n, 200_000)
    rules = compile_tables((_table(datastream[i : i + 200_000], kinds) for i in some), columns.datastream)
    return Partition(columns, rules, CheckPolicy())


def _table(datastream: np.ndarray, kinds: Any = RULES, raised: float = 0.0) -> Any:
    from fengsui.warn.engine import RuleTable
    from fengsui.warn.engine.rules import CODES

    n, k = len(datastream), len(kinds)
    terms = [np.tile([r[i] for r in kinds], n).astype(np.int64 if i > 2 else np.float64) for i in range(1, 5)]
    of = np.repeat(datastream.astype(np.int64), k)
    return RuleTable(
        of * 8 + np.tile(np.arange(k), n), of, np.tile([CODES.index(r[0]) for r in kinds], n),
        terms[0] + raised, terms[1], terms[2], np.zeros(n * k, np.int64), terms[3],
        np.full(n * k, START_MS - 3_600_000),
    )  # fmt: skip


def sizes(partition: Any) -> dict[str, int]:
    """Bytes by what they are for."""
    latest = sum(getattr(partition.latest, name).nbytes for name in partition.latest.__dataclass_fields__)
    return {
        "registry": partition.columns.nbytes,
        "rules": partition.rules.nbytes - partition.rules.datastream.nbytes,  # the registry's own
        "last reading": latest,
        "engine": partition.state.nbytes,
    }


def hold(folder: Path, sites: int) -> dict[str, Any]:
    """Fill it, sweep it, save it, change it."""
    from fengsui.run.pipeline import configuration
    from fengsui.stores.checkpoints import states
    from fengsui.warn.engine import compile_tables, replace_rules

    partition = make(np.arange(1, sites * EACH + 1, dtype=np.int32))
    feed(partition, START_MS, rounds=2)
    now = START_MS + 20_000
    sweeps = [_ms(partition.sweep, now + i) for i in range(15)]
    stalls, snapshot = [], None
    for _ in range(5):
        del snapshot
        began = time.process_time()
        snapshot = partition.snapshot()
        stalls.append((time.process_time() - began) * 1000)
    assert snapshot is not None
    partition.stored.file = states.save(folder, 0, configuration.parts(snapshot))
    writes = []
    for _ in range(3):
        began = time.perf_counter()
        name = states.save(folder, 0, snapshot.parts())
        writes.append(time.perf_counter() - began)
        size = (folder / name).stat().st_size
    (folder / "named").write_text(name)
    del snapshot
    before, peak = sizes(partition), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    some = partition.columns.datastream[:: max(1, sites * EACH // CHANGED)][:CHANGED]
    table = _table(some, raised=1.0)
    began = time.perf_counter()
    part = compile_tables([table], some)
    rules = replace_rules(partition.rules, partition.columns.datastream, part)
    partition.adopt(partition.columns, rules, partition.policy, now)
    changed_s = time.perf_counter() - began

    began = time.perf_counter()
    silent = len(partition.sweep(now + 3_600_000))
    tell_s = time.perf_counter() - began
    told = [_ms(partition.sweep, now + 3_600_000 + i) for i in range(1, 10)]
    return {
        "rules": len(partition.rules), "bytes": before, "sweep_ms": sweeps[1:], "told_ms": told, "tell_s": tell_s,
        "silent": silent, "stall_ms": stalls, "write_s": writes, "file": size, "change_s": changed_s,
        "peak": peak,
    }  # fmt: skip


def again(folder: Path, sites: int) -> dict[str, Any]:
    """Have it back from the files, and judge a message."""
    from fengsui.govern import checks
    from fengsui.govern.checks import CheckPolicy
    from fengsui.run.pipeline import configuration
    from fengsui.run.pipeline.partition import Arrived, Partition
    from fengsui.stores.checkpoints import states
    from fengsui.warn.engine import warm_up

    clock = _Clock()
    checks.warm_up()
    warm_up()
    clock.lap("compiled code")
    libraries = _resident()
    with states.load(folder, (folder / "named").read_text()) as state:
        with states.load(folder, str(state["configuration"])) as kept:
            found = configuration.recall(kept, kept.file.name, 1, CheckPolicy())
        assert found is not None
        clock.lap("configuration")
        partition = Partition(found.columns, found.rules, found.policy)
        partition.stored = found.stored
        partition.restore(state, 1, START_MS)
    clock.lap("state")
    memory.give_back()
    partition.take([Arrived(2, START_MS + 30_000, "bench:0:1", message(1, 1, START_MS + 30_000))])
    clock.lap("first message")
    return {"steps": clock.steps, "libraries": libraries, "resident": _resident()}


def feed(partition: Any, at_ms: int, rounds: int = 1, piece: int = 50_000) -> None:
    """Readings of every datastream, judged."""
    from fengsui.govern import checks
    from fengsui.warn.engine import step

    chance = np.random.default_rng(1)
    n = partition.columns.n_slots
    for turn in range(rounds):
        for first in range(0, n, piece):
            slot = np.arange(first, min(n, first + piece))
            value, zeros = chance.normal(500, 30, len(slot)), np.zeros(len(slot), np.uint8)
            time_ms = np.full(len(slot), at_ms + turn * 5000)
            frozen = partition.columns.frozen_after_ms
            checks.split(partition.latest, slot, time_ms, value, zeros, zeros.copy(), frozen)
            step(partition.state, slot, time_ms, value, zeros, partition.rules)


def _child(deed: str, folder: str, sites: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "fengsui.run.benches.state", "--deed", deed, "--folder", folder]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--sites", str(sites)], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["cpu_s"] = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    if "steps" in found:
        found["total_s"] = time.perf_counter() - began
        found["steps"] = {"imports": found["total_s"] - sum(found["steps"].values()), **found["steps"]}
    return found


class _Clock:
    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.steps[name], self._at = now - self._at, now


def _ms(deed: Callable[[int], object], at_ms: int) -> float:
    began = time.process_time()
    deed(at_ms)
    return (time.process_time() - began) * 1000


def _resident() -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


# ---- with everything real -----------------------------------------------------------------------------------------


def with_rows(sites: int, changed: int) -> list[Figure]:
    """A pipeline with a database of ``sites`` sites, started twice, and ``changed`` of its rules changed."""
    from fengsui.run.benches.scale import Plant

    n = sites * EACH
    name = f"{n:,} datastreams with rows"
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(Path(folder) / "var", partitions=1)
        bus = _Bus(plant)
        try:
            rows_s = _seconds(lambda: fill(plant, sites))
            first_s = bus.until_judged([bus.publish(sites, 1)], start=True)
            seq = [bus.publish(s, 2) for s in range(1, sites + 1)]
            bus.until_judged(seq)
            filled = resident_mib([w.pid for w in plant.workers])
            plant.stop_workers()
            kept = sum(f.stat().st_size for f in (plant.made.home / "states").glob("*.state"))
            again_s = bus.until_judged([bus.publish(1, 3)], start=True)
            commit_s, force_s = change(plant, bus, sites, min(changed, n))
            after = resident_mib([w.pid for w in plant.workers])
        finally:
            bus.close()
            plant.stop_workers()
            plant.close()
    made = f"{n * len(RULES):,} rules, rows made in {rows_s:.0f} s; load {os.getloadavg()[0]:.1f}"
    found = [
        ("first start", "s", first_s, f"process start to first message committed, everything read; {made}"),
        ("restart", "s", again_s, f"the same, from {kept / n:.0f} bytes a datastream in files"),
        ("pipeline", "MiB", filled, f"proportional set size; {after:.0f} after restart and change"),
        (
            f"{min(changed, n):,} rules changed", "s", force_s,
            f"from the commit to an alarm by the new setpoint in the database; the UPDATE took {commit_s:.1f} s",
        ),
    ]  # fmt: skip
    return [figure(f"{name}: {what}", unit, value, note) for what, unit, value, note in found]


def fill(plant: Any, sites: int) -> None:
    """Sites, datastreams and rules by the database itself."""
    import psycopg

    rules = ", ".join(
        f"('{kind}', {'NULL::float8' if setpoint is None else setpoint}, {deadband}, {delay}, {window})"
        for kind, setpoint, deadband, delay, window in RULES
    )
    with psycopg.connect(plant.db_url, autocommit=True) as db:
        db.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
        later = []
        for table in BIG:
            for index, text in db.execute(
                """SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT IN
                   (SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass)""",
                [table, table],
            ).fetchall():
                db.execute(f'DROP INDEX "{index}"')
                later.append(text)
        for statement in ROWS.format(sites=sites, each=EACH, rules=rules).split(";\n"):
            db.execute(statement)
        for text in later:
            db.execute(text)
        db.execute("SET session_replication_role = DEFAULT; ANALYZE")


def change(plant: Any, bus: "_Bus", sites: int, changed: int) -> tuple[float, float]:
    """Lower the hh of ``changed`` datastreams of all sites.  How long the statement took; how long until in force."""
    import psycopg

    at = 4
    with psycopg.connect(plant.db_url) as db, psycopg.connect(plant.db_url, autocommit=True) as other:
        began = time.monotonic()
        db.execute(
            "UPDATE alarms_rule SET setpoint = 700 WHERE kind = 'hh' AND datastream_id %% %s = 0",
            [max(1, sites * EACH // changed)],
        )
        update_s = time.monotonic() - began
        began = time.monotonic()
        db.commit()
        update_s += time.monotonic() - began
        began = time.monotonic()
        while not other.execute("SELECT 1 FROM alarms_alarm WHERE kind = 'hh' LIMIT 1").fetchone():
            bus.publish(1, at, value=750.0)
            at += 1
            time.sleep(0.05)
            if time.monotonic() - began > WITHIN_S:
                raise RuntimeError("the change was never in force")
        return update_s, time.monotonic() - began


class _Bus:
    """Messages for the pipeline, one site each."""

    def __init__(self, plant: Any) -> None:
        import nats

        self._plant, self._number = plant, 0
        self._loop = asyncio.new_event_loop()
        self._nc = self._loop.run_until_complete(nats.connect(plant.nats_url))
        self._now_ms = time.time_ns() // 1_000_000 - 600_000

    def publish(self, site: int, tick: int, value: float = 500.0) -> int:
        self._number += 1
        data = message(site, self._number, self._now_ms + tick * 1000, value)
        return int(self._loop.run_until_complete(self._nc.jetstream().publish("readings.0", data)).seq)

    def until_judged(self, seqs: list[int], start: bool = False) -> float:
        """Start a pipeline if asked to; returns when the last of ``seqs`` is committed, and how long it took."""
        began = time.monotonic()
        if start:
            self._plant.start_workers(1)
        while self._plant.progress().get(0, 0) < seqs[-1]:
            if time.monotonic() - began > WITHIN_S:
                raise RuntimeError("the messages were never committed")
            time.sleep(0.02)
        return time.monotonic() - began

    def close(self) -> None:
        self._loop.run_until_complete(self._nc.close())
        self._loop.close()


def message(site: int, number: int, time_ms: int, value: float = 500.0) -> bytes:
    """A bus message of one reading of each datastream of a site."""
    from fengsui.base.batch import Batch, encode

    datastream = np.arange((site - 1) * EACH + 1, site * EACH + 1, dtype=np.int32)
    values = np.round(np.random.default_rng(time_ms).normal(value, 5, EACH), 2)
    zeros = np.zeros(EACH, np.uint8)
    times = np.full(EACH, time_ms, np.int64)
    return encode(
        "bench", number, [Batch(site, "bench", time_ms + 200, datastream, times, values, zeros, zeros.copy())]
    )


def _seconds(deed: Callable[[], object]) -> float:
    began = time.monotonic()
    deed()
    return time.monotonic() - began


def main() -> None:
    """A deed of a process of its own, or everything real at another size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deed", choices=["hold", "again", "mixes", "rows"], default="rows")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sites", type=int, default=SITES)
    args = parser.parse_args()
    if args.deed == "rows":
        for f in with_rows(args.sites, CHANGED):
            print(f"{f.name}: {statistics.median([f.value]):.2f} {f.unit}  {f.note}")
        return
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fengsui.run.settings")
    django.setup()
    json.dump({"hold": hold, "again": again, "mixes": mixes}[args.deed](args.folder, args.sites), sys.stdout)


if __name__ == "__main__":
    main()
