"""The hash chain of the audit trail: ``hash = SM3(previous hash ‖ canonical JSON of the entry)``.

SM3 is GB/T 32905 (from the ``cryptography`` package).  Canonical JSON: keys sorted, no spaces, UTF-8, times in UTC
with microseconds.  Pure but for the hash; ``plain`` turns any detail into values that PostgreSQL's jsonb gives back as
they went in, because an entry must hash the same when it is read again.
"""

import ipaddress
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes

GENESIS = "0" * 64
FIELDS = (
    "actor_id", "actor_name", "actor_roles", "action", "object_type", "object_id", "object_name",
    "org_path", "source_ip", "session", "request_id", "ok", "detail",
)  # fmt: skip


def sm3(data: bytes) -> str:
    """SM3 of ``data`` as 64 hex digits.  Check value: sm3(b"abc") = 66c7f0f4…f4ba8e0."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize().hex()


def link(prev_hash: str, at: datetime, values: Mapping[str, Any]) -> str:
    """The hash of an entry: ``values`` has every name in ``FIELDS``."""
    body = {name: values[name] for name in FIELDS}
    body["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    body["source_ip"] = address(values["source_ip"])
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sm3((prev_hash + text).encode())


def address(text: str | None) -> str | None:
    """An IP address in its one canonical spelling; None for anything that is not one."""
    try:
        ip = ipaddress.ip_address(str(text or "").strip().split("/")[0].split("%")[0])
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def words(value: Any, limit: int) -> str:
    """``value`` as text that PostgreSQL can hold: no NUL, no lone surrogates, at most ``limit`` characters."""
    text = str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(value: Any) -> Any:
    """``value`` as JSON that survives jsonb unchanged: numbers as numbers, everything else by its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        if value == 0:
            return 0.0
        return int(value) if value.is_integer() and abs(value) >= 1e15 else value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {words(key, 200): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    return words(value, 10_000)
