"""A program that runs beside this process, and does not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bertkit.system.processes import is_alive
from bertkit.system.side_process import run_beside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts no groups of processes")


def python(program: str) -> list[str]:
    begin = "from bertkit.system.side_process import end_with_parent; end_with_parent()\n"
    return [sys.executable, "-c", begin + program]


def number_in(path: Path) -> int:
    """Of the process that writes it there."""
    for _ in range(600):
        if path.is_file() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"no process wrote {path}")


def ends(number: int) -> bool:
    """Whether a process ends; one that nobody waits for counts as well."""
    for _ in range(600):
        if not is_alive(number) or " Z " in Path(f"/proc/{number}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


def noting(path: Path) -> str:
    """A program that starts another one, writes its number and waits."""
    return (
        "import subprocess, sys, time\n"
        "other = subprocess.Popen(['sleep', '300'])\n"
        f"open({str(path)!r}, 'w').write(f'{{other.pid}}\\n')\n"
    )


def test_what_it_writes_and_how_it_ends():
    ended = run_beside(python("import sys; print('one'); sys.exit('two')"), 60)
    assert (ended.status, ended.output, ended.errors) == (1, "one\n", "two\n")
    assert run_beside(python("import os; os.abort()"), 60).status == -signal.SIGABRT
    with pytest.raises(OSError):
        run_beside(["/no/such/program"], 60)


def test_processes_that_it_leaves_are_neither_waited_for_nor_left(tmp_path):
    ended = run_beside(python(noting(tmp_path / "number") + "print('done')"), 60)
    assert (ended.status, ended.output) == (0, "done\n")
    assert ends(number_in(tmp_path / "number"))


def test_too_long(tmp_path):
    ended = run_beside(python(noting(tmp_path / "number") + "time.sleep(300)"), 3)
    assert ended.status is None
    assert ends(number_in(tmp_path / "number"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(tmp_path, number):
    program = python(noting(tmp_path / "number") + "time.sleep(300)")
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            f"from bertkit.system.side_process import run_beside; run_beside({program!r}, 300)",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    other = number_in(tmp_path / "number")
    os.kill(parent.pid, number)
    assert parent.wait(60) != 0
    assert ends(other)
