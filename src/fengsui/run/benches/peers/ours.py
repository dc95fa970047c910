"""A whole Fengsui: devices post columns over HTTP flat out; the clock stops when the pipeline has committed the last.

The answer comes after the bus has synced; history, alarms and ledger are committed before the log gives a message up.
"""

import asyncio
import base64
import csv
import subprocess
import sys
import time
from pathlib import Path

from fengsui.run.benches import pack
from fengsui.run.benches.peers import bodies
from fengsui.run.benches.peers.post import flat_out, warm_up
from fengsui.run.benches.peers.result import Result
from fengsui.run.benches.peers.work import SETPOINT, Work
from fengsui.run.scratch import Scratch
from fengsui.stores.bus import READINGS, connect

NAME = "Fengsui"
DRAIN_S = 120.0


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    """The whole platform with a rule on every datastream, and the same one before it had any rules."""
    regions = folder / "regions"
    pack.write(regions / "peers", work.sites, work.tags)
    _rules(regions / "peers", work, sites=0)
    made = Scratch(folder / "var", FENGSUI_REGIONS=str(regions))
    made.up()
    try:
        _load(made)
        store, last_ms = _run(made, work.again(), seconds / 2, "store only")
        _rules(regions / "peers", work, sites=work.sites)
        _load(made)
        whole, _ = _run(made, work.again(last_ms), seconds, "whole platform")
        return [whole, store]
    finally:
        made.stop()


def _rules(folder: Path, work: Work, sites: int) -> None:
    """One high rule on each datastream of the first ``sites`` sites."""
    pack.Tables(folder).write(
        "rules",
        "site,datastream,kind,setpoint,deadband,on_delay_ms,off_delay_ms,window_ms,priority,basis",
        (
            (work.site(site), code, "h", SETPOINT, 1, 0, 0, 0, 2, "测试")
            for site in range(sites)
            for code in work.codes
        ),
    )


def _load(made: Scratch) -> None:
    loaded = made.run("region", "load", "peers", seconds=300)
    if loaded.returncode:
        raise RuntimeError(loaded.stderr[-500:])
    time.sleep(10)  # every role has read the new registry


def _run(made: Scratch, work: Work, seconds: float, what: str) -> tuple[Result, int]:
    with (made.home / "secrets" / "devices.csv").open() as file:
        token = {
            row["site"]: base64.b64encode(f"{row['device']}:{row['secret']}".encode()).decode()
            for row in csv.DictReader(file)
        }
    heads = [
        {"Authorization": f"Basic {token[work.site(n)]}", "Content-Type": "application/json"}
        for n in range(work.sites)
    ]
    body = bodies.columns_json(work)
    port = int(made.env["FENGSUI_GATEWAY_PORT"])
    warm_up(work, port, "/api/v1/readings", body, heads.__getitem__)
    asyncio.run(_drained(made))
    posted = flat_out(work, port, "/api/v1/readings", body, seconds, heads.__getitem__)
    asyncio.run(_drained(made))
    took = time.monotonic() - posted.began
    readings = posted.requests * work.readings
    accepted = readings / (posted.ended - posted.began)
    while (balanced := made.run("ledger")).returncode:
        if time.monotonic() > posted.ended + DRAIN_S:
            raise RuntimeError(f"the ledger does not balance: {balanced.stdout[-500:]}")
        time.sleep(1)
    alarms = _alarms(made)
    if (what == "whole platform") != (alarms > 0):
        raise RuntimeError(f"{what}: {alarms} alarms")
    note = f"{work.readings:,} readings a request, columnar JSON, each synced; accepted at {accepted:,.0f}/s"
    note += f"; {alarms:,} alarms"
    return Result(NAME, what, readings / took, "", note), work.times_ms(posted.last_turn)[-1]


async def _drained(made: Scratch) -> None:
    """Wait until the pipeline has committed everything that the bus holds."""
    client = await connect(_in(made, "print(settings.nats_url())"), "bench")
    deadline = time.monotonic() + DRAIN_S
    try:
        while (await client.jetstream().stream_info(READINGS)).state.messages:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the pipeline has not caught up within {DRAIN_S:g} s")
            await asyncio.sleep(0.05)
    finally:
        await client.close()


def _alarms(made: Scratch) -> int:
    import psycopg

    with psycopg.connect(_in(made, "print(settings.database_url())")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM alarms_alarm").fetchone() or (0,)
    return int(count)


def _in(made: Scratch, code: str) -> str:
    """What ``code`` prints under the settings of that platform."""
    command = [sys.executable, "-c", f"from fengsui.run import settings; {code}"]
    return subprocess.run(command, env=made.env, capture_output=True, text=True, check=True).stdout.strip()
