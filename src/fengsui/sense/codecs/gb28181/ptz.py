"""The eight bytes that move a camera (PTZCmd of DeviceControl), both ways.

``A5``, version and check of the first byte, address, instruction, three data bytes, sum modulo 256.
Source: GB/T 28181-2016, A.3.  Bytes of the wire are upper-case hex digits in the XML.
"""

from dataclasses import dataclass, field
from typing import Literal

from fengsui.base.errors import BadFrame

FIRST = 0xA5
RIGHT, LEFT, DOWN, UP, ZOOM_IN, ZOOM_OUT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_FOCUS = 0x40  # 010x xxxx: iris and focus
FOCUS_FAR, FOCUS_NEAR, IRIS_OPEN, IRIS_CLOSE = 0x01, 0x02, 0x04, 0x08
PRESET = {"set": 0x81, "call": 0x82, "delete": 0x83}
CRUISE = {"add": 0x84, "delete": 0x85, "speed": 0x86, "stay": 0x87, "start": 0x88}
SCAN = {0x89: "scan", 0x8A: "scan_speed"}
AUX = {"on": 0x8C, "off": 0x8D}

Kind = Literal["move", "lens", "preset", "cruise", "scan", "aux", "unknown"]


@dataclass(frozen=True, slots=True)
class Ptz:
    """One command.

    move    ``pan`` -255 (left) … 255 (right), ``tilt`` -255 (down) … 255 (up), ``zoom`` -15 (out) … 15 (in); all
            zero: stop
    lens    ``focus`` -255 (near) … 255 (far), ``iris`` -255 (close) … 255 (open)
    preset  ``verb`` set, call, delete; ``number`` 1 … 255
    cruise  ``verb`` add, delete, speed, stay, start; ``number`` of the route, ``point`` or value
    scan    ``verb`` scan, scan_speed; ``number`` of the group, ``point`` or value
    aux     ``verb`` on, off; ``number`` of the switch (1: wiper)
    """

    kind: Kind = "move"
    address: int = 1
    pan: int = 0
    tilt: int = 0
    zoom: int = 0
    focus: int = 0
    iris: int = 0
    verb: str = ""
    number: int = 0
    point: int = 0
    raw: bytes = field(default=b"", compare=False)

    @property
    def is_stop(self) -> bool:
        return self.kind == "move" and not (self.pan or self.tilt or self.zoom)


def encode(command: Ptz) -> str:
    """The command as 16 hex digits.  Raises ValueError for values that have no place in the bytes."""
    _require(0 <= command.address <= 0xFFF, "address", 0, 0xFFF)
    instruction, one, two, three = _bytes_of(command)
    body = bytes(
        [
            FIRST,
            0x0F,  # version 0, and (A + 5 + 0) modulo 16
            command.address & 0xFF,
            instruction,
            one,
            two,
            three | (command.address >> 8),
        ]
    )
    return (body + bytes([sum(body) & 0xFF])).hex().upper()


def decode(text: str) -> Ptz | BadFrame:
    """What 16 hex digits order.  Never raises: a wrong sum or first byte is refused with its facts."""
    given = text.strip()
    try:
        data = bytes.fromhex(given)
    except ValueError:
        return BadFrame("ptz", given.encode("utf-8", "surrogatepass"), "not hex digits")
    if len(data) != 8 or data[0] != FIRST:
        return BadFrame("ptz", data, "a command is 8 bytes that begin with A5")
    if sum(data[:7]) & 0xFF != data[7]:
        return BadFrame(
            "checksum", data, "the sum does not fit", {"given": data[7], "computed": sum(data[:7]) & 0xFF}
        )
    address = data[2] | (data[6] & 0x0F) << 8
    return _read(data, address)


def _bytes_of(c: Ptz) -> tuple[int, int, int, int]:
    """Instruction and three data bytes; the low nibble of the third is left to the address."""
    if c.kind == "move":
        _require(-255 <= c.pan <= 255, "pan", -255, 255)
        _require(-255 <= c.tilt <= 255, "tilt", -255, 255)
        _require(-15 <= c.zoom <= 15, "zoom", -15, 15)
        instruction = (
            _signed(c.pan, RIGHT, LEFT) | _signed(c.tilt, UP, DOWN) | _signed(c.zoom, ZOOM_IN, ZOOM_OUT)
        )
        return instruction, abs(c.pan), abs(c.tilt), abs(c.zoom) << 4
    if c.kind == "lens":
        _require(-255 <= c.focus <= 255, "focus", -255, 255)
        _require(-255 <= c.iris <= 255, "iris", -255, 255)
        return (
            _FOCUS | _signed(c.focus, FOCUS_FAR, FOCUS_NEAR) | _signed(c.iris, IRIS_OPEN, IRIS_CLOSE),
            abs(c.focus),
            abs(c.iris),
            0,
        )
    _require(0 <= c.number <= 255, "number", 0, 255)
    if c.kind == "preset" and c.verb in PRESET:
        _require(c.number > 0, "number", 1, 255)
        return PRESET[c.verb], 0, c.number, 0
    if c.kind == "cruise" and c.verb in CRUISE:
        if c.verb in ("speed", "stay"):
            _require(0 <= c.point <= 0xFFF, "point", 0, 0xFFF)
            return CRUISE[c.verb], c.number, c.point & 0xFF, c.point >> 8 << 4
        _require(0 <= c.point <= 255, "point", 0, 255)
        return CRUISE[c.verb], c.number, c.point, 0
    if c.kind == "scan" and c.verb in SCAN.values():
        _require(0 <= c.point <= 0xFFF, "point", 0, 0xFFF)
        code = next(k for k, verb in SCAN.items() if verb == c.verb)
        return code, c.number, c.point & 0xFF, c.point >> 8 << 4
    if c.kind == "aux" and c.verb in AUX:
        return AUX[c.verb], c.number, 0, 0
    raise ValueError(f"no such command: {c.kind} {c.verb}")


def _read(data: bytes, address: int) -> Ptz:
    instruction, one, two, high = data[3], data[4], data[5], data[6] >> 4
    if instruction < 0x40:
        return Ptz(
            "move", address, pan=_sign(instruction, RIGHT, LEFT) * one, tilt=_sign(instruction, UP, DOWN) * two,
            zoom=_sign(instruction, ZOOM_IN, ZOOM_OUT) * high, raw=data,
        )  # fmt: skip
    if instruction < 0x50:
        return Ptz(
            "lens", address, focus=_sign(instruction, FOCUS_FAR, FOCUS_NEAR) * one,
            iris=_sign(instruction, IRIS_OPEN, IRIS_CLOSE) * two, raw=data,
        )  # fmt: skip
    for verb, code in PRESET.items():
        if instruction == code:
            return Ptz("preset", address, verb=verb, number=two, raw=data)
    for verb, code in CRUISE.items():
        if instruction == code:
            point = two | high << 8 if verb in ("speed", "stay") else two
            return Ptz("cruise", address, verb=verb, number=one, point=point, raw=data)
    if instruction in SCAN:
        return Ptz("scan", address, verb=SCAN[instruction], number=one, point=two | high << 8, raw=data)
    for verb, code in AUX.items():
        if instruction == code:
            return Ptz("aux", address, verb=verb, number=one, raw=data)
    return Ptz("unknown", address, raw=data)


def _signed(value: int, positive: int, negative: int) -> int:
    return 0 if value == 0 else positive if value > 0 else negative


def _sign(instruction: int, positive: int, negative: int) -> int:
    """1 or -1; both bits at once order nothing, as the standard leaves it open."""
    return bool(instruction & positive) - bool(instruction & negative)


def _require(holds: bool, name: str, low: int, high: int) -> None:
    if not holds:
        raise ValueError(f"{name} is not from {low} to {high}")
