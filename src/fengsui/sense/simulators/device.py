"""A simulated device: a machine of states over frames and a clock that is given to it.  No sockets here.

A **fault** is one named way to misbehave.  It names the conformance cases that must notice it.
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fengsui.base.errors import BadFrame, BadInput
from fengsui.sense.codecs.frame import Codec, Term


class BadSimulation(BadInput):
    """Values or options of a simulated device that cannot be used."""

    code = "sense.bad_simulation"


@dataclass(frozen=True, slots=True)
class Fault:
    """``fails`` ids of the cases that must fail because of it, and no others."""

    title: Term
    fails: frozenset[str]


@dataclass(frozen=True, slots=True)
class Options:
    """What a simulated device is told of itself.

    ``number`` among its likes, from 1 · ``password`` "" for the one its kind has · ``period_s`` between reports ·
    ``resend_s`` until an unconfirmed report is sent again · ``resends`` how often · ``fault`` one of the protocol's, ""
    for none · ``values`` what it measures · ``variant`` one of the kind's, "" for its first.
    """

    number: int = 1
    identity: str = ""
    password: str = ""
    period_s: float = 30.0
    resend_s: float = 10.0
    resends: int = 3
    fault: str = ""
    values: "Values" = field(default_factory=lambda: Wave())
    variant: str = ""


class Device(Protocol):
    """``due_ms``: when ``tick`` wants to be called next, or None."""

    due_ms: int | None

    def opened(self, now_ms: int) -> list[bytes]:
        """A connection is there."""

    def heard(self, frames: list[Any], refused: list[BadFrame], now_ms: int) -> list[bytes]:
        """Frames and refusals came, all of one reading of the socket."""

    def tick(self, now_ms: int) -> list[bytes]:
        """Time has passed."""

    def kept(self, rest: bytes) -> bytes:
        """What it keeps of a frame that has not come whole."""

    def redials(self) -> bool:
        """Whether it calls again when the line is lost."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A protocol's simulated device.

    ``listens``: it waits to be called, as Modbus servers do · ``variants`` years or encodings of the protocol that a
    device may have.
    """

    codec: Codec
    make: Callable[[Options], Device]
    faults: dict[str, Fault]
    listens: bool = False
    variants: tuple[str, ...] = ()


class Values(Protocol):
    """What a device measures."""

    def at(self, code: str, now_ms: int, low: float, high: float) -> float:
        """The value of ``code`` at an instant; ``low`` and ``high`` what is usual for it."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A plausible process without chance: a day's swing, a slower drift and a small ripple, all by the clock."""

    phase: float = 0.0

    def at(self, code: str, now_ms: int, low: float, high: float) -> float:
        hours = now_ms / 3_600_000
        shift = self.phase + sum(code.encode()) % 24
        swing = math.sin((hours + shift) * math.tau / 24)
        drift = math.sin((hours + shift) * math.tau / 168)
        ripple = math.sin(now_ms / 1000 * math.tau / 97 + shift)
        return low + (high - low) * (0.5 + 0.25 * swing + 0.15 * drift + 0.05 * ripple)


@dataclass(frozen=True, slots=True)
class Table:
    """Values of a CSV file, one row a second of simulated time, from its first row again at its end."""

    columns: dict[str, tuple[float, ...]]

    def at(self, code: str, now_ms: int, low: float, high: float) -> float:
        column = self.columns.get(code)
        return column[now_ms // 1000 % len(column)] if column else Wave().at(code, now_ms, low, high)


def read_table(path: Path) -> Table:
    """Columns named by the protocol's codes.  Raises BadSimulation naming row and column; OSError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise BadSimulation(f"{path}: no rows; the first line names codes, the others hold numbers")
    columns: dict[str, tuple[float, ...]] = {}
    for name in rows[0]:
        found: list[float] = []
        for number, row in enumerate(rows, 2):
            try:
                found.append(float(row[name]))
            except (TypeError, ValueError):
                raise BadSimulation(
                    f"{path}: line {number}, column {name}: {row[name]!r} is no number"
                ) from None
        columns[name] = tuple(found)
    return Table(columns)


def faults_text(faults: dict[str, Fault]) -> Sequence[str]:
    """One line a fault, for the command line."""
    return [f"{name:<20} {fault.title}" for name, fault in faults.items()]
