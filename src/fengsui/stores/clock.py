"""The time that all code asks for: the machine's, without its jumps (``base/steady``), the same in every process.

Processes of a machine share one offset in the file ``clock`` of FENGSUI_HOME, good until the machine starts again; so a
role that starts after a jump does not believe it either.  Whoever takes readings in hears devices and decides; the
others follow.  Without ``share`` the time is kept in this process only.
"""

import os
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fengsui.base.steady import JUMP_MS, WAITED_MS, Steady

log = structlog.get_logger()

LOOK_MS = 500  # how often the file is looked at
SAY_MS = 5_000  # how often who decides says that it is there, while the clocks are apart
GONE_MS = 30_000  # who has not said so for so long does not decide
SAME_MS, TRIES = 1.0, 5
DRIFT_MS = 200  # by so much the file may be behind
_COUNTS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts while the machine sleeps, too


class Shared(msgspec.Struct):
    """What the file says: our time is ``elapsed_ms`` + ``offset_ms``; who wrote it, when, and how many it has heard."""

    boot: str
    offset_ms: float
    elapsed_ms: float
    by: str = ""
    heard: int = -1  # -1: not one who decides


class Clock:
    """One process's clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: Path | None = None
        self._offset_file: Path | None = None
        self._added_ms = 0
        self._looked_at = self._said_at = float(-SAY_MS)
        self._seen: tuple[int, int] = (0, 0)
        self._shared: Shared | None = None
        self._me = uuid.uuid4().hex[:12]
        self._decides = False
        self._jumps = 0
        self.moved_at: float | None = None  # monotonic seconds: when our time itself was set, the last time
        self.steady = Steady(time.time_ns() / 1e6 - _elapsed_ms())

    def share(self, folder: Path, offset_file: str = "") -> None:
        """Use the time that processes with this folder share.

        ``offset_file`` holds milliseconds that are added to the machine's clock: a jump, for drills and tests.
        """
        with self._lock:
            self._file = folder / "clock"
            self._offset_file = Path(offset_file) if offset_file else None
            wall, elapsed = self._read_clocks(anew=True)
            known = self._read_file()
            self.steady = Steady(known.offset_ms if known is not None else wall - elapsed)
            self._looked_at = -LOOK_MS

    def decide(self) -> None:
        """This process hears devices: it says who is right."""
        self._decides = True

    def now_ms(self) -> int:
        """Unix time, ms."""
        return int(self.exact_ms())

    def exact_ms(self) -> float:
        """The same with its fraction."""
        with self._lock:
            return self._now_ms()

    @property
    def is_apart(self) -> bool:
        """The machine's clock has jumped and is not believed, as far as is known since it was last looked at."""
        return self.steady.is_apart

    @property
    def jumps(self) -> int:
        """How many jumps this process has noticed."""
        return self._jumps

    @property
    def apart_ms(self) -> float:
        """The machine's clock less ours; 0 while they go together."""
        self.exact_ms()
        return self.steady.by_ms

    def hears(self, source: str, newest_ms: int) -> bool:
        """A source has a reading stamped ``newest_ms``.  False when nobody can say yet whether that is now or not."""
        if not self.steady.is_apart:
            return True
        with self._lock:
            elapsed = _elapsed_ms()
            only_machines = self.steady.hear(source, newest_ms, elapsed)
            return not (only_machines and self.steady.is_unsure(elapsed))

    def judges(self, newest_ms: int) -> bool:
        """As ``hears``, for a source that is no witness because it takes its time from us."""
        if not self.steady.is_apart:
            return True
        with self._lock:
            elapsed = _elapsed_ms()
            return not (self.steady.is_only_machines(newest_ms, elapsed) and self.steady.is_unsure(elapsed))

    def without_jump(self, stamped_ms: int) -> int:
        """A time that another program of this machine took from the machine's clock a moment ago, as ours."""
        if not self.steady.is_apart:
            return stamped_ms
        apart, ours = self.apart_ms, self.now_ms()
        return (
            stamped_ms - round(apart)
            if abs(stamped_ms - ours) > abs(stamped_ms - ours - apart)
            else stamped_ms
        )

    def moved_within(self, seconds: float) -> bool:
        """Whether our time itself was set so shortly ago."""
        return self.moved_at is not None and time.monotonic() - self.moved_at < seconds

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _now_ms(self) -> float:
        look = _elapsed_ms() - self._looked_at >= LOOK_MS
        wall, elapsed = self._read_clocks(anew=look)
        was = self.steady.by_ms
        now = self.steady.read(wall, elapsed)
        if self.steady.jumps != self._jumps:
            self._jumps = self.steady.jumps
            log.warning("clock.jumped", by_ms=round(self.steady.by_ms), then="our own time goes on")
        elif was and not self.steady.is_apart:
            log.warning("clock.undone", by_ms=round(was))
        if look:
            self._looked_at = elapsed
            self._look(wall, elapsed)
            now = elapsed + self.steady.offset_ms
        return now

    def _look(self, wall: float, elapsed: float) -> None:
        """Follow the file, or write it; go over to the machine's clock when it is time."""
        if self._file is None:
            other = None
        else:
            other = self._read_file()
            if other is not None and abs(other.offset_ms - self.steady.offset_ms) > JUMP_MS:
                self._move(other.offset_ms, "another process decided")
        if not self.steady.is_apart:
            if other is None or abs(other.offset_ms - self.steady.offset_ms) > DRIFT_MS:
                self._write_file(elapsed)
            return
        heard = len(self.steady.votes) if self._decides else -1
        alive = other is not None and other.by != self._me and elapsed - other.elapsed_ms < GONE_MS
        if alive and other is not None and other.heard > heard:
            return  # who has heard more decides
        may = self._decides or elapsed - self.steady.parted_at >= WAITED_MS + GONE_MS  # nobody else does
        if may and self.steady.machine_is_right(elapsed):
            self._move(wall - elapsed, f"{heard} sources were heard" if self._decides else "nobody decided")
            self._write_file(elapsed)
        elif self._decides and elapsed - self._said_at >= SAY_MS:
            self._write_file(elapsed, heard)

    def _move(self, offset_ms: float, why: str) -> None:
        log.warning("clock.moved", by_ms=round(offset_ms - self.steady.offset_ms), why=why)
        self.steady.follow(offset_ms)
        self.moved_at = time.monotonic()

    def _read_clocks(self, *, anew: bool) -> tuple[float, float]:
        """The machine's clock and the one that counts, at the same instant though others may run between two lines."""
        if self._offset_file is not None and anew:
            try:
                self._added_ms = int(self._offset_file.read_text() or 0)
            except (OSError, ValueError):
                self._added_ms = 0
        for _ in range(TRIES):
            before, wall, after = _elapsed_ms(), time.time_ns() / 1e6, _elapsed_ms()
            if after - before < SAME_MS:
                break
        return wall + self._added_ms, after

    def _read_file(self) -> Shared | None:
        if self._file is None:
            return None
        try:
            stat = os.stat(self._file)
            if (stat.st_mtime_ns, stat.st_ino) != self._seen or self._shared is None:
                found = msgspec.json.decode(self._file.read_bytes(), type=Shared)
                self._seen, self._shared = (stat.st_mtime_ns, stat.st_ino), found
        except (OSError, msgspec.DecodeError):
            return None
        return self._shared if self._shared.boot == _boot() else None

    def _write_file(self, elapsed: float, heard: int = -1) -> None:
        self._said_at = elapsed
        if self._file is None or not self._file.parent.is_dir():
            return
        draft = self._file.with_name(f".clock.{self._me}")
        try:
            draft.write_bytes(
                msgspec.json.encode(Shared(_boot(), self.steady.offset_ms, elapsed, self._me, heard))
            )
            draft.rename(self._file)
        except OSError:  # a full disk: each process keeps what it has
            draft.unlink(missing_ok=True)


def _elapsed_ms() -> float:
    return time.clock_gettime_ns(_COUNTS) / 1e6


_boot_id = ""


def _boot() -> str:
    """Which start of the machine ``_elapsed_ms`` counts from."""
    global _boot_id
    if not _boot_id:
        try:
            _boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            _boot_id = uuid.uuid4().hex  # nothing can be shared
    return _boot_id


_clock = Clock()


def now_ms() -> int:
    """Our time: Unix, ms."""
    return _clock.now_ms()


def now() -> datetime:
    """Our time, aware, UTC."""
    return datetime.fromtimestamp(_clock.exact_ms() / 1000, UTC)


def process_clock() -> Clock:
    """The clock of this process."""
    return _clock


def facts() -> dict[str, Any]:
    """For the status of a role: by how much the machine's clock is off, while it is."""
    apart = _clock.apart_ms
    return {"clock_off_ms": round(apart)} if apart else {}
