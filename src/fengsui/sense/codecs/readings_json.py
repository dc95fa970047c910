"""JSON readings as HTTP and MQTT devices send them: bytes in, a draft of columns out.  Our own schema.

Two shapes, described with examples in docs/protocols/http.md:

    {"site": "plant-1", "time": T, "datastreams": {"PT-101": V, …}, "quality": {…}, "units": {…}}      columns
    {"site": "plant-1", "readings": [{"datastream": "PT-101", "time": T, "value": V, …}, …]}            rows

A well-formed message takes the fast path (typed decoding in C, whole columns to NumPy).  Anything else is read
again slowly, reading by reading, so that each refused reading is named and the good ones are kept.  Nothing here
raises on any bytes; nothing here knows a registry or a clock.
"""

import json
import math
import reprlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Literal

import msgspec
import numpy as np

from fengsui.base.batch import Refused
from fengsui.base.errors import BadInput
from fengsui.base.quality import Quality, Reason

MAX_READINGS = 1_000_000  # a message is held in memory as a whole
MAX_COMMAS = 6 * MAX_READINGS  # bounds what decoding may cost before the readings can be counted
MAX_TIME_MS = 253_402_300_799_999  # end of the year 9999, the last that a calendar can show
TEXT_LIMIT = 200  # characters kept of a refused code, time, value or unit
RAW_LIMIT = 2000  # characters kept of a message that cannot be read at all

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_QUALITY = {"good": Quality.GOOD, "uncertain": Quality.UNCERTAIN, "bad": Quality.BAD}
_FIELDS = ("site", "time", "datastreams", "quality", "units", "readings")
_ROW_FIELDS = ("datastream", "time", "value", "quality", "unit")
_short = reprlib.Repr()


class BadPayload(BadInput):
    """A message of which no single reading could be read."""

    code = "sense.bad_payload"


@dataclass(slots=True)
class Draft:
    """What a device says, before anybody asked whether it may and whether the names exist.

    ``codes`` the distinct datastream codes as sent · ``units`` the distinct units, ``units[0] == ""`` is the
    datastream's own.  Columns of length n: ``code`` int32 into codes · ``unit`` int32 into units, or None when all
    are 0 · ``time_ms`` int64 UTC (0 where unreadable) · ``value`` float64, NaN = no value · ``quality`` uint8 ·
    ``reason`` uint8, UNPARSABLE or 0.  ``message`` and ``sent`` say for a refused row why, and what was sent.
    Row order: rows as sent; columns datastream by datastream, each in the order of its times.
    """

    site: str | None
    codes: tuple[str, ...]
    code: np.ndarray
    time_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray
    reason: np.ndarray
    units: tuple[str, ...] = ("",)
    unit: np.ndarray | None = None
    message: dict[int, str] = field(default_factory=dict)
    sent: dict[int, Refused] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.code)


def decode(data: bytes) -> Draft | BadPayload:
    """The readings of one message.  Never raises; BadPayload is returned when nothing in it can be read."""
    if len(data) > MAX_COMMAS and data.count(b",") > MAX_COMMAS:
        return _too_many()
    try:
        message = _decoder.decode(data)
        if isinstance(message.datastreams, dict) and message.readings is msgspec.UNSET:
            draft = _columns(message, data)
        elif isinstance(message.readings, list) and message.datastreams is msgspec.UNSET:
            draft = _rows(message, data)
        else:
            draft = None
    except (msgspec.MsgspecError, _NotPlain, ValueError, TypeError, OverflowError, RecursionError):
        draft = None  # the slow way says what is wrong
    return _read_slowly(data) if draft is None else draft


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """``value`` as text that every store can keep: cut at ``limit``, no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        shown = value
    elif isinstance(value, list | dict):
        shown = _short.repr(value)  # never costs more than what is shown
    else:
        shown = json.dumps(value)
    shown = shown[:limit].replace("\x00", "\N{SYMBOL FOR NULL}")
    return shown.encode("utf-8", "replace").decode("utf-8")


def raw(data: bytes) -> str:
    """The beginning of an unreadable message as text, at most RAW_LIMIT characters."""
    return text(data[: 4 * RAW_LIMIT].decode("utf-8", "replace"), RAW_LIMIT)


def parse_time(value: object) -> int | None:
    """UTC epoch milliseconds of ISO 8601 text with an offset, or of a whole number of ms; None if it is neither."""
    if isinstance(value, str):
        try:
            at = msgspec.convert(value, datetime)
        except (msgspec.ValidationError, UnicodeEncodeError):
            return None
        if at.tzinfo is None:
            return None
        value = (at - _EPOCH) // _MS
    elif isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_TIME_MS else None


# ---- the fast path --------------------------------------------------------------------------------------------


class _NotPlain(Exception):
    """Correct as far as seen, but only the slow path can tell."""


_Quality = Literal["good", "uncertain", "bad"]
_Time = int | str
_Unset = msgspec.UnsetType


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    datastream: str
    time: _Time
    value: float | None
    quality: _Quality | _Unset = msgspec.UNSET
    unit: str | _Unset = msgspec.UNSET


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    site: str | _Unset = msgspec.UNSET
    time: _Time | list[_Time] | _Unset = msgspec.UNSET
    datastreams: dict[str, float | list[float | None] | None] | _Unset = msgspec.UNSET
    quality: dict[str, str | list[str]] | _Unset = msgspec.UNSET
    units: dict[str, str] | _Unset = msgspec.UNSET
    readings: list[_Row] | _Unset = msgspec.UNSET


_MARK = np.uint8(ord('"'))
_decoder = msgspec.json.Decoder(_Message)
_FIELDS_OF_ROW = attrgetter("datastream", "time", "value", "quality", "unit")


def _columns(m: _Message, data: bytes) -> Draft | None:
    times = m.time if isinstance(m.time, list) else [m.time]
    streams, quality, units = m.datastreams, m.quality or {}, m.units or {}
    assert isinstance(streams, dict)
    fields = (
        2 + (m.site is not msgspec.UNSET) + (m.quality is not msgspec.UNSET) + (m.units is not msgspec.UNSET)
    )
    strings = fields + len(streams) + 2 * len(units) + len(quality) + isinstance(m.site, str)
    strings += sum(isinstance(t, str) for t in times)
    if quality:
        strings += sum(len(q) if isinstance(q, list) else 1 for q in quality.values())
    _no_repeated_key(data, strings)
    instants = _instants(times)
    if (
        not streams
        or "" in streams
        or not quality.keys() <= streams.keys()
        or not units.keys() <= streams.keys()
    ):
        return None
    value = _numbers(streams)
    if value.shape != ((len(streams), len(times)) if isinstance(m.time, list) else (len(streams),)):
        return None
    n, d = value.size, len(streams)
    if n > MAX_READINGS or np.count_nonzero(np.isinf(value)):
        return None
    codes = tuple(streams)
    index = {code: i for i, code in enumerate(codes)} if quality or units else {}
    draft = Draft(
        None if m.site is msgspec.UNSET else m.site,
        codes,
        np.arange(d, dtype=np.int32)
        if len(times) == 1
        else np.repeat(np.arange(d, dtype=np.int32), len(times)),
        np.full(n, instants[0], np.int64) if len(times) == 1 else np.tile(np.array(instants, np.int64), d),
        value.reshape(n),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
    )
    if quality:
        table = np.zeros((d, len(times)), np.uint8)
        for code, said in quality.items():
            if isinstance(said, list) and (len(said) != len(times) or not isinstance(m.time, list)):
                return None
            table[index[code]] = [_QUALITY[q] for q in said] if isinstance(said, list) else _QUALITY[said]
        draft.quality = table.reshape(n)
    if units:
        draft.units = ("", *(u for u in dict.fromkeys(units.values()) if u))
        place = {u: i for i, u in enumerate(draft.units)}
        of_stream = np.zeros(d, np.int32)
        for code, unit in units.items():
            of_stream[index[code]] = place[unit]
        draft.unit = np.repeat(of_stream, len(times))
    return draft


def _numbers(streams: dict[str, Any]) -> np.ndarray:
    """Values in the order of the datastreams: one each, or a list each; NaN for null.  Raises ValueError."""
    try:  # half the time of a list
        packed = bytearray(struct.pack(f"{len(streams)}d", *streams.values()))
    except struct.error:
        return np.array(list(streams.values()), np.float64)
    return np.frombuffer(packed)


def _rows(m: _Message, data: bytes) -> Draft | None:
    rows = m.readings
    assert isinstance(rows, list)
    if not rows or len(rows) > MAX_READINGS:
        return None
    if m.time is not msgspec.UNSET or m.quality is not msgspec.UNSET or m.units is not msgspec.UNSET:
        return None
    n = len(rows)
    names, times, values, said, sent = zip(*map(_FIELDS_OF_ROW, rows), strict=True)
    with_quality, with_unit = n - said.count(msgspec.UNSET), n - sent.count(msgspec.UNSET)
    instants = dict.fromkeys(times)
    texts = [t for t in instants if isinstance(t, str)]
    if texts:
        texts = list(times) if len(texts) == len(instants) else [t for t in times if isinstance(t, str)]
    _no_repeated_key(
        data, 1 + 2 * (m.site is not msgspec.UNSET) + 4 * n + 2 * with_quality + 2 * with_unit + len(texts)
    )
    instant = dict(zip(instants, _instants(list(instants)), strict=True))
    value = np.array(values, np.float64)
    if not np.isfinite(value[~np.isnan(value)]).all():
        return None
    codes = tuple(dict.fromkeys(names))
    if "" in codes:
        return None
    draft = Draft(
        None if m.site is msgspec.UNSET else m.site,
        codes,
        np.arange(n, dtype=np.int32) if len(codes) == n else _places(names, codes),
        np.full(n, instant[times[0]], np.int64)
        if len(instant) == 1
        else np.fromiter(map(instant.__getitem__, times), np.int64, n),
        value,
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
    )
    if with_quality:
        draft.quality = np.array([0 if q is msgspec.UNSET else _QUALITY[q] for q in said], np.uint8)
    if with_unit:
        unit = ["" if u is msgspec.UNSET else u for u in sent]
        draft.units = tuple(dict.fromkeys(["", *unit]))
        draft.unit = _places(unit, draft.units)
    return draft


def _places(names: Sequence[str], distinct: tuple[str, ...]) -> np.ndarray:
    place = {name: i for i, name in enumerate(distinct)}
    return np.fromiter(map(place.__getitem__, names), np.int32, len(names))


def _instants(times: list) -> list[int]:
    out = [at for t in times if (at := parse_time(t)) is not None]
    if not out or len(out) != len(times):
        raise _NotPlain
    return out


def _no_repeated_key(data: bytes, strings: int) -> None:
    """A repeated key is lost in a dict but not in the bytes: their quotation marks must be those of ``strings``."""
    marks = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _MARK))  # many: quicker than data.count
    if b"\\" in data:
        if b"\\\\" in data:
            raise _NotPlain
        marks -= data.count(b'\\"')
    if marks != 2 * strings:
        raise _NotPlain


# ---- the slow path --------------------------------------------------------------------------------------------


class _Repeated(Exception):
    """A key stands twice in one object."""


def _read_slowly(data: bytes) -> Draft | BadPayload:
    try:
        source = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        message = json.loads(
            source, object_pairs_hook=_object, parse_int=_integer, parse_float=float, parse_constant=float
        )
    except UnicodeDecodeError as error:
        return BadPayload(f"not UTF-8: byte {error.start} is {data[error.start] if data else 0:#04x}")
    except json.JSONDecodeError as error:
        return BadPayload(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except _Repeated as error:
        return BadPayload(f"key {text(error.args[0], 80)!r} stands twice in one object: say it once")
    except RecursionError:
        return BadPayload("nested too deeply")
    except ValueError as error:  # a number that no parser takes
        return BadPayload(f"not JSON: {text(str(error), 80)}")
    if not isinstance(message, dict):
        return BadPayload('a message is an object with "datastreams" or "readings"')
    if unknown := [key for key in message if key not in _FIELDS]:
        return BadPayload(f"field {text(unknown[0], 80)!r} is not known; known: {', '.join(_FIELDS)}")
    site = message.get("site")
    if site is not None and not isinstance(site, str):
        return BadPayload('"site" must be text')
    if ("datastreams" in message) == ("readings" in message):
        return BadPayload('a message has either "datastreams" (columns) or "readings" (rows)')
    site = None if site is None else text(site)
    return _slow_rows(site, message) if "readings" in message else _slow_columns(site, message)


def _object(pairs: list[tuple[str, Any]]) -> dict:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        raise _Repeated(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)


class _Gather:
    """Rows one by one, the refused among them with their message."""

    def __init__(self, site: str | None) -> None:
        self.site = site
        self.codes: dict[str, int] = {}
        self.units: dict[str, int] = {"": 0}
        self.columns: list[tuple[int, int, float, int, int, int]] = []
        self.message: dict[int, str] = {}
        self.sent: dict[int, Refused] = {}

    def add(
        self, code: object, time: object, value: object, quality: object, unit: object, why: str = ""
    ) -> None:
        instant = parse_time(time)
        why = why or _why(code, time, instant, value, quality, unit)
        row = len(self.columns)
        if why:
            self.message[row] = why
            self.sent[row] = Refused(text(code), text(time), text(value), text(unit))
        number = float("nan") if why or value is None else float(value)  # type: ignore[arg-type]
        known = isinstance(code, str)
        self.columns.append(
            (
                self.codes.setdefault(text(code) if known else "", len(self.codes)),
                instant or 0,
                number,
                0 if why else _QUALITY[quality],  # type: ignore[index]
                Reason.UNPARSABLE if why else 0,
                self.units.setdefault(text(unit) if isinstance(unit, str) else "", len(self.units)),
            )
        )

    def draft(self) -> Draft:
        code, time_ms, value, quality, reason, unit = zip(*self.columns, strict=True)
        return Draft(
            self.site,
            tuple(self.codes),
            np.array(code, np.int32),
            np.array(time_ms, np.int64),
            np.array(value, np.float64),
            np.array(quality, np.uint8),
            np.array(reason, np.uint8),
            tuple(self.units),
            np.array(unit, np.int32) if len(self.units) > 1 else None,
            self.message,
            self.sent,
        )


def _why(
    code: object, time: object, instant: int | None, value: object, quality: object, unit: object
) -> str:
    """What is wrong with one reading; "" if nothing is."""
    if not isinstance(code, str) or not code:
        return '"datastream" must be the code of a datastream'
    if instant is None:
        if isinstance(time, str):
            return '"time" must be ISO 8601 with an offset, such as 2026-03-01T08:00:00.000+08:00'
        if isinstance(time, int) and not isinstance(time, bool):
            return '"time" in milliseconds must lie between the years 1970 and 9999'
        return '"time" must be ISO 8601 text or a whole number of milliseconds since 1970 UTC'
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return '"value" must be a number, or null for no value'
        if not math.isfinite(value):
            return '"value" is not a finite number; write null for no value'
    if not isinstance(quality, str) or quality not in _QUALITY:
        return '"quality" must be "good", "uncertain" or "bad"'
    if not isinstance(unit, str):
        return '"unit" must be text'
    return ""


def _slow_rows(site: str | None, message: dict) -> Draft | BadPayload:
    rows = message["readings"]
    if stray := next((f for f in ("time", "quality", "units") if f in message), None):
        return BadPayload(f'"{stray}" belongs to each reading when "readings" is used')
    if not isinstance(rows, list) or not rows:
        return BadPayload('"readings" must be a list of at least one reading')
    if len(rows) > MAX_READINGS:
        return _too_many()
    gather = _Gather(site)
    for row in rows:
        if not isinstance(row, dict):
            gather.add(
                "", "", row, "good", "", 'a reading is an object with "datastream", "time" and "value"'
            )
            continue
        why = ""
        if missing := [f for f in ("datastream", "time", "value") if f not in row]:
            why = f'"{missing[0]}" is missing'
        elif unknown := [f for f in row if f not in _ROW_FIELDS]:
            why = f"field {text(unknown[0], 80)!r} is not known; known: {', '.join(_ROW_FIELDS)}"
        gather.add(
            row.get("datastream", ""), row.get("time", ""), row.get("value"), row.get("quality", "good"),
            row.get("unit", ""), why,
        )  # fmt: skip
    return gather.draft()


def _slow_columns(site: str | None, message: dict) -> Draft | BadPayload:
    streams, quality, units = message["datastreams"], message.get("quality", {}), message.get("units", {})
    if "time" not in message:
        return BadPayload('"time" is missing')
    several = isinstance(message["time"], list)
    times = message["time"] if several else [message["time"]]
    for name, table in (("datastreams", streams), ("quality", quality), ("units", units)):
        if not isinstance(table, dict):
            return BadPayload(f'"{name}" must be an object of datastream codes')
    if not streams or not times:
        return BadPayload('"datastreams" and "time" must not be empty')
    for name, table in (("quality", quality), ("units", units)):
        if stray := next((code for code in table if code not in streams), None):
            return BadPayload(f'"{name}" speaks of {text(stray, 80)!r}, which is not in "datastreams"')
    if len(streams) * len(times) > MAX_READINGS:
        return _too_many()
    if max(len(v) if isinstance(v, list) else 1 for v in streams.values()) > MAX_READINGS:
        return _too_many()
    gather = _Gather(site)
    for code, values in streams.items():
        why = ""
        if several and (not isinstance(values, list) or len(values) != len(times)):
            why = f"a list of {len(times)} values is needed, one for each time"
        elif not several and isinstance(values, list):
            why = 'one value is needed, because "time" is one instant'
        said = quality.get(code, "good")
        if isinstance(said, list) and (not several or len(said) != len(times)):
            said, why = "good", why or '"quality" must be one text, or a list with one for each time'
        unit = units.get(code, "")
        if why:  # what belongs to which time cannot be told: every reading that was meant is refused
            sent = values if isinstance(values, list) else [values] * len(times)
            for i in range(max(len(times), len(sent))):
                gather.add(
                    code,
                    times[i] if i < len(times) else "",
                    sent[i] if i < len(sent) else "",
                    "good",
                    unit,
                    why,
                )
            continue
        for i, time in enumerate(times):
            gather.add(
                code,
                time,
                values[i] if several else values,
                said[i] if isinstance(said, list) else said,
                unit,
            )
        if len(gather.columns) > MAX_READINGS:
            return _too_many()
    return gather.draft()


def _too_many() -> BadPayload:
    return BadPayload(f"more than {MAX_READINGS} readings in one message: send them in several")
