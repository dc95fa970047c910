"""Devices that are logged in to the MQTT listener: end the session of one that may no longer publish.

MQTT 3.1.1 has no way to say no to a publish: the server confirms it and only writes to its log.  So a device that
publishes where it may not is audited and disconnected; and when a secret changes or a device is taken out of use, the
sessions that began with the old one end.  Needs the server's administration user; without it this does nothing.
"""

import time
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry, Snapshot
from fengsui.sense.gateways.violations import SUBJECT, Violation

log = structlog.get_logger()

QUEUE = "gateway"
PAGE = 1024
QUIET_S = 0.3


class Sessions:
    """``system``: a connection as the server's administrator, or None."""

    def __init__(self, nc: Client, system: Client | None, registry: Registry, refusals: Refusals) -> None:
        self.ended = 0
        self._nc, self._system, self._registry, self._refusals = nc, system, registry, refusals
        self._seen: dict[int, float] = {}
        self._subscription: Any = None

    async def start(self) -> None:
        async def on_violation(message: Msg) -> None:
            try:
                await self.refuse(msgspec.json.decode(message.data, type=Violation))
            except msgspec.DecodeError as error:
                log.warning("violation.unreadable", error=str(error))

        self._subscription = await self._nc.subscribe(SUBJECT, queue=QUEUE, cb=on_violation)
        self._registry.listeners.append(self.follow)

    async def close(self) -> None:
        if self._subscription is not None and not self._nc.is_closed:
            await self._subscription.unsubscribe()
        if self.follow in self._registry.listeners:
            self._registry.listeners.remove(self.follow)

    async def refuse(self, violation: Violation) -> None:
        """Audit a publish that the server refused, and end the session it came from."""
        now = time.monotonic()
        self._seen = {cid: at for cid, at in self._seen.items() if now - at < 5}
        first = violation.cid not in self._seen
        self._seen[violation.cid] = now
        found = await self._connections(cid=violation.cid) if first else []
        code = next((str(c.get("authorized_user", "")) for _, c in found), "")
        device = self._registry.snapshot.devices.get(code)
        site = self._registry.site_of(device) if device else None
        self._refusals.note(
            "readings.publish", code or violation.client_id or "(unknown)", violation.host,
            org_path=site.org_path if site else "", by="mqtt",
            why={"topic": "wrong_site"}.get(violation.kind, violation.kind), sent=violation.detail,
        )  # fmt: skip
        if violation.kind == "topic":
            for server, connection in found:
                await self._end(server, connection)

    async def follow(self, before: Snapshot, after: Snapshot) -> None:
        """End the sessions of devices that changed in a way that matters: secret, site, in use or not."""
        gone = {
            code
            for code, device in before.devices.items()
            if after.devices.get(code) != device or not device.is_active
        }
        closed = {s.id for s in before.sites.values() if after.site_by_id.get(s.id) != s}
        gone |= {code for code, device in before.devices.items() if device.site in closed}
        if gone:
            for server, connection in await self._connections():
                if connection.get("type") == "mqtt" and connection.get("authorized_user") in gone:
                    await self._end(server, connection)

    async def _connections(self, **only: int) -> list[tuple[str, dict]]:
        """(server id, connection) of every connection, or of those that ``only`` selects."""
        out: list[tuple[str, dict]] = []
        offset, more = 0, True
        while more:
            more = False
            body = msgspec.json.encode({"auth": True, "limit": PAGE, "offset": offset, **only})
            for answer in await self._ask("$SYS.REQ.SERVER.PING.CONNZ", body):
                page = (answer.get("data") or {}).get("connections") or []
                out += [(answer["server"]["id"], connection) for connection in page]
                more = more or len(page) == PAGE
            offset += PAGE
        return out

    async def _end(self, server: str, connection: dict) -> None:
        body = msgspec.json.encode({"cid": connection["cid"]})
        await self._ask(f"$SYS.REQ.SERVER.{server}.KICK", body, one=True)
        self.ended += 1
        log.info("session.ended", device=connection.get("authorized_user"), cid=connection["cid"])

    async def _ask(self, subject: str, body: bytes, *, one: bool = False) -> list[dict]:
        """What the servers answer; [] when there is no administration user or nobody answers."""
        if self._system is None or not self._system.is_connected:
            return []
        inbox = self._system.new_inbox()
        subscription = await self._system.subscribe(inbox)
        answers: list[dict] = []
        try:
            await self._system.publish(subject, body, reply=inbox)
            while True:
                try:
                    message = await subscription.next_msg(timeout=QUIET_S if answers else 2.0)
                except TimeoutError:
                    break
                if message.data:
                    answers.append(msgspec.json.decode(message.data))
                if one or not message.data:
                    break
        finally:
            await subscription.unsubscribe()
        return answers
