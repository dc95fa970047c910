"""Values of instruments as whole numbers: 3657.2 is 36572 / 10, exactly.  Half the size of doubles in a file.

An instrument says four or five decimal digits; as a double each of its values looks like eight bytes of noise.  A
merged segment therefore holds ``digits`` (int64) and ``divisor`` (double), and the value is ``digits / divisor``: one
correctly rounded division of two numbers that doubles hold exactly, so it is the very double that was measured, in
any reader.  What is no short decimal (NaN, the result of a computation) stays in ``value``, and ``digits`` is null.

Packed and plain columns have one schema, so one question reads both: ``coalesce(value, digits / divisor)``.
"""

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fengsui.stores.history.rows import SCHEMA

STORED = pa.schema(
    [
        *(f.with_nullable(True) if f.name == "value" else f for f in SCHEMA),
        pa.field("digits", pa.int64()),
        pa.field("divisor", pa.float64()),
    ]
)
VALUE_SQL = "coalesce(value, digits / divisor)"
BLOCK = 256  # rows of one datastream with one divisor, about the span of a delta block of Parquet
MOST_PLACES = 15  # decimal places that are tried
EXACT = float(1 << 53)
_TENS = 10.0 ** np.arange(MOST_PLACES + 1)


def pack(table: pa.Table, *, steps: bool = True) -> pa.Table:
    """A table of SCHEMA, sorted by datastream, as a table of STORED with packed values.

    ``steps``: look for the step of each instrument (0.25, say) and take it out of its digits: smaller, and slower.
    """
    datastream, value = table["datastream"].to_numpy(), table["value"].to_numpy()
    digits, divisor, is_packed = pack_values(datastream, value, steps=steps)
    packed_all, packed_none = bool(is_packed.all()), not is_packed.any()
    columns = {name: table[name] for name in SCHEMA.names}
    if packed_none:
        columns["value"], columns["digits"], columns["divisor"] = (
            table["value"],
            pa.nulls(len(table), pa.int64()),
            pa.nulls(len(table), pa.float64()),
        )
    else:
        missing = None if packed_all else ~is_packed
        columns["value"] = (
            pa.nulls(len(table), pa.float64()) if packed_all else pa.array(value, mask=is_packed)
        )
        columns["digits"] = pa.array(digits, mask=missing)
        columns["divisor"] = pa.array(divisor, mask=missing)
    return pa.table(columns, schema=STORED)


def unpack(table: pa.Table) -> pa.Table:
    """``table`` with ``value`` (double, no nulls) and without ``digits`` and ``divisor``.  Other columns stay."""
    if "digits" not in table.column_names:
        return table
    digits, value = table["digits"], table["value"]
    if digits.null_count < len(table):
        packed = pc.divide(digits.cast(pa.float64()), table["divisor"])
        value = packed if value.null_count == len(table) else pc.coalesce(value, packed)
    place = table.column_names.index("value")
    field = pa.field("value", pa.float64(), nullable=False)
    return table.set_column(place, field, value).drop_columns(["digits", "divisor"])


def quotient(digits: np.ndarray, divisor: float) -> np.ndarray:
    """The values (float64 [n]) of digits (int64 [n]) that share a divisor."""
    value = np.empty(len(digits))
    np.divide(digits, divisor, out=value)
    return value


def pack_values(
    datastream: np.ndarray, value: np.ndarray, *, steps: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """digits (int64 [n]), divisor (float64 [n]) and whether digits / divisor is the value (bool [n]).

    ``datastream`` int32 [n], equal ones together; ``value`` float64 [n].
    """
    n = len(value)
    digits, divisor, is_packed = np.zeros(n, np.int64), np.ones(n), np.zeros(n, bool)
    _pack(datastream, np.ascontiguousarray(value), _TENS, steps, digits, divisor, is_packed)
    return digits, divisor, is_packed


@numba.njit(cache=True, nogil=True)
def _is_at(x: float, ten: float) -> bool:
    d = np.rint(x * ten)
    return abs(d) < EXACT and d / ten == x


@numba.njit(cache=True, nogil=True)
def _fewest(x: float, tens: np.ndarray, near: int) -> int:
    """The fewest decimal places that say ``x``, looked for from ``near`` on; -1 when there are none."""
    if _is_at(x, tens[near]):
        while near and _is_at(x, tens[near - 1]):
            near -= 1
        return near
    for k in range(near + 1, MOST_PLACES + 1):
        if _is_at(x, tens[k]):
            return k
    for k in range(near):  # too large for so many places
        if _is_at(x, tens[k]):
            return k
    return -1


@numba.njit(cache=True, nogil=True)
def _pack(datastream, value, tens, steps, digits, divisor, is_packed):  # type: ignore[no-untyped-def]
    n, start, places, fresh = len(value), 0, 0, True
    while start < n:
        stop = start + 1
        while stop < n and stop - start < BLOCK and datastream[stop] == datastream[start]:
            stop += 1
        fresh = fresh or datastream[start] != datastream[start - 1]
        for i in range(start, stop):
            x = value[i]
            is_packed[i] = False
            # a negative zero has no whole number: it stays as it is
            if np.isfinite(x) and not (x == 0.0 and np.signbit(x)):
                if not fresh and _is_at(x, tens[places]):
                    is_packed[i] = True
                    continue
                k = _fewest(x, tens, places)
                if k >= 0:
                    places, fresh, is_packed[i] = (k if fresh else max(k, places)), False, True
        ten = tens[places]
        common = np.int64(ten) if steps else np.int64(1)
        for i in range(start, stop):
            if is_packed[i]:
                if not _is_at(value[i], ten):  # too large at this many places
                    is_packed[i] = False
                    continue
                digits[i] = np.int64(np.rint(value[i] * ten))
                a, b = common, abs(digits[i])
                while b and a != 1:
                    a, b = b, a % b
                common = a
        for i in range(start, stop):
            if is_packed[i]:
                if common != 1:
                    digits[i] //= common
                divisor[i] = ten / common
            elif i > start:
                divisor[i] = divisor[i - 1]
        start = stop
