"""Frames that people paste: bytes of a field protocol, explained field by field, within limits.

Nothing is stored, logged or sent on: a frame may carry a password in clear.
"""

from typing import NamedTuple

from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.sense.codecs.explained import Explained, explain, unhex, untext
from fengsui.sense.codecs.frame import Codec
from fengsui.sense.codecs.registry import CODECS

MOST_BYTES = 64 * 1024  # of all frames together: the longest single frame of any of the protocols
MOST_DIGITS = 4 * MOST_BYTES  # characters of hex digits and blanks
MOST_FRAMES = 200
MOST_ROWS = 5_000


class BadPaste(BadInput):
    """What was given to be explained is no bytes of a known protocol, or too much."""

    code = "show.bad_paste"


class Pasted(NamedTuple):
    """``found`` at most MOST_FRAMES, with MOST_ROWS rows together · ``left_off`` how many more there were."""

    codec: Codec
    found: list[Explained]
    left_off: int


def pasted(protocol: str, *, hex: str | None = None, text: str | None = None) -> Pasted:
    """What frames say.  Exactly one of ``hex`` and ``text`` is given.  Raises BadPaste."""
    codec = CODECS.get(protocol)
    if codec is None:
        known = ", ".join(CODECS)
        raise BadPaste(
            _("There is no protocol “%(name)s”; known are %(known)s.")
            % {"name": protocol[:40], "known": known}
        )
    if (hex is None) == (text is None):
        raise BadPaste(_("Give the frame either in hex digits or as text."))
    if hex is not None:
        data = unhex(hex) if len(hex) <= MOST_DIGITS else b"\0" * (MOST_BYTES + 1)
        if data is None:
            raise BadPaste(_("These are not hex digits, two for each byte."))
    else:
        data = untext(text or "")
    if not data:
        raise BadPaste(_("There is nothing to explain."))
    if len(data) > MOST_BYTES:
        raise BadPaste(_("That is too much at once: %(most)d bytes at most.") % {"most": MOST_BYTES})
    found: list[Explained] = []
    rows = left_off = 0
    for one in explain(codec, data):
        if found and (len(found) == MOST_FRAMES or rows + len(one.rows) > MOST_ROWS):
            left_off += 1
            continue
        rows += len(one.rows)
        found.append(one)
    return Pasted(codec, found, left_off)


def either(given: str) -> dict[str, str]:
    """What somebody pasted without saying what it is: hex digits if it can be read as such, else text."""
    return {"hex": given} if given.strip() and unhex(given) is not None else {"text": given}
