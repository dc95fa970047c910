"""Sparkplug B payloads with typed values, and back.

Source: Sparkplug 3.0, chapter 6.4.  The type of a value comes with the metric in a birth and is usually left out
later, so a metric keeps what was sent and ``typed`` reads it once the type is known.  Signed integers travel in
unsigned fields as two's complement; arrays are packed in bytes, low byte first.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Cut
from fengsui.sense.codecs.sparkplug import wire

MAX_BYTES = 4 * 1024 * 1024
MAX_METRICS = 100_000
MAX_DEPTH = 16  # templates in templates, property sets in property sets

TYPES = {
    0: "Unknown",
    1: "Int8",
    2: "Int16",
    3: "Int32",
    4: "Int64",
    5: "UInt8",
    6: "UInt16",
    7: "UInt32",
    8: "UInt64",
    9: "Float",
    10: "Double",
    11: "Boolean",
    12: "String",
    13: "DateTime",
    14: "Text",
    15: "UUID",
    16: "DataSet",
    17: "Bytes",
    18: "File",
    19: "Template",
    20: "PropertySet",
    21: "PropertySetList",
    22: "Int8Array",
    23: "Int16Array",
    24: "Int32Array",
    25: "Int64Array",
    26: "UInt8Array",
    27: "UInt16Array",
    28: "UInt32Array",
    29: "UInt64Array",
    30: "FloatArray",
    31: "DoubleArray",
    32: "BooleanArray",
    33: "StringArray",
    34: "DateTimeArray",
}
NUMBERS = {name: number for number, name in TYPES.items()}
_SIGNED = {"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64}
_UNSIGNED = {"UInt8": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64, "DateTime": 64}
_ARRAYS = {
    "Int8Array": "b",
    "Int16Array": "h",
    "Int32Array": "i",
    "Int64Array": "q",
    "UInt8Array": "B",
    "UInt16Array": "H",
    "UInt32Array": "I",
    "UInt64Array": "Q",
    "FloatArray": "f",
    "DoubleArray": "d",
    "DateTimeArray": "Q",
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table in one metric: ``types`` by name, ``rows`` of typed values."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A structure in one metric: its members are metrics."""

    metrics: tuple["Metric", ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    reference: str = ""
    is_definition: bool = False


class Metric(msgspec.Struct, frozen=True):
    """``name`` and ``datatype`` are empty, ``alias`` and ``time_ms`` None where they were not sent.

    ``value`` typed when the type is known, otherwise as it stands in the message; None when null or not sent.
    """

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: str = ""
    value: Any = None
    is_null: bool = False
    is_historical: bool = False
    is_transient: bool = False
    metadata: Mapping[str, Any] = {}
    properties: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Payload:
    """``seq`` is None where the message has none, as a death of a node and a command."""

    metrics: tuple[Metric, ...] = ()
    time_ms: int | None = None
    seq: int | None = None
    uuid: str = ""
    body: bytes = b""
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def departures(self) -> tuple[str, ...]:
        return ()


def decode(data: bytes) -> Payload | BadFrame:
    """The payload in ``data``, or why it is none.  Never raises."""
    if len(data) > MAX_BYTES:
        return BadFrame("too large", data, f"more than {MAX_BYTES} bytes")
    message = wire.parse(data)
    if isinstance(message, BadFrame):
        return message
    if len(message.metrics) > MAX_METRICS:
        return BadFrame("too many metrics", data, f"more than {MAX_METRICS} metrics")
    try:
        metrics = tuple(_metric(metric, 0) for metric in message.metrics)
    except _TooDeep:
        return BadFrame("nested too deeply", data, f"more than {MAX_DEPTH} levels")
    return Payload(
        metrics,
        message.timestamp if message.HasField("timestamp") else None,
        message.seq if message.HasField("seq") else None,
        _text(message.uuid),
        message.body,
        data,
    )


def encode(payload: Payload) -> bytes:
    """The bytes of ``payload``, for births, data, deaths and commands.  Raises ValueError for what does not fit."""
    message = wire.Payload()
    if payload.time_ms is not None:
        message.timestamp = payload.time_ms
    if payload.seq is not None:
        message.seq = payload.seq
    if payload.uuid:
        message.uuid = payload.uuid.encode()
    if payload.body:
        message.body = payload.body
    for metric in payload.metrics:
        _write_metric(message.metrics.add(), metric)
    return message.SerializeToString()


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """One whole payload, once its bytes are ``ended``: MQTT says where that is, the payload itself does not."""
    if not ended and len(buffer) <= MAX_BYTES:
        return Cut([], [], buffer)
    if not buffer:
        return Cut([], [], b"")
    found = decode(buffer)
    return Cut([found], [], b"") if isinstance(found, Payload) else Cut([], [found], b"")


def typed(value: Any, datatype: str) -> Any:
    """``value`` as it stands in a message, in its type; unchanged where it does not fit.  Never raises."""
    if isinstance(value, float | bool) or value is None:
        return value
    if isinstance(value, int):
        if datatype in _SIGNED:
            bits = _SIGNED[datatype]
            value &= (1 << bits) - 1
            return value - (1 << bits) if value >> (bits - 1) else value
        if datatype in _UNSIGNED:
            return value & ((1 << _UNSIGNED[datatype]) - 1)
        if datatype == "Boolean":
            return bool(value)
        if datatype in ("Float", "Double"):
            return float(value)
        return value
    if isinstance(value, bytes) and datatype.endswith("Array"):
        return _array(value, datatype)
    return value


def number(value: Any) -> float | None:
    """A typed value as the number that a reading has: integers, floats and booleans; None for everything else."""
    return float(value) if isinstance(value, int | float) else None


# ---- reading --------------------------------------------------------------------------------------------------


class _TooDeep(Exception):
    """More levels inside each other than any device needs."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _metric(message: Any, depth: int) -> Metric:
    """Only the fields that were sent are looked at: a metric by alias has three or four of twenty."""
    if depth > MAX_DEPTH:
        raise _TooDeep
    sent = {described.name: value for described, value in message.ListFields()}
    number = sent.get("datatype")
    datatype = "" if number is None else TYPES.get(number) or f"type {number}"
    is_null = sent.get("is_null", False)
    return Metric(
        _text(sent.get("name", b"")),
        sent.get("alias"),
        sent.get("timestamp"),
        datatype,
        None if is_null else _held(sent, datatype, depth),
        is_null,
        sent.get("is_historical", False),
        sent.get("is_transient", False),
        _metadata(sent["metadata"]) if "metadata" in sent else {},
        _properties(sent["properties"], depth) if "properties" in sent else {},
    )


def _held(sent: dict[str, Any], datatype: str, depth: int) -> Any:
    """The one value among the fields of a metric: the last field that a message lists, by its number."""
    name, value = next(reversed(sent.items()), ("", None))
    return _read(name, value, datatype, depth) if name.endswith("_value") else None


def _value(message: Any, datatype: str, depth: int) -> Any:
    name = wire.which(message)
    return None if name is None else _read(name, getattr(message, name), datatype, depth)


def _read(name: str, value: Any, datatype: str, depth: int) -> Any:
    """The value of field ``name`` in its type."""
    if name == "string_value":
        return _text(value)
    if name == "dataset_value":
        return _dataset(value)
    if name == "template_value":
        return _template(value, depth)
    if name == "propertyset_value":
        return _properties(value, depth)
    if name == "propertysets_value":
        return [_properties(one, depth) for one in value.propertyset]
    return typed(value, datatype)


def _metadata(message: Any) -> dict[str, Any]:
    return {
        described.name: _text(value) if isinstance(value, bytes) else value
        for described, value in message.ListFields()
    }


def _properties(message: Any, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _TooDeep
    found: dict[str, Any] = {}
    for key, one in zip(message.keys, message.values, strict=False):
        datatype = TYPES.get(one.type, "")
        found[_text(key)] = None if one.is_null else _value(one, datatype, depth + 1)
    return found


def _dataset(message: Any) -> DataSet:
    types = tuple(TYPES.get(number, f"type {number}") for number in message.types)
    return DataSet(
        tuple(_text(column) for column in message.columns),
        types,
        tuple(
            tuple(
                _value(element, types[n] if n < len(types) else "", 0)
                for n, element in enumerate(row.elements)
            )
            for row in message.rows
        ),
    )


def _template(message: Any, depth: int) -> Template:
    return Template(
        tuple(_metric(metric, depth + 1) for metric in message.metrics),
        {_text(one.name): _value(one, TYPES.get(one.type, ""), depth) for one in message.parameters},
        _text(message.version),
        _text(message.template_ref),
        message.is_definition,
    )


def _array(data: bytes, datatype: str) -> Any:
    if datatype == "StringArray":
        return [_text(part) for part in data.split(b"\0")[:-1]]
    if datatype == "BooleanArray":  # a count of 4 bytes, then bits with the first one highest
        count = int.from_bytes(data[:4], "little")
        bits = data[4:]
        if len(data) < 4 or count > 8 * len(bits):
            return data
        return [bool(bits[n >> 3] >> (7 - (n & 7)) & 1) for n in range(count)]
    letter = _ARRAYS.get(datatype)
    if letter is None or len(data) % struct.calcsize(letter):
        return data
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


# ---- writing --------------------------------------------------------------------------------------------------


def _write_metric(message: Any, metric: Metric) -> None:
    if metric.name:
        message.name = metric.name.encode()
    if metric.alias is not None:
        message.alias = metric.alias
    if metric.time_ms is not None:
        message.timestamp = metric.time_ms
    if metric.datatype:
        message.datatype = _type_number(metric.datatype)
    for name in ("is_historical", "is_transient", "is_null"):
        if getattr(metric, name):
            setattr(message, name, True)
    for name, value in metric.metadata.items():
        setattr(message.metadata, name, value.encode() if isinstance(value, str) else value)
    for key, value in metric.properties.items():
        message.properties.keys.append(key.encode())
        one = message.properties.values.add()
        one.type = _type_number(_type_of(value))
        if value is None:
            one.is_null = True
        else:
            _write_value(one, value, _type_of(value))
    if not metric.is_null and metric.value is not None:
        _write_value(message, metric.value, metric.datatype or _type_of(metric.value))


def _write_value(message: Any, value: Any, datatype: str) -> None:
    try:
        if isinstance(value, DataSet):
            _write_dataset(message.dataset_value, value)
        elif isinstance(value, Template):
            _write_template(message.template_value, value)
        elif datatype == "Boolean":
            message.boolean_value = bool(value)
        elif datatype in ("Int64", "UInt64", "DateTime"):
            message.long_value = _unsigned(value, 64)
        elif datatype in _SIGNED or datatype in _UNSIGNED:
            message.int_value = _unsigned(value, 32)
        elif datatype == "Float":
            message.float_value = value
        elif datatype == "Double":
            message.double_value = value
        elif isinstance(value, str):
            message.string_value = value.encode()
        elif isinstance(value, bytes):
            message.bytes_value = value
        elif isinstance(value, list) and datatype.endswith("Array"):
            message.bytes_value = _packed(value, datatype)
        else:
            raise ValueError(f"{value!r} cannot be written as {datatype or 'a value'}")
    except (TypeError, OverflowError, struct.error) as error:
        raise ValueError(f"{value!r} is no {datatype}: {error}") from None


def _unsigned(value: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise OverflowError(f"more than {bits} bits")
    return value & ((1 << bits) - 1)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Int64"
    if isinstance(value, float):
        return "Double"
    return "Bytes" if isinstance(value, bytes) else "String"


def _type_number(datatype: str) -> int:
    if datatype.startswith("type "):
        return int(datatype.removeprefix("type "))
    if datatype not in NUMBERS:
        raise ValueError(f"{datatype!r} is no data type of Sparkplug")
    return NUMBERS[datatype]


def _write_dataset(message: Any, table: DataSet) -> None:
    message.num_of_columns = len(table.columns)
    message.columns.extend(column.encode() for column in table.columns)
    message.types.extend(_type_number(datatype) for datatype in table.types)
    for row in table.rows:
        made = message.rows.add()
        for value, datatype in zip(row, table.types, strict=True):
            element = made.elements.add()
            if value is not None:
                _write_value(element, value, datatype)


def _write_template(message: Any, template: Template) -> None:
    message.is_definition = template.is_definition
    if template.version:
        message.version = template.version.encode()
    if template.reference:
        message.template_ref = template.reference.encode()
    for metric in template.metrics:
        _write_metric(message.metrics.add(), metric)
    for name, value in template.parameters.items():
        one = message.parameters.add()
        one.name, one.type = name.encode(), _type_number(_type_of(value))
        if value is not None:
            _write_value(one, value, _type_of(value))


def _packed(values: Sequence[Any], datatype: str) -> bytes:
    if datatype == "StringArray":
        return b"".join(value.encode() + b"\0" for value in values)
    if datatype == "BooleanArray":
        bits = bytearray((len(values) + 7) // 8)
        for n, value in enumerate(values):
            bits[n >> 3] |= bool(value) << (7 - (n & 7))
        return len(values).to_bytes(4, "little") + bytes(bits)
    return struct.pack(f"<{len(values)}{_ARRAYS[datatype]}", *values)
