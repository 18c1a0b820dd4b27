"""Work that is interrupted at a known point: no timing, no race."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bertkit.storage.files import atomic_write

_CODE = """
import importlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
module, function, calls, *words = sys.argv[1:]
place = importlib.import_module(module)
*classes, function = function.split(".")
for name in classes:
    place = getattr(place, name)
real, left = getattr(place, function), int(calls)

def waiting(*args, **more):
    global left
    left -= 1
    if left == 0:
        print("waiting", file=sys.__stdout__, flush=True)
        sys.stdin.read()
    return real(*args, **more)

setattr(place, function, waiting)
from bertkit.cli import main
sys.exit(main(words))
"""


def killed_in(place: str, calls: int, *words: object, hit: signal.Signals = signal.SIGKILL) -> int:
    """Run a command in a process of its own and kill it within a function.

    Args:
        place: `module:function` as the caller finds it, or `module:Class.method`.
        calls: the call of the function at whose beginning the process is hit.
        words: the command line after `bertkit`.
        hit: the signal.

    Returns:
        The exit status; negative for a signal.
    """
    module, _, function = place.partition(":")
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, module, function, str(calls), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "waiting\n", process.stderr.read()
        os.kill(process.pid, hit)
        return process.wait()


def noted_writes(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, stop_at: int = 0
) -> list[str]:
    """The names of the files that a module begins to write from now on.

    Args:
        monkeypatch: of the test, which ends the noting.
        module: writes its files by `atomic_write`.
        stop_at: a Ctrl-C comes at the beginning of this one, counted from 1; 0 for never.
    """
    names: list[str] = []

    def noted(path: Path, *rest: object) -> object:
        names.append(path.name)
        if len(names) == stop_at:
            raise KeyboardInterrupt
        return atomic_write(path, *rest)

    monkeypatch.setattr(module, "atomic_write", noted)
    return names


def identities(folder: Path, names: object) -> dict[str, tuple[int, int]]:
    """What changes when a file is written again: its number on the disk and its time."""
    found = {name: (folder / name).stat() for name in names}
    return {name: (facts.st_ino, facts.st_mtime_ns) for name, facts in found.items()}


def blobs(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest, which tells seconds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
