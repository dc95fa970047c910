"""What all lines of a gateway share: who is known, the way to the bus, counts, limits, and where a device speaks."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from fengsui.base.batch import Batch
from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.gateways import door
from fengsui.sense.gateways.field import entering
from fengsui.sense.gateways.field.adapter import Adapter, Heard, Identity, Media, Origin
from fengsui.sense.gateways.field.identities import Identities
from fengsui.sense.gateways.field.limits import Counts, Limits
from fengsui.sense.gateways.field.line import Line, Refusal
from fengsui.sense.gateways.field.unmapped import UnmappedCodes
from fengsui.sense.gateways.publisher import Busy, ClockUnsure, Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry

log = structlog.get_logger()

# Keeps files of a device: for each "" once it is durable, or why it is refused; None when the gateway stops first.
Keep = Callable[
    [Identity, Sequence[Media], Sequence[Origin | None], Callable[[], bool]], Awaitable[list[str] | None]
]

NO_PLACE = "media_not_kept"
LOOK_S = 1.0
REFUSED_A_POLL = 5  # refused answers kept of one poll
BUSY_PAUSE_S = 1.0
NAME_SHOWN = 3  # letters of a name nobody knows that go to log and trail, at each end


class Hub:
    """One a process; use from one event loop."""

    def __init__(
        self,
        registry: Registry,
        identities: Identities,
        publisher: Publisher,
        admit: door.Admit = door.admit_all,
        refusals: Refusals | None = None,
        limits: Limits | None = None,
        unmapped: UnmappedCodes | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.registry, self.identities, self.publisher, self.admit = registry, identities, publisher, admit
        self.refusals = refusals or Refusals()
        self.limits = limits or Limits()
        self.unmapped = unmapped or UnmappedCodes()
        self.keep = keep  # None: files of devices have no place here, and are refused
        self.counts = Counts()
        self.lines: set[Line] = set()
        self._by_address: Counter[str] = Counter()
        self._by_name: dict[tuple[str, str], Line] = {}
        self._strangers: Counter[str] = Counter()
        self._stranger_minute = 0
        self._stopping = False
        self._looking: asyncio.Task | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_for_ever(), name="field-limits")

    async def close(self, wait_s: float = 10.0) -> None:
        """Settle what is under way, then hang up on everybody.  Listeners are closed before."""
        if self._looking:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for line in list(self.lines):
            line.close("stopping")
        busy = [asyncio.create_task(line.settled()) for line in list(self.lines)]
        if busy:
            _done, late = await asyncio.wait(busy, timeout=wait_s)
            for task in late:
                task.cancel()
        self._stopping = True
        for line in list(self.lines):
            line.hang_up()

    # -- who may speak ----------------------------------------------------------------------------------------

    def admits(self, adapter: Adapter, address: str) -> bool:
        """Whether one more line may be opened from ``address``; counted when it may not."""
        reason = ""
        if self._stopping or not self.identities.loaded:
            reason = "not_ready"
        elif len(self.lines) >= self.limits.connections:
            reason = "connections"
        elif self._by_address[address] >= self.limits.per_address:
            reason = "per_address"
        if reason:
            self.counts.turned_away[adapter.name, reason] += 1
        return not reason

    def remember(self, line: Line) -> None:
        self.lines.add(line)
        self._by_address[line.address] += 1
        self.counts.opened[line.adapter.name] += 1

    def forget(self, line: Line, reason: str) -> None:
        if line not in self.lines:
            return
        self.lines.discard(line)
        self._by_address[line.address] -= 1
        if not self._by_address[line.address]:
            del self._by_address[line.address]
        self.counts.closed[line.adapter.name, reason] += 1
        for name in line.names:
            if self._by_name.get((line.adapter.name, name)) is line:
                del self._by_name[line.adapter.name, name]

    def speaks(self, line: Line, identity: Identity) -> None:
        """A device was heard on ``line``: commands to it go there."""
        line.names.add(identity.identity)
        self._by_name[identity.protocol, identity.identity] = line

    def line_of(self, identity: Identity) -> Line | None:
        return self._by_name.get((identity.protocol, identity.identity))

    def turn_away(self, line: Line, heard: Heard) -> None:
        """A whole frame that does not count: into the audit trail, without the password."""
        known = heard.identity
        site = self.registry.snapshot.site_by_id.get(known.site) if known else None
        name = known.device_code if known else _shortened(heard.name)
        self.refusals.note(
            "device.login", name, line.address, org_path=site.org_path if site else "", by=line.adapter.name,
            why=heard.problem,
        )  # fmt: skip

    # -- onto the bus -----------------------------------------------------------------------------------------

    async def store(self, line: Line, waiting: Sequence[Heard | Refusal]) -> bool:
        """Make everything in ``waiting`` durable, waiting for the bus as long as it takes; False when we stop."""
        name = line.adapter.name
        measured = [
            self._whose(name, one, one.identity, reading)
            for one in waiting
            if isinstance(one, Heard) and one.identity is not None
            for reading in one.readings
        ]
        received_ms = await self._sure_time(measured)
        if received_ms is None:
            self.counts.lost[name] += len(waiting)
            return False
        batches: list[Batch] = []
        for entered in entering.enter(measured, self.identities, received_ms, self.admit):
            batches.append(entered.batch)
            self._count(name, entered)
        for one in waiting:
            if isinstance(one, Refusal) and self._is_kept(line):
                batches.append(self._kept(line, one.frame, received_ms))
            elif isinstance(one, Heard) and one.media and one.identity is not None:
                lost = await self._keep_media(line, one, one.identity)
                if lost is None:
                    self.counts.lost[name] += len(waiting)
                    return False
                batches += [self._kept(line, frame, received_ms) for frame in lost]
        if await self.publish(batches):
            return True
        self.counts.lost[name] += len(waiting)
        return False

    async def _keep_media(self, line: Line, heard: Heard, identity: Identity) -> list[BadFrame] | None:
        """Bring the files of a frame to rest and add what is answered; returns those that are refused.

        None when the gateway stops first: then nothing is answered.
        """
        name, media = line.adapter.name, heard.media
        problems: list[str] | None
        if self.keep is None:
            problems = [NO_PLACE if one.data is not None else "" for one in media]
        else:
            origins = [line.origin(one.asked) for one in media]
            problems = await self.keep(identity, media, origins, lambda: self._stopping)
        if problems is None:
            return None
        lost: list[BadFrame] = []
        for one, problem in zip(media, problems, strict=True):
            one.problem = problem
            heard.answers += one.lost if problem else one.kept
            if one.data is not None:
                self.counts.media[name, problem or "kept"] += 1
            if problem:
                self.counts.refused[name, problem] += 1
                lost.append(BadFrame(problem, heard.raw))
        return lost

    async def take(
        self, identity: Identity, measured: Iterable[Measured], refused: Sequence[BadFrame]
    ) -> None:
        """What was asked of a device, not sent by it: onto the bus, and what is refused of it kept."""
        name = identity.protocol
        source = entering.source_of(name, identity.device_code)
        own = [(identity, one) for one in measured]
        received_ms = await self._sure_time(own)
        if received_ms is None:
            self.counts.lost[name] += 1
            return
        entered = entering.enter(own, self.identities, received_ms, self.admit)
        for one in entered:
            self._count(name, one)
        for frame in refused:
            self.counts.refused[name, frame.reason] += 1
        kept = [
            entering.kept(frame, identity.site, source, name, received_ms)
            for frame in refused[:REFUSED_A_POLL]
        ]
        if not await self.publish([*(one.batch for one in entered), *kept]):
            self.counts.lost[name] += 1

    async def _sure_time(self, measured: Sequence[tuple[Identity, Measured]]) -> int | None:
        """When readings came, once it is sure which time it is (decision 0020); None when the gateway stops first.

        Meanwhile they stay here unanswered, and the line is read no further.
        """
        began = time.monotonic()
        while True:
            now_ms = door.now_ms()  # also looks whether it has been decided
            try:
                entering.require_sure_time(measured)
                break
            except ClockUnsure:
                if self._stopping:
                    return None
                await asyncio.sleep(BUSY_PAUSE_S)
        return now_ms - round((time.monotonic() - began) * 1000)

    def _count(self, name: str, entered: entering.Entered) -> None:
        self.counts.readings[name] += entered.accepted
        self.counts.unmapped[name] += len(entered.unmapped)
        self.counts.unwanted[name] += entered.unwanted
        self.unmapped.note(entered.unmapped)

    async def publish(self, batches: Iterable[Batch]) -> bool:
        """Return True when all are durable; while the bus is away, wait for it.  False when the gateway stops."""
        for batch in batches:
            while True:
                try:
                    await self.publisher.publish(batch)
                    break
                except Busy:
                    if self._stopping:
                        return False
                    await asyncio.sleep(BUSY_PAUSE_S)
        return True

    def _whose(
        self, protocol: str, heard: Heard, sender: Identity, reading: Measured
    ) -> tuple[Identity, Measured]:
        """A relay speaks for others of its site; a reading of somebody else stays with it, under a name of its own."""
        if reading.device == heard.name:
            return sender, reading
        other = self.identities.find(protocol, reading.device.upper())
        if other is not None and other.site == sender.site:
            return other, reading
        return sender, reading._replace(code=f"{reading.device}/{reading.code}")

    def _is_kept(self, line: Line) -> bool:
        """Bytes of a known device always; of a stranger so many a minute, and the others are counted."""
        if line.identity is not None:
            return True
        minute = int(time.monotonic() / 60)
        if minute != self._stranger_minute:
            self._stranger_minute = minute
            self._strangers.clear()
        self._strangers[line.address] += 1
        if self._strangers[line.address] <= self.limits.strangers_kept:
            return True
        self.counts.unkept[line.adapter.name] += 1
        return False

    def _kept(self, line: Line, frame: BadFrame, received_ms: int) -> Batch:
        name, known = line.adapter.name, line.identity
        source = entering.source_of(name, known.device_code if known else line.address)
        masked = BadFrame(frame.reason, line.adapter.masked(frame.data))
        return entering.kept(masked, known.site if known else 0, source, name, received_ms)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            for line in list(self.lines):
                line.look(now)


def _shortened(name: str) -> str:
    """A name that nobody knows, so that it can be recognised and not read off."""
    return name if len(name) <= 2 * NAME_SHOWN else f"{name[:NAME_SHOWN]}…{name[-NAME_SHOWN:]}"
