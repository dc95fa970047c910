"""Ten thousand HJ 212 devices on one gateway, each on its own connection, each waiting for its answer.

Bus, database and gateway are processes of their own; the devices are this one.  Every device sends an upload each
``PERIOD_S`` and its latency is from the last byte sent to the answer, which comes when the reading is durable.
"""

import asyncio
import random
import resource
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import uvloop

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.scratch import Scratch, free_ports
from fengsui.sense.codecs import hj212

ABOUT = (
    "10,000 TCP connections of HJ 212 devices to one gateway: memory of each, and how long an answer takes"
)
DEVICES = 10_000
PERIOD_S = 20.0
DIALLING = 200  # connections being opened at the same time
SPARE_FILES = 500  # of a process beside its connections
PASSWORD = "123456"  # noqa: S105 - of devices that exist for a measurement only
ANSWER = b"CN=9014;"
REGISTRY = """
INSERT INTO orgs_org (path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
    VALUES ('/1/', 0, 'enterprise', 'works', 'Works', '', '', '', false);
UPDATE orgs_org SET path = '/' || id || '/';
INSERT INTO devices_observedproperty (code, name, name_en, definition, description) VALUES ('cod', 'COD', '', '', '');
INSERT INTO devices_site (code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo, is_active)
    SELECT 's' || n, 'Site', '', o.id, o.path, 'other', 111, 30, '', false, true
    FROM generate_series(1, %(devices)s) n, orgs_org o;
INSERT INTO devices_thing (site_id, code, name, name_en, description, properties)
    SELECT id, 'outlet', 'Outlet', '', '', '{}' FROM devices_site;
INSERT INTO devices_datastream (site_id, thing_id, observed_property_id, code, name, name_en, unit, period_ms, decimals,
    is_active, stopped_reason)
    SELECT t.site_id, t.id, p.id, 'COD', 'COD', '', 'mg/L', 20000, 2, true, ''
    FROM devices_thing t, devices_observedproperty p;
INSERT INTO devices_device (site_id, code, name, secret_sha256, is_active, created_at)
    SELECT id, code || '-logger', '', '', true, now() FROM devices_site;
INSERT INTO devices_protocolidentity (device_id, protocol, identity, secret, model, is_active)
    SELECT id, 'hj212', 'MN' || substr(code, 2, length(code) - 8), '', '', true FROM devices_device;
INSERT INTO devices_codemapping (protocol, code, model, datastream, observed_property, unit, factor, shift)
    VALUES ('hj212', 'w01018-Rtd', '', 'COD', '', '', 1, 0);
"""


@dataclass(slots=True)
class Fleet:
    """The devices: what they sent and what came back."""

    port: int
    devices: int
    connected: int = 0
    lost: int = 0  # connections that ended, or were never made
    unanswered: int = 0
    latency: list[float] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, seconds: float) -> None:
        """Open every connection, then send for ``seconds``."""
        dialling = asyncio.Semaphore(DIALLING)
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._device(n, dialling, stop)) for n in range(1, self.devices + 1)]
        while self.connected + self.lost < self.devices:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.up.set()
        await asyncio.sleep(seconds)
        stop.set()
        await asyncio.gather(*tasks)

    async def _device(self, number: int, dialling: asyncio.Semaphore, stop: asyncio.Event) -> None:
        try:
            async with dialling:
                reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), 60)
        except (OSError, TimeoutError):
            self.lost += 1
            return
        self.connected += 1
        await self.up.wait()
        rng = random.Random(number)
        try:
            await asyncio.sleep(rng.random() * PERIOD_S)
            while not stop.is_set():
                began = time.perf_counter()
                writer.write(_upload(number, rng.uniform(20, 80)))
                answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 60)
                if ANSWER not in answer:
                    self.unanswered += 1
                self.latency.append(time.perf_counter() - began)
                try:
                    await asyncio.wait_for(stop.wait(), max(0.0, PERIOD_S - (time.perf_counter() - began)))
                except TimeoutError:
                    continue
        except TimeoutError:
            self.unanswered += 1
        except (OSError, asyncio.IncompleteReadError):
            self.lost += 1
        finally:
            writer.close()


def bench(seconds: float) -> list[Figure]:
    """Figures of memory and answers.  Fewer devices where a process may not have so many open files."""
    devices = min(DEVICES, _files() - SPARE_FILES)
    with tempfile.TemporaryDirectory(prefix="fengsui-bench-") as folder:
        (port,) = free_ports(1)
        made = Scratch(
            Path(folder) / "var", FENGSUI_HJ212_PORT=str(port), FENGSUI_FIELD_PER_ADDRESS=str(devices + 10),
            FENGSUI_LOG_LEVEL="warning",
        )  # fmt: skip
        roles = [_start(made, "db"), _start(made, "bus")]
        try:
            _until(lambda: made.run("migrate").returncode == 0, "the database answers")
            _fill(made, devices)
            gateway = _start(made, "gateway")
            roles.append(gateway)
            _until(lambda: _listens(port), "the gateway listens")
            idle = _resident_mib(gateway.pid)
            fleet = Fleet(port, devices)
            held: list[float] = []

            async def measured() -> None:
                running = asyncio.create_task(fleet.run(max(seconds, PERIOD_S + 5)))
                await fleet.up.wait()
                while not running.done():
                    held.append(_resident_mib(gateway.pid))
                    await asyncio.wait([running], timeout=1)
                await running

            uvloop.run(measured())
        finally:
            for role in reversed(roles):  # the gateway before what it needs to stop in good order
                role.terminate()
                try:
                    role.wait(60)
                except subprocess.TimeoutExpired:
                    role.kill()
                    role.wait()
    latency = sorted(fleet.latency) or [float("nan")]
    ms = [1000 * latency[int(q * (len(latency) - 1))] for q in (0.5, 0.99, 1.0)]
    note = "" if devices == DEVICES else f"not {DEVICES:,}: ulimit -n is {_files()}"
    return [
        figure("connections open", "", fleet.connected, note),
        figure("connections lost or never made", "", fleet.lost),
        figure("uploads answered once durable", "", len(fleet.latency)),
        figure("uploads not answered", "", fleet.unanswered),
        figure("latency of an answer, median", "ms", ms[0]),
        figure("latency of an answer, 99th of 100", "ms", ms[1]),
        figure("latency of an answer, longest", "ms", ms[2]),
        figure("memory of the gateway, no device", "MiB", idle),
        figure("memory of the gateway, all devices", "MiB", held[-1]),
        figure("highest memory of the gateway", "MiB", max(held)),
        figure("memory a connection", "KiB", 1024 * (max(held) - idle) / max(1, fleet.connected)),
    ]


def _upload(number: int, value: float) -> bytes:
    now = time.time()
    local = datetime.fromtimestamp(now, hj212.CHINA)
    at = f"{local:%Y%m%d%H%M%S}"
    return hj212.message(
        qn=f"{at}{int(now * 1000) % 1000:03d}", st="32", cn="2011", pw=PASSWORD, mn=f"MN{number}", flag=5,
        cp=f"&&DataTime={at};w01018-Rtd={value:.2f},w01018-Flag=N&&",
    )  # fmt: skip


def _files() -> int:
    """How many files a process may have open; the soft limit is raised to the hard one, here and for its children."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _fill(made: Scratch, devices: int) -> None:
    secret = (made.home / "secrets" / "database").read_text().strip()
    url = f"postgresql://fengsui:{secret}@127.0.0.1:{made.env['FENGSUI_DATABASE_PORT']}/fengsui"
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(REGISTRY, {"devices": devices})


def _start(made: Scratch, role: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        made.command(role), env=made.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _until(condition, what: str, seconds: float = 180) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        time.sleep(0.3)


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
