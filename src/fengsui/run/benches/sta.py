"""SensorThings under load: DataArrays of a device into the whole platform, while somebody reads.

A backlog is taken in a second or two, too short for a share of reads.  So backlogs follow each other for tens of
seconds: as fast as they are taken, and at the pace that is asked for (one in ten seconds).  Everything runs here, on
the same cores: the senders, the readers, web, bus, pipeline and database.
"""

import csv
import datetime as dt
import itertools
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.scratch import Scratch

ABOUT = "SensorThings: a backlog of 250,000 observations as DataArrays, and reads meanwhile, on the whole platform"
STREAMS, BACKLOG, IN_ONE, SENDERS = 50, 250_000, 10_000, 4
LONG_S, PACE = 30.0, 25_000  # of each sustained part; observations a second of the paced one
ROOT = "/sta/v1.1/"
PASSWORD = "Fengsui-bench-1"  # noqa: S105 - of a platform that lives for this measurement
READS = {
    "things": "Things?$expand=Datastreams($top=5;$select=name)",
    "datastreams": "Datastreams?$top=20&$filter=startswith(name,'T')&$select=name,unitOfMeasurement",
    "newest": "Datastreams({})/Observations?$top=20&$orderby=phenomenonTime desc",
    "filtered": "Datastreams({})/Observations?$filter=result gt 10&$top=20",
}


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        pack.write(Path(folder) / "regions" / "sta", 1, STREAMS)
        made = Scratch(Path(folder) / "var", FENGSUI_REGIONS=str(Path(folder) / "regions"))
        made.up()
        try:
            return _measure(made)
        finally:
            made.stop()


def _measure(made: Scratch) -> list[Figure]:
    loaded = made.run("region", "load", "sta", seconds=300)
    if loaded.returncode:
        raise RuntimeError(loaded.stderr)
    with (made.home / "secrets" / "devices.csv").open() as file:
        device = next((row["device"], row["secret"]) for row in csv.DictReader(file))
    words = ["users", "add", "reader", "--superuser", "--password-stdin"]
    subprocess.run(
        made.command(*words), env=made.env, input=PASSWORD, text=True, check=True, capture_output=True
    )
    with httpx.Client(base_url=made.url + ROOT, auth=device, timeout=120, trust_env=False) as client:
        ids = _when(lambda: [d["@iot.id"] for d in client.get("Datastreams?$top=1000").json()["value"]])
        start = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=3)
        _when(
            lambda: client.post("CreateObservations", content=_array(ids[:1], start, 1)).json()[0] != "error"
        )
        quiet = _reads(made, ids[0], lambda: False, 100)
        bodies = _bodies(ids, start)
        with ThreadPoolExecutor(SENDERS) as pool:
            began = time.monotonic()
            answers = list(pool.map(lambda body: _send(made, device, body), bodies))
            taken = time.monotonic() - began
        kept = sum(answer.count("/Observations(") for answer in answers)
        if kept != BACKLOG:
            raise RuntimeError(f"{kept} of {BACKLOG} observations were kept")
        stored = time.monotonic()
        _when(lambda: client.get("Observations?$count=true&$top=0").json()["@iot.count"] >= BACKLOG, 120)
        shown = time.monotonic() - stored
        flood = _sustained(made, device, ids, start + dt.timedelta(minutes=60), 0)
        paced = _sustained(made, device, ids, start + dt.timedelta(minutes=100), PACE)
    note = f"{STREAMS} Datastreams, {IN_ONE} in a request, {SENDERS} senders; durable when answered"
    return [
        figure("backlog of 250,000 observations", "s", taken, note),
        figure("DataArray", "observations/s", BACKLOG / taken),
        figure("until all of them are counted", "s", shown, "after the last answer"),
        figure("reads at rest, p50", "ms", _share(quiet, 0.5), ", ".join(READS)),
        figure("reads at rest, p95", "ms", _share(quiet, 0.95)),
        *_figures(flood, "reads while backlogs follow each other"),
        *_figures(paced, "reads at a backlog in 10 s"),
    ]


@dataclass(frozen=True, slots=True)
class Sustained:
    """How long each read took (ms), and observations a second meanwhile."""

    reads: list[float]
    rate: float


def _figures(found: Sustained, name: str) -> list[Figure]:
    rate = f"{found.rate:,.0f} observations/s for {LONG_S:.0f} s"
    load = f"{len(found.reads)} reads; {rate}; load {os.getloadavg()[0]:.1f}"
    return [
        figure(f"{name}, {word}", "ms", _share(found.reads, share), load if share == 0.5 else "")
        for word, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]


def _sustained(
    made: Scratch, device: tuple[str, str], ids: list[int], start: dt.datetime, pace: int
) -> Sustained:
    """Send for LONG_S seconds, ``pace`` observations a second or (0) as fast as they are taken; read meanwhile."""
    each, step = IN_ONE // len(ids), dt.timedelta(milliseconds=20)
    numbers, over, sent = itertools.count(), threading.Event(), [0]
    began = time.monotonic()

    def send() -> None:
        while not over.is_set():
            number = next(numbers)
            body = _array(ids, start + number * each * step, each, step)
            if pace and over.wait(max(0.0, began + number * IN_ONE / pace - time.monotonic())):
                return
            answer = _send(made, device, body)
            if (kept := answer.count("/Observations(")) != IN_ONE:
                raise RuntimeError(f"{kept} of {IN_ONE} observations were kept")
            sent[0] += kept

    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send) for _ in range(SENDERS)]
        reads = _reads(made, ids[0], lambda: time.monotonic() - began > LONG_S, 100_000)
        over.set()
        for one in sending:
            one.result()
    return Sustained(reads, sent[0] / (time.monotonic() - began))


def _share(values: list[float], of: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * of))]


def _bodies(ids: list[int], start: dt.datetime) -> list[bytes]:
    """The backlog as requests; observations are two seconds apart in each Datastream."""
    each = IN_ONE // len(ids)
    count = BACKLOG // IN_ONE
    return [_array(ids, start + dt.timedelta(seconds=2 * (1 + i * each)), each) for i in range(count)]


def _array(
    ids: list[int], start: dt.datetime, each: int, step: dt.timedelta = dt.timedelta(seconds=2)
) -> bytes:
    times = [(start + i * step).isoformat().replace("+00:00", "Z") for i in range(each)]
    return json.dumps(
        [
            {
                "Datastream": {"@iot.id": pk}, "components": ["phenomenonTime", "result"],
                "dataArray@iot.count": each, "dataArray": [[at, (pk + i) % 97 / 4] for i, at in enumerate(times)],
            }
            for pk in ids
        ]
    ).encode()  # fmt: skip


def _send(made: Scratch, device: tuple[str, str], body: bytes) -> str:
    answer = httpx.post(
        f"{made.url}{ROOT}CreateObservations", content=body, auth=device, timeout=120, trust_env=False,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    if answer.status_code != 201:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:500]}")
    return answer.text


def _reads(made: Scratch, pk: int, done: Callable[[], bool], most: int) -> list[float]:
    """Ask one after the other until it is done; how long each took (ms)."""
    out: list[float] = []
    paths = [path.format(pk) if "{}" in path else path for path in READS.values()]
    with httpx.Client(
        base_url=made.url + ROOT, auth=("reader", PASSWORD), timeout=120, trust_env=False
    ) as client:
        client.get("").raise_for_status()  # the password is checked once
        while not done() and len(out) < most:
            began = time.monotonic()
            client.get(paths[len(out) % len(paths)]).raise_for_status()
            out.append((time.monotonic() - began) * 1000)
    return out


def _when(ask: Callable[[], object], seconds: float = 60) -> list[int]:
    """What ``ask`` answers, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := ask():
                return found  # type: ignore[return-value]
        except (httpx.HTTPError, KeyError, ValueError, IndexError):
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("the platform did not get ready")
        time.sleep(0.2)
