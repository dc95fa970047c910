"""InfluxDB 1.x: line protocol with its log synced before each answer.

Store only: its rule engine is another product, which Debian does not have.
"""

from pathlib import Path

from fengsui.run.benches.peers import bodies, server
from fengsui.run.benches.peers.post import flat_out, warm_up
from fengsui.run.benches.peers.result import NO_RULES, Result
from fengsui.run.benches.peers.work import Work
from fengsui.run.scratch import free_ports

NAME = "InfluxDB 1.x"
CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  wal-fsync-delay = "0s"
  index-version = "tsi1"
  cache-max-memory-size = "4g"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  max-body-size = 0
"""


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    program = server.binary("influxd")
    work = work.again()
    rpc, port = free_ports(2)
    configuration = folder / "influxdb.conf"
    configuration.write_text(CONFIGURATION.format(rpc=rpc, http=port, folder=folder))
    here = f"http://127.0.0.1:{port}"
    body = bodies.influx_lines(work)
    with server.running([program, "-config", str(configuration)], folder / "log", f"{here}/ping"):
        server.post(f"{here}/query", q="CREATE DATABASE plant")
        path = "/write?db=plant&precision=ms"
        first = warm_up(work, port, path, body)
        posted = flat_out(work, port, path, body, seconds)
        query = server.answer(f"{here}/query", db="plant", q="SELECT count(T0000) FROM plant")
        instants = query["results"][0]["series"][0]["values"][0][1]
        sent = (first.requests + posted.requests) * work.instants
        if instants < sent:
            raise RuntimeError(f"{sent} instants sent, {instants} stored")
    rate = posted.requests * work.readings / (posted.ended - posted.began)
    note = f"{server.version(program, 'version')}; a site's datastreams as fields of a line, log synced each request"
    return [Result(NAME, "store only", rate, NO_RULES, note)]
