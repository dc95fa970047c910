"""The newest reading of every datastream of a site, asked as a page asks: over the bus, from the pipeline's memory.

A pipeline of its own with 440,000 datastreams; first at rest, then while each of them says a value every second.  With
it, the newest curve of one datastream: what is not committed yet, and history.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure
from fengsui.run.benches.fill import fill
from fengsui.run.scratch import Scratch

SITES, DATASTREAMS = 880, 500
RUNS = 200
STOP_AFTER_S = 60


def figures() -> list[Figure]:
    """About a minute, most of it the registry."""
    with tempfile.TemporaryDirectory() as folder:
        pack.write(Path(folder) / "regions" / "nation", 1, DATASTREAMS)
        made = Scratch(
            Path(folder) / "var", FENGSUI_REGIONS=str(Path(folder) / "regions"), FENGSUI_LOG_LEVEL="warning"
        )
        roles = [_start(made, "db"), _start(made, "bus")]
        try:
            _until(lambda: made.run("migrate").returncode == 0, "the database answers")
            loaded = made.run("region", "load", "nation", seconds=300)
            if loaded.returncode:
                raise RuntimeError(loaded.stderr)
            fill(made, SITES, DATASTREAMS)
            roles.append(_start(made, "pipeline"))
            _until(lambda: _is_ready(made), "the pipeline is ready")
            done = subprocess.run(
                [sys.executable, "-m", "fengsui.run.benches.hot", "ask"],
                env=made.env, capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            return [Figure(**row) for row in json.loads(done.stdout.splitlines()[-1])]
        finally:
            for role in reversed(roles):
                role.terminate()
                role.wait(30)


def _start(made: Scratch, role: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL)


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within 120 s: {what}")
        time.sleep(0.3)


def _is_ready(made: Scratch) -> bool:
    return any(r["role"] == "pipeline" and r["ready"] for r in made.roles())


# ---- in processes of their own --------------------------------------------------------------------------------------


def _ask() -> list[Figure]:
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.show.live import hub

    _loaded(1).wait(STOP_AFTER_S)  # one value each
    time.sleep(4)  # committed
    out = _asked("at rest")
    load = _loaded(STOP_AFTER_S)
    try:
        time.sleep(5)
        out += _asked(f"at {SITES * DATASTREAMS:,} readings/s")
        if load.poll() is not None:
            raise RuntimeError("the load ended before it was measured")
    finally:
        load.terminate()
        load.wait(10)
    hub.stop()
    return out


def _loaded(seconds: int) -> subprocess.Popen[bytes]:
    from fengsui.sense.devices.models import Datastream

    first = Datastream.objects.filter(site__code="s0000").order_by("pk").values_list("site_id", "pk")[0]
    words = ["load", str(seconds), *map(str, first)]
    return subprocess.Popen([sys.executable, "-m", "fengsui.run.benches.hot", *words])


def _asked(how: str) -> list[Figure]:
    from fengsui.sense.devices.models import Datastream
    from fengsui.show.lists import readings

    sites = np.random.default_rng(5).permutation(SITES)[:RUNS].tolist()
    known = {
        site: list(Datastream.objects.filter(site__code=f"s{site:04d}").values_list("site_id", "pk"))
        for site in sites
    }
    asked = [(rows[0][0], [pk for _site, pk in rows]) for rows in known.values()]
    latest, curves = [], []
    for site, ids in asked:
        began = time.perf_counter()
        found = readings.latest(site, ids, time.time_ns() // 1_000_000)
        latest.append((time.perf_counter() - began) * 1000)
        if found.source != "pipeline" or len(found.ids) != DATASTREAMS:
            raise RuntimeError(f"{len(found.ids)} values from {found.source}")
        now = time.time_ns() // 1_000_000
        began = time.perf_counter()
        recent = readings.uncommitted(site, ids[:1], now - 600_000, now)
        curves.append((time.perf_counter() - began) * 1000)
        if not recent.is_fresh:
            raise RuntimeError("the pipeline did not say what it holds")
        time.sleep(0.05)
    note = f"goal 5 ms; {DATASTREAMS} of {SITES * DATASTREAMS:,} datastreams, asked over the bus"
    name = "last values of a site, from the pipeline"
    return [
        _middle(f"{name}, {how}", latest, note),
        _middle(f"what is not committed of one tag, {how}", curves, "asked over the bus"),
    ]


def _middle(name: str, found: list[float], note: str) -> Figure:
    """The median with the tenth and ninetieth of a hundred as its spread: one of many may meet a full engine."""
    low, middle, high = np.percentile(found, [10, 50, 90]).tolist()
    worst = f"{note}; 99 of 100 within {np.percentile(found, 99):.1f} ms"
    return Figure(name, "ms", middle, low, high, len(found), worst)


async def _load(seconds: int, first_site: int, first: int) -> None:
    """Every datastream says a value a second, a message a site, as gateways write them."""
    from fengsui.base.batch import Batch, encode
    from fengsui.run import settings
    from fengsui.stores.bus import connect

    nc = await connect(settings.nats_url(), "bench", wait_s=10)
    js = nc.jetstream(timeout=5)
    ids = np.arange(first, first + DATASTREAMS, dtype=np.int32)
    zero = np.zeros(DATASTREAMS, np.uint8)
    value = np.full(DATASTREAMS, 20.0)
    gateway, number = f"bench-{os.getpid()}", 0
    waiting: set[asyncio.Task[object]] = set()
    began = time.monotonic()
    for second in range(seconds):
        for site in range(SITES):
            due = began + second + site / SITES
            if (pause := due - time.monotonic()) > 0.01:
                await asyncio.sleep(pause)
            now, number = time.time_ns() // 1_000_000, number + 1
            batch = Batch(
                first_site + site, "bench", now, ids + site * DATASTREAMS,
                np.full(DATASTREAMS, now), value + second % 9, zero, zero,
            )  # fmt: skip
            said = js.publish(
                "readings.0",
                encode(gateway, number, [batch]),
                headers={"Nats-Msg-Id": f"{gateway}:0:{number}"},
            )
            waiting.add(task := asyncio.create_task(said))
            task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    await nc.close()


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        print(json.dumps([f.as_dict() for f in _ask()]))
    else:
        asyncio.run(_load(*map(int, sys.argv[2:])))
