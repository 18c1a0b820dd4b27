"""The folder of a run, whatever is trained; that runs resume, the tests of tasks show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bertkit.backends import registry
from bertkit.configuration.record_settings import settings_read
from bertkit.errors import StoppedError
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import PretrainingTask
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.resume import ResumePoint
from bertkit.train.checkpoints.run_state import load_state
from bertkit.train.run import TrainingRun, machine_facts

CPU = registry.get("cpu")


class Notes:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def log(self, step, kind, numbers):
        self.seen.append((step, kind))

    def close(self):
        self.seen.append("closed")


def make(config, **more):
    return TrainingRun(PretrainingTask(prepare(config, CPU)), CPU, **more)


def test_the_folder_says_what_was_run_and_where(settings):
    run = make(settings(max_steps=2))
    assert (run.model, run.progress.step) == (None, 0)
    run.train()
    assert yaml.safe_load((run.folder / "config.yaml").read_text()) == settings_read(run.config)
    machine = json.loads((run.folder / "machine.json").read_text())
    assert machine == machine_facts(CPU)
    assert (machine["backend"], machine["processes"]) == ("cpu", 1)
    state = load_state(run.progress.checkpoint)
    assert state.metrics["train"] == run.progress.train
    assert (state.step, state.finished, state.world) == (2, True, 1)


def test_trackers_get_names_folder_and_settings_and_every_number(settings, records, monkeypatch):
    notes, asked = Notes(), []

    def trackers(names, folder, config, step):
        asked.append((names, folder, config["seed"], step))
        return [notes]

    monkeypatch.setattr("bertkit.tasks.pretraining.prepare.require_trackers", lambda names: None)
    evaluated = [str(records / "eval.tfrecord")]
    config = settings(max_steps=4, log_every=2, log_to=["wandb"], eval_input=evaluated)
    make(config, make_trackers=trackers).train()
    assert asked == [(["wandb"], config.output, config.seed, 0)]
    assert notes.seen == [(2, "train"), (4, "train"), (4, "eval"), "closed"]


def test_trackers_are_closed_where_a_run_stops(settings):
    notes = Notes()
    config = settings(max_steps=4, steps_this_run=2)
    with pytest.raises(StoppedError):
        make(config, make_trackers=lambda *given: [notes]).train()
    assert notes.seen[-1] == "closed"


def test_a_finished_run_asks_for_no_data(settings, monkeypatch):
    config = settings(max_steps=2)
    make(config).train()
    monkeypatch.setattr(PretrainingTask, "training_data", lambda *given: pytest.fail("asked"))
    again = make(config)
    assert again.train().finished and again.first_step == 2
    assert again.model is not None


def test_a_run_that_was_killed_at_its_very_end_keeps_no_more_than_others(settings, monkeypatch):
    config = settings(max_steps=6, save_every=2, keep_last=1, keep_every=4)
    with monkeypatch.context() as killed:
        killed.setattr(checkpoint, "remove_oldest", lambda *given: None)
        make(config).train()
    assert [step for step, _ in checkpoint.in_run(config.output)] == [2, 4, 6]
    assert make(config).train().finished
    assert [step for step, _ in checkpoint.in_run(config.output)] == [4, 6]


def test_what_an_earlier_run_left_incomplete_is_removed(settings):
    config = settings(max_steps=1)
    left = Path(config.output, "step-0000001.partial")
    left.mkdir(parents=True)
    make(config).train()
    assert not left.exists()


def test_the_share_of_the_peak_comes_from_the_tasks_operations(settings, monkeypatch):
    monkeypatch.setattr(type(CPU), "peak_flops", lambda self, precision: 1e12)
    run = make(settings(max_steps=2, log_every=1, measure_peak=True))
    monkeypatch.setattr(run.task, "flops", lambda sums: sums["sequences"] * 1e6)
    numbers = run.train().train
    assert numbers["peak_share"] == pytest.approx(numbers["sequences_per_second"] * 1e-6)


def test_the_main_process_alone_writes(settings, monkeypatch):
    from bertkit.backends.process_group import ProcessGroup, Topology

    class Second(ProcessGroup):
        """The second of two processes, told of an empty folder by the first."""

        def gather(self, item):
            return [(ResumePoint(), None) if item == (None, None) else item, item]

    adapter = registry.get("cpu")
    adapter.process_group = Second(Topology(2, 1, 1))
    task = PretrainingTask(prepare(settings(max_steps=2), adapter))
    run = TrainingRun(task, adapter)
    monkeypatch.setattr(adapter, "build", lambda *given: pytest.fail("built"))
    with pytest.raises(pytest.fail.Exception, match="built"):
        run.train()
    assert not run.folder.exists()


def test_settings_of_the_run_are_those_it_resumes_with(settings):
    config = settings(max_steps=4, steps_this_run=2)
    with pytest.raises(StoppedError):
        make(config).train()
    changed = make(replace(config, steps_this_run=0, save_every=1, keep_last=0))
    changed.train()
    assert yaml.safe_load((changed.folder / "config.yaml").read_text())["save_every"] == 1
    assert [step for step, _ in checkpoint.in_run(changed.folder)] == [2, 3, 4]
