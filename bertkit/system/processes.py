"""Asks the operating system how many processes it can run at once, and which are alive."""

from __future__ import annotations

import math
import os
import sys

from bertkit.system import container_limits

# What Windows can wait for at once, less what the pool itself needs: `ProcessPoolExecutor`
# refuses more there.
MOST_WORKERS = 61 if sys.platform == "win32" else sys.maxsize


def core_count() -> int:
    """Cores that this process may use: containers often allow fewer than the machine has.

    Part of a core counts as one.
    """
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    seen = len(allowed(0)) if allowed else os.cpu_count() or 1
    limit = container_limits.cores()
    return seen if limit is None else max(1, min(seen, math.ceil(limit)))


def is_alive(number: int) -> bool:
    """Whether there is a process of this number on this machine."""
    if sys.platform == "win32":  # where `os.kill` with 0 is Ctrl-C for a group of processes
        import psutil

        return psutil.pid_exists(number)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def start_time(number: int) -> str:
    """When a process started, as a text to compare; empty where the system does not tell."""
    if sys.platform == "win32":
        import psutil

        try:
            return str(psutil.Process(number).create_time())
        except psutil.Error:
            return ""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as stream:
            # The name, in brackets, may hold anything; the start is field 22 of all.
            return stream.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
