"""The worker outlives its database: PostgreSQL itself is killed and started again under it."""

import json
import os
import signal
import subprocess

import psycopg
import pytest

from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until


@pytest.fixture
def roles(tmp_path):
    """Bus, database and worker of a platform of the test's own; ``roles(name)`` starts one of them."""
    platform, running = Scratch(tmp_path / "var"), []
    prepared.put(platform.home)
    log = (tmp_path / "roles.log").open("ab")

    def start(name):
        process = subprocess.Popen(
            platform.command(name), env=platform.env, stdout=log, stderr=log, start_new_session=True
        )
        running.append(process)
        return process

    start.platform = platform
    yield start
    for process in reversed(running):
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    print((tmp_path / "roles.log").read_text()[-6000:])
    wait_until(lambda: not platform.processes(), 20, "every process has ended")


def statuses(platform):
    """Role → its answer, of the roles that are ready."""
    return {r["role"]: r for r in platform.roles() if r["ready"]}


@pytest.mark.slow
def test_postgresql_is_killed_and_comes_back(roles):
    platform = roles.platform
    roles("bus")
    database = roles("db")
    port = platform.env["FENGSUI_DATABASE_PORT"]

    def connect():
        password = (platform.home / "secrets" / "database").read_text()
        url = f"postgresql://fengsui:{password}@127.0.0.1:{port}/fengsui"
        return psycopg.connect(url, autocommit=True, connect_timeout=2)

    def answers(query, wanted):
        def ask():
            try:
                with connect() as session:
                    return session.execute(query).fetchone()[0] == wanted
            except (psycopg.Error, OSError):
                return False

        return ask

    wait_until(lambda: "db" in statuses(platform), 60, "the database is ready")
    worker = roles("worker")
    wait_until(lambda: "worker" in statuses(platform), 60, "the worker is ready")

    postmaster = int((platform.home / "postgres" / "postmaster.pid").read_text().split()[0])
    os.killpg(database.pid, signal.SIGKILL)
    try:
        os.kill(postmaster, signal.SIGKILL)
    except ProcessLookupError:
        pass
    database.wait(10)
    wait_until(lambda: "worker" not in statuses(platform), 30, "the worker says that it is not ready")
    again = [roles("db")]

    def is_back():
        if (
            again[-1].poll() is not None
        ):  # what was killed still held its memory; `fengsui up` would try again too
            again.append(roles("db"))
        return answers("SELECT 1", 1)()

    wait_until(is_back, 60, "the database is back")
    with connect() as session:
        session.execute(
            "INSERT INTO outbox_event (topic, payload, created_at, attempts, error) VALUES ('live', %s, now(), 0, '')",
            [json.dumps({"subject": "live.loop", "payload": {"type": "loop"}, "msg_id": "loop:1:1"})],
        )
    waiting = "SELECT count(*) FROM outbox_event WHERE handled_at IS NULL"
    wait_until(answers(waiting, 0), 40, "the event was handled after the restart")
    wait_until(lambda: "worker" in statuses(platform), 40, "the worker is ready again")
    assert worker.poll() is None, "the same process"
    worker.terminate()
    assert worker.wait(20) == 0
