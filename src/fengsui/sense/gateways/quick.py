"""The short way for devices that repeat themselves over a kept connection: no task, header or JSON for each message.

uvicorn's protocol reads a request, starts a task and calls the application: most of what a message of 500 readings
costs.  A device says the same head every time but for its length, and the same text around its values.  A message that
is all that goes from the socket to the publisher in one call, and the bus's word to the socket in another; anything
else, down to one byte, is given to uvicorn untouched.  Both ways give the same answers and count the same things.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fengsui.base import tracing
from fengsui.sense.gateways import door, http
from fengsui.sense.gateways.publisher import Busy
from fengsui.sense.gateways.registry import SiteRow, Snapshot
from fengsui.sense.gateways.repeats import MAX_BYTES
from fengsui.stores.clock import process_clock

PART_S = (
    2.0  # how long the rest of a message is waited for here; then uvicorn waits, with time-outs of its own
)
LENGTH_DIGITS = 7


@dataclass(slots=True)
class _Head:
    """What a device says before its readings: the text before and after the digits of Content-Length, and who it is."""

    before: bytes
    after: bytes
    headers: dict[bytes, bytes]
    snapshot: Snapshot | None = None  # of the registry that ``source`` and ``site`` are of
    source: str = ""
    site: SiteRow | None = None

    def measure(self, data: bytes) -> tuple[int, int] | None:
        """Where the body begins and where it ends; (0, 0) when the head is cut short, None when it is another."""
        start = len(self.before)
        if not data.startswith(self.before):
            return (0, 0) if self.before.startswith(data) else None
        stop = data.find(b"\r", start, start + LENGTH_DIGITS + 1)
        if stop < 0:
            return (0, 0) if len(data) <= start + LENGTH_DIGITS else None
        digits = data[start:stop]
        if not digits.isdigit():
            return None
        if not data.startswith(self.after, stop):
            return (0, 0) if self.after.startswith(data[stop:]) else None
        begin = stop + len(self.after)
        return begin, begin + int(digits)


class ReadingsProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the short way before it.  Use ``protocol_of`` to bind it to a gate."""

    gate: http.Gate

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: _Head | None = None
        self._raw: bytes | None = (
            None  # the head of the request that uvicorn's parser is about to read, as sent
        )
        self._begun = False  # uvicorn has had a request
        self._reading = False  # uvicorn's parser is within a request
        self._part = b""  # of a message, until it is whole
        self._part_timer: asyncio.TimerHandle | None = None
        self._asked = False  # a message is on its way to the bus
        self._later: list[bytes] = []  # what was sent meanwhile
        self._leaving = False

    # ---- asyncio's side -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._asked:
            self._later.append(data)
            self.flow.pause_reading()
            return
        if self._part:
            data = self._part + data
            self._drop_part()
        if not self._is_idle():
            super().data_received(data)
            return
        if self._head is not None and self.gate.registry.loaded:
            found = self._head.measure(data)
            if found is not None and found[1] - found[0] <= MAX_BYTES:
                begin, end = found
                if begin == 0 or end > len(data):
                    self._part = data
                    self._unset_keepalive_if_required()
                    self._part_timer = self.loop.call_later(PART_S, self._long_way_with_part)
                    return
                if self._enter(data[begin:end]):
                    self._unset_keepalive_if_required()
                    if end < len(data):
                        self._later.append(data[end:])
                    return
        self._long_way(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_part()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._asked:
            self._leaving = True
        else:
            super().shutdown()

    # ---- the short way --------------------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        is_answered = not self._begun or self.cycle.response_complete
        return is_answered and not self._reading and not self.pipeline

    def _enter(self, body: bytes) -> bool:
        """Send the readings on their way; False when they must go the long one."""
        gate, head = self.gate, self._head
        assert head is not None
        if gate.repeats is None or self.flow.write_paused or tracing.is_on() or process_clock().is_apart:
            return False
        if head.snapshot is not gate.registry.snapshot and not self._recognise(head):
            return False
        source, site = head.source, head.site
        assert site is not None
        plain = gate.repeats.enter(body, site, gate.registry.streams(site.id), source, door.now_ms())
        if plain is None:
            return False
        number = len(plain)
        if not gate.publisher.offer(plain, lambda kept: self._answer(kept, number)):
            return False
        gate.counts.requests += 1
        gate.received_bytes += len(body)
        self._asked = True
        return True

    def _recognise(self, head: _Head) -> bool:
        try:
            device, head.site = http.device_of(self.gate, head.headers, None, note=False)
        except http.Refusal:
            return False
        head.source = device.code
        head.snapshot = self.gate.registry.snapshot
        return True

    def _answer(self, kept: bool, number: int) -> None:
        """The bus has the readings, or did not say so in time."""
        gate = self.gate
        self._asked = False
        if kept:
            gate.counts.accepted += number
            status, body, more = 200, b'{"accepted":%d}' % number, b""
        else:
            gate.counts.busy += 1
            status, body, more = 503, http.LATE_BODY, b"retry-after: %d\r\n" % Busy.retry_after_s
        gate.answers[status] += 1
        if self.transport.is_closing():
            return
        named = b"".join(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers)
        length = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        closing = b"connection: close\r\n" if self._leaving else b""
        self.transport.write(b"".join((STATUS_LINE[status], named, length, more, closing, b"\r\n", body)))
        if self._leaving:
            self.transport.close()
            return
        self.on_response_complete()
        if self._later:
            data, self._later = b"".join(self._later), []
            self.data_received(data)

    # ---- the long way ---------------------------------------------------------------------------------------------

    def _drop_part(self) -> None:
        self._part = b""
        if self._part_timer is not None:
            self._part_timer.cancel()
            self._part_timer = None

    def _long_way_with_part(self) -> None:
        data = self._part
        self._drop_part()
        if data and not self.transport.is_closing():
            self._long_way(data)

    def _long_way(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        self._raw = data[: end + 4] if end > 0 else None
        super().data_received(data)
        self._raw = None

    def on_message_begin(self) -> None:
        self._reading = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._reading = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._begun = True
        raw, self._raw = self._raw, None
        if raw is not None and self.parser.should_keep_alive():
            self._head = head_of(raw, self.scope)


def head_of(raw: bytes, scope: Any) -> _Head | None:
    """What to expect before the next message, if the request with this head may go the short way at all."""
    if scope["method"] != "POST" or scope["path"] != http.PATH or scope["http_version"] != "1.1":
        return None
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers:
            return None
        headers[name] = value
    length = headers.get(b"content-length", b"")
    if (
        not length.isdigit()
        or len(length) > LENGTH_DIGITS
        or headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json"
        or not headers.keys().isdisjoint((b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"))
    ):
        return None
    at = raw.lower().find(b"\r\ncontent-length:") + len(b"\r\ncontent-length:")
    at += len(raw[at:]) - len(raw[at:].lstrip(b" \t"))
    if raw[at : at + len(length)] != length or raw[at + len(length) : at + len(length) + 1] != b"\r":
        return None
    return _Head(raw[:at], raw[at + len(length) :], headers)


def protocol_of(gate: http.Gate) -> type[ReadingsProtocol]:
    """The protocol for ``uvicorn.Config(http=…)`` whose readings go through ``gate``."""
    return type("ReadingsProtocol", (ReadingsProtocol,), {"gate": gate})
