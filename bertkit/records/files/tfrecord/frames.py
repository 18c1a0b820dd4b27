"""Reads and writes TFRecord files and tf.train.Example messages, without TensorFlow.

Framing: https://www.tensorflow.org/tutorials/load_data/tfrecord, CRC-checked on every
read. Messages are written with their features sorted by name and their numbers packed,
so equal features always give equal bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from bertkit.codecs.protobuf import message_field, message_fields
from bertkit.errors import DataError
from bertkit.kernels import protobuf
from bertkit.kernels.crc32c import masked_crc32c
from bertkit.kinds.misplaced import misplaced
from bertkit.kinds.recognise import RECORDS
from bertkit.records.files.compressed_file import open_unpacked
from bertkit.storage import files

Feature = np.ndarray | list[bytes]

BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3  # field numbers in tf.train.Feature
_PIECE = 16 << 20
_NO_FRAME = "wrong checksum of its length"
_HINT = "the file is damaged or was not written completely: make or fetch it again"


class Written(NamedTuple):
    """A finished record file: how many records, size in bytes, SHA-256 as hex."""

    records: int
    bytes: int
    sha256: str


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """A serialised tf.train.Example, features sorted by name.

    Args:
        features: name → integers (written as packed Int64List), floats (packed
            FloatList of float32), or a list of bytes (BytesList); arrays are flattened.

    Raises:
        TypeError: an array of another dtype.
    """
    entries = b"".join(
        message_field(
            1, message_field(1, name.encode()) + message_field(2, encode_feature(features[name]))
        )
        for name in sorted(features)
    )
    return message_field(1, entries)


def encode_feature(values: Feature) -> bytes:
    """A serialised tf.train.Feature; see `encode_example`.

    Raises:
        TypeError: an array of another dtype.
    """
    if isinstance(values, list):
        return message_field(BYTES_LIST, b"".join(message_field(1, value) for value in values))
    if np.issubdtype(values.dtype, np.floating):
        packed = np.ascontiguousarray(values, "<f4").tobytes()
        return message_field(FLOAT_LIST, message_field(1, packed))
    if np.issubdtype(values.dtype, np.integer) or values.dtype == np.bool_:
        numbers = np.ascontiguousarray(values, np.int64).reshape(-1)
        out = np.empty(10 * len(numbers), np.uint8)
        size = protobuf.write_varints(numbers, out)
        return message_field(INT64_LIST, message_field(1, out[:size].tobytes()))
    raise TypeError(f"a feature cannot hold dtype {values.dtype}")


def decode_example(payload: bytes | memoryview) -> dict[str, Feature]:
    """Parse a serialised tf.train.Example: fields in any order, numbers packed or not.

    Returns:
        name → int64[n], float32[n] or list of bytes; a feature without values is an
        empty list.

    Raises:
        DataError: the bytes are not an Example.
    """
    data = bytes(payload)
    features: dict[str, Feature] = {}
    try:
        for _, field in message_fields(data, 0, len(data), only=1):
            for _, entry in message_fields(data, *field, only=1):
                name, value = "", (0, 0)
                for number, place in message_fields(data, *entry):
                    if number == 1:
                        name = data[slice(*place)].decode()
                    elif number == 2:
                        if value[0]:
                            raise DataError("two values of one feature")
                        value = place
                features[name] = decode_feature(data, *value)
    except (DataError, ValueError) as error:
        raise DataError(f"not a tf.train.Example: {error}", _HINT) from error
    return features


def decode_feature(data: bytes, at: int, end: int) -> Feature:
    """The values of the tf.train.Feature in `data[at:end]`; see `decode_example`.

    Raises:
        DataError: the bytes are not a Feature.
    """
    values: Feature = []
    lists = 0
    for kind, (start, stop) in message_fields(data, at, end):
        lists += kind in (BYTES_LIST, FLOAT_LIST, INT64_LIST)
        if lists > 1:
            raise DataError(f"a feature with a second list of values at byte {start}")
        if kind == BYTES_LIST:
            values = [data[slice(*place)] for _, place in message_fields(data, start, stop, only=1)]
            continue
        if kind not in (FLOAT_LIST, INT64_LIST):
            continue
        # The kernels may look a few bytes beyond the message: give them room.
        message = np.zeros(stop - start + 8, np.uint8)
        message[:-8] = np.frombuffer(data, np.uint8, stop - start, start)
        size = np.uint64(stop - start)
        numbers = np.empty(stop - start, np.int64 if kind == INT64_LIST else np.uint32)
        read = protobuf.read_int_list if kind == INT64_LIST else protobuf.read_float_list
        count = read(message, np.uint64(0), size, numbers, 0, len(numbers))
        if count < 0:
            raise DataError(f"broken list of numbers at byte {start}")
        numbers = numbers[:count]
        values = numbers if kind == INT64_LIST else numbers.view(np.float32)
    return values


def frame(payload: bytes | memoryview) -> bytes:
    """A payload with its length and the two checksums around it."""
    length = struct.pack("<Q", len(payload))
    checks = struct.pack("<II", masked_crc32c(length), masked_crc32c(payload))
    return b"".join((length, checks[:4], payload, checks[4:]))


def write_records(path: str | os.PathLike[str], payloads: Iterable[bytes | memoryview]) -> Written:
    """Write a TFRecord file that appears under its name only when it is whole."""
    count = size = 0
    digest = hashlib.sha256()
    with files.atomic_write(Path(path)) as stream:
        for payload in payloads:
            framed = frame(payload)
            stream.write(framed)
            digest.update(framed)
            count += 1
            size += len(framed)
    return Written(count, size, digest.hexdigest())


def read_records(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The payloads of a local or remote TFRecord file, in order, both checksums checked.

    A file that is compressed whole, with gzip or zlib, is unpacked on the way; byte offsets are
    then those of its content.

    Raises:
        DataError: no such file; a cut-off record; a wrong checksum. Names the file, the
            record's number (from 0) and its byte offset.
    """
    offset = number = 0
    with open_unpacked(path) as stream:
        while header := stream.read(12):
            if len(header) < 12:
                raise damaged(path, number, offset, "the file ends inside the record's header")
            length, check = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != check:
                raise damaged(path, number, offset, _NO_FRAME)
            body = _read_up_to(stream, length + 4)
            if len(body) < length + 4:
                raise damaged(path, number, offset, "the file ends inside the record")
            payload = body[:-4]
            if masked_crc32c(payload) != int.from_bytes(body[-4:], "little"):
                raise damaged(path, number, offset, "wrong checksum of its data")
            yield payload
            number += 1
            offset += length + 16


def _read_up_to(stream: IO[bytes], size: int) -> bytes:
    """The next bytes, fewer only at the end; a size that a file claims costs no memory."""
    if size <= _PIECE:
        return stream.read(size)
    parts: list[bytes] = []
    while size and (part := stream.read(min(size, _PIECE))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def damaged(path: str | os.PathLike[str], number: int, offset: int, problem: str) -> DataError:
    """The error for a broken record: where it is, what is wrong, what to do.

    Of a file that is something else from its first byte on, the error says what it is.
    """
    if not number and (other := misplaced(os.fspath(path), RECORDS)):
        return other
    if not number and problem == _NO_FRAME and _has_foreign_ending(path):
        return DataError(
            f"{os.fspath(path)} is no record file: it begins neither as TFRecord, HDF5 nor JSON"
            " lines",
            "give the files that `bertkit make-records` wrote; is it damaged, or something else?",
        )
    return DataError(f"{os.fspath(path)}: record {number} at byte {offset}: {problem}", _HINT)


def _has_foreign_ending(path: str | os.PathLike[str]) -> bool:
    """Whether a name has an ending that is not of TFRecords; MLPerf's have none."""
    endings = Path(path).suffixes
    return bool(endings) and not {".tfrecord", ".tfrecords"} & {end.lower() for end in endings}
