"""A small writer of TensorFlow checkpoints, to test what the real samples do not have."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import cramjam
import torch

from bertkit.codecs.checksum import masked_crc32c
from bertkit.errors import DataError

KINDS = {
    torch.float32: 1,
    torch.float64: 2,
    torch.int32: 3,
    torch.int64: 9,
    torch.bool: 10,
    torch.bfloat16: 14,
    torch.float16: 19,
}
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def entry(kind: int, shape, shard: int, offset: int, data: bytes) -> bytes:
    sizes = b"".join(field(2, field(1, size)) for size in shape)
    numbers = field(1, kind) + field(2, sizes) + field(3, shard) + field(4, offset)
    crc = varint(6 << 3 | 5) + struct.pack("<I", masked_crc32c(data))
    return numbers + field(5, len(data)) + crc


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, last = bytearray(), b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(last)) and key[shared] == last[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    return bytes(out) + struct.pack("<II", 0, 1)


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def sealed(content: bytes, kind: int) -> bytes:
    stored = content + bytes([kind])
    return stored + struct.pack("<I", masked_crc32c(stored))


def table(entries: dict[bytes, bytes], per_block: int = 5, compressed: bool = False) -> bytes:
    items = sorted(entries.items())
    parts = [items[first : first + per_block] for first in range(0, len(items), per_block)]
    return table_of([(part[-1][0], block(part)) for part in parts], compressed)


def table_of(blocks: list[tuple[bytes, bytes]], compressed: bool = False) -> bytes:
    """A table, its checksums right, of (last key, content) of blocks, whatever they hold."""
    out, index = bytearray(), []
    pack = snappy if compressed else bytes

    def add(content: bytes) -> bytes:
        place = varint(len(out)) + varint(len(pack(content)))
        out.extend(sealed(pack(content), int(compressed)))
        return place

    for last, content in blocks:
        index.append((last, add(content)))
    footer = add(block([])) + add(block(index))
    return bytes(out) + footer.ljust(40, b"\0") + MAGIC


def write_bundle(
    prefix: Path,
    tensors: dict[str, torch.Tensor],
    shards: int = 1,
    compressed: bool = False,
    extra: dict[bytes, bytes] | None = None,
) -> None:
    files = [bytearray() for _ in range(shards)]
    entries = {b"": field(1, shards) + field(3, field(1, 1)), **(extra or {})}
    for number, (name, tensor) in enumerate(sorted(tensors.items())):
        file, data = files[number % shards], raw(tensor)
        made = entry(KINDS[tensor.dtype], tensor.shape, number % shards, len(file), data)
        entries[name.encode()] = made
        file += data
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries, compressed=compressed))
    for number, file in enumerate(files):
        name = f"{prefix.name}.data-{number:05d}-of-{shards:05d}"
        prefix.with_name(name).write_bytes(file)


def refuses_or_reads(function, *arguments):
    """Anything but an answer or a DataError fails the test; so does much memory."""
    tracemalloc.start()
    try:
        function(*arguments)
    except DataError as error:
        assert error.message
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 << 20
