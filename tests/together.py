"""Processes of one run in tests: ports to meet at, and how all of them ended."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

# Below the ports that systems give to connections by themselves: none of those can take one
# between its choice here and the start of what listens there.
_FIRST, _LAST = 20_000, 32_000
# Seconds that the others have once one has failed: longer than they wait for each other in tests.
_GRACE = 120.0


def free_ports(count: int) -> list[str]:
    """Different ports that nothing listens to."""
    with contextlib.ExitStack() as stack:
        found: list[str] = []
        while len(found) < count:
            listener = stack.enter_context(socket.socket())
            port = random.randrange(_FIRST, _LAST)
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(str(port))
        return found


def ends_of(
    processes: list[subprocess.Popen[str]], timeout: float = 500.0
) -> list[tuple[int, str, str]]:
    """(status, stdout, stderr) of each process.

    Where one fails and others wait for it, they are killed after a while, so that a test shows
    why the first one failed.
    """
    end = time.monotonic() + timeout
    with ThreadPoolExecutor(len(processes)) as threads:
        outputs = [threads.submit(process.communicate) for process in processes]
        while any(process.poll() is None for process in processes):
            if any(process.poll() for process in processes):
                end = min(end, time.monotonic() + _GRACE)
            if time.monotonic() > end:
                for process in processes:
                    process.kill()
            time.sleep(0.05)
        return [
            (process.returncode, *(text or "" for text in output.result()))
            for process, output in zip(processes, outputs, strict=True)
        ]
