"""Commands on their way to a device: over the bus to the gateway that holds its connection, and the answer back.

A question goes to all gateways; the one that holds the connection says "taken" at once and the outcome when it knows.
Core NATS: a command that no gateway takes within seconds is not kept for later, a device must not act on an old one.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.sense.gateways.field.adapter import BadCommand
from fengsui.sense.gateways.field.hub import Hub

log = structlog.get_logger()

SUBJECT = "field.command"
TAKEN_S = 2.0  # within which a gateway that holds the device says so
LONGEST_S = 120.0
NOT_CONNECTED = "not_connected"


class Command(msgspec.Struct):
    """``protocol`` empty: whatever the device speaks."""

    device: str
    command: str
    arguments: dict[str, Any] = {}
    protocol: str = ""
    wait_s: float = 15.0
    by: str = ""


class Outcome(msgspec.Struct):
    """``outcome``: taken (more follows), answered, refused, sent, timeout, disconnected, not_connected, bad_command."""

    outcome: str
    protocol: str = ""
    said: list[Any] = []
    message: str = ""


class Commands:
    """The gateway's end."""

    def __init__(self, nc: Client, hub: Hub) -> None:
        self._nc, self._hub = nc, hub
        self._subscription: Any = None
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        async def on_command(message: Msg) -> None:
            try:
                command = msgspec.json.decode(message.data, type=Command)
            except msgspec.DecodeError as error:
                log.warning("command.unreadable", error=str(error))
                return
            task = asyncio.create_task(self._carry_out(command, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._subscription = await self._nc.subscribe(SUBJECT, cb=on_command)

    async def close(self) -> None:
        if self._subscription is not None and not self._nc.is_closed:
            await self._subscription.unsubscribe()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, command: Command, message: Msg) -> None:
        for identity in self._hub.identities.of_device(command.device, command.protocol or None):
            line = self._hub.line_of(identity)
            if line is None:
                continue
            await message.respond(msgspec.json.encode(Outcome("taken", identity.protocol)))
            try:
                outcome, said = await line.ask(
                    identity,
                    command.command,
                    command.arguments,
                    min(max(command.wait_s, 0.1), LONGEST_S),
                    command.by,
                )
                made = Outcome(outcome, identity.protocol, said)
            except BadCommand as error:
                made = Outcome("bad_command", identity.protocol, message=str(error))
            self._hub.counts.commands[identity.protocol, made.outcome] += 1
            await message.respond(msgspec.json.encode(made))
            return


async def send(
    nc: Client, command: Command, told: Callable[[Outcome], None] = lambda outcome: None
) -> Outcome:
    """Ask the gateways; the final outcome.  ``told`` hears of "taken".  Raises nats.errors.Error."""
    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox)
    try:
        await nc.publish(SUBJECT, msgspec.json.encode(command), reply=inbox)
        wait_s = TAKEN_S
        while True:
            try:
                message = await subscription.next_msg(timeout=wait_s)
            except TimeoutError:
                return Outcome(NOT_CONNECTED if wait_s == TAKEN_S else "timeout")
            if not message.data:
                return Outcome(NOT_CONNECTED)  # nobody listens at all
            made = msgspec.json.decode(message.data, type=Outcome)
            if made.outcome != "taken":
                return made
            told(made)
            wait_s = min(command.wait_s, LONGEST_S) + TAKEN_S + 1
    finally:
        await subscription.unsubscribe()
