"""Says which process of a run failed, and why, where others only see a lost connection.

A process that fails leaves a note in the store through which the processes of a run found
each other (PyTorch's TCPStore). A thread in each of the others waits for it, so that they
know it even if the store goes away with the process that failed.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import threading
import time
from functools import partial
from typing import Any

import torch
from torch import distributed as dist

from bertkit.backends.process_group import PROCESS_TIMEOUT, Topology
from bertkit.backends.torch.machine_errors import in_short
from bertkit.backends.torch.processes.limited_call import within
from bertkit.backends.torch.processes.rendezvous import keeps_store, named_with_hosts, notes_store
from bertkit.errors import BertkitError
from bertkit.system.process_end import end_later

_FAILED, _READ, _LEFT = "failed", "read", "left"
# No notes of a failure: the run ends; a process asks who is alive.
_NOBODY, _ASKED = "-", "?"
_LONG = datetime.timedelta(days=20)  # in milliseconds, 31 bits
_SHORT = 5.0  # seconds
# Seconds: for a note to arrive, for the others to say that they are here, and to be read;
# also for the others to leave.
_ARRIVAL, _ROLL_CALL, _READING = 1.0, 3.0, 3.0
# What errors of lost connections say: gloo's have no class of their own.
_MARKS = ("gloo", "nccl", "hccl", "pair closure", "by peer", "broken pipe")

_MILLISECONDS = re.compile(r"(\d+) ?ms\b")


class LostProcessError(BertkitError):
    """Another process of the run failed, died, or does not answer."""


class FailureNotes:
    """The notes of one run's processes.

    Args:
        topology: this process's place.
        minutes: that a step waits for a process, for messages.

    Attributes:
        store: of the run, under names of these notes.
        exit_code: of the process that failed, once `reason` has found one; 1 before.
    """

    def __init__(self, topology: Topology, minutes: float) -> None:
        self.topology = topology
        self.minutes = minutes
        self._host = socket.gethostname()
        self.store = notes_store(_SHORT)
        self.exit_code = 1
        self._found = ""
        self._answers = True
        self._woken = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, args=(notes_store(_SHORT),), daemon=True
        )
        self._watcher.start()

    def tell(self, text: str, exit_code: int = 1) -> None:
        """Tell the others why this process fails; the first note of a run stands.

        Where the store ends with this process, the others get time to read.

        Args:
            text: what is wrong.
            exit_code: that this process ends with.
        """
        note = f"{self.topology.rank} {self._host} {exit_code} {text}"
        with contextlib.suppress(Exception):
            within(_SHORT, lambda: self.store.compare_set(_FAILED, "", note))
            self._wait_for_all(_READ)

    def leave(self) -> None:
        """Say that this process is done; where the store ends with it, the others leave first."""
        with contextlib.suppress(Exception):
            within(_SHORT, lambda: self.store.add(_LEFT, 1))
            self._wait_for_all(_LEFT)

    def reason(self, waited: float | None) -> str:
        """Which process is lost and why, as far as this one can learn.

        Args:
            waited: seconds, where it did not answer; None where its connection was closed.
        """
        self._woken.wait(_ARRIVAL)
        if self._found not in ("", _NOBODY, _ASKED):
            rank, host, code, text = self._found.split(" ", 3)
            self.exit_code = int(code)
            return f"process {rank} (on {host}) failed: {text}"
        silent = self._silent("alive" if waited is None else "here")
        if not silent:
            return "the connection between processes of this run was lost"
        who = named_with_hosts(silent)
        verb = "has" if len(silent) == 1 else "have"
        if waited:
            return f"{who} of this run {verb} not answered for {waited / 60:g} minutes"
        return f"{who} of this run {verb} died without a message (killed?)"

    def close(self) -> None:
        """Wake the thread and end it."""
        if self._answers:
            with contextlib.suppress(Exception):
                within(_SHORT, lambda: self.store.compare_set(_FAILED, "", _NOBODY))
        self._watcher.join(timeout=1.0)
        if self._watcher.is_alive():
            end_later(self._watcher)

    def _wait_for_all(self, what: str) -> None:
        """Wait a while until every process has counted, where the store is this one's."""
        if not keeps_store(self.topology):
            return
        end = time.monotonic() + _READING
        while time.monotonic() < end and self.store.add(what, 0) < self.topology.world:
            time.sleep(0.02)

    def _watch(self, store: Any) -> None:
        # It raises where the store goes away, and all notes with it.
        with contextlib.suppress(Exception):
            store.wait([_FAILED], _LONG)
            self._found = store.get(_FAILED).decode("utf-8", "replace")
            store.set(f"alive/{self.topology.rank}", "1")
            self._woken.set()
            store.add(_READ, 1)

    def _silent(self, sign: str) -> list[int]:
        """The processes that do not answer a roll call; none where it cannot be held.

        Args:
            sign: `alive`, which also those give that still wait for others; or `here`, which
                those give that have stopped to wait.
        """
        with contextlib.suppress(Exception):
            return within(_ROLL_CALL + 2.0, partial(self._missing, sign))
        # The store is lost, or stands still, with the process that keeps it.
        self._answers = False
        return [] if self.topology.is_main else [0]

    def _missing(self, sign: str) -> list[int]:
        """The processes that do not give a sign."""
        end = time.monotonic() + _ROLL_CALL
        self.store.set(f"here/{self.topology.rank}", "1")
        if sign == "alive":
            self.store.compare_set(_FAILED, "", _ASKED)  # wakes the thread of each
        missing = list(range(self.topology.world))
        while missing and time.monotonic() < end:
            missing = [rank for rank in missing if not self.store.check([f"{sign}/{rank}"])]
            time.sleep(0.05)
        return missing


# Of the run that this process is in.
_notes: FailureNotes | None = None


def open_notes(topology: Topology, minutes: float) -> FailureNotes | None:
    """Join the notes of the run that this process is in; None where there is no such store."""
    global _notes
    try:
        _notes = FailureNotes(topology, minutes)
    except (KeyError, ValueError, RuntimeError):
        _notes = None
    return _notes


def close_notes(orderly: bool) -> None:
    """Leave the notes.

    Args:
        orderly: the processes are done, and leave together.
    """
    global _notes
    if _notes is not None:
        _notes.close()
        if orderly:
            _notes.leave()
    _notes = None


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error is that of a collective call that another process did not answer."""
    if isinstance(error, torch.OutOfMemoryError) or not isinstance(error, RuntimeError):
        return False
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    return any(mark in text for mark in _MARKS)


class explain_lost_process:
    """Turns the error of a collective call that another process left into one clear line.

    Errors of this process itself pass as they are.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None or not is_lost_connection(error):
            return
        what = "another process of this run is lost"
        waited = _waited(str(error), 60 * (_notes.minutes if _notes else PROCESS_TIMEOUT))
        if _notes:
            what = _notes.reason(waited)
        look = "see the output of that process"
        if waited is not None:
            look += ", and whether its host is up and in reach (if it was at work, raise"
            look += " --process-timeout)"
        code = _notes.exit_code if _notes else 1
        # Where files, settings or the machine are wrong, the same again would not help.
        again = "; run the same command again to resume from the last checkpoint"
        raise LostProcessError(
            f"{what} [{in_short(str(error))}]",
            f"{look}{again if code == 1 else ''}",
            code,
        ) from error


def _waited(text: str, usual: float) -> float | None:
    """Seconds that a call has waited, by its error; None where that is no timeout."""
    if not any(mark in text.lower() for mark in ("timed out", "timeout")):
        return None
    found = _MILLISECONDS.search(text)
    return int(found[1]) / 1000 if found else usual
