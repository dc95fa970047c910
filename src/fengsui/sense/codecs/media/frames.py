"""Frames out of the bytes of a video stream (H.264, H.265 in Annex B), whatever packets they came in.

A frame ends where the next one begins: at a delimiter, a parameter set or a first slice (ISO/IEC 14496-10, 7.4.1.2.3;
ISO/IEC 23008-2, 7.4.2.4.4).  So cameras that put a frame into a packet and those that do not are read alike, one frame
late.
"""

import re
from collections import deque
from typing import NamedTuple

from fengsui.sense.codecs.media import nal

MAX_FRAME = 4 << 20
_START = re.compile(rb"\x00\x00\x01")


class Frame(NamedTuple):
    """One picture: its units, when it is shown and decoded (ticks of 90 kHz; None where nobody said)."""

    codec: str
    units: list[bytes]
    pts: int | None
    dts: int | None
    is_key: bool


class Framer:
    """Cuts frames off one stream.  ``codec`` may be empty: then the parameter sets tell."""

    def __init__(self, codec: str = "") -> None:
        self.codec = codec
        self.damaged = 0  # frames left out because bytes of them were lost
        self.oversized = 0
        self._buffer = bytearray()  # from the start code of the unit under way
        self._offset = 0  # of the buffer's first byte in the stream
        self._units: list[bytes] = []
        self._begins = 0  # offset of the first unit of the frame under way
        self._has_slice = False
        self._whole = False  # the frame under way is here from its beginning
        self._marks: deque[tuple[int, int | None, int | None]] = deque(maxlen=256)

    def feed(self, data: bytes, pts: int | None = None, dts: int | None = None) -> list[Frame]:
        """Every frame that is whole now; ``pts`` dates the first one that begins in ``data``."""
        if pts is not None:
            self._marks.append((self._offset + len(self._buffer), pts, dts))
        seen = max(0, len(self._buffer) - 3)
        self._buffer += data
        out: list[Frame] = []
        begin = self._start_of_first(out)
        if begin < 0:
            return out
        for found in _START.finditer(bytes(self._buffer), max(seen, 3)):
            self._unit(bytes(self._buffer[begin + 3 : found.start()]), self._offset + begin, out)
            begin = found.start()
        if begin:
            del self._buffer[:begin]
            self._offset += begin
        if len(self._buffer) > MAX_FRAME:
            self.oversized += 1
            self.lose()
        return out

    def flush(self) -> list[Frame]:
        """The frame under way: the stream has ended."""
        out: list[Frame] = []
        if self._buffer.startswith(b"\x00\x00\x01"):
            self._unit(bytes(self._buffer[3:]), self._offset, out)
        out += self._finish()
        self._offset += len(self._buffer)
        self._buffer.clear()
        return out

    def lose(self) -> None:
        """Bytes were lost: the frame under way is left out, and reading goes on at the next beginning of one."""
        if self._units or self._buffer:
            self.damaged += 1
        self._offset += len(self._buffer)
        self._buffer.clear()
        self._units, self._has_slice, self._whole = [], False, False

    def _start_of_first(self, out: list[Frame]) -> int:
        """0 when the buffer begins with a start code; bytes before the first one are dropped."""
        if self._buffer.startswith(b"\x00\x00\x01"):
            return 0
        found = _START.search(self._buffer)
        dropped = found.start() if found else max(0, len(self._buffer) - 2)
        del self._buffer[:dropped]
        self._offset += dropped
        return 0 if found else -1

    def _unit(self, unit: bytes, offset: int, out: list[Frame]) -> None:
        unit = unit.rstrip(b"\0")
        if not unit:
            return
        if not self.codec:
            self.codec = nal.sniff([unit])
            if not self.codec:
                return
        slice_, first = nal.is_slice(self.codec, unit), nal.is_first_slice(self.codec, unit)
        if self._has_slice and (first if slice_ else nal.opens_frame(self.codec, unit)):
            out += self._finish()
        if not self._units:
            self._begins = offset
            self._whole = first or not slice_
        elif slice_ and not self._has_slice:
            self._whole = first
        self._units.append(unit)
        self._has_slice = self._has_slice or slice_

    def _finish(self) -> list[Frame]:
        units, self._units = self._units, []
        has_slice, self._has_slice = self._has_slice, False
        if not has_slice:
            return []
        if not self._whole:
            self.damaged += 1
            return []
        pts = dts = None
        while self._marks and self._marks[0][0] <= self._begins:
            _, pts, dts = self._marks.popleft()
        return [Frame(self.codec, units, pts, dts, nal.is_key(self.codec, units))]
