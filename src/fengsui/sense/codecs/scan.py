"""Cutting binary frames off a stream: a mark, a header that tells the size, a checksum.

Where a frame does not fit, reading goes on one byte further, inside of it, because its length may be the lie.  Every
byte ends in a frame or in one refusal, in order.
"""

from collections.abc import Callable
from re import Pattern
from typing import Any, Protocol

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut


class Head(Protocol):
    """A header as it stands in the buffer.  ``size`` is that of the whole frame; 0: this mark begins none."""

    @property
    def size(self) -> int: ...


def cut(
    buffer: bytes,
    ended: bool,
    *,
    mark: Pattern[bytes],
    begun: Pattern[bytes],
    head: Callable[[bytes, int], Any],
    fits: Callable[[bytes, int, Any], bool],
    frame: Callable[[bytes, Any], Any],
    refusal: Callable[[bytes, bytes, Any], BadFrame],
) -> Cut:
    """Cut every whole frame off ``buffer``.

    mark     finds where a frame may begin · begun: the first bytes of a mark at the end of the buffer.
    head     ``(buffer, at)`` → the header; None when more bytes are needed to read it.
    fits     whether the frame at a place is all here and right: end mark and checksum.
    frame    its bytes and header → the frame.
    refusal  ``(raw, span, head)`` → why ``raw`` is refused; ``span`` reaches to where the next frame or the end stands,
             b"" if that is not known.  The refusal may take the whole span, when only the length was wrong.
    """
    if mark.match(buffer):  # most often the buffer is one frame
        here = head(buffer, 0)
        if here is not None and here.size == len(buffer) and fits(buffer, 0, here):
            return Cut([frame(buffer, here)], [], b"")
    frames: list[Any] = []
    refused: list[BadFrame] = []
    kept = at = 0  # everything before ``kept`` is in a frame or a refusal
    bad: Any = (
        None  # the header of the frame that begins at ``kept`` and does not fit; its end is not known yet
    )
    bad_end = 0

    def tell(until: int, known: bool) -> None:
        """Refuse what lies before ``until`` and is in nothing yet; ``known``: a frame or the end stands there."""
        nonlocal kept, bad
        if bad is not None:
            told = refusal(buffer[kept : min(bad_end, until)], buffer[kept:until] if known else b"", bad)
            refused.append(told)
            kept, bad = kept + len(told.data), None
        if kept < until:
            refused.append(BadFrame("noise", buffer[kept:until], "bytes that begin no frame"))
        kept = until

    while True:
        found = mark.search(buffer, at)
        if found is None:
            half = None if ended else begun.search(buffer, at)
            stop = half.start() if half else len(buffer)
            tell(stop, stop == len(buffer))
            return Cut(frames, refused, buffer[stop:])
        at = found.start()
        here = head(buffer, at)
        if not ended and (here is None or (here.size and len(buffer) < at + here.size)):
            tell(at, True)
            return Cut(frames, refused, buffer[at:])
        if here is not None and here.size and fits(buffer, at, here):
            tell(at, True)
            frames.append(frame(buffer[at : at + here.size], here))
            kept = at = at + here.size
            continue
        if here is None and (bad is None or at >= bad_end):  # ended within a header
            tell(at, True)
            refused.append(BadFrame("cut", buffer[at:], "the frame ends within its header"))
            return Cut(frames, refused, b"")
        if here is not None and here.size and (bad is None or at >= bad_end):
            tell(at, True)
            bad, bad_end = here, min(at + here.size, len(buffer))
        at += 1
