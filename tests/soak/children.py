"""Runs a command in a fork of this process, which has everything imported already."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60
MEGABYTES = 2048
HANG, MEMORY = -998, -999  # statuses of commands that were ended for it
_ASKING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}


@dataclass(frozen=True)
class Result:
    """What became of a command.

    Attributes:
        status: its exit status; negative: of the signal that ended it, or `HANG`, `MEMORY`.
        text: what it printed.
        megabytes: its peak.
    """

    status: int
    text: str
    megabytes: int

    @property
    def fault(self) -> str:
        """What no command may do, whatever happens to it; empty for nothing."""
        if self.status == HANG:
            return f"hang: more than {SECONDS} s"
        if self.status == MEMORY:
            return f"memory: more than {MEGABYTES} MB of its own"
        if "Traceback (most recent call last)" in self.text:
            return f"traceback: {self.text.strip()[-300:]}"
        if "Exception ignored" in self.text:
            return f"exception ignored: {self.text.strip()[-300:]}"
        return ""

    @property
    def one_error(self) -> bool:
        """Whether it ended with an error of one line and perhaps a hint."""
        return len(re.findall(r"^Error\b", self.text, re.MULTILINE)) == 1


def start(words: list[str], cwd: Path, log: Path, before: Callable[[], None] | None = None) -> int:
    """Fork and run a command there; returns the child's number.

    Args:
        words: of the command.
        cwd: its working directory.
        log: takes its output.
        before: called in the child first.
    """
    # A signal sent in the child's first moments waits until the command can take it.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return pid
    status = 98
    try:
        os.setsid()
        os.chdir(cwd)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        gc.disable()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from bertkit import cli

        if before is not None:
            before()
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        status = cli.main(words)
    except KeyboardInterrupt as error:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        if frames in (["start"], ["start", "pthread_sigmask"], ["start", "main"]):
            status = 130  # before the command or after it: the interpreter's own end
        else:
            traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status or 0)


def finish(pid: int, log: Path, seconds: float = SECONDS) -> Result:
    """Wait for a child, which may take so long and so much memory."""
    end = time.monotonic() + seconds
    begun = _resident(os.getpid())  # what the fork had from this process
    pause = 0.001
    forced = 0
    while True:
        got, status, usage = os.wait4(pid, os.WNOHANG)
        if got:
            break
        if time.monotonic() > end:
            forced = HANG
        elif _resident(pid) - begun > MEGABYTES:
            forced = MEMORY
        if forced:
            kill_group(pid)
            _, status, usage = os.wait4(pid, 0)
            break
        time.sleep(pause)
        pause = min(0.05, pause * 1.3)
    kill_group(pid)  # workers that outlive it
    code = forced or os.waitstatus_to_exitcode(status)
    return Result(code, log.read_text("utf-8", "replace"), usage.ru_maxrss >> 10)


def run_words(
    words: list[str],
    cwd: Path,
    log: Path,
    before: Callable[[], None] | None = None,
    seconds: float = SECONDS,
) -> Result:
    """`start` and `finish`."""
    return finish(start(words, cwd, log, before), log, seconds)


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a child and all its workers."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def workers_of(pid: int) -> list[int]:
    """The processes that a child has started (Linux)."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE") >> 20
