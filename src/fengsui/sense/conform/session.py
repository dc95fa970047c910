"""Walks a script over real sockets (TCP, or UDP): listens for the device or dials it, sends, waits, judges.

Every byte is kept as it went.

Bounded whatever the peer sends: bytes kept, frames kept, connections and time.  A peer that floods is cut off and the
case it floods fails.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Term
from fengsui.sense.conform.case import (
    Applies,
    Await,
    Case,
    Check,
    HangUp,
    Scene,
    Script,
    Send,
    Step,
    Waits,
    Withhold,
)
from fengsui.sense.gateways import datagrams
from fengsui.sense.gateways.datagrams import Reader, Writer
from fengsui.stores import clock

Verdict = Literal["pass", "fail", "not_applicable", "not_run"]

CHUNK = 64 << 10
CASE_BYTES = 1 << 20  # more than this in one case is a flood
KEPT_BYTES = 64 << 10  # of a case, each way; what is beyond is counted
KEPT_ENTRIES = 2_000
SESSION_FRAMES = 20_000
PIECE_PAUSE_S = 0.05
REDIAL_S = 0.2
GRACE_TURNS = 50  # of the event loop: what already waits on the socket is heard, however busy this machine is
FLOODED = Term(
    f"设备发送过多：一项超过 {CASE_BYTES} 字节或全程超过 {SESSION_FRAMES} 帧，已断开",
    f"the device floods: over {CASE_BYTES} bytes in a case or {SESSION_FRAMES} frames in all; cut off",
)


class Entry(NamedTuple):
    """Bytes on the wire: ``way`` is sent, received, opened or closed, as the kit sees it."""

    at_ms: int
    way: Literal["sent", "received", "opened", "closed"]
    data: bytes


@dataclass(slots=True)
class Result:
    """What became of a case.  ``expected`` all its steps' words; ``reasons`` why it failed or does not apply."""

    case: Case
    verdict: Verdict = "not_run"
    reasons: list[Term] = field(default_factory=list)
    expected: list[Term] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    bytes_sent: int = 0
    bytes_received: int = 0
    bytes_not_kept: int = 0
    started_ms: int = 0
    ended_ms: int = 0


class _Failed(Exception):
    def __init__(self, reason: Term) -> None:
        self.reason = reason


class _NotApplicable(_Failed):
    pass


def over_udp(script: Script) -> Script:
    """Without the cases that need a stream: over UDP a frame is one datagram, and there is no line to cut."""
    return replace(script, cases=tuple(c for c in script.cases if not any(map(_needs_a_stream, c.steps))))


def _needs_a_stream(step: Step) -> bool:
    return isinstance(step, HangUp) or (isinstance(step, Send) and step.pieces > 1)


def now_ms() -> int:
    return clock.now_ms()


class Session:
    """One device under test.  ``address`` is where the kit listens, once it does."""

    def __init__(
        self,
        script: Script,
        scene: Scene,
        waits: Waits,
        *,
        total_s: float = 3600.0,
        udp: bool = False,
        told: Callable[[Result], None] = lambda result: None,
    ) -> None:
        self.script = over_udp(script) if udp else script
        self.scene, self.waits, self.total_s, self.told = scene, waits, total_s, told
        self.udp = udp
        self.results = [Result(case) for case in self.script.cases]
        self.peer = ""
        self.address: tuple[str, int] | None = None
        self.listening = asyncio.Event()
        self._heard: list[Any] = []  # frames in their order
        self._refused: list[BadFrame] = []
        self._news = asyncio.Event()
        self._writer: Writer | None = None
        self._reading: set[asyncio.Task[None]] = set()
        self._result: Result | None = None
        self._begin = self._after = 0  # where in ``_heard`` the case and the next step look from
        self._flooded = False
        self._in_pieces = False
        self._waiting: list[tuple[Writer, bytes]] = []
        self._broken: BaseException | None = None  # what ended a connection and is no fault of the device

    # -- the whole ------------------------------------------------------------------------------------------

    async def listen(self, host: str, port: int) -> None:
        """Wait for the device to call and walk the script.  Raises OSError when the port cannot be had."""
        server: asyncio.Server | datagrams.Datagrams
        if self.udp:
            server, self.address = await datagrams.bound(self._called, host, port)
        else:
            server = await asyncio.start_server(self._called, host, port, limit=CHUNK)
            self.address = server.sockets[0].getsockname()[:2]
        self.listening.set()
        try:
            await self._walk()
        finally:
            server.close()
            await self._end()

    async def dial(self, host: str, port: int) -> None:
        """Call the device, again whenever the line is lost, and walk the script."""
        dialling = asyncio.create_task((self._knock if self.udp else self._dial)(host, port))
        dialling.add_done_callback(self._ended)
        try:
            await self._walk()
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
            await self._end()

    async def _dial(self, host: str, port: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port, limit=CHUNK)
                await self._serve(reader, writer)
            await asyncio.sleep(REDIAL_S)

    async def _knock(self, host: str, port: int) -> None:
        """Over UDP nobody hears a call: say that we are here until the device speaks, and again when it is silent."""
        peer, ours = await datagrams.resolved(host, port)
        socket, _address = await datagrams.bound(self._called, ours, 0)
        try:
            while True:
                if self._writer is None:
                    socket.knock(peer)
                await asyncio.sleep(REDIAL_S)
        finally:
            socket.close()

    async def _walk(self) -> None:
        self._result = self.results[0]  # what comes before the first step belongs to the first case
        try:
            async with asyncio.timeout(self.total_s):
                while self._writer is None:
                    self._news.clear()
                    await self._news.wait()
                for result in self.results:
                    await self._case(result)
        except TimeoutError:
            return  # what was not walked stays not_run

    async def _end(self) -> None:
        if self._writer is not None:
            self._drop(self._writer)
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    # -- one case -------------------------------------------------------------------------------------------

    async def _case(self, result: Result) -> None:
        self._result, self._flooded = result, False
        self._begin = self._after = len(self._heard)
        result.started_ms = now_ms()
        verdict: Verdict = "not_run"
        try:
            for step in result.case.steps:
                if isinstance(step, (Send, Await, Check, Applies, HangUp)):
                    result.expected.append(step.what)
                await self._step(step)
            verdict = "pass"
        except _NotApplicable as error:
            verdict = "not_applicable"
            result.reasons.append(error.reason)
        except _Failed as error:
            verdict = "fail"
            result.reasons.append(error.reason)
        finally:
            self.scene.withhold = False
            result.ended_ms = now_ms()
            result.verdict = verdict
            self.told(result)

    async def _step(self, step: Any) -> None:
        self.scene.now_ms = now_ms()
        if isinstance(step, Send):
            await self._send(step)
        elif isinstance(step, Await):
            await self._await(step)
        elif isinstance(step, Withhold):
            self.scene.withhold = step.on
        elif isinstance(step, Applies):
            if not step.when(self.scene):
                raise _NotApplicable(step.what)
        elif isinstance(step, Check):
            if (wrong := step.judge(self.scene, self._heard, self._refused)) is not None:
                raise _Failed(wrong)
        elif isinstance(step, HangUp) and self._writer is not None:
            self._drop(self._writer)

    async def _send(self, step: Send) -> None:
        data = step.make(self.scene)
        size = -(-len(data) // step.pieces)
        self._in_pieces = True
        try:
            for at in range(0, len(data), size):
                if at:
                    await asyncio.sleep(PIECE_PAUSE_S)
                await self._write(data[at : at + size])
        finally:
            self._in_pieces = False
            self._answer()

    async def _write(self, data: bytes) -> None:
        writer = await self._line()
        self._note("sent", data)
        try:
            writer.write(data)
            async with asyncio.timeout(self.waits.answer_s):
                await writer.drain()
        except (OSError, TimeoutError):
            self._drop(writer)

    async def _line(self) -> Writer:
        """The connection, or the next one.  Fails the case when the device does not call in time."""
        try:
            async with asyncio.timeout(self.waits.data_s):
                while self._writer is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise _Failed(Term("没有连接", "there is no connection")) from None
        return self._writer

    async def _await(self, step: Await) -> None:
        at = 0 if step.ever else self._begin if step.in_case else self._after
        for attempt in range(step.tries):
            if attempt and step.again is not None:
                self.scene.now_ms = now_ms()
                await self._write(step.again(self.scene))
            found = await self._find(step, at)
            if found is not None:
                frame = self._heard[found]
                self._after = max(self._after, found + 1)
                if step.keep:
                    self.scene.kept[step.keep] = frame
                if step.judge is not None and (wrong := step.judge(self.scene, frame)) is not None:
                    raise _Failed(wrong)
                return
        missing = Term(f"未收到：{step.what.zh}", f"did not come: {step.what.en}")
        raise (_NotApplicable if step.optional else _Failed)(missing)

    async def _find(self, step: Await, at: int) -> int | None:
        """Where in what was heard the frame stands, or None when it did not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.waits.seconds(step.within)):
                while True:
                    if (found := self._scan(step, at)) is not None:
                        return found
                    at = len(self._heard)
                    self._news.clear()
                    await self._news.wait()
        for _ in range(GRACE_TURNS):
            await asyncio.sleep(0)
        return self._scan(step, at)

    def _scan(self, step: Await, at: int) -> int | None:
        if self._broken is not None:
            raise RuntimeError("the script failed, not the device") from self._broken
        for index in range(at, len(self._heard)):
            frame = self._heard[index]
            if step.match(self.scene, frame):
                return index
            if step.never is not None and index >= self._begin and step.never(self.scene, frame):
                raise _Failed(step.never_what)
        if self._flooded:
            raise _Failed(FLOODED)
        return None

    # -- the line -------------------------------------------------------------------------------------------

    def _called(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An error of a script must end the walk, not pass for a silent device."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
            self._wake()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        """Read one connection until it ends.  A new one takes the place of an older one."""
        if self._writer is not None:
            self._drop(self._writer)
        peer = writer.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else ""
        self._writer = writer
        self._note("opened", self.peer.encode())
        self._wake()
        rest = b""
        try:
            while self._writer is writer and (data := await reader.read(CHUNK)):
                self._note("received", data)
                cut = self.script.codec.feed(rest + data, ended=self.udp)
                rest = cut.rest
                self._hear(cut.frames, cut.refused, writer)
                if self._flooded:
                    break
                await asyncio.sleep(0)  # a sender without pause leaves time for the walk
        except OSError:
            pass
        finally:
            if rest and self._writer is writer:  # what we cut off ourselves is not the device's fault
                self._hear([], self.script.codec.feed(rest, ended=True).refused, writer)
            self._drop(writer)

    def _hear(self, frames: list[Any], refused: list[BadFrame], writer: Writer) -> None:
        room = SESSION_FRAMES - len(self._heard) - len(self._refused)
        self._flooded = self._flooded or room < len(frames) + len(refused)
        self._refused += refused[: max(0, room)]
        for frame in frames[: max(0, room)]:
            self.scene.identity = self.scene.identity or self.script.whose(frame)
            self._heard.append(frame)
            self.scene.now_ms = now_ms()
            for answer in self.script.reply(self.scene, frame):
                self._waiting.append((writer, answer))
        if not self._in_pieces:
            self._answer()
        self._wake()

    def _answer(self) -> None:
        """Send what waits: never into the middle of a frame that goes out in pieces."""
        waiting, self._waiting = self._waiting, []
        for writer, answer in waiting:
            if writer is self._writer:
                self._note("sent", answer)
                writer.write(answer)

    def _wake(self) -> None:
        self._news.set()

    def _drop(self, writer: Writer) -> None:
        if self._writer is writer:
            self._writer = None
            self._note("closed", b"")
        writer.close()
        self._wake()

    def _note(self, way: Literal["sent", "received", "opened", "closed"], data: bytes) -> None:
        result = self._result
        if result is None:
            return
        if way == "sent":
            result.bytes_sent += len(data)
        elif way == "received":
            result.bytes_received += len(data)
            self._flooded = self._flooded or result.bytes_received > CASE_BYTES
        total = result.bytes_sent + result.bytes_received
        if total - len(data) < 2 * KEPT_BYTES and len(result.entries) < KEPT_ENTRIES:
            kept = data[:KEPT_BYTES]
            result.entries.append(Entry(now_ms(), way, kept))
            result.bytes_not_kept += len(data) - len(kept)
        else:
            result.bytes_not_kept += len(data)
