"""Which checkpoints an evaluation takes, in which order, and how long it waits."""

from __future__ import annotations

import threading

import pytest

from bertkit.errors import DataError
from bertkit.tasks.pretraining import checkpoint_queue
from bertkit.tasks.pretraining.checkpoint_queue import named_checkpoints, new_checkpoints


def save(folder, *steps):
    for step in steps:
        place = folder / f"step-{step:07d}"
        place.mkdir(parents=True)
        (place / "model.safetensors").write_bytes(b"")
        (place / "config.json").write_text("{}")
    return [str(folder / f"step-{step:07d}") for step in steps]


def test_the_order_asked_for_is_kept(tmp_path):
    last, first, other = save(tmp_path / "run", 30, 10, 20)
    named = named_checkpoints([last, first, last])
    assert [step for step, _ in named] == [30, 10]
    assert [step for step, _ in named_checkpoints([other, str(tmp_path / "run")])] == [20, 10, 30]


def test_new_ones_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_queue, "POLL", 0.01)
    run = tmp_path / "run"
    timer = threading.Timer(0.1, save, (run, 1))
    timer.start()
    ((step, first),) = named_checkpoints([str(run)], wait=60.0)
    assert step == 1
    timer = threading.Timer(0.1, save, (run, 2))
    timer.start()
    assert [step for step, _ in new_checkpoints([str(run)], {first}, 60.0)] == [2]
    assert new_checkpoints([str(run)], {first, run / "step-0000002"}, 0.05) == []


def test_what_does_not_come_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_queue, "POLL", 0.01)
    for wait in (0.0, 0.05):
        with pytest.raises(DataError, match="no such checkpoint"):
            named_checkpoints([str(tmp_path / "none")], wait)
