"""What registers are worth: a point says which registers hold a value, in which type and order, and in which scale.

Modbus itself knows 16 bits and nothing else; two registers as a float, and which of the two comes first, is every
maker's own choice.  Points are data of a device, and so is the plan of what to read of it.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fengsui.base.errors import BadInput
from fengsui.sense.codecs.modbus.pdu import MOST_COILS, MOST_READ, Pdu, read_request

Table = Literal["coil", "discrete", "input", "holding"]
Kind = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd16", "bcd32"
]
Order = Literal[
    "ABCD", "CDAB", "BADC", "DCBA"
]  # A is the highest byte; four letters stand for 8 bytes as well

FUNCTION: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
REGISTERS: dict[Kind, int] = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "bcd16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "bcd32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
}
_FORMAT: dict[Kind, str] = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
# the first digit of a reference as manuals print it: 40001 is holding register 0
_REFERENCE: dict[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


class BadPoint(BadInput):
    """A point of a Modbus device that cannot be read as it is written."""

    code = "sense.bad_point"


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a device.

    ``code`` the datastream's · ``address`` of its first register or bit, from 0 · ``bit`` of a register that is read
    as bits, 0 the lowest · the value is the number times ``scale`` plus ``offset``, in ``unit``.
    """

    code: str
    table: Table
    address: int
    kind: Kind = "uint16"
    order: Order = "ABCD"
    bit: int = 0
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        if self.table not in FUNCTION or self.kind not in REGISTERS or self.order not in _ORDERS:
            raise BadPoint(
                f"{self.code}: no such table, kind or order: {self.table}, {self.kind}, {self.order}"
            )
        if not 0 <= self.address <= 0x10000 - self.size:
            raise BadPoint(f"{self.code}: address {self.address} is not 0 to 65535")
        if self.table in ("coil", "discrete") and self.kind != "bool":
            raise BadPoint(f"{self.code}: a {self.table} is one bit: kind bool")
        if not 0 <= self.bit <= 15:
            raise BadPoint(f"{self.code}: bit {self.bit} is not 0 to 15")

    @property
    def size(self) -> int:
        """How many registers, or bits of a table of bits, it takes."""
        return REGISTERS[self.kind]


@dataclass(frozen=True, slots=True)
class Read:
    """One request and the points that its answer holds."""

    table: Table
    address: int
    count: int
    points: tuple[Point, ...]

    def request(self) -> Pdu:
        return read_request(FUNCTION[self.table], self.address, self.count)


def reference(text: str) -> tuple[Table, int]:
    """Table and address of a reference as manuals print it: ``40001`` or ``400001``.  Raises BadPoint."""
    if not text.isascii() or not text.isdigit() or len(text) not in (5, 6) or text[0] not in _REFERENCE:
        raise BadPoint(f"{text!r} is no reference such as 40001 or 400001")
    address = int(text[1:]) - 1
    if not 0 <= address <= 0xFFFF:
        raise BadPoint(f"{text!r}: references count from 1 to 65536")
    return _REFERENCE[text[0]], address


def plan(points: Sequence[Point], gap: int = 8, most: int = MOST_READ) -> list[Read]:
    """The fewest requests that read ``points``: neighbours together, over at most ``gap`` registers nobody wants."""
    reads: list[Read] = []
    for point in sorted(points, key=lambda p: (p.table, p.address, p.size)):
        limit = MOST_COILS if point.table in ("coil", "discrete") else most
        last = reads[-1] if reads else None
        end = point.address + point.size
        if (
            last is not None
            and last.table == point.table
            and point.address <= last.address + last.count + gap
            and end - last.address <= limit
        ):
            count = max(last.count, end - last.address)
            reads[-1] = Read(last.table, last.address, count, (*last.points, point))
        else:
            reads.append(Read(point.table, point.address, point.size, (point,)))
    return reads


def values(read: Read, answer: Pdu) -> dict[str, float]:
    """The values of the points of ``read`` by code; what the answer does not hold is NaN.  Never raises."""
    registers, bits = answer.fields.get("registers", ()), answer.fields.get("bits", ())
    found: dict[str, float] = {}
    for point in read.points:
        at = point.address - read.address
        held = bits if point.table in ("coil", "discrete") else registers
        fits = answer.side == "answer" and at >= 0 and at + point.size <= len(held)
        found[point.code] = value(point, held[at : at + point.size]) if fits else math.nan
    return found


def value(point: Point, held: Sequence[int]) -> float:
    """The value of ``point`` in its registers (or its bit).  NaN for BCD that holds no digits; never raises."""
    if point.kind == "bool":
        bit = held[0] if point.table in ("coil", "discrete") else held[0] >> point.bit & 1
        return float(bit) * point.scale + point.offset
    data = _ordered(b"".join(register.to_bytes(2, "big") for register in held), point.order)
    if point.kind in ("bcd16", "bcd32"):
        digits = data.hex()
        number = float(digits) if digits.isdecimal() else math.nan
    else:
        (number,) = struct.unpack(_FORMAT[point.kind], data)
    return number * point.scale + point.offset


def registers(point: Point, number: float) -> list[int]:
    """The registers that hold ``number``: for simulators and for writing.  Raises BadPoint when it does not fit."""
    raw = (number - point.offset) / point.scale
    try:
        if point.kind == "bool":
            return [int(bool(raw)) << (0 if point.table in ("coil", "discrete") else point.bit)]
        if point.kind in ("bcd16", "bcd32"):
            size = 2 * point.size
            data = bytes.fromhex(f"{round(raw):0{2 * size}d}")
            if len(data) != size:
                raise ValueError(f"{raw} has more than {2 * size} digits")
        elif point.kind in ("float32", "float64"):
            data = struct.pack(_FORMAT[point.kind], raw)
        else:
            data = struct.pack(_FORMAT[point.kind], round(raw))
    except (struct.error, ValueError, OverflowError) as error:
        raise BadPoint(f"{point.code}: {number} does not fit {point.kind}: {error}") from None
    data = _ordered(data, point.order)
    return [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]


def by_code(points: Sequence[Point]) -> Mapping[str, Point]:
    """Points by code.  Raises BadPoint when a code stands twice."""
    found: dict[str, Point] = {}
    for point in points:
        if point.code in found:
            raise BadPoint(f"{point.code} stands twice")
        found[point.code] = point
    return found


_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def _ordered(data: bytes, order: Order) -> bytes:
    """Bytes of an order as ABCD, and back: each order undoes itself."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)
