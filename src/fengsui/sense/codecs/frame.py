"""What every codec of a field protocol offers, and the words in which its frames are explained.

A codec is a module of this folder: pure functions over bytes, tied together in one ``Codec`` and named in
``registry``.  It never raises on any bytes; what cannot be read is a ``BadFrame`` that carries its reason.
docs/protocols/README.md is the contract in full.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.measured import Measured


class Term(NamedTuple):
    """A word of a standard in both languages of the platform: data, not interface text, so gettext has no part."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


class Frame(Protocol):
    """What all frames have in common."""

    @property
    def raw(self) -> bytes:
        """The frame as it came, from its first byte to its last."""

    @property
    def departures(self) -> tuple[str, ...]:
        """Where the frame departs from its standard and was read all the same: stable words such as ``no_tail``."""


class Cut(NamedTuple):
    """What one call of ``feed`` cut off its buffer.  ``rest`` is given back in front of the next bytes."""

    frames: list[Any]
    refused: list[BadFrame]
    rest: bytes


class Row(NamedTuple):
    """One field of a frame, for a person.  The rows of a frame cover its bytes in order, without gap or overlap."""

    offset: int  # of the first byte, in the frame
    data: bytes
    name: Term
    meaning: Term | str


class Part(NamedTuple):
    """Where a frame stands among the packets of one message.

    ``key`` is the same for all of them.  Two packets that differ in ``about`` (None: nothing is said), or whose
    ``at_ms`` lie far apart, belong to two messages all the same.  ``kin``: what stays the same when a packet is
    sent again under a number of its own; such a packet joins the one open message of its kin that lacks it.
    """

    key: tuple[Any, ...]
    number: int  # from 1
    total: int
    at_ms: int | None = None  # by the sender's clock
    about: Any = None
    kin: tuple[Any, ...] | None = None


def no_readings(frame: Any) -> list[Measured]:
    """For protocols that carry none."""
    return []


@dataclass(frozen=True, slots=True)
class Codec:
    """A field protocol.  All functions are pure and none raises on any bytes.

    feed      ``(buffer, ended=False)`` → ``Cut``: every whole frame, every refusal, the unread rest.  ``ended`` says
              that no more bytes will come (closed, a datagram, or silent for longer than a frame takes): then a
              frame that is not whole is refused with the reason ``cut``, and the rest is empty.
    describe  frame → dict that JSON can hold, keyed by the standard's own field names.
    explain   frame → rows for a person.
    measured  frame → what it measured, by the codes of the protocol.
    part_of   frame → its place among the packets of a message, or None.  None for protocols that never split.
    join      all frames of a message in order → one frame of the same kind, for ``describe`` and ``explain``.
    alone     one datagram → a frame or why there is none, where that tells more than ``feed`` sees.
    pieces    parts of a frame that can be read alone: key of a JSON line → hex digits' bytes → dict.
    """

    name: str
    standard: str
    title: Term
    feed: Callable[..., Cut]
    describe: Callable[[Any], dict[str, Any]]
    explain: Callable[[Any], list[Row]]
    measured: Callable[[Any], list[Measured]] = no_readings
    part_of: Callable[[Any], Part | None] | None = None
    join: Callable[[list[Any]], Any] | None = None
    alone: Callable[[bytes], Any] | None = None
    pieces: Mapping[str, Callable[[bytes], dict[str, Any]]] = field(default_factory=dict, hash=False)


def describe_refusal(codec: Codec, refused: BadFrame) -> dict[str, Any]:
    """A refusal as JSON: its reason and facts, the bytes, and the fields as they would read if nobody had checked."""
    told: dict[str, Any] = {} if refused.seen is None else codec.describe(refused.seen)
    told["refused"] = {
        "reason": refused.reason,
        "message": str(refused),
        **refused.facts,
        "hex": refused.data.hex().upper(),
    }
    return told


def explain_refusal(codec: Codec, refused: BadFrame) -> list[Row]:
    """The rows of a refused frame, as far as it could be read."""
    if refused.seen is not None:
        return codec.explain(refused.seen)
    return [Row(0, refused.data, Term("不可识别", "not readable"), str(refused))]
