"""Checkpoints written in a thread: a copy of the moment, whole or not there, errors told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.backends.base import Ticket
from bertkit.backends.torch.step import TorchStepper
from bertkit.configuration.config import as_dict, dump_yaml
from bertkit.errors import BertkitError
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.background_save import BackgroundSaver


def test_what_is_written_is_the_moment_of_the_call():
    """Training goes on while a slow disk is written to."""
    model = torch.nn.Linear(2, 2)
    moments = {"weight": {"step": torch.tensor(1.0)}}
    open_gate, written = threading.Event(), []

    def write(found, state, step):
        open_gate.wait(20)
        written.append((step, found.weight.clone(), state["weight"]["step"].clone()))

    saver = BackgroundSaver(torch.nn.Linear(2, 2), model.state_dict, write)
    wanted = []
    for step in (1, 2):
        wanted.append((step, model.weight.detach().clone(), moments["weight"]["step"].clone()))
        saver.save(moments, step)
        if step == 1:
            assert written == []
            open_gate.set()
        with torch.no_grad():
            model.weight += 1
            moments["weight"]["step"] += 1
    saver.wait()
    assert len(written) == 2
    for (step, weight, count), (their_step, their_weight, their_count) in zip(
        written, wanted, strict=True
    ):
        assert (step, count) == (their_step, their_count)
        assert torch.equal(weight, their_weight)


def test_copies_are_written_as_they_are():
    """Those that a device has been read into; a second copy would cost as much again."""
    written = []
    saver = BackgroundSaver(
        torch.nn.Linear(2, 2),
        lambda: found,
        lambda model, state, step: written.append(
            (model.weight.data_ptr(), model.weight.requires_grad, state["weight"]["step"], step)
        ),
        copies=True,
    )
    for step in (1, 2):
        found = {"weight": torch.full((2, 2), float(step)), "bias": torch.zeros(2)}
        moments = {"weight": {"step": torch.tensor(float(step))}}
        saver.save(moments, step)
        saver.wait()
        assert written[-1] == (
            found["weight"].data_ptr(), True, moments["weight"]["step"], step
        )  # fmt: skip
        assert written[-1][2] is moments["weight"]["step"]


def test_an_error_of_the_thread_is_raised_once():
    def write(model, state, step):
        raise OSError(28, "No space left on device")

    saver = BackgroundSaver(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1).state_dict, write)
    saver.save({}, 1)
    with pytest.raises(OSError, match="No space"):
        saver.save({}, 2)
    saver.wait()


@pytest.mark.parametrize("background", [True, False])
def test_a_disk_that_is_full_ends_the_run(settings, monkeypatch, background):
    real = checkpoint.save_pretrained

    def fails(model, folder):
        if "0000010" in str(folder):
            raise OSError(28, "No space left on device", str(folder))
        real(model, folder)

    monkeypatch.setattr(checkpoint, "save_pretrained", fails)
    config = settings(save_every=5, background_save=background)
    with pytest.raises(OSError, match="No space"):
        pretrain(config, registry.get("cpu"))
    assert checkpoint.latest(config.output).name == "step-0000005"


@pytest.mark.slow
def test_both_ways_of_saving_write_the_same(settings, tmp_path):
    runs = [
        pretrain(
            settings(output=str(tmp_path / str(way)), background_save=way, save_every=5),
            registry.get("cpu"),
        )
        for way in (True, False)
    ]
    for step in (10, 20):
        one, two = (
            load_file(Path(run.output) / f"step-{step:07d}" / "model.safetensors") for run in runs
        )
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_every_so_many_checkpoints_stay(settings):
    config = settings(save_every=2, keep_last=1, keep_every=6)
    pretrain(config, registry.get("cpu"))
    assert [step for step, _ in checkpoint.in_run(config.output)] == [6, 12, 18, 20]


@pytest.mark.slow
@pytest.mark.long
def test_killed_while_saving_the_checkpoint_before_is_whole(settings, tmp_path):
    """Kill -9 at ten places of a save; what is there goes on to the bits of a whole run."""
    config = settings(max_steps=120, save_every=4, log_every=50)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), registry.get("cpu"))
    (tmp_path / "settings.yaml").write_text(dump_yaml(as_dict(config)))
    command = [sys.executable, "-m", "bertkit", "pretrain", "-q", "--backend", "cpu", "--config",
               str(tmp_path / "settings.yaml")]  # fmt: skip
    for attempt in range(6):
        before = checkpoint.latest(config.output)
        run = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        partial = Path(config.output)
        while not list(partial.glob(".step-*.partial-*")) or checkpoint.latest(partial) == before:
            if run.poll() is not None:
                break
        time.sleep(attempt * 0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        last = checkpoint.latest(config.output)
        assert checkpoint.load_stepper_state(last)["optimizer"]
    last = pretrain(config, registry.get("cpu"))
    one, two = (load_file(f"{r.checkpoint}/model.safetensors") for r in (whole, last))
    assert all(torch.equal(one[name], two[name]) for name in one)
    shutil.rmtree(config.output)


def test_what_must_not_be_saved_stops_the_run_at_once():
    """Not when the next checkpoint is due."""
    written = []

    def refuse(model, state):
        raise ValueError(f"step {state}")

    saver = BackgroundSaver(
        torch.nn.Linear(1, 1),
        torch.nn.Linear(1, 1).state_dict,
        lambda *words: written.append(words),
        check=refuse,
    )
    with pytest.raises(ValueError, match="step 1"):
        saver.save({}, 1)
    saver.wait()
    assert not written


def test_weights_that_break_without_a_norm_are_found_before_they_are_saved(settings, monkeypatch):
    """As on machines that tell no norm of the gradient."""
    train = TorchStepper.train

    def broken(self, batch, step):
        ticket = train(self, batch, step)
        if step == 5:
            with torch.no_grad():
                next(self.model.parameters()).fill_(float("nan"))
        sums = {name: torch.tensor(1.0) for name in ticket.sums if name != "grad_norm"}
        return Ticket(sums, ticket.facts)

    monkeypatch.setattr(TorchStepper, "train", broken)
    config = settings(save_every=5, keep_last=1, max_steps=10)
    with pytest.raises(BertkitError, match=r"diverged by step 10: .*step-0000005"):
        pretrain(config, registry.get("cpu"))
    assert [step for step, _ in checkpoint.in_run(config.output)] == [5]
