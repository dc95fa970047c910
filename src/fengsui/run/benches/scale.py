"""How cost grows with datastreams and workers: 1, 2 and 4 pipelines share what is written to the bus at full speed.

The pipelines are ready before the first message; the time counts to the last commit.  CPU is that of the pipelines;
bus, database and the writer of messages made beforehand run beside them on the same cores.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import numpy as np
import psycopg

from fengsui.base.batch import Batch, encode
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.start import resident_mib
from fengsui.run.scratch import Scratch
from fengsui.stores.bus import partition_of, read_roles
from fengsui.stores.bus.seats import WORKERS as WORKERS_PING

ABOUT = "a bus at full speed shared by 1, 2, 4 pipelines, with 10 k, 100 k, 440 k datastreams; where checkpoints go"
PARTITIONS = 4
STREAMS = 500  # of a site
SITES = (20, 200, 880)
WORKERS = (1, 2, 4)
READINGS_EACH_S = 150_000  # readings of a run for each second of --seconds
MESSAGE_BATCHES = 20
WITHIN_S = 600
CHECKPOINT_MIB = 32

REGISTRY = """
INSERT INTO orgs_org (path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
VALUES ('/1/', 0, 'enterprise', 'works', 'Works', '', '', '', false);
INSERT INTO devices_observedproperty (code, name, name_en, definition, description)
VALUES ('level', 'Level', '', '', '');
INSERT INTO devices_site (id, code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo,
    is_active)
SELECT n, 's' || n, 'Site', '', o.id, o.path, 'other', 111, 30, '', false, true
FROM generate_series(1, %(sites)s) n, orgs_org o;
INSERT INTO devices_thing (site_id, code, name, name_en, description, properties)
SELECT id, 'tank', 'Tank', '', '', '{}' FROM devices_site;
INSERT INTO devices_datastream (id, site_id, thing_id, observed_property_id, code, name, name_en, unit, range_min,
    range_max, period_ms, decimals, is_active, stopped_reason)
SELECT (s.id - 1) * %(streams)s + n, s.id, t.id, p.id, 'T' || n, 'Level', '', 'm', 0, 1000, 1000, 2, true, ''
FROM devices_site s JOIN devices_thing t ON t.site_id = s.id, devices_observedproperty p,
     generate_series(1, %(streams)s) n;
INSERT INTO alarms_rule (datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
    is_enabled, basis, shelved_reason, version)
SELECT d.id, k.kind, k.setpoint, 1, 0, 0, 0, 2, true, '', '', 1
FROM devices_datastream d, (VALUES ('h', 600), ('hh', 800)) k (kind, setpoint);
"""


def bench(seconds: float) -> list[Figure]:
    found: list[Figure] = []
    for sites in SITES:
        with tempfile.TemporaryDirectory() as folder:
            plant = Plant(Path(folder) / "var")
            try:
                plant.register(sites)
                for workers in WORKERS:
                    found += plant.work_off(sites, workers, int(seconds * READINGS_EACH_S))
                if sites == SITES[0]:
                    found += asyncio.run(_checkpoints(plant, Path(folder)))
            finally:
                plant.close()
    return found


class Plant:
    """Bus and database; pipelines as they are wanted."""

    def __init__(self, home: Path, partitions: int = PARTITIONS) -> None:
        self.made = Scratch(
            home, FENGSUI_PARTITIONS=str(partitions), FENGSUI_LOG_LEVEL="warning", FENGSUI_EPOCH_MS="500"
        )
        home.mkdir()
        self.stores = [self._start("bus"), self._start("db")]
        self.workers: list[subprocess.Popen[bytes]] = []
        self.ticks = 0
        self.start_ms = time.time_ns() // 1_000_000 - 3_600_000
        _until(lambda: (home / "secrets" / "database").exists() and (home / "secrets" / "nats").exists())
        self.nats_url = self._url("nats", "nats://fengsui:{}@127.0.0.1:{}", "FENGSUI_NATS_PORT")
        self.db_url = self._url(
            "database", "postgresql://fengsui:{}@127.0.0.1:{}/fengsui", "FENGSUI_DATABASE_PORT"
        )
        _until(self._answers)
        if (done := self.made.run("migrate")).returncode:
            raise RuntimeError(done.stderr)

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        with (self.made.home / f"{role}.log").open("ab") as log:
            return subprocess.Popen(self.made.command(role), env=self.made.env, stdout=log, stderr=log)

    def _url(self, secret: str, form: str, port: str) -> str:
        return form.format((self.made.home / "secrets" / secret).read_text().strip(), self.made.env[port])

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.db_url, dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.db_url) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def register(self, sites: int) -> None:
        self.ask(REGISTRY % {"sites": sites, "streams": STREAMS})

    def work_off(self, sites: int, workers: int, readings: int) -> list[Figure]:
        """Fill the bus, start ``workers``, and measure until everything is committed."""
        ticks = max(2, readings // (sites * STREAMS))
        messages = self._encode(sites, ticks)
        self.start_workers(workers)
        try:
            _until(lambda: asyncio.run(self._are_settled(workers)))
            cpu, began = self._cpu(), time.monotonic()
            last = asyncio.run(self._send(messages))
            sent = time.monotonic() - began
            _until(lambda: all(self.progress().get(p, 0) >= seq for p, seq in last.items()))
            took, used = time.monotonic() - began, self._cpu() - cpu
            memory = resident_mib([w.pid for w in self.workers])
        finally:
            self.stop_workers()
        done = ticks * sites * STREAMS
        name = f"{sites * STREAMS:,} datastreams, {workers} workers"
        note = f"{done:,} readings, written to the bus in {sent:.1f} s of it; load {os.getloadavg()[0]:.1f}"
        return [
            figure(f"{name}: rate", "readings/s", done / took, note),
            figure(f"{name}: CPU", "µs/reading", used / done * 1e6, "workers only"),
            figure(f"{name}: memory", "MiB", memory, "all workers, proportional set size"),
        ]

    def _encode(self, sites: int, ticks: int) -> list[tuple[int, bytes]]:
        """(partition, message) in order: every site once a tick."""
        chance = np.random.default_rng(sites)
        gateway, numbers = f"bench-{self.ticks}", dict.fromkeys(range(PARTITIONS), 0)
        out: list[tuple[int, bytes]] = []
        for _ in range(ticks):
            self.ticks += 1
            at_ms = self.start_ms + self.ticks * 1000
            for partition in range(PARTITIONS):
                mine = [s for s in range(1, sites + 1) if partition_of(s, PARTITIONS) == partition]
                for first in range(0, len(mine), MESSAGE_BATCHES):
                    batches = [_batch(s, at_ms, chance) for s in mine[first : first + MESSAGE_BATCHES]]
                    numbers[partition] += 1
                    out.append((partition, encode(gateway, numbers[partition], batches)))
        return out

    async def _send(self, messages: list[tuple[int, bytes]]) -> dict[int, int]:
        """Returns the last message of each partition."""
        nc = await nats.connect(self.nats_url)
        js = nc.jetstream()
        last: dict[int, int] = {}
        for partition, data in messages:
            last[partition] = (await js.publish(f"readings.{partition}", data)).seq
        await nc.close()
        return last

    async def _are_settled(self, workers: int) -> bool:
        """Every worker serves its share and is ready."""
        nc = await nats.connect(self.nats_url)
        shares = [r["lag"].get("seats", []) for r in await read_roles(nc, seconds=1, subject=WORKERS_PING)]
        ready = [r for r in await read_roles(nc, seconds=1) if r["role"] == "pipeline" and r["ready"]]
        await nc.close()
        even = len(shares) == workers and max(map(len, shares)) - min(map(len, shares)) <= 1
        return even and sum(map(len, shares)) == PARTITIONS == len(ready)

    def progress(self) -> dict[int, int]:
        return dict(self.ask("SELECT partition, stream_seq FROM checkpoints_checkpoint"))

    def _cpu(self) -> float:
        """Seconds of processor that the workers used."""
        ticks = 0
        for worker in self.workers:
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def start_workers(self, count: int) -> None:
        self.workers = [self._start("pipeline") for _ in range(count)]

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(60)
        self.workers = []

    def close(self) -> None:
        for process in reversed(self.stores):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _batch(site: int, at_ms: int, chance: np.random.Generator) -> Batch:
    datastream = np.arange((site - 1) * STREAMS + 1, site * STREAMS + 1, dtype=np.int32)
    value = np.round(chance.normal(500, 20, STREAMS), 2)
    zeros = np.zeros(STREAMS, np.uint8)
    return Batch(
        site, "bench", at_ms + 200, datastream, np.full(STREAMS, at_ms, np.int64), value, zeros, zeros.copy()
    )


async def _checkpoints(plant: Plant, folder: Path) -> list[Figure]:
    """The same bytes to each place that could hold a state, synced, and back."""
    data = np.random.default_rng(1).bytes(CHECKPOINT_MIB << 20)
    nc = await nats.connect(plant.nats_url)
    store = await nc.jetstream().create_object_store("bench")
    with psycopg.connect(plant.db_url, autocommit=True) as db:
        db.execute("CREATE TABLE bench_state (data bytea)")
        db.execute("ALTER TABLE bench_state ALTER COLUMN data SET STORAGE EXTERNAL")

        async def to_file() -> None:
            with (folder / "state").open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

        async def to_database() -> None:
            db.execute("INSERT INTO bench_state VALUES (%b)", [data])

        async def to_bus() -> None:
            await store.put("state", data)

        places = {"a file": to_file, "PostgreSQL": to_database, "the bus's object store": to_bus}
        found = []
        for place, write in places.items():
            times = []
            for _ in range(3):
                began = time.monotonic()
                await write()
                times.append(time.monotonic() - began)
            found.append(
                figure(f"checkpoint of {CHECKPOINT_MIB} MiB to {place}", "s", times, "synced; one copy")
            )
        db.execute("DROP TABLE bench_state")
    await nc.jetstream().delete_object_store("bench")
    await nc.close()
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the bench waited too long")
        time.sleep(0.02)
