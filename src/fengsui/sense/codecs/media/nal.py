"""NAL units of H.264 (ISO/IEC 14496-10) and H.265 (ISO/IEC 23008-2): cutting, key frames, size of the picture.

Annex B in: units behind start codes.  Only what a container needs to know is read of them.
"""

import re
from dataclasses import dataclass

_START = re.compile(rb"\x00\x00\x01")
H264_SPS, H264_PPS, H264_IDR, H264_AUD = 7, 8, 5, 9
H265_VPS, H265_SPS, H265_PPS, H265_AUD = 32, 33, 34, 35
MAX_SIDE = 16_384
_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True, slots=True)
class Picture:
    """What the parameter sets say.  ``codecs`` as RFC 6381 writes it; ``sets`` are VPS (H.265), SPS, PPS."""

    codec: str
    codecs: str
    width: int
    height: int
    sets: tuple[bytes, ...]


def split(data: bytes) -> list[bytes]:
    """The units of an Annex B stream, without start codes and trailing zeros; empty ones left out."""
    places = [found.start() for found in _START.finditer(data)]
    if not places:
        return []
    ends = [*places[1:], len(data)]
    units = [data[begin + 3 : end].rstrip(b"\0") for begin, end in zip(places, ends, strict=True)]
    return [unit for unit in units if unit]


def sniff(units: list[bytes]) -> str:
    """``h264`` or ``h265`` by the parameter sets among the units; "" when there are none."""
    for unit in units:
        if unit[0] & 0x80 == 0 and unit[0] & 0x1F == H264_SPS and unit[0] & 0x60 and len(unit) > 4:
            return "h264"
        if unit[0] >> 1 & 0x3F in (H265_VPS, H265_SPS) and len(unit) > 2 and unit[1] & 0x07:
            return "h265"
    return ""


def kind(codec: str, unit: bytes) -> int:
    """The unit's type."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def is_key(codec: str, units: list[bytes]) -> bool:
    """Whether decoding can begin with this frame: an IDR (H.264), an IRAP picture (H.265)."""
    if codec == "h264":
        return any(kind(codec, unit) == H264_IDR for unit in units)
    return any(16 <= kind(codec, unit) <= 23 for unit in units)


def is_slice(codec: str, unit: bytes) -> bool:
    """Whether a unit is part of a picture rather than about one."""
    return 1 <= kind(codec, unit) <= 5 if codec == "h264" else kind(codec, unit) < 32


def is_first_slice(codec: str, unit: bytes) -> bool:
    """Whether a unit is the first slice of its picture: first_mb_in_slice 0, first_slice_segment_in_pic_flag 1."""
    at = 1 if codec == "h264" else 2
    return is_slice(codec, unit) and len(unit) > at and unit[at] & 0x80 != 0


def opens_frame(codec: str, unit: bytes) -> bool:
    """Whether a unit that is no slice can only stand before the slices of a picture."""
    number = kind(codec, unit)
    if codec == "h264":
        return number in (6, 7, 8, 9) or 14 <= number <= 18
    return number in (32, 33, 34, 35, 39) or 41 <= number <= 44 or 48 <= number <= 55


def picture(codec: str, units: list[bytes]) -> Picture | None:
    """What the parameter sets among the units say; None when one is missing or cannot be read."""
    wanted = (H264_SPS, H264_PPS) if codec == "h264" else (H265_VPS, H265_SPS, H265_PPS)
    found = {kind(codec, unit): unit for unit in reversed(units)}
    if any(number not in found for number in wanted):
        return None
    sets = tuple(found[number] for number in wanted)
    try:
        return _h264(sets) if codec == "h264" else _h265(sets)
    except (IndexError, ValueError):
        return None


def length_prefixed(units: list[bytes]) -> bytes:
    """Units as a sample of MP4: four bytes of length before each."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def annex_b(units: list[bytes]) -> bytes:
    """Units behind start codes."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


class Bits:
    """Reads bits of a unit, emulation prevention taken out.  Raises IndexError at the end."""

    def __init__(self, unit: bytes) -> None:
        self._data = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._data[self._at >> 3]
            value = value << 1 | byte >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def ue(self) -> int:
        """Unsigned Exp-Golomb."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
            if zeros > 32:
                raise ValueError("no Exp-Golomb code")
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)

    def se(self) -> int:
        """Signed Exp-Golomb."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _h264(sets: tuple[bytes, ...]) -> Picture:
    sps = sets[0]
    profile, constraints, level = sps[1], sps[2], sps[3]
    bits = Bits(sps[4:])
    bits.ue()  # seq_parameter_set_id
    chroma = 1
    if profile in _CHROMA_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            bits.take(1)
        bits.ue()
        bits.ue()
        bits.take(1)
        if bits.take(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 256)):
            bits.se()
    bits.ue()
    bits.take(1)
    columns, rows = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
    unit_x = 1 if chroma in (0, 3) else 2
    unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
    width = columns * 16 - (left + right) * unit_x
    height = rows * 16 * (2 - frames_only) - (top + bottom) * unit_y
    _require_size(width, height)
    return Picture("h264", f"avc1.{profile:02X}{constraints:02X}{level:02X}", width, height, sets)


def _h265(sets: tuple[bytes, ...]) -> Picture:
    bits = Bits(sets[1][2:])
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    space, tier, profile = bits.take(2), bits.take(1), bits.take(5)
    compatible = bits.take(32)
    constraints = [bits.take(8) for _ in range(6)]
    level = bits.take(8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    width, height = bits.ue(), bits.ue()
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    _require_size(width, height)
    reversed_flags = int(f"{compatible:032b}"[::-1], 2)
    while constraints and constraints[-1] == 0:
        constraints.pop()
    text = f"hvc1.{('', 'A', 'B', 'C')[space]}{profile}.{reversed_flags:X}.{'H' if tier else 'L'}{level}"
    text += "".join(f".{one:X}" for one in constraints)
    return Picture("h265", text, width, height, sets)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se() + 256) % 256
        last = following or last


def _require_size(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"a picture of {width} x {height}")
