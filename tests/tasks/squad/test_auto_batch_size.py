from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bertkit.errors import BertkitError
from bertkit.tasks.squad.auto_batch_size import LARGEST, find_batch_size
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.config import PredictConfig
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.questions import read_questions
from tasks.squad.world import PEOPLE, RIVERS, squad


class Machine:
    """Holds `room` windows at a time; from `fast` on, more at a time are no faster."""

    def __init__(self, room: int, fast: int = 10**6, error: Exception | None = None) -> None:
        self.room, self.fast, self.tried = room, fast, []
        self.clock = 0.0
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def evaluate(self, batch):
        (micro,) = batch.micro_batches
        size = len(micro.lengths)
        self.tried.append(size)
        if size > self.room:
            raise self.error
        self.clock += max(1.0, size / self.fast)
        return SimpleNamespace(sums={"start_scores": torch.zeros(1)})


@pytest.fixture
def windows(write, tokenizer):
    questions = read_questions(write("x.json", squad(RIVERS, PEOPLE)))
    return WindowMaker(tokenizer, 48, 16, 8).windows(questions, training=False)


@pytest.fixture
def find(monkeypatch):
    def run(machine, windows, fastest=False):
        clock = SimpleNamespace(perf_counter=lambda: machine.clock)
        monkeypatch.setattr("bertkit.tasks.squad.auto_batch_size.time", clock)
        return find_batch_size(machine, WindowBatcher(2, 3), windows, fastest)

    return run


@pytest.mark.parametrize("error", [None, RuntimeError("not enough memory"), MemoryError()])
def test_the_largest_that_fits(find, windows, error):
    assert find(Machine(21, error=error), windows * 20) == 16


def test_never_more_than_there_is_or_than_the_largest(find, windows):
    machine = Machine(10**6)
    assert find(machine, windows) == 8  # five windows go at once
    assert max(machine.tried) == 5
    assert find(machine, windows * 500) == LARGEST


def test_the_fastest(find, windows):
    machine = Machine(10**6, fast=4)
    assert find(machine, windows * 20, fastest=True) == 4
    assert max(machine.tried) == 8


def test_other_errors_come_through_and_no_room_at_all_is_said(find, windows):
    with pytest.raises(RuntimeError, match="shapes"):
        find(Machine(0, error=RuntimeError("shapes differ")), windows)
    with pytest.raises(BertkitError, match="out of memory with one window"):
        find(Machine(0), windows)


def test_the_setting():
    assert PredictConfig(init_checkpoint="x", predict_batch_size="auto").predict_size == 0
    assert PredictConfig(init_checkpoint="x").predict_size == 32
    for wrong in ("0", "-1", "many", "1.5"):
        assert f"--predict-batch-size {wrong} must be" in PredictConfig(
            init_checkpoint="x", predict_batch_size=wrong
        ).problems()[0]  # fmt: skip
    assert PredictConfig().problems() == ["--init-checkpoint is required"]
