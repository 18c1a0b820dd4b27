"""Blocks of rows shared among threads: OpenMP's team, or Python's own where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from slow_cases import slow

from bertkit.model.cpu_half import rows
from bertkit.model.cpu_half.kernels import shared, softmax, transposed, words

PROGRAM = """
import numpy as np, torch
from bertkit.model.cpu_half import rows
from bertkit.model.cpu_half.kernels import transposed

assert rows.team_places()
torch.set_num_threads(5)
source = np.arange(64 * 40 * 3, dtype=np.uint16).reshape(-1, 40)
target = np.zeros((40, len(source)), np.uint16)
sums = np.empty((rows.blocks(len(source)), 40), np.float32)
rows.spread(transposed.transpose_and_sum, len(sums), source, target, sums)
assert (target == source.T).all()
print("right")
"""


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def exponentials():
    """A kernel that needs scratch, on rows that no two threads may mix up."""
    random = np.random.default_rng(2)
    logits = torch.from_numpy(random.standard_normal((37, 300), np.float32)).bfloat16()
    labels = random.integers(0, 300, 37)
    found, wins = np.empty((37, 3), np.float32), np.empty(37, np.uint8)
    given = rows.bits(logits), np.zeros(300, np.float32), labels, found, wins
    rows.spread(words.exponentials, 37, *given, scratch=300)
    return [logits.float().numpy(), found, wins]


def test_pytorch_has_a_team_here():
    """Else the tests below would compare one way with itself."""
    assert "OpenMP" in torch.__config__.parallel_info()
    assert sys.platform != "linux" or rows.team_places()


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_team_computes_what_one_thread_does(threads, monkeypatch, count):
    threads(1)
    alone = exponentials()
    threads(count)
    team = exponentials()
    monkeypatch.setattr(rows, "team_places", lambda: None)
    by_python = exponentials()
    for one, other, third in zip(alone, team, by_python, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


@pytest.mark.parametrize("limit", ["1", *slow("2", "3")])
def test_openmp_may_start_fewer_threads_than_asked_for(limit):
    given = {**os.environ, "OMP_THREAD_LIMIT": limit}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=given, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "right\n", done.stderr


def test_every_kernel_can_be_shared():
    for kernel in (softmax.gather_heads, transposed.transpose_and_sum, words.words_back):
        assert shared.of(kernel) is not kernel


@pytest.mark.parametrize("missing", ["library", "function"])
def test_without_openmps_functions_there_is_no_team(monkeypatch, missing):
    def load(name):
        if missing == "library":
            raise OSError("no such file")
        return object()

    monkeypatch.setattr(rows.ctypes, "CDLL", load)
    rows.team_places.cache_clear()
    try:
        assert rows.team_places() is None
    finally:
        rows.team_places.cache_clear()


@pytest.mark.parametrize("count", [0, 1])
def test_few_blocks_leave_threads_idle(threads, monkeypatch, count):
    threads(3)
    source = np.ones((64 * count, 40), np.uint16)
    for team in (rows.team_places(), None):
        monkeypatch.setattr(rows, "team_places", lambda team=team: team)
        target, sums = np.zeros((40, 64 * count), np.uint16), np.zeros((count, 40), np.float32)
        rows.spread(transposed.transpose_and_sum, count, source, target, sums)
        assert target.all()
