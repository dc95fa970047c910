"""Polling Modbus devices over TCP: what points say is asked for, and what came of it is handed on.

One connection a device, one request at a time, every ``period_s`` on the clock and never two polls at once.  A point
that was not answered is NaN, "the device has no value", and says why; it is never the last value again.  After an
answer that did not come in time the connection is closed: what comes later would be taken for the next answer.  A
device behind a serial server speaks RTU or ASCII over its TCP connection.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut
from fengsui.sense.codecs.modbus.framing import Frame, Framing, encode, feed_ascii, feed_rtu, feed_tcp
from fengsui.sense.codecs.modbus.pdu import Pdu, Side
from fengsui.sense.codecs.modbus.points import Point, Read, by_code, plan, values
from fengsui.stores import clock

log = structlog.get_logger()

CONNECT_PAUSE_S = (1.0, 60.0)  # after the first failed connection, and at most
READ_BYTES = 4096
NOISE_BYTES = 64 * 1024  # bytes that are no answer, for one request

_FEED: Mapping[Framing, Callable[[bytes, Side | None], Cut]] = {
    "tcp": feed_tcp,
    "rtu": feed_rtu,
    "ascii": feed_ascii,
}


@dataclass(frozen=True, slots=True)
class Device:
    """What is polled: an address, a unit there, and its points.  Raises BadPoint when a code stands twice."""

    code: str
    host: str
    port: int = 502
    unit: int = 1
    framing: Framing = "tcp"
    points: tuple[Point, ...] = ()
    period_s: float = 1.0
    timeout_s: float = 1.0
    gap: int = 8  # registers nobody wants that are read along to save a request

    def __post_init__(self) -> None:
        by_code(self.points)


@dataclass(slots=True)
class Polled:
    """One poll.  ``time_ms`` when it began · ``values`` of every point by code · ``failed`` why points have none."""

    device: str
    time_ms: int
    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    refused: list[BadFrame] = field(default_factory=list)


class Failed(Exception):
    """A request without an answer that can be used: the reason in a word or two."""


class Poller:
    """Polls one device until it is cancelled.  ``take`` gets every poll, also one without any value."""

    def __init__(
        self,
        device: Device,
        take: Callable[[Polled], Awaitable[None]],
        now_ms: Callable[[], int] = lambda: clock.now_ms(),
    ) -> None:
        self.device, self.take, self.now_ms = device, take, now_ms
        self.skipped = 0  # periods that passed while a poll was under way
        self._reads = plan(device.points, device.gap)
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._pause_s, self._wait_until = 0.0, -math.inf
        self._transaction = 0
        self._reasons: list[str] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                await self.take(await self.poll())
                due += self.device.period_s
                if (late := loop.time() - due) > 0:
                    missed = math.ceil(late / self.device.period_s)
                    self.skipped += missed
                    due += missed * self.device.period_s
                await asyncio.sleep(due - loop.time())
        finally:
            self._close()

    async def poll(self) -> Polled:
        """Ask for every point once.  Never raises for what a device or a network does."""
        polled = Polled(self.device.code, self.now_ms())
        for read in self._reads:
            try:
                answer = await self._ask(read, polled)
            except Failed as failed:
                polled.values.update({point.code: math.nan for point in read.points})
                polled.failed.update({point.code: str(failed) for point in read.points})
            else:
                polled.values.update(values(read, answer))
        self._tell(polled)
        return polled

    def _tell(self, polled: Polled) -> None:
        """Log when what is wrong with a device changes, not at every poll."""
        reasons = sorted(set(polled.failed.values()))
        if reasons and reasons != self._reasons:
            log.warning("modbus.unanswered", device=polled.device, points=len(polled.failed), reasons=reasons)
        elif self._reasons and not reasons:
            log.info("modbus.answered", device=polled.device)
        self._reasons = reasons

    async def _ask(self, read: Read, polled: Polled) -> Pdu:
        reader, writer = await self._connected()
        self._transaction = (self._transaction + 1) & 0xFFFF
        request = Frame(self.device.framing, self.device.unit, read.request(), self._transaction)
        try:
            async with asyncio.timeout(self.device.timeout_s):
                writer.write(encode(request))
                await writer.drain()
                return await self._answer(reader, request, read, polled)
        except TimeoutError:
            self._close()
            raise Failed("no answer in time") from None
        except OSError as error:
            self._close()
            raise Failed(f"connection lost: {error.strerror or type(error).__name__}") from None

    async def _answer(self, reader: asyncio.StreamReader, request: Frame, read: Read, polled: Polled) -> Pdu:
        """The answer to ``request``; whatever else comes is refused and said."""
        rest, heard = b"", 0
        while heard < NOISE_BYTES:
            data = await reader.read(READ_BYTES)
            if not data:
                self._close()
                raise Failed("connection closed by the device")
            heard += len(data)
            frames, refused, rest = _FEED[self.device.framing](rest + data, "answer")
            polled.refused.extend(refused)
            for frame in frames:
                if not _answers(frame, request):
                    polled.refused.append(BadFrame("answer to nobody", encode(frame)))
                elif frame.pdu.side == "exception":
                    raise Failed(f"exception: {frame.pdu.fields['exception_meaning']}")
                elif _held(frame.pdu) < read.count:
                    polled.refused.append(BadFrame("answer too short", encode(frame)))
                    raise Failed("answer too short")
                else:
                    return frame.pdu
        self._close()
        raise Failed("nothing but noise")

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._stream is not None and not self._stream[0].at_eof():
            return self._stream
        self._close()
        now = asyncio.get_running_loop().time()
        if now < self._wait_until:
            raise Failed("not connected")
        try:
            async with asyncio.timeout(self.device.timeout_s):
                self._stream = await asyncio.open_connection(self.device.host, self.device.port)
        except (TimeoutError, OSError) as error:
            first, longest = CONNECT_PAUSE_S
            self._pause_s = min(max(first, 2 * self._pause_s), longest)
            self._wait_until = now + self._pause_s
            log.warning(
                "modbus.not_connected", device=self.device.code, error=str(error), pause_s=self._pause_s
            )
            raise Failed("not connected") from None
        self._pause_s, self._wait_until = 0.0, -math.inf
        return self._stream

    def _close(self) -> None:
        if self._stream is not None:
            with suppress(OSError, RuntimeError):
                self._stream[1].close()
            self._stream = None


def _answers(frame: Frame, request: Frame) -> bool:
    same = frame.unit == request.unit and frame.pdu.function == request.pdu.function
    return same and (frame.framing != "tcp" or frame.transaction == request.transaction)


def _held(pdu: Pdu) -> int:
    return len(pdu.fields.get("registers", ())) or len(pdu.fields.get("bits", ()))
