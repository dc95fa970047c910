"""What a stranger may cost: connections, silence, half a frame, noise.  Every limit that bites is counted."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts; see docs/settings.md for why each has its default."""

    connections: int = 20_000  # of all protocols together
    per_address: int = 2_000  # many devices may come through one carrier's address
    idle_s: float = 900.0  # without a byte
    login_s: float = 60.0  # without a frame of a device that is known
    frame_s: float = 10.0  # from the first byte of a frame to its last
    noise_bytes: int = 64 << 10  # since the last frame
    refusals: int = 20  # of one connection, since its last good frame
    unread_bytes: int = 256 << 10  # answers that the device does not read
    waiting_frames: int = 256  # of one connection, before it is read no further
    strangers_kept: int = 60  # refused pieces kept of one address a minute, while nobody knows who it is


@dataclass(slots=True)
class Counts:
    """What the listeners of one process have done since it started; by protocol, and by reason where there is one."""

    opened: Counter[str] = field(default_factory=Counter)
    turned_away: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, limit
    closed: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, reason
    bytes: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, reason
    unkept: Counter[str] = field(default_factory=Counter)  # refused and, of a stranger too loud, not kept
    readings: Counter[str] = field(default_factory=Counter)  # accepted
    unmapped: Counter[str] = field(default_factory=Counter)
    unwanted: Counter[str] = field(default_factory=Counter)
    media: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, kept or why not
    answers: Counter[str] = field(default_factory=Counter)
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, outcome
    lost: Counter[str] = field(
        default_factory=Counter
    )  # frames that the bus did not take before the gateway stopped
