"""The role ``db``: the embedded PostgreSQL, as a child that stops cleanly with us."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import psycopg
import structlog

from fengsui.run import child, ports, postgres, room, settings
from fengsui.run.metrics import exchange
from fengsui.stores.bus import Heartbeat, Looker, connect

HELP = "the embedded PostgreSQL 18"
log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    if settings.value("FENGSUI_DATABASE_URL"):
        print(
            "FENGSUI_DATABASE_URL is set: your PostgreSQL is used, there is nothing to start", file=sys.stderr
        )
        return 2
    try:
        return asyncio.run(_serve())
    except (postgres.CannotStart, ports.PortBusy) as error:
        print(f"fengsui db: {error}", file=sys.stderr)
        return 3


async def _serve() -> int:
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    data = settings.home() / "postgres"
    port = settings.number("FENGSUI_DATABASE_PORT")
    await asyncio.to_thread(_stop_left_over, data)
    ports.require_free("127.0.0.1", port, "FENGSUI_DATABASE_PORT")
    await asyncio.to_thread(postgres.initialise, data, settings.secret("database"))
    process = await child.start(postgres.command(data, port), out=sys.stderr.fileno(), how=signal.SIGINT)
    ended = asyncio.create_task(process.wait())
    heartbeat = asyncio.create_task(_beat(settings.database_url()))
    await asyncio.wait([ended, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
    heartbeat.cancel()
    if not stopping.is_set():
        log.error("db.ended", code=process.returncode)
        return 1
    await child.stop(process, signal.SIGINT, seconds=20)
    return 0


def _stop_left_over(data: Path) -> None:
    """End a server that outlived a killed role, or wait for the one that is just ending."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    for how, seconds in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        if not _is_postgres(pid, data):
            return
        log.warning("db.left_over", pid=pid, signal=how.name)
        os.kill(pid, how)
        for _ in range(seconds * 20):
            if not _is_postgres(pid, data):
                return
            signal.sigtimedwait([], 0.05)


def _is_postgres(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and command[0].endswith(b"postgres") and str(data).encode() in command


async def _beat(url: str) -> None:
    """Answer for the database once the bus is there; ``ready`` follows a real query."""
    client = await connect(settings.nats_url(), "db", wait_s=3600)
    heartbeat = Heartbeat(client, "db")
    await heartbeat.start()
    looker = room.looker(settings.home() / "postgres")
    await exchange.answer(client, heartbeat)
    await asyncio.gather(looker.tell(client), _follow(url, heartbeat, looker))


async def _follow(url: str, heartbeat: Heartbeat, looker: Looker) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                url, connect_timeout=3, dbname="postgres"
            ) as connection:
                heartbeat.ready = True
                while True:
                    row = await (
                        await connection.execute(
                            "SELECT count(*) FILTER (WHERE state = 'active') - 1, count(*) FROM pg_stat_activity"
                        )
                    ).fetchone()
                    active = {"active": row[0], "connections": row[1]} if row else {}
                    heartbeat.lag = {**active, **looker.lag}
                    await connection.rollback()
                    await asyncio.sleep(5)
        except psycopg.Error:
            heartbeat.ready = False
            await asyncio.sleep(0.3)
