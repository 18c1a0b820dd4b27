"""How a process ends in which a thread of a library still runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
PROGRAM = """
    import atexit, sys, threading, time
    from bertkit.system import process_end

    process_end._PATIENCE = 0.1

    class Told:
        def __del__(self):
            sys.stderr.write("taken down")

    kept = Told()
    kept.itself = kept  # for the interpreter's end, not for that of this module
    at_work = threading.Event()

    def write_late():
        at_work.wait()
        time.sleep(0.2)
        print("written late")

    threading.Thread(target=write_late).start()
    atexit.register(print, "at exit")
    for seconds in ({seconds}):
        thread = threading.Thread(target=time.sleep, args=(seconds,), daemon=True)
        thread.start()
        process_end.end_later(thread)
    at_work.set()
    process_end.end_process({status})
"""


def end(
    seconds: str, status: int = 3, stdout: object = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """A process that ends with threads which go on for so long."""
    program = textwrap.dedent(PROGRAM).format(seconds=seconds, status=status)
    return subprocess.run(
        [sys.executable, "-c", program], text=True, stdout=stdout, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": ""}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("seconds", ["", "0.01,", "0.01, 1000"])
def test_status_and_all_that_is_written_are_as_ever(seconds):
    done = end(seconds)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "written late\nat exit\n"
    # The interpreter is taken down unless a thread still runs in it.
    assert ("taken down" in done.stderr) == ("1000" not in seconds), done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("status", [0, 3])
def test_output_that_cannot_be_written_is_a_failure(status):
    """As in Python, whose status is 120 then; one of an error stays."""
    with open("/dev/full", "w") as full:
        assert end("1000,", status, stdout=full).returncode == (status or 120)
