"""One writer per output folder; the others are real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bertkit.errors import BertkitError
from bertkit.storage import folder_lock
from bertkit.storage.folder_lock import FILE_NAME, NAME, is_held, locked_folder

HOLDER = """
import sys
from bertkit.storage import folder_lock
{patch}
with folder_lock.locked_folder(sys.argv[1], "pretrain"):
    print("held", flush=True)
    input()
"""
NO_LOCKS = """
import errno, fcntl
def lockf(*words):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.lockf = lockf
"""


def holder(folder, patch=""):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(patch=patch), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(params=["kernel", "file"])
def patch(request, monkeypatch):
    """The two kinds of locks: the kernel's, and the file itself where there are none."""
    if request.param == "kernel":
        return ""
    import fcntl

    def lockf(*words):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    return NO_LOCKS


def test_a_second_writer_is_refused_until_the_first_one_ends(tmp_path, patch):
    out, name = tmp_path / "out", FILE_NAME if patch else NAME
    process = holder(out, patch)
    text = f"out is in use by `bertkit pretrain` .*{process.pid}"
    with pytest.raises(BertkitError, match=text), locked_folder(out, "pretrain"):
        pytest.fail("both hold it")
    process.communicate("\n")
    assert not out.exists(), "a folder made for the lock alone goes with it"
    with locked_folder(out, "pretrain"):
        assert json.loads((out / name).read_text())["process"] == os.getpid()
        (out / "result").write_text("")
    assert [path.name for path in out.iterdir()] == ["result"]


def test_the_lock_of_a_killed_process_is_stale(tmp_path, patch):
    process = holder(tmp_path, patch)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock = tmp_path / (FILE_NAME if patch else NAME)
    assert json.loads(lock.read_text())["process"] == process.pid
    with locked_folder(tmp_path, "pretrain"):
        assert json.loads(lock.read_text())["process"] == os.getpid()
    assert not lock.exists()


def test_a_task_locks_what_its_command_holds(tmp_path):
    with locked_folder(tmp_path, "finetune-squad"):
        with locked_folder(tmp_path / ".", "finetune-squad"):
            pass
        assert (tmp_path / NAME).exists()
    assert not (tmp_path / NAME).exists()


def test_a_number_that_another_process_has_now_is_stale(tmp_path, monkeypatch):
    lock = tmp_path / NAME
    lock.write_text(folder_lock._holder("pretrain"))
    assert not folder_lock._is_stale(lock)
    facts = json.loads(lock.read_text())
    lock.write_text(json.dumps({**facts, "started": "1"}))
    assert folder_lock._is_stale(lock)


def test_another_machine_must_give_signs_of_life(tmp_path):
    lock = tmp_path / NAME
    facts = json.loads(folder_lock._holder("pretrain"))
    lock.write_text(json.dumps({**facts, "host": "elsewhere"}))
    assert not folder_lock._is_stale(lock)
    old = lock.stat().st_mtime - folder_lock.STALE - 1
    os.utime(lock, (old, old))
    assert folder_lock._is_stale(lock)


def test_a_clock_that_is_ahead_makes_no_lock_stale(tmp_path, monkeypatch):
    """Another machine's lock is as old as the machine that keeps the files says."""
    lock = tmp_path / FILE_NAME
    lock.write_text(json.dumps({"host": "another", "process": 1}))
    now = time.time() + 2 * folder_lock.STALE
    monkeypatch.setattr(time, "time", lambda: now)
    assert not folder_lock._is_stale(lock)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_who_looks_from_elsewhere_sees_that_a_folder_is_held(tmp_path, patch):
    assert not is_held(tmp_path / "out")
    with locked_folder(tmp_path / "out", "pretrain"):
        assert is_held(tmp_path / "out") and not is_held(tmp_path)
    assert not is_held(tmp_path / "out")


def test_a_lock_file_is_kept_young(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "HEARTBEAT", 0.01)
    lock = tmp_path / NAME
    lock.write_text("")
    os.utime(lock, (0, 0))
    release = folder_lock._kept_young(lock)
    while lock.stat().st_mtime == 0:
        pass
    release()
    assert not lock.exists()


def test_where_nobody_can_write_what_is_complete_can_be_read(tmp_path, monkeypatch):
    def read_only(path, *more, **named):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(folder_lock, "open", read_only, raising=False)
    with locked_folder(tmp_path, "make-records"):
        assert not (tmp_path / NAME).exists()
