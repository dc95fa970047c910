"""A program of its own that decodes key frames to JPEG, or makes a moving test picture: the only user of PyAV.

It is started by others and spoken to over pipes, for two reasons (docs/decisions/0031): the wheel of PyAV carries
libraries under the GPL, which the platform itself may not be linked to; and native decoders read bytes of strangers.
It imports nothing of the platform.  Frames are in Annex B.

    picture decode               stdin: codec (1 byte: 0 H.264, 1 H.265), widest width (2), length (4), a frame
                                 stdout: 0 (1 byte), length (4), JPEG; or 1, length, why not
    picture encode CODEC W H FPS stdout without end: is_key (1 byte), length (4), a frame
"""

import resource
import struct
import sys
from fractions import Fraction
from typing import IO, Any

ASKED = struct.Struct(">BHI")
ANSWERED = struct.Struct(">BI")
CODECS = ("h264", "hevc")
MAX_FRAME = 4 << 20
MEMORY_BYTES = 2 << 30
SECONDS_BETWEEN_KEYS = 1


def main(words: list[str]) -> int:
    if not words or words[0] not in ("decode", "encode"):
        print("usage: picture decode | encode CODEC WIDTH HEIGHT FPS", file=sys.stderr)
        return 2
    _limit()
    try:
        import av

        av.logging.set_level(None)  # what it says of broken frames would fill the log of whoever started us
    except ImportError as error:
        print(f"PyAV is missing: {error}; install the package av", file=sys.stderr)
        return 3
    try:
        if words[0] == "decode":
            return decode(sys.stdin.buffer, sys.stdout.buffer)
        return encode(sys.stdout.buffer, words[1], *(int(one) for one in words[2:5]))
    except (BrokenPipeError, KeyboardInterrupt):
        return 0


def decode(asked: IO[bytes], out: IO[bytes]) -> int:
    """Answer until ``asked`` ends."""
    while len(head := asked.read(ASKED.size)) == ASKED.size:
        codec, width, length = ASKED.unpack(head)
        if codec >= len(CODECS) or length > MAX_FRAME:
            return 2
        data = asked.read(length)
        try:
            status, answer = 0, jpeg(CODECS[codec], data, width)
        except Exception as error:
            status, answer = 1, f"{type(error).__name__}: {error}".encode()[:500]
        out.write(ANSWERED.pack(status, len(answer)) + answer)
        out.flush()
    return 0


def jpeg(codec: str, data: bytes, widest: int) -> bytes:
    """The first picture of a key frame in Annex B, at most ``widest`` pixels wide.  Raises what PyAV raises."""
    import av

    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    pictures = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    if not pictures:
        raise ValueError("no picture in this frame")
    first = pictures[0]
    width, height = first.width, first.height
    if width > widest > 0:
        width, height = widest, max(2, round(height * widest / width) // 2 * 2)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "3", "qmax": "3"}
    picture = first.reformat(width, height, "yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def encode(out: IO[bytes], codec: str, width: int, height: int, fps: int) -> int:
    """A test picture that moves: bars of colour, a square that goes round, the number of the frame as a row of bits."""
    import av

    encoder: Any = av.CodecContext.create({"h264": "libx264", "h265": "libx265"}[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.gop_size = fps * SECONDS_BETWEEN_KEYS
    encoder.thread_count = 1
    options = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "h265":
        options["x265-params"] = "log-level=none:repeat-headers=1:scenecut=0:bframes=0"
    else:
        options["x264-params"] = "repeat-headers=1:scenecut=0:annexb=1"
    encoder.options = options
    number = 0
    while True:
        frame = av.VideoFrame.from_ndarray(_picture(width, height, number), format="rgb24").reformat(
            format="yuv420p"
        )
        frame.pts = number
        for packet in encoder.encode(frame):
            data = bytes(packet)
            out.write(ANSWERED.pack(bool(packet.is_keyframe), len(data)) + data)
            out.flush()
        number += 1


def _picture(width: int, height: int, number: int) -> Any:
    import numpy as np

    colours = np.array(
        [(235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235)],
        np.uint8,
    )  # fmt: skip
    row = colours[np.arange(width) * len(colours) // width]
    picture = np.broadcast_to(row, (height, width, 3)).copy()
    side = max(8, height // 6)
    x, y = (number * 4) % max(1, width - side), (number * 3) % max(1, height - side)
    picture[y : y + side, x : x + side] = (40, 40, 40)
    cell = max(2, width // 32)
    for bit in range(16):
        shade = 255 if number >> bit & 1 else 0
        picture[height - cell :, width - (bit + 1) * cell : width - bit * cell] = shade
    return picture


def _limit() -> None:
    """A decoder that is led astray runs out of memory alone."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
