"""VictoriaMetrics, single node: store only by two of its protocols, then with vmalert over all series each second.

It answers before its data is synced (about five seconds of readings are in memory).  vmalert judges the newest value
of each series once a second, not each reading, by one expression for all series, which is the least it can be asked.
"""

import time
from contextlib import ExitStack
from pathlib import Path

from fengsui.run.benches.peers import bodies, server
from fengsui.run.benches.peers.post import flat_out, warm_up
from fengsui.run.benches.peers.result import NO_RULES, Result
from fengsui.run.benches.peers.work import SETPOINT, Work
from fengsui.run.scratch import free_ports

NAME = "VictoriaMetrics"
RULES = """\
groups:
  - name: limits
    interval: 1s
    rules:
      - alert: High
        expr: plant > {setpoint}
"""
UNSYNCED = "the answer comes before the sync"


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    program, vmalert = server.binary("victoria-metrics"), server.binary("vmalert")
    version = (
        server.version("dpkg-deb", "-f", *_package()) if _package() else server.version(program, "-version")
    )
    return [
        _run(work, seconds / 2, folder / "lines", program, version, "", "influx lines"),
        _run(work, seconds / 2, folder / "write", program, version, "", "remote write"),
        _run(work, seconds, folder / "alert", program, version, vmalert, "remote write"),
    ]


def _package() -> list[str]:
    found = sorted(server.folder().glob("victoria-metrics_*.deb"))
    return [str(found[-1]), "Version"] if found else []


def _run(
    work: Work, seconds: float, folder: Path, program: str, version: str, vmalert: str, protocol: str
) -> Result:
    folder.mkdir()
    work = work.again()
    port, alert_port = free_ports(2)
    here = f"http://127.0.0.1:{port}"
    lines = protocol == "influx lines"
    body = bodies.influx_lines(work) if lines else bodies.remote_write(work)
    with ExitStack() as up:
        command = [program, f"-storageDataPath={folder}/data", f"-httpListenAddr=127.0.0.1:{port}"]
        up.enter_context(server.running(command, folder / "log", f"{here}/health"))
        if vmalert:
            (folder / "rules.yml").write_text(RULES.format(setpoint=SETPOINT))
            command = [
                vmalert, f"-rule={folder}/rules.yml", f"-datasource.url={here}", f"-remoteWrite.url={here}",
                f"-notifier.url=http://127.0.0.1:{alert_port}/nobody", "-evaluationInterval=1s",
                f"-httpListenAddr=127.0.0.1:{alert_port}",
            ]  # fmt: skip
            ready = f"http://127.0.0.1:{alert_port}/health"
            up.enter_context(server.running(command, folder / "vmalert.log", ready))
        path = "/write?precision=ms" if lines else "/api/v1/write"
        first = warm_up(work, port, path, body)
        posted = flat_out(work, port, path, body, seconds)
        readings = posted.requests * work.readings
        took = posted.ended - posted.began
        note = f"{version}; {protocol}, {work.readings:,} readings a request; {UNSYNCED}"
        if not vmalert:
            stored = server.metric(f"{here}/metrics", "vm_rows_inserted_total")
            if stored < readings + first.requests * work.readings:
                raise RuntimeError(f"{readings:.0f} readings sent, {stored:.0f} inserted")
            return Result(NAME, f"store only, {protocol}", readings / took, f"{NO_RULES}, {UNSYNCED}", note)
        raised = alerts(f"http://127.0.0.1:{alert_port}/api/v1/alerts")
    note += f"; one rule for all series once a second, {raised} alarms stood"
    return Result(
        NAME, "with vmalert", readings / took, f"judges once a second, not each reading; {UNSYNCED}", note
    )


def alerts(url: str) -> int:
    """How many alarms stand; waits for the first.  Raises RuntimeError when none comes."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if found := server.answer(url)["data"]["alerts"]:
            return len(found)
        time.sleep(0.3)
    raise RuntimeError("no alarm was raised")
