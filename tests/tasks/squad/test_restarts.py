"""Fine-tuning in a folder that holds a run: of another encoder, of none any more, in use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import BertkitError, ConfigError, StoppedError
from bertkit.model.checkpoints.hf import load_weights, save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.finetune import finetune
from bertkit.train.checkpoints.run_state import load_state


def run(settings, overwrite=False, **changes):
    return finetune(SquadConfig(**{**settings, **changes}), CpuAdapter(), overwrite)


def test_another_encoder_is_refused_with_both_digests(settings, encoder, tmp_path):
    settings["max_steps"] = 4
    first = run(settings)
    predictions = Path(first.predictions).read_bytes()
    before = (tmp_path / "run/config.yaml").read_bytes()
    torch.manual_seed(7)
    other = tmp_path / "other"
    shutil.copytree(encoder, other)
    save_pretrained(BertForPreTraining(BertConfig.from_file(encoder)), other)
    with pytest.raises(ConfigError, match=rf"began from {encoder} \(weights \w+\), .*{other} has"):
        run(settings, init_checkpoint=str(other))
    assert (tmp_path / "run/config.yaml").read_bytes() == before
    assert Path(first.predictions).read_bytes() == predictions
    # Replaced on purpose, the old answers go with the old run.
    with pytest.raises(StoppedError):
        run(settings, True, init_checkpoint=str(other), steps_this_run=2)
    assert not (tmp_path / "run/predictions.json").exists()


def test_an_encoder_that_is_gone_is_not_needed_to_resume(settings, encoder, tmp_path):
    settings |= {"max_steps": 4, "do_predict": False}
    whole = run(settings, output=str(tmp_path / "whole"))
    with pytest.raises(StoppedError):
        run(settings, steps_this_run=2)
    shutil.rmtree(encoder)
    again = run(settings)
    before, after = load_weights(whole.checkpoint), load_weights(again.checkpoint)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_more_epochs_prolong_a_run(settings, caplog):
    settings |= {"max_steps": 0, "epochs": 1.0, "do_predict": False}
    first = run(settings)
    longer = run(settings, epochs=2.0)
    assert longer.step == 2 * first.step
    assert f"prolonged from {first.step} to {longer.step} steps" in caplog.text
    with pytest.raises(ConfigError, match=r"epochs 2\.0, now 1\.0"):
        run(settings)


HOLDER = """
import sys
from bertkit.storage.folder_lock import locked_folder
with locked_folder(sys.argv[1], "finetune-squad"):
    print("held", flush=True)
    input()
"""


def test_answering_in_a_folder_that_is_in_use_is_refused(settings):
    settings["max_steps"] = 1
    run(settings)
    command = [sys.executable, "-c", HOLDER, settings["output"]]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    for changes in ({}, {"train_file": None, "init_checkpoint": None}):
        with pytest.raises(BertkitError, match="is in use by `bertkit finetune-squad`"):
            run(settings, **changes)
    holder.communicate("\n")


def test_a_run_keeps_the_precision_that_was_chosen_when_it_began(settings, monkeypatch):
    settings |= {"max_steps": 4, "do_predict": False, "precision": "auto"}
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "fp32")
    with pytest.raises(StoppedError):
        run(settings, steps_this_run=2)
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "bf16")
    done = run(settings)
    assert (done.step, load_state(done.checkpoint).config["precision"]) == (4, "fp32")
