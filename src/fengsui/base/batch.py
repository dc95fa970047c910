"""The canonical batch: one site, one or a few instants, many datastreams, in columns.

Every gateway ends in this form and everything after the bus starts from it.  One bus message carries one or
more batches of the same partition (group commit), encoded as MessagePack; the columns are raw little-endian
arrays, so that decoding is a view, not a copy.  A column that says one thing throughout (the time of a message of one
instant, its quality) travels as one element.
"""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from fengsui.base.errors import BadBatch

VERSION = 2
READS = (1, 2)  # 1: every column whole
DATASTREAM, TIME, VALUE, BYTE = np.dtype("<i4"), np.dtype("<i8"), np.dtype("<f8"), np.dtype("u1")


class Refused(msgspec.Struct, array_like=True):
    """What was sent for a row refused at the door, as text, so that it can be shown, corrected and replayed."""

    code: str = ""  # the datastream code as sent
    time: str = ""
    value: str = ""
    unit: str = ""


@dataclass(slots=True)
class Batch:
    """Columns of equal length n.

    ``datastream`` int32 [n], -1 where unknown · ``time_ms`` int64 [n] UTC epoch · ``value`` float64 [n] in the
    datastream's own unit, NaN where the device has no value · ``quality`` uint8 [n] · ``reason`` uint8 [n],
    non-zero where the door refused the row.  ``refused`` maps such a row to what was sent.
    """

    site: int
    source: str  # device code, or "replay:<dataset>@<site>"
    received_ms: int
    datastream: np.ndarray
    time_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray
    reason: np.ndarray
    refused: dict[int, Refused] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.datastream)


class _Wire(msgspec.Struct, array_like=True):
    site: int
    source: str
    received_ms: int
    datastream: bytes
    time_ms: bytes
    value: bytes
    quality: bytes
    reason: bytes
    refused: dict[int, Refused]


class _Message(msgspec.Struct, array_like=True):
    version: int
    gateway: str  # instance id of the gateway that wrote it
    number: int  # 1, 2, 3 … per gateway instance and partition: a gap is a loss
    batches: list[_Wire]


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded bus message: who wrote it, its number in that writer's sequence, and its batches."""

    gateway: str
    number: int
    batches: list[Batch]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Message)


def encode(gateway: str, number: int, batches: list[Batch]) -> bytes:
    """One bus message out of batches of one partition."""
    return _encoder.encode(_Message(VERSION, gateway, number, [_wire(b) for b in batches]))


def decode(data: bytes) -> Message:
    """The batches of a bus message; columns are read-only views into ``data``.  Raises BadBatch."""
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBatch(f"not a canonical batch: {error}") from error
    if message.version not in READS:
        raise BadBatch(f"batch version {message.version}, this pipeline reads {VERSION}")
    return Message(message.gateway, message.number, [_batch(w) for w in message.batches])


def _wire(b: Batch) -> _Wire:
    return _Wire(
        b.site,
        b.source,
        b.received_ms,
        np.ascontiguousarray(b.datastream, DATASTREAM).tobytes(),
        _short(b.time_ms, TIME),
        np.ascontiguousarray(b.value, VALUE).tobytes(),
        _short(b.quality, BYTE),
        _short(b.reason, BYTE),
        b.refused,
    )


def constant(value: int, dtype: np.dtype, n: int) -> np.ndarray:
    """A read-only column [n] that says ``value`` throughout, and holds it once."""
    return np.ndarray(
        (n,), dtype, value.to_bytes(dtype.itemsize, "little", signed=dtype.kind == "i"), 0, (0,)
    )


def _short(column: np.ndarray, dtype: np.dtype) -> bytes:
    """The bytes of a column, or of its first element if all are the same."""
    if len(column) > 1 and (
        column.strides[0] == 0 or (column[0] == column[-1] and (column == column[0]).all())
    ):
        column = column[:1]
    return np.ascontiguousarray(column, dtype).tobytes()


def _long(data: bytes, dtype: np.dtype, n: int) -> np.ndarray:
    """A column that travelled whole or as one element; the latter as a view of it."""
    if len(data) == dtype.itemsize and n > 1:
        return np.ndarray((n,), dtype, data, 0, (0,))
    return np.frombuffer(data, dtype)


def _batch(w: _Wire) -> Batch:
    n = len(w.datastream) // DATASTREAM.itemsize
    try:
        batch = Batch(
            w.site,
            w.source,
            w.received_ms,
            np.frombuffer(w.datastream, DATASTREAM),
            _long(w.time_ms, TIME, n),
            np.frombuffer(w.value, VALUE),
            _long(w.quality, BYTE, n),
            _long(w.reason, BYTE, n),
            w.refused,
        )
    except ValueError as error:
        raise BadBatch(f"a column of site {w.site} is cut: {error}") from error
    if not n == len(batch.time_ms) == len(batch.value) == len(batch.quality) == len(batch.reason):
        columns = (batch.datastream, batch.time_ms, batch.value, batch.quality, batch.reason)
        raise BadBatch(f"columns of site {w.site} differ in length: {[len(c) for c in columns]}")
    return batch
