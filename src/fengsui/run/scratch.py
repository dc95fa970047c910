"""A whole Fengsui of its own, for tests, pictures and benchmarks: roles as processes, free ports, its own folder."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nats.errors

from fengsui.run import status

PORTS = (
    "FENGSUI_PORT",
    "FENGSUI_GATEWAY_PORT",
    "FENGSUI_MQTT_PORT",
    "FENGSUI_DATABASE_PORT",
    "FENGSUI_NATS_PORT",
)
SMALL = {"PYTHONUNBUFFERED": "1", "FENGSUI_MIN_FREE_BYTES": str(32 << 20)}

# Chromium where there is no screen and no graphics card: the same picture on every machine.
CHROMIUM = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
]


def free_ports(count: int) -> list[int]:
    """Ports that were free at the same instant."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Scratch:
    """``fengsui`` commands against one FENGSUI_HOME."""

    def __init__(self, home: Path, **settings: str):
        self.home = home
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FENGSUI_")}
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.env = {**clean, **ports, "FENGSUI_HOME": str(home), **SMALL, **settings}
        self.url = f"http://127.0.0.1:{self.env['FENGSUI_PORT']}"
        self.gateway_url = f"http://127.0.0.1:{self.env['FENGSUI_GATEWAY_PORT']}"
        self.mqtt_port = int(self.env["FENGSUI_MQTT_PORT"])
        self.process: subprocess.Popen[bytes] | None = None
        self.output = home.with_name(home.name + ".out")

    def command(self, *words: str, prefix: list[str] | None = None) -> list[str]:
        return [*(prefix or []), sys.executable, "-m", "fengsui.run", *words]

    def run(self, *words: str, seconds: float = 120, **more: Any) -> subprocess.CompletedProcess[str]:
        """One command to its end, its output as text."""
        return subprocess.run(
            self.command(*words), env=self.env, capture_output=True, text=True, timeout=seconds, **more
        )

    def up(self, *words: str, seconds: float = 150) -> None:
        """``fengsui up`` until it says that everything is up."""
        self.start("up", *words)
        deadline = time.monotonic() + seconds
        while "Everything is up" not in self.said():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not up:\n{self.said()}\n{self.logs()}")
            time.sleep(0.1)

    def start(self, *words: str, prefix: list[str] | None = None) -> None:
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(*words, prefix=prefix),
                env=self.env,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def stop(self, how: int = signal.SIGINT, seconds: float = 60) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def said(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def logs(self) -> str:
        files = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-1500:]}" for f in files)

    def roles(self) -> list[dict[str, Any]]:
        """What ``fengsui status`` lists, asked from this process: a process only to ask costs half a second."""
        own = {role for role, name in status.OWN.items() if self.env.get(name)}
        try:
            asked = status.ask(self.nats_url())
            with ThreadPoolExecutor(1) as thread:  # whoever drives a browser has a running loop in theirs
                return status.complete(thread.submit(asyncio.run, asked).result(), own)
        except (OSError, TimeoutError, nats.errors.Error):  # no bus now, or one that went in between
            return status.complete([], own)

    def is_well(self) -> bool:
        """Every expected role answers and is ready."""
        return status.healthy(self.roles())

    def pid_of(self, role: str) -> int:
        return next(int(r["pid"]) for r in self.roles() if r["role"] == role and "pid" in r)

    def nats_url(self) -> str:
        """Where its bus answers.  Raises FileNotFoundError before that has its secret."""
        secret = self.home / "secrets" / "nats"
        return self.env.get("FENGSUI_NATS_URL") or (
            f"nats://fengsui:{secret.read_text().strip()}@127.0.0.1:{self.env['FENGSUI_NATS_PORT']}"
        )

    def processes(self) -> list[int]:
        """Every process that belongs to this FENGSUI_HOME: by its environment or command line, or its parent's."""
        marks = (f"FENGSUI_HOME={self.home}".encode(), str(self.home).encode() + b"/")
        found, parents = set(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
                state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            except OSError:
                continue
            if state == "Z" or (number := int(folder.name)) == os.getpid():
                continue
            parents[number] = int(parent)
            if any(mark in text for mark in marks):
                found.add(number)
        # a server process of PostgreSQL writes over what it was started with
        return sorted(found | {number for number, parent in parents.items() if parent in found})
