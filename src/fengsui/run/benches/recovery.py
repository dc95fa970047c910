"""Kill -9 of each role and of all at once, under load: how long until it lives again, and that nothing was lost for it.

Devices post until they have a yes and remember it.  What is checked afterwards are the Parquet files and the tables as
they are.  A role lives again when it answers on the bus and is ready, under a new pid.
"""

import asyncio
import csv
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.load import Load, Sender
from fengsui.run.scratch import Scratch
from fengsui.stores.bus import connect, read_roles

ABOUT = (
    "kill -9 of each role and of all at once under load: time until live again; readings lost, alarms doubled"
)
SITES, DATASTREAMS, PERIOD_S = 6, 50, 0.1
ROLES = ("gateway", "pipeline", "bus", "db", "web", "worker")
PATIENCE_S = 60.0
OVERLAPPING = """
SELECT count(*) FROM (
    SELECT raised_at, lag(coalesce(cleared_at, 'infinity')) OVER (PARTITION BY rule_id ORDER BY raised_at) AS before
    FROM alarms_alarm) a WHERE before > raised_at
"""


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        pack.write(Path(folder) / "regions" / "recovery", SITES, DATASTREAMS, period_ms=100)
        made = Scratch(Path(folder) / "var", FENGSUI_REGIONS=str(Path(folder) / "regions"))
        made.up()
        try:
            return _measure(made, min(seconds, 20) / 20)
        finally:
            if made.process is not None and made.process.poll() is None:
                made.stop()
            _kill(made.processes())


def _measure(made: Scratch, pause_s: float) -> list[Figure]:
    loaded = made.run("region", "load", "recovery")
    if loaded.returncode:
        raise RuntimeError(loaded.stderr)
    devices = _Devices(made)
    figures: list[Figure] = []
    try:
        devices.wait_for_more(5)
        for role in ROLES:
            time.sleep(pause_s)
            pids = {r["pid"] for r in _roles(made) if r["role"] == role}
            began = time.monotonic()
            _kill(list(pids))
            _until(partial(_lives, made, role, pids), f"{role} lives again")
            lives_s = time.monotonic() - began
            devices.wait_for_more(1)
            note = f"every device has a yes again after {time.monotonic() - began:.1f} s"
            figures.append(figure(f"{role} lives again", "s", lives_s, note))
        began = time.monotonic()
        _kill(made.processes())
        _until(lambda: not made.processes(), "every process is gone")
        assert made.process is not None
        made.process.wait(10)
        made.output.unlink()
        began = time.monotonic()
        made.up()
        lives_s = time.monotonic() - began
        devices.wait_for_more(1)
        note = f"every device has a yes again after {time.monotonic() - began:.1f} s"
        figures.append(figure("all roles live again", "s", lives_s, f"killed at once, started anew; {note}"))
        devices.wait_for_more(5)
    finally:
        devices.stop()
    return figures + _kept(made, devices.senders)


class _Devices(threading.Thread):
    """Devices that post to gateway and portal until told to stop."""

    def __init__(self, made: Scratch) -> None:
        super().__init__(daemon=True)
        with (made.home / "secrets" / "devices.csv").open() as file:
            secrets = {row["device"]: row["secret"] for row in csv.DictReader(file)}
        codes = [f"T{number:04d}" for number in range(DATASTREAMS)]
        sites = [f"s{number:04d}" for number in range(SITES)]
        self.senders = [Sender(s, f"{s}-gw", secrets[f"{s}-gw"], codes, swing=90) for s in sites]
        half = SITES // 2
        self._loads = [
            Load(made.gateway_url, self.senders[:half], PERIOD_S),
            Load(made.url, self.senders[half:], PERIOD_S),
        ]
        self._loop, self._ending = asyncio.new_event_loop(), asyncio.Event()
        self.start()

    def run(self) -> None:
        async def run() -> None:
            await asyncio.gather(*(load.run(self._ending) for load in self._loads))

        self._loop.run_until_complete(run())

    def wait_for_more(self, messages: int) -> None:
        """Every device gets so many more yeses."""
        before = [len(sender.accepted) for sender in self.senders]
        _until(
            lambda: all(len(s.accepted) >= n + messages for s, n in zip(self.senders, before, strict=True)),
            "every device has a yes again",
        )

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self.join(PATIENCE_S)


def _kept(made: Scratch, senders: list[Sender]) -> list[Figure]:
    """What became of the readings that had a yes; raises RuntimeError when the promise was not kept."""
    _until(lambda: _is_drained(made), "the bus is empty")
    _until(lambda: made.run("ledger", "--deep").returncode == 0, "the ledger balances")
    stored, twice, alarms, doubled = _stored(made)
    lost = sum(len(set(s.accepted) - stored.get(s.site, set())) for s in senders) * DATASTREAMS
    figures = [
        figure("acknowledged", "readings", sum(len(s.accepted) for s in senders) * DATASTREAMS),
        figure("acknowledged and lost", "readings", lost),
        figure("stored twice", "readings", twice),
        figure("alarm episodes", "", alarms),
        figure("alarm episodes doubled", "", doubled, "overlapping ones of a rule, and second loops"),
        figure(
            "difference in the ledger", "readings", _difference(made), "of all boundaries; --deep balances"
        ),
    ]
    if lost or twice or doubled:
        raise RuntimeError(f"{lost} readings lost, {twice} stored twice, {doubled} alarms doubled")
    return figures


def _difference(made: Scratch) -> int:
    totals = json.loads(made.run("ledger", "--json").stdout)["totals"]
    return sum(abs(t["received"] - t["stored"] - t["duplicate"] - t["quarantined"]) for t in totals.values())


def _stored(made: Scratch) -> tuple[dict[str, set[int]], int, int, int]:
    """Times of whole messages in the Parquet files by site, readings there twice, alarms, and doubled ones."""
    import duckdb
    import psycopg

    secret = (made.home / "secrets" / "database").read_text()
    port = made.env["FENGSUI_DATABASE_PORT"]
    with psycopg.connect(f"postgresql://fengsui:{secret}@127.0.0.1:{port}/fengsui") as connection:

        def one(text: str) -> int:
            row = connection.execute(text).fetchone()
            return int(row[0]) if row else 0

        alarms, doubled = one("SELECT count(*) FROM alarms_alarm"), one(OVERLAPPING)
        doubled += one("SELECT count(*) - count(DISTINCT key) FROM loops_loop")
        site_of: dict[int, str] = dict(
            connection.execute(
                "SELECT d.id, s.code FROM devices_datastream d JOIN devices_site s ON s.id = d.site_id"
            ).fetchall()
        )
        files = [
            str(made.home / "history" / row[0])
            for row in connection.execute("SELECT path FROM history_segment")
        ]
    readings = duckdb.read_parquet(files)
    rows = readings.aggregate("datastream, epoch_ms(time), count(*)").fetchall()
    counted: dict[tuple[str, int], int] = {}
    twice = 0
    for datastream, time_ms, count in rows:
        twice += count - 1
        key = (site_of[datastream], time_ms)
        counted[key] = counted.get(key, 0) + 1
    whole: dict[str, set[int]] = {}
    for (site, time_ms), streams in counted.items():
        if streams == DATASTREAMS:
            whole.setdefault(site, set()).add(time_ms)
    return whole, twice, alarms, doubled


def _roles(made: Scratch) -> list[dict[str, Any]]:
    """What the roles answer on the bus; [] while it is away."""
    secret = (made.home / "secrets" / "nats").read_text().strip()
    url = f"nats://fengsui:{secret}@127.0.0.1:{made.env['FENGSUI_NATS_PORT']}"

    async def ask() -> list[dict[str, Any]]:
        client = await connect(url, "bench", wait_s=1)
        try:
            return await read_roles(client)
        finally:
            await client.close()

    try:
        return asyncio.run(ask())
    except (OSError, TimeoutError):
        return []


def _lives(made: Scratch, role: str, before: set[int]) -> bool:
    return any(r["role"] == role and r["ready"] and r["pid"] not in before for r in _roles(made))


def _is_drained(made: Scratch) -> bool:
    return any(r["role"] == "bus" and r["lag"].get("messages") == 0 for r in _roles(made))


def _kill(pids: list[int]) -> None:
    """SIGKILL, all at one instant: none sees that another is gone."""
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(0.05)
