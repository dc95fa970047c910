"""Resource paths: ``Things(1)/Datastreams``, ``Observations('7:1700000000000')/result/$value``.  OGC 18-088, 9.2."""

import re
from dataclasses import dataclass

from fengsui.show.sta.odata.errors import BadQuery

MAX_SEGMENTS = 20
_SEGMENT = re.compile(r"(?P<name>[$@]?[A-Za-z_][\w.\-]*)(?:\((?P<key>\d{1,19}|'(?:[^'()]|''){1,100}')\))?")


@dataclass(frozen=True, slots=True)
class Segment:
    """A name, and the key in brackets behind it: a number, a string, or None."""

    name: str
    key: int | str | None = None

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.name}({quoted(self.key)})"


def parse(path: str) -> tuple[Segment, ...]:
    """The segments of a path, without the empty ones at its ends.  Raises BadQuery."""
    words = path.strip("/").split("/") if path.strip("/") else []
    if len(words) > MAX_SEGMENTS:
        raise BadQuery(f"the address has more than {MAX_SEGMENTS} parts")
    out = []
    for word in words:
        found = _SEGMENT.fullmatch(word)
        if found is None:
            raise BadQuery(f"this part of the address cannot be read: {word[:60]}")
        out.append(Segment(found["name"], key_of(found["key"])))
    return tuple(out)


def key_of(text: str | None) -> int | str | None:
    """What stands in the brackets."""
    if text is None:
        return None
    return text[1:-1].replace("''", "'") if text.startswith("'") else int(text)


def quoted(key: int | str) -> str:
    """A key as an address has it."""
    return str(key) if isinstance(key, int) else "'" + key.replace("'", "''") + "'"
