"""What a conformance case is: a clause of a standard, and steps that a device passes or fails.

A script is data: cases made of the steps below, with small functions that make bytes, choose frames and judge them.
``session`` walks them; nothing here knows of sockets or clocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Term

Kind = Literal["good", "bad", "hostile"]
Need = Literal["mandatory", "if_supported"]
Within = Literal["answer", "data"]

KINDS: dict[Kind, Term] = {
    "good": Term("正常", "good"),
    "bad": Term("错误", "bad"),
    "hostile": Term("恶意", "hostile"),
}
NEEDS: dict[Need, Term] = {
    "mandatory": Term("必备", "mandatory"),
    "if_supported": Term("支持时必须正确", "must be right if supported"),
}


NOTHING = Term("", "")
HANG_UP = Term("平台断开连接", "the platform closes the connection")


@dataclass(frozen=True, slots=True)
class Clause:
    """Where a demand comes from.  ``from_memory``: the text was not at hand when the case was written."""

    text: str
    from_memory: bool = False


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the kit waits, in seconds: for an answer, and for what the device sends of itself."""

    answer_s: float = 10.0
    data_s: float = 90.0

    def seconds(self, within: Within) -> float:
        return self.answer_s if within == "answer" else self.data_s


@dataclass(slots=True)
class Scene:
    """What the steps of a session share.

    ``settings`` what the operator said of the device (password, identity, range of registers) · ``identity`` what it
    called itself · ``kept`` frames and values that steps keep for later ones, by name · ``now_ms`` the kit's clock.
    """

    settings: dict[str, str] = field(default_factory=dict)
    identity: str = ""
    kept: dict[str, Any] = field(default_factory=dict)
    withhold: bool = False  # what the device sends is not confirmed
    now_ms: int = 0
    serial: int = 0

    def next_serial(self) -> int:
        self.serial += 1
        return self.serial


Match = Callable[[Scene, Any], bool]
Judge = Callable[[Scene, Any], Term | None]  # None: as it should be; else what is wrong


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes.  ``pieces``: they go out in so many writes, a moment apart."""

    make: Callable[[Scene], bytes]
    what: Term
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a frame that ``match`` chooses, then ``judge`` it; frames before it that do not match do no harm.

    ``ever``: also what came before this case counts · ``in_case``: what came since it began · ``never``: a frame that
    must not come before it · ``optional``: when none comes the case is not applicable · ``tries``: ``again`` is sent up
    to so many times.
    """

    match: Match
    what: Term
    judge: Judge | None = None
    within: Within = "answer"
    keep: str = ""
    ever: bool = False
    in_case: bool = False
    never: Match | None = None
    never_what: Term = NOTHING
    optional: bool = False
    again: Callable[[Scene], bytes] | None = None
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Withhold:
    """From here on (or no longer) what the device sends is not confirmed."""

    on: bool


@dataclass(frozen=True, slots=True)
class Applies:
    """The case goes on only where this holds; else it is not applicable."""

    when: Callable[[Scene], bool]
    what: Term


@dataclass(frozen=True, slots=True)
class Check:
    """Judge what is known so far: all frames and refusals of the session, in order."""

    judge: Callable[[Scene, list[Any], list[BadFrame]], Term | None]
    what: Term


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection; the next step needs a new one."""

    what: Term = HANG_UP


Step = Send | Await | Withhold | Applies | Check | HangUp


@dataclass(frozen=True, slots=True)
class Case:
    """One demand.  ``id`` is stable: reports of years can be compared."""

    id: str
    clause: Clause
    title: Term
    kind: Kind
    steps: tuple[Step, ...]
    need: Need = "mandatory"


@dataclass(frozen=True, slots=True)
class Script:
    """All cases of a protocol.

    ``reply`` what the platform sends of itself upon a frame, whatever case is walked · ``whose`` the identity a frame
    names, "" if none · ``dials``: the device is the one that listens.
    """

    codec: Codec
    cases: tuple[Case, ...]
    reply: Callable[[Scene, Any], list[bytes]]
    whose: Callable[[Any], str]
    dials: bool = False
