"""One conversation with a field device: bytes in, frames, readings onto the bus, then the answers.

A line knows no transport: who made it feeds it bytes and gives it a way to write and to hang up.  Frames are settled in
the order in which they came, those that wait together in one go, and nothing is answered before it is durable.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut
from fengsui.sense.gateways import door
from fengsui.sense.gateways.field.adapter import WRONG_SITE, Adapter, Heard, Identity, Origin, Settled

if TYPE_CHECKING:
    from fengsui.sense.gateways.field.hub import Hub

log = structlog.get_logger()

ORIGINS_KEPT = 64  # commands of which a line remembers who sent them


@dataclass(slots=True, eq=False)
class _Command:
    """A command that waits for its answer, and what was said so far."""

    done: "asyncio.Future[bool]"
    said: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Refusal:
    """Bytes that are refused, with what is answered to them."""

    frame: BadFrame
    answers: list[bytes]


class Line:
    """``write`` sends bytes and says whether they could be sent; ``hang_up`` ends the transport."""

    __slots__ = (
        "_asked",
        "_closing",
        "_last",
        "_noise",
        "_opened",
        "_origins",
        "_refusals",
        "_rest",
        "_rest_since",
        "_task",
        "_waiting",
        "adapter",
        "address",
        "gone",
        "hang_up",
        "hub",
        "identity",
        "names",
        "pause",
        "session",
        "write",
    )  # fmt: skip

    def __init__(
        self,
        hub: "Hub",
        adapter: Adapter,
        address: str,
        write: Callable[[bytes], bool],
        hang_up: Callable[[], None],
        pause: Callable[[bool], None] = lambda paused: None,
    ) -> None:
        self.hub, self.adapter, self.address = hub, adapter, address
        self.write, self.hang_up, self.pause = write, hang_up, pause
        self.session = adapter.session(lambda name: hub.identities.find(adapter.name, name))
        self.identity: Identity | None = None  # the first that was known: the line speaks for its site
        self.names: set[str] = set()  # identities heard here
        self.gone = False
        self._closing = ""
        self._opened = self._last = self._rest_since = time.monotonic()
        self._rest = b""
        self._noise = self._refusals = 0
        self._waiting: list[Heard | Refusal] = []
        self._task: asyncio.Task | None = None
        self._asked: dict[tuple[Any, ...], _Command] = {}
        self._origins: OrderedDict[tuple[Any, ...], Origin] = OrderedDict()

    # -- bytes in ---------------------------------------------------------------------------------------------

    def hear(self, data: bytes, ended: bool = False) -> None:
        """Take bytes in.  ``ended``: a datagram, after which nothing of it comes."""
        if self._closing:
            return
        self._last = time.monotonic()
        self.hub.counts.bytes[self.adapter.name] += len(data)
        self._noise += len(data)
        self._take(self._rest + data if self._rest else data, ended)
        if self._noise > max(self.hub.limits.noise_bytes, self.adapter.longest):
            self.close("noise")

    def end(self, reason: str) -> None:
        """The transport is gone: what is whole counts, what is not is refused."""
        self.gone = True
        if self._rest and not self._closing:
            self._take(self._rest, True)
        for refused in self._given_up():
            self._refuse(refused, [])
        self._settle_what_waits()
        self._closing = self._closing or reason
        for command in self._asked.values():
            if not command.done.done():
                command.done.cancel()
        self.hub.forget(self, self._closing)

    def close(self, reason: str) -> None:
        """Hear no more; settle what waits, then hang up."""
        if self._closing:
            return
        if self._rest:
            self._take(self._rest, True)
        if not self._closing:
            self._closing = reason
        if self._task is None:
            self.hang_up()

    def look(self, now: float) -> None:
        """Once a second: has it been silent, or half a frame, for too long?"""
        limits = self.hub.limits
        if self._closing:
            return
        if self._rest and now - self._rest_since > limits.frame_s:
            self._take(self._rest, True)
        elif self._task is not None:
            return  # it is waiting for us
        elif self.identity is None and now - self._opened > limits.login_s:
            self.close("login")
        elif now - self._last > limits.idle_s:
            self.close("idle")

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _take(self, data: bytes, ended: bool) -> None:
        try:
            cut: Cut = self.adapter.codec.feed(data, ended)
        except (
            Exception
        ) as error:  # a codec never raises; if one does, its bytes are kept and the line goes on
            log.error("field.codec", protocol=self.adapter.name, error=repr(error))
            cut = Cut([], [BadFrame("codec_failed", data)], b"")
        if cut.frames or not self._rest:
            self._rest_since = self._last
        self._rest = cut.rest
        now_ms = door.now_ms()
        for refused in cut.refused:
            self._refuse(refused, self._denied(refused, now_ms))
        for frame in cut.frames:
            self._frame(frame, now_ms)
        if self._refusals > self.hub.limits.refusals:
            self._closing = self._closing or "refusals"
        self._settle_what_waits()
        if len(self._waiting) > self.hub.limits.waiting_frames:
            self.pause(True)

    def _settle_what_waits(self) -> None:
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._settle_all(), name="line")

    def _given_up(self) -> list[BadFrame]:
        try:
            return self.session.end(door.now_ms())
        except Exception as error:
            log.error("field.adapter", protocol=self.adapter.name, error=repr(error))
            return []

    def _denied(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        try:
            return self.session.deny(refused, now_ms)
        except Exception as error:
            log.error("field.adapter", protocol=self.adapter.name, error=repr(error))
            return []

    def _frame(self, frame: Any, now_ms: int) -> None:
        name = self.adapter.name
        self.hub.counts.frames[name] += 1
        try:
            heard = self.session.take(frame, now_ms)
        except Exception as error:  # as above: what an adapter stumbles over is kept
            log.error("field.adapter", protocol=name, error=repr(error))
            self._refuse(BadFrame("adapter_failed", getattr(frame, "raw", b"")), [])
            return
        if (
            not heard.problem
            and self.identity
            and heard.identity
            and heard.identity.site != self.identity.site
        ):
            heard.problem = WRONG_SITE
            heard.answers = []
        if heard.problem:
            self.hub.turn_away(self, heard)
            self._refuse(BadFrame(heard.problem, heard.raw), heard.answers)
            return
        if heard.identity is not None:
            self._noise = self._refusals = 0
            self.identity = self.identity or heard.identity
            self.hub.speaks(self, heard.identity)
        for refused in heard.refused:
            self._refuse(refused, [])
        for settled in heard.settled:
            self._answered(settled)
        self._waiting.append(heard)
        if heard.close:
            self._closing = self._closing or "signed_off"

    def _refuse(self, refused: BadFrame, answers: list[bytes]) -> None:
        self._refusals += 1
        self.hub.counts.refused[self.adapter.name, refused.reason] += 1
        self._waiting.append(Refusal(refused, answers))

    # -- onto the bus, and answers out ------------------------------------------------------------------------

    async def _settle_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                if not await self.hub.store(self, waiting):
                    self._closing = self._closing or "stopping"
                    break
                for one in waiting:
                    for answer in one.answers:
                        self.send(answer)
                if not self._closing:
                    self.pause(False)
        finally:
            self._task = None
            if self._closing and not self.gone:
                self.hang_up()

    def send(self, data: bytes) -> bool:
        """Write bytes; False when they cannot be sent."""
        if self.gone or not self.write(data):
            return False
        self.hub.counts.answers[self.adapter.name] += 1
        return True

    # -- commands down ----------------------------------------------------------------------------------------

    def origin(self, key: tuple[Any, ...] | None) -> Origin | None:
        """Who sent the command of ``key``; files that it brings come after its answer."""
        return None if key is None else self._origins.get(key)

    async def ask(
        self, identity: Identity, command: str, arguments: Mapping[str, Any], wait_s: float, by: str = ""
    ) -> tuple[str, list[dict[str, Any]]]:
        """Send a command and wait for its answer: the outcome (answered, refused, sent, timeout, disconnected) and
        what the device said.  Raises BadCommand."""
        asked = self.session.ask(identity, command, arguments, door.now_ms())
        if asked.key is not None:
            self._origins[asked.key] = Origin(by, command)
            while len(self._origins) > ORIGINS_KEPT:
                self._origins.popitem(last=False)
        if asked.key is None:
            return ("sent" if self.send(asked.data) else "disconnected"), []
        waiting = self._asked[asked.key] = _Command(asyncio.get_running_loop().create_future())
        try:
            if not self.send(asked.data):
                return "disconnected", []
            ok = await asyncio.wait_for(waiting.done, wait_s)
            return ("answered" if ok else "refused"), waiting.said
        except TimeoutError:
            return "timeout", waiting.said
        except asyncio.CancelledError:
            if self.gone and waiting.done.cancelled():
                return "disconnected", waiting.said
            raise
        finally:
            self._asked.pop(asked.key, None)

    def _answered(self, settled: Settled) -> None:
        waiting = self._asked.get(settled.key)
        if waiting is None or waiting.done.done():
            return
        if len(waiting.said) < 100:
            waiting.said.append(settled.said)
        if settled.final:
            waiting.done.set_result(settled.ok)
