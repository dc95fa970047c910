"""``GET /metrics`` as a small ASGI application: the page for whoever may read it.

With FENGSUI_METRICS_TOKEN set, whoever shows it as a bearer token.  Without it only this machine itself, and not what
a proxy on it passes on: a request that came through one names no loopback client.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fengsui.run import settings
from fengsui.run.metrics.samples import Sample

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PATH = "/metrics"
FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")


async def serve(scope: Scope, send: Send, read: Callable[[], Awaitable[list[Sample]]]) -> None:
    """Answer one request: 200 with the page, 401 or 403 without, 405 for anything but GET."""
    if scope["method"] not in ("GET", "HEAD"):
        return await _say(send, 405, b"GET only\n", (b"allow", b"GET"))
    status = refusal(scope, settings.value("FENGSUI_METRICS_TOKEN"))
    if status == 401:
        return await _say(send, 401, b"a bearer token is needed\n", (b"www-authenticate", b"Bearer"))
    if status:
        return await _say(send, 403, b"set FENGSUI_METRICS_TOKEN to read this from elsewhere\n")
    from fengsui.run.metrics import page  # only where somebody asks for it

    body = page.text(await read())
    await _say(send, 200, body, content_type=page.CONTENT_TYPE)


def refusal(scope: Scope, token: str) -> int:
    """The status of a refusal; 0 when the page may be read."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    if token:
        kind, _, shown = headers.get(b"authorization", b"").partition(b" ")
        good = kind.lower() == b"bearer" and hmac.compare_digest(shown.strip(), token.encode())
        return 0 if good else 401
    if any(name in headers for name in FORWARDED):
        return 403
    try:
        return 0 if ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback else 403
    except ValueError:
        return 403


async def _say(
    send: Send,
    status: int,
    body: bytes,
    *more: tuple[bytes, bytes],
    content_type: bytes = b"text/plain; charset=utf-8",
) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
