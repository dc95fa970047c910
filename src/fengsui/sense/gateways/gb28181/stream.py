"""From packets to what a browser plays: RTP in order, program stream, frames, and fragments of MP4 in a folder.

A folder holds ``index.m3u8`` (HLS, RFC 8216, version 7), an opening segment for each set of parameters and the newest
segments; older ones are deleted as new ones come, the folder when the stream ends.  Files are written whole, then
renamed.
"""

import shutil
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.media import fmp4, nal, ps, rtp
from fengsui.sense.codecs.media.frames import Frame, Framer
from fengsui.sense.codecs.media.nal import Picture

PLAYLIST = "index.m3u8"
TICKS = rtp.CLOCK_HZ
LONGEST_TICKS = 10 * TICKS  # between two frames: more is a jump of the camera's clock
USUAL_TICKS = TICKS // 25
LONGEST_SEGMENT_TICKS = 4 * TICKS
_WRAP = 1 << 33


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    seconds: float
    opening: str
    is_key: bool


@dataclass(slots=True)
class Segments:
    """Writes frames as segments.  ``keep`` of them stay; a segment ends at a key frame, ``least_s`` or later."""

    folder: Path
    keep: int = 8
    least_s: float = 1.0
    bytes_written: int = 0
    number: int = 0
    picture: Picture | None = None
    _opening: str = ""
    _openings: int = 0
    _segments: deque[Segment] = field(default_factory=deque)
    _samples: list[fmp4.Sample] = field(default_factory=list)
    _time: int = 0  # of the first sample that waits, ticks
    _waiting: Frame | None = None
    _last_dts: int | None = None
    _usual: int = USUAL_TICKS

    def add(self, frame: Frame) -> bool:
        """Take a frame; whether a segment was written.  Frames before the first key frame are left out."""
        if frame.is_key:
            found = nal.picture(frame.codec, frame.units)
            if found is not None and (self.picture is None or found != self.picture):
                written = self._end()
                self._open(found)
                self._waiting = frame
                return written
        if self.picture is None:
            return False
        if self._waiting is None:
            self._waiting = frame
            return False
        duration = self._between(self._waiting, frame)
        self._sample(self._waiting, duration)
        self._waiting = frame
        length = sum(sample.duration for sample in self._samples)
        if (frame.is_key and length >= self.least_s * TICKS) or length >= LONGEST_SEGMENT_TICKS:
            return self._write()
        return False

    @property
    def ready(self) -> bool:
        """Whether somebody can begin to watch."""
        return bool(self._segments)

    def remove(self) -> None:
        """Delete the folder, and the camera's when nothing else is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()

    def _open(self, picture: Picture) -> None:
        self.picture = picture
        self._openings += 1
        self._opening = f"open-{self._openings}.mp4"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file(self._opening, fmp4.opening(picture))

    def _end(self) -> bool:
        if self._waiting is not None:
            self._sample(self._waiting, self._usual)
            self._waiting = None
        return self._write()

    def _sample(self, frame: Frame, duration: int) -> None:
        offset = 0
        if frame.pts is not None and frame.dts is not None:
            offset = _apart(frame.pts, frame.dts)
            offset = offset if 0 <= offset <= LONGEST_TICKS else 0
        self._samples.append(fmp4.Sample(nal.length_prefixed(frame.units), duration, frame.is_key, offset))

    def _between(self, frame: Frame, following: Frame) -> int:
        """Ticks from one frame to the next; the usual ones where nobody says or the clock jumped."""
        if frame.dts is not None and following.dts is not None:
            ticks = _apart(following.dts, frame.dts)
            if 0 < ticks <= LONGEST_TICKS:
                self._usual = ticks
        return self._usual

    def _write(self) -> bool:
        if not self._samples:
            return False
        self.number += 1
        name = f"part-{self.number}.m4s"
        self._file(name, fmp4.fragment(self.number, self._time, self._samples))
        ticks = sum(sample.duration for sample in self._samples)
        self._segments.append(Segment(name, ticks / TICKS, self._opening, self._samples[0].is_key))
        self._time += ticks
        self._samples = []
        while len(self._segments) > self.keep:
            gone = self._segments.popleft()
            old = self.number - self.keep - 2  # two more stay for who reads the list of a moment ago
            (self.folder / f"part-{old}.m4s").unlink(missing_ok=True)
            if gone.opening != self._segments[0].opening:
                (self.folder / gone.opening).unlink(missing_ok=True)
        self._file(PLAYLIST, self._playlist())
        return True

    def _playlist(self) -> bytes:
        longest = max(1, round(max(segment.seconds for segment in self._segments) + 0.5))
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{longest}",
            f"#EXT-X-MEDIA-SEQUENCE:{self.number - len(self._segments) + 1}",
        ]
        opening = ""
        for segment in self._segments:
            if segment.opening != opening:
                lines += ["#EXT-X-DISCONTINUITY"] if opening else []
                lines.append(f'#EXT-X-MAP:URI="{segment.opening}"')
                opening = segment.opening
            lines += [f"#EXTINF:{segment.seconds:.3f},", segment.name]
        return ("\n".join(lines) + "\n").encode()

    def _file(self, name: str, data: bytes) -> None:
        path = self.folder / name
        partly = path.with_name(f".{name}")
        partly.write_bytes(data)
        partly.replace(path)
        self.bytes_written += len(data)


class Stream:
    """One stream of a camera: packets in, segments out.  ``key_frame`` is the newest one, for a still picture."""

    def __init__(self, segments: Segments) -> None:
        self.segments, self.reorder = segments, rtp.Reorder()
        self.counts: Counter[str] = Counter()
        self.key_frame: Frame | None = None
        self.codec = ""
        self._demuxer = ps.Demuxer()
        self._framer: Framer | None = None

    def packet(self, packet: rtp.Packet) -> bool:
        """Take one packet; whether a segment was written."""
        self.counts["bytes"] += len(packet.payload)
        written = False
        for one in self.reorder.push(packet):
            written = (self._lost() if one is None else self._program(one.payload)) or written
        return written

    def refused(self, refused: BadFrame) -> None:
        self.counts["refused"] += 1
        self.counts["refused_bytes"] += len(refused.data)

    def _lost(self) -> bool:
        self._demuxer.lose()
        if self._framer is not None:
            self._framer.lose()
        return False

    def _program(self, data: bytes) -> bool:
        written = False
        for chunk in self._demuxer.feed(data):
            if not chunk.is_video or chunk.codec not in ("", "h264", "h265"):
                self.counts["other_chunks"] += 1  # sound, MPEG-4, SVAC: counted, not shown
                continue
            if self._framer is None:
                self._framer = Framer(chunk.codec)
            for frame in self._framer.feed(chunk.data, chunk.pts, chunk.dts):
                self.counts["frames"] += 1
                self.codec = frame.codec
                if frame.is_key:
                    self.key_frame = frame
                written = self.segments.add(frame) or written
        return written

    @property
    def damaged(self) -> int:
        """Frames left out because packets of them were lost."""
        return self._framer.damaged if self._framer else 0


def _apart(later: int, earlier: int) -> int:
    """Ticks between two times of 33 bits, negative when they are the other way round."""
    ticks = (later - earlier) % _WRAP
    return ticks - _WRAP if ticks > _WRAP // 2 else ticks
