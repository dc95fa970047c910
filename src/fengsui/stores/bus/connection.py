"""A connection to NATS that reconnects for ever and says so in the log."""

import asyncio

import nats
import structlog
from nats.aio.client import Client

log = structlog.get_logger()


async def connect(url: str, name: str, *, wait_s: float = 30) -> Client:
    """Connect as ``name`` to one of the servers in ``url`` (separated by commas).

    Keeps trying for ``wait_s`` seconds, and for ever once it was connected.

    Raises TimeoutError that names the address when nobody answers in time.
    """
    client: Client | None = None

    async def lost() -> None:
        if client is not None and not client.is_closed:
            log.warning("bus.lost", client=name)

    async def back() -> None:
        log.info("bus.back", client=name)

    async def failed(error: Exception) -> None:
        if client is not None:
            log.warning("bus.error", client=name, error=repr(error))

    attempt = nats.connect(
        [u.strip() for u in url.split(",")],
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        connect_timeout=2,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=failed,
        pending_size=32 << 20,
    )
    try:
        client = await asyncio.wait_for(attempt, wait_s)
    except TimeoutError:
        where = ", ".join(u.rsplit("@", 1)[-1] for u in url.split(","))  # never the password
        raise TimeoutError(f"no NATS answers at {where} within {wait_s:g} s; is the bus role up?") from None
    return client
