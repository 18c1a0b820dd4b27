"""Finds a folder for what can be made again, and lets one process at a time make it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Let the processes of this machine do a work in a folder one after the other.

    Where the folder takes no lock file, all go on at once.
    """
    if sys.platform == "win32":  # has no such locks, and one process trains there anyway
        yield
        return
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / "lock", "w")  # noqa: SIM115 - closed below
    except OSError:
        yield
        return
    with stream:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Where bertkit keeps what can be made again: `bertkit` in the user's cache folder.

    A user without a home, as in containers, has none: it is a place that cannot be written.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bertkit"
    except RuntimeError:  # what pathlib raises then
        return Path(os.devnull) / "bertkit"


def is_writable_folder(folder: Path) -> bool:
    """Whether files may be written to a folder; never in one that has no such permission.

    To the superuser the system allows even those, which are read-only for a reason.
    """
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False
