"""Catches the signals that ask a run to save and stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, ClassVar

from bertkit.backends.process_group import ProcessGroup
from bertkit.system.unheard_signals import SAME_WISH, remembered

# SIGTERM from schedulers; SIGUSR1 as the early warning of some (`--signal=USR1@60`); SIGHUP
# when the terminal is gone. Not every system has all three.
NAMES = ("SIGTERM", "SIGUSR1", "SIGHUP")


class EvaluationStopped(Exception):
    """A run is to stop, and its evaluation was left in all processes."""


class StopSignals:
    """Within the block a first signal is remembered, a second one ends the process at once.

    A signal that the process was started to ignore, such as SIGHUP under nohup, stays
    ignored.

    Attributes:
        number: of the first signal that came to this process; 0 before.
        agreed: of the one that all processes know of and stop for; 0 before. One that comes while
            they tell each other is told the next time.
        active: those of the training that runs in this process, if one does.
    """

    active: ClassVar[StopSignals | None] = None

    def __init__(self) -> None:
        self.number = 0
        self.agreed = 0
        self._time = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            for name in NAMES:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._remember)
                    remembered.add(number)
        StopSignals.active = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        StopSignals.active = None
        for number, handler in self._before.items():
            signal.signal(number, handler)
            remembered.discard(number)

    def shared(
        self, process_group: ProcessGroup, counts: Mapping[str, float] | None = None
    ) -> dict[str, float]:
        """Tell all processes of a signal that one of them received, by one exchange.

        Args:
            process_group: every process calls this at the same place.
            counts: numbers of this process that travel along, by the same names everywhere.

        Returns:
            The counts added up over all processes.
        """
        own, told = counts or {}, self.number
        signals, *sums = process_group.sum([told, *own.values()])
        if signals:
            self.agreed = told or signal.SIGTERM
        return dict(zip(own, sums, strict=True))

    def _remember(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._time = number, now
        elif now - self._time >= SAME_WISH:
            # Whoever asks again does not want to wait for the step or the save.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
