"""What simulated devices that call the platform have in common: reports, repeats, and the faults of any stream.

A protocol's own device says how it greets, reports and obeys.  What waits for its confirmation is kept as sent.
"""

from collections.abc import Hashable
from typing import Any, ClassVar

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Term
from fengsui.sense.simulators.device import Fault, Options

BURST = 20  # frames at once that some devices do not bear
NOISE_BYTES, OVERLONG_BYTES = 100, 2000


def stream_faults(prefix: str, after_noise: tuple[str, ...], **cases: str) -> dict[str, Fault]:
    """The faults that any device on a stream may have.

    ``after_noise`` the cases, in their order, that a device deaf since the noise fails · ``cases`` by name: ``slow``,
    ``two`` (several commands at once), ``half`` and ``redial`` (cases after the line was cut, with blanks between).
    """

    def fails(*ids: str) -> frozenset[str]:
        return frozenset(f"{prefix}.{one}" for one in ids)

    overlong, burst = after_noise.index("hostile.overlong"), after_noise.index("hostile.burst")
    return {
        "noise": Fault(Term("帧间有杂乱字节", "noise between frames"), fails("frames.all_good")),
        "first-only": Fault(Term("只执行第一条命令", "obeys the first command only"), fails(cases["two"])),
        "no-reassembly": Fault(
            Term("不拼接分段到达的命令", "does not join what comes in pieces"), fails(cases["slow"])
        ),
        "dies-of-noise": Fault(Term("收到杂乱字节后失聪", "deaf after noise"), fails(*after_noise)),
        "dies-of-overlong": Fault(
            Term("收到超长帧后失聪", "deaf after an over-long frame"), fails(*after_noise[overlong:])
        ),
        "dies-of-burst": Fault(Term("命令过多后失聪", "deaf after a burst"), fails(*after_noise[burst:])),
        "no-redial": Fault(Term("断线后不再连接", "never calls again"), fails(*cases["redial"].split())),
    }


class Reporter:
    """One device.  ``tolerates``: of a fault, the reason of a refusal it does not mind.

    Subclasses give ``greet``, ``report`` and ``obey``.
    """

    tolerates: ClassVar[dict[str, str]] = {}

    def __init__(self, options: Options) -> None:
        self.options, self.fault = options, options.fault
        self.due_ms: int | None = None
        self.report_ms = 0
        self.streaming = True
        self.deaf = False
        self.unconfirmed: dict[Hashable, tuple[bytes, int, int]] = {}  # → frame, when next, how often

    # -- what a protocol says ---------------------------------------------------------------------------------------

    def greet(self, now_ms: int) -> list[bytes]:
        """On a new connection."""
        raise NotImplementedError

    def report(self, now_ms: int) -> list[bytes]:
        """Each period."""
        raise NotImplementedError

    def obey(self, frame: Any, now_ms: int) -> list[bytes]:
        """Upon a frame of the platform."""
        raise NotImplementedError

    def tolerated(self, refused: BadFrame) -> Any:
        """The frame that a faulty device reads out of bytes that are refused; None: it reads none."""
        return refused.seen if self.tolerates.get(self.fault) == refused.reason else None

    def deafens(self, frame: Any) -> bool:
        """Whether a faulty device hears nothing any more after this frame."""
        return False

    def obeys_by(self, answers: list[bytes]) -> bool:
        """Whether these answers show that a command was carried out."""
        return bool(answers)

    # -- the machine -------------------------------------------------------------------------------------------------

    def redials(self) -> bool:
        return self.fault != "no-redial"

    def kept(self, rest: bytes) -> bytes:
        return b"" if self.fault == "no-reassembly" else rest

    def opened(self, now_ms: int) -> list[bytes]:
        self.deaf = False
        self.report_ms = now_ms
        said = self.greet(now_ms)
        self._plan()
        return said

    def tick(self, now_ms: int) -> list[bytes]:
        said: list[bytes] = []
        for key, (frame, due, times) in list(self.unconfirmed.items()):
            if due <= now_ms:
                if times >= self.options.resends:
                    del self.unconfirmed[key]
                    continue
                self.unconfirmed[key] = (frame, now_ms + self._resend_ms(), times + 1)
                if self.fault != "no-resend":
                    said.append(frame)
        if self.report_ms <= now_ms:
            self.report_ms = now_ms + round(self.options.period_s * 1000)
            if self.streaming:
                said += self.report(now_ms)
        self._plan()
        return said

    def heard(self, frames: list[Any], refused: list[BadFrame], now_ms: int) -> list[bytes]:
        taken: list[Any] = []  # what is wrong first: that is how the kit sends it
        for one in refused:
            size = len(one.data)
            if self.fault == "dies-of-noise" and one.reason == "noise" and size > NOISE_BYTES:
                self.deaf = True
            if self.fault == "dies-of-overlong" and size > OVERLONG_BYTES:
                self.deaf = True
            if (seen := self.tolerated(one)) is not None:
                taken.append(seen)
        taken += frames
        if self.fault == "dies-of-burst" and len(frames) >= BURST:
            self.deaf = True
        said: list[bytes] = []
        obeyed = False
        for frame in taken:
            self.deaf = self.deaf or self.deafens(frame)
            if self.deaf or (obeyed and self.fault == "first-only"):
                continue
            answers = self.obey(frame, now_ms)
            obeyed = obeyed or self.obeys_by(answers)
            said += answers
        self._plan()
        return said

    def awaits(self, key: Hashable, frame: bytes, now_ms: int) -> bytes:
        """``frame``, which will be sent again until ``key`` is confirmed."""
        self.unconfirmed[key] = (frame, now_ms + self._resend_ms(), 0)
        return frame

    def _resend_ms(self) -> int:
        return round(self.options.resend_s * 1000)

    def _plan(self) -> None:
        self.due_ms = min([self.report_ms, *(due for _, due, _ in self.unconfirmed.values())])
