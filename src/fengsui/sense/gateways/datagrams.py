"""UDP as a conversation: what one peer sends as a reader, what is sent to it as a writer, one datagram a time.

For whoever plays one side of a protocol to few peers: the conformance kit and simulators.  The gateway's own listeners
have ``field/listener``.  An empty datagram says only "I am here": it opens the conversation and is read by nobody.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Protocol

LARGEST = 60_000  # bytes of one datagram that we send: what an IPv4 packet holds, less headers
WAITING = 2_000  # datagrams of a peer that are not read yet; what comes then is dropped, as networks do


class Reader(Protocol):
    """What ``asyncio.StreamReader`` and ``DatagramReader`` have in common."""

    async def read(self, n: int = ..., /) -> bytes: ...


class Writer(Protocol):
    """What ``asyncio.StreamWriter`` and ``DatagramWriter`` have in common."""

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...
    def get_extra_info(self, name: str, default: Any = None, /) -> Any: ...


class DatagramReader:
    """The datagrams of one peer; b"" once the conversation is over."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING)

    async def read(self, n: int = -1, /) -> bytes:
        """The next datagram, whole whatever ``n`` is."""
        return await self._waiting.get()

    def feed(self, data: bytes) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(data)

    def end(self) -> None:
        while self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(b"")


class DatagramWriter:
    """Sends to one peer; ``close`` ends the conversation and lets the next datagram open a new one."""

    def __init__(self, send: Callable[[bytes], None], peer: Any, ended: Callable[[], None]) -> None:
        self._send, self._peer, self._ended, self._closed = send, peer, ended, False

    def write(self, data: bytes, /) -> None:
        for at in range(0, len(data), LARGEST):
            if not self._closed:
                self._send(data[at : at + LARGEST])

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._ended()

    def get_extra_info(self, name: str, default: Any = None, /) -> Any:
        return self._peer if name == "peername" else default


Called = Callable[[DatagramReader, DatagramWriter], None]


class Datagrams(asyncio.DatagramProtocol):
    """A socket; ``called`` hears of each new conversation."""

    def __init__(self, called: Called, plain: socket.socket) -> None:
        self._called, self._plain = called, plain
        self._open: dict[Any, DatagramReader] = {}
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        reader = self._open.get(peer) or self.converse(peer)
        if data:
            reader.feed(data)

    def error_received(self, error: Exception) -> None:
        """Nobody listens at the other end yet: it will not hear us, and we go on."""

    def connection_lost(self, error: Exception | None) -> None:
        for reader in self._open.values():
            reader.end()

    def converse(self, peer: Any) -> DatagramReader:
        """Open a conversation with ``peer``."""
        reader = self._open[peer] = DatagramReader()
        writer = DatagramWriter(lambda data: self._sendto(data, peer), peer, lambda: self._over(peer, reader))
        self._called(reader, writer)
        return reader

    def knock(self, peer: Any) -> None:
        """Tell ``peer`` that we are here.  A transport of asyncio sends no empty datagram, a socket does."""
        with contextlib.suppress(OSError):
            self._plain.sendto(b"", peer)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _sendto(self, data: bytes, peer: Any) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, peer)

    def _over(self, peer: Any, reader: DatagramReader) -> None:
        if self._open.get(peer) is reader:
            del self._open[peer]
        reader.end()


async def bound(called: Called, host: str, port: int) -> tuple[Datagrams, tuple[str, int]]:
    """A socket at ``host`` and ``port`` (0: a free one), and its address.  Raises OSError."""
    loop = asyncio.get_running_loop()
    family, kind, _proto, _name, address = (
        await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    )[0]
    plain = socket.socket(family, kind)
    try:
        plain.setblocking(False)
        plain.bind(address)
        _transport, made = await loop.create_datagram_endpoint(lambda: Datagrams(called, plain), sock=plain)
    except BaseException:
        plain.close()
        raise
    return made, plain.getsockname()[:2]


async def resolved(host: str, port: int) -> tuple[Any, str]:
    """The address of a peer as a socket names it, and an address of ours of the same family.  Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _type, _proto, _name, address = found[0]
    return address, "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  any of ours
