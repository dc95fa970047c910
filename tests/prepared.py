"""PostgreSQL with every table and no rows of anybody, made once and copied wherever a test needs one of its own.

Making one costs ``initdb`` and all migrations, a copy costs a moment (``docs/decisions/0014``).  It is kept beside the
packages it was made with, under a name that says from what; a change of that makes a new one.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fengsui.run import postgres

ROOT = Path(__file__).parents[1]
PASSWORD = "test"
TEMPLATE = "prepared"  # the name of the database with all tables, on the server of the run
FAST = "fsync = off\nfull_page_writes = off\n"  # a killed process loses nothing by it, only a machine would

_MADE_FROM = (
    "requirements/run.txt",
    "tests/prepared.py",
    "src/fengsui/**/migrations/*.py",
    "src/fengsui/**/models.py",
    "src/fengsui/loops/**/*.*",  # the kinds that are installed with the tables
    "src/fengsui/run/settings.py",
    "src/fengsui/run/postgres.py",
)


def put(home: Path, *, durable: bool = False) -> None:
    """The database of a FENGSUI_HOME that has none yet: its folder and its secret.

    ``durable``: flushed, and with PostgreSQL's own care for power cuts.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    secret = home / "secrets" / "database"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    subprocess.run(["cp", "-a", "--reflink=auto", _cluster(), home / "postgres"], check=True)
    if durable:
        subprocess.run(["sync", "-f", home], check=True)
    else:
        with (home / "postgres" / "postgresql.conf").open("a") as conf:
            conf.write(FAST)


def become_template(url: str) -> None:
    """On a server that was ``put``: its database becomes ``TEMPLATE``, and ``url`` names an empty one."""
    import psycopg

    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE fengsui RENAME TO {TEMPLATE}")
        connection.execute(f"ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true")
    postgres.create_database(url)


def until(attempt: Callable[[], object], log: Path, seconds: float = 60) -> None:
    """Try ``attempt`` until it raises nothing; the end of ``log`` says why it never did."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except Exception as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{log.name}: {error}\n{log.read_text()[-2000:]}") from error
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _cluster() -> Path:
    """The folder to copy; made when it is not there, by one process while others wait."""
    kept = Path(sys.prefix) / "prepared"
    kept.mkdir(exist_ok=True)
    made = kept / _name()
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in kept.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            _make(kept / "draft")
            (kept / "draft").rename(made)
    return made


def _name() -> str:
    digest = hashlib.sha256(f"{os.geteuid()} {sys.version}".encode())
    for pattern in _MADE_FROM:
        for file in sorted(ROOT.glob(pattern)):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _make(data: Path) -> None:
    postgres.initialise(data, PASSWORD, sync=False)
    port = free_port()
    url = f"postgresql://fengsui:{PASSWORD}@127.0.0.1:{port}/fengsui"
    with tempfile.TemporaryDirectory(prefix="fengsui-prepared-") as folder:
        log = Path(folder) / "postgres.log"
        with log.open("wb") as out:
            command = postgres.command(data, port, fsync="off", full_page_writes="off")
            server = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            until(lambda: postgres.create_database(url), log)
            clean = {k: v for k, v in os.environ.items() if not k.startswith("FENGSUI_")}
            subprocess.run(
                [sys.executable, "-m", "fengsui.run", "migrate"],
                env={**clean, "FENGSUI_HOME": folder, "FENGSUI_DATABASE_URL": url},
                check=True,
            )
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
