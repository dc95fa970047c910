"""A bus, a database and a pipeline of their own, as processes, and messages as a gateway writes them."""

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import nats
import nats.errors
import nats.js.errors
import numpy as np
import psycopg

from fengsui.base.batch import Batch, encode
from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until

REGISTRY = """
INSERT INTO orgs_org (path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
VALUES ('/1/', 0, 'enterprise', 'works', 'Works', '', '', '', false);
UPDATE orgs_org SET path = '/' || id || '/';
INSERT INTO devices_observedproperty (code, name, name_en, definition, description)
VALUES ('level', 'Level', '', '', '');
INSERT INTO devices_site
    (code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo, is_active)
SELECT 's' || n, 'Site', '', o.id, o.path, 'other', 111, 30, '', false, true
FROM generate_series(1, %(sites)s) n, orgs_org o;
INSERT INTO devices_thing (site_id, code, name, name_en, description, properties)
SELECT id, 'tank', 'Tank', '', '', '{}' FROM devices_site;
INSERT INTO devices_datastream (site_id, thing_id, observed_property_id, code, name, name_en, unit, range_min,
    range_max, period_ms, decimals, is_active, stopped_reason)
SELECT s.id, t.id, p.id, 'T' || n, 'Level', '', 'm', 0, 1000, 1000, 2, true, ''
FROM devices_site s JOIN devices_thing t ON t.site_id = s.id, devices_observedproperty p,
     generate_series(1, %(streams)s) n
ORDER BY s.id, n;
INSERT INTO alarms_rule (datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
    is_enabled, basis, shelved_reason, version)
SELECT d.id, 'h', 50, 1, 0, 0, 0, 2, true, '', '', 1 FROM devices_datastream d
WHERE d.code IN (SELECT 'T' || n FROM generate_series(1, %(ruled)s) n);
"""


class Plant:
    """Bus and database run until ``close``; the pipeline is started, stopped and killed by the test."""

    def __init__(self, home: Path, **settings: str):
        home.parent.mkdir(parents=True, exist_ok=True)
        self.made = Scratch(home, FENGSUI_LOG_LEVEL="info", **settings)
        self.home = home
        prepared.put(home)
        self.log = home / "pipeline.log"
        self.pipeline: subprocess.Popen | None = None
        self._connection: psycopg.Connection | None = None
        own = settings.get("FENGSUI_NATS_URL", "")
        self.bus = None if own else self._start("bus")
        self.db = self._start("db")
        self.nats_url = own or self._secret("nats", "nats://fengsui:{}@127.0.0.1:{}", "FENGSUI_NATS_PORT")
        self.db_url = self._secret(
            "database", "postgresql://fengsui:{}@127.0.0.1:{}/fengsui", "FENGSUI_DATABASE_PORT"
        )
        try:
            wait_until(self._database_answers, 60, "the database answers")
        except BaseException:
            self.close()
            raise

    def _start(self, *words: str) -> subprocess.Popen:
        with (self.home / f"{words[0]}.log").open("ab") as out:
            return subprocess.Popen(
                self.made.command(*words),
                env=self.made.env | {"PYTHONFAULTHANDLER": "1"},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _secret(self, name: str, form: str, port: str) -> str:
        file = self.home / "secrets" / name
        wait_until(file.exists, 30, f"the secret {name}")
        return form.format(file.read_text().strip(), self.made.env[port])

    def _database_answers(self) -> bool:
        try:
            psycopg.connect(self.db_url, dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def register(self, sites: int, streams: int, ruled: int = 1) -> None:
        """Equal sites; the first ``ruled`` datastreams of each have a high alarm at 50."""
        self.sql(REGISTRY % {"sites": sites, "streams": streams, "ruled": ruled})

    def sql(self, text: str, parameters=None) -> list[tuple]:
        """Over one connection, opened again after the database was gone: logging in costs more than most questions."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                self._connection = None
        if self._connection is None:
            self._connection = psycopg.connect(self.db_url, autocommit=True)
        cursor = self._connection.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []

    def one(self, text: str, parameters=None):
        return self.sql(text, parameters)[0][0]

    # ---- the pipeline

    def start_pipeline(self, *words: str) -> None:
        self.pipeline = self._start("pipeline", *words)

    def kill_pipeline(self) -> None:
        self.pipeline.send_signal(signal.SIGKILL)
        self.pipeline.wait(10)

    def stop_pipeline(self) -> int:
        self.pipeline.send_signal(signal.SIGTERM)
        try:
            return self.pipeline.wait(20)
        except subprocess.TimeoutExpired:
            self.pipeline.send_signal(signal.SIGABRT)  # every thread's stack goes to the log
            self.pipeline.wait(10)
            raise AssertionError(f"asked to stop, the pipeline did not within 20 s\n{self.tail()}") from None

    def roles(self, name: str = "pipeline") -> list[dict]:
        return [r for r in self.made.roles() if r["role"] == name]

    def restart_db(self) -> None:
        self.db.send_signal(signal.SIGKILL)
        self.db.wait(10)
        time.sleep(0.3)
        self.db = self._start("db")

    def committed_seq(self) -> int:
        found = self.sql("SELECT max(stream_seq) FROM checkpoints_checkpoint")
        return found[0][0] or 0

    def wait_committed(self, seq: int, seconds: float = 60) -> None:
        wait_until(
            lambda: self.committed_seq() >= seq, seconds, lambda: f"message {seq} is committed\n{self.tail()}"
        )

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""

    def ledger(self, *words: str) -> tuple[int, dict]:
        done = self.made.run("ledger", "--json", *words)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)

    def segments(self) -> list[str]:
        return [str(self.home / "history" / row[0]) for row in self.sql("SELECT path FROM history_segment")]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        for process in (self.pipeline, self.db, self.bus):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait(5)


class Writer:
    """One gateway instance on the bus: messages numbered 1, 2, 3 …"""

    def __init__(self, plant: Plant, gateway: str = "gw-1", partition: int = 0):
        self.plant, self.gateway, self.partition = plant, gateway, partition
        self.number = 0
        self.seq = 0

    async def __aenter__(self) -> "Writer":
        self.nc = await nats.connect(
            self.plant.nats_url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1
        )
        self.js = self.nc.jetstream(timeout=2)
        return self

    async def __aexit__(self, *_error) -> None:
        await self.nc.close()

    async def write(self, *batches: Batch) -> int:
        self.number += 1
        return await self.raw(encode(self.gateway, self.number, list(batches)))

    async def raw(self, data: bytes, message_id: str = "") -> int:
        """Publish until the bus says yes, always the same under the same number, as a gateway does."""
        headers = {"Nats-Msg-Id": message_id or f"{self.gateway}:{self.partition}:{self.number}"}
        while True:
            try:
                done = await self.js.publish(f"readings.{self.partition}", data, headers=dict(headers))
            except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                self.seq = done.seq
                return done.seq


def batch(site: int, datastream, time_ms, value, *, source: str = "dev", received_ms: int = 0) -> Batch:
    n = len(datastream)
    return Batch(
        site,
        source,
        received_ms or time.time_ns() // 1_000_000,
        np.asarray(datastream, np.int32),
        np.broadcast_to(np.asarray(time_ms, np.int64), n).copy(),
        np.broadcast_to(np.asarray(value, np.float64), n).copy(),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def run(coroutine):
    return asyncio.run(coroutine)
