"""Makes a process fail at its n-th event in the file system.

Events are what changes the disk below a folder: opening for writing, each write to a file that
Python opened, rename, remove, folders, links, and the beginning and end of each sync.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import sys
from typing import Any

FAULTS = ("kill", "ENOSPC", "EIO", "memory", "interrupt", "terminate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NAMED = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
# What a full disk still allows.
_FREEING = {"os.remove", "os.rmdir", "os.rename", "after fsync"}


class Events:
    """Counts the events of a process and makes it fail at one of them.

    Args:
        under: the folder.
        at: number of the event, from 1; 0 only counts.
        fault: one of `FAULTS`.
        record: a file that the names of events are written to.
    """

    def __init__(self, under: str, at: int = 0, fault: str = "kill", record: str = "") -> None:
        self.under = os.path.realpath(under) + os.sep
        self.at, self.fault = at, fault
        self.count = 0
        self.names: list[str] = []
        self._record = record
        self._pid = os.getpid()
        self._busy = False

    def install(self) -> None:
        """Watch this process from now on."""
        sys.addaudithook(self._audit)
        self._sync, os.fsync = os.fsync, self._fsync
        self._open = builtins.open
        builtins.open = io.open = self._watched_open  # type: ignore[assignment]

    def write_record(self) -> None:
        """Write down the events so far."""
        self._busy = True
        with self._open(self._record, "w", encoding="utf-8") as stream:
            stream.write("\n".join(self.names))
        self._busy = False

    def event(self, kind: str, path: Any) -> None:
        """An event happens now."""
        if self._busy or os.getpid() != self._pid:
            return
        name = _absolute(path) if path else ""
        if name and not name.startswith(self.under):
            return
        self.count += 1
        self.names.append(f"{kind} {name[len(self.under) :]}")
        full = self.fault == "ENOSPC" and self.count > self.at and kind not in _FREEING
        if self.at and (self.count == self.at or full):
            self._fail()

    def _fail(self) -> None:
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.fault == "memory":
            raise MemoryError
        elif self.fault == "interrupt":
            raise KeyboardInterrupt
        elif self.fault == "terminate":
            signal.raise_signal(signal.SIGTERM)
        else:
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number))

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = (
                any(sign in mode for sign in "wax+")
                if isinstance(mode, str)
                else (isinstance(flags, int) and bool(flags & _WRITES))
            )
            if writes and isinstance(path, (str, bytes, os.PathLike)):
                self.event("open", path)
        elif event in _NAMED and not isinstance(args[0], int):
            # Within a tree that is being removed, names are relative to an open folder.
            inner = event in ("os.remove", "os.rmdir") and args[-1] not in (-1, None)
            self.event(event, self.under + "inner" if inner else args[0])

    def _fsync(self, handle: int) -> None:
        self.event("fsync", "")
        self._sync(handle)
        self.event("after fsync", "")

    def _watched_open(
        self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any
    ) -> Any:
        """`open`, whose files tell each write."""
        writes = any(sign in mode for sign in "wax+")
        if not writes or isinstance(file, int) or os.getpid() != self._pid:
            return self._open(file, mode, buffering, *rest, **more)
        if not _absolute(file).startswith(self.under) or rest or "opener" in more:
            return self._open(file, mode, buffering, *rest, **more)
        raw = _WatchedFile(file, mode.replace("b", "").replace("t", ""))
        raw.events = self
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedWriter
        stream = kind(raw, buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
        if "b" in mode:
            return stream
        text = io.TextIOWrapper(
            stream, more.get("encoding"), more.get("errors"), more.get("newline"), buffering == 1
        )
        text.mode = mode  # type: ignore[misc]
        return text


class _WatchedFile(io.FileIO):
    events: Events

    def write(self, data: Any) -> int:
        self.events.event("write", self.name)
        return super().write(data) or 0


def _absolute(path: Any) -> str:
    # Without a look at links, as the events tell them.
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100
