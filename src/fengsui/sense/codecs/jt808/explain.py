"""A JT/T 808 frame for a person: each field of header and body over the bytes as sent, and the whole as plain JSON.

The fields of the body come from the same tables that read it, by a reader that keeps where each of them stood.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fengsui.sense.codecs.frame import Row, Term
from fengsui.sense.codecs.jt808 import words
from fengsui.sense.codecs.jt808.frame import ENCRYPTION, FLAG, Frame, unescaped, xor
from fengsui.sense.codecs.jt808.layout import Bits, Choice, Span
from fengsui.sense.codecs.jt808.message import decode, spans
from fengsui.sense.codecs.measured import plain
from fengsui.sense.codecs.rows import Rows

UNITS = {
    "_km_h": "km/h",
    "_km": "km",
    "_deg": "°",
    "_m": "m",
    "_s": "s",
    "_ms": "ms",
    "_l": "L",
    "_c": "°C",
    "_kpa": "kPa",
    "_percent": "%",
    "_min": "min",
    "latitude": "°",
    "longitude": "°",
}
_ESCAPE = 0x7D
_ENCRYPTION = {"none": "不加密", "rsa": "RSA"}


def describe(frame: Frame) -> dict[str, Any]:
    """Header and fields of one frame as plain JSON values."""
    message = decode(frame)
    said: dict[str, Any] = {
        "message_id": f"0x{frame.message_id:04X}",
        "name": message.name,
        "properties": frame.properties,
        "version": 2019 if frame.is_2019 else 2013,
        "protocol_version": frame.protocol,
        "phone": frame.phone,
        "serial": frame.serial,
        "encryption": ENCRYPTION.get(frame.encryption, "reserved"),
    }
    if frame.total:
        said |= {"total": frame.total, "index": frame.index}
    return {
        **said,
        "fields": plain(message.fields),
        "notes": list(message.notes),
        "departures": list(frame.departures),
    }


def explain(frame: Frame) -> list[Row]:
    """The rows of a frame; of a joined message, packet by packet."""
    rows: list[Row] = []
    for packet in frame.packets or (frame,):
        base = rows[-1].offset + len(rows[-1].data) if rows else 0
        rows += [row._replace(offset=base + row.offset) for row in _rows(packet)]
    return rows


def _rows(frame: Frame) -> list[Row]:
    opens = frame.raw.startswith(FLAG)
    closes = len(frame.raw) > opens and frame.raw.endswith(FLAG)
    sent = frame.raw[opens : len(frame.raw) - closes]
    rows = Rows(frame.raw, list(_edges(frame.raw, opens, closes)))
    rows.add(int(opens), Term("标识位", "flag"), "7E")
    name = decode(frame).name
    rows.add(2, Term("消息ID", "message id"), Term(f"0x{frame.message_id:04X} {words.MESSAGES[name]}", name))
    rows.add(2, Term("消息体属性", "properties"), _properties(frame))
    if frame.is_2019:
        rows.add(1, Term("协议版本号", "protocol version"), str(frame.protocol))
    rows.add(10 if frame.is_2019 else 6, Term("终端手机号", "phone"), frame.phone)
    rows.add(2, Term("消息流水号", "serial"), str(frame.serial))
    if frame.total:
        rows.add(2, Term("消息总包数", "packets in all"), str(frame.total))
        rows.add(2, Term("包序号", "packet number"), str(frame.index))
    _body(rows, frame)
    message = unescaped(sent)
    computed = xor(message[:-1])
    rows.add(
        1,
        Term("校验码", "check byte"),
        Term("正确", "fits")
        if computed == message[-1]
        else Term(f"不符，应为 {computed:02X}", f"wrong, should be {computed:02X}"),
    )
    rows.add(int(closes), Term("标识位", "flag"), "7E")
    return rows.rows


def _edges(raw: bytes, opens: bool, closes: bool) -> Iterator[int]:
    """Where each byte of the message begins in the frame; an escaped pair is one byte."""
    at, end = 0, len(raw) - closes
    while at < end:
        yield at
        is_pair = raw[at] == _ESCAPE and at + 1 < end and raw[at + 1] in (1, 2)
        at += 2 if is_pair else 1
    if closes:
        yield end
    yield len(raw)


def _properties(frame: Frame) -> Term:
    how = ENCRYPTION.get(frame.encryption, "reserved")
    zh = [f"消息体长度 {len(frame.body)}", f"加密 {_ENCRYPTION.get(how, '保留')}"]
    en = [f"body of {len(frame.body)} bytes", f"encryption {how}"]
    if frame.total:
        zh.append("分包")
        en.append("split")
    year = "2019" if frame.is_2019 else "2013"
    return Term("，".join([*zh, f"{year} 版"]), ", ".join([*en, f"form of {year}"]))


def _body(rows: Rows, frame: Frame) -> None:
    """A row for each innermost field; what lies between them belongs to the field around, lengths and counts."""
    base, size = rows.at, len(frame.body)
    whole = "part" if frame.total else "encrypted" if frame.encryption else "rest"
    told = spans(frame)
    if not told and whole == "rest":
        whole = "body"
    order = sorted(enumerate(told), key=lambda one: (one[1].start, -one[1].end, -one[0]))
    root = Span(whole, None, 0, size, None)
    around = [root]

    def until(end: int) -> None:
        """Rows up to ``end``, of the fields that are open and of those that close on the way."""
        while len(around) > 1 and around[-1].end <= end:
            own = around[-1]
            _add(rows, around[1:], own.end - (rows.at - base), own)
            around.pop()
        _add(rows, around[1:] or around, end - (rows.at - base), None)

    for _, span in order:
        if span.end > span.start:
            until(span.start)
            around.append(span)
    until(size)


def _add(rows: Rows, path: list[Span], size: int, whole: Span | None) -> None:
    """``whole``: the row is all of this field, or its end; otherwise a count or a length before what is inside."""
    terms = [words.field(span.name) for span in path]
    name = Term(" ".join(term.zh for term in terms), " ".join(term.en for term in terms))
    if whole is not None and whole.end - whole.start == size:
        rows.add(size, name, _meaning(whole))
    elif path[-1].name in ("part", "body", "encrypted", "rest"):
        rows.add(size, name, Term(f"{size} 字节", f"{size} bytes"))
    else:
        rows.add(size, name, Term("标识、长度或个数", "id, length or count"))


def _meaning(span: Span) -> Term | str:
    value, kind = span.value, span.kind
    if isinstance(kind, Bits):
        return words.value(*kind.names_of(value))
    if isinstance(kind, Choice):
        said = words.value(kind.meanings.get(value, kind.otherwise))
        return Term(f"{value} {said.zh}", f"{value} {said.en}") if isinstance(said, Term) else said
    if value is None:
        return Term("无", "none")
    if isinstance(value, datetime):
        return str(plain(value))
    if isinstance(value, bytes):
        return Term(f"{len(value)} 字节", f"{len(value)} bytes")
    if isinstance(value, int | float):
        unit = next((unit for ending, unit in UNITS.items() if span.name.endswith(ending)), "")
        return f"{value} {unit}".strip()
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(one)}" for key, one in value.items())
    return ", ".join(str(plain(one)) for one in value) if isinstance(value, list) else str(value)
