"""A device sends the same message again and again with other numbers in it: read only the numbers.

The first message of a device is decoded as any other (``readings_json``).  Its text, with a hole for each time and
each value, is the template; a later message that is the same text around its holes needs no JSON reader, no names and
no Python object per reading.  Whatever differs in one byte is left to the reader of everything.  A message of many
instants (a device that catches up) repeats itself as well as one of a single instant.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from fengsui.sense.codecs.readings_json import MAX_TIME_MS, Draft, parse_time

MAX_SLOTS = 100_000
HARD = 64  # numbers of a message that only Python's float reads exactly; a message with more is read as any other
LOOK_BACK = 24  # bytes: the key, the colon and some space

_NO_MATCH, _TOO_HARD = -1, -2


@dataclass(frozen=True, slots=True)
class Template:
    """``literal`` uint8, the pieces between the holes one after the other · ``end`` int32 [holes + 1], where each
    piece ends · ``first_time`` the hole of the first of ``instants`` times; they stand side by side.
    """

    codes: tuple[str, ...]
    literal: np.ndarray
    end: np.ndarray
    first_time: int
    instants: int

    @property
    def nbytes(self) -> int:
        return self.literal.nbytes + self.end.nbytes

    def fill(self, data: bytes) -> tuple[np.ndarray, np.ndarray] | None:
        """Times (int64 [instants], ms UTC) and values (float64 [n · instants], datastream by datastream, NaN for null)
        of a message like this, or None if it is not."""
        time_ms, value = np.empty(self.instants, np.int64), np.empty(len(self.codes) * self.instants)
        body = np.frombuffer(data, np.uint8)
        span, hard_at = np.empty((self.instants, 2), np.int64), np.empty((HARD, 3), np.int64)
        hard = _fill(body, self.literal, self.end, self.first_time, time_ms, value, span, hard_at)
        if hard < 0:
            return None
        if time_ms.min() < 0:  # text
            for row in np.flatnonzero(time_ms < 0).tolist():
                begin, end = span[row].tolist()
                instant = parse_time(data[begin + 1 : end - 1].decode("utf-8", "replace"))
                if instant is None:
                    return None
                time_ms[row] = instant
        if time_ms.max() > MAX_TIME_MS:
            return None
        for row, begin, end in hard_at[:hard].tolist():
            value[row] = float(data[begin:end])
        return (time_ms, value) if hard == 0 or np.isfinite(value[hard_at[:hard, 0]]).all() else None


def template_of(data: bytes, draft: Draft) -> Template | None:
    """The template of a message whose ``draft`` is plain: columns, nothing refused, no quality, no unit.

    None when it is not plain, or when the text cannot be taken apart with certainty.
    """
    n = len(draft.codes)
    instants = len(draft) // n if n else 0
    if (
        instants == 0
        or len(draft) != n * instants
        or not len(draft) < MAX_SLOTS
        or draft.unit is not None
        or draft.sent
        or draft.reason.any()
        or b"\\" in data
        or b'"readings"' in data
        or b'"quality"' in data
        or b'"units"' in data
    ):
        return None
    holes = _holes(data)
    if holes is None or len(holes) != len(draft) + instants:
        return None
    times = [i for i, (_start, _stop, is_time) in enumerate(holes) if is_time]
    if len(times) != instants or times[0] not in (0, len(draft)) or times[-1] - times[0] != instants - 1:
        return None
    pieces, at = [], 0
    for start, stop, _is_time in holes:
        pieces.append(data[at:start])
        at = stop
    pieces.append(data[at:])
    made = Template(
        draft.codes,
        np.frombuffer(b"".join(pieces), np.uint8),
        np.cumsum([len(p) for p in pieces], dtype=np.int32),
        times[0],
        instants,
    )
    found = made.fill(data)  # believed only if it reads its own message as the reader of everything did
    if (
        found is None
        or not np.array_equal(np.tile(found[0], n), draft.time_ms)
        or not np.array_equal(found[1], draft.value, equal_nan=True)
    ):
        return None
    return made


def _holes(data: bytes) -> list[tuple[int, int, bool]] | None:
    """Where the scalars outside of names stand, and whether they are a time: numbers and null, and times as text."""
    found: list[tuple[int, int, bool]] = []
    at, size = 0, len(data)
    in_value = in_list = is_time = False
    while at < size:
        byte = data[at]
        if byte == 0x22:  # a name, or text as a value
            stop = data.find(b'"', at + 1) + 1
            if stop == 0:
                return None
            if in_value and is_time:
                found.append((at, stop, True))
            at = stop
            continue
        if in_value and (byte in b"-0123456789n"):
            stop = at
            while stop < size and data[stop] not in b",}] \t\r\n":
                stop += 1
            found.append((at, stop, is_time))
            at = stop
            continue
        if byte == 0x3A:
            in_value, is_time = True, _ends_with_time(data, at)
        elif byte in b"[]":
            in_list = byte == 0x5B
        elif byte == 0x7B or (byte == 0x2C and not in_list):
            in_value = False
        at += 1
    return found


def _ends_with_time(data: bytes, colon: int) -> bool:
    """Whether the key before ``colon`` is "time", written as anybody would."""
    return data[max(0, colon - LOOK_BACK) : colon].rstrip(b" \t\r\n")[-6:] == b'"time"'


@njit(cache=True, nogil=True)
def _fill(body, literal, end, first_time, time_ms, value, span, hard):  # type: ignore[no-untyped-def]
    """Number of hard values in ``hard`` (row, begin, end), or _NO_MATCH, _TOO_HARD.

    A time written as text is -1, and ``span`` says where it stands.
    """
    size, slots = len(body), len(end) - 1
    at, lit, row, hards = 0, 0, 0, 0
    for slot in range(slots + 1):
        stop = end[slot]
        if at + stop - lit > size:
            return _NO_MATCH
        while lit < stop:
            if body[at] != literal[lit]:
                return _NO_MATCH
            at += 1
            lit += 1
        if slot == slots:
            break
        begin = at
        instant = slot - first_time
        if 0 <= instant < len(time_ms):
            time_ms[instant] = -1
            if at < size and body[at] == 0x22:
                at += 1
                while at < size and body[at] != 0x22:
                    if body[at] == 0x5C or body[at] < 0x20 or body[at] > 0x7E:
                        return _NO_MATCH
                    at += 1
                at += 1
            else:
                if at < size and body[at] == 0x30 and at + 1 < size and 0x30 <= body[at + 1] <= 0x39:
                    return _NO_MATCH
                number_ms = 0
                while at < size and 0x30 <= body[at] <= 0x39 and at - begin < 18:
                    number_ms = number_ms * 10 + (body[at] - 0x30)
                    at += 1
                time_ms[instant] = number_ms
            if at > size or at == begin:
                return _NO_MATCH
            span[instant, 0], span[instant, 1] = begin, at
            continue
        if at + 4 <= size and body[at] == 0x6E:
            if body[at + 1] != 0x75 or body[at + 2] != 0x6C or body[at + 3] != 0x6C:
                return _NO_MATCH
            value[row] = np.nan
            row += 1
            at += 4
            continue
        negative = at < size and body[at] == 0x2D
        if negative:
            at += 1
        digits, mantissa, scale, leading = 0, 0, 0, at
        while at < size and 0x30 <= body[at] <= 0x39:
            if digits < 18:
                mantissa = mantissa * 10 + (body[at] - 0x30)
            if mantissa:
                digits += 1
            at += 1
        if at == leading or (at > leading + 1 and body[leading] == 0x30):
            return _NO_MATCH
        if at < size and body[at] == 0x2E:
            at += 1
            point = at
            while at < size and 0x30 <= body[at] <= 0x39:
                if digits < 18:
                    mantissa = mantissa * 10 + (body[at] - 0x30)
                    scale -= 1
                if mantissa:
                    digits += 1
                at += 1
            if at == point:
                return _NO_MATCH
        is_hard = digits > 15
        if at < size and (body[at] == 0x65 or body[at] == 0x45):
            at += 1
            down = at < size and body[at] == 0x2D
            if at < size and (body[at] == 0x2D or body[at] == 0x2B):
                at += 1
            first, power = at, 0
            while at < size and 0x30 <= body[at] <= 0x39:
                if power < 10_000:
                    power = power * 10 + (body[at] - 0x30)
                at += 1
            if at == first:
                return _NO_MATCH
            scale += -power if down else power
        if is_hard or scale > 22 or scale < -22:
            if hards == HARD:
                return _TOO_HARD
            hard[hards, 0], hard[hards, 1], hard[hards, 2] = row, begin, at
            hards += 1
            number = 0.0
        elif scale < 0:  # both are exact, so the quotient is rounded once: the nearest float
            number = mantissa / _TENS[-scale]
        else:
            number = mantissa * _TENS[scale]
        value[row] = -number if negative else number
        row += 1
    return hards if at == size else _NO_MATCH


_TENS = np.array([float(f"1e{n}") for n in range(23)])


def warm_up() -> None:
    """Compile now, or load what was compiled before: not while the first device waits."""
    n = np.zeros(2, np.int32)
    _fill(
        np.zeros(1, np.uint8), np.zeros(2, np.uint8), n + 2, 0, np.zeros(1, np.int64), np.zeros(1),
        np.zeros((1, 2), np.int64), np.zeros((HARD, 3), np.int64),
    )  # fmt: skip
