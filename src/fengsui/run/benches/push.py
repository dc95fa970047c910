"""500 browsers' event streams on one web process: one alarm to all of them, and a burst of alarms.

Measured from publishing on the bus to the event being read from the socket; the browsers run here, on the same cores.
Run as a module with the environment of a scratch FENGSUI_HOME, it makes the people who watch.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from nats.aio.client import Client

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _answers, _until
from fengsui.run.scratch import Scratch
from fengsui.stores.bus import LIVE, connect

ABOUT = "500 browsers on one web process: one alarm to all, worst and p99, and a burst of 200 alarms"
BROWSERS, EACH = 500, 25  # streams of one person: the portal allows 50
BURST = 200
PAUSE_S = 0.25
PATIENCE_S = 60.0


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        roles = []
        try:
            for role in ("db", "bus"):
                roles.append(subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: made.run("migrate").returncode == 0)
            set_up = [*made.command()[:-1], "fengsui.run.benches.push"]
            done = subprocess.run(set_up, env=made.env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            roles.append(subprocess.Popen(made.command("web"), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: _answers(made.url))
            return asyncio.run(
                _measure(made, json.loads(done.stdout.splitlines()[-1]), seconds, roles[-1].pid)
            )
        finally:
            for process in reversed(roles):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


class _Browser:
    """One stream; ``got`` are the numbers of the alarms it has read and when (monotonic)."""

    def __init__(self) -> None:
        self.ready, self.done = asyncio.Event(), asyncio.Event()
        self._last = -1
        self.got: dict[int, float] = {}

    def expect(self, number: int) -> None:
        """``done`` is set when this one was read."""
        self._last = number
        self.done.clear()

    async def run(self, port: int, key: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            request = f"GET /api/v1/live?topics=alarms HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={key}\r\n\r\n"
            writer.write(request.encode())
            event = b""
            while line := await reader.readline():
                if line.startswith(b"event: "):
                    event = line[7:].strip()
                    if event == b"hello":
                        self.ready.set()
                elif line.startswith(b"data: ") and event == b"alarm":
                    number = json.loads(line[6:])["n"]
                    self.got.setdefault(number, time.monotonic())
                    if number == self._last:
                        self.done.set()
        finally:
            writer.close()


async def _measure(made: Scratch, keys: list[str], seconds: float, web: int) -> list[Figure]:
    password = (made.home / "secrets" / "nats").read_text().strip()
    nc = await connect(f"nats://fengsui:{password}@127.0.0.1:{made.env['FENGSUI_NATS_PORT']}", "bench push")
    browsers = [_Browser() for _ in range(BROWSERS)]
    port = int(made.env["FENGSUI_PORT"])
    began = time.monotonic()
    tasks = [asyncio.create_task(b.run(port, keys[n // EACH])) for n, b in enumerate(browsers)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(b.ready.wait() for b in browsers))
        opened = time.monotonic() - began
        one: list[float] = []
        worst: list[float] = []
        until, number = time.monotonic() + max(2.0, seconds / 2), 0
        while time.monotonic() < until or number < 5:
            taken = await _told(nc, browsers, range(number, number + 1))
            number += 1
            one += taken
            worst.append(max(taken))
            await asyncio.sleep(PAUSE_S)
        bursts: list[float] = []
        for _ in range(3):
            bursts.append(max(await _told(nc, browsers, range(number, number + BURST))) / 1000)
            number += BURST
        memory = _resident_mib(web)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await nc.close()
    one.sort()
    note = f"{BROWSERS} streams, {len(worst)} alarms; the browsers are on the same cores"
    return [
        figure("streams opened", "s", opened, f"{BROWSERS} at once, with session and rights read for each"),
        figure("alarm to a browser p50", "ms", one[len(one) // 2], note),
        figure("alarm to a browser p99", "ms", one[len(one) * 99 // 100]),
        figure("alarm to the last browser", "ms", worst, "median and extremes over the alarms"),
        figure(f"burst of {BURST} alarms to all", "s", bursts, "until the last browser has the last one"),
        figure("events pushed in a burst", "events/s", [BURST * BROWSERS / s for s in bursts]),
        figure("memory of the web role", "MiB", memory, "resident, all streams open"),
    ]


async def _told(nc: Client, browsers: list[_Browser], numbers: range) -> list[float]:
    """Publish these alarms at once; for each browser and alarm the time it took (ms)."""
    js = nc.jetstream()
    for browser in browsers:
        browser.expect(numbers[-1])
    began = time.monotonic()
    await asyncio.gather(
        *(
            js.publish(
                "live.alarm", json.dumps(_alarm(n)).encode(), stream=LIVE, headers={"Nats-Msg-Id": f"b{n}"}
            )
            for n in numbers
        )
    )
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(b.done.wait() for b in browsers))
    missing = sum(n not in b.got for b in browsers for n in numbers)
    if missing:
        raise RuntimeError(f"{missing} events were not pushed")
    return [(b.got[n] - began) * 1000 for b in browsers for n in numbers]


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _alarm(n: int) -> dict[str, object]:
    """About as large as what the pipeline says of an alarm."""
    return {
        "n": n,
        "what": "raised",
        "key": f"1:{n}",
        "org_path": "/1/",
        "site": {"id": 1, "code": "S1", "name": "演示站点", "name_en": "Site"},
        "datastream": {"id": 1, "code": "PT-101", "name": "反应器压力", "unit": "kPa"},
        "priority": 1,
        "kind": "hh",
        "raised_value": 9.5,
        "raised_at_ms": 1_700_000_000_000 + n,
    }


def main() -> int:
    """Make the people, logged in; print the keys of their sessions."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.people.orgs.models import Org
    from fengsui.run.bench_lists import _session

    with contextlib.suppress(Org.DoesNotExist):
        Org.objects.get(code="p")
        return 1
    Org.objects.create(
        pk=1, path="/1/", depth=0, kind="province", code="p", name="省", division_code="420000"
    )
    print(json.dumps([_session(f"watcher-{n}", 1) for n in range(BROWSERS // EACH)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
