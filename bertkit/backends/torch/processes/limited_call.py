"""Calls into a library that may wait for another process, for no longer than one likes.

PyTorch's store waits for an answer without a limit where the process that keeps it stands still,
and Python hears no signal meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar, cast

from bertkit.system.process_end import end_later

T = TypeVar("T")


class NoAnswerError(TimeoutError):
    """A call has not returned in its time."""


def within(seconds: float, call: Callable[[], T], meanwhile: Callable[[], None] | None = None) -> T:
    """What a call returns or raises, which is made in a thread and given up after a while.

    Args:
        seconds: to wait.
        call: what to do.
        meanwhile: called again and again after that time, until the call returns; it raises where
            the call is to be given up.

    Raises:
        NoAnswerError: it has not returned in that time.
    """
    found: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            found.put((True, call()))
        except BaseException as error:
            found.put((False, error))

    thread = threading.Thread(target=attempt, name="bertkit-limited-call", daemon=True)
    thread.start()
    try:
        while True:
            try:
                done, result = found.get(timeout=seconds)
                break
            except queue.Empty:
                if meanwhile is None:
                    raise NoAnswerError(f"no answer in {seconds:g} seconds") from None
                meanwhile()
    except BaseException:  # also Ctrl-C
        end_later(thread)
        raise
    if done:
        return cast(T, result)
    raise cast(BaseException, result)
