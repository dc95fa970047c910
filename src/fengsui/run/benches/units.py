"""1,000 vehicles at 1 Hz by JT/T 808, from their sockets to an open event stream of the portal, with fences over each.

Measured from writing a position to the socket to reading it from the stream.  Vehicles and browser run here, on the
same cores.  Run as a module with the environment of a scratch FENGSUI_HOME, it makes units, fences and who watches.
"""

import asyncio
import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _answers, _until
from fengsui.run.scratch import Scratch, free_ports
from fengsui.sense.codecs.jt808 import frame as frames
from fengsui.sense.codecs.jt808.message import decode, encode

ABOUT = (
    "1,000 vehicles at 1 Hz by JT/T 808 to an open event stream, each under two rules of fences: latency, CPU"
)
UNITS, SITES = 1_000, 20
PATIENCE_S = 60.0
SET_UP_S = 300.0
UNFENCED = "unfenced"
SETTLE_S = 5.0
LON, LAT = 111.29, 30.69
TICK = os.sysconf("SC_CLK_TCK")


def phone(number: int) -> str:
    """The phone number of a vehicle, from 0 on."""
    return f"0{13_900_000_000 + number}"


def bench(seconds: float) -> list[Figure]:
    with running() as (made, port, told, pids):
        return asyncio.run(_measure(made, port, told, seconds, pids))


@contextlib.contextmanager
def running(*, fenced: bool = True) -> Iterator[tuple[Scratch, int, dict[str, Any], dict[str, int]]]:
    """A platform with the fleet's units: it, the port of JT/T 808, what set-up told, pids of its roles.

    ``fenced``: two rules of fences over each, which takes most of the set-up's time.
    """
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(
            Path(folder) / "var",
            FENGSUI_JT808_PORT=str(port),
            FENGSUI_FIELD_PER_ADDRESS=str(2 * UNITS),
            FENGSUI_FIELD_CONNECTIONS=str(2 * UNITS),
        )
        roles: dict[str, subprocess.Popen[bytes]] = {}

        def start(name: str) -> None:
            roles[name] = subprocess.Popen(made.command(name), env=made.env, stderr=subprocess.DEVNULL)

        try:
            start("db")
            start("bus")
            _until(lambda: made.run("migrate", seconds=600).returncode == 0)
            set_up = [*made.command()[:-1], "fengsui.run.benches.units", *([] if fenced else [UNFENCED])]
            try:
                done = subprocess.run(set_up, env=made.env, capture_output=True, text=True, timeout=SET_UP_S)
            except subprocess.TimeoutExpired:
                raise RuntimeError(
                    f"{UNITS} units were not made within {SET_UP_S:g} s: is the machine busy?"
                ) from None
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            for name in ("gateway", "pipeline", "web"):
                start(name)
            _until(lambda: _answers(made.url) and made_ready(made))
            pids = {name: process.pid for name, process in roles.items()}
            told = json.loads(done.stdout.splitlines()[-1])
            yield made, port, told, pids
        finally:
            for process in reversed(list(roles.values())):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()


def made_ready(made: Scratch) -> bool:
    """Gateway and pipeline say that they are ready."""
    ready = {role["role"] for role in made.roles() if role["ready"]}
    return {"gateway", "pipeline", "web"} <= ready


class Fleet:
    """All vehicles; ``sent`` is when (monotonic) the position of a unit and time was written."""

    def __init__(self, port: int, unit_of: list[int]) -> None:
        self.port, self.unit_of = port, unit_of
        self.sent: dict[tuple[int, int], float] = {}
        self.ready = 0
        self.refused = 0
        self.going = asyncio.Event()
        self.ending = asyncio.Event()

    async def drive(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        serial, rest = 0, b""

        async def answer() -> frames.Frame:
            nonlocal rest
            while True:
                cut = frames.feed(rest)
                rest = cut.rest
                if cut.frames:
                    return cut.frames[0]
                if not (data := await reader.read(4096)):
                    raise ConnectionError(f"the gateway hung up on vehicle {number}")
                rest += data

        def say(message_id: int, fields: dict[str, Any]) -> None:
            nonlocal serial
            serial = (serial + 1) & 0xFFFF
            said = encode(message_id, fields, phone=phone(number), serial=serial, is_2019=False)
            writer.write(b"".join(said))

        try:
            say(0x0100, {"province": 42, "city": 5, "maker": "M", "model": "X", "terminal_id": "T", "plate_colour": 2,
                         "plate": "-"})  # fmt: skip
            say(0x0102, {"code": decode(await answer()).fields["code"]})
            await answer()
            self.ready += 1
            await self.going.wait()
            begin = math.ceil(time.time()) + number / UNITS  # spread over the second
            step = 0
            while not self.ending.is_set():
                await asyncio.sleep(max(0.0, begin + step - time.time()))
                at = int(time.time())
                angle = (number + step) / 50
                say(0x0200, {
                    "alarm": 0, "status": 3, "latitude": LAT + 0.02 * math.sin(angle),
                    "longitude": LON + 0.02 * math.cos(angle), "altitude_m": 60, "speed_km_h": 40.0,
                    "direction_deg": int(math.degrees(-angle)) % 360, "time": datetime.fromtimestamp(at, UTC),
                    "additional": {},
                })  # fmt: skip
                self.sent[self.unit_of[number], at * 1000] = time.monotonic()
                if decode(await answer()).fields.get("result"):
                    self.refused += 1
                step += 1
        finally:
            writer.close()


async def _watch(port: int, key: str, seen: dict[tuple[int, int], float], ready: asyncio.Event) -> None:
    """A browser's stream: when each position was read from it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=8 << 20)
    try:
        request = (
            f"GET /api/v1/live?topics=units HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={key}\r\n\r\n"
        )
        writer.write(request.encode())
        event = b""
        while line := await reader.readline():
            if line.startswith(b"event: "):
                event = line[7:].strip()
                if event == b"hello":
                    ready.set()
            elif line.startswith(b"data: ") and event == b"units":
                now, frame = time.monotonic(), json.loads(line[6:])
                for unit, at in zip(frame["ids"], frame["time_ms"], strict=True):
                    seen.setdefault((unit, at), now)
    finally:
        writer.close()


async def _measure(
    made: Scratch, port: int, told: dict[str, Any], seconds: float, pids: dict[str, int]
) -> list[Figure]:
    fleet, seen, ready = Fleet(port, told["units"]), {}, asyncio.Event()  # type: ignore[var-annotated]
    watching = asyncio.create_task(_watch(int(made.env["FENGSUI_PORT"]), told["session"], seen, ready))
    drives = [asyncio.create_task(fleet.drive(n)) for n in range(UNITS)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
        await logged_in(fleet, drives)
        fleet.going.set()
        await asyncio.sleep(SETTLE_S)
        began, before = time.monotonic(), {name: _cpu_s(pid) for name, pid in pids.items()}
        await asyncio.sleep(max(10.0, seconds))
        until, after = time.monotonic(), {name: _cpu_s(pid) for name, pid in pids.items()}
        await asyncio.sleep(3)
        raise_failures([*drives, watching])
        fleet.ending.set()
    finally:
        for task in (*drives, watching):
            task.cancel()
        await asyncio.gather(*drives, watching, return_exceptions=True)
    sent = {key: at for key, at in fleet.sent.items() if began <= at < until}
    late = sorted((seen[key] - at) * 1000 for key, at in sent.items() if key in seen)
    if not late:
        raise RuntimeError("no position came out of the stream")
    note = (
        f"{UNITS} vehicles, {len(sent)} positions; from the socket to the stream, which ticks once a second"
    )
    cpu = [figure(f"CPU of {name}", "cores", (after[name] - before[name]) / (until - began)) for name in pids]
    return [
        figure(
            "positions taken", "1/s", len(sent) / (until - began), f"{fleet.refused} refused by the gateway"
        ),
        figure("position to the stream p50", "ms", late[len(late) // 2], note),
        figure("position to the stream p99", "ms", late[len(late) * 99 // 100]),
        figure("position to the stream, worst", "ms", late[-1]),
        figure(
            "positions never shown", "%", 100 * (1 - len(late) / len(sent)), "a newer one took their place"
        ),
        *cpu,
    ]


async def logged_in(fleet: Fleet, drives: list[asyncio.Task[None]]) -> None:
    """Until all vehicles have logged in.  Raises RuntimeError after PATIENCE_S, and what a vehicle met."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while fleet.ready < UNITS:
                raise_failures(drives)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise RuntimeError(
            f"{fleet.ready} of {UNITS} vehicles had logged in after {PATIENCE_S:g} s: is the machine busy?"
        ) from None


def raise_failures(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error


def _cpu_s(pid: int) -> float:
    """Seconds of CPU of a process and of the children that it has now."""
    total = 0.0
    for one in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def _children(pid: int) -> list[int]:
    out: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                out += [int(child), *_children(int(child))]
    return out


def main() -> int:
    """Make units with their identities, two rules over each, and who watches; print their numbers and the session."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.people.orgs.models import Org
    from fengsui.run.bench_lists import _session
    from fengsui.sense.devices.models import CodeMapping, Device, ProtocolIdentity, Site
    from fengsui.sense.moving import services
    from fengsui.sense.moving.models import Unit

    org = Org.objects.create(
        pk=1, path="/1/", depth=0, kind="province", code="p", name="省", division_code="420000"
    )
    for n in range(SITES):
        Site.objects.create(
            code=f"s{n}", name=f"车队 {n}", org=org, org_path=org.path, longitude=LON, latitude=LAT
        )
    for name in ("longitude", "latitude", "speed", "direction"):
        CodeMapping.objects.create(protocol="jt808", code=f"position.{name}", observed_property=name)
    rows = [f"s{n % SITES},v{n},车 {n},1" for n in range(UNITS)]
    table = "\n".join(["site,code,name,period_s", *rows])
    report = services.import_units(None, org, io.BytesIO(table.encode()))
    if report.bad:
        raise RuntimeError(str(report.bad[0]))
    found = {unit.thing.code: unit for unit in Unit.objects.select_related("thing")}
    units = [found[f"v{n}"] for n in range(UNITS)]
    devices = Device.objects.bulk_create(
        Device(site_id=unit.site_id, code=f"v{n}") for n, unit in enumerate(units)
    )
    ProtocolIdentity.objects.bulk_create(
        ProtocolIdentity(device=device, protocol="jt808", identity=phone(n).lstrip("0"), thing=unit.thing)
        for n, (device, unit) in enumerate(zip(devices, units, strict=True))
    )
    if UNFENCED not in sys.argv:
        _fence(org)
    print(json.dumps({"units": [unit.pk for unit in units], "session": _session("watcher", 1)}))
    return 0


def _fence(org: Any) -> None:
    from fengsui.warn.fences import services as fences

    circle = {"type": "Point", "coordinates": [LON + 0.02, LAT]}
    fence = fences.create_fence(
        None, org, {"name": "园区", "shape": "circle", "geometry": circle, "radius_m": 800.0}
    )
    fences.create_rule(None, "enter", {}, fence=fence)
    fences.create_rule(None, "speed", {"limit": 80}, fence=fence)


if __name__ == "__main__":
    raise SystemExit(main())
