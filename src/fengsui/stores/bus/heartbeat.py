"""Which role is alive: each answers the question ``roles.ping`` with what it is, since when, and its lag.

Nothing is stored: a role that does not answer now is not up now.
"""

import os
import socket
import time
import uuid
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.stores import clock

SUBJECT = "roles.ping"


class Heartbeat:
    """The status of this process.  Set ``ready`` and ``lag`` (name → number) as they change."""

    def __init__(self, client: Client, role: str, subject: str = SUBJECT):
        self.ready = False
        self.lag: dict[str, Any] = {}
        self._client, self._subject = client, subject
        self._fixed = {
            "role": role,
            "instance": uuid.uuid4().hex[:12],
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since_ms": clock.now_ms(),
        }
        self._subscription: Any = None

    @property
    def instance(self) -> str:
        return str(self._fixed["instance"])

    def status(self) -> dict[str, Any]:
        """What is answered: role, instance, pid, host, since_ms, at_ms, ready, lag."""
        at_ms = clock.now_ms()
        lag = {**self.lag, **clock.facts()}
        return {**self._fixed, "at_ms": at_ms, "ready": self.ready, "lag": lag}

    async def start(self) -> None:
        async def answer(message: Msg) -> None:
            await message.respond(msgspec.json.encode(self.status()))

        self._subscription = await self._client.subscribe(self._subject, cb=answer)

    async def stop(self) -> None:
        self.ready = False
        if self._subscription is not None and self._client.is_connected:
            await self._subscription.unsubscribe()
        self._subscription = None

    @property
    def answering(self) -> bool:
        return self._subscription is not None


async def read_roles(
    client: Client, *, seconds: float = 1.0, quiet_s: float = 0.2, subject: str = SUBJECT
) -> list[dict[str, Any]]:
    """Every role that answers within ``seconds``, sorted by name; stops early ``quiet_s`` after the last answer."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    found: list[dict[str, Any]] = []
    try:
        await client.publish(subject, b"", reply=inbox)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = await subscription.next_msg(timeout=min(left, quiet_s) if found else left)
            except TimeoutError:
                break
            if not message.data:  # "no responders": nobody is up
                break
            found.append(msgspec.json.decode(message.data))
    finally:
        await subscription.unsubscribe()
    return sorted(found, key=lambda r: (r["role"], r["instance"]))
