"""Our own time, which a jump of the machine's clock does not move until somebody else says that it was right.

Two clocks go in: ``wall_ms``, what the machine says the time is (Unix, ms), and ``elapsed_ms``, which only counts and
never jumps.  Our time is the machine's while both go at the same pace.  When they part, the machine's clock was set: by
mistake, or because it was wrong before.  Only others can know, and devices have clocks of their own: those whose
readings are stamped near one of the two times, and not near the other, speak for it.

Milliseconds are floats, so that microseconds keep their order.  Pure: no clock is read here.
"""

from dataclasses import dataclass, field

JUMP_MS = 2_000  # parted by more than this: a jump, not the drift of a clock or its being slewed
AGREES_MS = 300_000  # a reading stamped so near a clock agrees with it; the default tolerance for the future
ASKED_MS = 10_000  # how long devices are heard before they decide
FEWEST = 3  # sources that decide then; fewer of them, or nobody, decide after ``WAITED_MS``
WAITED_MS = 60_000


@dataclass(slots=True)
class Steady:
    """Our time is ``elapsed_ms + offset_ms``.  ``jumps`` counts what was noticed, ``by_ms`` is the last one."""

    offset_ms: float
    jumps: int = 0
    by_ms: float = 0  # the machine's clock less ours, as the jump was noticed; 0: they go together
    parted_at: float = 0  # elapsed_ms then
    votes: dict[str, bool] = field(default_factory=dict)  # source → speaks for the machine's clock

    def read(self, wall_ms: float, elapsed_ms: float) -> float:
        """Our time now.  Follows drift, notices a jump, and that a jump was undone."""
        gap = wall_ms - elapsed_ms - self.offset_ms
        if abs(gap) <= JUMP_MS:
            self.offset_ms += gap
            self._forget()
        elif not self.by_ms or abs(gap - self.by_ms) > JUMP_MS:
            self._forget()
            self.jumps += 1
            self.by_ms, self.parted_at = gap, elapsed_ms
        return elapsed_ms + self.offset_ms

    @property
    def is_apart(self) -> bool:
        return self.by_ms != 0

    def is_unsure(self, elapsed_ms: float) -> bool:
        """Parted, and too few have spoken to know who is right."""
        return self.is_apart and not self._is_heard(elapsed_ms)

    def hear(self, source: str, newest_ms: int, elapsed_ms: float) -> bool:
        """A source has a reading stamped ``newest_ms``.  True when it agrees with the machine's clock only."""
        ours, machines = self._agrees(newest_ms, elapsed_ms)
        if ours != machines:
            self.votes[source] = machines
        return machines and not ours

    def is_only_machines(self, newest_ms: int, elapsed_ms: float) -> bool:
        """The same of a source that is no witness: it has its time from us, or from nobody."""
        ours, machines = self._agrees(newest_ms, elapsed_ms)
        return machines and not ours

    def _agrees(self, newest_ms: int, elapsed_ms: float) -> tuple[bool, bool]:
        """Whether a time is about ours, and about the machine's; neither while the two are one."""
        if not self.is_apart:
            return False, False
        apart = newest_ms - elapsed_ms - self.offset_ms
        return abs(apart) <= AGREES_MS, abs(apart - self.by_ms) <= AGREES_MS

    def machine_is_right(self, elapsed_ms: float) -> bool:
        """Whether to go over to the machine's clock now: who was heard says so, or nobody was and we waited."""
        if not self.is_apart:
            return False
        for_machine = sum(self.votes.values())
        if self._is_heard(elapsed_ms):
            return 2 * for_machine > len(self.votes)
        return elapsed_ms - self.parted_at >= WAITED_MS and 2 * for_machine >= len(self.votes)

    def follow(self, offset_ms: float) -> None:
        """Go over to the time that ``offset_ms`` gives."""
        self.offset_ms = offset_ms
        self._forget()

    def _is_heard(self, elapsed_ms: float) -> bool:
        return len(self.votes) >= FEWEST and elapsed_ms - self.parted_at >= ASKED_MS

    def _forget(self) -> None:
        self.by_ms = self.parted_at = 0
        self.votes.clear()
