"""What the scripts share: the fence, what is wrong and not carried out, bytes that mean no good, the last look.

A script says how its protocol asks something harmless and how the answer is known: its ``Probe``.  Whatever else is the
same in every protocol is built on that here; a script's own module holds what its standard alone demands.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import Random
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Term
from fengsui.sense.conform.case import (
    NOTHING,
    Await,
    Case,
    Check,
    Clause,
    HangUp,
    Match,
    Scene,
    Send,
    Step,
)

BURST = 50
TRIES = 3
SLOWLY = 12  # pieces of a frame that comes slowly
NOISE_BYTES = 512
OVERLONG_BYTES = 12_000
CARRIED_OUT = Term("错误命令被当作正确命令执行", "a wrong command was taken as a good one")

Make = Callable[[Scene], bytes]


@dataclass(frozen=True, slots=True)
class Probe:
    """A harmless command that every device answers.

    ``ask`` makes it · ``match`` knows its answer · ``asked``, ``answered`` say so · ``done`` a sign that what was kept
    under ``bad`` was carried out, which must not be · ``again`` what a device says first on a new connection.
    """

    ask: Make
    match: Match
    asked: Term
    answered: Term
    done: Match
    done_what: Term = CARRIED_OUT
    again: tuple[Step, ...] = ()

    def lives(
        self, never: Match | None = None, never_what: Term = NOTHING, tries: int = 1
    ) -> tuple[Step, ...]:
        """The command is answered; ``never`` must not come before."""
        return (
            Send(self.ask, self.asked),
            Await(self.match, self.answered, never=never, never_what=never_what, again=self.ask, tries=tries),
        )

    def wrong(self, make: Make, what: Term, *then: Step, tries: int = 1) -> tuple[Step, ...]:
        """Send something wrong: it is not carried out and the device lives."""
        return (Send(make, what), *then, *self.lives(self.done, self.done_what, tries))

    def bad(
        self, id: str, clause: Clause, title: Term, make: Make, what: Term | None = None, tries: int = 1
    ) -> Case:
        """A wrong command, as a case."""
        return Case(id, clause, title, "bad", self.wrong(make, title if what is None else what, tries=tries))

    def hostile(self, id: str, clause: Clause, title: Term, make: Make, what: Term | None = None) -> Case:
        """Bytes that mean no good: not carried out, and well again within three tries."""
        return Case(
            id, clause, title, "hostile", self.wrong(make, title if what is None else what, tries=TRIES)
        )

    def burst(self, id: str, clause: Clause) -> Case:
        """Many commands at once."""

        def make(scene: Scene) -> bytes:
            return b"".join(self.ask(scene) for _ in range(BURST))

        title = Term(f"一次 {BURST} 条命令", f"{BURST} commands at once")
        return Case(id, clause, title, "hostile", (Send(make, title), *self.lives(tries=TRIES)))

    def half(self, id: str, clause: Clause, make: Make) -> Case:
        """Half a frame and the line is cut; what was half is never carried out."""

        def first_half(scene: Scene) -> bytes:
            frame = make(scene)
            return frame[: len(frame) // 2]

        return Case(
            id,
            clause,
            Term(
                "半帧之后断线，重连后照常",
                "half a frame and the line is cut: after it calls again all is well",
            ),
            "hostile",
            self.wrong(first_half, Term("发送半帧", "send half a frame"), HangUp(), *self.again, tries=TRIES),
        )

    def slowly(self, id: str, clause: Clause) -> Case:
        """The command in many small pieces, each a moment after the other."""
        return Case(
            id,
            clause,
            Term(f"命令分 {SLOWLY} 段缓慢到达，照常应答", f"a command in {SLOWLY} slow pieces is answered"),
            "good",
            (
                Send(self.ask, Term("分段缓慢发送命令", "send the command slowly, in pieces"), pieces=SLOWLY),
                Await(self.match, self.answered),
            ),
        )


def together(id: str, clause: Clause, title: Term, *parts: tuple[Make, Match, Term]) -> Case:
    """Several commands in one piece, each answered: ``(make, match, answer)``."""

    def make(scene: Scene) -> bytes:
        return b"".join(one(scene) for one, _, _ in parts)

    return Case(
        id,
        clause,
        title,
        "good",
        (
            Send(make, title),
            *(Await(match, what, in_case=True) for _, match, what in parts),
        ),
    )


def noise(seed: int, without: bytes, instead: bytes) -> Make:
    """Bytes by chance, the same every time, in which no frame begins."""
    return lambda scene: Random(seed).randbytes(NOISE_BYTES).replace(without, instead)


def noise_case(probe: Probe, id: str, clause: Clause, seed: int, without: bytes, instead: bytes) -> Case:
    return probe.hostile(
        id,
        clause,
        Term("命令前的杂乱字节", "noise before a command"),
        noise(seed, without, instead),
        Term(f"{NOISE_BYTES} 个杂乱字节", f"{NOISE_BYTES} bytes of noise"),
    )


def frames_are_good(scene: Scene, frames: list[Any], refused: list[BadFrame]) -> Term | None:
    """No refusal, and no frame that departs from its standard."""
    if refused:
        one = refused[0]
        said = f"{one.reason}, {one.data[:40].hex().upper()}"
        return Term(f"{len(refused)} 处无法识别，首处：{said}", f"{len(refused)} refusals, the first: {said}")
    for frame in frames:
        if frame.departures:
            words = ", ".join(frame.departures)
            return Term(f"帧有偏差：{words}", f"a frame departs: {words}")
    return None


def all_good(id: str, clause: Clause) -> Case:
    """The last look at everything the device sent."""
    return Case(
        id,
        clause,
        Term("全程设备所发字节均为正确的帧", "all bytes the device sent were good frames"),
        "good",
        (Check(frames_are_good, Term("无杂乱字节、无错帧、无偏差", "no noise, no bad frame, no departure")),),
    )


def serials_rise(
    id: str,
    clause: Clause,
    title: Term,
    following: Term,
    key: Callable[[Any], Hashable],
    *,
    counts: Callable[[Any], bool] = lambda frame: True,
    restarts: Callable[[Any], bool] = lambda frame: False,
) -> Case:
    """Whether each new frame has the serial after the one before; one with a ``key`` known already was sent again.

    ``counts``: frames of the device's own counting · ``restarts``: frames that may begin anew.
    """

    def judge(scene: Scene, frames: list[Any], refused: list[BadFrame]) -> Term | None:
        seen: set[Hashable] = set()
        last: int | None = None
        for frame in filter(counts, frames):
            if key(frame) in seen:
                continue
            seen.add(key(frame))
            if restarts(frame):
                last = None
            if last is not None and frame.serial != (last + 1) & 0xFFFF:
                return Term(
                    f"流水号 {frame.serial}，前一个为 {last}", f"serial {frame.serial}, the one before {last}"
                )
            last = frame.serial
        return None if seen else Term("没有数据", "there are no data")

    return Case(id, clause, title, "good", (Check(judge, following),))


def note(scene: Scene, key: Hashable, frame: Any) -> None:
    """Keep what was first heard under ``key``; a script's ``reply`` sees every frame and says so of each."""
    scene.kept.setdefault("first heard", {}).setdefault(key, frame)


def is_new(scene: Scene, key: Hashable, frame: Any) -> bool:
    """Whether ``frame`` is the first of its key, and not an earlier one sent again."""
    return scene.kept.get("first heard", {}).get(key, frame) is frame


def sent_once(report: Await, again: Match, following: Match, *conditions: Step) -> tuple[Step, ...]:
    """After it was confirmed a report does not come again before the next one."""
    return (
        report,
        *conditions,
        Await(
            following,
            Term("下一次上报", "the next report"),
            within="data",
            never=again,
            never_what=Term("已确认的数据又被发送", "data that were confirmed are sent again"),
        ),
    )


def clock_is_right(at_ms: int | None, scene: Scene, default_s: int = 60) -> Term | None:
    """Whether an instant that a device told is that of the kit, within ``clock_tolerance_s``."""
    if at_ms is None:
        return Term("没有有效时间", "there is no valid time")
    off = abs(at_ms - scene.now_ms) / 1000
    tolerance = int(scene.settings.get("clock_tolerance_s") or default_s)
    if off <= tolerance:
        return None
    return Term(
        f"时钟相差 {off:.0f} 秒，允许 {tolerance} 秒", f"the clock is {off:.0f} s off, {tolerance} s allowed"
    )
