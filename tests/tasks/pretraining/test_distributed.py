"""Two processes over gloo train what one process trains."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checksums_forgotten import forget_checksums
from safetensors.torch import load_file
from together import ends_of, free_ports

from bertkit.backends import registry
from bertkit.configuration.config import as_dict, dump_yaml
from bertkit.errors import ConfigError, StoppedError
from bertkit.model.config import BertConfig
from bertkit.storage.files import write_text
from bertkit.tasks.pretraining.prepare import prepare
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state

# The second process of a run dies after so many steps, however busy the machine is.
STRUCK = """
import os, signal, sys
from bertkit.backends.torch.step import TorchStepper
from bertkit.cli import main
train = TorchStepper.train
def struck(self, batch, step):
    if os.environ["RANK"] == "1" and step == {step}:
        os.kill(os.getpid(), signal.{name})
    return train(self, batch, step)
TorchStepper.train = struck
sys.exit(main(sys.argv[1:]))
"""


def start(config, folder, *words, world=2, struck=""):
    """Start the processes of a run as torchrun would; returns them by rank."""
    write_text(Path(folder) / "settings.yaml", dump_yaml(as_dict(config)))
    (port,) = free_ports(1)
    program = ["-c", struck] if struck else ["-m", "bertkit"]
    command = [sys.executable, *program, "pretrain", "--config",
               str(Path(folder) / "settings.yaml"), "--backend", "cpu", *words]  # fmt: skip
    return [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
        )
        for rank in range(world)
    ]  # fmt: skip


def finish(processes):
    """[(status, stdout, stderr)] by rank."""
    return ends_of(processes, timeout=900)


def distance(one, two):
    first, second = (load_file(Path(place) / "model.safetensors") for place in (one, two))
    # The gradient of key biases is round-off, which AdamW blows up.
    return max(
        float((first[name] - second[name]).abs().max()) for name in first if "key.bias" not in name
    )


def assert_same_bits(one, two):
    first, second = (load_file(Path(place) / "model.safetensors") for place in (one, two))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture
def calm(settings, records):
    """Settings without dropout, whose streams differ between processes."""
    base = settings(micro_batch_size=2, eval_input=[str(records / "eval.tfrecord")], eval_every=10)
    shape = {**as_dict(base.model), "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return replace(base, model=BertConfig(**shape))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param(
            {
                "mlm_normalisation": "micro_batch",
                "nsp": False,
                "optimizer": "nvlamb",
                "shard_optimizer": True,
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_train_what_one_trains(calm, tmp_path, changes):
    one = pretrain(replace(calm, output=str(tmp_path / "one"), **changes), registry.get("cpu"))
    two = replace(calm, output=str(tmp_path / "two"), **changes)
    main, other = finish(start(two, tmp_path, "--json"))
    assert (main[0], other[0]) == (0, 0), main[2] + other[2]
    assert other[1] == "" and "evaluation" not in other[2]
    result = json.loads(main[1].splitlines()[-1])
    assert result["plan"]["batch_equation"].endswith("accumulation 2 x processes 2")
    for kind, numbers in (("train", one.train), ("evaluation", one.evaluation)):
        for name in ("mlm_loss", "mlm_accuracy"):
            assert result[kind][name] == pytest.approx(numbers[name], rel=1e-5)
    assert distance(one.checkpoint, result["checkpoint"]) < 1e-5
    assert load_state(result["checkpoint"]).world == 2


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_it_goes_on_bit_for_bit(settings, tmp_path):
    config = settings(max_steps=50, save_every=10, keep_last=0, output=str(tmp_path / "broken"))
    main, other = finish(start(config, tmp_path, struck=STRUCK.format(step=25, name="SIGKILL")))
    assert main[0] == 1 and other[0] == -signal.SIGKILL
    assert re.search(r"Error: process 1 \(on \S+\) of this run has died without a message", main[2])
    assert "Traceback" not in main[2]
    last = checkpoint.latest(config.output)
    state = load_state(last)
    assert state.step == 20
    resumed = finish(start(config, tmp_path))
    assert [status for status, *_ in resumed] == [0, 0], resumed[0][2]
    assert f"at step {state.step}" in resumed[0][2]
    whole = finish(start(replace(config, output=str(tmp_path / "whole")), tmp_path))
    assert [status for status, *_ in whole] == [0, 0]
    assert_same_bits(tmp_path / "broken" / "step-0000050", tmp_path / "whole" / "step-0000050")


@pytest.mark.slow
def test_three_processes_go_on_bit_for_bit(settings, tmp_path):
    """The order of a sum of three decides its bits, and must not depend on when a run began."""
    config = settings(max_steps=12, global_batch_size=6, micro_batch_size=2, save_every=0)
    for name, words in (("whole", [()]), ("parts", [("--steps-this-run", "5"), ()])):
        run = replace(config, output=str(tmp_path / name))
        ends = [finish(start(run, tmp_path, *more, world=3)) for more in words]
        assert [status for status, *_ in ends[-1]] == [0, 0, 0], ends[-1]
    assert_same_bits(tmp_path / "whole" / "step-0000012", tmp_path / "parts" / "step-0000012")


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_after_the_same_step(settings, tmp_path):
    config = settings(max_steps=100_000, save_every=10, output=str(tmp_path / "run"))
    main, other = finish(start(config, tmp_path, struck=STRUCK.format(step=15, name="SIGTERM")))
    assert (main[0], other[0]) == (75, 75), main[2]
    step = load_state(checkpoint.latest(config.output)).step
    assert f"stopped by SIGTERM at step {step}" in main[2]


LEFT = """
import os, signal, sys
from bertkit.backends.torch.step import TorchStepper
from bertkit.cli import main
evaluate, seen = TorchStepper.evaluate, []
def struck(self, batch):
    seen.append(batch)
    assert os.environ["RANK"] != "1" or len(seen) == 1, "batches came after the signal"
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    return evaluate(self, batch)
TorchStepper.evaluate = struck
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_signal_to_one_process_leaves_the_evaluation_of_both(settings, records, tmp_path):
    config = settings(
        eval_input=[str(records / "eval.tfrecord")], eval_every=10, save_every=0,
        output=str(tmp_path / "run"),
    )  # fmt: skip
    main, other = finish(start(config, tmp_path, struck=LEFT))
    assert (main[0], other[0]) == (75, 75), main[2] + other[2]
    assert "stopped by SIGTERM at step 10 of 20; everything is saved in" in main[2]
    assert load_state(checkpoint.latest(config.output)).evaluation_due
    again = finish(start(config, tmp_path))
    assert [status for status, *_ in again] == [0, 0], again
    lines = map(json.loads, (Path(config.output) / "metrics.jsonl").open())
    evaluated = [line["step"] for line in lines if line["kind"] == "eval"]
    assert evaluated == [10, 20]


def test_another_number_of_processes_goes_on_with_a_note(settings, caplog):
    config = settings()
    with pytest.raises(StoppedError):
        pretrain(replace(config, steps_this_run=8), registry.get("cpu"))
    forget_checksums(checkpoint.latest(config.output), world=2)
    pretrain(config, registry.get("cpu"))
    assert "not be bit-identical: 2 processes, now 1" in caplog.text


def test_what_does_not_divide_is_refused(settings, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="not a multiple of --micro-batch-size 3 x 2 processes"):
        prepare(settings(global_batch_size=9, micro_batch_size=3), registry.get("cpu"))


def test_commands_of_one_process_say_so(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="runs in one process, WORLD_SIZE is 2"):
        registry.get("cpu").start()
    with pytest.raises(ConfigError, match="MASTER_ADDR"):
        registry.get("cpu").start(distributed=True)
