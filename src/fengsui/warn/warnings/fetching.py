"""One file of somebody else, fetched within bounds: named hosts only, http and https, bytes, time, redirects."""

import http.client
import time
import urllib.error
import urllib.request
from typing import Any, Protocol
from urllib.parse import urlsplit

from fengsui.warn.cap.tree import MAX_BYTES
from fengsui.warn.warnings.errors import CannotFetch

TIMEOUT_S = 10.0  # without a byte
LONGEST_S = 30.0  # for one file, however slowly it trickles
AGENT = "Fengsui feed reader"


class Row(Protocol):
    """A configured feed: its address, other hosts it may lead to, and what it answered last."""

    url: Any
    hosts: Any
    etag: Any
    modified: Any


def _hosts(feed: Row) -> set[str]:
    named = {one.strip().lower() for one in feed.hosts.split(",") if one.strip()}
    return named | {(urlsplit(feed.url).hostname or "").lower()}


def _require_host(url: str, hosts: set[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise CannotFetch(f"{url[:200]}: only http and https are fetched")
    if (parts.hostname or "").lower() not in hosts:
        raise CannotFetch(f"{url[:200]}: its host is not one of this feed; add it to the feed's other hosts")


class _Bounded(urllib.request.HTTPRedirectHandler):
    max_redirections = 3

    def __init__(self, hosts: set[str]) -> None:
        self.hosts = hosts

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_host(newurl, self.hosts)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(answer: Any, url: str, most: int) -> bytes:
    """At most one byte more than may be, within LONGEST_S."""
    until, data = time.monotonic() + LONGEST_S, b""
    while len(data) <= most and (some := answer.read1(most + 1 - len(data))):
        data += some
        if time.monotonic() > until:
            raise CannotFetch(f"{url[:200]}: not whole after {LONGEST_S:g} s")
    return data


def fetch(feed: Row, url: str, accept: str, conditional: bool = False, most: int = MAX_BYTES) -> bytes | None:
    """The bytes at ``url``, at most ``most`` and 30 s; None where nothing has changed.  Raises CannotFetch."""
    hosts = _hosts(feed)
    _require_host(url, hosts)
    headers = {"User-Agent": AGENT, "Accept": accept}
    if conditional and feed.etag:
        headers["If-None-Match"] = feed.etag
    if conditional and feed.modified:
        headers["If-Modified-Since"] = feed.modified
    opener = urllib.request.build_opener(_Bounded(hosts))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
            data = _read(answer, url, most)
            if conditional:
                feed.etag = answer.headers.get("ETag", "")[:200]
                feed.modified = answer.headers.get("Last-Modified", "")[:60]
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return None
        raise CannotFetch(f"{url[:200]}: answered {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CannotFetch(f"{url[:200]}: {reason}") from None
    if len(data) > most:
        raise CannotFetch(f"{url[:200]}: more than {most} bytes")
    return data
