"""The first page of every list, of the map and of search, over HTTP, in a province of 50,000 sites."""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from fengsui.run.bench_lists import ALARMS, DATASTREAMS_EACH, SITES, STANDING
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.scratch import Scratch

ABOUT = "first page of lists, map and search with 150,000 datastreams and 50,000 sites (goal: under 200 ms)"
ROLES = ("db", "bus", "web")
NOTE = f"{SITES:,} sites, {SITES * DATASTREAMS_EACH:,} datastreams, {ALARMS:,} alarms, {STANDING:,} standing"
PROVINCE = "bbox=108.3,29.0,116.1,33.3"

PAGES = {
    "list of sites": "/sites/",
    "list of sites, search": "/sites/?q=液氨库",
    "list of alarms, standing": "/alarms/",
    "list of alarms, record": "/alarms/?show=all",
    "list of rules": "/rules/",
    "list of loops": "/loops/",
    "organisations": "/orgs/",
    "API: sites": "/api/v1/sites",
    "API: standing alarms": "/api/v1/alarms?standing=true",
    "API: timeline of a week": "/api/v1/alarms/timeline?hours=168",
    "API: who am I": "/api/v1/me",
    "map: the province": f"/api/v1/map/sites?{PROVINCE}&zoom=6",
    "map: a county": "/api/v1/map/sites?bbox=111.2,30.6,111.8,30.9&zoom=10",
    "search: Chinese, many hits": "/api/v1/search?q=反应器",
    "search: Chinese, two words": "/api/v1/search?q=储罐 液位",
    "search: a code": "/api/v1/search?q=S012345",
    "search: English": "/api/v1/search?q=separator",
    "search: one character": "/api/v1/search?q=东",
}
RUNS = 7


def bench(seconds: float) -> list[Figure]:
    with province() as (url, sessions):
        return [f for who, key in sessions.items() for f in _pages(url, who, key)]


@contextmanager
def province() -> Iterator[tuple[str, dict[str, str]]]:
    """The portal of a province of its own: its address, and session keys by who looks."""
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        roles = []
        try:
            for role in ROLES[:2]:
                roles.append(subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: made.run("migrate").returncode == 0)
            filled = subprocess.run(
                [*made.command()[:-1], "fengsui.run.bench_lists"],
                env=made.env,
                capture_output=True,
                text=True,
            )
            if filled.returncode:
                raise RuntimeError(filled.stderr[-2000:])
            sessions = json.loads(filled.stdout.splitlines()[-1])
            roles.append(subprocess.Popen(made.command("web"), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: _answers(made.url))
            yield made.url, sessions
        finally:
            for process in reversed(roles):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def _pages(url: str, who: str, key: str) -> list[Figure]:
    figures = []
    with httpx.Client(base_url=url, cookies={"sessionid": key}, timeout=60) as client:
        for name, path in PAGES.items():
            first, later = None, []
            for _ in range(RUNS):
                began = time.monotonic()
                response = client.get(path)
                taken = (time.monotonic() - began) * 1000
                if response.status_code != 200:
                    raise RuntimeError(f"{path} as {who}: {response.status_code}")
                if first is None:
                    first = taken
                else:
                    later.append(taken)
            note = (
                f"{NOTE}; first time {first:.0f} ms"
                if name == "list of sites"
                else f"first time {first:.0f} ms"
            )
            figures.append(figure(f"{name} ({who})", "ms", later, note))
    return figures


def _answers(url: str) -> bool:
    try:
        return httpx.get(url + "/accounts/login/", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _until(condition, seconds: float = 120) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within {seconds:g} s")
        time.sleep(0.3)
