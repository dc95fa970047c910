"""What a JT/T 808 frame says: its message by name and its fields, and back to a body.

Bodies differ between the years of the standard and, in the field, between vendors.  Where a message has several forms,
the one of the header's year is tried first, and the first that takes the body to its last byte and makes sense is the
one.  Nothing is dropped: bytes after a form, and what is left of a body that ends too early, are under ``rest``; a body
that makes no sense is under ``body``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fengsui.sense.codecs.jt808.frame import ENCRYPTION, Frame, split
from fengsui.sense.codecs.jt808.frame import encode as encode_frame
from fengsui.sense.codecs.jt808.layout import Fields, Form, Reader, Short, Span, Tracer, read, write
from fengsui.sense.codecs.jt808.location import BASE_SIZE, read_location
from fengsui.sense.codecs.jt808.platform import PLATFORM
from fengsui.sense.codecs.jt808.terminal import RESULT, TERMINAL
from fengsui.sense.codecs.jt808.video import VIDEO

MESSAGES: dict[int, tuple[str, tuple[Form, ...]]] = {**TERMINAL, **PLATFORM, **VIDEO}
LOCATION = 0x0200
RESULTS = {name: number for number, name in RESULT.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """``name`` of the message, ``unknown`` when the standard has none · ``fields`` by name · ``notes`` what is odd."""

    message_id: int
    name: str
    fields: Fields
    notes: tuple[str, ...] = ()


def decode(frame: Frame) -> Message:
    """The message of a frame.  Never raises."""
    name, forms = MESSAGES.get(frame.message_id, (_range(frame.message_id), ()))
    if frame.total:
        part = f"part {frame.index} of {frame.total}"
        return Message(frame.message_id, name, {"part": frame.body}, (*frame.departures, part))
    if frame.encryption:
        how = ENCRYPTION.get(frame.encryption, "reserved")
        return Message(
            frame.message_id, name, {"encrypted": frame.body}, (*frame.departures, f"encrypted: {how}")
        )
    # by far the most frequent: no search for its form
    if frame.message_id == LOCATION and len(frame.body) >= BASE_SIZE:
        return Message(LOCATION, name, read_location(frame.body, frame.is_2019), frame.departures)
    fields, note, _ = _read(forms, frame)
    return Message(frame.message_id, name, fields, (*frame.departures, note) if note else frame.departures)


def spans(frame: Frame) -> list[Span]:
    """Where every field of the message stands in the body; none of a part or of what is encrypted or not known."""
    _, forms = MESSAGES.get(frame.message_id, ("", ()))
    if frame.total or frame.encryption or not forms:
        return []
    reader = _read(forms, frame, Tracer)[2]
    assert isinstance(reader, Tracer), "the reader that was asked for"
    return reader.spans


def body(message_id: int, fields: Mapping[str, Any], is_2019: bool = False) -> bytes:
    """The body of a message from its fields, in the form of the year.  Raises ValueError."""
    if message_id not in MESSAGES:
        if set(fields) - {"body"}:
            raise ValueError(f"message 0x{message_id:04x} is not known: only its body can be given")
        return bytes(fields.get("body", b""))
    forms = _ordered(MESSAGES[message_id][1], is_2019)
    if message_id == LOCATION and "location" not in fields:
        fields = {"location": fields}
    named = {name for name in fields if not name.endswith(("_set", "_meaning")) and name != "rest"}
    for form in forms:
        if named <= {name for name, _ in form.layout}:
            return write(form.layout, fields, is_2019) + bytes(fields.get("rest", b""))
    known = sorted({name for form in forms for name, _ in form.layout})
    raise ValueError(
        f"message 0x{message_id:04x} has the fields {', '.join(known)}; given: {', '.join(sorted(named))}"
    )


def encode(
    message_id: int, fields: Mapping[str, Any], *, phone: str, serial: int, is_2019: bool = False
) -> list[bytes]:
    """The frames of a message: one, or its subpackages with serials from ``serial`` on.  Raises ValueError."""
    frame = Frame(message_id, phone, serial, body(message_id, fields, is_2019), is_2019, 1 if is_2019 else 0)
    return [encode_frame(part) for part in split(frame)]


def answer(frame: Frame, result: str, serial: int) -> bytes:
    """The platform's general answer 0x8001 to ``frame``; ``result`` is one of RESULTS."""
    fields = {"reply_serial": frame.serial, "reply_id": frame.message_id, "result": RESULTS[result]}
    (data,) = encode(0x8001, fields, phone=frame.phone, serial=serial, is_2019=frame.is_2019)
    return data


def _ordered(forms: tuple[Form, ...], is_2019: bool) -> list[Form]:
    own = [form for form in forms if form.is_2019 in (None, is_2019)]
    return own + [form for form in forms if form.is_2019 not in (None, is_2019)]


def _read(
    forms: tuple[Form, ...], frame: Frame, reader_of: Callable[[bytes, bool], Reader] = Reader
) -> tuple[Fields, str, Reader]:
    """The fields of a body, what is odd about it, and the reader that has read them."""
    if not forms:
        return {"body": frame.body}, "message not known", Reader(b"", frame.is_2019)
    ordered = _ordered(forms, frame.is_2019)
    longer: tuple[Fields, Reader] | None = None
    for form in ordered:
        reader = reader_of(frame.body, frame.is_2019)
        try:
            fields = read(form.layout, reader)
        except Short:
            continue
        if form.holds is not None and not form.holds(fields):
            continue
        if not reader.left():
            is_other = form.is_2019 is not None and form.is_2019 != frame.is_2019
            return fields, "the body has the form of the other year" if is_other else "", reader
        longer = longer or (fields, reader)
    if longer is not None:
        fields, reader = longer
        rest = reader.rest()
        return {**fields, "rest": rest}, f"{len(rest)} bytes more than the standard has", reader
    return _beginning(ordered[0], frame, reader_of(frame.body, frame.is_2019))


def _beginning(form: Form, frame: Frame, reader: Reader) -> tuple[Fields, str, Reader]:
    """What can be read of a body that ends too early, the rest of it under ``rest``."""
    fields: Fields = {}
    for name, kind in form.layout:
        at = reader.at
        try:
            read(((name, kind),), reader, fields)
        except Short:
            return {**fields, "rest": frame.body[at:]}, f"the body ends within {name}", reader
    reader.forget()
    return {"body": frame.body}, "the body makes no sense in any form of the standard", reader


def _range(message_id: int) -> str:
    """A name for what the standard only reserves."""
    for first, last, name in (
        (0x0F00, 0x0FFF, "reserved_up"),
        (0x8F00, 0x8FFF, "reserved_down"),
        (0xE000, 0xEFFF, "vendor_up"),
        (0xF000, 0xFFFF, "vendor_down"),
    ):
        if first <= message_id <= last:
            return name
    return "unknown"
