"""The role ``gateway``: readings onto the bus, over HTTP, MQTT and field protocols; who may log in over MQTT.

Several may run at once, here or elsewhere: they share the MQTT consumer and the login questions.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import structlog
import uvicorn
from nats.aio.client import Client

from fengsui.run import django_setup, memory, ports, role, settings, tracing
from fengsui.run import nats as bus_server
from fengsui.run.metrics import door, exchange, roles
from fengsui.run.metrics.samples import Sample, process
from fengsui.run.role import BUS_ERRORS
from fengsui.stores.bus import Heartbeat, connect, ensure

HELP = "readings over HTTP and MQTT onto the bus"
log = structlog.get_logger()

MQTT_SHARE = 4  # of FENGSUI_BUS_MAX_BYTES, one part in four may wait as MQTT publishes nobody has read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    host, port = settings.value("FENGSUI_BIND"), settings.number("FENGSUI_GATEWAY_PORT")
    try:
        ports.require_free(host, port, "FENGSUI_GATEWAY_PORT")
    except ports.PortBusy as error:
        print(f"fengsui gateway: {error}", file=sys.stderr)
        return 3
    django_setup.setup()
    tracing.setup("gateway")
    return role.run("gateway", lambda: serve(host, port))


class _Server(uvicorn.Server):
    """Signals belong to the role, not to its listener."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(host: str, port: int) -> None:
    """Serve until cancelled; then take nothing new, finish what is under way and leave."""
    from fengsui.run import field as field_protocols  # models: after Django is set up
    from fengsui.run.intake import Intake
    from fengsui.sense.gateways import quick
    from fengsui.sense.gateways.callout import Callout
    from fengsui.sense.gateways.mqtt import MqttGateway
    from fengsui.sense.gateways.observations import ObservationsGateway, Updates
    from fengsui.sense.gateways.sessions import Sessions

    url, bus_bytes = settings.nats_url(), settings.number("FENGSUI_BUS_MAX_BYTES")
    async with contextlib.AsyncExitStack() as stack:
        nc = await role.patiently("gateway", "bus", lambda: connect(url, "gateway", wait_s=2))
        stack.push_async_callback(nc.close)
        system = await _system(url)
        if system is not None:
            stack.push_async_callback(system.close)
        heartbeat = Heartbeat(nc, "gateway")
        await heartbeat.start()
        stack.push_async_callback(heartbeat.stop)
        intake = Intake(nc, heartbeat.instance)
        stack.push_async_callback(intake.close)
        parts: list[Any] = [roles.intake]

        def said() -> list[Sample]:
            return [sample for part in parts for sample in part(intake)]

        await exchange.answer(nc, heartbeat, said)
        server = _Server(
            uvicorn.Config(
                _with_metrics(intake.app, heartbeat, said),
                host=host, port=port, http=quick.protocol_of(intake.app.gate),  # type: ignore[attr-defined]
                lifespan="off", log_config=None, access_log=False,
                server_header=False, timeout_graceful_shutdown=5, proxy_headers=False,
            )
        )  # fmt: skip
        listening = asyncio.create_task(server.serve(), name="http")
        stack.push_async_callback(_stop, server, listening)
        await intake.start()
        await role.patiently("gateway", "bus", lambda: ensure(nc, bus_bytes))
        callout = Callout(
            nc, intake.registry, bus_server.callout_key(bus_server.password_of(url)), intake.refusals
        )
        sessions = Sessions(nc, system, intake.registry, intake.refusals)
        mqtt = MqttGateway(
            nc, intake.registry, intake.publisher, intake.admission, intake.refusals, bus_bytes // MQTT_SHARE,
            intake.repeats,
        )  # fmt: skip
        spoken = ObservationsGateway(
            mqtt,
            nc,
            intake.registry,
            intake.publisher,
            intake.admission,
            intake.refusals,
            bus_bytes // MQTT_SHARE,
        )
        for door_of in (mqtt, spoken):
            await role.patiently("gateway", "bus", door_of.start)
            stack.push_async_callback(door_of.close)
        updates = Updates(nc, settings.number("FENGSUI_PARTITIONS"), heartbeat.instance)
        await updates.start()
        stack.push_async_callback(updates.close)
        await callout.start()
        stack.push_async_callback(callout.close)
        await sessions.start()
        stack.push_async_callback(sessions.close)
        field = field_protocols.Field(intake)
        await field.start(settings.value("FENGSUI_BIND"), field_protocols.ports())
        stack.push_async_callback(field.close)
        parts.append(lambda _intake: roles.field(field.hub))
        parts.append(lambda _intake: roles.doors(heartbeat.lag, mqtt, callout))
        memory.settle()
        heartbeat.ready = True
        log.info("gateway.ready", host=host, port=port, instance=heartbeat.instance)
        try:
            while not listening.done():
                with contextlib.suppress(*BUS_ERRORS):
                    for one in (mqtt, spoken):
                        await one.follow_room()
                heartbeat.lag = await _lag(intake, mqtt, callout, sessions)
                await asyncio.sleep(1)
        finally:
            heartbeat.ready = False
    raise RuntimeError("the HTTP listener ended")


def _with_metrics(app: Any, heartbeat: Heartbeat, said: Callable[[], list[Sample]]) -> Any:
    """``app``, and this gateway's own metrics at GET /metrics."""

    async def read() -> list[Sample]:
        return exchange.named(heartbeat.status(), [*process(), *said()])

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == door.PATH:
            await door.serve(scope, send, read)
        else:
            await app(scope, receive, send)

    return application


async def _stop(server: uvicorn.Server, listening: asyncio.Task) -> None:
    server.should_exit = True
    await asyncio.gather(listening, return_exceptions=True)


async def _lag(intake, mqtt, callout, sessions) -> dict[str, int]:  # type: ignore[no-untyped-def]
    counts = intake.app.gate.counts
    try:
        waiting = await mqtt.waiting()
    except BUS_ERRORS:
        waiting = -1
    return {
        **intake.publisher.lag,
        "mqtt_waiting": waiting,
        "http_requests": counts.requests,
        "accepted": counts.accepted + mqtt.accepted,
        "refused": counts.refused + mqtt.refused,
        "busy": counts.busy,
        "qos0_lost": mqtt.lost_qos0,
        "logins": callout.answered,
        "logins_refused": callout.refused,
        "sessions_ended": sessions.ended,
        **({"disk_full": 1, "turned_away": intake.publisher.turned_away} if intake.room.full else {}),
    }


async def _system(url: str) -> Client | None:
    """A connection as the server's administrator; None on a NATS of yours that does not know ours."""
    try:
        return await connect(bus_server.system_url(url), "gateway administration", wait_s=2)
    except BUS_ERRORS as error:
        log.warning("gateway.no_administration", error=repr(error))
        return None
