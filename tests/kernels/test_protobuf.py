"""Lists of numbers, against messages that Google's package serialises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import example_pb2

from bertkit.codecs.protobuf import encode_varint
from bertkit.kernels import protobuf

NUMBERS = st.lists(
    st.one_of(st.integers(0, 127), st.integers(0, 70_000), st.integers(-(2**63), 2**63 - 1)),
    max_size=40,
)


def padded(message: bytes) -> np.ndarray:
    """Kernels may look a few bytes beyond a message."""
    return np.frombuffer(message + bytes(8), np.uint8)


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_integers_packed_and_one_by_one(values):
    message = example_pb2.Int64List(value=values).SerializeToString()
    single = b"".join(b"\x08" + encode_varint(value % (1 << 64)) for value in values)
    for data in (message, single, message + single):
        expected = values * (2 if data == message + single and values else 1)
        out = np.zeros(90, np.int64)
        count = protobuf.read_int_list(padded(data), np.uint64(0), np.uint64(len(data)), out, 2, 90)
        assert count == len(expected)
        assert out[2 : 2 + count].tolist() == expected
    written = np.zeros(10 * len(values), np.uint8)
    size = protobuf.write_varints(np.array(values, np.int64), written)
    assert written[:size].tobytes() == b"".join(encode_varint(v % (1 << 64)) for v in values)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_floats(values):
    data = example_pb2.FloatList(value=values).SerializeToString()
    out = np.zeros(20, np.float32)
    bits, end = out.view(np.uint32), np.uint64(len(data))
    assert protobuf.read_float_list(padded(data), np.uint64(0), end, bits, 0, 20) == len(values)
    assert out[: len(values)].tolist() == np.float32(values).tolist()


@pytest.mark.parametrize("data", [b"\x0a\x05\x01", b"\x08\x80", b"\x12\x00", b"\x0a\x02\x80\x80"])
def test_broken_lists(data):
    out, end = np.zeros(9, np.int64), np.uint64(len(data))
    assert protobuf.read_int_list(padded(data), np.uint64(0), end, out, 0, 9) == -1


def test_more_numbers_than_fit():
    data = example_pb2.Int64List(value=[1, 2, 300]).SerializeToString()
    out, end = np.zeros(9, np.int64), np.uint64(len(data))
    assert protobuf.read_int_list(padded(data), np.uint64(0), end, out, 0, 2) == -1
    floats = example_pb2.FloatList(value=[1, 2]).SerializeToString()
    end, bits = np.uint64(len(floats)), np.zeros(9, np.uint32)
    assert protobuf.read_float_list(padded(floats), np.uint64(0), end, bits, 0, 1) == -1


@pytest.mark.parametrize("value", [0, 127, 128, 16_383, 16_384, (1 << 21) - 1])
def test_size_of_a_varint(value):
    assert protobuf.varint_size(np.uint64(value)) == len(encode_varint(value))
    assert protobuf.LARGEST_ID == (1 << 21) - 1
