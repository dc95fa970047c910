"""TCP and UDP listeners for field protocols: every connection, and every sender of datagrams, is a ``Line``."""

import asyncio
import socket
import time
from collections import OrderedDict
from typing import Any

from fengsui.sense.gateways.field.adapter import Adapter
from fengsui.sense.gateways.field.hub import Hub
from fengsui.sense.gateways.field.line import Line

BACKLOG = 4096


class Listener:
    """One protocol on one port: TCP, and UDP where the protocol is spoken over it."""

    def __init__(self, hub: Hub, adapter: Adapter, host: str, port: int) -> None:
        self.adapter, self.port = adapter, port
        self._hub, self._host = hub, host
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen.  Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Tcp(self._hub, self.adapter), self._host, self.port, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]
        if self.adapter.udp:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Udp(self._hub, self.adapter), local_addr=(self._host, self.port)
            )
            self._datagrams = transport

    def close(self) -> None:
        """Take no new connections and no datagrams.  The lines that are open belong to the hub."""
        if self._server is not None:
            self._server.close()
        if self._datagrams is not None:
            self._datagrams.close()


class _Tcp(asyncio.Protocol):
    """A connection.  It holds nothing of its own but its line."""

    def __init__(self, hub: Hub, adapter: Adapter) -> None:
        self._hub, self._adapter = hub, adapter
        self._line: Line | None = None
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        peer = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        if not self._hub.admits(self._adapter, address):
            transport.abort()
            return
        self._transport = transport
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._line = Line(self._hub, self._adapter, address, self._write, transport.close, self._pause)
        self._hub.remember(self._line)

    def data_received(self, data: bytes) -> None:
        if self._line is not None:
            self._line.hear(data)

    def eof_received(self) -> bool:
        if self._line is not None:
            self._line.close("ended")  # answers to what came before still go out
            return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._line is not None:
            self._line.end("lost" if error else "ended")
            self._line = None

    def _write(self, data: bytes) -> bool:
        if self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > self._hub.limits.unread_bytes:
            self._transport.abort()  # it does not read what it is told
            return False
        self._transport.write(data)
        return True

    def _pause(self, paused: bool) -> None:
        if self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        elif not self._transport.is_reading():
            self._transport.resume_reading()


class _Udp(asyncio.DatagramProtocol):
    """All senders of datagrams at one port.  A sender that has been silent is forgotten; nothing is lost by that."""

    def __init__(self, hub: Hub, adapter: Adapter) -> None:
        self._hub, self._adapter = hub, adapter
        self._lines: OrderedDict[Any, tuple[Line, float]] = OrderedDict()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        for sender in list(self._lines):
            self._forget(sender)

    def datagram_received(self, data: bytes, sender: Any) -> None:
        now = time.monotonic()
        while self._lines and now - next(iter(self._lines.values()))[1] > self._hub.limits.idle_s:
            self._forget(next(iter(self._lines)))
        held = self._lines.get(sender)
        if held is not None:
            line = held[0]
        elif self._hub.admits(self._adapter, sender[0]):
            line = Line(
                self._hub, self._adapter, sender[0],
                lambda answer: self._send(answer, sender), lambda: self._forget(sender),
            )  # fmt: skip
            self._hub.remember(line)
        else:
            return
        self._lines[sender] = (line, now)
        self._lines.move_to_end(sender)
        line.hear(data, ended=True)

    def error_received(self, error: Exception) -> None:
        """The other end's port is closed: it will not hear the answer, and sends again."""

    def _send(self, data: bytes, sender: Any) -> bool:
        if self._transport.is_closing():
            return False
        self._transport.sendto(data, sender)
        return True

    def _forget(self, sender: Any) -> None:
        held = self._lines.pop(sender, None)
        if held is not None:
            held[0].end("forgotten")
