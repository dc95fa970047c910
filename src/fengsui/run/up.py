"""The command ``fengsui up``: all roles on this machine, watched, restarted when they die, stopped as one."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TextIO

from nats.aio.client import Client
from nats.errors import Error

from fengsui.run import child, lock, ports, settings
from fengsui.run.branches import NoStem, Stem
from fengsui.stores.bus import connect, read_roles

HELP = "start every role on this machine, until Ctrl-C"
DEMO_REGION = "yichang"
BACKOFF_S = (0.5, 1, 2, 4, 8, 15, 30)
HEALTHY_AFTER_S = 60  # a role that lived this long starts again without waiting
READY_WITHIN_S = 120
KEEP_LOG_BYTES = 20 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--demo", action="store_true", help="with the demonstration region and its real series"
    )
    parser.add_argument("--region", default=DEMO_REGION, help="region pack of --demo (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    os.environ["FENGSUI_HOME"] = str(settings.home())  # the same folder for every child, wherever it runs
    try:
        with lock.only_one(settings.home()):
            _require_ports()
            return asyncio.run(Supervisor(args.region if args.demo else "").run())
    except (lock.AlreadyRunning, ports.PortBusy, ValueError) as error:
        _print(f"fengsui up: {error}", file=sys.stderr)
        return 3


@dataclass
class Role:
    """One process to keep alive.  ``name`` tells several pipelines apart."""

    name: str
    command: list[str]
    started_at: float = 0
    ready: bool = False
    deaths: int = 0
    process: child.Process | None = field(default=None, repr=False)


class Supervisor:
    """Starts, watches and stops the roles; prints one line whenever the state of one changes."""

    def __init__(self, region: str):
        self.region = region
        self.began = time.monotonic()
        self.stopping = asyncio.Event()
        self.stores = [
            Role(name, [name])
            for name, own in (("bus", "FENGSUI_NATS_URL"), ("db", "FENGSUI_DATABASE_URL"))
            if not settings.value(own)
        ]
        pipelines = settings.number("FENGSUI_PIPELINES")
        self.roles = [
            Role("gateway", ["gateway"]),
            *(
                Role("pipeline" if pipelines == 1 else f"pipeline-{n}", ["pipeline"])
                for n in range(1, pipelines + 1)
            ),
            Role("web", ["web"]),
            Role("worker", ["worker"]),
        ]
        if settings.value("FENGSUI_VIDEO") == "1":
            self.roles.append(Role("video", ["video"]))
        if region:
            self.roles.append(Role("replay", ["replay", "--region", region]))
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._beats = _Beats()
        self._stem = Stem()

    async def run(self) -> int:
        child.on_stop_signals(self.stopping)
        _print(
            f"Fengsui starts in {settings.home()}; logs are in its folder logs. Ctrl-C stops it.", flush=True
        )
        try:
            code = await self._start()
            if code == 0 and not self.stopping.is_set():
                self._greet()
                await self.stopping.wait()
        finally:
            await self._stop()
        return code

    async def _start(self) -> int:
        self._keep(self.stores)
        await self._read()
        if not await self._until_ready(self.stores, _answers):
            return self._gave_up(self.stores)
        if (code := await self._migrate()) or self.stopping.is_set():
            return code
        self._keep(self.roles)
        if not await self._until_ready(self.roles, self._beats):
            return self._gave_up(self.roles)
        return 0

    def _keep(self, roles: list[Role]) -> None:
        for role in roles:
            self._keepers[role.name] = asyncio.create_task(self._keep_alive(role), name=role.name)

    async def _keep_alive(self, role: Role) -> None:
        log_path = _log_file(role.name)
        while not self.stopping.is_set():
            with _open_log(log_path) as log:
                role.process = await self._begin(role.command, log, alone=role in self.stores)
            role.started_at, role.ready = time.monotonic(), False
            code = await role.process.wait()
            if self.stopping.is_set():
                return
            role.deaths = 0 if time.monotonic() - role.started_at > HEALTHY_AFTER_S else role.deaths + 1
            wait_s = BACKOFF_S[min(role.deaths, len(BACKOFF_S)) - 1] if role.deaths else BACKOFF_S[0]
            how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
            said = _last_line(log_path)
            self._say(
                role, "down", f"{how}; starts again in {wait_s:g} s{'  ' + said if code > 0 and said else ''}"
            )
            try:
                await asyncio.wait_for(self.stopping.wait(), wait_s)
            except TimeoutError:
                continue

    async def _read(self) -> None:
        """See that there is a process to fork from: it reads while the stores start."""
        with contextlib.suppress(OSError), _open_log(_log_file("stem")) as log:
            await self._stem.start(log)

    async def _begin(self, words: list[str], log: IO[bytes], *, alone: bool = False) -> child.Process:
        """A command as a fork, or as a process of its own where there is nothing to fork from."""
        if not alone:
            await self._read()
            try:
                return await self._stem.branch(words, log)
            except NoStem:
                _print(f"stem       down      {words[0]} starts for itself", flush=True)
        return await child.start([sys.executable, "-m", "fengsui.run", *words], out=log)

    async def _until_ready(self, roles: list[Role], find_ready: Any) -> bool:
        """Wait for the first readiness of all, then go on watching in the background."""
        watcher = asyncio.create_task(self._watch(roles, find_ready))
        self._keepers[f"watch {roles[0].name if roles else ''}"] = watcher
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and not self.stopping.is_set():
            if all(role.ready for role in roles):
                return True
            await asyncio.sleep(0.05)
        return self.stopping.is_set()

    async def _watch(self, roles: list[Role], find_ready: Any) -> None:
        while not self.stopping.is_set():
            waiting = [role for role in roles if not role.ready and role.process is not None]
            if waiting:
                pids = await find_ready(waiting)
                for role in waiting:
                    if role.process is not None and role.process.pid in pids:
                        role.ready = True
                        self._say(
                            role,
                            "up",
                            f"pid {role.process.pid}, after {time.monotonic() - role.started_at:.1f} s",
                        )
            await asyncio.sleep(0.1 if waiting else 0.5)

    async def _migrate(self) -> int:
        command = ["migrate", *(["--region", self.region] if self.region else [])]
        began = time.monotonic()
        with _log_file("migrate").open("ab") as log:
            code = await (await self._begin(command, log)).wait()
        if code:
            _print(
                f"the database could not be brought up to date: {_last_line(_log_file('migrate'))}",
                file=sys.stderr,
            )
        else:
            _print(
                f"{'database':<10} ready     tables up to date, {time.monotonic() - began:.1f} s", flush=True
            )
        return code

    def _gave_up(self, roles: list[Role]) -> int:
        late = [role.name for role in roles if not role.ready]
        for name in late:
            _print(
                f"{name} was not ready within {READY_WITHIN_S} s: {_last_line(_log_file(name))}",
                file=sys.stderr,
            )
        return 1

    def _greet(self) -> None:
        bind, port = settings.value("FENGSUI_BIND"), settings.number("FENGSUI_PORT")
        host = "127.0.0.1" if bind in ("0.0.0.0", "::") else bind  # noqa: S104
        _print(
            f"Everything is up after {time.monotonic() - self.began:.1f} s: http://{host}:{port}/", flush=True
        )

    async def _stop(self) -> None:
        self.stopping.set()
        _print("stopping …", flush=True)
        await self._beats.close()
        for group in (list(reversed(self.roles)), list(reversed(self.stores))):
            running = [role for role in group if role.process is not None and role.process.returncode is None]
            await asyncio.gather(*(self._stop_role(role) for role in running))
        await self._stem.stop()
        for task in self._keepers.values():
            task.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        _print("stopped", flush=True)

    async def _stop_role(self, role: Role) -> None:
        assert role.process is not None
        await child.stop(role.process, signal.SIGTERM, seconds=25)
        self._say(role, "stopped")

    def _say(self, role: Role, state: str, more: str = "") -> None:
        _print(f"{role.name:<10} {state:<9} {more}".rstrip(), flush=True)


async def _answers(roles: list[Role]) -> set[int]:
    """Pids of the stores that really answer a client."""
    import psycopg

    found: set[int] = set()
    for role in roles:
        try:
            if role.name == "db":
                url = settings.database_url()
                connection = await psycopg.AsyncConnection.connect(url, connect_timeout=2, dbname="postgres")
                await connection.close()
            else:
                client = await connect(settings.nats_url(), "up", wait_s=1)
                answers = {a["role"] for a in await read_roles(client, seconds=0.3) if a["ready"]}
                await client.close()
                if role.name not in answers:
                    continue
        except (psycopg.Error, OSError, TimeoutError):
            continue
        if role.process is not None:
            found.add(role.process.pid)
    return found


class _Beats:
    """Finds the roles that answer on the bus and are ready, over one connection."""

    def __init__(self) -> None:
        self._client: Client | None = None

    async def __call__(self, roles: list[Role]) -> set[int]:
        try:
            if self._client is None:
                self._client = await connect(settings.nats_url(), "up", wait_s=1)
            answers = await read_roles(self._client, seconds=0.4)
            return {a["pid"] for a in answers} - {a["pid"] for a in answers if not a["ready"]}
        except (TimeoutError, OSError, Error):
            return set()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _require_ports() -> None:
    """Every port we shall listen on, before anything is started."""
    bind = settings.value("FENGSUI_BIND")
    wanted = [(bind, "FENGSUI_PORT"), (bind, "FENGSUI_GATEWAY_PORT")]
    if settings.value("FENGSUI_VIDEO") == "1":
        wanted.append((bind, "FENGSUI_SIP_PORT"))
    if not settings.value("FENGSUI_NATS_URL"):
        wanted += [("127.0.0.1", "FENGSUI_NATS_PORT"), (bind, "FENGSUI_MQTT_PORT")]
    if not settings.value("FENGSUI_DATABASE_URL"):
        wanted.append(("127.0.0.1", "FENGSUI_DATABASE_PORT"))
    for host, name in wanted:
        ports.require_free(host, settings.number(name), name)


def _log_file(name: str) -> Path:
    path = settings.home() / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > KEEP_LOG_BYTES:
        shutil.move(path, path.with_suffix(".log.1"))
    return path


def _print(*words: str, flush: bool = True, file: TextIO | None = None) -> None:
    """To whoever watches; a full disk behind it must not end the watching."""
    with contextlib.suppress(OSError):
        print(*words, flush=flush, file=file or sys.stdout)


def _open_log(path: Path) -> IO[bytes]:
    """To append to; nothing is kept while the disk cannot hold a new file."""
    try:
        return path.open("ab")
    except OSError:
        return open(os.devnull, "ab")


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
