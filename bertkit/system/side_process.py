"""Runs a program beside this process: whatever it does, and however this one ends, it ends too."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass

_TO_DIE = 10.0  # seconds; a process that waits for a driver may never do


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        status: 0: well; negative: by this signal; None: it took too long.
        output: what it wrote to standard output.
        errors: and to standard error.
    """

    status: int | None
    output: str
    errors: str


def run_beside(command: Sequence[str], seconds: float) -> Ended:
    """Run a program that calls `end_with_parent`, with all processes that it starts.

    Args:
        command: and its words.
        seconds: that it may take.

    Raises:
        OSError: it cannot be started.
    """
    # Files, since pipes would be read until the last process that the program started has ended.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        ours, lifeline = os.pipe()
        try:
            process = subprocess.Popen(
                command, stdin=ours, stdout=output, stderr=errors, start_new_session=True
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(ours)
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:  # also after Ctrl-C
            _kill(process)
            os.close(lifeline)
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
        return Ended(status, *texts)


def end_with_parent() -> None:
    """End this process of `run_beside`, and all that it started, when its parent is gone."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        if sys.platform != "win32" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(OSError):  # there is none any more
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TO_DIE)
