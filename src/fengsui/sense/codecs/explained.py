"""What people paste or pipe: bytes from hex digits or text, cut into frames, each explained.

For the command line, the API and the page alike: they differ in how they show it, not in what is found.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Cut, Row, describe_refusal, explain_refusal

_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]*\Z")
_BLANKS = re.compile(r"[\s:,_-]+")


class Explained(NamedTuple):
    """A frame, or bytes that are refused.

    ``fields`` by the standard's own names, of a refusal as they would read if nobody had checked, with ``refused`` ·
    ``rows`` for a person; they cover ``raw`` · ``departures`` from the standard that were read all the same.
    """

    fields: dict[str, Any]
    rows: list[Row]
    raw: bytes
    departures: tuple[str, ...] = ()
    refused: BadFrame | None = None


def unhex(text: str) -> bytes | None:
    """Hex digits with or without blanks, colons and 0x; None where they are none."""
    digits = _BLANKS.sub("", text)
    if not _HEX.match(digits):
        return None
    digits = digits.removeprefix("0x")
    return bytes.fromhex(digits) if len(digits) % 2 == 0 else None


def untext(text: str) -> bytes:
    """Text as bytes: ``\\r`` and ``\\n`` may be written as such, a half character stays what it is."""
    return text.replace("\\r", "\r").replace("\\n", "\n").encode("utf-8", "surrogatepass")


def cut_pasted(codec: Codec, data: bytes) -> Cut:
    """Frames of bytes that somebody has cut: where they are not one frame they may be a datagram.  Never raises."""
    cut = codec.feed(data, ended=True)
    if codec.alone is not None and cut.refused and len(cut.frames) < 2:
        whole = codec.alone(data)
        if not isinstance(whole, BadFrame):
            return Cut([whole], [], b"")
    return cut


def explain(codec: Codec, data: bytes) -> Iterator[Explained]:
    """Every frame in ``data``, then every refusal.  Never raises."""
    cut = cut_pasted(codec, data)
    for frame in cut.frames:
        yield Explained(codec.describe(frame), codec.explain(frame), frame.raw, frame.departures)
    for one in cut.refused:
        yield Explained(describe_refusal(codec, one), explain_refusal(codec, one), one.data, refused=one)


def is_text(rows: list[Row]) -> bool:
    """Whether the bytes of a frame read as text: ASCII and nothing but printable characters before its line end."""
    return all(
        row.data.strip(b"\r\n").isascii() and row.data.strip(b"\r\n").decode().isprintable() for row in rows
    )
