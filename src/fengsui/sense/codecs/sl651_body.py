"""The body of an SL 651-2014 message: serial, time, stations, times of observation and elements, in both encodings.

An element is an identifier, a definition (five bits of length, three of decimals) and its data.  All FF is a missing
value, a leading FF a minus.  Source: SL 651-2014 (approval draft), 6.6 and annexes C and D.  What is not understood is
an item of its own with its bytes; the items cover the body without gap.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.sl651_words import BASIC, BY_SIGN, ELEMENTS, OPERATING, Element

if TYPE_CHECKING:
    from fengsui.sense.codecs.sl651 import Frame

MAX_NUMBER = 40  # characters of a number in an ASCII body; annex C has at most 13
CHINA = timezone(timedelta(hours=8))
SERIES = (0x31, 0x38)  # even periods: one identifier, then a value for each step
BASIC_FUNCTIONS, OPERATING_FUNCTIONS = (0x40, 0x41), (0x42, 0x43)
WITH_CLASS = (0x30, 0x31, 0x32, 0x33, 0x34, 0x36, 0x37, 0x38, 0x3A, 0x44)  # tables 28 to 55
UNKNOWN = Term("未知标识符", "unknown identifier")
UNREAD = Term("未识别数据", "not readable")


class Item(NamedTuple):
    """One field of a body.  ``kind``: element, series, observed, station, text, picture, bytes or unread.

    ``value`` is what JSON can hold: a number, a text, a list; None is a missing value.
    """

    data: bytes  # identifier, definition and data, as they came
    kind: str
    code: str  # the identifier in hex digits, "" for fields without one
    name: Term
    value: Any = None
    unit: str = ""
    raw: str = ""  # the data alone: hex digits, or the text of ASCII messages
    decimals: int = 0
    meaning: Term | str = ""


@dataclass(slots=True)
class Body:
    """``serial`` and ``sent_at`` are None where the body is too short for them or they are no number and time."""

    serial: int | None = None
    sent_at: datetime | None = None
    items: list[Item] = field(default_factory=list)
    opening: bytes = b""  # the bytes of serial and time

    @property
    def departures(self) -> list[str]:
        kinds = {item.kind for item in self.items}
        return ["unread_bytes"] if "unread" in kinds else []


def opening(serial: int, at: datetime, in_ascii: bool) -> bytes:
    """Serial and time, with which every body begins."""
    data = serial.to_bytes(2, "big") + bytes.fromhex(at.astimezone(CHINA).strftime("%y%m%d%H%M%S"))
    return data.hex().upper().encode() if in_ascii else data


def element(
    code: int, value: Decimal | int | str | None, digits: int = 0, decimals: int | None = None
) -> bytes:
    """One element in HEX/BCD with the digits of annex C, or those given; None is a missing value."""
    known = ELEMENTS.get(code)
    digits = digits or (known.digits if known else 0)
    if decimals is None:
        decimals = known.decimals if known else 0
    size = (digits + 1) // 2
    if value is None:
        return bytes([code, size << 3 | decimals]) + b"\xff" * size
    scaled = int((Decimal(value) * 10**decimals).to_integral_value())
    text = f"{abs(scaled):0{2 * size}d}"
    if len(text) > 2 * size:
        raise ValueError(f"{value} has more than {digits} digits")
    data = bytes.fromhex(text)
    if scaled < 0:
        data = b"\xff" + data
    return bytes([code, len(data) << 3 | decimals]) + data


def report(
    serial: int,
    sent_at: datetime,
    station: str,
    station_class: int,
    observed_at: datetime,
    elements: Sequence[bytes],
) -> bytes:
    """The body of a test, timed, added or hourly report in HEX/BCD."""
    observed = bytes.fromhex(observed_at.astimezone(CHINA).strftime("%y%m%d%H%M"))
    return (
        opening(serial, sent_at, False)
        + b"\xf1\xf1"
        + bytes.fromhex(station)
        + bytes([station_class])
        + b"\xf0\xf0"
        + observed
        + b"".join(elements)
    )


def station_code(station: str) -> str:
    """The address as people write it: eight digits of SL 502, or six of GB/T 2260 and six of the station's number."""
    if station.startswith("00"):
        return station[2:]
    return station[:6] + f"{int(station[6:], 16):06d}"


def read(frame: "Frame") -> Body:
    """The body of a frame.  Never raises."""
    body = Body()
    data = frame.body
    if frame.ascii:
        _read_ascii(body, data, frame)
    else:
        body.opening = data[:8]
        if len(data) >= 2:
            body.serial = int.from_bytes(data[:2], "big")
        if len(data) >= 8:
            body.sent_at = _time(data[2:8].hex())
        body.items = list(_items(data, len(body.opening), frame.function, frame.down))
    return body


def _time(text: str) -> datetime | None:
    """YYMMDDHHmm[SS] of this century, Beijing time; None where it is no such time."""
    if not text.isascii() or not text.isdigit() or len(text) not in (8, 10, 12):
        return None
    parts = [int(text[at : at + 2]) for at in range(0, len(text), 2)]
    try:
        year, month, day, hour, *rest = parts
        minute, second = (*rest, 0, 0)[:2]
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CHINA)
    except ValueError:
        return None


# -- HEX/BCD ----------------------------------------------------------------------------------------------------


def _items(data: bytes, at: int, function: int, down: bool) -> Iterator[Item]:
    if down:
        yield from _down_items(data, at, function)
        return
    in_series = False
    after_station = False
    while at < len(data):
        code = data[at]
        pair = data[at : at + 2]
        if pair == b"\xf1\xf1" and len(data) >= at + 7:
            size = 7
            following = data[at + 7 : at + 10]
            has_class = following[:2] != b"\xf0\xf0" and (
                following[1:] == b"\xf0\xf0" or function in WITH_CLASS
            )
            if has_class and following:
                size = 8
            yield _station(data[at : at + size])
            in_series, after_station = False, True
        elif pair == b"\xf0\xf0" and len(data) >= at + 7:
            size = 7
            yield _observed(data[at : at + 7])
            in_series = after_station = False
        elif pair in (b"\xf2\xf2", b"\xf3\xf3", b"\xfd\xf6"):
            yield _long(data[at:], code)
            return
        elif after_station and (special := _special(data[at:], function)) is not None:
            yield special
            return
        else:
            one, size = _element(data, at, function)
            if one.kind == "element" and in_series:
                series = _series(data, at, size, one)
                if series is not None:
                    yield series
                    return
            in_series = one.code == "04" and function in SERIES
            yield one
        at += size


def _down_items(data: bytes, at: int, function: int) -> Iterator[Item]:
    """Downlink: identifiers without data where something is asked, or parameters with theirs."""
    if at == len(data):
        return
    if function == 0x38 and len(data) >= at + 8:
        for name in (Term("起始时间", "from"), Term("结束时间", "until")):
            piece = data[at : at + 4]
            value = _time(piece.hex())
            yield Item(piece, "bytes", "", name, _iso(value) or piece.hex(), raw=piece.hex().upper())
            at += 4
    asks = function in (0x3A, 0x41, 0x43)
    special = _special(data[at:], function)
    if special is not None:
        yield special
        return
    while at < len(data):
        if data[at : at + 2] == b"\xf1\xf1" and len(data) >= at + 7:  # table 25: where the function wants it
            size = 7
            yield _station(data[at : at + size])
        elif asks or (function == 0x38 and data[at] != 0x04):
            size = 3 if data[at] == 0xFF else 2
            piece = data[at : at + size]
            if len(piece) < size:
                yield _unread(data[at:])
                return
            code = piece[: size - 1].hex().upper()
            known = _known(function).get(data[at]) if size == 2 else None
            yield Item(
                piece, "asked", code, known.name if known else UNKNOWN, None, known.unit if known else ""
            )
        else:
            one, size = _element(data, at, function)
            yield one
        at += size


def _station(data: bytes) -> Item:
    address = data[2:7].hex().upper()
    meaning: Term | str = station_code(address)
    if len(data) == 8:
        name = words.CLASSES.get(data[7], Term("自定义", "own"))
        meaning = Term(f"{meaning} {name.zh}", f"{meaning} {name.en}")
    value = {"addr": address, "station_class": f"{data[7]:02X}" if len(data) == 8 else None}
    return Item(data, "station", "F1", words.STATION, value, raw=address, meaning=meaning)


def _observed(data: bytes) -> Item:
    text = data[2:].hex()
    at = _time(text)
    return Item(data, "observed", "F0", words.OBSERVED, at, raw=text.upper(), meaning=_iso(at) or text)


def _long(data: bytes, code: int) -> Item:
    """What fills the rest of a body: text entered by hand, a picture, a batch of velocities."""
    content = data[2:]
    if code == 0xF2:
        text = content.decode("gb18030", "replace")
        return Item(data, "text", "F2", words.BY_HAND, text, raw=content.hex().upper(), meaning=text)
    name = words.PICTURE if code == 0xF3 else words.VELOCITIES
    kind = "picture" if code == 0xF3 else "bytes"
    return Item(data, kind, f"{code:02X}", name, content.hex().upper(), meaning=f"{len(content)}")


def _special(data: bytes, function: int) -> Item | None:
    """Answers whose data stand without an identifier: version, pumps, valves, gates, quota, events."""
    if not data:
        return None
    if function == 0x45 and len(data) == 1 + data[0]:
        text = data[1:].decode("gb18030", "replace")
        return Item(data, "text", "", words.FUNCTIONS[0x45], text, raw=data[1:].hex().upper(), meaning=text)
    if function in (0x4C, 0x4D) and len(data) == 1 + data[0]:
        on = [f"{bit + 1}" for bit in range(8 * data[0]) if data[1 + bit // 8] >> bit % 8 & 1]
        name = Term("水泵开关机状态", "pumps on") if function == 0x4C else Term("阀门开关状态", "valves open")
        return Item(
            data, "bits", "", name, [int(n) for n in on], raw=data[1:].hex().upper(), meaning=" ".join(on)
        )
    if function == 0x4E:
        count = data[0]
        bits = (count + 7) // 8
        if len(data) == 1 + bits + 2 * count:
            openings = [_bcd(data[1 + bits + 2 * n :][:2].hex(), 0) for n in range(count)]
            gates = [
                {"gate": n + 1, "open": bool(data[1 + n // 8] >> n % 8 & 1), "opening_cm": openings[n]}
                for n in range(count)
            ]
            name = Term("闸门开关状态及开度", "gates and their openings")
            return Item(data, "bits", "", name, gates, "cm", raw=data.hex().upper(), meaning=str(gates))
    if function == 0x4F and len(data) == 1:
        says = {
            0xFF: Term("定值控制投入", "quota control on"),
            0x00: Term("定值控制退出", "quota control off"),
        }
        meaning = says.get(data[0], f"{data[0]:02X}")
        return Item(
            data,
            "bits",
            "",
            Term("定值控制", "quota control"),
            f"{data[0]:02X}",
            raw=data.hex(),
            meaning=meaning,
        )
    if function == 0x50 and len(data) == 64:
        counts = [int.from_bytes(data[2 * n : 2 * n + 2], "big") for n in range(32)]
        value = {f"ERC{n + 1}": count for n, count in enumerate(counts)}
        told = [(words.EVENTS[n], count) for n, count in enumerate(counts[: len(words.EVENTS)]) if count]
        meaning = Term(
            "，".join(f"{name.zh} {count}" for name, count in told) or "无",
            ", ".join(f"{name.en} {count}" for name, count in told) or "none",
        )
        return Item(
            data,
            "events",
            "",
            Term("事件记录", "event record"),
            value,
            raw=data.hex().upper(),
            meaning=meaning,
        )
    return None


def _known(function: int) -> dict[int, Element]:
    if function in BASIC_FUNCTIONS or function == 0x49:
        return BASIC
    if function in OPERATING_FUNCTIONS or function in (0x47, 0x48):
        return OPERATING
    return ELEMENTS


def _unread(data: bytes) -> Item:
    return Item(
        data, "unread", "", UNREAD, data.hex().upper(), raw=data.hex().upper(), meaning=data.hex(" ").upper()
    )


def _element(data: bytes, at: int, function: int) -> tuple[Item, int]:
    """The element at ``at`` and its size; what cannot be one takes the rest of the body."""
    wide = 3 if data[at] == 0xFF else 2
    if len(data) < at + wide:
        return _unread(data[at:]), len(data) - at
    definition = data[at + wide - 1]
    length, decimals = definition >> 3, definition & 7
    code = data[at : at + wide - 1].hex().upper()
    known = _known(function).get(data[at]) if wide == 2 else None
    if known is not None and known.kind == "bytes" and data[at] == 0x0E:
        length, decimals = definition, 0  # table D.1: all eight bits are the length
    size = wide + length
    if len(data) < at + size:
        return _unread(data[at:]), len(data) - at
    content = data[at + wide : at + size]
    name = known.name if known else UNKNOWN
    value, meaning = _value(content, decimals, known.kind if known else "bcd")
    unit = known.unit if known else ""
    piece = data[at : at + size]
    return Item(piece, "element", code, name, value, unit, content.hex().upper(), decimals, meaning), size


def _series(data: bytes, at: int, size: int, one: Item) -> Item | None:
    """Even periods: the values that follow one identifier up to the end of the body; None where they do not."""
    length = len(one.raw) // 2
    rest = data[at + size :]
    if not length or not rest or len(rest) % length:
        return None
    known = ELEMENTS.get(data[at]) if len(one.code) == 2 else None
    kind = known.kind if known else "bcd"
    values = [one.value]
    for begin in range(0, len(rest), length):
        content = rest[begin : begin + length]
        value, _ = _value(content, one.decimals, kind)
        if kind == "bcd" and value is None and content != b"\xff" * length:
            return None
        values.append(value)
    if kind in ("rain12", "level12"):
        values = [value for hour in values for value in hour]
    raw = data[at + size - length :].hex().upper()
    shown = " ".join("–" if value is None else str(value) for value in values)
    return Item(data[at:], "series", one.code, one.name, values, one.unit, raw, one.decimals, shown)


# -- values -----------------------------------------------------------------------------------------------------


def _bcd(digits: str, decimals: int) -> float | int | None:
    """A decimal number; None where it is missing (all F) or no number."""
    negative = digits[:2].upper() == "FF" and digits.upper().strip("F") != ""
    if negative:
        digits = digits[2:]
    if not digits.isascii() or not digits.isdigit():
        return None
    number = int(digits) * (-1 if negative else 1)
    return number if decimals == 0 else number / 10**decimals


def _value(content: bytes, decimals: int, kind: str) -> tuple[Any, Term | str]:
    """What data of a kind say, for programs and for people."""
    text = content.hex().upper()
    if kind == "bcd":
        number = _bcd(text, decimals)
        if number is None:
            return None, Term("缺测", "missing") if text and not text.strip("F") else text
        return number, f"{number:.{decimals}f}" if decimals else str(number)
    if kind == "rain12":
        rain = [None if byte == 0xFF else byte / 10 for byte in content]
        return rain, " ".join("–" if one is None else f"{one:.1f}" for one in rain)
    if kind == "level12":
        pairs = [int.from_bytes(content[n : n + 2], "big") for n in range(0, len(content) - 1, 2)]
        levels = [None if one == 0xFFFF else one / 100 for one in pairs]
        return levels, " ".join("–" if one is None else f"{one:.2f}" for one in levels)
    if kind == "step":
        step = _step(content)
        return text, step if step else text
    if kind == "duration":
        number = _bcd(text, decimals)
        return number, f"{number:.2f} h.min" if number is not None else Term("缺测", "missing")
    if kind == "state":
        number = int.from_bytes(content, "big")
        told = [
            (name, one if number >> bit & 1 else zero)
            for bit, (name, zero, one) in enumerate(words.STATE_BITS)
        ]
        meaning = Term(
            "，".join(f"{name.zh}{says.zh}" for name, says in told),
            ", ".join(f"{name.en} {says.en}" for name, says in told),
        )
        return number, meaning
    if kind == "centres":
        return list(content), " ".join(str(byte) for byte in content)
    if kind == "station":
        return text, station_code(text) if len(text) == 10 else text
    if kind == "mode":
        mode = words.MODES.get(content[-1]) if content else None
        return text, mode or text
    if kind == "channel":
        return _channel(content)
    if kind == "observed":
        names = [
            name
            for byte, row in zip(content, words.OBSERVED_BITS, strict=False)
            for bit, name in enumerate(row.split())
            if byte << bit & 0x80
        ]
        return text, " ".join(names) or text
    if kind == "card":
        says = content.decode("ascii", "replace")
        return says, says
    return text, text


def _channel(content: bytes) -> tuple[Any, Term | str]:
    """A channel: its kind, then a number, or an IPv4 address (six BCD bytes) with a port (three)."""
    if not content:
        return "", ""
    kind = words.CHANNELS.get(int(f"{content[0]:02X}") if f"{content[0]:02X}".isdigit() else -1)
    digits = content[1:].hex().upper()
    if content[0] == 2 and len(content) == 10 and digits.isdigit():
        address = ".".join(str(int(digits[n : n + 3])) for n in range(0, 12, 3)) + f":{int(digits[12:])}"
    else:
        address = digits.lstrip("A")
    value = {"channel": f"{content[0]:02X}", "address": address}
    if kind is None:
        return value, f"{content[0]:02X} {address}"
    return value, Term(f"{kind.zh} {address}", f"{kind.en} {address}")


def _step(content: bytes) -> Term | None:
    """A time step, days, hours or minutes in BCD; all zero: groups of an hour follow."""
    text = content.hex()
    if len(content) != 3 or not text.isdigit():
        return None
    days, hours, minutes = (int(text[n : n + 2]) for n in (0, 2, 4))
    if not (days or hours or minutes):
        return Term("1 小时时段组合数据", "groups of an hour")
    return Term(f"{days} 日 {hours} 时 {minutes} 分", f"{days} d {hours} h {minutes} min")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


# -- ASCII ------------------------------------------------------------------------------------------------------


def _read_ascii(body: Body, data: bytes, frame: "Frame") -> None:
    """Identifier, blank, data, blank …; serial and time stand in front without one."""
    body.opening = data[:16]
    head = data[:16].decode("latin-1")
    if re.fullmatch(r"[0-9A-Fa-f]{4}", head[:4]):
        body.serial = int(head[:4], 16)
    body.sent_at = _time(head[4:16])
    at, tokens = 16, []
    for match in re.finditer(rb"[^ ]+ *| +", data[16:]):
        tokens.append(match[0])
        sign = match[0].strip(b" ").upper()
        if sign in (b"RGZS", b"PIC", b"DATA"):  # sent as they are, to the end
            tokens.append(data[at + match.end() :])
            break
    body.items = list(_ascii_items([token for token in tokens if token], frame))


def _ascii_items(tokens: list[bytes], frame: "Frame") -> Iterator[Item]:
    at = 0
    step = False

    def text(index: int) -> str:
        return tokens[index].decode("latin-1").strip(" ") if index < len(tokens) else ""

    while at < len(tokens):
        sign = text(at)
        upper = sign.upper()
        whole = tokens[at] + (tokens[at + 1] if at + 1 < len(tokens) else b"")
        if upper == "ST":
            letter = text(at + 2)
            has_class = (len(letter) == 1 and text(at + 3).upper() == "TT") or (
                frame.function in WITH_CLASS and len(letter) == 1
            )
            value = {"addr": text(at + 1), "station_class": f"{ord(letter):02X}" if has_class else None}
            name = words.CLASSES.get(ord(letter)) if has_class else None
            meaning = Term(f"{text(at + 1)} {name.zh}", f"{text(at + 1)} {name.en}") if name else text(at + 1)
            size = 3 if has_class else 2
            yield Item(
                b"".join(tokens[at : at + size]),
                "station",
                "F1",
                words.STATION,
                value,
                raw=text(at + 1),
                meaning=meaning,
            )
            at += size
            continue
        if upper == "TT":
            observed = _time(text(at + 1))
            yield Item(
                whole,
                "observed",
                "F0",
                words.OBSERVED,
                observed,
                raw=text(at + 1),
                meaning=_iso(observed) or text(at + 1),
            )
            step = False
        elif upper in ("RGZS", "PIC", "DATA"):
            content = tokens[at + 1] if at + 1 < len(tokens) else b""
            code = {"RGZS": 0xF2, "PIC": 0xF3, "DATA": 0xFD}[upper]
            yield replace_data(_long(b"\0\0" + content, code), whole)
        elif re.fullmatch(r"DR[DHN]\d\d", upper):
            unit = {"D": ("日", "d"), "H": ("时", "h"), "N": ("分", "min")}[upper[2]]
            count = int(upper[3:])
            meaning = Term(f"{count} {unit[0]}", f"{count} {unit[1]}")
            raw = {"D": f"{count:02}0000", "H": f"00{count:02}00", "N": f"0000{count:02}"}[upper[2]]
            yield Item(tokens[at], "element", "04", ELEMENTS[0x04].name, raw, "", raw, 0, meaning)
            step = frame.function in SERIES
            at += 1
            continue
        elif step and frame.function in SERIES:
            yield from _ascii_series(tokens[at:], frame)
            return
        elif at + 1 >= len(tokens) or (frame.down and frame.function in (0x3A, 0x41, 0x43)):
            known = _by_sign(sign, frame.function)
            kind = "asked" if frame.down else "unread"
            yield Item(
                tokens[at],
                kind,
                f"{known.code:02X}" if known else sign,
                known.name if known else UNKNOWN,
                None,
            )
            at += 1
            continue
        else:
            yield _ascii_element(whole, sign, text(at + 1), frame.function)
        at += 2


def replace_data(item: Item, data: bytes) -> Item:
    return Item(
        data, item.kind, item.code, item.name, item.value, item.unit, item.raw, item.decimals, item.meaning
    )


def _by_sign(sign: str, function: int) -> Element | None:
    if sign in BY_SIGN:
        return BY_SIGN[sign]
    if sign.upper() in BY_SIGN:
        return BY_SIGN[sign.upper()]
    if function >= 0x40 and re.fullmatch(r"[0-9A-Fa-f]{2}", sign):
        return _known(function).get(int(sign, 16))
    return None


def _ascii_element(data: bytes, sign: str, text: str, function: int) -> Item:
    known = _by_sign(sign, function)
    code = f"{known.code:02X}" if known else sign
    name = known.name if known else UNKNOWN
    unit, kind = (known.unit, known.kind) if known else ("", "bcd")
    if kind in ("bcd", "duration"):
        number = _decimal(text)
        decimals = len(text.partition(".")[2])
        meaning: Term | str = text if number is not None else Term("缺测", "missing") if text == "M" else text
        return Item(data, "element", code, name, number, unit, text, decimals, meaning)
    try:
        content = bytes.fromhex(text)
    except ValueError:
        return Item(data, "element", code, name, None, unit, text, 0, text)
    value, meaning = _value(content, 0, kind)
    return Item(data, "element", code, name, value, unit, text, known.decimals if known else 0, meaning)


def _decimal(text: str) -> float | int | None:
    if len(text) > MAX_NUMBER or not re.fullmatch(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", text, re.ASCII):
        return None
    return float(text) if "." in text else int(text)


def _ascii_series(tokens: list[bytes], frame: "Frame") -> Iterator[Item]:
    """Identifiers of all elements, then their values, step by step."""
    names = []
    for token in tokens:
        known = _by_sign(token.decode("latin-1").strip(" "), frame.function)
        if known is None:
            break
        names.append(known)
    values = tokens[len(names) :]
    if not names:
        yield _unread(b"".join(tokens))
        return
    columns: list[list[Any]] = [[] for _ in names]
    for index, token in enumerate(values):
        known = names[index % len(names)]
        one = _ascii_element(token, known.sign, token.decode("latin-1").strip(" "), frame.function)
        columns[index % len(names)] += one.value if isinstance(one.value, list) else [one.value]
    for index, known in enumerate(names):
        data = (
            b"".join(tokens) if index == 0 else b""
        )  # values of all elements stand mixed: the first has the bytes
        shown = " ".join("–" if value is None else str(value) for value in columns[index])
        raw = b"".join(values[index :: len(names)]).decode("latin-1").strip(" ")
        yield Item(
            data,
            "series",
            f"{known.code:02X}",
            known.name,
            columns[index],
            known.unit,
            raw,
            known.decimals,
            shown,
        )


# -- what it comes to -------------------------------------------------------------------------------------------


def describe(body: Body) -> dict[str, Any]:
    """Serial, time, station and elements in order; a time of observation stands before what was observed at it."""
    told: dict[str, Any] = {"serial": body.serial, "send_time": _iso(body.sent_at)}
    elements: list[dict[str, Any]] = []
    for item in body.items:
        if item.kind == "station":
            if "addr" in told:
                elements.append({"station": item.value["addr"], "station_class": item.value["station_class"]})
            else:
                told.update(item.value)
        elif item.kind == "observed":
            elements.append({"observation_time": _iso(item.value), "raw": item.raw})
        elif item.kind == "picture":
            told["picture_bytes"] = len(item.value) // 2
            told["picture_hex"] = item.value
        elif item.kind == "text" and item.code == "F2":
            told["manual_text"] = item.value
        elif item.kind == "text":
            told["version"] = item.value
        elif item.kind == "unread":
            told["unread_hex"] = told.get("unread_hex", "") + item.data.hex().upper()
        else:
            elements.append(_told(item))
    told["elements"] = elements
    return told


def _told(item: Item) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": item.code or None,
        "name": item.name.zh,
        "name_en": item.name.en,
        "raw": item.raw,
    }
    if item.kind == "element":
        told["bytes"] = len(item.raw) // 2
        told["decimals"] = item.decimals
    told["values" if isinstance(item.value, list) else "value"] = item.value
    if item.unit:
        told["unit"] = item.unit
    if isinstance(item.meaning, Term):
        told["meaning"] = item.meaning._asdict()
    return told


def readings(body: Body) -> Iterator[tuple[str, Item, datetime | None, float]]:
    """Station, element, time and value of everything measured; NaN is a missing value.

    Without a time of observation, the time of sending counts.
    """
    station, at, step = "", body.sent_at, timedelta(minutes=5)
    for item in body.items:
        if item.kind == "station":
            station, at = item.value["addr"], body.sent_at
        elif item.kind == "observed":
            at = item.value or body.sent_at
        elif item.code == "04" and item.kind == "element":
            step = _span(item.raw)
        elif item.kind in ("element", "series") and not (item.value is None and item.name == UNKNOWN):
            each = timedelta(minutes=5) if item.code in _HOURLY else step
            values = item.value if isinstance(item.value, list) else [item.value]
            for index, value in enumerate(values):
                if value is None or isinstance(value, int | float):
                    when = at + index * each if at and index else at
                    yield station, item, when, math.nan if value is None else float(value)


def pictures(body: Body) -> Iterator[tuple[Item, datetime | None]]:
    """Every picture with its time of observation, or else that of sending."""
    at = body.sent_at
    for item in body.items:
        if item.kind == "observed":
            at = item.value or body.sent_at
        elif item.kind == "picture":
            yield item, at


_HOURLY = frozenset(f"{code:02X}" for code in range(0xF4, 0xFD))


def _span(raw: str) -> timedelta:
    """A time step of six digits; what is none, or zero, is five minutes, as in groups of an hour."""
    if not re.fullmatch(r"\d{6}", raw, re.ASCII):
        return timedelta(minutes=5)
    span = timedelta(days=int(raw[:2]), hours=int(raw[2:4]), minutes=int(raw[4:]))
    return span or timedelta(minutes=5)


def explain(body: Body) -> Iterator[tuple[int, Term, Term | str]]:
    """Size, name and meaning of each field; the sizes add up to the body."""
    wide = 4 if len(body.opening) > 8 else 2
    yield min(wide, len(body.opening)), Term("流水号", "serial"), str(body.serial)
    yield max(0, len(body.opening) - wide), Term("发报时间", "sent at"), _iso(body.sent_at) or UNREAD
    for item in body.items:
        meaning = item.meaning
        if item.unit and isinstance(meaning, str):
            meaning = f"{meaning} {item.unit}".strip()
        name = Term(f"{item.code} {item.name.zh}".strip(), f"{item.name.en}")
        yield len(item.data), name, meaning or item.raw
