"""Finds the operating system's error behind the errors that libraries raise when writing fails.

PyTorch, safetensors and HDF5 write in C++ or Rust. On a full disk they raise errors of their
own, some of which do not say so; the command line explains `OSError` only.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from pathlib import Path

if sys.platform != "win32":  # which has no such limits
    import resource

# What safetensors (Rust; up to 0.5 in other words) and HDF5 put into their texts.
_NUMBER = re.compile(r"os error (\d+)|Os \{ code: (\d+)|errno = (\d+)")
# What numpy says of a stream that took less than it was given, and no more.
_NUMPY = re.compile(r"\d+ requested and \d+ written")
# What PyTorch's archive writer says, whatever the reason.
_TORCH = ("inline_container", "PytorchStreamWriter", "iostream error")
_FULL = 1 << 20  # bytes; a disk with less left is called full
_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def write_error(error: BaseException, path: str | Path) -> OSError | None:
    """The `OSError` that says why writing failed; None where the error says so itself.

    Call it while the partly written file still exists: PyTorch's and numpy's errors name no
    reason, so that the disk and the limits of the process are looked at.

    Args:
        error: what was raised while `path` was written.
        path: a file or a folder.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return None
    number = _errno_of(error)
    if number is None and _says_no_reason(error):
        number = _likely_reason(Path(path))
    return OSError(number, os.strerror(number), str(path)) if number else None


def interruption(error: BaseException) -> BaseException | None:
    """What interrupted the process, where a library raised an error of its own on the way out."""
    if not isinstance(error, Exception):
        return None
    current: BaseException | None = error
    while current is not None and isinstance(current, Exception):
        current = current.__cause__ or current.__context__
    return current


def _errno_of(error: BaseException) -> int | None:
    """The errno of the error, of one that led to it, or in its text."""
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, OSError) and current.errno in _WRITING:
            return current.errno
        current = current.__cause__ or current.__context__
    match = _NUMBER.search(str(error))
    number = int(match[match.lastindex or 0]) if match else None
    if number is None and isinstance(error, OSError):
        return error.errno
    return number


def _says_no_reason(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return _NUMPY.search(str(error)) is not None
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _TORCH)


def _likely_reason(path: Path) -> int:
    """The likely errno of a failed write, from the state of the disk and the limits."""
    place = path if path.is_dir() else path.parent
    try:
        full = shutil.disk_usage(place).free < _FULL or not _takes_files(place)
    except OSError:
        return errno.EIO
    if full:
        return errno.ENOSPC
    if sys.platform != "win32":
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        sizes = [file.stat().st_size for file in place.iterdir() if file.is_file()]
        # PyTorch writes in blocks, so the file ends a block before the limit at the earliest.
        if limit != resource.RLIM_INFINITY and max(sizes, default=0) > limit - _FULL:
            return errno.EFBIG
    return errno.EIO


def _takes_files(place: Path) -> bool:
    """Whether the file system has numbers left for new files; some have as many as they need."""
    if sys.platform == "win32":
        return True
    system = os.statvfs(place)
    return not system.f_files or system.f_favail > 0
