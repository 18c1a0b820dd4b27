"""Where compiled kernels are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import numpy as np
from numba.core import config
before = config.CACHE_DIR
from bertkit.kernels import jit, mersenne
assert config.CACHE_DIR == before
items = np.arange(5, dtype=np.int32)
mersenne.shuffle(mersenne.stream(1), items)
assert sorted(items) == list(range(5))
print(jit.cache_folder())
"""


def run(**environment):
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env={**kept, **environment}
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_machine_code_is_kept_in_the_cache_folder_and_used_again(tmp_path):
    folder = run(XDG_CACHE_HOME=str(tmp_path))
    assert folder.parent == tmp_path / "bertkit" / "kernels"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}
    assert before
    run(XDG_CACHE_HOME=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")} == before


def test_a_user_of_numba_chooses_the_folder(tmp_path):
    run(XDG_CACHE_HOME=str(tmp_path / "ours"), NUMBA_CACHE_DIR=str(tmp_path / "theirs"))
    assert list((tmp_path / "theirs").rglob("*.nbc"))
    assert not (tmp_path / "ours").exists()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    run(XDG_CACHE_HOME=str(tmp_path / "file"), HOME=str(tmp_path / "file"))
