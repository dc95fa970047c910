"""The role ``bus``: the embedded NATS with JetStream and MQTT, as a child whose log we read.

When the disk refuses a write, the server confirms nothing more on that stream, or switches JetStream off, and only a
new start ends that.  Its log says so; when there is room again the role ends, and whoever watches it starts it anew.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import msgspec
import structlog
from nats.js.errors import ServiceUnavailableError

from fengsui.run import child, nats, ports, room, settings
from fengsui.run.metrics import exchange
from fengsui.sense.gateways.violations import SUBJECT as REFUSED
from fengsui.sense.gateways.violations import Violation, parse_violation
from fengsui.stores.bus import Heartbeat, connect, ensure

HELP = "the embedded NATS: durable log of readings, MQTT for devices"
log = structlog.get_logger()

ROOM_AGAIN = 4 << 20  # bytes free before a server that could not write is started anew
BROKEN = (b"critical write error", b"will be disabled")  # nats-server 2.15: filestore.go, jetstream.go


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    if settings.value("FENGSUI_NATS_URL"):
        print("FENGSUI_NATS_URL is set: your NATS is used, there is nothing to start", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_serve())
    except (nats.CannotStart, ports.PortBusy) as error:
        print(f"fengsui bus: {error}", file=sys.stderr)
        return 3


async def _serve() -> int:
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    folder = settings.home() / "bus"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port, mqtt = settings.number("FENGSUI_NATS_PORT"), settings.number("FENGSUI_MQTT_PORT")
    bind = settings.value("FENGSUI_BIND")
    ports.require_free("127.0.0.1", port, "FENGSUI_NATS_PORT")
    ports.require_free(bind, mqtt, "FENGSUI_MQTT_PORT")
    conf = folder / "nats.conf"
    conf.touch(mode=0o600)
    conf.write_text(
        nats.configuration(
            folder / "store", port, settings.secret("nats"), mqtt=f"{bind}:{mqtt}",
            max_payload=settings.number("FENGSUI_MAX_MQTT_BYTES") + nats.HEADERS_BYTES,
        )
    )  # fmt: skip
    process = await child.start([str(nats.binary()), "-c", str(conf)], out=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    violations: asyncio.Queue[Violation] = asyncio.Queue(1000)
    broken = asyncio.Event()
    pump = asyncio.create_task(_pump(process.stdout, violations, broken))
    tell = asyncio.create_task(_tell(violations))
    beat = asyncio.create_task(_beat(folder, broken))
    ended = asyncio.create_task(process.wait())
    waits = [ended, asyncio.create_task(stopping.wait()), beat]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    anew = beat.done() and not beat.cancelled() and not stopping.is_set() and not ended.done()
    if anew:
        log.error(
            "bus.starts_anew", why=repr(beat.exception() or "the server could not write and has room again")
        )
    beat.cancel()
    tell.cancel()
    await asyncio.gather(
        beat, tell, return_exceptions=True
    )  # before the server goes: they would reconnect for ever
    if anew:
        await child.stop(process, signal.SIGTERM)
        return 1
    if not stopping.is_set():
        await pump
        log.error("bus.ended", code=process.returncode)
        return 1
    await child.stop(process, signal.SIGTERM)
    return 0


async def _pump(
    lines: asyncio.StreamReader, violations: asyncio.Queue[Violation], broken: asyncio.Event
) -> None:
    """Pass the server's log on; a refused publish in it is a refusal like any other.  ``broken``: it cannot write."""
    async for raw in lines:
        with contextlib.suppress(OSError):  # a full disk: the server must not wait for its log
            sys.stderr.buffer.write(raw)
            sys.stderr.flush()
        if any(word in raw.lower() for word in BROKEN):
            broken.set()
        found = parse_violation(raw.decode("utf-8", "replace"))
        if found is not None and not violations.full():
            violations.put_nowait(found)


async def _tell(violations: asyncio.Queue[Violation]) -> None:
    """Tell a gateway of each refused MQTT publish; it knows the device, audits it and ends its session."""
    client = await connect(settings.nats_url(), "bus log")
    try:
        while True:
            await client.publish(REFUSED, msgspec.json.encode(await violations.get()))
    finally:
        await client.close()


async def _beat(folder: Path, broken: asyncio.Event) -> None:
    """Answer for the server, and say how much room its disk has.  Returns when the server has to be started anew."""
    client = await connect(settings.nats_url(), "bus")
    looker = room.looker(folder)
    telling = asyncio.create_task(looker.tell(client))
    try:
        heartbeat = Heartbeat(client, "bus")
        await heartbeat.start()
        await exchange.answer(client, heartbeat)
        await ensure(client, settings.number("FENGSUI_BUS_MAX_BYTES"))
        heartbeat.ready = True
        js = client.jetstream()
        while True:
            try:
                state = (await js.stream_info("READINGS")).state
                heartbeat.lag = {"messages": state.messages, "bytes": state.bytes, **looker.lag}
            except ServiceUnavailableError:  # JetStream is off
                broken.set()
            except Exception as error:
                log.warning("bus.no_info", error=repr(error))
            if broken.is_set():
                heartbeat.ready = False
                heartbeat.lag = {**heartbeat.lag, **looker.lag, "cannot_write": 1}
                if not looker.is_spent and all(disk.free >= ROOM_AGAIN for disk in looker.disks):
                    return
            await asyncio.sleep(2)
    finally:
        telling.cancel()
        await client.close()
