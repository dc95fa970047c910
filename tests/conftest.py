"""Real parts for every test: PostgreSQL and NATS from their wheels, on free ports, in a folder of their own.

They are started once a run (the xdist controller starts them, its workers use them) and stopped at the end.
"""

import atexit
import functools
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import structlog
from hypothesis import settings as _hypothesis

from fengsui.run import memory, nats, postgres
from tests import prepared
from tests.prepared import ROOT, free_port

_hypothesis.register_profile(
    "fengsui", deadline=None, print_blob=True
)  # machines are shared: time is no verdict
_hypothesis.load_profile("fengsui")

LONGEST = (
    *("cluster", "crash", "platform", "pipeline-crash", "power-cut", "tutorial", "pipeline", "same-result"),
    *("mqtt", "readings-stream"),
)  # groups of tests that one worker runs, by what they took

_started: list[tuple[subprocess.Popen, int]] = []
_home: Path | None = None


def wait_until(condition, seconds: float = 20, what="a condition") -> None:
    """Poll ``condition`` until it is true; fail with ``what`` (words, or what gives them) at the deadline.

    A question that costs something is asked less often: who waits must not take the time of who is waited for.
    """
    began = asked = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now > began + seconds:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(min(max(0.02, 4 * (now - asked)), 0.5))
        asked = time.monotonic()


def pytest_unconfigure(config):
    if _home is None:
        return
    for process, how in reversed(_started):
        process.send_signal(how)
    for process, _how in _started:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    shutil.rmtree(_home, ignore_errors=True)


def _start_postgres(home: Path) -> None:
    port = free_port()
    prepared.put(home)
    command = postgres.command(
        home / "postgres", port, max_connections="400"
    )  # several test processes, each with roles of its own
    log = (home / "postgres.log").open("wb")
    _started.append((subprocess.Popen(command, stdout=log, stderr=log), signal.SIGINT))
    url = f"postgresql://fengsui:{prepared.PASSWORD}@127.0.0.1:{port}/fengsui"
    prepared.until(lambda: prepared.become_template(url), home / "postgres.log")
    os.environ["FENGSUI_DATABASE_URL"] = url


def _start_nats(home: Path) -> None:
    port, mqtt = free_port(), free_port()
    conf = home / "nats.conf"
    conf.write_text(nats.configuration(home / "nats", port, "test", mqtt=f"127.0.0.1:{mqtt}", sync=False))
    log = (home / "nats.log").open("wb")
    command = [str(nats.binary()), "-c", str(conf)]
    _started.append((subprocess.Popen(command, stdout=log, stderr=log), signal.SIGTERM))
    prepared.until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), home / "nats.log")
    os.environ["FENGSUI_NATS_URL"] = f"nats://fengsui:test@127.0.0.1:{port}"
    os.environ["FENGSUI_MQTT_PORT"] = str(mqtt)


@pytest.fixture(scope="session")
def nats_url() -> str:
    """A real NATS server with JetStream and MQTT, shared by the run: use names of your own for streams."""
    return os.environ["FENGSUI_NATS_URL"]


def pytest_ignore_collect(collection_path: Path, config) -> bool | None:
    """A lane reads only the files that have tests for it: each process of each lane would read all the others."""
    asked = {"browser": True, "not browser": False}.get(config.option.markexpr)
    if asked is None or not collection_path.is_file():
        return None
    return _drives_chromium(collection_path) is not asked or None


@functools.cache  # asked for each test of a file
def _drives_chromium(path: Path) -> bool:
    return ROOT / "tests" / "browser" in path.parents or path.stem.endswith("_in_a_browser")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # after pytest-django has sorted; before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Tests of the one shared platform run in one worker; those that drive Chromium are marked ``browser``.

    With several workers what takes longest comes first, so that none is left alone with it at the end.
    """
    for item in items:
        if _drives_chromium(item.path):
            item.add_marker(pytest.mark.browser)  # apart: Playwright's own event loop stays in its thread
        on_platform = "platform" in getattr(item, "fixturenames", ()) and "tests/run/" not in str(item.path)
        if on_platform and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("platform"))
        if "clean_bus" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("readings-stream"))  # one stream: one test at a time
    result = yield
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)
    return result


def pytest_collection_finish(session):
    """Modules and tests stay: the collector of cycles need not visit them, as in a role."""
    memory.settle()
    atexit.register(gc.unfreeze)  # or DuckDB counts what it never gets back


def _turn(item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args[0] in LONGEST:
        return LONGEST.index(group.args[0])
    return len(LONGEST) + (0 if item.get_closest_marker("slow") else 1 if group is not None else 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test leaves the logging of its process as it was: loggers made by it would write to its captured, closed
    standard error in every test after it."""
    before = structlog.get_config()["processors"]
    result = yield
    if structlog.get_config()["processors"] is not before:
        pytest.fail(
            f"{item.nodeid} configured structlog for the whole process: do that in a process of its own"
        )
    return result


@pytest.fixture
def fengsui_home(tmp_path, monkeypatch) -> Path:
    """An empty FENGSUI_HOME for one test."""
    monkeypatch.setenv("FENGSUI_HOME", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """The test database is a copy of the prepared one: migrations find nothing to do."""
    from django.db import connection

    connection.settings_dict["TEST"]["TEMPLATE"] = prepared.TEMPLATE


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """A test that commits leaves the tables as it found them: what a fresh database has, and nothing else.

    Django's own way truncates every table and installs anew what belongs to it; deleting takes a tenth of that.
    """
    from django.db import connection, transaction
    from django.test import TransactionTestCase

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        names = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
        names.remove("changes_change")  # counters only rise: who remembers one sees that all was changed
        cursor.execute("CREATE SCHEMA fresh")
        empty = [
            "UPDATE changes_change SET number = number + 1",
            *(f'DELETE FROM "{name}"' for name in names),
        ]
        for name in names:
            cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")')
            if cursor.fetchone()[0]:
                cursor.execute(f'CREATE TABLE fresh."{name}" AS TABLE "{name}"')
                empty.append(f'INSERT INTO "{name}" SELECT * FROM fresh."{name}"')
    # no triggers, any order; and back at once, should somebody's transaction go on around this
    as_replica, as_before = (f"SET LOCAL session_replication_role = {role}" for role in ("replica", "origin"))
    script = ";".join([as_replica, *empty, as_before])

    def restore(_self):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(script)

    TransactionTestCase._fixture_teardown = restore


# Here and in every process that a test starts: compiled once is enough, and containers often forbid it (see Makefile).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if "FENGSUI_TEST_HOME" not in os.environ:  # the controller, or a run without workers
    # At import, not in a hook: pytest-django reads the settings before any hook of ours could run.
    _home = Path(tempfile.mkdtemp(prefix="fengsui-test-"))
    os.environ["FENGSUI_TEST_HOME"] = os.environ["FENGSUI_HOME"] = str(_home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "fengsui.run.settings"
    (_home / "static").mkdir()  # empty: WhiteNoise warns of one that is not there
    _start_postgres(_home)
    _start_nats(_home)

from django.conf import settings as _settings  # noqa: E402

assert _settings.DATABASES  # read now, so that pytest-django sees configured settings and sets Django up


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    """All roles up, the demonstration region loaded, real series flowing: one for the live and browser tests."""
    from fengsui.run.scratch import Scratch

    made = Scratch(tmp_path_factory.mktemp("platform") / "var")
    prepared.put(made.home)
    made.up("--demo")
    yield made
    assert made.stop() == 0, made.said()


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium with a graphics card made of software: one browser for the run."""
    from django.conf import settings
    from playwright.sync_api import sync_playwright

    from fengsui.run.scratch import CHROMIUM

    path = shutil.which("chromium")
    assert path, "Chromium is missing: apt-get install -y --no-install-recommends chromium fonts-noto-cjk"
    manifest = Path(settings.DJANGO_VITE["default"]["manifest_path"])
    assert manifest.is_file(), "the screens are not built: make setup"
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def chinese_font() -> str:
    """A font that the PDFs need; where there is none a test is skipped, but not in CI."""
    from fengsui.sense.conform import pdf

    try:
        return pdf.chinese_font(())
    except pdf.NoFont as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(why))
