"""Ends a process that does not hear a signal, because it waits in a library.

Python calls its handlers between two instructions of the main thread. One that waits in C++ for
another process hears Ctrl-C when that wait ends, which may be in half an hour. But the number of
a signal is written to a descriptor as it arrives (`signal.set_wakeup_fd`), and a thread reads it.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from bertkit import log

# Seconds that the main thread has to hear a signal.
_PATIENCE = 3.0
# Seconds from a signal until the thread reads of it, at most.
_READING = 1.0
# A launcher passes on the signal that its processes also get themselves: what comes within so
# many seconds of the first one is the same wish.
SAME_WISH = 5.0
_INTERRUPTED = 130
_NO_MORE = 0
# Signals of which a first one is remembered, and a second one is to end the process at once.
remembered: set[int] = set()


class UnheardSignals:
    """Watches from `start` to `stop`, both called by the main thread.

    Args:
        tell: says why this process ends to whom it concerns; may take a while.
    """

    def __init__(self, tell: Callable[[str], None] = lambda why: None) -> None:
        self.tell = tell
        self._heard = -math.inf  # when the main thread last did
        self._first = 0.0  # when the first remembered signal came
        self._before: Any = None
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch, unless somebody else does, or this is not the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        if before != -1:  # such as an event loop
            signal.set_wakeup_fd(before)
            ours.close()
            theirs.close()
            return
        self._sockets = ours, theirs
        _watching.add(self)
        self._before = signal.getsignal(signal.SIGINT)
        if callable(self._before):
            signal.signal(signal.SIGINT, self._hear)
        self._thread = threading.Thread(target=self._watch, name="bertkit-signals", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave signals to Python again."""
        if self._sockets is None or self._thread is None:
            return
        _watching.discard(self)
        signal.set_wakeup_fd(-1)
        if signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, self._before)
        ours, theirs = self._sockets
        theirs.send(bytes([_NO_MORE]))
        self._thread.join(1.0)
        ours.close()
        theirs.close()
        self._sockets = None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard = time.monotonic()
        self._before(number, frame)

    def _watch(self) -> None:
        assert self._sockets is not None
        with contextlib.suppress(OSError):
            while True:
                for number in self._sockets[0].recv(64):
                    if number == _NO_MORE:
                        return
                    self._arrived(number)

    def _arrived(self, number: int) -> None:
        if number == signal.SIGINT:
            begin = time.monotonic()
            while time.monotonic() - begin < _PATIENCE:
                if self._heard > begin - _READING:
                    return
                time.sleep(_READING / 10)
            if signal.getsignal(signal.SIGINT) == self._hear:
                self._end("interrupted (Ctrl-C)", "\nInterrupted.", _INTERRUPTED)
        elif number in remembered:
            now = time.monotonic()
            self._first = self._first or now
            if now - self._first >= SAME_WISH:
                time.sleep(_PATIENCE)  # for the handler, which ends the process itself
                name = signal.Signals(number).name
                self._end(
                    f"stopped by a second {name}",
                    f"Error: stopped by a second {name} while it waited for another process;"
                    " nothing was saved",
                    128 + number,
                )

    def _end(self, why: str, shown: str, status: int) -> None:
        """End the process; what threads of it write is written first, unless asked again."""
        log.close_bars()
        with contextlib.suppress(Exception):
            sys.stderr.write(f"{shown}\n")
            sys.stderr.flush()
        with contextlib.suppress(Exception):
            self.tell(why)
        assert self._sockets is not None
        self._sockets[0].settimeout(0.1)
        while _others_work():
            with contextlib.suppress(TimeoutError):
                if self._sockets[0].recv(64):
                    break
        os._exit(status)


def _others_work() -> bool:
    """Whether threads besides the main one are at work that Python waits for at its end."""
    own = (threading.main_thread(), threading.current_thread())
    return any(not item.daemon for item in threading.enumerate() if item not in own)


_watching: set[UnheardSignals] = set()


def _leave_to_parent() -> None:
    """In a process that was forked: what it hears is not the parent's."""
    if _watching:
        _watching.clear()
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
