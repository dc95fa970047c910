"""A role of one event loop: it serves until it is told to stop, stops cleanly, and ends in time whatever is away.

Each part of a role may wait for the bus or the database when it closes.  With both away these waits add up, and a
thread that waits for a database cannot be cancelled; so the whole has one limit.  What has not been answered by then
was never promised to anybody.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
import structlog
import uvloop

from fengsui.run import child

log = structlog.get_logger()
T = TypeVar("T")

STOP_S = 20.0  # from the signal to the end of the process; the supervisor kills after 25
BUS_ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError)


def run(name: str, serve: Callable[[], Coroutine[Any, Any, None]], stop_s: float = STOP_S) -> int:
    """Run ``serve`` until SIGTERM or SIGINT, then cancel it and wait.  1 when it ended by itself.

    Does not return when it is still not over ``stop_s`` after the signal: then the process ends with code 1.
    """
    late = threading.Timer(stop_s, _end_now, [name])
    late.daemon = True
    try:
        return uvloop.run(_until_stopped(name, serve, late))
    finally:  # also after the threads of the loop have ended
        late.cancel()


async def _until_stopped(
    name: str, serve: Callable[[], Coroutine[Any, Any, None]], late: threading.Timer
) -> int:
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    serving = asyncio.create_task(serve(), name=name)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    late.start()
    if serving.done():
        log.error(f"{name}.ended", error=repr(serving.exception()))
        return 1
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return 0


def _end_now(name: str) -> None:
    log.error(f"{name}.stopped_late", then="the process ends; what is not answered is sent again")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


async def patiently(name: str, what: str, deed: Callable[[], Awaitable[T]]) -> T:
    """Try until it works; say once that it is waited for."""
    told = False
    while True:
        try:
            return await deed()
        except BUS_ERRORS as error:
            if not told:
                told = True
                log.warning(f"{name}.waiting", of=what, error=repr(error))
            await asyncio.sleep(0.5)
