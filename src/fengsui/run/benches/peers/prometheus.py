"""Prometheus: its remote-write receiver with one alert rule over all series each second.

It answers before its log is synced.  The rule judges the newest value of each series once a second, not each reading.
Scraping, its usual way in, takes one sample of a series a scrape and so cannot be driven flat out.
"""

from pathlib import Path

from fengsui.run.benches.peers import bodies, server
from fengsui.run.benches.peers.post import flat_out, warm_up
from fengsui.run.benches.peers.result import Result
from fengsui.run.benches.peers.victoria import RULES, UNSYNCED, alerts
from fengsui.run.benches.peers.work import SETPOINT, Work
from fengsui.run.scratch import free_ports

NAME = "Prometheus"
CONFIGURATION = """\
global:
  evaluation_interval: 1s
rule_files: ["{folder}/rules.yml"]
"""
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    program = server.binary("prometheus")
    work = work.again()
    (folder / "rules.yml").write_text(RULES.format(setpoint=SETPOINT))
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(folder=folder))
    (port,) = free_ports(1)
    here = f"http://127.0.0.1:{port}"
    command = [
        program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
        f"--web.console.templates={folder}", f"--web.console.libraries={folder}", "--log.level=warn",
    ]  # fmt: skip
    body = bodies.remote_write(work)
    with server.running(command, folder / "log", f"{here}/-/ready"):
        first = warm_up(work, port, "/api/v1/write", body, lambda site: HEADERS)
        posted = flat_out(work, port, "/api/v1/write", body, seconds, lambda site: HEADERS)
        readings = posted.requests * work.readings
        took = posted.ended - posted.began
        stored = server.metric(f"{here}/metrics", "prometheus_tsdb_head_samples_appended_total")
        missed = server.metric(f"{here}/metrics", "prometheus_rule_group_iterations_missed_total")
        if stored < readings + first.requests * work.readings:
            raise RuntimeError(f"{readings:.0f} readings sent, {stored:.0f} appended")
        raised = alerts(f"{here}/api/v1/alerts")
    note = f"{server.version(program, '--version')}; remote write, {work.readings:,} readings a request; {UNSYNCED}"
    note += f"; one rule for all series once a second, {raised} alarms stood, {missed:.0f} rounds missed"
    lacks = f"judges once a second, not each reading; {UNSYNCED}"
    return [Result(NAME, "with an alert rule", readings / took, lacks, note)]
