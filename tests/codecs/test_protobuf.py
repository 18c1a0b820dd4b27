"""Protobuf fields against messages that Google's own package serialises."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.codecs.protobuf import (
    encode_varint,
    message_field,
    message_fields,
    read_fields,
    read_varint,
)
from bertkit.errors import DataError

NUMBERS = st.integers(0, (1 << 64) - 1)


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_a_number_as_google_writes_it(value):
    message = wrappers_pb2.UInt64Value(value=value or 1).SerializeToString()
    assert message == b"\x08" + encode_varint(value or 1)
    assert read_varint(message, 1) == (value or 1, len(message))
    assert read_varint(b"xx" + encode_varint(value) + b"yy", 2)[0] == value


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 10 + b"\x00"])
def test_a_number_that_does_not_end(data):
    with pytest.raises(DataError, match="the varint at byte 0 does not end"):
        read_varint(data, 0)
    with pytest.raises(DataError, match="byte 1 does not end"):
        read_varint(b"\x00\x80\x01", 1, 2)


def test_fields_of_every_kind():
    assert list(read_fields(wrappers_pb2.DoubleValue(value=1.0).SerializeToString())) == [
        (1, 0x3FF0000000000000)
    ]
    assert list(read_fields(wrappers_pb2.FloatValue(value=1.0).SerializeToString())) == [
        (1, 0x3F800000)
    ]
    moment = timestamp_pb2.Timestamp(seconds=300, nanos=7)
    assert list(read_fields(moment.SerializeToString())) == [(1, 300), (2, 7)]
    option = descriptor_pb2.UninterpretedOption(identifier_value="abc", positive_int_value=5)
    data = option.SerializeToString()
    found = dict(read_fields(data))
    start, end = found[3]
    assert data[start:end] == b"abc"
    assert found[4] == 5


def test_messages_in_messages():
    data = struct_pb2.Struct(fields={"key": struct_pb2.Value(string_value="x")}).SerializeToString()
    (entry,) = message_fields(data)
    assert entry[0] == 1
    parts = {number: data[slice(*place)] for number, place in message_fields(data, *entry[1])}
    assert parts == {1: b"key", 2: message_field(3, b"x")}
    assert list(message_fields(data, *entry[1], only=2)) == [
        (2, (len(data) - len(parts[2]), len(data)))
    ]
    assert message_field(1, message_field(1, b"key") + message_field(2, parts[2])) == data
    with pytest.raises(DataError, match="field 1 is a number, not a message"):
        list(message_fields(b"\x08\x01"))


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x09\x00", b"\x0b", b"\x08", b"\x0a"])
def test_cut_or_unknown_fields(data):
    with pytest.raises(DataError):
        list(read_fields(data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_bytes_of_any_kind_are_fields_or_refused(data):
    at = 0
    try:
        for _, value in read_fields(data):
            if isinstance(value, tuple):
                assert at <= value[0] <= value[1] <= len(data)
                at = value[1]
    except DataError as error:
        assert error.message
