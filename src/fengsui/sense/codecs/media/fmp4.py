"""Fragmented MP4 (ISO/IEC 14496-12; -15 for the configuration of H.264 and H.265): what a browser takes piece by piece.

One track of video, time scale 90 kHz.  ``opening`` is the first segment; ``fragment`` every further one.
"""

import struct
from typing import NamedTuple

from fengsui.sense.codecs.media.nal import Bits, Picture

SCALE = 90_000
TRACK = 1
_KEY, _NOT_KEY = 0x02000000, 0x01010000  # depends on none; depends on others and is no sync sample
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class Sample(NamedTuple):
    """One frame: length-prefixed units, its duration and offset of presentation in ticks of 90 kHz."""

    data: bytes
    duration: int
    is_key: bool
    offset: int = 0


def opening(picture: Picture) -> bytes:
    """``ftyp`` and ``moov``."""
    return box(b"ftyp", b"isom", u32(0x200), b"isomiso6avc1mp41") + box(
        b"moov",
        full(
            b"mvhd", 0, 0, u32(0), u32(0), u32(SCALE), u32(0), u32(0x10000), u16(0x100), bytes(10), _MATRIX,
            bytes(24), u32(2),
        ),
        box(
            b"trak",
            full(
                b"tkhd", 0, 7, u32(0), u32(0), u32(TRACK), u32(0), u32(0), bytes(8), bytes(8), _MATRIX,
                u32(picture.width << 16), u32(picture.height << 16),
            ),
            box(
                b"mdia",
                full(b"mdhd", 0, 0, u32(0), u32(0), u32(SCALE), u32(0), u16(0x55C4), u16(0)),
                full(b"hdlr", 0, 0, u32(0), b"vide", bytes(12), b"video\0"),
                box(
                    b"minf",
                    full(b"vmhd", 0, 1, bytes(8)),
                    box(b"dinf", full(b"dref", 0, 0, u32(1), full(b"url ", 0, 1))),
                    box(
                        b"stbl",
                        full(b"stsd", 0, 0, u32(1), _entry(picture)),
                        full(b"stts", 0, 0, u32(0)),
                        full(b"stsc", 0, 0, u32(0)),
                        full(b"stsz", 0, 0, u32(0), u32(0)),
                        full(b"stco", 0, 0, u32(0)),
                    ),
                ),
            ),
        ),
        box(b"mvex", full(b"trex", 0, 0, u32(TRACK), u32(1), u32(0), u32(0), u32(_NOT_KEY))),
    )  # fmt: skip


def fragment(number: int, time: int, samples: list[Sample]) -> bytes:
    """``moof`` and ``mdat``: ``number`` from 1, ``time`` of decoding of the first sample in ticks."""
    rows = b"".join(
        struct.pack(">IIIi", s.duration, len(s.data), _KEY if s.is_key else _NOT_KEY, s.offset)
        for s in samples
    )

    def moof(data_at: int) -> bytes:
        return box(
            b"moof",
            full(b"mfhd", 0, 0, u32(number)),
            box(
                b"traf",
                full(b"tfhd", 0, 0x020000, u32(TRACK)),  # offsets count from the moof
                full(b"tfdt", 1, 0, time.to_bytes(8, "big")),
                full(b"trun", 1, 0xF01, u32(len(samples)), u32(data_at), rows),
            ),
        )

    return moof(len(moof(0)) + 8) + box(b"mdat", *(s.data for s in samples))


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box: size, kind, content."""
    body = b"".join(parts)
    return u32(len(body) + 8) + kind + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, u32(version << 24 | flags), *parts)


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _entry(picture: Picture) -> bytes:
    """The sample entry ``avc1`` or ``hvc1``."""
    kind, configuration = (
        (b"avc1", box(b"avcC", _avc(picture)))
        if picture.codec == "h264"
        else (b"hvc1", box(b"hvcC", _hevc(picture)))
    )
    return box(
        kind, bytes(6), u16(1), bytes(16), u16(picture.width), u16(picture.height), u32(0x480000), u32(0x480000),
        u32(0), u16(1), bytes(32), u16(0x18), u16(0xFFFF), configuration,
    )  # fmt: skip


def _avc(picture: Picture) -> bytes:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    sps, pps = picture.sets
    record = (
        bytes([1, sps[1], sps[2], sps[3], 0xFF, 0xE1]) + u16(len(sps)) + sps + b"\x01" + u16(len(pps)) + pps
    )
    if sps[1] in (100, 110, 122, 144):
        bits = Bits(sps[4:])
        bits.ue()
        chroma = bits.ue()
        if chroma == 3:
            bits.take(1)
        luma, colour = bits.ue(), bits.ue()
        record += bytes([0xFC | chroma & 3, 0xF8 | luma & 7, 0xF8 | colour & 7, 0])
    return record


def _hevc(picture: Picture) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    sps = picture.sets[1].replace(b"\x00\x00\x03", b"\x00\x00")
    general = sps[3:15]  # profile space to level, as they stand in the parameter set
    bits = Bits(picture.sets[1][2:])
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    bits.ue()
    bits.ue()
    if bits.take(1):
        for _ in range(4):
            bits.ue()
    luma, colour = bits.ue(), bits.ue()
    record = bytes([1]) + general + u16(0xF000) + b"\xfc"
    record += bytes([0xFC | chroma & 3, 0xF8 | luma & 7, 0xF8 | colour & 7]) + u16(0)
    record += bytes([(layers + 1 & 7) << 3 | 1 << 2 | 3, len(picture.sets)])
    for unit in picture.sets:
        record += bytes([0x80 | unit[0] >> 1 & 0x3F]) + u16(1) + u16(len(unit)) + unit
    return record
