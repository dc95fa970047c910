"""The field protocols of the role ``gateway``: listeners where a port is set, with the limits of the settings."""

import asyncio

import structlog
from django.db import DatabaseError

from fengsui.run import settings
from fengsui.run.intake import Intake
from fengsui.sense.gateways.field.commands import Commands
from fengsui.sense.gateways.field.hub import Hub
from fengsui.sense.gateways.field.identities import Identities
from fengsui.sense.gateways.field.limits import Limits
from fengsui.sense.gateways.field.listener import Listener
from fengsui.sense.gateways.field.polling import Polling
from fengsui.sense.gateways.field.registry import ADAPTERS
from fengsui.sense.media.store import Room, Store

log = structlog.get_logger()


def port_setting(protocol: str) -> str:
    """The setting that holds the port of a protocol: ``FENGSUI_HJ212_PORT``."""
    return f"FENGSUI_{protocol.replace('-', '_').upper()}_PORT"


def limits() -> Limits:
    """The limits of the settings."""
    return Limits(
        connections=settings.number("FENGSUI_FIELD_CONNECTIONS"),
        per_address=settings.number("FENGSUI_FIELD_PER_ADDRESS"),
        idle_s=settings.number("FENGSUI_FIELD_IDLE_S"),
        login_s=settings.number("FENGSUI_FIELD_LOGIN_S"),
        frame_s=settings.number("FENGSUI_FIELD_FRAME_S"),
        noise_bytes=settings.number("FENGSUI_FIELD_NOISE_BYTES"),
        refusals=settings.number("FENGSUI_FIELD_REFUSALS"),
    )


def room() -> Room:
    """Where files of devices end, by the settings."""
    return Room(
        file=settings.number("FENGSUI_MEDIA_FILE_BYTES"),
        device=settings.number("FENGSUI_MEDIA_DEVICE_BYTES"),
        total=settings.number("FENGSUI_MEDIA_TOTAL_BYTES"),
        free=settings.number("FENGSUI_MIN_FREE_BYTES"),
    )


class Field:
    """Identities, mappings and listeners on top of an ``Intake`` that has started."""

    def __init__(self, intake: Intake, bounds: Limits | None = None) -> None:
        self.identities = Identities(intake.registry)
        self.hub = Hub(
            intake.registry,
            self.identities,
            intake.publisher,
            intake.admission,
            intake.refusals,
            bounds or limits(),
            keep=Store(room()).keep,
        )
        self.commands = Commands(intake.nc, self.hub)
        self.polling = Polling(intake.nc, self.hub, intake.publisher.gateway)
        self.listeners: dict[str, Listener] = {}

    async def start(self, host: str, ports: dict[str, int]) -> None:
        """Read the identities, waiting for the database as long as it takes, then listen.

        ``ports`` by protocol; 0 is a free one.  Raises OSError when a port is taken.
        """
        told = False
        while True:
            try:
                await self.identities.start()
                break
            except (DatabaseError, OSError) as error:
                if not told:
                    told = True
                    log.warning("field.waiting", error=repr(error))
                await asyncio.sleep(0.5)
        self.hub.unmapped.start()
        self.hub.start()
        await self.commands.start()
        self.polling.start()
        for protocol, port in ports.items():
            listener = self.listeners[protocol] = Listener(self.hub, ADAPTERS[protocol], host, port)
            await listener.start()
            log.info("field.listening", protocol=protocol, host=host, port=listener.port)

    async def close(self) -> None:
        """Take nothing new, settle what is under way, hang up."""
        for listener in self.listeners.values():
            listener.close()
        await self.polling.close()
        await self.hub.close()
        await self.commands.close()
        await self.hub.unmapped.close()
        await self.identities.close()


def ports() -> dict[str, int]:
    """The protocols whose port is set."""
    found = {name: settings.number(port_setting(name)) for name in ADAPTERS}
    return {name: port for name, port in found.items() if port}
