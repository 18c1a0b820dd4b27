"""Names temporary files so that no two writers meet, and removes those of dead processes.

A file or folder `NAME` is written as `.NAME.partial-HOST-PID-RANDOM` and then renamed; an old
folder that a new one replaces is `.NAME.replaced-…` for that moment. HOST is a digest of the
machine and of the container: the same number of a process means another one elsewhere. What dead
processes left goes when a process first writes into the folder.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shutil
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

from bertkit.system.processes import is_alive

PARTIAL = ".partial"
REPLACED = ".replaced"
# Host and random part are absent from names of earlier versions.
_LEFTOVER = re.compile(
    r"\.(?P<name>.+)(?P<kind>\.partial|\.replaced)"
    r"-(?:(?P<host>[0-9a-f]{8})-)?(?P<pid>\d+)(?:-[0-9a-f]{8})?"
)
# Names that this process is writing now.
_ACTIVE: set[str] = set()
# (process, folder) where leftovers were looked for; a fork begins anew.
_LOOKED_AT: set[tuple[int, Path]] = set()


@contextlib.contextmanager
def temporary_path(target: Path, kind: str = PARTIAL) -> Iterator[Path]:
    """A name beside `target` that no other writer has; whoever asks for it makes the file."""
    looked_at = os.getpid(), target.parent
    if looked_at not in _LOOKED_AT:
        _LOOKED_AT.add(looked_at)
        remove_leftovers(target.parent)
    token = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    path = target.with_name(f".{target.name}{kind}-{token}")
    _ACTIVE.add(path.name)
    try:
        yield path
    finally:
        _ACTIVE.discard(path.name)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is, or was, being written."""
    return _LEFTOVER.fullmatch(name) is not None


def remove_leftovers(folder: str | Path, *, owned: bool = False, recursive: bool = False) -> None:
    """Delete what dead processes left half written; files of live ones stay.

    A folder whose replacement was cut short gets its name back.

    Args:
        folder: to look in; need not exist.
        owned: the caller holds the folder's lock and has no workers yet: all others that
            wrote here are dead, or the orphans of a dead process.
        recursive: also in the folders below it.
    """
    for place, folders, names in os.walk(folder):
        for entry in (*folders, *names):
            match = _LEFTOVER.fullmatch(entry)
            if match and _is_dead(match, entry, owned):
                with contextlib.suppress(OSError):  # another user's, or a disk that refuses
                    _remove(Path(place), entry, match)
        if not recursive:
            return
        folders[:] = [entry for entry in folders if not is_temporary(entry)]


def _remove(place: Path, entry: str, match: re.Match[str]) -> None:
    path = place / entry
    if match["kind"] == REPLACED and not (place / match["name"]).exists():
        path.rename(place / match["name"])
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_dead(match: re.Match[str], entry: str, owned: bool) -> bool:
    """Whether the writer of a leftover is gone, or must not write here any more."""
    host, number = match["host"], int(match["pid"])
    if entry in _ACTIVE:
        return False
    # Containers begin to count anew: a name with our own number need not be ours.
    if owned or number == os.getpid():
        return owned or host in (None, _host())
    return host in (None, _host()) and not is_alive(number)


@functools.cache
def _host() -> str:
    """Eight hexadecimal digits for this machine and container."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{zlib.crc32(f'{socket.gethostname()} {namespace}'.encode()):08x}"
