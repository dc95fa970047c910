"""``GET /api/v1/live``: server-sent events, as a plain ASGI application beside Django.

Query: ``topics`` (alarms, loops, sites, ledger, units, warnings; commas), ``sites`` (codes whose telemetry frames are
wanted).
Events: ``hello`` once (load the lists after it), ``beat`` every five seconds, ``alarm`` ``loop`` ``site`` ``ledger``
with ``id:`` = sequence in LIVE, ``readings`` (a telemetry frame, no id), ``units`` (positions of a second, no id),
``reset`` (events were missed: load the lists again), ``end`` (the session ended or the right was lost: do not come
back by yourself).  ``Last-Event-ID`` resumes.

It stands beside Django because a stream must hold neither a thread nor a database connection.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import connection
from django.http import HttpRequest

from fengsui.people.accounts.middleware import SEEN
from fengsui.people.accounts.passwords import why_due
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.show.lists.visible import visible_to
from fengsui.show.live.hub import Hub, hub, now_ms
from fengsui.show.live.ring import Event
from fengsui.stores import clock

PATH = "/api/v1/live"
ACTIONS = {
    "alarm": "alarm.view",
    "loop": "loop.view",
    "site": "site.view",
    "ledger": "ledger.view",
    "unit": "unit.view",
    "warning": "warning.view",
}
TOPICS = {
    "alarms": "alarm",
    "loops": "loop",
    "sites": "site",
    "ledger": "ledger",
    "units": "unit",
    "warnings": "warning",
}
RETRY_MS = 3000
BEAT_S = 5.0  # a beat is also what keeps proxies from closing a quiet stream
CHECK_S = 30.0  # how often session and memberships are read again
SITES_MAX = 50
STREAMS_MAX = 50  # of one user in one process
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_open: Counter[int] = Counter()
_pushed = 0


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who listens and what they may see now: topic → path prefixes, and ids of watched sites in sight."""

    user: int
    paths: dict[str, tuple[str, ...]]
    sites: frozenset[int]

    def sees(self, event: Event) -> bool:
        if event.topic == "readings":
            return event.site in self.sites
        return any(event.org_path.startswith(path) for path in self.paths.get(event.topic, ()))


def open_streams() -> int:
    """Streams that are open in this process."""
    return sum(_open.values())


def pushed() -> int:
    """Events written to streams of this process since it started."""
    return _pushed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request.  Ends when the client goes, the session ends or the server stops."""
    if scope["method"] != "GET":
        return await _refuse(send, 405, "show.bad_request", "GET only")
    query = parse_qs(scope["query_string"].decode("latin-1"))
    topics = frozenset(TOPICS[t] for t in _list(query, "topics") if t in TOPICS)
    codes = tuple(_list(query, "sites")[:SITES_MAX])
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    key = _session_key(headers.get("cookie", ""))
    viewer = await _who(key, topics, codes)
    if viewer is None:
        return await _refuse(send, 401, "show.not_logged_in", "log in first")
    if _open[viewer.user] >= STREAMS_MAX:
        return await _refuse(send, 429, "show.too_many_streams", f"at most {STREAMS_MAX} streams a user")
    _open[viewer.user] += 1
    last = headers.get("last-event-id") or (query.get("last") or [""])[0]
    gone = asyncio.create_task(_gone(receive))
    stream = asyncio.create_task(_stream(send, hub(), viewer, key, topics, codes, last))
    try:
        await asyncio.wait({gone, stream}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (gone, stream):
            task.cancel()
        results = await asyncio.gather(gone, stream, return_exceptions=True)
        _open[viewer.user] -= 1
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, OSError):
            raise result


async def _stream(
    send: Send, bus: Hub, viewer: Viewer, key: str, topics: frozenset[str], codes: tuple[str, ...], last: str
) -> None:
    global _pushed
    waker = bus.waker()
    wake = waker.add()
    watched = viewer.sites
    bus.watch(watched)
    follows = "unit" in topics
    if follows:
        bus.follow_units()
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        place, seq, missed = _place(bus, last)
        frames = bus.frames.end()
        first = b"retry: %d\n\n" % RETRY_MS + _said(bus, "hello", seq)
        await _write(send, first + (_said(bus, "reset", seq) if missed else b""))
        checked = beaten = time.monotonic()
        while not bus.stopping:
            wake.clear()
            out = []
            seq = bus.seq
            if (read := bus.events.since(place)) is None:
                place = bus.events.end()
                out.append(_said(bus, "reset", seq))
            else:
                events, place = read
                out += [event.frame for event in events if viewer.sees(event)]
            if (read := bus.frames.since(frames)) is None:
                frames = bus.frames.end()  # a frame is soon followed by a newer one: nothing to tell
            else:
                events, frames = read
                out += [event.frame for event in events if viewer.sees(event)]
            if out:
                _pushed += len(out)
                await _write(send, b"".join(out))
            if time.monotonic() - checked > CHECK_S:
                again = await _who(key, topics, codes)
                if again is None or again.user != viewer.user:
                    await _write(send, b"event: end\ndata: {}\n\n", more=False)
                    return
                bus.watch(again.sites)
                bus.unwatch(watched)
                viewer, watched, checked = again, again.sites, time.monotonic()
            seq = bus.seq  # read before the comparison: everything up to it was read from the ring
            if place != bus.events.end() or frames != bus.frames.end():
                continue
            if time.monotonic() - beaten >= BEAT_S:
                # its id also moves Last-Event-ID of a quiet stream
                await _write(send, _said(bus, "beat", seq))
                beaten = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), max(BEAT_S - (time.monotonic() - beaten), 0.01))
        await _write(send, b"", more=False)
    finally:
        waker.remove(wake)
        bus.unwatch(watched)
        if follows:
            bus.follow_units(-1)


def _place(bus: Hub, last: str) -> tuple[int, int, bool]:
    """Where in the ring to start, the sequence before it, and whether something after ``last`` was missed."""
    seq = bus.seq
    end = bus.events.end()
    if not last.isdigit():
        return end, seq, False
    if (place := bus.events.after_seq(int(last))) is not None:
        return place, int(last), False
    return end, seq, int(last) != seq


def _said(bus: Hub, event: str, seq: int) -> bytes:
    data = json.dumps({"seq": seq, "at_ms": now_ms(), "connected": bus.is_connected})
    return f"id: {seq}\nevent: {event}\ndata: {data}\n\n".encode()


@sync_to_async(thread_sensitive=False)
def _who(key: str, topics: frozenset[str], codes: tuple[str, ...]) -> Viewer | None:
    """Read session, user and memberships afresh, and give the database connection back."""
    if not key:
        return None
    try:
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
        user = get_user(request)
        if not user.is_authenticated or why_due(user) or _idle(request.session, user):
            return None
        paths = {topic: tuple(access.paths_where(user, ACTIONS[topic])) for topic in topics}
        sites = visible_to(Site.objects.all(), user, "reading.view").filter(code__in=codes) if codes else ()
        return Viewer(user.pk, paths, frozenset(site.pk for site in sites))
    finally:
        connection.close()


def _idle(session: Any, user: Any) -> bool:
    """As ``PersonMiddleware`` sees it; an open stream is no use of the session."""
    minutes = settings.IDLE_MINUTES if user.idle_minutes is None else user.idle_minutes
    seen = session.get(SEEN)
    return bool(minutes and seen is not None and clock.now_ms() / 1000 - seen > minutes * 60)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    with contextlib.suppress(OSError):
        await _write(send, body, more=False)


def _list(query: dict[str, list[str]], name: str) -> list[str]:
    return [part for value in query.get(name, []) for part in value.split(",") if part]


def _session_key(cookie: str) -> str:
    try:
        morsel = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
