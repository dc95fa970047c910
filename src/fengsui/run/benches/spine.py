"""The whole path under load: devices over HTTP → gateway → bus → pipeline → history and alarms → an open page."""

import csv
import http.cookiejar
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from fengsui.run.benches import pack
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.start import resident_mib
from fengsui.run.scratch import Scratch

ABOUT = "20,000 readings/s over HTTP with 100,000 datastreams registered: alarm latency to an open page, CPU, memory"
SITES, DATASTREAMS, SENDING = 200, 500, 40
USER, PASSWORD = "duty", "Fengsui-demo-1"


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        pack.write(Path(folder) / "regions" / "spine", SITES, DATASTREAMS)
        made = Scratch(Path(folder) / "var", FENGSUI_REGIONS=str(Path(folder) / "regions"))
        made.up()
        try:
            return _measure(made, max(seconds, 10))
        finally:
            made.stop()


def _measure(made: Scratch, seconds: float) -> list[Figure]:
    began = time.monotonic()
    loaded = made.run("region", "load", "spine", seconds=300)
    if loaded.returncode:
        raise RuntimeError(loaded.stderr)
    loading_s = time.monotonic() - began
    time.sleep(15)  # every role has read the new registry and is idle again
    idle_mib = resident_mib(made.processes())
    idle_cpu = _cpu_share(made.processes(), 5)

    page = OpenPage(made.url)
    load = _load(made, seconds)
    time.sleep(3)
    cpu = _cpu_share(made.processes(), seconds - 6)
    busy_mib = resident_mib(made.processes())
    out = json.loads(load.communicate()[0])
    time.sleep(3)
    page.close()
    accepted = sum(len(sender["accepted"]) for sender in out["senders"]) * DATASTREAMS
    _balanced(made)
    return [
        figure("datastreams registered", "", SITES * DATASTREAMS, f"pack loaded in {loading_s:.0f} s"),
        figure("idle memory of all roles", "MiB", idle_mib, "proportional set size"),
        figure("idle CPU of all roles", "cores", idle_cpu),
        figure(
            "accepted",
            "readings/s",
            accepted / seconds,
            f"{SENDING} messages/s of {DATASTREAMS}, each synced",
        ),
        figure("CPU of all roles under load", "cores", cpu, "load generator apart"),
        figure("memory of all roles under load", "MiB", busy_mib),
        *_latency(page.latency_ms),
        figure(
            "bytes on disk",
            "B/reading",
            _history_bytes(made) / max(accepted, 1),
            "made values; before merging",
        ),
    ]


def _latency(found: list[float]) -> list[Figure]:
    if len(found) < 20:
        raise RuntimeError(f"only {len(found)} alarms reached the page")
    cuts = statistics.quantiles(found, n=100)
    note = f"{len(found)} alarms; from received at the gateway to the page's event"
    return [
        figure("alarm latency p50", "ms", cuts[49], note),
        figure("alarm latency p99", "ms", cuts[98]),
        figure("alarm latency worst", "ms", max(found)),
    ]


def _load(made: Scratch, seconds: float) -> subprocess.Popen[str]:
    with (made.home / "secrets" / "devices.csv").open() as file:
        secrets = {row["device"]: row["secret"] for row in csv.DictReader(file)}
    codes = [f"T{number:04d}" for number in range(DATASTREAMS)]
    senders = [
        {"site": f"s{n:04d}", "device": f"s{n:04d}-gw", "secret": secrets[f"s{n:04d}-gw"], "codes": codes,
         "swing": 90 if n < 10 else 0, "swing_s": 1}
        for n in range(SENDING)
    ]  # fmt: skip
    command = [sys.executable, "-m", "fengsui.run.benches.load", made.gateway_url, "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    json.dump(senders, process.stdin)
    process.stdin.close()
    process.stdin = None
    return process


class OpenPage(threading.Thread):
    """What an open duty desk does: one logged-in event stream; notes when each raised alarm arrives."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self.latency_ms: list[float] = []
        self._since_ms = time.time() * 1000  # a stream begins with what happened shortly before
        opener = log_in(url)
        self._stream = opener.open(f"{url}/api/v1/live?topics=alarms", timeout=60)
        self.start()

    def run(self) -> None:
        event = ""
        try:
            for raw in self._stream:
                line = raw.decode().rstrip("\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:") and event == "alarm":
                    alarm = json.loads(line[5:])
                    if alarm["what"] == "raised" and (alarm["received_at_ms"] or 0) > self._since_ms:
                        self.latency_ms.append(time.time() * 1000 - alarm["received_at_ms"])
        except (OSError, ValueError, AttributeError):
            return  # closed

    def close(self) -> None:
        self._stream.close()


def log_in(url: str) -> urllib.request.OpenerDirector:
    """An opener with the session of the pack's duty officer."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(f"{url}/accounts/login/", timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if token is None:
        raise RuntimeError("the login page has no form")
    form = {"csrfmiddlewaretoken": token[1], "login": USER, "password": PASSWORD}
    data = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(f"{url}/accounts/login/", data, {"Referer": url})
    answer = opener.open(request, timeout=30)
    if "/accounts/login" in answer.url:
        raise RuntimeError("log-in was refused")
    return opener


def _cpu_share(pids: list[int], seconds: float) -> float:
    """Cores used by processes over ``seconds``."""
    tick = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        total = 0
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / tick

    before, began = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - began)


def _balanced(made: Scratch) -> None:
    deadline = time.monotonic() + 60
    while (done := made.run("ledger")).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the ledger does not balance: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        time.sleep(1)


def _history_bytes(made: Scratch) -> int:
    return sum(path.stat().st_size for path in (made.home / "history").rglob("*.parquet"))
