"""SensorThings under load: DataArrays of a device into the whole platform, while somebody reads.

Everything runs here, on the same cores: the senders, the readers, web, bus, pipeline and database.
"""

import csv
import datetime as dt
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.scratch import Scratch

ABOUT = "SensorThings: a backlog of 250,000 observations as DataArrays, and reads meanwhile, on the whole platform"
STREAMS, BACKLOG, IN_ONE, SENDERS = 50, 250_000, 10_000, 4
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
        quiet = _reads(made, ids[0], lambda: False, 40)
        bodies = _bodies(ids, start)
        sent = threading.Event()
        with ThreadPoolExecutor(SENDERS + 1) as pool:
            reading = pool.submit(_reads, made, ids[0], sent.is_set, 10_000)
            began = time.monotonic()
            answers = list(pool.map(lambda body: _send(made, device, body), bodies))
            taken = time.monotonic() - began
            sent.set()
            busy = reading.result()
        kept = sum(answer.count("/Observations(") for answer in answers)
        if kept != BACKLOG:
            raise RuntimeError(f"{kept} of {BACKLOG} observations were kept")
        stored = time.monotonic()
        _when(lambda: client.get("Observations?$count=true&$top=0").json()["@iot.count"] >= BACKLOG, 120)
        shown = time.monotonic() - stored
    note = f"{STREAMS} Datastreams, {IN_ONE} in a request, {SENDERS} senders; durable when answered"
    return [
        figure("backlog of 250,000 observations", "s", taken, note),
        figure("DataArray", "observations/s", BACKLOG / taken),
        figure("until all of them are counted", "s", shown, "after the last answer"),
        figure("reads at rest, p50", "ms", _share(quiet, 0.5), ", ".join(READS)),
        figure("reads at rest, p95", "ms", _share(quiet, 0.95)),
        figure("reads meanwhile, p50", "ms", _share(busy, 0.5), f"{len(busy)} reads"),
        figure("reads meanwhile, p95", "ms", _share(busy, 0.95)),
    ]


def _share(values: list[float], of: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * of))]


def _bodies(ids: list[int], start: dt.datetime) -> list[bytes]:
    """The backlog as requests; observations are two seconds apart in each Datastream."""
    each = IN_ONE // len(ids)
    count = BACKLOG // IN_ONE
    return [_array(ids, start + dt.timedelta(seconds=2 * (1 + i * each)), each) for i in range(count)]


def _array(ids: list[int], start: dt.datetime, each: int) -> bytes:
    times = [(start + dt.timedelta(seconds=2 * i)).isoformat().replace("+00:00", "Z") for i in range(each)]
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
