"""Signals that save and stop; real ones, to this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from bertkit.train import stop_signals
from bertkit.train.stop_signals import StopSignals

ALL = [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]


@pytest.mark.parametrize("number", ALL)
def test_a_first_signal_is_remembered(number):
    before = [signal.getsignal(each) for each in ALL]
    with StopSignals() as signals:
        assert signals.number == 0
        os.kill(os.getpid(), number)
        assert signals.number == number
        # The same wish, passed on by a launcher.
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.number == number
    assert [signal.getsignal(each) for each in ALL] == before


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.number == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_ends_at_once():
    program = """
import os, signal
from bertkit.train import stop_signals
stop_signals.SAME_WISH = 0.0
with stop_signals.StopSignals():
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
print("still there")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, b"")
    assert stop_signals.SAME_WISH > 0
