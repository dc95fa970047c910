"""What can go wrong, by name.  Every error carries a stable ``code`` such as ``sense.bad_batch``.

``show`` turns codes into words for people; ``docs/errors.md`` has an entry for each code.
"""

from collections.abc import Mapping
from typing import Any


class FengsuiError(Exception):
    """The parent of every error of ours: ``code`` is stable, the message says what, where and what to do."""

    code = "base.error"


class NotAllowed(FengsuiError):
    """The actor lacks the right to do this at this organisation."""

    code = "people.not_allowed"


class BadInput(FengsuiError):
    """Something a person or a device sent cannot be used as it is."""

    code = "base.bad_input"


class BadBatch(BadInput):
    """Bytes on the bus that are not a canonical batch."""

    code = "sense.bad_batch"


class BadFrame(BadInput):
    """Bytes of a field protocol that are refused: returned and kept, not raised.

    ``reason`` is a stable word (``crc``, ``length``, ``cut``, ``noise`` …), ``data`` the bytes as they came, ``facts``
    what JSON can hold about it (the checksum given and computed), ``seen`` the frame as it would read if nobody had
    checked, or None where nothing can be read.
    """

    code = "sense.bad_frame"

    def __init__(
        self,
        reason: str,
        data: bytes,
        message: str = "",
        facts: Mapping[str, Any] | None = None,
        seen: Any = None,
    ) -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.data = data
        self.facts = dict(facts or {})
        self.seen = seen


class UnknownUnit(BadInput):
    """A unit that is not in the table, or that measures something else than the datastream does."""

    code = "govern.unknown_unit"
