"""Whether a call continues the run of before: its starting weights, its length, its writer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from checksums_forgotten import forget_checksums
from safetensors.torch import load_file

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import BertkitError, ConfigError, DataError, StoppedError
from bertkit.manifests.manifest import Manifest, begin
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state
from train.runs import CPU, assert_same_bits, logged, names, run, steps


@pytest.fixture
def encoders(settings, tmp_path):
    """Two encoders, A and B."""
    for seed, name in enumerate("AB"):
        torch.manual_seed(seed)
        save_pretrained(BertForPreTraining(settings().model), tmp_path / name)
    return tmp_path / "A", tmp_path / "B"


@pytest.fixture
def short(settings):
    """Six steps, each with a checkpoint."""
    return settings(max_steps=6, save_every=1, keep_last=0, log_every=1)


def test_another_start_is_refused_and_nothing_is_rewritten(short, encoders):
    a, b = encoders
    begun = replace(short, init_checkpoint=str(a), steps_this_run=2)
    with pytest.raises(StoppedError):
        run(begun)
    place = Path(short.output)
    before = (place / "config.yaml").read_bytes()
    for finished in (False, True):
        with pytest.raises(ConfigError, match=rf"began from {a} \(weights \w+\), .*{b} has weigh"):
            run(replace(begun, init_checkpoint=str(b)))
        assert (place / "config.yaml").read_bytes() == before
        if not finished:
            run(replace(begun, steps_this_run=0))
            before = (place / "config.yaml").read_bytes()
    assert yaml.safe_load(before)["init_checkpoint"] == str(a)


def test_the_same_weights_in_another_file_are_the_same_start(short, encoders, tmp_path):
    a, _ = encoders
    config = replace(short, init_checkpoint=str(a), steps_this_run=2)
    with pytest.raises(StoppedError):
        run(config)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    torch.save(load_file(a / "model.safetensors"), pickled / "pytorch_model.bin")
    shutil.copy(a / "config.json", pickled)
    with pytest.raises(StoppedError):
        run(replace(config, init_checkpoint=str(pickled)))
    # Without a word of it, the settings still say what the run began from.
    assert run(replace(short, init_checkpoint=None)).step == 6
    written = yaml.safe_load((Path(short.output) / "config.yaml").read_text())
    assert written["init_checkpoint"] == str(a)


def test_a_start_that_is_gone_is_not_needed(short, encoders):
    a, b = encoders
    config = replace(short, init_checkpoint=str(a), steps_this_run=2)
    with pytest.raises(StoppedError):
        run(config)
    shutil.rmtree(a)
    assert run(replace(config, steps_this_run=0)).step == 6
    shutil.rmtree(b)
    with pytest.raises((DataError, ConfigError), match=str(b)):
        run(replace(config, init_checkpoint=str(b)))


def test_new_weights_are_a_start_too_and_old_checkpoints_do_not_tell(short, encoders, caplog):
    a, _ = encoders
    with pytest.raises(StoppedError):
        run(replace(short, steps_this_run=2))
    with pytest.raises(ConfigError, match="began from new weights"):
        run(replace(short, init_checkpoint=str(a)))
    forget_checksums(checkpoint.latest(short.output), start=None)
    assert run(replace(short, init_checkpoint=str(a))).step == 6
    assert "its checkpoint does not tell" in caplog.text


@pytest.mark.parametrize("below", ["", "step-0000006"])
def test_a_start_below_the_output_is_refused_before_anything_is_touched(short, below):
    run(short)
    before = names(short.output)
    config = replace(short, init_checkpoint=str(Path(short.output, below)))
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="is a checkpoint of --output itself"):
            run(config, overwrite=overwrite)
    with pytest.raises(ConfigError, match="is a checkpoint of --output itself"):
        prepare(config, CPU, dry_run=True)  # as --dry-run does
    assert names(short.output) == before


HOLDER = """
import sys
from bertkit.storage.folder_lock import locked_folder
with locked_folder(sys.argv[1], "finetune-squad"):
    print("held", flush=True)
    input()
"""


def test_a_second_run_in_the_folder_is_refused(short):
    command = [sys.executable, "-c", HOLDER, short.output]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BertkitError, match=f"in use by `bertkit finetune-squad` .*{holder.pid}"):
        run(short)
    holder.communicate("\n")
    assert run(replace(short, max_steps=1)).step == 1


@pytest.mark.slow
def test_a_run_can_be_prolonged_and_says_how_the_schedule_changes(short, tmp_path, caplog):
    first = run(short)
    longer = run(replace(short, max_steps=9))
    assert (longer.resumed_from, longer.step) == (6, 9)
    assert "prolonged from 6 to 9 steps: the learning rate at step 6 was 0 and is now 0.0" in (
        caplog.text
    )
    assert steps(short.output) == list(range(1, 10)) and logged(short.output)[-1] == 9
    assert load_state(longer.checkpoint).finished
    # As a constant rate changes nothing, these are the bits of one long run.
    constant = replace(short, schedule="constant", warmup_proportion=0.0)
    run(replace(constant, output=str(tmp_path / "cut")))
    cut_run = run(replace(constant, output=str(tmp_path / "cut"), max_steps=9))
    whole = run(replace(constant, output=str(tmp_path / "whole"), max_steps=9))
    assert_same_bits(cut_run.checkpoint, whole.checkpoint)
    assert first.step == 6


def test_settings_that_somebody_wrote_are_not_replaced(short):
    """`--config exp/config.yaml --output exp`: the run's config.yaml took the place of theirs."""
    place = Path(short.output)
    place.mkdir(parents=True)
    (place / "config.yaml").write_text("# mine\nmax_steps: 6\n")
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"config\.yaml is not of a run"):
            run(short, overwrite=overwrite)
    assert [path.name for path in place.iterdir()] == ["config.yaml"]
    assert (place / "config.yaml").read_text() == "# mine\nmax_steps: 6\n"
    (place / "config.yaml").unlink()
    with pytest.raises(StoppedError):
        run(replace(short, steps_this_run=2))
    assert run(short).step == 6


def test_a_folder_that_another_command_filled_is_refused(short):
    place = Path(short.output)
    begin(place, Manifest("split", {"valid": 0.1}))
    for overwrite in (False, True):
        with pytest.raises(DataError, match="holds what `bertkit split` made"):
            run(short, overwrite=overwrite)
    assert [path.name for path in place.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("beside", ["machine.json", "metrics.jsonl", "predictions.json"])
def test_settings_of_an_older_bertkit_are_those_of_a_run(beside, short):
    """They had no line around them; a run that was killed before its first checkpoint goes on."""
    place = Path(short.output)
    place.mkdir(parents=True)
    (place / "config.yaml").write_text("max_steps: 6\n")
    (place / beside).write_text("")
    assert run(short).step == 6


def test_a_run_keeps_the_precision_that_was_chosen_when_it_began(short, monkeypatch, caplog):
    """On a processor with other units `auto` would mean another one: not half way."""
    caplog.set_level("INFO", "bertkit")
    automatic = replace(short, precision="auto")
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "fp32")
    with pytest.raises(StoppedError):
        run(replace(automatic, steps_this_run=2))
    whole = run(replace(automatic, output=f"{short.output}-whole"))
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "bf16")
    resumed = run(automatic)
    assert (resumed.resumed_from, resumed.step) == (2, 6)
    assert_same_bits(resumed.checkpoint, whole.checkpoint)
    assert "precision fp32, with which this run began; a new one would take bf16" in caplog.text
    # What is asked for by name is another run, and so is one that takes the place of this one.
    with pytest.raises(ConfigError, match="precision fp32, now bf16"):
        run(replace(short, precision="bf16"))
    anew = run(replace(automatic, steps_this_run=0), overwrite=True)
    assert load_state(anew.checkpoint).config["precision"] == "bf16"
