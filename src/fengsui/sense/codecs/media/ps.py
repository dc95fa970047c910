"""MPEG program streams (ISO/IEC 13818-1, 2.5): what a GB/T 28181 camera sends, taken apart, and put together.

A pack header, on key frames a system header and a map of the streams, then PES packets; a frame may lie in several of
them, and only the first is dated.  ``frames`` makes frames of what they hold.
Source for the stream types: GB/T 28181-2016, annex C (2022 adds H.265, SVAC).
"""

from typing import NamedTuple

from fengsui.base.errors import BadFrame

PACK, SYSTEM, MAP, END = 0xBA, 0xBB, 0xBC, 0xB9
VIDEO_FIRST, VIDEO_LAST, AUDIO_FIRST, AUDIO_LAST = 0xE0, 0xEF, 0xC0, 0xDF
H264, H265, MPEG4, SVAC = 0x1B, 0x24, 0x10, 0x80
CODECS = {
    H264: "h264", H265: "h265", MPEG4: "mpeg4", SVAC: "svac", 0x90: "g711a", 0x91: "g711u", 0x92: "g7221",
    0x93: "g7231", 0x99: "g729", 0x0F: "aac",
}  # fmt: skip
MAX_FRAME = 4 << 20  # a key frame of a camera of 8 million pixels is below one MB
PES_DATA = 65_000
_PREFIX = b"\x00\x00\x01"


class Chunk(NamedTuple):
    """The content of one PES packet, dated in ticks of 90 kHz where its header says so."""

    codec: str  # "" while no map said it
    is_video: bool
    pts: int | None
    dts: int | None
    data: bytes


class Demuxer:
    """Chunks out of the bytes of one stream, whatever the cuts.  Never raises; what fits nowhere is refused."""

    def __init__(self) -> None:
        self.refused: list[BadFrame] = []  # the last ones
        self.skipped_bytes = 0
        self.types: dict[int, str] = {}  # stream id → codec, from the map
        self._buffer = bytearray()
        self._synced = False

    def feed(self, data: bytes) -> list[Chunk]:
        """Every packet that is whole now."""
        self._buffer += data
        out: list[Chunk] = []
        while (size := self._packet(out)) > 0:
            del self._buffer[:size]
        return out

    def lose(self) -> None:
        """Bytes were lost: the packet under way is not whole, and reading goes on at the next pack header."""
        self._buffer.clear()
        self._synced = False

    def _packet(self, out: list[Chunk]) -> int:
        """Take the packet at the beginning of the buffer; return its size, 0 when it is not whole yet."""
        buffer = self._buffer
        if len(buffer) < 6:
            return 0
        if not (self._synced and buffer.startswith(_PREFIX) and buffer[3] >= END) and not self._resync():
            return 0
        kind, length = buffer[3], int.from_bytes(buffer[4:6], "big")
        if kind == PACK:
            return self._pack()
        if kind == END:
            return 4
        is_video = VIDEO_FIRST <= kind <= VIDEO_LAST
        if length == 0 and is_video:
            return self._endless(kind, out)
        if len(buffer) < 6 + length:
            return 0
        if kind == MAP:
            self._map(bytes(buffer[6 : 6 + length]))
        elif is_video or AUDIO_FIRST <= kind <= AUDIO_LAST:
            self._pes(kind, bytes(buffer[6 : 6 + length]), out)
        return 6 + length

    def _resync(self) -> bool:
        """Skip to the next pack header; whether the buffer begins with one now, six bytes of it at least."""
        mark = _PREFIX + bytes([PACK])
        place = self._buffer.find(mark)
        self._synced = place >= 0
        if place < 0:
            keep = next((n for n in (3, 2, 1) if self._buffer.endswith(mark[:n])), 0)
            place = len(self._buffer) - keep
        if place:
            self._refuse("noise", bytes(self._buffer[:place]), "bytes before a pack header")
            self.skipped_bytes += place
            del self._buffer[:place]
        return self._synced and len(self._buffer) >= 6

    def _pack(self) -> int:
        buffer = self._buffer
        if len(buffer) < 14:
            return 0
        if buffer[4] & 0xC0 == 0x40:
            size = 14 + (buffer[13] & 0x07)
            return size if len(buffer) >= size else 0
        if buffer[4] & 0xF0 == 0x20:  # MPEG-1: twelve bytes, no stuffing
            return 12
        self._refuse("pack", bytes(buffer[:14]), "a pack header of no version of MPEG")
        self._synced = False
        return 4

    def _endless(self, kind: int, out: list[Chunk]) -> int:
        """A video packet without a length: it reaches to the next pack header."""
        end = self._buffer.find(_PREFIX + bytes([PACK]), 6)
        if end < 0:
            if len(self._buffer) > MAX_FRAME:
                self._refuse("length", bytes(self._buffer[:64]), f"a frame of more than {MAX_FRAME} bytes")
                self.lose()
            return 0
        self._pes(kind, bytes(self._buffer[6:end]), out)
        return end

    def _map(self, data: bytes) -> None:
        """The program stream map: which codec a stream id has."""
        if len(data) < 6:
            self._refuse("map", data, "a stream map that ends too early")
            return
        at = 4 + int.from_bytes(data[2:4], "big")
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(data)):
            kind, stream = data[at], data[at + 1]
            self.types[stream] = CODECS.get(kind, f"type_{kind:02x}")
            at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")

    def _pes(self, stream: int, data: bytes, out: list[Chunk]) -> None:
        if len(data) < 3 or data[0] & 0xC0 != 0x80 or len(data) < 3 + data[2]:
            self._refuse("pes", data[:64], "a packet header that is none of MPEG-2")
            return
        header, body = data[3 : 3 + data[2]], data[3 + data[2] :]
        flags = data[1] >> 6
        pts = _stamp(header, 0) if flags & 2 else None
        dts = _stamp(header, 5) if flags == 3 else pts
        if body:
            out.append(Chunk(self.types.get(stream, ""), stream >= VIDEO_FIRST, pts, dts, body))

    def _refuse(self, reason: str, data: bytes, message: str) -> None:
        self.refused.append(BadFrame(reason, data[:256], message, {"bytes": len(data)}))
        del self.refused[:-16]


def mux(data: bytes, pts: int, *, codec: str = "h264", is_key: bool, scr: int | None = None) -> bytes:
    """One frame of video as a pack; a key frame brings the system header and the map with it."""
    out = bytearray(_pack_header(pts if scr is None else scr))
    kind = next(number for number, name in CODECS.items() if name == codec)
    if is_key:
        out += _system_header() + _stream_map(kind)
    for at in range(0, max(len(data), 1), PES_DATA):
        piece = data[at : at + PES_DATA]
        dated = at == 0
        header = _dated(2, pts) if dated else b""
        body = bytes([0x80, 0x80 if dated else 0, len(header)]) + header + piece
        out += _PREFIX + bytes([VIDEO_FIRST]) + len(body).to_bytes(2, "big") + body
    return bytes(out)


def _stamp(header: bytes, at: int) -> int | None:
    """Thirty-three bits of time in five bytes."""
    b = header[at : at + 5]
    if len(b) < 5:
        return None
    return (b[0] >> 1 & 0x07) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1


def _dated(prefix: int, ticks: int) -> bytes:
    t = ticks & (1 << 33) - 1
    return bytes(
        [
            prefix << 4 | t >> 30 << 1 | 1,
            t >> 22 & 0xFF,
            (t >> 15 & 0x7F) << 1 | 1,
            t >> 7 & 0xFF,
            (t & 0x7F) << 1 | 1,
        ]
    )


def _pack_header(scr: int) -> bytes:
    t = scr & (1 << 33) - 1
    bits = (
        0b01 << 46
        | (t >> 30) << 43
        | 1 << 42
        | (t >> 15 & 0x7FFF) << 27
        | 1 << 26
        | (t & 0x7FFF) << 11
        | 1 << 10
        | 1
    )
    rate = 50_000  # of 50 bytes a second
    return _PREFIX + bytes([PACK]) + bits.to_bytes(6, "big") + (rate << 2 | 0b11).to_bytes(3, "big") + b"\xf8"


def _system_header() -> bytes:
    body = (
        (1 << 23 | 50_000 << 1 | 1).to_bytes(3, "big")
        + b"\x04\xe1\x7f"
        + bytes([VIDEO_FIRST, 0xE0, 0xE8])
        + bytes([AUDIO_FIRST, 0xC0, 0x20])
    )
    return _PREFIX + bytes([SYSTEM]) + len(body).to_bytes(2, "big") + body


def _stream_map(kind: int) -> bytes:
    streams = bytes([kind, VIDEO_FIRST, 0, 0])
    body = bytes([0xE0, 0xFF, 0, 0]) + len(streams).to_bytes(2, "big") + streams
    packet = _PREFIX + bytes([MAP]) + (len(body) + 4).to_bytes(2, "big") + body
    return packet + _crc32(packet).to_bytes(4, "big")


def _crc32(data: bytes) -> int:
    """CRC of ISO/IEC 13818-1, annex A."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
            register &= 0xFFFFFFFF
    return register
