"""The ASGI application of the role ``web``: readings go straight to the gateway's code, all else to Django."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from django.core.asgi import get_asgi_application
from nats.aio.client import Client

from fengsui.run import memory, settings
from fengsui.run.metrics import door, exchange, roles
from fengsui.run.metrics import web as counted
from fengsui.run.metrics.samples import Sample
from fengsui.stores.bus import Heartbeat, connect

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = structlog.get_logger()
# How long a thread keeps the interpreter while others wait.  A page gives it up at every question to the database, and
# gets it back from a thread that reads columns only after so long: a dozen times a page, 5 ms each by default.
SWITCH_S = 0.001

_django = get_asgi_application()

from fengsui.run.intake import Intake  # noqa: E402 - models: after Django is set up
from fengsui.sense.gateways import http  # noqa: E402
from fengsui.sense.media import folder  # noqa: E402
from fengsui.show.live import hub, stream  # noqa: E402
from fengsui.show.sta import posting  # noqa: E402

_intake: Intake | None = None
_client: Client | None = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"] == door.PATH:
        await door.serve(scope, send, _metrics)
    elif scope["type"] == "http" and scope["path"] == stream.PATH:
        await stream.app(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == http.PATH and _intake is not None:
        await _intake.app(scope, receive, send)
    else:
        await _django(scope, receive, send)


async def _metrics() -> list[Sample]:
    """Of every role that answers on the bus, and of the bus itself."""
    if _client is None:
        return []
    told, bus = await asyncio.gather(exchange.gather(_client, settings.ROLES), roles.bus(_client))
    return [*told, *bus]


def _own() -> list[Sample]:
    return [*counted.samples(), *(roles.intake(_intake) if _intake is not None else ())]


async def _lifespan(receive: Receive, send: Send) -> None:
    global _intake, _client
    await receive()
    client = _client = await connect(settings.nats_url(), "web")
    heartbeat = Heartbeat(client, "web")
    await heartbeat.start()
    await exchange.answer(client, heartbeat, _own)
    intake = Intake(client, heartbeat.instance)
    starting = asyncio.create_task(
        intake.start()
    )  # waits for the database; pages say so themselves meanwhile
    claiming = asyncio.create_task(folder.claim_when_ready())
    _intake = intake
    posting.use(intake.from_threads())
    sys.setswitchinterval(SWITCH_S)
    memory.settle()  # a DataArray is a million small lists: nobody looks through the rest of the heap for each
    heartbeat.ready = True
    await send({"type": "lifespan.startup.complete"})
    await receive()
    hub.stop()
    starting.cancel()
    claiming.cancel()
    posting.use(None)
    await intake.close()
    await heartbeat.stop()
    await client.close()
    await send({"type": "lifespan.shutdown.complete"})
