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


def within(seconds: float, call: Callable[[], T]) -> T:
    """What a call returns or raises, which is made in a thread and given up after a while.

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
        done, result = found.get(timeout=seconds)
    except BaseException as error:  # also Ctrl-C
        end_later(thread)
        if isinstance(error, queue.Empty):
            raise NoAnswerError(f"no answer in {seconds:g} seconds") from None
        raise
    if done:
        return cast(T, result)
    raise cast(BaseException, result)
