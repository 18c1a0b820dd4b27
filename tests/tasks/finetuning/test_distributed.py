"""Two processes are one, and a killed run goes on bit for bit, with the command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from tasks.squad.test_distributed import result_of, start_two


def weights(place):
    return load_file(place / "model.safetensors")


@pytest.mark.slow
def test_two_processes_train_score_and_predict_as_one_does(bertkit, words, place):
    words = [
        *words, "--predict-file", place / "dev.tsv", "--optimizer", "sgd", "--lr", "0.5",
        "--micro-batch-size", 2, "--eval-every", 10, "--predict-batch-size", 3,
    ]  # fmt: skip
    one = bertkit(*words, "--output", place / "one")
    assert one.status == 0, one.err
    two = result_of(start_two(*words, "--output", place / "two"))
    for folder in ("best", "step-0000020"):
        first, second = weights(place / "one" / folder), weights(place / "two" / folder)
        assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5
    assert two["scores"] == one.result["scores"]
    lines = [[json.loads(line) for line in (place / run / "predictions.jsonl").open()]
             for run in ("one", "two")]  # fmt: skip
    for mine, theirs in zip(*lines, strict=True):
        assert mine["label"] == theirs["label"]
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-5)
    state = json.loads((place / "two/step-0000020/state.json").read_text())
    assert state["world"] == 2


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(bertkit, words, place):
    words = [*words, "--max-steps", 400, "--save-every", 20, "--eval-every", 30, "--keep-last", 0]
    whole = bertkit(*words, "--output", place / "whole")
    assert whole.status == 0, whole.err
    command = [sys.executable, "-m", "bertkit", *map(str, words), "--output", str(place / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ.copy())
    while not (place / "run/step-0000060").is_dir() and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (place / "run/step-0000400").exists()
    again = bertkit(*words, "--output", place / "run")
    assert again.status == 0, again.err
    for folder in ("step-0000400", "best"):
        first, second = weights(place / "whole" / folder), weights(place / "run" / folder)
        assert all(bool((first[name] == second[name]).all()) for name in first)
    assert again.result["scores"] == whole.result["scores"]
