"""Rows of a frame, laid one behind the other: whoever explains a frame says sizes, the offsets come by themselves.

Where bytes are written differently on the line (escaped, in hex digits), ``edges`` says where each byte of the message
begins in the frame; a row then holds the bytes as sent.
"""

from collections.abc import Sequence

from fengsui.sense.codecs.frame import Row, Term


class Rows:
    """``raw`` is the frame; ``edges`` has one entry for each byte of the message and one for its end."""

    def __init__(self, raw: bytes, edges: Sequence[int] | None = None) -> None:
        self._raw = raw
        self._edges: Sequence[int] = range(len(raw) + 1) if edges is None else edges
        self._last = len(self._edges) - 1
        self.at = 0  # in bytes of the message
        self.rows: list[Row] = []

    @property
    def left(self) -> int:
        return self._last - self.at

    def add(self, size: int, name: Term, meaning: Term | str = "") -> None:
        """The next ``size`` bytes of the message, or as many as there are; none makes no row."""
        end = min(self.at + size, self._last)
        if end > self.at:
            start = self._edges[self.at]
            self.rows.append(Row(start, self._raw[start : self._edges[end]], name, meaning))
            self.at = end
