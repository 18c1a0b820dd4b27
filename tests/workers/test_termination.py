"""SIGTERM, SIGHUP and Ctrl-C in commands that do not catch them themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from bertkit import cli
from bertkit.storage.files import atomic_write
from bertkit.workers.termination import Terminated, held_back, raised_on_termination


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


def test_ctrl_c_beside_the_command_is_answered_like_one_within(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "leave_if_importing", interrupted)
    assert cli.main(["inspect"]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


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


@pytest.mark.parametrize(
    ("name", "error"),
    [("SIGTERM", Terminated), ("SIGHUP", Terminated), ("SIGINT", KeyboardInterrupt)],
)
def test_signals_wait_for_the_end_of_what_nothing_may_leave(name, error):
    reached = []

    def work():
        with held_back():
            signal.raise_signal(getattr(signal, name))
            reached.append("end of the block")
        reached.append("behind it")

    before = signal.getsignal(getattr(signal, name))
    with raised_on_termination(), pytest.raises(error):
        work()
    assert reached == ["end of the block"]
    assert signal.getsignal(getattr(signal, name)) is before


def test_what_is_ignored_is_not_held_back():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held_back():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
