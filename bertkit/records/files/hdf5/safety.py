"""Refuses HDF5 files that read other files, or claim more rows than their bytes can hold.

An HDF5 file may name other files (external links, external storage, virtual datasets) and may
declare datasets of any size: what was never written reads as zeros.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bertkit.errors import BertkitError, DataError
from bertkit.optional import require

# zlib packs a run of one byte no denser; no other filter that HDF5 has built in does better.
_MOST_GROWTH = 1_100
# Of one chunk, which is unpacked as a whole; h5py chooses at most a megabyte.
_MOST_CHUNK = 256 << 20
_ADVICE = "make or fetch it again"


def h5py() -> Any:
    """The h5py package.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return require("h5py", "HDF5 files", extra="hdf5")


@contextlib.contextmanager
def hdf5_errors(path: str, what: str = "not a complete HDF5 file") -> Iterator[None]:
    """Turn the errors of many kinds that h5py raises for damaged files into ours."""
    try:
        yield
    except (BertkitError, MemoryError):
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{path}: {what}: {reason}", _ADVICE) from error


def own_dataset(file: Any, name: str, path: str) -> Any:
    """A dataset that lies in this file as a whole.

    Args:
        file: an open h5py.File.
        name: of the dataset, in the root group.
        path: of the file, for messages.

    Raises:
        DataError: it is none, lies in another file, or is larger than the file can hold.
    """
    package = h5py()
    link = file.get(name, getlink=True)
    data = file[name] if isinstance(link, package.HardLink) else None
    if not isinstance(data, package.Dataset) or data.external or data.is_virtual:
        raise DataError(
            f"{path}: {name} is no dataset of this file, but a link to another place",
            "copy the data into one file, or make it again",
        )
    _require_written(data, path)
    return data


def _require_written(data: Any, path: str) -> None:
    """Refuse a dataset whose parts were never written, or whose chunks are absurdly large."""
    place = f"{path}: {data.name.lstrip('/')}"
    size = int(data.nbytes) if data.shape else 0
    if not size:
        return
    if size > _MOST_GROWTH * data.file.id.get_filesize():
        raise DataError(
            f"{place} claims {size:,} bytes, more than the file can hold: shape {data.shape}",
            _ADVICE,
        )
    if data.chunks is None:
        stored = data.id.get_storage_size()
        if stored < size:
            raise DataError(f"{place}: only {stored:,} of its {size:,} bytes are there", _ADVICE)
        return
    chunk = data.dtype.itemsize
    wanted = 1
    for extent, whole in zip(data.chunks, data.shape, strict=True):
        chunk *= extent
        wanted *= -(-whole // extent)
    if chunk > _MOST_CHUNK:
        raise DataError(f"{place}: its chunks are {chunk:,} bytes, shape {data.chunks}", _ADVICE)
    found = data.id.get_num_chunks()
    if found < wanted:
        raise DataError(f"{place}: only {found:,} of its {wanted:,} chunks are there", _ADVICE)
