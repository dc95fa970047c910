"""The role ``bus``: the embedded NATS with JetStream and MQTT, as a child whose log we read."""

import argparse
import asyncio
import signal
import sys

import msgspec
import structlog

from fengsui.run import child, nats, ports, settings
from fengsui.run.metrics import exchange
from fengsui.sense.gateways.violations import SUBJECT as REFUSED
from fengsui.sense.gateways.violations import Violation, parse_violation
from fengsui.stores.bus import Heartbeat, connect, ensure

HELP = "the embedded NATS: durable log of readings, MQTT for devices"
log = structlog.get_logger()


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
    pump = asyncio.create_task(_pump(process.stdout, violations))
    tell = asyncio.create_task(_tell(violations))
    beat = asyncio.create_task(_beat())
    ended = asyncio.create_task(process.wait())
    await asyncio.wait([ended, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
    beat.cancel()
    tell.cancel()
    await asyncio.gather(
        beat, tell, return_exceptions=True
    )  # before the server goes: they would reconnect for ever
    if not stopping.is_set():
        await pump
        log.error("bus.ended", code=process.returncode)
        return 1
    await child.stop(process, signal.SIGTERM)
    return 0


async def _pump(lines: asyncio.StreamReader, violations: asyncio.Queue[Violation]) -> None:
    """Pass the server's log on; a refused publish in it is a refusal like any other."""
    async for raw in lines:
        sys.stderr.buffer.write(raw)
        sys.stderr.flush()
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


async def _beat() -> None:
    client = await connect(settings.nats_url(), "bus")
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
                heartbeat.lag = {"messages": state.messages, "bytes": state.bytes}
            except Exception as error:
                log.warning("bus.no_info", error=repr(error))
            await asyncio.sleep(2)
    finally:
        await client.close()
