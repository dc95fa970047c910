"""Roles: started, watched, restarted, stopped; every refusal is one clear line."""

import json
import os
import signal
import socket
import stat
from pathlib import Path

import psycopg
import pytest

from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until


@pytest.fixture
def platform(tmp_path):
    made = Scratch(tmp_path / "var")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
    wait_until(lambda: not made.processes(), 20, "every process of the platform has ended")


def as_user(name: str) -> list[str]:
    """A prefix under which a command is root, or is not: a user namespace where it has to be."""
    is_root = os.geteuid() == 0
    if name == "root":
        return [] if is_root else ["unshare", "--user", "--map-root-user"]
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if is_root else []


@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_the_database_runs_in_a_private_folder_and_opens_nothing(tmp_path, user):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    database = Scratch(private / "var")
    above = [private, *private.parents]
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in above}
    accounts = Path("/etc/passwd").read_bytes()

    database.start("db", prefix=as_user(user))
    url = f"postgresql://fengsui@127.0.0.1:{database.env['FENGSUI_DATABASE_PORT']}/postgres"

    def answers():
        password = database.home / "secrets" / "database"
        if database.process.poll() is not None:
            pytest.fail(database.said())
        try:
            with psycopg.connect(url, password=password.read_text(), connect_timeout=2) as connection:
                return connection.execute("SHOW server_version_num").fetchone()[0].startswith("18")
        except (psycopg.OperationalError, OSError):
            return False

    wait_until(answers, 60, "the database answers")
    assert database.stop(signal.SIGTERM) == 0
    assert database.processes() == []
    assert {folder: stat.S_IMODE(folder.stat().st_mode) for folder in above} == modes
    assert Path("/etc/passwd").read_bytes() == accounts


def test_a_database_that_outlived_its_killed_role_is_taken_over(platform):
    platform.start("db")
    pid_file = platform.home / "postgres" / "postmaster.pid"

    def ready():
        return pid_file.exists() and "ready" in pid_file.read_text()

    wait_until(ready, 60, "the database is ready")
    platform.process.send_signal(signal.SIGKILL)
    platform.process.wait()
    first = pid_file.read_text().split()[0] if pid_file.exists() else ""
    platform.start("db")
    wait_until(lambda: ready() and pid_file.read_text().split()[0] != first, 60, "a new database is ready")
    assert platform.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    "name", ["FENGSUI_PORT", "FENGSUI_MQTT_PORT", "FENGSUI_DATABASE_PORT", "FENGSUI_NATS_PORT"]
)
def test_a_busy_port_is_one_line_that_names_the_setting(platform, name):
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(platform.env[name])))
        other.listen()
        done = platform.run("up")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
    assert platform.env[name] in done.stderr


def test_a_setting_that_is_no_number_is_named(platform):
    platform.env["FENGSUI_PORT"] = "eighty"
    done = platform.run("up")
    assert done.returncode == 3
    assert "FENGSUI_PORT must be a whole number, not 'eighty'" in done.stderr


def test_reset_asks_for_the_folder_by_name(platform):
    (platform.home / "history").mkdir(parents=True)
    (platform.home / "history" / "a.parquet").write_bytes(b"x")
    refused = platform.run("reset", input="yes\n")
    assert refused.returncode == 1
    assert (platform.home / "history" / "a.parquet").exists()
    assert platform.run("reset", input="var\n").returncode == 0
    assert [p.name for p in platform.home.iterdir()] == ["up.lock"] or list(platform.home.iterdir()) == []


def test_status_without_a_bus_says_so(platform):
    done = platform.run("status")
    assert done.returncode == 1
    assert "no NATS answers" in done.stderr
    assert "pipeline   down" in done.stdout


def test_an_unknown_command_lists_the_commands(platform):
    done = platform.run("fly")
    assert done.returncode == 2
    assert "usage: fengsui COMMAND" in done.stderr
    for line in done.stderr.splitlines()[2:-2]:
        assert len(line.split(maxsplit=1)) == 2, f"no help for {line}"


@pytest.mark.slow
def test_up_restarts_what_dies_and_leaves_nothing_behind(platform):
    prepared.put(platform.home)
    platform.up()
    assert platform.is_well()
    asked = platform.run("status", "--json")
    assert (asked.returncode, json.loads(asked.stdout)["ok"]) == (0, True)
    second = platform.run("up")
    assert second.returncode == 3
    assert "fengsui is running on" in second.stderr
    for role in ("worker", "bus", "db"):
        pid = platform.pid_of(role)
        os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda role=role, pid=pid: any(
                r["role"] == role and r["ready"] and r.get("pid") != pid for r in platform.roles()
            ),
            60,
            f"{role} is back",
        )
        assert f"{role:<10} down      killed by signal 9; starts again in 0.5 s" in platform.said()
    wait_until(platform.is_well, 60, "all roles are up again")
    assert platform.stop() == 0
    wait_until(lambda: not platform.processes(), 5, "nothing is left running")
    assert platform.said().rstrip().endswith("stopped")


@pytest.mark.slow
def test_roles_end_with_the_stem_they_were_forked_from_and_start_again(platform):
    prepared.put(platform.home)
    platform.up()
    before = {role["role"]: role["pid"] for role in platform.roles()}
    stem = next(pid for pid in platform.processes() if b"\0stem\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
                and pid not in before.values())  # fmt: skip
    os.kill(stem, signal.SIGKILL)

    def again():
        now = {role["role"]: role.get("pid") for role in platform.roles() if role["ready"]}
        return len(now) == len(before) and all(
            (now[role] == pid) is (role in ("bus", "db")) for role, pid in before.items()
        )

    wait_until(again, 60, "all roles but the stores are new and ready")
    assert platform.stop() == 0
    wait_until(lambda: not platform.processes(), 5, "nothing is left running")


@pytest.mark.slow
def test_a_killed_supervisor_takes_its_roles_with_it(platform):
    platform.up()  # from an empty folder, all tables made
    platform.process.send_signal(signal.SIGKILL)
    platform.process.wait()
    wait_until(lambda: not platform.processes(), 30, "the roles end with their supervisor")
    platform.up()
