"""Commands to devices, as a deed: who may, what was asked, and what came of it, in the audit trail before and after."""

import asyncio
from collections.abc import Mapping
from typing import Any

import nats.errors
from django.conf import settings

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Device
from fengsui.sense.gateways.field.adapter import BadCommand
from fengsui.sense.gateways.field.commands import Command, Outcome, send
from fengsui.sense.gateways.publisher import Busy
from fengsui.stores.bus import connect

DONE = ("answered", "sent")
COMMAND_LINE = "fengsui device"


def command(
    actor: Any,
    device: Device,
    name: str,
    arguments: Mapping[str, Any],
    protocol: str = "",
    wait_s: float = 15.0,
) -> Outcome:
    """Send a command to ``device`` and wait for its answer, at most ``wait_s``.

    ``actor`` None is the command line.  Raises NotAllowed, BadCommand, and Busy when the bus does not answer.
    """
    if actor is not None:
        access.require(actor, "device.command", device.site.org_path, device)
    by = actor.get_username() if actor is not None else COMMAND_LINE
    about: dict[str, Any] = {"command": name, "arguments": _shown(arguments), "protocol": protocol}
    audit.record(actor, "device.command", device, org_path=device.site.org_path, **about)
    try:
        outcome = asyncio.run(_send(Command(device.code, name, dict(arguments), protocol, wait_s, by)))
    except (nats.errors.Error, OSError, TimeoutError) as error:
        audit.record(
            actor,
            "device.commanded",
            device,
            ok=False,
            org_path=device.site.org_path,
            outcome="no_bus",
            **about,
        )
        raise Busy("the message bus does not answer; the command was not sent, or nobody knows") from error
    audit.record(
        actor, "device.commanded", device, ok=outcome.outcome in DONE, org_path=device.site.org_path,
        outcome=outcome.outcome, **about,
    )  # fmt: skip
    if outcome.outcome == "bad_command":
        raise BadCommand(outcome.message)
    return outcome


def _shown(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Arguments for the audit trail; a password among them is not for it."""
    return {
        name: "***" if "pass" in name.lower() or "pw" in name.lower() else str(v)[:200]
        for name, v in arguments.items()
    }


async def _send(asked: Command) -> Outcome:
    nc = await connect(settings.NATS_URL, "device command", wait_s=5)
    try:
        return await send(nc, asked)
    finally:
        await nc.close()
