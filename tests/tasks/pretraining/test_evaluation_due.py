"""A run that is ended in an evaluation: the step is saved, and the evaluation comes first later."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from slow_cases import slow

from bertkit.backends import registry
from bertkit.backends.torch.step import TorchStepper
from bertkit.errors import StoppedError
from bertkit.model.checkpoints.run_state import find_damage, read_state
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints.run_checkpoints import RunCheckpoints
from bertkit.train.trainer import Trainer

CPU = registry.get("cpu")
_TIMES = ("seconds", "tokens_per_second", "sequences_per_second")


class KilledError(Exception):
    """Stands for what ends a process."""


def lines(run):
    text = (Path(run) / "metrics.jsonl").read_text()
    entries = map(json.loads, text.splitlines())
    return [{key: value for key, value in entry.items() if key not in _TIMES} for entry in entries]


def state(run, step):
    values = read_state(Path(run) / f"step-{step:07d}")
    metrics = {kind: {key: value for key, value in numbers.items() if key not in _TIMES}
               for kind, numbers in values["metrics"].items()}  # fmt: skip
    left = {key: value for key, value in values.items() if key not in ("seconds", "checksum")}
    del left["config"]["output"]
    return {**left, "metrics": metrics}


@pytest.fixture
def evaluated(settings, records, tmp_path):
    def make(name):
        return settings(
            output=str(tmp_path / name),
            eval_input=[str(records / "eval.tfrecord")],
            eval_every=10,
            save_every=10,
        )

    return make


@pytest.mark.parametrize("step", [20, *slow(10)])
@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_killed_in_an_evaluation(evaluated, monkeypatch, step, place):
    """Before its numbers, after they are in metrics.jsonl, and after the state has them."""
    pretrain(evaluated("whole"), CPU)
    config = evaluated("killed")
    with monkeypatch.context() as patch:
        kill_at(patch, step, place)
        with pytest.raises(KilledError):
            pretrain(config, CPU)
    left = read_state(Path(config.output) / f"step-{step:07d}")
    assert left["evaluation_due"] == (place != "after")
    assert left["finished"] == (place == "after" and step == 20)
    result = pretrain(config, CPU)
    assert result.step == 20 and result.resumed_from == step
    whole = evaluated("whole").output
    assert lines(config.output) == lines(whole)
    for number in (10, 20):
        folder = Path(config.output) / f"step-{number:07d}"
        assert state(config.output, number) == state(whole, number)
        assert not find_damage(folder)


def kill_at(patch, step, place):
    """Let the process end at an evaluation of a step."""
    owner, name = {
        "before": (Trainer, "_evaluate"),
        "within": (RunCheckpoints, "complete"),
        "after": (RunCheckpoints, "complete"),
    }[place]
    real = getattr(owner, name)

    def ending(self, progress):
        if progress.step == step:
            if place == "after":
                real(self, progress)
            raise KilledError
        real(self, progress)

    patch.setattr(owner, name, ending)


def test_a_run_that_is_made_longer_keeps_the_evaluation_of_its_old_end(evaluated, monkeypatch):
    config = evaluated("run")
    with monkeypatch.context() as patch:
        kill_at(patch, 20, "before")
        with pytest.raises(KilledError):
            pretrain(config, CPU)
    pretrain(replace(config, max_steps=30), CPU)
    assert [line["step"] for line in lines(config.output) if line["kind"] == "eval"] == [10, 20, 30]


@pytest.mark.parametrize("step", [10, 20])
def test_a_branch_begins_with_the_evaluation_that_is_due(evaluated, monkeypatch, step):
    """Its own folder has no checkpoint of that step to note the numbers in."""
    pretrain(evaluated("whole"), CPU)
    config = evaluated("killed")
    with monkeypatch.context() as patch:
        kill_at(patch, step, "before")
        with pytest.raises(KilledError):
            pretrain(config, CPU)
    begin = Path(config.output) / f"step-{step:07d}"
    branch = replace(evaluated("branch"), resume=str(begin))
    result = pretrain(branch, CPU)
    assert result.checkpoint == str(Path(branch.output) / "step-0000020")
    whole = lines(evaluated("whole").output)
    first = [(line["step"], line["kind"]) for line in whole].index((step, "eval"))
    assert lines(branch.output) == whole[first:]
    assert state(branch.output, 20)["metrics"] == state(evaluated("whole").output, 20)["metrics"]
    assert read_state(begin)["evaluation_due"], "the run that it branches off from stays as it is"


def test_a_call_without_evaluations_ends_the_run_without_the_one_that_is_due(
    evaluated, monkeypatch
):
    config = evaluated("run")
    with monkeypatch.context() as patch:
        kill_at(patch, 20, "before")
        with pytest.raises(KilledError):
            pretrain(config, CPU)
    pretrain(replace(config, eval_input=[], eval_every=0), CPU)
    left = read_state(Path(config.output) / "step-0000020")
    assert left["finished"] and not left["evaluation_due"]
    assert [line["step"] for line in lines(config.output) if line["kind"] == "eval"] == [10]


def test_a_signal_leaves_an_evaluation_and_saves_its_step(evaluated, monkeypatch):
    """The next call begins with all of it, and the run ends as one that nobody stopped."""
    pretrain(evaluated("whole"), CPU)
    config = replace(evaluated("stopped"), save_every=0)
    real, seen = TorchStepper.evaluate, []

    def struck(self, batch):
        seen.append(batch)
        if len(seen) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batch)

    monkeypatch.setattr(TorchStepper, "evaluate", struck)
    with pytest.raises(StoppedError, match="SIGTERM at step 10 of 20; everything is saved"):
        pretrain(config, CPU)
    assert len(seen) == 1 and not [line for line in lines(config.output) if line["kind"] == "eval"]
    assert read_state(Path(config.output) / "step-0000010")["evaluation_due"]
    pretrain(config, CPU)
    assert len(seen) > 4
    assert lines(config.output) == lines(evaluated("whole").output)


def test_a_signal_in_the_evaluation_before_the_first_step(evaluated, monkeypatch):
    config = replace(evaluated("stopped"), eval_first=True)

    real = TorchStepper.evaluate

    def struck(self, batch):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batch)

    monkeypatch.setattr(TorchStepper, "evaluate", struck)
    with pytest.raises(StoppedError, match="SIGTERM at step 0 of 20; nothing was trained yet"):
        pretrain(config, CPU)
