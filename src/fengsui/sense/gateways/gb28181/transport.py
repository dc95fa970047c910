"""Signalling over UDP and TCP on one port: messages in and out, and the transactions that make UDP sure (RFC 3261, 17).

A request of ours is sent again (0.5 s, then doubling to 4 s) until it is answered or its time is over.  A request of
theirs that comes again gets the same answer again and is not handled twice.  Both sides use it: platform and camera.
"""

import asyncio
import secrets
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from fengsui.base.errors import BadFrame, FengsuiError
from fengsui.sense.codecs.gb28181 import sip
from fengsui.sense.codecs.gb28181.sip import Message

log = structlog.get_logger()

T1_S, T2_S = 0.5, 4.0
REMEMBER_S = 32.0  # 64 × T1: so long an answer is kept for a request that comes again
MAX_REMEMBERED = 20_000
MAX_HANDLED = 512  # requests being handled at the same time
MAX_CONNECTIONS = 4096
IDLE_S = 300.0  # a TCP connection that says nothing for so long is closed; keep-alives come every minute
READ_BYTES = 65_536


class NoAnswer(FengsuiError):
    """A device did not answer in time, or the connection to it is gone."""

    code = "sense.no_answer"


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a message came from and where its answer goes."""

    host: str
    port: int
    transport: str = "udp"
    connection: int = 0  # of TCP

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.transport}"


Handler = Callable[[Message, Peer], Awaitable[Message | None]]


@dataclass(slots=True)
class _Handled:
    """A request of theirs: its answers so far, or None while there is none."""

    at: float
    last: bytes | None = None


@dataclass(slots=True)
class _Asked:
    """A request of ours that waits: ``final`` gets the answer, ``provisional`` is set when it is being worked on."""

    final: "asyncio.Future[Message]"
    provisional: asyncio.Event = field(default_factory=asyncio.Event)


class Signalling:
    """One port.  ``handle`` gets every new request and returns its answer, or None where there is none (ACK)."""

    def __init__(self, handle: Handler, *, user_agent: str = "Fengsui") -> None:
        self.counts: Counter[str] = Counter()
        self.refused: Callable[[BadFrame, Peer], None] = lambda _refused, _peer: None
        self.closed: Callable[[Peer], None] = lambda _peer: None
        self.port = 0
        self._handle, self._agent = handle, user_agent
        self._host = ""
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[int, tuple[Peer, asyncio.StreamWriter]] = {}
        self._numbers = 0
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._handled: OrderedDict[tuple[str, str, str], _Handled] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int, *, tcp: bool = True) -> None:
        """Listen.  Port 0: any free one, the same for both.  Raises OSError."""
        loop = asyncio.get_running_loop()
        self._host = host
        for attempt in range(20 if port == 0 else 1):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
            self.port = transport.get_extra_info("sockname")[1]
            try:
                if tcp:
                    self._server = await asyncio.start_server(self._serve, host, self.port)
            except OSError:
                transport.close()
                if port or attempt == 19:
                    raise
                continue
            self._udp = transport
            return

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for _peer, writer in list(self._connections.values()):
            writer.close()
        if self._udp:
            self._udp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def connect(self, host: str, port: int) -> Peer:
        """A TCP connection to somebody; messages that come on it are handled like all others.  Raises OSError."""
        reader, writer = await asyncio.open_connection(host, port)
        peer = self._add(writer)
        self._spawn(self._read(reader, writer, peer))
        return peer

    def local_address(self, peer: Peer) -> str:
        """The address of this machine that ``peer`` sees."""
        if self._host not in ("0.0.0.0", "::"):  # noqa: S104
            return self._host
        family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((peer.host, peer.port or 9))
                return str(probe.getsockname()[0])
            except OSError:
                return "127.0.0.1"

    def via(self, peer: Peer, address: str = "") -> tuple[str, str]:
        """The topmost Via of a new request, with a branch of its own."""
        host = _bracketed(address or self.local_address(peer))
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        return "Via", f"SIP/2.0/{peer.transport.upper()} {host}:{self.port};rport;branch={branch}"

    async def ask(self, request: Message, peer: Peer, timeout_s: float) -> Message:
        """Send a request and return its final answer.  Raises NoAnswer."""
        key = (request.branch, request.method)
        data = sip.encode(request)
        waiting = self._asked[key] = _Asked(asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(timeout_s):
                pause = T1_S
                while True:
                    if not self._send(data, peer):
                        raise NoAnswer(f"{peer}: the connection is closed")
                    self.counts["sent"] += 1
                    if peer.transport == "tcp":
                        return await waiting.final
                    try:
                        await asyncio.wait_for(asyncio.shield(waiting.final), pause)
                        return waiting.final.result()
                    except TimeoutError:
                        if waiting.provisional.is_set():
                            return await waiting.final
                        self.counts["sent_again"] += 1
                        pause = min(2 * pause, T2_S)
        except TimeoutError:
            self.counts["unanswered"] += 1
            raise NoAnswer(f"{peer} did not answer {request.method} within {timeout_s:g} s") from None
        finally:
            waiting.final.cancel()
            self._asked.pop(key, None)

    def send(self, message: Message, peer: Peer) -> bool:
        """Send once: an ACK, or an answer.  False when the connection is gone."""
        return self._send(sip.encode(message), peer)

    # ---- what comes in ------------------------------------------------------------------------------------------

    def take_datagram(self, data: bytes, host: str, port: int) -> None:
        peer = Peer(host, port)
        if not data.strip(b"\r\n\0 "):
            return  # a keep-alive
        self.counts["received"] += 1
        read = sip.read_datagram(data)
        if isinstance(read, BadFrame):
            self._refuse(read, peer)
        else:
            self._take(read, peer)

    def _take(self, message: Message, peer: Peer) -> None:
        if not message.is_request:
            self._answered(message)
            return
        if message.method == "ACK":
            self._spawn(self._work(message, peer, None))
            return
        key = (message.branch or message.call_id, f"{message.cseq[0]} {message.method}", peer.host)
        self._forget()
        if (known := self._handled.get(key)) is not None:
            self.counts["received_again"] += 1
            if known.last is not None:
                self._send(known.last, peer)
            return
        if len(self._tasks) >= MAX_HANDLED:
            self.counts["busy"] += 1
            self.send(sip.reply(message, 503, more=(("Retry-After", "5"),)), peer)
            return
        handled = self._handled[key] = _Handled(time.monotonic())
        self._spawn(self._work(message, peer, handled))

    async def _work(self, message: Message, peer: Peer, handled: _Handled | None) -> None:
        try:
            answer = await self._handle(message, peer)
        except Exception as error:
            log.error("sip.failed", method=message.method, peer=str(peer), error=repr(error))
            answer = sip.reply(message, 500) if handled else None
        if answer is not None and handled is not None:
            handled.last = sip.encode(answer)
            self._send(handled.last, peer)

    def _answered(self, message: Message) -> None:
        waiting = self._asked.get((message.branch, message.cseq[1]))
        if waiting is None or waiting.final.done():
            self.counts["answers_nobody_waits_for"] += 1
            return
        if message.status < 200:
            waiting.provisional.set()
        else:
            waiting.final.set_result(message)

    def _refuse(self, refused: BadFrame, peer: Peer) -> None:
        self.counts["refused"] += 1
        self.refused(refused, peer)

    def _forget(self) -> None:
        oldest = time.monotonic() - REMEMBER_S
        while self._handled:
            key = next(iter(self._handled))
            if self._handled[key].at > oldest and len(self._handled) < MAX_REMEMBERED:
                return
            del self._handled[key]

    # ---- sockets ------------------------------------------------------------------------------------------------

    def _send(self, data: bytes, peer: Peer) -> bool:
        if peer.transport == "udp":
            if self._udp is None or self._udp.is_closing():
                return False
            self._udp.sendto(data, (peer.host, peer.port))
            return True
        found = self._connections.get(peer.connection)
        if found is None or found[1].is_closing():
            return False
        found[1].write(data)
        if (
            found[1].transport.get_write_buffer_size() > 8 * sip.MAX_BODY
        ):  # it does not read: no answer will come
            found[1].close()
        return True

    def _add(self, writer: asyncio.StreamWriter) -> Peer:
        host, port = writer.get_extra_info("peername")[:2]
        self._numbers += 1
        peer = Peer(host, port, "tcp", self._numbers)
        self._connections[peer.connection] = (peer, writer)
        return peer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            self.counts["busy"] += 1
            writer.close()
            return
        await self._read(reader, writer, self._add(writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        rest = b""
        try:
            while True:
                data = await asyncio.wait_for(reader.read(READ_BYTES), IDLE_S)
                cut = sip.feed(rest + data, ended=not data)
                rest = cut.rest
                for refused in cut.refused:
                    self._refuse(refused, peer)
                for message in cut.frames:
                    self.counts["received"] += 1
                    self._take(message, peer)
                if not data:
                    return
        except (TimeoutError, OSError):
            return
        finally:
            self._connections.pop(peer.connection, None)
            writer.close()
            self.closed(peer)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, signalling: Signalling) -> None:
        self._signalling = signalling

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._signalling.take_datagram(data, addr[0], addr[1])

    def error_received(self, exc: Exception) -> None:
        log.debug("sip.unreachable", error=repr(exc))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
