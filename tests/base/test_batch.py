"""The canonical batch: there and back, and a clear refusal of anything else."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.batch import Batch, Refused, decode, encode
from fengsui.base.errors import BadBatch

finite = st.floats(allow_nan=True, allow_infinity=True)
row = st.tuples(
    st.integers(-1, 2**31 - 1), st.integers(-(2**62), 2**62), finite, st.integers(0, 2), st.integers(0, 30)
)


def batch_of(rows, **more) -> Batch:
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    kinds = ("<i4", "<i8", "<f8", "u1", "u1")
    return Batch(7, "dev-1", 1_700_000_000_000, *map(np.array, columns, kinds), **more)


@given(st.lists(st.lists(row, max_size=20), max_size=4))
def test_what_is_encoded_comes_back(lists):
    batches = [batch_of(rows, refused={0: Refused("T-1", "now", "x")} if rows else {}) for rows in lists]
    message = decode(encode("gw", 5, batches))
    assert (message.gateway, message.number, len(message.batches)) == ("gw", 5, len(batches))
    for sent, got in zip(batches, message.batches, strict=True):
        assert (got.site, got.source, got.received_ms, got.refused) == (
            sent.site, sent.source, sent.received_ms, sent.refused,
        )  # fmt: skip
        for name in ("datastream", "time_ms", "value", "quality", "reason"):
            np.testing.assert_array_equal(getattr(got, name), getattr(sent, name))


@given(row, st.integers(1, 2000))
def test_a_column_that_says_one_thing_travels_as_one_element(said, n):
    datastream, time_ms, _value, quality, reason = said
    sent = batch_of([(datastream, time_ms, float(i), quality, reason) for i in range(n)])
    data = encode("gw", 1, [sent])
    assert len(data) < 12 * n + 100
    (got,) = decode(data).batches
    for name in ("datastream", "time_ms", "value", "quality", "reason"):
        np.testing.assert_array_equal(getattr(got, name), getattr(sent, name))


def test_messages_of_the_version_before_are_read():
    whole = msgspec.msgpack.decode(encode("gw", 3, [batch_of([(1, 5, 3.0, 0, 0), (2, 6, 4.0, 1, 20)])]))
    (got,) = decode(msgspec.msgpack.encode([1, *whole[1:]])).batches
    assert (got.time_ms.tolist(), got.reason.tolist()) == ([5, 6], [0, 20])
    with pytest.raises(BadBatch, match="version 9"):
        decode(msgspec.msgpack.encode([9, *whole[1:]]))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_by_name(data):
    with pytest.raises(BadBatch):
        decode(data)


def test_a_cut_message_is_refused():
    whole = encode("gw", 1, [batch_of([(1, 2, 3.0, 0, 0)])])
    for cut in range(len(whole)):
        with pytest.raises(BadBatch):
            decode(whole[:cut])


def test_columns_of_different_length_are_refused():
    batch = batch_of([(1, 2, 3.0, 0, 0)])
    batch.value = np.array([1.0, 2.0])
    with pytest.raises(BadBatch, match="differ in length"):
        decode(encode("gw", 1, [batch]))
