"""Asking the operating system about processes, also as on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bertkit.system import processes
from bertkit.workers import pool


@pytest.fixture(params=["linux", "win32"])
def system(request, monkeypatch):
    """On Windows psutil is asked, and `os.kill` must not be: 0 is Ctrl-C there."""
    if request.param == "win32":
        pytest.importorskip("psutil")
        monkeypatch.setattr(processes, "os", SimpleNamespace(cpu_count=os.cpu_count))
    monkeypatch.setattr(processes, "sys", SimpleNamespace(platform=request.param))
    return request.param


def test_the_living_and_the_dead(system):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert processes.is_alive(os.getpid()) and not processes.is_alive(ended.pid)
    assert processes.start_time(os.getpid()) == processes.start_time(os.getpid()) != ""
    assert processes.start_time(ended.pid) == ""
    waiting = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:  # this process began long before
        assert processes.start_time(waiting.pid) != processes.start_time(os.getpid())
    finally:
        waiting.communicate(b"\n")


def test_cores(system):
    assert 1 <= processes.core_count() <= (os.cpu_count() or 1)


def test_no_more_workers_than_the_system_can_wait_for(monkeypatch):
    assert pool.worker_count(100, 100) == 100
    monkeypatch.setattr(pool, "MOST_WORKERS", 61)
    assert pool.worker_count(100, 100) == 61
