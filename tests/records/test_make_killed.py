"""`make-records` killed at any moment, and run again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

VOCAB = "bertkit-uncased-8k"
PARTS = 12


def start(source: Path, out: Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own; returns once it has begun to write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bertkit", "make-records", "-i", source, "-o", out,
         "--vocab", VOCAB, "--msl", "64", "--dupe-factor", "10", "--workers", "1", "-q"],
    )  # fmt: skip
    while process.poll() is None and not (out / "manifest.json").exists():
        time.sleep(0.002)
    return process


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_kill_at_random_times_leaves_whole_files_and_the_next_run_ends_the_same(tmp_path):
    source = tmp_path / "text"
    source.mkdir()
    for number in range(PARTS):
        lines = (f"The ship {number} had {i} sails.\nIt went to sea.\n" for i in range(4000))
        (source / f"part-{number}.txt").write_text("\n".join(lines))
    process, begin = start(source, tmp_path / "whole"), time.perf_counter()
    assert process.wait() == 0
    needed = time.perf_counter() - begin
    whole = contents(tmp_path / "whole")
    assert len(whole) == 2 * PARTS + 1  # each has an index

    chance, killed = random.Random(5), 0
    for _ in range(3):
        process = start(source, tmp_path / "out")
        time.sleep(chance.uniform(0, 0.4 * needed))
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        left = contents(tmp_path / "out")
        finished = {name: blob for name, blob in left.items() if name.endswith(".tfrecord")}
        assert finished == {name: whole[name] for name in finished}
    assert killed
    assert start(source, tmp_path / "out").wait() == 0
    assert contents(tmp_path / "out") == whole
