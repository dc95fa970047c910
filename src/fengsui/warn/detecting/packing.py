"""What was learnt, and what a run remembers, as bytes: columns and numbers only, nothing that runs.

MessagePack; an array is its type, shape and bytes, a part is its class's name and fields.  Only the classes below are
read back.
"""

from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from fengsui.warn.detecting.errors import BadModel
from fengsui.warn.detectors.charted import Charted, ChartedState
from fengsui.warn.detectors.charts import ChartState, Cusum, Ewma
from fengsui.warn.detectors.components import Components
from fengsui.warn.detectors.forecast import Course, CourseState, Tail
from fengsui.warn.detectors.methods import Learnt, State
from fengsui.warn.detectors.monitor import Monitor, WatchState
from fengsui.warn.detectors.standing import Standing
from fengsui.warn.detectors.truth import Usual

FORMAT = 2
PARTS: dict[str, Any] = {
    c.__name__: c
    for c in (
        Learnt, Monitor, Components, Usual, Charted, Ewma, Cusum, Course, CourseState, Tail, State, WatchState,
        ChartedState, ChartState, Standing,
    )
}  # fmt: skip
LISTS = {"peaks"}  # the only list among tuples


def pack(value: Any) -> bytes:
    """``value`` (one of PARTS, or a dict, list or number made of them) as bytes: the same for the same value."""
    return msgspec.msgpack.encode(_out(value))


def unpack(data: bytes | memoryview) -> Any:
    """The other way.  Raises BadModel."""
    try:
        return _in(msgspec.msgpack.decode(data))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise BadModel(f"cannot be read ({error!r}); train it anew") from None


def _out(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        dtype = value.dtype.newbyteorder("<")
        return {"a": dtype.str, "s": list(value.shape), "b": np.ascontiguousarray(value, dtype).tobytes()}
    if type(value).__name__ in PARTS:
        own = {f.name: _out(getattr(value, f.name)) for f in fields(value)}
        return {"c": type(value).__name__, "f": own}
    if isinstance(value, dict):
        return {"d": {k: _out(v) for k, v in value.items()}}
    if isinstance(value, tuple | list):
        return [_out(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _in(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_in(v) for v in value)
    if not isinstance(value, dict):
        return value
    if "a" in value:
        dtype = np.dtype(value["a"])
        if dtype.hasobject:
            raise ValueError("an array of objects")
        return np.frombuffer(value["b"], dtype).astype(dtype.newbyteorder("=")).reshape(value["s"])
    if "c" in value:
        own = {k: list(_in(v)) if k in LISTS else _in(v) for k, v in value["f"].items()}
        return PARTS[value["c"]](**own)
    return {k: _in(v) for k, v in value["d"].items()}
