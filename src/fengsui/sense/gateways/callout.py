"""Who may log in to the bus's MQTT listener: the server asks, the registry answers (NATS authorization callout).

A device is let in with its code as user name and its secret as password.  It may publish to the topic of its own
site and to those of its datastreams (SensorThings), and listen to the latter.  Source: nats-server ADR-26 and
server/auth_callout.go of version 2.15.
"""

import re
import time
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from fengsui.sense.gateways import nkeys, topics
from fengsui.sense.gateways.nkeys import AccountKey, BadToken
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import DeviceRow, Registry, SiteRow
from fengsui.sense.gateways.topics import ACCOUNT

log = structlog.get_logger()

SUBJECT = "$SYS.REQ.USER.AUTH"
QUEUE = "gateway"
TOPIC = "v1.{site}.readings"
STREAMS_MOST = 500  # datastreams of a site that are named in a permission
CLIENT_ID = re.compile(r"[A-Za-z0-9._:/@-]{0,128}")
LOGIN_S = 24 * 3600  # a session ends after this and the device logs in again: a backstop behind ``sessions``


class Callout:
    """Answers the server's questions.  Any number of gateways may run; each question reaches one of them."""

    def __init__(self, nc: Client, registry: Registry, key: AccountKey, refusals: Refusals) -> None:
        self.answered = self.refused = 0
        self._nc, self._registry, self._key, self._refusals = nc, registry, key, refusals
        self._subscription: Any = None

    async def start(self) -> None:
        self._subscription = await self._nc.subscribe(SUBJECT, queue=QUEUE, cb=self._on_question)

    async def close(self) -> None:
        if self._subscription is not None and not self._nc.is_closed:
            await self._subscription.unsubscribe()

    async def _on_question(self, message: Msg) -> None:
        try:
            await message.respond(self.answer(message.data).encode())
        except BadToken as error:
            log.warning("callout.bad_question", error=str(error))
        except Exception as error:  # a failure here must refuse one login, not end the gateway
            log.error("callout.failed", error=repr(error))

    def answer(self, question: bytes) -> str:
        """The signed answer to one signed question.  Raises BadToken when it is not a question of a server."""
        claims = nkeys.claims_of(question, nkeys.SERVER)
        asked = claims.get("nats")
        if not isinstance(asked, dict) or asked.get("type") != "authorization_request":
            raise BadToken("not an authorization request")
        user_key, server = str(asked.get("user_nkey", "")), asked.get("server_id") or {}
        given, client = asked.get("connect_opts") or {}, asked.get("client_info") or {}
        code, secret = str(given.get("user") or ""), str(given.get("pass") or "")
        said: dict[str, Any] = {"type": "authorization_response", "version": 2}
        device = self._registry.authenticate(code, secret)
        site = self._registry.site_of(device) if device else None
        why = self._why_not(device, site, client)
        self.answered += 1
        if why or device is None or site is None:
            self.refused += 1
            said["error"] = why
            known = self._registry.snapshot.devices.get(code)
            own = self._registry.site_of(known) if known else None
            self._refusals.note(
                "device.login", code, str(client.get("host") or "") or None,
                org_path=own.org_path if own else "", by="mqtt", why=why,
            )  # fmt: skip
        else:
            said["jwt"] = self._user(user_key, device, site)
        return self._key.sign({"sub": user_key, "aud": server.get("id", ""), "nats": said})

    def _why_not(self, device: DeviceRow | None, site: SiteRow | None, client: dict) -> str:
        if client.get("type") != "mqtt":  # the server checks the kinds of connection of its own users only
            return "devices log in over MQTT only"
        if not self._registry.loaded:
            return "the gateway does not know its devices yet"
        if device is None:
            return "device code or secret is wrong"
        if site is None or not site.is_active:
            return "the site of the device is out of use"
        client_id = str(client.get("mqtt_id") or "")
        if not CLIENT_ID.fullmatch(
            client_id
        ):  # a "%" in it would spoil the lines of the server's log about it
            return "the client id may have letters, digits and . _ : / @ - only, at most 128"
        owner = client_id.partition(":")[0]
        if owner != device.code and owner in self._registry.snapshot.devices:
            return "the client id is the code of another device"  # it would end that device's session
        return ""

    def _user(self, user_key: str, device: DeviceRow, site: SiteRow) -> str:
        named = [("Datastreams", pk) for pk in sorted(self._registry.streams(site.id).active_ids)]
        named += [("MultiDatastreams", pk) for pk in self._registry.snapshot.multis_of(site.id)]
        if len(named) > STREAMS_MOST:
            log.warning("callout.many_datastreams", site=site.code, datastreams=len(named), named=0)
            named = []
        heard: dict[str, Any] = (
            {"allow": [topics.heard(pk, kind) for kind, pk in named]} if named else {"deny": [">"]}
        )
        return self._key.sign(
            {
                "sub": user_key,
                "aud": ACCOUNT,
                "name": device.code,
                "exp": int(time.time()) + LOGIN_S,
                "nats": {
                    "pub": {
                        "allow": [
                            TOPIC.format(site=site.code),
                            *(topics.said(pk, kind) for kind, pk in named),
                        ]
                    },
                    "sub": heard,
                    "subs": -1,
                    "data": -1,
                    "payload": -1,
                    "type": "user",
                    "version": 2,
                },
            }
        )
