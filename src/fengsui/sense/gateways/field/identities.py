"""Who speaks a field protocol and what their codes mean, as a snapshot of the database that follows it.

The snapshot is replaced when the change counters "protocols" or "registry" move (looked at once a second).  Without the
database the last one serves on.  Nothing here waits and nothing touches the database but the following task.
"""

import asyncio
import hashlib
import hmac
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.people.accounts.sealing import CannotUnseal, unseal
from fengsui.sense.devices.models import SECRET_PURPOSE
from fengsui.sense.gateways.field.adapter import Identity
from fengsui.sense.gateways.registry import Registry, Streams
from fengsui.stores.changes import ChangeWatch, in_thread, numbers

log = structlog.get_logger()

WATCHED = ("protocols", "registry")
ISSUED = "jt808"  # here the platform gives the code: one that is derived stands in for an empty secret
OWN_CODES = "modbus"  # codes are ours, so one that nobody mapped is the datastream's
CODES_PER_DEVICE = 4096  # meanings remembered; a device that makes up codes must not fill the memory


class Rule(NamedTuple):
    """A mapping as it stands in the table; neither target: known and not wanted."""

    datastream: str
    observed_property: str
    unit: str
    factor: float
    shift: float


class Meaning(NamedTuple):
    """What a code comes to: ``row`` into the site's Streams, and own value = value as sent × factor + offset.

    ``wrong_unit``: the units do not go together; then factor and offset are none.
    """

    row: int
    id: int
    factor: float
    offset: float
    wrong_unit: str = ""


UNWANTED = Meaning(-2, -1, 1.0, 0.0)  # mapped to nothing on purpose


class Snapshot:
    """One consistent reading of identities and mappings."""

    def __init__(
        self,
        counters: dict[str, int] | None = None,
        identities: list[Identity] | None = None,
        rules: dict[tuple, Rule] | None = None,
        things: dict[tuple[int, str], str] | None = None,
    ) -> None:
        self.counters = counters
        self.identities = {(one.protocol, one.identity): one for one in identities or []}
        self.rules = rules or {}
        self.things = things or {}  # thing, observed property → datastream code


def load(sealed: dict[str, str] | None = None) -> Snapshot:
    """Read the tables.  ``sealed`` remembers secrets that were opened before: sealed text → secret."""
    known = sealed if sealed is not None else {}
    counters = {name: number for name, number in numbers().items() if name in WATCHED}
    identities: list[Identity] = []
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.id, p.protocol, p.identity, p.secret, p.model, d.id, d.code, d.site_id, p.thing_id
               FROM devices_protocolidentity p JOIN devices_device d ON d.id = p.device_id
               JOIN devices_site s ON s.id = d.site_id WHERE p.is_active AND d.is_active AND s.is_active"""
        )
        for row in cursor:
            try:
                secret = _opened(row[3], known)
            except CannotUnseal:
                log.error("identity.sealed", protocol=row[1], device=row[6])
                continue  # refused as unknown: a password that cannot be read is never skipped
            if not secret and row[1] == ISSUED:
                secret = _derived(row[2])
            identities.append(Identity(row[0], row[1], row[2], secret, *row[4:]))
        cursor.execute(
            """SELECT protocol, code, site_id, device_id, model, datastream, observed_property, unit, factor, shift
               FROM devices_codemapping"""
        )
        rules = {
            (
                *(("d", device) if device else ("s", site, model) if site else ("p", model)),
                protocol,
                code,
            ): Rule(*rest)
            for protocol, code, site, device, model, *rest in cursor
        }
        cursor.execute(
            """SELECT d.thing_id, p.code, min(d.code) FROM devices_datastream d
               JOIN devices_observedproperty p ON p.id = d.observed_property_id
               WHERE d.is_active AND d.thing_id IN (SELECT thing_id FROM devices_protocolidentity)
               GROUP BY 1, 2 HAVING count(*) = 1"""  # two of one property: nobody can tell which is meant
        )
        things = {(thing, prop): code for thing, prop, code in cursor}
    return Snapshot(counters, identities, rules, things)


def _opened(sealed: str, known: dict[str, str]) -> str:
    if not sealed:
        return ""
    if sealed not in known:
        known[sealed] = unseal(sealed, SECRET_PURPOSE)
    return known[sealed]


def _derived(identity: str) -> str:
    mac = hmac.new(settings.SECRET_KEY.encode(), f"{ISSUED} {identity}".encode(), hashlib.sha256)
    return mac.hexdigest()[:16]


class Identities:
    """The current snapshot and the meanings worked out from it.  Use from one event loop."""

    def __init__(self, registry: Registry, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or Snapshot()
        self._registry = registry
        self._meanings: dict[int, tuple[Streams, dict[tuple[str, str], Meaning | None]]] = {}
        self._sealed: dict[str, str] = {}
        self._task: asyncio.Task | None = None

    @property
    def loaded(self) -> bool:
        return self.snapshot.counters is not None and self._registry.loaded

    async def start(self) -> None:
        """Read the tables once, then follow them.  Raises DatabaseError when the first reading fails."""
        await self._reload()
        self._task = asyncio.create_task(self._follow(), name="identities")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def find(self, protocol: str, identity: str) -> Identity | None:
        return self.snapshot.identities.get((protocol, identity))

    def of_device(self, code: str, protocol: str | None = None) -> list[Identity]:
        """The identities of a device, for a command to it."""
        return [
            one
            for one in self.snapshot.identities.values()
            if one.device_code == code and protocol in (None, one.protocol)
        ]

    def meaning(self, identity: Identity, code: str, unit: str) -> Meaning | None:
        """What ``code`` of a device is, sent in ``unit``; None when nobody mapped it."""
        streams = self._registry.streams(identity.site)
        held = self._meanings.get(identity.id)
        if held is None or held[0] is not streams:
            held = self._meanings[identity.id] = (streams, {})
        key = (code, unit)
        if key not in held[1]:
            if len(held[1]) >= CODES_PER_DEVICE:
                held[1].clear()
            held[1][key] = self._work_out(identity, code, unit, streams)
        return held[1][key]

    def _work_out(self, identity: Identity, code: str, unit: str, streams: Streams) -> Meaning | None:
        rules, tail = self.snapshot.rules, (identity.protocol, code)
        rule = None
        for head in (
            ("d", identity.device),
            ("s", identity.site, identity.model),
            ("s", identity.site, ""),
            ("p", identity.model),
            ("p", ""),
        ):
            if (rule := rules.get((*head, *tail))) is not None:
                break
        if rule is None and identity.protocol == OWN_CODES:
            rule = Rule(code, "", "", 1.0, 0.0)
        if rule is None:
            return None
        name = rule.datastream
        if not name and not rule.observed_property:
            return UNWANTED
        if not name and identity.thing is not None:
            name = self.snapshot.things.get((identity.thing, rule.observed_property), "")
        row = streams.row.get(name, -1)
        return None if row < 0 else _converting(rule, unit, streams, row)

    async def _reload(self) -> None:
        self.snapshot = await asyncio.to_thread(in_thread, load, self._sealed)
        self._meanings = {}
        log.info(
            "identities.loaded", identities=len(self.snapshot.identities), mappings=len(self.snapshot.rules)
        )

    async def _follow(self) -> None:
        watch = ChangeWatch(*WATCHED, since=self.snapshot.counters)
        async for _moved in watch.follow():
            while True:
                try:
                    await self._reload()
                    break
                except (DatabaseError, OSError) as error:
                    log.warning("identities.stale", error=repr(error))
                    await asyncio.sleep(1)


def _converting(rule: Rule, unit: str, streams: Streams, row: int) -> Meaning:
    """The way from the value as sent to the datastream's own unit."""
    given, own = rule.unit or unit, streams.units[row]
    factor, offset = 1.0, 0.0
    if given and own and given != own:
        try:
            factor, offset = units.factor_offset(given, own)
        except UnknownUnit as error:
            return Meaning(row, int(streams.ids[row]), 1.0, 0.0, str(error))
    return Meaning(row, int(streams.ids[row]), rule.factor * factor, rule.shift * factor + offset)
