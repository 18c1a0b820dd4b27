"""bertkit where Linux' modules and functions are missing, as on Windows and macOS.

A program that hides them from bertkit's modules, `elsewhere/sitecustomize.py`, runs in each
process. File names, the file system and the libraries stay Linux's: this shows that nothing here
counts on Linux, not that a library works there.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "elsewhere"
ROOT = Path(__file__).parents[2]
# Where files of Linux are read, each with another way where they are missing.
READS_PROC = {
    "backends/torch/processes/own_address.py",
    "storage/kernel_folders.py", "storage/temporary.py", "system/container_limits.py",
    "system/memory.py", "system/processes.py", "system/processor.py",
}  # fmt: skip
# Where processes are made; `fork` is asked for on Linux only.
MAKES_PROCESSES = {"workers/pool.py"}


def run(system: str, program: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "BERTKIT_TEST_SYSTEM": system,
        "PYTHONPATH": os.pathsep.join([str(FOLDER), str(ROOT)]),
    }
    done = subprocess.run(
        [sys.executable, str(FOLDER / program)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_every_module_is_imported(system, tmp_path):
    assert int(run(system, "import_all.py", tmp_path).split()[0]) > 500


@pytest.mark.slow
def test_from_text_to_an_evaluated_run(tmp_path):
    run("win32", "walk.py", tmp_path)
    assert (tmp_path / "run" / "step-0000004").is_dir()
    text = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert text and b"\r" not in text


def calls(*words: str):
    """(file, node) of the calls of functions with these names in all modules."""
    for path in sorted((ROOT / "bertkit").rglob("*.py")):
        text = path.read_text("utf-8")
        if not any(f"{word}(" in text for word in words):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in words:
                    yield path.relative_to(ROOT / "bertkit").as_posix(), node


def test_files_of_the_kernel_are_read_where_another_way_is_known():
    found = {
        path.relative_to(ROOT / "bertkit").as_posix()
        for path in (ROOT / "bertkit").rglob("*.py")
        if re.search(r"[\"'](/proc|/sys)/", path.read_text("utf-8"))
    }
    assert found == READS_PROC


def test_processes_are_made_in_one_place():
    made = calls("get_context", "set_start_method", "ProcessPoolExecutor", "fork")
    assert {name for name, _ in made} == MAKES_PROCESSES


def test_text_files_are_written_alike_on_every_system():
    # Windows ends lines with \r\n where nothing else is said; in bytes it does not.
    wrong = set()
    for name, node in calls("open", "fdopen", "write_text"):
        modes = [value for value in ast.walk(node) if isinstance(value, ast.Constant)]
        text = any(re.fullmatch(r"[wax]\+?t?", str(mode.value)) for mode in modes)
        # Not `storage.files.write_text`, which writes bytes, nor click's, which writes a page.
        called = ast.unparse(node.func)
        of_path = called not in (
            "files.write_text",
            "write_text",
            "formatter.write_text",
            "help_page.write_text",
        )
        if "newline" in {keyword.arg for keyword in node.keywords}:
            continue
        if text or ("write_text" in called and of_path):
            wrong.add(name)
    # Notes that only bertkit reads, whatever ends their lines.
    storage = {"storage/folder_lock.py", "storage/shared_cache.py"}
    notes = {"corpus/download/partial_file.py", "hub/fetch.py", *storage}
    assert wrong <= notes, wrong - notes


def test_no_test_needs_at_its_top_what_only_unix_has():
    """Else all tests of a file are lost elsewhere: they import it where they need it, or skip."""
    only = re.compile(r"^(?:import|from) (?:fcntl|grp|pty|pwd|resource|syslog|termios|tty)\b", re.M)
    texts = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    # A program for another process stands in a text.
    own = {path: re.sub(r'"""(?:.|\n)*?"""', "", text) for path, text in texts.items()}
    assert [str(path) for path, text in own.items() if only.search(text)] == []
