"""Turns SIGTERM into an exception, so that a command cleans up and says what happened.

Python's own reaction is to die on the spot: temporary files stay, and nothing is said. Loops that
save before they stop have their own handlers (`bertkit.train.stop_signals`), within this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

# SIGHUP comes when the terminal is gone; under nohup it is ignored, and stays so.
_NAMES = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """The process was asked to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """Of the signal."""
        return signal.Signals(self.number).name


@contextlib.contextmanager
def raised_on_termination() -> Iterator[None]:
    """Within the block a first signal raises `Terminated`; a second one ends the process at once.

    Only in the main thread, and where nobody else has set a handler. Processes that train
    together are left as they are: they may wait in a library for one another, where no
    exception reaches them.
    """
    before: dict[int, object] = {}
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if alone and threading.current_thread() is threading.main_thread():
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals that end a command come after the block: within are calls that none may leave.

    Only in the main thread, where alone they arrive. For short blocks.
    """
    before: dict[int, Any] = {}
    came: list[int] = []
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", *_NAMES):
            number = getattr(signal, name, None)
            # What ignores a signal, or dies of it without Python, is left as it is.
            if number is not None and callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda arrived, frame: came.append(arrived))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)
