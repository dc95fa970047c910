"""A Sparkplug B payload for a person: each protobuf field over its wire bytes, and the whole as plain JSON.

The walk goes by the same table of messages that describes them to the protobuf library (``wire``); what is not in the
table, or is sent in another wire type than the table has, is a field by its number, as it is for the library.
"""

import struct
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from fengsui.sense.codecs.frame import Row, Term
from fengsui.sense.codecs.measured import plain
from fengsui.sense.codecs.rows import Rows
from fengsui.sense.codecs.sparkplug import wire
from fengsui.sense.codecs.sparkplug.payload import TYPES, DataSet, Metric, Payload, Template

NAMES = {
    "timestamp": "时间戳",
    "metrics": "指标",
    "seq": "序号",
    "uuid": "UUID",
    "body": "附加内容",
    "name": "名称",
    "alias": "别名",
    "datatype": "数据类型",
    "is_historical": "历史数据",
    "is_transient": "瞬时数据",
    "is_null": "空值",
    "metadata": "元数据",
    "properties": "属性",
    "int_value": "整数值",
    "long_value": "长整数值",
    "float_value": "单精度值",
    "double_value": "双精度值",
    "boolean_value": "布尔值",
    "string_value": "字符串值",
    "bytes_value": "字节值",
    "dataset_value": "数据集",
    "template_value": "模板",
    "is_multi_part": "多部分",
    "content_type": "内容类型",
    "size": "大小",
    "file_name": "文件名",
    "file_type": "文件类型",
    "md5": "MD5",
    "description": "说明",
    "keys": "键",
    "values": "值",
    "propertyset": "属性集",
    "type": "类型",
    "propertyset_value": "属性集",
    "propertysets_value": "属性集列表",
    "num_of_columns": "列数",
    "columns": "列名",
    "types": "列类型",
    "rows": "行",
    "elements": "元素",
    "version": "版本",
    "parameters": "参数",
    "template_ref": "模板引用",
    "is_definition": "模板定义",
}
_VARINT, _FIXED64, _BYTES, _BEGIN, _END, _FIXED32 = range(6)
_WIRE = {"u32": _VARINT, "u64": _VARINT, "bool": _VARINT, "f64": _FIXED64, "f32": _FIXED32}
_DEEPEST = 100  # of the library; deeper payloads are refused before they come here
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def describe(payload: Payload) -> dict[str, Any]:
    """A payload as plain JSON values."""
    return {
        "timestamp": payload.time_ms,
        "seq": payload.seq,
        "uuid": payload.uuid,
        "body": payload.body.hex(),
        "metrics": [_described(metric) for metric in payload.metrics],
        "departures": list(payload.departures),
    }


def _described(value: Any) -> Any:
    if isinstance(value, Metric | DataSet | Template):
        names = value.__struct_fields__ if isinstance(value, Metric) else [f.name for f in fields(value)]
        said = {name: _described(getattr(value, name)) for name in names}
        return {name: one for name, one in said.items() if one not in ("", None, False, {})} | (
            {"value": said["value"]} if isinstance(value, Metric) else {}
        )
    if isinstance(value, tuple):
        return [_described(one) for one in value]
    return plain(value)


def explain(payload: Payload) -> list[Row]:
    rows = Rows(payload.raw)
    try:
        _message(rows, payload.raw, 0, len(payload.raw), "Payload", (), 0)
    except _Odd:
        pass  # the library has read what this walk does not know: the rest is shown as it is
    rows.add(rows.left, Term("其余字节", "other bytes"), Term(f"{rows.left} 字节", f"{rows.left} bytes"))
    return rows.rows


class _Odd(Exception):
    """Bytes that are no protobuf field.  Never leaves this module."""


def _message(
    rows: Rows, raw: bytes, at: int, end: int, kind: str, path: tuple[Term, ...], depth: int
) -> None:
    """Rows of the fields of a message in ``raw[at:end]``."""
    known = {number: (name, inner) for name, (number, inner) in wire.MESSAGES[kind].items()}
    counts: dict[str, int] = {}
    while at < end:
        tag, begin = _varint(raw, at, end)
        number, form = tag >> 3, tag & 7
        name, inner = known.get(number, ("", ""))
        repeated, inner = inner.startswith("["), inner.strip("[]")
        packed = repeated and form == _BYTES and inner in _WIRE
        if name and form != _WIRE.get(inner, _BYTES) and not packed:
            name, inner = "", ""
        term = Term(NAMES[name], name) if name else Term(f"字段 {number}", f"field {number}")
        if repeated and name:
            counts[name] = counts.get(name, 0) + 1
            term = Term(f"{term.zh} {counts[name]}", f"{term.en} {counts[name]}")
        whole = _name((*path, term))
        start, stop = _content(raw, begin, end, form, number, depth)
        if inner.startswith(".") and depth < _DEEPEST:
            size = stop - start
            rows.add(start - at, whole, Term(f"其后 {size} 字节", f"{size} bytes follow"))
            _message(rows, raw, start, stop, inner[1:], (*path, term), depth + 1)
        else:
            meaning = (
                _meaning(name, inner, form, raw[start:stop])
                if not packed
                else raw[start:stop].hex(" ").upper()
            )
            rows.add(stop - at, whole, meaning)
        at = stop


def _name(path: tuple[Term, ...]) -> Term:
    """The innermost names only, where messages lie deep in each other."""
    shown = path[-4:]
    return Term(" ".join(term.zh for term in shown), " ".join(term.en for term in shown))


def _varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise _Odd


def _content(raw: bytes, at: int, end: int, form: int, number: int, depth: int) -> tuple[int, int]:
    """Where the content of a field begins and ends, after its tag."""
    start = stop = at
    if form == _VARINT:
        stop = _varint(raw, at, end)[1]
    elif form in (_FIXED32, _FIXED64):
        stop = at + (4 if form == _FIXED32 else 8)
    elif form == _BYTES:
        size, start = _varint(raw, at, end)
        stop = start + size
    elif form == _BEGIN and depth < _DEEPEST:
        while True:
            tag, inner = _varint(raw, stop, end)
            if tag & 7 == _END:
                stop = inner
                break
            stop = _content(raw, inner, end, tag & 7, tag >> 3, depth + 1)[1]
    else:
        raise _Odd
    if stop > end:
        raise _Odd
    return start, stop


def _meaning(name: str, inner: str, form: int, data: bytes) -> Term | str:
    if inner in ("u32", "u64") or (not name and form == _VARINT):
        value = _varint(data, 0, len(data))[0] & 0xFFFF_FFFF_FFFF_FFFF
        if name in ("datatype", "type") and value in TYPES:
            return f"{value} {TYPES[value]}"
        return f"{value} {_time(value)}".strip() if name == "timestamp" else str(value)
    if inner == "bool":
        return Term("是", "true") if any(byte & 0x7F for byte in data) else Term("否", "false")
    if inner in ("f32", "f64"):
        return str(struct.unpack("<f" if inner == "f32" else "<d", data)[0])
    if inner == "str":
        return data.decode("utf-8", "replace")
    return Term(f"{len(data)} 字节", f"{len(data)} bytes")


def _time(value: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=value)).isoformat(timespec="milliseconds")
    except OverflowError:
        return ""
