"""Keeps the datasets of large HDF5 files as plain arrays in the cache, for reading at random.

Of a compressed HDF5 file a record costs a whole chunk of each dataset: 300 times what it costs
in memory. What does not fit into memory is therefore unpacked once, in the stored types, and
mapped by all processes of the machine.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertkit import log
from bertkit.storage.files import atomic_folder, free_bytes, human_bytes
from bertkit.storage.shared_cache import cache_folder, one_process_at_a_time

_ROWS_BYTES = 1 << 24  # unpacked at a time
_HINT = (
    "records are read from it about 300 times slower; make room there, or name another cache "
    "folder (XDG_CACHE_HOME), or use records in TFRecord files: `bertkit make-records --format "
    "tfrecord` writes them"
)


def unpacked_columns(path: str, datasets: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The datasets of an open file as mapped arrays, unpacked where they are not in the cache.

    Args:
        path: the file.
        datasets: name → dataset of h5py.

    Returns:
        None where the cache has no room for them, which is said.

    Raises:
        OSError: a damaged part of the file.
    """
    place = _place(path)
    size = sum(int(data.nbytes) for data in datasets.values())
    try:
        with one_process_at_a_time(place.parent):
            if not place.is_dir():
                _remove_others(place)
                if free_bytes(place) < 1.1 * size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                log.logger.info("unpacking %s to %s (%s), once", path, place, human_bytes(size))
                with atomic_folder(place) as folder:
                    for name, data in datasets.items():
                        _unpack(data, folder / f"{name}.npy")
    except OSError as error:
        if error.errno is None:  # HDF5's own: it cannot be read
            raise
        reason = error.strerror or error
        log.logger.warning("cannot unpack %s to %s (%s): %s", path, place, reason, _HINT)
        return None
    return {name: np.asarray(np.load(place / f"{name}.npy", mmap_mode="r")) for name in datasets}


def _unpack(data: Any, path: Path) -> None:
    kind = np.lib.format.dtype_to_descr(data.dtype)
    head = {"descr": kind, "fortran_order": False, "shape": tuple(data.shape)}
    rows = max(1, _ROWS_BYTES // max(1, int(data[:1].nbytes)))
    # Not through a mapped file: where the disk is full, that would end the process.
    with open(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        for start in range(0, len(data), rows):
            stream.write(np.ascontiguousarray(data[start : start + rows]).data)


def _place(path: str) -> Path:
    """Where the datasets of a file as it is now are kept, in a folder of its own."""
    real = os.path.realpath(path)
    facts = Path(real).stat()
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:40]
    return cache_folder() / "hdf5" / name / f"{facts.st_size:x}-{facts.st_mtime_ns:x}"


def _remove_others(place: Path) -> None:
    """Remove what was unpacked of the file before it changed."""
    for old in place.parent.iterdir():
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
