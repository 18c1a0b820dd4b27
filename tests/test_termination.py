"""SIGTERM, SIGHUP and Ctrl-C in commands that do not catch them themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from bertkit import cli
from bertkit.files import atomic_write
from bertkit.termination import Terminated, raised_on_termination


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["split", "-o", "x"], 75),
        (["make_records"], 75),
        (["-q", "pretrain"], 75),
        (["inspect"], 0),
    ],
)
def test_a_command_cleans_up_and_says_what_ended_it(
    tmp_path, monkeypatch, capsys, name, words, status
):
    number = getattr(signal, name)

    def writes_and_is_told_to_stop(**options):
        with atomic_write(tmp_path / "a") as stream:
            stream.write(b"half")
            signal.raise_signal(number)
            time.sleep(60)

    monkeypatch.setattr(cli.main_group, "main", writes_and_is_told_to_stop)
    assert cli.main(words) == (status or 128 + number)
    said = capsys.readouterr().err
    assert f"Error: stopped by {name}" in said and "Traceback" not in said
    assert ("again" in said) == (status == 75)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is signal.SIG_DFL


def test_handlers_of_others_and_ignored_signals_stay(monkeypatch):
    def mine(number, frame):
        seen.append(number)

    seen = []
    before = signal.signal(signal.SIGTERM, mine), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_on_termination():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
        assert seen == [signal.SIGTERM] and signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])
    monkeypatch.setenv("WORLD_SIZE", "2")
    with raised_on_termination():
        assert signal.getsignal(signal.SIGTERM) is before[0]


def test_a_second_signal_ends_the_process_at_once():
    with raised_on_termination():
        with pytest.raises(Terminated) as caught:
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.name == "SIGTERM"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ctrl_c_during_the_first_imports_is_answered(tmp_path):
    (tmp_path / "click.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "bertkit", "--help"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "\nInterrupted.\n")
