"""Where compiled kernels are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.kernels import jit

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


def start(**environment):
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env={**kept, **environment}
    )


def run(**environment):
    done = start(**environment)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


LINEAR = """
import sys
import numba, numpy as np
from bertkit.kernels import jit
assert "numba.np.arraymath" in sys.modules and "scipy.linalg" not in sys.modules
numbers = np.arange(9.0).reshape(3, 3)
product = numba.njit(lambda a: np.dot(a, a))(numbers)
assert (product == numbers @ numbers).all() and "scipy.linalg" in sys.modules
"""


def test_kernels_load_without_linear_algebra_which_others_still_get():
    pytest.importorskip("scipy")
    done = subprocess.run([sys.executable, "-c", LINEAR], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_machine_code_is_kept_in_the_cache_folder_and_used_again(tmp_path):
    folder = run(XDG_CACHE_HOME=str(tmp_path))
    assert folder.parent == tmp_path / "bertkit" / "kernels"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}
    assert before
    run(XDG_CACHE_HOME=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")} == before


@pytest.mark.slow
def test_a_user_of_numba_chooses_the_folder(tmp_path):
    run(XDG_CACHE_HOME=str(tmp_path / "ours"), NUMBA_CACHE_DIR=str(tmp_path / "theirs"))
    assert list((tmp_path / "theirs").rglob("*.nbc"))
    assert not (tmp_path / "ours").exists()


def test_machine_code_goes_to_the_temporary_folder_where_no_other_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    blocked, temporary = str(tmp_path / "file" / "below"), tmp_path / "tmp"
    temporary.mkdir()
    done = start(TMPDIR=str(temporary), XDG_CACHE_HOME=blocked, HOME=blocked)
    assert done.returncode == 0, done.stderr
    assert list(temporary.rglob("*.nbc"))
    assert "cannot write" in done.stderr and str(temporary) in done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr


def test_kernels_run_without_any_folder_to_keep_them(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    folder, warning = jit.choose_cache()
    assert folder is None and "every process compiles" in warning


def test_a_temporary_folder_that_others_can_write_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    shared = tmp_path / f"bertkit-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    assert jit.choose_cache()[0] is None
    shared.chmod(0o755)
    assert jit.choose_cache()[0] == str(shared / jit.cache_folder().name)


def test_doctor_reports_the_folder(bertkit, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    found = bertkit("doctor", "--json").result
    assert found["kernel_cache"].startswith(str(tmp_path))
    assert any("NUMBA_CACHE_DIR" in problem for problem in found["problems"])
