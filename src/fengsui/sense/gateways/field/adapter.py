"""What a field protocol does in a conversation, apart from any socket: who speaks, what counts, what is answered.

An adapter is a codec and a ``Session`` for each conversation (a TCP connection, or a sender over UDP).  Sessions are
plain objects: no sockets, no clock, no database.  What they must know of devices comes through ``Find``.  A listener,
simulators and a supplier's kit drive them alike: bytes → ``Codec.feed`` → ``take`` → readings and answers.
"""

import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from fengsui.base.errors import BadFrame, BadInput
from fengsui.sense.codecs.frame import Codec
from fengsui.sense.codecs.measured import Measured

# Why a whole, readable frame does not count.
UNKNOWN_DEVICE = "unknown_device"
WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason, no password
NOT_LOGGED_IN = "not_logged_in"
WRONG_SITE = "wrong_site"
NOT_READABLE = "not_readable"  # sealed with another key, or content that makes no sense


class BadCommand(BadInput):
    """A command that this protocol does not have, or arguments that it cannot carry."""

    code = "sense.bad_command"


class Identity(NamedTuple):
    """A device as a protocol names it.  ``secret`` empty: the protocol's password is not checked."""

    id: int
    protocol: str
    identity: str
    secret: str
    model: str
    device: int
    device_code: str
    site: int
    thing: int | None

    def admits(self, password: str) -> bool:
        """Whether ``password`` is the device's.  Takes equal time for a wrong one."""
        return not self.secret or hmac.compare_digest(
            self.secret.encode(), password.encode("utf-8", "replace")
        )


Find = Callable[[str], Identity | None]  # by what the device calls itself


class Settled(NamedTuple):
    """An answer of a device to a command.  ``final``: nothing more is to come; ``ok`` says how it ended."""

    key: tuple[Any, ...]
    final: bool
    ok: bool
    said: dict[str, Any]


class Origin(NamedTuple):
    """Who asked a device for something, and with which command."""

    by: str
    command: str


@dataclass(slots=True, eq=False)
class Media:
    """A picture, sound or video of a device; ``data`` None: the device says that it has it (``listed``: in a list).

    ``number`` is the device's own · ``kind`` picture, audio or video · degrees WGS 84, km/h · ``asked`` the key of the
    command that it answers · ``kept`` are the answers once it is durable, ``lost`` those when it is refused ·
    ``problem``: why it was; None while that is not known.
    """

    data: bytes | None
    number: int | None = None
    kind: str = "picture"
    event: int | None = None
    channel: int | None = None
    time_ms: int | None = None
    longitude: float | None = None
    latitude: float | None = None
    speed_km_h: float | None = None
    direction_deg: float | None = None
    asked: tuple[Any, ...] | None = None
    listed: bool = False
    kept: list[bytes] = field(default_factory=list)
    lost: list[bytes] = field(default_factory=list)
    problem: str | None = None


@dataclass(slots=True)
class Heard:
    """What one frame comes to.

    ``answers`` are sent in order once ``readings`` are durable · ``problem``: one of the reasons above; then nothing of
    the frame counts and ``answers`` are sent at once · ``refused``: parts of it that are no use · ``close``: the
    standard ends the conversation here · ``media``: files to keep, whose answers follow ``answers``.
    """

    raw: bytes
    name: str  # what the device calls itself, empty where the frame does not say
    identity: Identity | None = None
    readings: list[Measured] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    problem: str = ""
    refused: list[BadFrame] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    close: bool = False


class Asked(NamedTuple):
    """A command on its way down.  ``key`` is that of the ``Settled`` that answers it; None where no answer comes."""

    data: bytes
    key: tuple[Any, ...] | None


class Session(Protocol):
    """One conversation.  Nothing here raises on anything that a device sends."""

    def take(self, frame: Any, now_ms: int) -> Heard:
        """What a whole frame comes to."""

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        """What the standard answers to a frame that cannot be read; [] where it says nothing."""

    def end(self, now_ms: int) -> list[BadFrame]:
        """The conversation is over: what was begun and is given up."""

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        """The bytes of a command to a device of this conversation.  Raises BadCommand."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """``commands`` name → the arguments it takes, for people · ``longest`` bytes of the longest frame."""

    codec: Codec
    session: Callable[[Find], Session]
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    longest: int = 0xFFFF + 64
    udp: bool = False  # also spoken over UDP
    masked: Callable[[bytes], bytes] = bytes  # refused bytes as they may be kept: without passwords

    @property
    def name(self) -> str:
        return self.codec.name


def text(arguments: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """An argument as text.  Raises BadCommand when it is missing."""
    value = arguments.get(name, default)
    if value is None or isinstance(value, dict | list):
        raise BadCommand(f"the argument {name} is missing")
    return str(value)


def whole(arguments: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """An argument as a whole number from ``low`` to ``high``.  Raises BadCommand."""
    value = arguments.get(name, default)
    try:
        number = int(str(value))
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise BadCommand(f"{name} is a whole number from {low} to {high}, not {value!r}")
    return number


def number(arguments: Mapping[str, Any], name: str) -> float:
    """An argument as a finite number.  Raises BadCommand."""
    try:
        value = float(text(arguments, name))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadCommand(f"{name} is a number")
    return value
