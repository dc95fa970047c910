"""Modbus requests and answers: the function code and what follows it, without any transport.

Source: MODBUS Application Protocol Specification V1.1b3, chapters 6 and 7.  A request and an answer can look alike;
``side`` says which it is, and without it the form that fits is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["request", "answer"]
Fields = dict[str, Any]

FUNCTIONS = {
    1: "read_coils",
    2: "read_discrete_inputs",
    3: "read_holding_registers",
    4: "read_input_registers",
    5: "write_coil",
    6: "write_register",
    7: "read_exception_status",
    8: "diagnostics",
    11: "read_event_counter",
    12: "read_event_log",
    15: "write_coils",
    16: "write_registers",
    17: "report_server_id",
    20: "read_file_record",
    21: "write_file_record",
    22: "mask_write_register",
    23: "read_write_registers",
    24: "read_fifo_queue",
    43: "encapsulated_interface",
}
EXCEPTIONS = {
    1: "illegal_function",
    2: "illegal_data_address",
    3: "illegal_data_value",
    4: "server_device_failure",
    5: "acknowledge",
    6: "server_device_busy",
    7: "negative_acknowledge",
    8: "memory_parity_error",
    10: "gateway_path_unavailable",
    11: "gateway_target_failed_to_respond",
}
MOST_READ, MOST_WRITTEN = 125, 123  # registers in one request
MOST_COILS, MOST_COILS_WRITTEN = 2000, 1968
EXCEPTION = 0x80


@dataclass(frozen=True, slots=True)
class Pdu:
    """``side`` request, answer or exception · ``fields`` by name, ``data`` when the function is not known here."""

    function: int
    side: Literal["request", "answer", "exception"]
    fields: Fields = field(default_factory=dict)

    @property
    def name(self) -> str:
        return FUNCTIONS.get(self.function, "unknown")


def decode(data: bytes, side: Side | None = None) -> Pdu | str:
    """The request or answer in ``data``, or the reason why it is none.  Never raises."""
    if not data:
        return "empty"
    code, rest = data[0], data[1:]
    if code & EXCEPTION:
        if len(rest) != 1 or side == "request":
            return "length"
        meaning = EXCEPTIONS.get(rest[0], "unknown")
        return Pdu(code & 0x7F, "exception", {"exception": rest[0], "exception_meaning": meaning})
    if code == 0:
        return "function"
    if code not in _READ:
        return Pdu(code, side or "request", {"data": rest})
    sides: tuple[Side, ...] = (side,) if side else ("request", "answer")
    for one in sides:
        fields = _READ[code][one](rest)
        if fields is not None:
            return Pdu(code, one, fields)
    if (
        code in (1, 2, 3, 4, 15, 16) and len(rest) == 4
    ):  # a count that no server may be asked for: kept, and said
        one = side or ("answer" if code > 4 else "request")
        return Pdu(code, one, {"address": _word(rest, 0), "count": _word(rest, 2), "illegal_count": True})
    return "length"


def lengths(code: int, rest: bytes, side: Side | None = None) -> list[int]:
    """How many bytes a PDU that begins ``code, rest`` may have in all, as far as ``rest`` tells; [] if unknown.

    The shortest first: with one more byte a CRC can hold by accident.
    """
    if code & EXCEPTION:
        return [2]
    counted = 2 + rest[0] if rest else 3
    asked, answered = {
        1: (5, counted),
        2: (5, counted),
        3: (5, counted),
        4: (5, counted),
        5: (5, 5),
        6: (5, 5),
        7: (1, 2),
        8: (5, 5),
        15: (6 + rest[4] if len(rest) > 4 else 7, 5),
        16: (6 + rest[4] if len(rest) > 4 else 8, 5),
        17: (1, counted),
        22: (7, 7),
        23: (10 + rest[8] if len(rest) > 8 else 12, counted),
    }.get(code, (0, 0))
    if not asked:
        return []
    if side:
        return [asked if side == "request" else answered]
    return sorted({asked, answered})


def encode(pdu: Pdu) -> bytes:
    """The bytes of ``pdu``.  Raises ValueError for what no server may send or be asked."""
    if pdu.side == "exception":
        return bytes([pdu.function | EXCEPTION, pdu.fields["exception"]])
    if pdu.function not in _WRITE:
        return bytes([pdu.function]) + pdu.fields.get("data", b"")
    try:
        return bytes([pdu.function]) + _WRITE[pdu.function][pdu.side](pdu.fields)
    except (OverflowError, KeyError) as error:
        raise ValueError(f"{pdu.name} {pdu.side}: {error}") from None


def read_request(function: int, address: int, count: int) -> Pdu:
    """A request of functions 1 to 4.  Raises ValueError outside the limits of the standard."""
    most = MOST_COILS if function in (1, 2) else MOST_READ
    if function not in (1, 2, 3, 4) or not 0 <= address <= 0xFFFF or not 1 <= count <= most:
        raise ValueError(f"no read request: function {function}, address {address}, count {count}")
    return Pdu(function, "request", {"address": address, "count": count})


# ---- the forms ------------------------------------------------------------------------------------------------

_Read = Callable[[bytes], Fields | None]
_Write = Callable[[Fields], bytes]


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _words(data: bytes) -> list[int]:
    return [_word(data, at) for at in range(0, len(data), 2)]


def _bits(data: bytes) -> list[bool]:
    return [bool(byte >> n & 1) for byte in data for n in range(8)]


def _packed(bits: list[bool]) -> bytes:
    return bytes(
        sum(1 << n for n, bit in enumerate(bits[at : at + 8]) if bit) for at in range(0, len(bits), 8)
    )


def _two(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def _read_what(most: int) -> _Read:
    def read(rest: bytes) -> Fields | None:
        if len(rest) != 4 or not 1 <= _word(rest, 2) <= most:
            return None
        return {"address": _word(rest, 0), "count": _word(rest, 2)}

    return read


def _read_bits(rest: bytes) -> Fields | None:
    """The last byte may be filled up: the request knows how many of the bits were asked for."""
    if not rest or rest[0] != len(rest) - 1 or not rest[0]:
        return None
    return {"bits": _bits(rest[1:])}


def _read_registers(rest: bytes) -> Fields | None:
    if not rest or rest[0] != len(rest) - 1 or not rest[0] or rest[0] % 2:
        return None
    return {"registers": _words(rest[1:])}


def _read_coil(rest: bytes) -> Fields | None:
    if len(rest) != 4:
        return None
    return {"address": _word(rest, 0), "value": _word(rest, 2)} | (
        {"on": _word(rest, 2) == 0xFF00} if _word(rest, 2) in (0, 0xFF00) else {}
    )


def _read_register(rest: bytes) -> Fields | None:
    return {"address": _word(rest, 0), "value": _word(rest, 2)} if len(rest) == 4 else None


def _read_written_coils(rest: bytes) -> Fields | None:
    if len(rest) < 6 or rest[4] != len(rest) - 5 or rest[4] != (_word(rest, 2) + 7) // 8:
        return None
    count = _word(rest, 2)
    return {"address": _word(rest, 0), "count": count, "bits": _bits(rest[5:])[:count]}


def _read_written_registers(rest: bytes) -> Fields | None:
    if len(rest) < 7 or rest[4] != len(rest) - 5 or rest[4] != 2 * _word(rest, 2):
        return None
    return {"address": _word(rest, 0), "count": _word(rest, 2), "registers": _words(rest[5:])}


def _read_mask(rest: bytes) -> Fields | None:
    if len(rest) != 6:
        return None
    return {"address": _word(rest, 0), "and_mask": _word(rest, 2), "or_mask": _word(rest, 4)}


def _read_both(rest: bytes) -> Fields | None:
    if len(rest) < 11 or rest[8] != len(rest) - 9 or rest[8] != 2 * _word(rest, 6):
        return None
    return {
        "address": _word(rest, 0),
        "count": _word(rest, 2),
        "write_address": _word(rest, 4),
        "registers": _words(rest[9:]),
    }


def _read_nothing(rest: bytes) -> Fields | None:
    return None if rest else {}


def _read_status(rest: bytes) -> Fields | None:
    return {"status": rest[0], "bits": _bits(rest)} if len(rest) == 1 else None


def _read_diagnostics(rest: bytes) -> Fields | None:
    return {"subfunction": _word(rest, 0), "value": _word(rest, 2)} if len(rest) == 4 else None


def _read_id(rest: bytes) -> Fields | None:
    if len(rest) < 2 or rest[0] != len(rest) - 1:
        return None
    return {"id": rest[1:-1], "running": rest[-1] == 0xFF} if rest[-1] in (0, 0xFF) else {"id": rest[1:]}


_READ: dict[int, dict[str, _Read]] = {
    1: {"request": _read_what(MOST_COILS), "answer": _read_bits},
    2: {"request": _read_what(MOST_COILS), "answer": _read_bits},
    3: {"request": _read_what(MOST_READ), "answer": _read_registers},
    4: {"request": _read_what(MOST_READ), "answer": _read_registers},
    5: {"request": _read_coil, "answer": _read_coil},
    6: {"request": _read_register, "answer": _read_register},
    7: {"request": _read_nothing, "answer": _read_status},
    8: {"request": _read_diagnostics, "answer": _read_diagnostics},
    15: {"request": _read_written_coils, "answer": _read_what(MOST_COILS_WRITTEN)},
    16: {"request": _read_written_registers, "answer": _read_what(MOST_WRITTEN)},
    17: {"request": _read_nothing, "answer": _read_id},
    22: {"request": _read_mask, "answer": _read_mask},
    23: {"request": _read_both, "answer": _read_registers},
}


def _write_what(fields: Fields) -> bytes:
    return _two(fields["address"], fields["count"])


def _write_bits(fields: Fields) -> bytes:
    packed = _packed(fields["bits"])
    return bytes([len(packed)]) + packed


def _write_registers(fields: Fields) -> bytes:
    return bytes([2 * len(fields["registers"])]) + _two(*fields["registers"])


def _write_one(fields: Fields) -> bytes:
    return _two(fields["address"], fields.get("value", 0xFF00 if fields.get("on") else 0))


_WRITE: dict[int, dict[str, _Write]] = {
    1: {"request": _write_what, "answer": _write_bits},
    2: {"request": _write_what, "answer": _write_bits},
    3: {"request": _write_what, "answer": _write_registers},
    4: {"request": _write_what, "answer": _write_registers},
    5: {"request": _write_one, "answer": _write_one},
    6: {"request": _write_one, "answer": _write_one},
    7: {"request": lambda fields: b"", "answer": lambda fields: bytes([fields["status"]])},
    8: {
        "request": lambda fields: _two(fields["subfunction"], fields["value"]),
        "answer": lambda fields: _two(fields["subfunction"], fields["value"]),
    },
    15: {
        "request": lambda fields: _two(fields["address"], len(fields["bits"])) + _write_bits(fields),
        "answer": _write_what,
    },
    16: {
        "request": lambda fields: (
            _two(fields["address"], len(fields["registers"])) + _write_registers(fields)
        ),
        "answer": _write_what,
    },
    17: {
        "request": lambda fields: b"",
        "answer": lambda fields: (
            bytes([len(fields["id"]) + ("running" in fields)])
            + fields["id"]
            + (bytes([0xFF if fields["running"] else 0]) if "running" in fields else b"")
        ),
    },
    22: {
        "request": lambda fields: _two(fields["address"], fields["and_mask"], fields["or_mask"]),
        "answer": lambda fields: _two(fields["address"], fields["and_mask"], fields["or_mask"]),
    },
    23: {
        "request": lambda fields: (
            _two(fields["address"], fields["count"], fields["write_address"], len(fields["registers"]))
            + _write_registers(fields)
        ),
        "answer": _write_registers,
    },
}
