"""Ends a process in which threads of a library may still run.

A thread of C++ that asks for Python's lock while the interpreter is being taken down ends the
whole process with SIGABRT ("terminate called without an active exception"; up to Python 3.13).
Where such a thread could not be ended in time, the process ends without taking it down.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

# Seconds that a thread has at the end of its process, all together.
_PATIENCE = 2.0
_UNWRITTEN = 120  # the status that Python ends with where its output cannot be written
_still_at_work: list[threading.Thread] = []


def end_later(thread: threading.Thread) -> None:
    """Name a thread that is still in a library, or waits for the library's threads to end."""
    _still_at_work[:] = [item for item in _still_at_work if item.is_alive()]
    _still_at_work.append(thread)
    atexit.register(_wait)  # for programs that end without `end_process`


def end_process(status: int) -> NoReturn:
    """End this process with a status, as `sys.exit` does from the main thread.

    Where threads named to `end_later` do not end, all else is done that Python does: other
    threads are waited for, the functions of `atexit` run, and what is printed is written.
    """
    if _wait():
        sys.exit(status)
    threading._shutdown()  # type: ignore[attr-defined]  # also ends the threads of executors
    atexit._run_exitfuncs()
    if not _flushed() and not status:
        status = _UNWRITTEN
    os._exit(status)


def _wait() -> bool:
    """Wait for the threads for a while; whether all have ended."""
    for thread in _still_at_work:
        thread.join(_PATIENCE / len(_still_at_work))
    return not any(thread.is_alive() for thread in _still_at_work)


def _flushed() -> bool:
    """Write what is printed; whether all of it could be written."""
    streams = (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__)
    try:
        for stream in streams:
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        return False
    return True
