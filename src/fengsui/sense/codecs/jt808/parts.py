"""Where a subpackage of a long JT/T 808 message stands, and all of them as one; ``codecs/parts`` collects them."""

from dataclasses import replace

from fengsui.sense.codecs.frame import Part
from fengsui.sense.codecs.jt808.frame import Frame


def part_of(frame: Frame) -> Part | None:
    """Its place among the subpackages of a message, by the serial of the first; None where it is whole."""
    if not 1 <= frame.index <= frame.total:
        return None
    kin = (
        frame.phone,
        frame.message_id,
        frame.total,
    )  # a terminal may send one again with a serial of its own
    return Part((*kin, first_serial(frame)), frame.index, frame.total, kin=kin)


def join(frames: list[Frame]) -> Frame:
    """The subpackages of one message, in order, as one frame with the serial of the first."""
    return replace(
        frames[0],
        serial=first_serial(frames[0]),
        body=b"".join(frame.body for frame in frames),
        total=0,
        index=0,
        departures=tuple(dict.fromkeys(word for frame in frames for word in frame.departures)),
        raw=b"".join(frame.raw for frame in frames),
        packets=tuple(frames),
    )


def first_serial(frame: Frame) -> int:
    """The serial of the first subpackage of a message: what 0x8003 names it by."""
    return (frame.serial - frame.index + 1) & 0xFFFF
