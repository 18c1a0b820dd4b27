"""Two processes are one, and a killed run goes on bit for bit, with the command itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tasks.squad.test_distributed import result_of, start_two


def weights(place):
    return load_file(place / "model.safetensors")


@pytest.fixture
def words(settings):
    return [
        "finetune", "--task", "tag", "--backend", "cpu", "--train-file", settings["train_file"],
        "--eval-file", *settings["eval_file"], "--predict-file", *settings["eval_file"],
        "--init-checkpoint", settings["init_checkpoint"], "--msl", 12, "--gbs", 8,
        "--max-steps", 20, "--lr", "1e-2", "--log-every", 5, "--json",
    ]  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_score_and_predict_as_one_does(bertkit, words, tmp_path):
    words = [*words, "--optimizer", "sgd", "--lr", "0.5", "--micro-batch-size", 2]
    one = bertkit(*words, "--output", tmp_path / "one")
    assert one.status == 0, one.err
    two = result_of(start_two(*words, "--output", tmp_path / "two"))
    first, second = (weights(tmp_path / run / "step-0000020") for run in ("one", "two"))
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5
    assert two["scores"] == one.result["scores"]
    files = [Path(run["predictions"][0]).read_text() for run in (one.result, two)]
    assert files[0] == files[1]


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_run_goes_on_bit_for_bit(bertkit, words, tmp_path):
    words = [*words, "--max-steps", 400, "--save-every", 20, "--keep-last", 0]
    whole = bertkit(*words, "--output", tmp_path / "whole")
    assert whole.status == 0, whole.err
    command = [sys.executable, "-m", "bertkit", *map(str, words), "--output", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ.copy())
    while not (tmp_path / "run/step-0000060").is_dir() and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run/step-0000400").exists()
    again = bertkit(*words, "--output", tmp_path / "run")
    assert again.status == 0, again.err
    first, second = (weights(tmp_path / run / "step-0000400") for run in ("whole", "run"))
    assert all(bool((first[name] == second[name]).all()) for name in first)
    assert again.result["scores"] == whole.result["scores"]
