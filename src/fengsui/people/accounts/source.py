"""Where a request comes from, also behind proxies.

``X-Forwarded-For`` is believed only when the connection itself comes from a proxy that is set as trusted; then the
list is read from its end, and the first address that is not a trusted proxy is the client.
"""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_ip(request: HttpRequest) -> str:
    """The client's address in canonical spelling; "" when the server does not know it."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return client_of(request.META.get("REMOTE_ADDR", ""), forwarded, tuple(settings.TRUSTED_PROXIES))


def client_of(peer: str, forwarded: str, trusted: tuple[str, ...]) -> str:
    """The same from its parts: address of the connection, the header's text, trusted networks."""
    networks = _networks(trusted)
    client = _address(peer)
    for hop in reversed(forwarded.split(",")):
        if client is None or not any(client in network for network in networks):
            break
        before = _address(hop)
        if before is None:
            break
        client = before
    return str(client) if client else ""


@lru_cache
def _networks(trusted: tuple[str, ...]) -> list[Network]:
    return [ipaddress.ip_network(text.strip(), strict=False) for text in trusted if text.strip()]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = text.strip()
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 10.0.0.1:443
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
