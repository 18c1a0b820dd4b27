"""Asks the operating system for sizes of memory: the machine's, and what this process used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bertkit.system import container_limits


def of_machine() -> int | None:
    """Bytes of main memory; None where the system does not tell."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.virtual_memory().total)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def allowed() -> int | None:
    """Bytes of main memory that this process may use; None where the system does not tell."""
    return _least(of_machine(), container_limits.memory())


def available() -> int | None:
    """Bytes that this process can still get; None where the system does not tell."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.virtual_memory().available)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # macOS
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if "kB" in line}
    return _least(sizes.get("MemAvailable"), container_limits.memory_left())


def _least(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def peak_of_process() -> int:
    """Most bytes of memory that this process has had at once."""
    if sys.platform == "win32":
        import psutil

        used = psutil.Process().memory_info()
        return int(getattr(used, "peak_wset", used.rss))
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
