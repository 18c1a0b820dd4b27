"""Reads and writes protobuf without a schema: varints, and the fields of a message.

https://protobuf.dev/programming-guides/encoding/. This is plain Python for the few
messages around the data; lists of numbers have kernels (`bertkit.kernels.protobuf`).
"""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.errors import DataError

_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5  # wire types
_FIXED_SIZE = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_LONGEST_VARINT = 10  # bytes of a number of 64 bits

Range = tuple[int, int]  # (first byte, byte behind the last) in the data


def encode_varint(value: int) -> bytes:
    """The varint of a number of at least 0: seven bits per byte, lowest first."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def read_varint(data: bytes, at: int, end: int | None = None) -> tuple[int, int]:
    """(value, position behind it) of the varint at `data[at]`.

    Args:
        data: holds the number.
        at: its first byte.
        end: the number ends before this byte; by default that behind the data.

    Raises:
        DataError: it does not end there, or is longer than 64 bits need.
    """
    value = shift = 0
    for place in range(at, min(len(data) if end is None else end, at + _LONGEST_VARINT)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise DataError(f"the varint at byte {at} does not end")


def message_field(number: int, content: bytes) -> bytes:
    """A length-delimited field, number 1 to 15: its tag, its size, its content."""
    return bytes([number << 3 | _LENGTH_DELIMITED]) + encode_varint(len(content)) + content


def varint_field(number: int, value: int) -> bytes:
    """A field of a number of at least 0, number 1 to 15; nothing for 0, as proto3 has it."""
    return bytes([number << 3 | _VARINT]) + encode_varint(value) if value else b""


def fixed32_field(number: int, value: int) -> bytes:
    """A field of 32 bits, number 1 to 15; nothing for 0."""
    return bytes([number << 3 | _FOUR_BYTES]) + value.to_bytes(4, "little") if value else b""


def read_fields(
    data: bytes, at: int = 0, end: int | None = None
) -> Iterator[tuple[int, int | Range]]:
    """(number, value) of each field of the message `data[at:end]`, in its order.

    The value is an integer for varints and fixed-size numbers (unsigned, little-endian),
    and the range of `data` it takes up for length-delimited fields.

    Raises:
        DataError: the bytes are not a message.
    """
    stop = len(data) if end is None else end
    while at < stop:
        tag, at = read_varint(data, at, stop)
        number, kind = tag >> 3, tag & 7
        size = 0
        if kind == _VARINT:
            value, at = read_varint(data, at, stop)
        elif kind == _LENGTH_DELIMITED:
            size, at = read_varint(data, at, stop)
        elif kind in _FIXED_SIZE:
            size = _FIXED_SIZE[kind]
            value = int.from_bytes(data[at : at + size], "little")
        else:
            raise DataError(f"invalid protobuf field at byte {at}")
        if size > stop - at:
            raise DataError(f"the field at byte {at} reaches beyond its message")
        yield number, ((at, at + size) if kind == _LENGTH_DELIMITED else value)
        at += size


def message_fields(
    data: bytes, at: int = 0, end: int | None = None, only: int = 0
) -> Iterator[tuple[int, Range]]:
    """(number, range) of each field of a message whose fields are all length-delimited.

    Args:
        data: holds the message.
        at: its first byte.
        end: the byte behind it.
        only: yield the fields of this number alone; 0 yields all.

    Raises:
        DataError: the bytes are not such a message.
    """
    for number, value in read_fields(data, at, end):
        if isinstance(value, int):
            raise DataError(f"field {number} is a number, not a message")
        if not only or number == only:
            yield number, value
