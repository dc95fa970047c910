"""The whole path: devices over HTTP, gateway, bus, pipeline, history, alarms; all roles and the load on one machine.

First at the rate of a nation's points (440,000 readings a second), then at two million a second, then as fast as it
goes.  Every write is synced.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.fill import fill
from fengsui.run.benches.spine import OpenPage
from fengsui.run.benches.start import resident_mib
from fengsui.run.scratch import Scratch

ABOUT = (
    "the whole path with 440,000 datastreams: at 440,000 and at 2,000,000 readings/s, and as fast as it goes, "
    "load included"
)
SITES, DATASTREAMS = 880, 500
RATE, HIGH_RATE = 440_000, 2_000_000
ALARM_SITES = 20
BRANCHES = {
    f"fengsui-{role}"[:15]: role for role in ("gateway", "pipeline", "web", "worker", "replay", "video")
}
TICK = os.sysconf("SC_CLK_TCK")


def bench(seconds: float) -> list[Figure]:
    with nation() as made:
        mib = resident_mib(made.processes())
        return [
            figure("memory of all roles, idle", "MiB", mib, "440,000 datastreams"),
            *_at(made, "at the nation's rate", RATE / DATASTREAMS, seconds),
            *_at(made, "at two million a second", HIGH_RATE / DATASTREAMS, seconds),
            *_at(made, "as fast as it goes", 0, seconds),
        ]


@contextlib.contextmanager
def nation() -> Iterator[Scratch]:
    """A platform with as many datastreams as the country has points, up and knowing them all."""
    with tempfile.TemporaryDirectory() as folder:
        pack.write(Path(folder) / "regions" / "nation", 1, DATASTREAMS)
        made = Scratch(
            Path(folder) / "var", FENGSUI_REGIONS=str(Path(folder) / "regions"), FENGSUI_LOG_LEVEL="warning"
        )
        made.up()
        try:
            loaded = made.run("region", "load", "nation", seconds=300)
            if loaded.returncode:
                raise RuntimeError(loaded.stderr)
            fill(made, SITES, DATASTREAMS)
            _settled(made)
            yield made
        finally:
            made.stop()


def _at(made: Scratch, how: str, rate: float, seconds: float) -> list[Figure]:
    page = OpenPage(made.url)
    before, began = cpu(made), time.monotonic()
    bytes_before = history(made)
    load = flood(made, rate, seconds)
    time.sleep(seconds * 0.8)
    memory = resident_mib(made.processes())
    out = json.loads(load.communicate(timeout=seconds + 120)[0])
    wall = time.monotonic() - began
    used = {role: round(cpu - before.get(role, 0.0), 2) for role, cpu in cpu(made).items()}
    if out["other"]:
        raise RuntimeError(f"{how}: not every message was accepted: {out['other']}")
    drained_s = drained(made)
    used["load"] = round(out["cpu_s"], 2)
    page.close()
    accepted = out["messages"] * DATASTREAMS
    parts = by_size(used, wall)
    lag = "" if not rate else f"; the latest message was {out['late_s']:.2f} s behind its time"
    return [
        figure(f"{how}: accepted", "readings/s", accepted / out["seconds"], f"{DATASTREAMS} a message{lag}"),
        figure(
            f"{how}: accepted and stored",
            "readings/s",
            accepted / (wall + drained_s),
            "until all is committed",
        ),
        figure(f"{how}: CPU", "cores", sum(used.values()) / wall, parts),
        figure(f"{how}: memory of all roles", "MiB", memory),
        figure(f"{how}: answer to a device, p50", "ms", out["answer_ms"][0]),
        figure(f"{how}: answer to a device, p99", "ms", out["answer_ms"][1]),
        *latency(how, page.latency_ms),
        figure(
            f"{how}: bytes on disk", "B/reading", (history(made) - bytes_before) / accepted, "before merging"
        ),
    ]


def by_size(used: dict[str, float], wall: float) -> str:
    """Cores by role, the most used first, of CPU seconds in ``wall`` seconds."""
    return " · ".join(f"{role} {cpu / wall:.2f}" for role, cpu in sorted(used.items(), key=lambda x: -x[1]))


def latency(how: str, found: list[float]) -> list[Figure]:
    if len(found) < 5:
        raise RuntimeError(f"{how}: only {len(found)} alarms reached the page")
    cuts = statistics.quantiles(found, n=1000) if len(found) > 1 else found * 999
    note = f"{len(found)} alarms; from received at the gateway to an open page"
    return [
        figure(f"{how}: alarm latency p50", "ms", cuts[499], note),
        figure(f"{how}: alarm latency p99", "ms", cuts[989]),
        figure(f"{how}: alarm latency worst", "ms", max(found)),
    ]


def flood(made: Scratch, rate: float, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "fengsui.run.benches.senders", made.gateway_url, "--sites", str(SITES),
            "--datastreams", str(DATASTREAMS), "--seconds", str(seconds), "--rate", str(rate),
            "--alarm-sites", str(ALARM_SITES), "--connections", str(SITES),
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _settled(made: Scratch) -> None:
    """Every role knows the registry: a short flood is accepted as a whole, and worked off."""
    deadline = time.monotonic() + 240
    while True:
        out = json.loads(flood(made, 100, 4).communicate()[0])
        if not out["other"] and drained(made) < 20:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the registry is not known: {out}")
        time.sleep(5)


def drained(made: Scratch) -> float:
    """Seconds until the bus is empty and the ledger balances."""
    began = time.monotonic()
    while waiting(made):
        if time.monotonic() - began > 300:
            raise RuntimeError(f"the bus is not worked off: {made.roles()}")
        time.sleep(0.2)
    took = time.monotonic() - began
    done = made.run("ledger")
    while done.returncode:
        if time.monotonic() - began > 360:
            raise RuntimeError(f"the ledger does not balance: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        time.sleep(1)
        done = made.run("ledger")
    return took


def waiting(made: Scratch) -> int:
    roles: dict[str, Any] = {role["role"]: role for role in made.roles()}
    return int(roles["bus"]["lag"]["messages"]) if roles.get("bus", {}).get("ready") else 1


def cpu(made: Scratch) -> dict[str, float]:
    """CPU seconds so far, by role; a server that a role started counts for the role."""
    out: dict[str, float] = {}
    for role, pids in by_role(made).items():
        for pid in pids:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                out[role] = out.get(role, 0.0) + (int(fields[11]) + int(fields[12])) / TICK
    return out


def by_role(made: Scratch) -> dict[str, list[int]]:
    """The processes of each role, without the load."""
    out: dict[str, list[int]] = {}
    for pid in made.processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        text = " ".join(words)
        if "benches.senders" in text:
            continue
        role = "bus" if "nats-server" in text else "db" if "postgres" in text else ""
        role = role or BRANCHES.get(name, "")
        role = role or next((w for i, w in enumerate(words) if i and words[i - 1] == "fengsui.run"), "other")
        out.setdefault(role, []).append(pid)
    return out


def history(made: Scratch) -> int:
    return sum(path.stat().st_size for path in (made.home / "history").rglob("*.parquet"))
