"""Sizes of memory that the operating system tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bertkit.system import memory

MiB = 1 << 20


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_sizes(system, monkeypatch):
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform=system))
    assert memory.of_machine() == psutil.virtual_memory().total
    assert 0 < memory.available() < memory.of_machine()
    kept = bytearray(64 * MiB)
    assert len(kept) < memory.peak_of_process() < memory.of_machine()


def test_a_system_that_does_not_tell(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    assert memory.available() is None
    monkeypatch.setattr(memory.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError()))
    assert memory.of_machine() is None
