"""A small language for the bodies of messages: a layout names the fields in order, and reads and writes them.

The standard prints each body as a table of fields; here each table is data, so that reading and writing cannot
disagree.  A layout is a tuple of ``(name, kind)``; a kind reads its value from a ``Reader`` and writes it back.
Values are plain: int, float, str, bytes, aware UTC ``datetime``, list and dict.  A field of bits or of choices also
gives the names of what it says, under ``<name>_set`` or ``<name>_meaning``; they are for people and not read back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

Fields = dict[str, Any]
LOCAL = timedelta(hours=8)  # every time on the wire is Beijing time (JT/T 808, table of types)


class Short(Exception):
    """The body ends before the field does.  Caught by whoever reads a whole body; never leaves this package."""


class Reader:
    """Bytes and a place in them.  ``is_2019`` says which form of the standard the header has."""

    __slots__ = ("at", "data", "is_2019")

    def __init__(self, data: bytes, is_2019: bool) -> None:
        self.data, self.at, self.is_2019 = data, 0, is_2019

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Short
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        return self.take(self.left())

    def inner(self, size: int) -> "Reader":
        """A reader of the next ``size`` bytes alone."""
        return Reader(self.take(size), self.is_2019)

    def tell(self, name: str, kind: "Kind | None", at: int, value: Any) -> None:
        """That a field has been read from ``at`` on.  Nothing is done with it here: see ``Tracer``."""

    def forget(self) -> None:
        """That what this reader told is not so: its bytes are kept unread."""


class Span(NamedTuple):
    """A field, and the bytes of the body that it stands in; fields inside it have spans of their own."""

    name: str
    kind: "Kind | None"
    start: int
    end: int
    value: Any


class Tracer(Reader):
    """A reader that keeps where every field stood, for ``explain``; ``base`` is where its bytes stand in the body."""

    __slots__ = ("base", "mark", "spans")

    def __init__(self, data: bytes, is_2019: bool, base: int = 0, spans: list[Span] | None = None) -> None:
        super().__init__(data, is_2019)
        self.base = base
        self.spans: list[Span] = [] if spans is None else spans
        self.mark = len(self.spans)

    def inner(self, size: int) -> "Reader":
        base = self.base + self.at
        return Tracer(self.take(size), self.is_2019, base, self.spans)

    def tell(self, name: str, kind: "Kind | None", at: int, value: Any) -> None:
        self.spans.append(Span(name, kind, self.base + at, self.base + self.at, value))

    def forget(self) -> None:
        del self.spans[self.mark :]


class Kind(Protocol):
    """How one field is read and written.  ``above`` holds the fields of this layout read before it."""

    def read(self, reader: Reader, above: Fields) -> Any: ...

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes: ...


Layout = tuple[tuple[str, Kind], ...]


def read(layout: Layout, reader: Reader, into: Fields | None = None) -> Fields:
    """The fields of ``layout``.  Raises Short; ``into`` then keeps what was read before the end."""
    fields: Fields = {} if into is None else into
    for name, kind in layout:
        at = reader.at
        value = kind.read(reader, fields)
        if value is ABSENT:
            continue
        fields[name] = value
        inner = kind.kind if isinstance(kind, When | IfLeft) else kind
        reader.tell(name, inner, at, value)
        if isinstance(inner, Bits):
            fields[f"{name}_set"] = inner.names_of(value)
        elif isinstance(inner, Choice):
            fields[f"{name}_meaning"] = inner.meanings.get(value, inner.otherwise)
    return fields


def write(layout: Layout, fields: Mapping[str, Any], is_2019: bool) -> bytes:
    """The bytes of ``layout``; a missing field is written as zero or empty.  Raises ValueError for what cannot be."""
    above = dict(fields)
    return b"".join(kind.write(fields.get(name), above, is_2019) for name, kind in layout)


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a message's body: the form of which header (None: of both), and what a sensible one holds."""

    layout: Layout
    is_2019: bool | None = None
    holds: Callable[[Fields], bool] | None = None


def as_forms(
    messages: dict[int, tuple[str, tuple[Layout | Form, ...]]],
) -> dict[int, tuple[str, tuple[Form, ...]]]:
    """A table of messages in which a bare layout is the form of both years."""
    return {
        number: (name, tuple(form if isinstance(form, Form) else Form(form) for form in forms))
        for number, (name, forms) in messages.items()
    }


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()  # a field that this form of the body does not have


class Number:
    """An unsigned integer, high byte first; BYTE, WORD and DWORD of the standard have size 1, 2 and 4."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> int:
        return reader.number(self.size)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        try:
            return int(value or 0).to_bytes(self.size, "big")
        except OverflowError:
            raise ValueError(f"{value} does not fit into {self.size} bytes") from None


class Scaled(Number):
    """An integer that counts in ``step``: speed in 0.1 km/h, latitude in 1e-6 degrees."""

    def __init__(self, size: int, step: float, digits: int) -> None:
        super().__init__(size)
        self.step, self.digits = step, digits

    def read(self, reader: Reader, above: Fields) -> Any:
        return round(reader.number(self.size) * self.step, self.digits)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return super().write(round((value or 0) / self.step), above, is_2019)


class Bits(Number):
    """An integer whose bits have names; a bit without one is ``bit<n>``."""

    def __init__(self, size: int, names: Mapping[int, str]) -> None:
        super().__init__(size)
        self.names = names

    def names_of(self, value: int) -> list[str]:
        found = []
        while value:
            lowest = value & -value
            n = lowest.bit_length() - 1
            found.append(self.names.get(n) or f"bit{n}")
            value ^= lowest
        return found


class Choice(Number):
    """An integer whose values have meanings; what a value without one means is ``otherwise``."""

    def __init__(self, size: int, meanings: Mapping[int, str], otherwise: str = "unknown") -> None:
        super().__init__(size)
        self.meanings, self.otherwise = meanings, otherwise


class CountOf(Number):
    """How many items the list ``of`` holds that comes later: read as sent, written as it is."""

    def __init__(self, size: int, of: str) -> None:
        super().__init__(size)
        self.of = of

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return super().write(len(above.get(self.of) or ()), above, is_2019)


class Raw:
    """Bytes as they are: ``size`` of them, or all that is left."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> bytes:
        return reader.rest() if self.size is None else reader.take(self.size)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        data = bytes(value or b"")
        return data if self.size is None else data.ljust(self.size, b"\0")[: self.size]


class Text:
    """GBK text: ``size`` bytes filled up with NUL (read at either end), or all that is left."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> str:
        return text(reader.rest() if self.size is None else reader.take(self.size))

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        data = gbk(value)
        if self.size is None:
            return data
        if len(data) > self.size:
            raise ValueError(f"{value!r} needs more than {self.size} bytes")
        return data.ljust(self.size, b"\0")


class Counted:
    """A length of ``unit`` bytes, then so many bytes of text (``kind`` Text) or of anything (``kind`` Raw)."""

    def __init__(self, unit: int, kind: Text | Raw | None = None) -> None:
        self.unit, self.kind = unit, kind or Text()

    def read(self, reader: Reader, above: Fields) -> Any:
        return self.kind.read(reader.inner(reader.number(self.unit)), above)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        data = self.kind.write(value, above, is_2019)
        return Number(self.unit).write(len(data), above, is_2019) + data


class Digits:
    """Decimal digits in BCD, ``size`` bytes, as text; half-bytes A to F stay what they are."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, reader: Reader, above: Fields) -> str:
        return reader.take(self.size).hex()

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return bytes.fromhex(str(value or "").rjust(2 * self.size, "0")[-2 * self.size :])


class Instant:
    """``YYMMDDhhmmss`` in BCD, Beijing time, as aware UTC.

    All zeros mean "no time" and give None; what is no date stays as the digits sent.
    ``local`` is zero for the few times that the standard gives in UTC.
    """

    def __init__(self, local: timedelta = LOCAL) -> None:
        self.local = local

    def read(self, reader: Reader, above: Fields) -> datetime | str | None:
        return instant(reader.take(6), self.local)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        if not isinstance(value, datetime):
            return Digits(6).write(value, above, is_2019)
        return bytes.fromhex((value.astimezone(UTC) + self.local).strftime("%y%m%d%H%M%S"))


class Clock:
    """``hhmm`` in BCD as "hh:mm", a time of day on the wall in Beijing."""

    def read(self, reader: Reader, above: Fields) -> str:
        digits = reader.take(2).hex()
        return f"{digits[:2]}:{digits[2:]}"

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return Digits(2).write(str(value or "").replace(":", ""), above, is_2019)


class Group:
    """Fields of their own, as a dict."""

    def __init__(self, *layout: tuple[str, Kind]) -> None:
        self.layout = layout

    def read(self, reader: Reader, above: Fields) -> Fields:
        return read(self.layout, reader)

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return write(self.layout, value or {}, is_2019)


class Many:
    """The same ``kind`` again and again: as often as a count of ``count`` bytes says, or until the body ends.

    ``each`` bytes of length stand before every item where the standard has them; an item that cannot be read is then
    kept as ``{"unread": bytes}`` and costs none of the others.
    """

    def __init__(self, count: int, kind: Kind, each: int = 0) -> None:
        self.count, self.kind, self.each = count, kind, each

    def read(self, reader: Reader, above: Fields) -> list[Any]:
        items: list[Any] = []
        expected = reader.number(self.count) if self.count else None
        while reader.left() and (expected is None or len(items) < expected):
            at = reader.at
            items.append(self._one(reader, above) if self.each else self.kind.read(reader, above))
            reader.tell(str(len(items)), self.kind, at, items[-1])
        if expected is not None and len(items) < expected:
            raise Short
        return items

    def _one(self, reader: Reader, above: Fields) -> Any:
        size = reader.number(self.each)
        inner = reader.inner(min(size, reader.left()))
        try:
            return self.kind.read(inner, above)
        except Short:
            inner.forget()
            return {"unread": inner.data}

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        items = [
            bytes(item["unread"])
            if isinstance(item, dict) and "unread" in item
            else self.kind.write(item, above, is_2019)
            for item in value or ()
        ]
        if self.each:
            items = [len(item).to_bytes(self.each, "big") + item for item in items]
        head = len(items).to_bytes(self.count, "big") if self.count else b""
        return head + b"".join(items)


class When:
    """A field that is there only when ``holds(fields above, is_2019)``."""

    def __init__(self, holds: Callable[[Fields, bool], bool], kind: Kind) -> None:
        self.holds, self.kind = holds, kind

    def read(self, reader: Reader, above: Fields) -> Any:
        return self.kind.read(reader, above) if self.holds(above, reader.is_2019) else ABSENT

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return self.kind.write(value, above, is_2019) if self.holds(above, is_2019) else b""


class IfLeft:
    """A field at the end of a body that many senders leave out; written when there is a value."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def read(self, reader: Reader, above: Fields) -> Any:
        return self.kind.read(reader, above) if reader.left() else ABSENT

    def write(self, value: Any, above: Fields, is_2019: bool) -> bytes:
        return b"" if value is None else self.kind.write(value, above, is_2019)


def only_2019(kind: Kind) -> When:
    return When(lambda above, is_2019: is_2019, kind)


def if_bit(field: str, bit: int, kind: Kind) -> When:
    return When(lambda above, is_2019: bool(above.get(field, 0) >> bit & 1), kind)


BYTE, WORD, DWORD = Number(1), Number(2), Number(4)


def text(data: bytes) -> str:
    """GBK (read as GB18030, which holds all of it) without the NULs that fill a field up; never raises."""
    return data.decode("gb18030", "replace").strip("\0")


def gbk(value: Any) -> bytes:
    return str(value or "").encode("gb18030")


def instant(bcd: bytes, local: timedelta = LOCAL) -> datetime | str | None:
    """Aware UTC of six BCD bytes; None when all are zero; the digits themselves when they are no date."""
    try:
        year, month, day, hour, minute, second = map(_BCD.__getitem__, bcd)
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC) - local
    except (KeyError, ValueError):
        return None if bcd == b"\0\0\0\0\0\0" else bcd.hex()


_BCD = {16 * tens + ones: 10 * tens + ones for tens in range(10) for ones in range(10)}
