"""Lets one process at a time write into an output folder.

The lock is a POSIX record lock on a hidden file in the folder: the kernel gives it back
however its holder ends, and network file systems pass it on to other machines. The file says
who holds it. On file systems without such locks the file itself is the lock: its holder keeps
its time of change young, and it is stale once its process is gone, or, on another machine,
once nobody has touched it for some minutes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bertkit.errors import BertkitError
from bertkit.system.processes import is_alive, start_time
from bertkit.workers.spawned import leave_if_importing

NAME = ".bertkit.lock"
FILE_NAME = ".bertkit.lock-file"  # where the file system has no locks
HEARTBEAT = 20.0  # seconds between signs of life where the file system has no locks
STALE = 300.0  # seconds without one, after which the holder on another machine is gone
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY}
# Folders that this process holds → how often: a task may lock what its command has locked.
_HELD: dict[str, int] = {}


@contextlib.contextmanager
def locked_folder(folder: str | Path, command: str) -> Iterator[None]:
    """Hold an output folder for the time of the block; the folder is made if it is absent.

    Args:
        folder: local.
        command: what works in it, for the messages of others.

    Raises:
        BertkitError: another process holds it; says which.
    """
    leave_if_importing()  # before it takes the lock of its own parent for another's
    place = Path(folder)
    key = str(place.resolve())
    if key in _HELD:
        _HELD[key] += 1
        try:
            yield
        finally:
            _HELD[key] -= 1
        return
    made = not place.exists()
    if not (made or place.is_dir()):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    place.mkdir(parents=True, exist_ok=True)
    release = _take(place / NAME, command)
    _HELD[key] = 1
    try:
        yield
    finally:
        del _HELD[key]
        release()
        if made:  # and nothing was written: leave no trace
            with contextlib.suppress(OSError):
                place.rmdir()


def is_held(folder: str | Path) -> bool:
    """Whether a folder is there, and some process on some machine holds it or did so."""
    # The folder is opened, as network file systems look at it anew then.
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return False
    return NAME in names or FILE_NAME in names


def _take(path: Path, command: str) -> Callable[[], None]:
    """Take the lock; returns the function that gives it back."""
    if sys.platform == "win32":
        return _take_file(path.with_name(FILE_NAME), command)
    import fcntl

    while True:
        try:
            stream = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - as long as it locks
        except OSError as error:
            # Nobody writes here, and whoever tries learns why: what is complete may be read.
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return lambda: None
            raise
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.close()
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _in_use(path) from error
            if error.errno in _UNSUPPORTED:
                path.unlink(missing_ok=True)
                return _take_file(path.with_name(FILE_NAME), command)
            raise
        # Another holder may have removed the file between `open` and the lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                break
        stream.close()
    stream.truncate(0)
    stream.write(_holder(command))
    stream.flush()

    def release() -> None:
        with contextlib.suppress(OSError):
            path.unlink()
        stream.close()

    return release


def _take_file(path: Path, command: str) -> Callable[[], None]:
    """The lock where the file system has none: whoever creates the file holds it."""
    for _ in range(2):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            if not _is_stale(path):
                raise _in_use(path) from None
            path.unlink(missing_ok=True)
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(_holder(command))
        return _kept_young(path)
    raise _in_use(path)


def _kept_young(path: Path) -> Callable[[], None]:
    """Touch a lock file now and then; returns the function that ends this and removes it."""
    done = threading.Event()

    def touch() -> None:
        while not done.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=touch, name="bertkit-lock", daemon=True)
    thread.start()

    def release() -> None:
        done.set()
        thread.join()
        with contextlib.suppress(OSError):
            path.unlink()

    return release


def _holder(command: str) -> str:
    facts = {
        "command": command,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": start_time(os.getpid()),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    return json.dumps(facts) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_stale(path: Path) -> bool:
    """Whether the holder that a lock file names is gone."""
    facts = _read(path)
    number = facts.get("process")
    if facts.get("host") == socket.gethostname() and isinstance(number, int):
        return not is_alive(number) or start_time(number) != facts.get("started")
    try:
        return _time_there(path.parent) - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True


def _time_there(folder: Path) -> float:
    """The time of the machine that keeps the files, whose clock may not be this one's."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime
    return time.time()


def _in_use(path: Path) -> BertkitError:
    facts = _read(path)
    who = "another process"
    if facts:
        who = (
            f"`bertkit {facts.get('command')}` (process {facts.get('process')} on"
            f" {facts.get('host')}, since {facts.get('since')})"
        )
    return BertkitError(
        f"{path.parent} is in use by {who}",
        f"wait for it, stop it, or give another --output; if it is gone, remove {path}",
    )
