"""Keeps arrays in a folder of a cache, with a checksum of each, and maps them into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from crc32c import crc32c

from bertkit.codecs.sealed_json import require_sealed, sealed
from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.storage.files import atomic_folder, read_json, write_text

CHECKSUMS = "checksums.json"
_BLOCK = 1 << 20
_HINT = "remove this folder: it is made again"


def save_arrays(folder: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as `NAME.npy`, all of them or none.

    Args:
        folder: is made.
        arrays: by name.
    """
    with atomic_folder(folder, sync=False) as place:
        sums = {}
        for name, values in arrays.items():
            np.save(place / f"{name}.npy", values)
            sums[name] = _checksum(place / f"{name}.npy")
        write_text(place / CHECKSUMS, json_text(sealed(sums)))


def map_arrays(folder: str | Path, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays that `save_arrays` wrote, each compared with its checksum.

    They are mapped copy-on-write: kernels are compiled for writable arrays, and none writes.

    Args:
        folder: of the arrays.
        names: of the arrays.

    Raises:
        DataError: one is missing or damaged; says to remove the folder.
    """
    place = Path(folder)
    sums = {}
    if (place / CHECKSUMS).is_file():  # folders of version 0.1 have none
        sums = read_json(place / CHECKSUMS)
        if not isinstance(sums, dict):
            raise DataError(f"{folder}: damaged: {CHECKSUMS}", _HINT)
        require_sealed(sums, place / CHECKSUMS, _HINT)
    found = []
    for name in names:
        path = place / f"{name}.npy"
        try:
            if sums and sums.get(name) != _checksum(path):
                raise ValueError("its checksum is another")
            found.append(np.asarray(np.load(path, mmap_mode="c")))
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{folder}: damaged: {path.name}: {error}", _HINT) from error
    return found


def _checksum(path: Path) -> str:
    found = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found = crc32c(block, found)
    return f"{found:08x}"
