"""Threads of process groups end with the run: two real processes over gloo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from together import ends_of, free_ports

from backends.torch.pairs import start_pair

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
    both = start_pair("processes/ending_processes.py", str(folder), *free_ports(len(ENDINGS)))
    ended = ends_of(both)
    assert [status for status, *_ in ended] == [0, 0], ended
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_thread_outlives_the_groups(ends, ending):
    """Gloo's would ask for Python's lock when the interpreter is gone, and abort the process."""
    for found in ends:
        assert "pt_gloo_runloop" in found[ending]["within"]
        assert found[ending]["behind"] == []
        error = found[ending].get("error")
        assert error == ENDINGS[ending] or (ending == "failed" and error)
