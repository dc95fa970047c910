"""The protobuf messages of Sparkplug B, described here in code; the protobuf library reads and writes them.

The numbers of the fields are the standard's (Sparkplug 3.0, chapter 6.4).  Only what the standard names is described:
fields beyond that stay in a message as unknown and do no harm.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from fengsui.base.errors import BadFrame

_PACKAGE = "fengsui.sparkplug"
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "u32": _Field.TYPE_UINT32,
    "u64": _Field.TYPE_UINT64,
    "f32": _Field.TYPE_FLOAT,
    "f64": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "str": _Field.TYPE_BYTES,  # proto2 does not promise UTF-8; read as text in payload.py
    "bytes": _Field.TYPE_BYTES,
}

# message: {field: (number, type)}; a type in brackets is repeated, one after a dot is another message, and the
# fields of "value" stand in a oneof
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Payload": {
        "timestamp": (1, "u64"),
        "metrics": (2, "[.Metric]"),
        "seq": (3, "u64"),
        "uuid": (4, "str"),
        "body": (5, "bytes"),
    },
    "Metric": {
        "name": (1, "str"),
        "alias": (2, "u64"),
        "timestamp": (3, "u64"),
        "datatype": (4, "u32"),
        "is_historical": (5, "bool"),
        "is_transient": (6, "bool"),
        "is_null": (7, "bool"),
        "metadata": (8, ".MetaData"),
        "properties": (9, ".PropertySet"),
        "int_value": (10, "u32"),
        "long_value": (11, "u64"),
        "float_value": (12, "f32"),
        "double_value": (13, "f64"),
        "boolean_value": (14, "bool"),
        "string_value": (15, "str"),
        "bytes_value": (16, "bytes"),
        "dataset_value": (17, ".DataSet"),
        "template_value": (18, ".Template"),
    },
    "MetaData": {
        "is_multi_part": (1, "bool"),
        "content_type": (2, "str"),
        "size": (3, "u64"),
        "seq": (4, "u64"),
        "file_name": (5, "str"),
        "file_type": (6, "str"),
        "md5": (7, "str"),
        "description": (8, "str"),
    },
    "PropertySet": {"keys": (1, "[str]"), "values": (2, "[.PropertyValue]")},
    "PropertySetList": {"propertyset": (1, "[.PropertySet]")},
    "PropertyValue": {
        "type": (1, "u32"),
        "is_null": (2, "bool"),
        "int_value": (3, "u32"),
        "long_value": (4, "u64"),
        "float_value": (5, "f32"),
        "double_value": (6, "f64"),
        "boolean_value": (7, "bool"),
        "string_value": (8, "str"),
        "propertyset_value": (9, ".PropertySet"),
        "propertysets_value": (10, ".PropertySetList"),
    },
    "DataSet": {
        "num_of_columns": (1, "u64"),
        "columns": (2, "[str]"),
        "types": (3, "[u32]"),
        "rows": (4, "[.Row]"),
    },
    "Row": {"elements": (1, "[.DataSetValue]")},
    "DataSetValue": {
        "int_value": (1, "u32"),
        "long_value": (2, "u64"),
        "float_value": (3, "f32"),
        "double_value": (4, "f64"),
        "boolean_value": (5, "bool"),
        "string_value": (6, "str"),
    },
    "Template": {
        "version": (1, "str"),
        "metrics": (2, "[.Metric]"),
        "parameters": (3, "[.Parameter]"),
        "template_ref": (4, "str"),
        "is_definition": (5, "bool"),
    },
    "Parameter": {
        "name": (1, "str"),
        "type": (2, "u32"),
        "int_value": (3, "u32"),
        "long_value": (4, "u64"),
        "float_value": (5, "f32"),
        "double_value": (6, "f64"),
        "boolean_value": (7, "bool"),
        "string_value": (8, "str"),
    },
}


def parse(data: bytes) -> Any:
    """The message ``Payload`` in ``data``, or BadFrame.  Never raises."""
    try:
        return Payload.FromString(data)
    except DecodeError:
        return BadFrame("protobuf", data)


def which(message: Any) -> str | None:
    """The field of the value that ``message`` holds; None if it holds none."""
    return message.WhichOneof("value")


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="fengsui/sparkplug.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        has_value = any(field.endswith("_value") for field in fields)
        if has_value:
            message.oneof_decl.add(name="value")
        for field, (number, kind) in fields.items():
            inner = kind.strip("[]")
            made = message.field.add(
                name=field,
                number=number,
                label=_Field.LABEL_REPEATED if kind.startswith("[") else _Field.LABEL_OPTIONAL,
            )
            if inner.startswith("."):
                made.type, made.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}{inner}"
            else:
                made.type = _TYPES[inner]
            if field.endswith("_value"):
                made.oneof_index = 0
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(_described().SerializeToString())
Payload: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
