"""A script without `if __name__ == "__main__":` is told so, and nothing runs twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bertkit.workers import pool
from bertkit.workers.spawned import UNGUARDED, leave_if_importing

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from bertkit.errors import BertkitError
from bertkit.workers.pool import run_tasks
print("once")
try:
    print(sum(run_tasks(abs, [-1, -2, -3], workers=2)))
except BertkitError as error:
    print(error.message, "|", error.hint)
"""


def test_a_script_without_a_guard_is_named(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT.format(root=str(Path(__file__).parents[2])))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "has no `if __name__" in done.stdout and "workers=1" in done.stdout
    assert "memory" not in done.stdout and "Traceback" not in done.stderr


def test_a_process_that_does_not_import_its_script_goes_on(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    leave_if_importing()
    assert not left
    import multiprocessing.process

    monkeypatch.setattr(multiprocessing.process.current_process(), "_inheriting", True, False)
    leave_if_importing()
    assert left == [UNGUARDED]


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ([None, UNGUARDED], "has no `if __name__"),
        ([-15, 1], "ended by itself, with status 1"),
        ([-15, -11], r"crashed \(SIGSEGV\)"),
        ([-15, -9, None], "memory ran out"),
        ([], "memory ran out"),
        ([-15, -15], "ended by SIGTERM, from outside"),
    ],
)
def test_how_workers_ended_is_told(statuses, message):
    assert re.search(message, pool._broken(statuses).message)


def test_workers_that_a_cluster_lost_are_named(caplog):
    ended = threading.Event()
    looks = iter([["tcp://a", "tcp://b"], ["tcp://b", "tcp://c"], []])

    def workers():
        found = next(looks)
        if not found:
            ended.set()
        return found

    pool._watch_workers(workers, ended, seconds=0)
    assert "lost 1 worker (tcp://a)" in caplog.text
    assert "lost 2 workers (tcp://b, tcp://c)" in caplog.text and "no worker is left" in caplog.text
