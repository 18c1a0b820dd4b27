"""Two processes against one, and a run that is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tasks.squad.test_distributed import result_of, start_two, weights_of


@pytest.mark.slow
def test_two_processes_train_and_score_as_one_does(command, tmp_path, bertkit):
    file = command[command.index("--train-file") + 1]
    words = [*command, "--max-steps", 4, "--optimizer", "sgd", "--lr", "0.3", "--json"]
    words += ["--warmup-proportion", 0, "--eval-file", file, "--predict-file", file]
    one = bertkit(*words, "--output", tmp_path / "one").result
    two = result_of(start_two(*words, "--output", tmp_path / "two"))
    first, second = weights_of(one), weights_of(two)
    start = load_file(tmp_path / "encoder/model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    assert float((first[name] - start[name]).abs().max()) > 1e-4
    assert max(float((first[key] - second[key]).abs().max()) for key in first) < 1e-6
    assert two["scores"] == pytest.approx(one["scores"])
    answers = [
        [json.loads(line)["selected"] for line in (tmp_path / run / "predictions.jsonl").open()]
        for run in ("one", "two")
    ]
    assert answers[0] == answers[1] and len(answers[0]) == 24


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_killed_goes_on_bit_for_bit(command, tmp_path, bertkit):
    words = [*command, "--max-steps", 400, "--save-every", 20, "--log-every", 1]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "bertkit", *map(str, words), "--output", killed],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None and not (killed / "step-0000020").is_dir():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "step-0000400").exists()
    bertkit(*words, "--output", killed)
    bertkit(*words, "--output", tmp_path / "whole")
    ends = [load_file(tmp_path / r / "step-0000400/model.safetensors") for r in ("killed", "whole")]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
