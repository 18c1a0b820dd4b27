"""Keeps the order of very many samples in a file that the processes of a machine share.

An order is a permutation that only exists as a whole: 8 seconds of work for 180 million
samples. One process makes it, with 4 bytes a sample, in the cache folder; all of them map it, and
since they go through it from front to back, each holds a few pages at a time. Computing single
places of another permutation, as some loaders do, would need no file, but would change
the order of every run that is under way.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bertkit import log
from bertkit.errors import DataError
from bertkit.storage.files import atomic_write, free_bytes
from bertkit.storage.shared_cache import cache_folder, one_process_at_a_time

_FOLDER = "orders"
_PER_BLOCK = 1 << 16
# Files that no run has touched for so long go.
_KEPT_SECONDS = 7 * 86_400


class StoredOrder:
    """A permutation in a file: uint32 by blocks, and a CRC-32 of each block at the end.

    Args:
        path: the file.
        count: samples.

    Raises:
        DataError: it has another size.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count
        blocks = -(-count // _PER_BLOCK)
        size = 4 * (count + blocks)
        if path.stat().st_size != size:
            raise DataError(f"{path} is cut off", "remove it: it is made again")
        # A base array, without the costs of the class memmap.
        self._words = np.asarray(np.memmap(path, np.uint32, "r"))
        self._checked = np.zeros(blocks, np.bool_)

    def __getitem__(self, places: slice) -> np.ndarray:
        """The samples at some places, uint32.

        Raises:
            DataError: a damaged block.
        """
        start, stop, _ = places.indices(self._count)
        for block in range(start // _PER_BLOCK, -(-stop // _PER_BLOCK)):
            if not self._checked[block]:
                self._check(block)
        return self._words[start:stop]

    def _check(self, block: int) -> None:
        values = self._words[: self._count][block * _PER_BLOCK : (block + 1) * _PER_BLOCK]
        if zlib.crc32(values.tobytes()) != int(self._words[self._count + block]):
            raise DataError(f"{self._path} is damaged", "remove it: it is made again")
        self._checked[block] = True


def stored_order(
    count: int, seed: int, epoch: int, make: Callable[[], np.ndarray]
) -> StoredOrder | None:
    """The order of an epoch from the cache folder, made if it is not there.

    Args:
        count, seed, epoch: which one.
        make: gives it, uint32 [count].

    Returns:
        None where the cache folder takes no such file.
    """
    folder = cache_folder() / _FOLDER
    path = folder / f"{count}-{seed}-{epoch}.u32"
    try:
        with one_process_at_a_time(folder):
            if path.is_file():
                os.utime(path)
            else:
                _remove_old(folder, f"{count}-{seed}-", epoch)
                if free_bytes(folder) < 8 * count:
                    return None
                log.logger.info("making the order of epoch %d", epoch)
                _write(path, make())
        return StoredOrder(path, count)
    except OSError:
        return None


def _write(path: Path, values: np.ndarray) -> None:
    sums = [
        zlib.crc32(values[start : start + _PER_BLOCK].tobytes())
        for start in range(0, len(values), _PER_BLOCK)
    ]
    with atomic_write(path, sync=False) as stream:
        values.tofile(stream)
        np.array(sums, np.uint32).tofile(stream)


def _remove_old(folder: Path, own: str, epoch: int) -> None:
    """Remove orders of earlier epochs, and what no run uses; whoever maps one keeps it."""
    for path in folder.glob("*.u32"):
        with contextlib.suppress(OSError, ValueError):
            past = path.name.startswith(own) and int(path.stem.rpartition("-")[2]) < epoch - 1
            if past or time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()
