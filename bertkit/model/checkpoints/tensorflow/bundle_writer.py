"""Writes TensorFlow's tensor bundles (`X.index`, `X.data-00000-of-00001`) without TensorFlow.

The mirror of `bundle.py`, in one data file, with the bytes of TensorFlow's BundleWriter
(tensorflow/core/util/tensor_bundle/tensor_bundle.cc): equal tensors in an equal order give
equal files. Tensors pass through one by one; the index comes last, so that a bundle whose
writing ended early has none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from crc32c import crc32c
from torch import Tensor

from bertkit.codecs.checksum import masked, masked_crc32c
from bertkit.codecs.protobuf import encode_varint, fixed32_field, message_field, varint_field
from bertkit.model.checkpoints.tensorflow.bundle import STRING, TYPES
from bertkit.model.checkpoints.tensorflow.sstable_writer import table
from bertkit.storage.files import atomic_write, shard_name, write_text

_KINDS = {kind: number for number, kind in TYPES.items()}
_HEADER = varint_field(1, 1) + message_field(3, varint_field(1, 1))  # one file, of version 1


class BundleWriter:
    """Tensors into the data file of a bundle, in the order in which they are added."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = 0
        self.entries: dict[bytes, bytes] = {b"": _HEADER}

    def add(self, name: str, tensor: Tensor) -> None:
        """Append a tensor of numbers, on the CPU.

        Raises:
            ValueError: of a type that TensorFlow does not have, or a name that is taken.
        """
        if tensor.dtype not in _KINDS:
            raise ValueError(f"{name} is {tensor.dtype}")
        # A scalar has no axis to see as bytes.
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        checksum = masked_crc32c(data.data)
        self._note(name, _KINDS[tensor.dtype], tuple(tensor.shape), len(data), checksum)
        self._stream.write(data.data)

    def add_text(self, name: str, text: bytes) -> None:
        """Append a scalar of type string."""
        length = struct.pack("<I", len(text))
        lengths = struct.pack("<I", masked_crc32c(length))
        data = encode_varint(len(text)) + lengths + text
        # The checksum takes the length as a number of 32 bits, not as it is stored.
        checksum = masked(crc32c(text, crc32c(lengths, crc32c(length))))
        self._note(name, STRING, (), len(data), checksum)
        self._stream.write(data)

    def _note(self, name: str, kind: int, shape: tuple[int, ...], size: int, crc: int) -> None:
        key = name.encode("utf-8")
        if key in self.entries:
            raise ValueError(f"two tensors called {name}")
        axes = b"".join(message_field(2, varint_field(1, length)) for length in shape)
        self.entries[key] = (
            varint_field(1, kind)
            + message_field(2, axes)
            + varint_field(4, self._end)
            + varint_field(5, size)
            + fixed32_field(6, crc)
        )
        self._end += size


@contextmanager
def write_bundle(prefix: Path) -> Iterator[BundleWriter]:
    """A writer for a bundle that is there, index last, when the block ends without an error.

    An older bundle of that name loses its index first, so that no index ever belongs to other
    data. The note `checkpoint` beside it names it as the newest of its folder.

    Args:
        prefix: name of the bundle without `.index`.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    with atomic_write(shard_name(f"{prefix}.data", 0, 1)) as stream:
        writer = BundleWriter(stream)
        yield writer
        index.unlink(missing_ok=True)
    with atomic_write(index) as stream:
        stream.write(table(writer.entries))
    names = ("model_checkpoint_path", "all_model_checkpoint_paths")
    lines = (f'{name}: "{prefix.name}"\n' for name in names)
    write_text(prefix.with_name("checkpoint"), "".join(lines))
