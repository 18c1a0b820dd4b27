"""Threads of process groups end with the run: two real processes over gloo."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENDINGS = {"done": None, "sharded": None, "missed": "TargetNotReachedError", "failed": "any"}

# Two real processes: the slow suite.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads threads from /proc"),
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The threads of each process, by the way in which its run ended."""
    folder = tmp_path_factory.mktemp("ends")
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in ENDINGS]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        ports = [str(listener.getsockname()[1]) for listener in listeners]
    common = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, HERE.parents[1:3])),
    }  # fmt: skip
    both = [
        subprocess.Popen(
            [sys.executable, str(HERE / "ending_processes.py"), str(folder), *ports],
            stderr=subprocess.PIPE, text=True,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=500)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_thread_outlives_the_groups(ends, ending):
    """Gloo's would ask for Python's lock when the interpreter is gone, and abort the process."""
    for found in ends:
        assert "pt_gloo_runloop" in found[ending]["within"]
        assert found[ending]["behind"] == []
        error = found[ending].get("error")
        assert error == ENDINGS[ending] or (ending == "failed" and error)
