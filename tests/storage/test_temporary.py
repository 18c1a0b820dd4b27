"""Names of temporary files, and what becomes of those that are left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from bertkit.storage import temporary
from bertkit.storage.files import atomic_folder, atomic_write
from bertkit.storage.temporary import (
    PARTIAL,
    REPLACED,
    is_temporary,
    remove_leftovers,
    temporary_path,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def left(folder, pid, name="a.txt", host=None, kind=PARTIAL):
    path = folder / f".{name}{kind}-{host or temporary._host()}-{pid}-0123abcd"
    path.write_text("half")
    return path.name


def dead_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    target = tmp_path / "a.txt"
    ready = threading.Barrier(2)

    def write(text):
        with atomic_write(target) as stream:
            ready.wait(20)
            stream.write(text.encode())
            ready.wait(20)

    threads = [threading.Thread(target=write, args=(letter * 99,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_text() in ("a" * 99, "b" * 99)
    assert names(tmp_path) == ["a.txt"]


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    dead = dead_process()
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (tmp_path / "a.txt").write_text("whole")
        (tmp_path / "b.partial").write_text("a download that is continued")
        kept = [left(tmp_path, living.pid), left(tmp_path, dead, host="00000000")]
        left(tmp_path, dead)
        left(tmp_path, os.getpid(), "of-another-container.txt")
        (tmp_path / f".old.txt.partial-{dead}").write_text("of an earlier version")
        with temporary_path(tmp_path / "mine") as mine:
            mine.write_text("being written")
            remove_leftovers(tmp_path)
            assert names(tmp_path) == sorted(["a.txt", "b.partial", mine.name, *kept])
            assert all(map(is_temporary, kept))
            # Whoever holds the lock knows that nobody else writes here.
            remove_leftovers(tmp_path, owned=True)
            assert names(tmp_path) == sorted(["a.txt", "b.partial", mine.name])
    finally:
        living.communicate(b"\n")


def test_leftovers_of_the_folders_below_too(tmp_path):
    dead = dead_process()
    (tmp_path / "below").mkdir()
    inner = left(tmp_path / "below", dead)
    left(tmp_path, dead)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["below"] and names(tmp_path / "below") == [inner]
    remove_leftovers(tmp_path, recursive=True)
    assert names(tmp_path) == ["below"] and names(tmp_path / "below") == []
    remove_leftovers(tmp_path / "never-made")


def test_who_writes_first_into_a_folder_removes_what_the_dead_left(tmp_path):
    dead = dead_process()
    left(tmp_path, dead, "other.json")
    left(tmp_path, dead, ".vocab.txt.unfinished")
    with atomic_write(tmp_path / "a.txt") as stream:
        stream.write(b"whole")
    assert names(tmp_path) == ["a.txt"]


def test_what_cannot_be_removed_is_in_nobodys_way(tmp_path, monkeypatch):
    dead = dead_process()
    other, mine = left(tmp_path, dead, "of-another-user"), left(tmp_path, dead)
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.name == other:
            raise PermissionError(1, "not yours", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [other] and mine not in names(tmp_path)


def test_a_folder_whose_replacement_was_cut_short_comes_back(tmp_path):
    dead = dead_process()
    for name, replaced in (("step-1", False), ("step-2", True)):
        old = tmp_path / f".{name}{REPLACED}-{temporary._host()}-{dead}-0123abcd"
        old.mkdir()
        (old / "file").write_text("old")
        if replaced:
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").write_text("new")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["step-1", "step-2"]
    assert (tmp_path / "step-1/file").read_text() == "old"
    assert (tmp_path / "step-2/file").read_text() == "new"


def test_a_killed_writer_leaves_what_the_next_one_removes(tmp_path):
    program = """
import os, sys
from bertkit.storage.files import atomic_folder
with atomic_folder(sys.argv[1]) as folder:
    (folder / "file").write_text("half")
    os._exit(9)
"""
    target = tmp_path / "step-1"
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == 9 and len(names(tmp_path)) == 1
    remove_leftovers(tmp_path)
    with atomic_folder(target) as folder:
        (folder / "file").write_text("whole")
    assert names(tmp_path) == ["step-1"] and Path(target, "file").read_text() == "whole"
