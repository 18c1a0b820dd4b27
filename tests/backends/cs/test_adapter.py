"""Cerebras systems: the same tests on the vendor's package and on the stand-in for it.

The package computes on this machine's processor and lowers for systems that are not
here; the stand-in also plays a system. `make test-cs` runs the test_cs files on the package.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
import torch
from safetensors.torch import load_file

from bertkit.backends import registry
from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError, MissingDependencyError, StoppedError
from bertkit.tasks.pretraining.config import EvalConfig
from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train import metrics
from bertkit.train.checkpoints import checkpoint
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.schedule import make_schedule

from .runs import REAL, SHAPE, far, tiny, train

# Training


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_it_trains_as_the_cpu_backend_does(cstorch, cs_records, tmp_path, layout):
    theirs = train(CpuAdapter(), cs_records, tmp_path, "padded")
    ours = train(CsAdapter(), cs_records, tmp_path, layout)
    assert far(ours[1], theirs[1]) < 1e-5
    for mine, other in zip(ours[0], theirs[0], strict=True):
        for name in ("loss", "grad_norm", "mlm_loss_sum", "nsp_loss_sum"):
            assert mine[name] == pytest.approx(other[name], rel=1e-5), name
        for name in ("mlm_count", "nsp_count", "mlm_correct", "tokens", "sequences"):
            assert mine[name] == other[name], name
    assert ours[0][1]["grad_norm"] > 0.3, "nothing was clipped, so clipping was not compared"


@pytest.mark.parametrize("optimizer", ["no_debias_clamp10", UNCORRECTED, "momentum"])
def test_its_optimizers_are_those_we_name(cstorch, cs_records, tmp_path, optimizer):
    """The gradient of key biases is 0 but for rounding, and LAMB and Adam step by that."""
    small = make_schedule("constant", learning_rate=1e-2, max_steps=9)
    theirs = train(CpuAdapter(), cs_records, tmp_path, "padded", 3, optimizer, small)
    ours = train(CsAdapter(), cs_records, tmp_path, "padded", 3, optimizer, small)
    assert far(ours[1], theirs[1], ["key.bias"]) < 1e-5


def test_adamw_learns(cstorch, cs_settings):
    config = cs_settings(optimizer="adamw", max_steps=30, save_every=0)
    pretrain(config, CsAdapter())
    lines = metrics.read(Path(config.output) / "metrics.jsonl")
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.2


def test_half_precision_on_the_processor(cstorch, cs_records, tmp_path):
    exact = train(CsAdapter(), cs_records, tmp_path)
    half = train(CsAdapter(), cs_records, tmp_path, precision="bf16")
    assert 1e-7 < far(half[1], exact[1]) < 1e-2


# Checkpoints


def test_resuming_continues_bit_for_bit(cstorch, cs_settings, tmp_path):
    drops = replace(SHAPE, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    whole = cs_settings(output=str(tmp_path / "whole"), model=drops)
    pretrain(whole, CsAdapter())
    parts = cs_settings(output=str(tmp_path / "parts"), model=drops, steps_this_run=3)
    with pytest.raises(StoppedError):
        pretrain(parts, CsAdapter())
    again = pretrain(replace(parts, steps_this_run=0), CsAdapter())
    assert again.resumed_from == 3
    one, two = (Path(place) / "step-0000006" for place in (whole.output, parts.output))
    ours, theirs = (load_file(place / "model.safetensors") for place in (one, two))
    assert far(ours, theirs) == 0.0
    first, second = (checkpoint.load_stepper_state(place)["optimizer"] for place in (one, two))
    assert first.keys() == dict(ours).keys() - {"cls.predictions.decoder.weight",
                                                "cls.predictions.decoder.bias"}  # fmt: skip
    for name, values in first.items():
        assert values, name
        for what, tensor in values.items():
            assert torch.equal(tensor, second[name][what]), (name, what)


@pytest.mark.slow
def test_evaluations_on_the_way_change_nothing(cstorch, cs_settings, cs_records, tmp_path):
    plain = cs_settings(output=str(tmp_path / "plain"))
    pretrain(plain, CsAdapter())
    asked = cs_settings(
        output=str(tmp_path / "asked"), eval_every=4, eval_input=[str(cs_records / "eval.tfrecord")]
    )
    pretrain(asked, CsAdapter())
    lines = metrics.read(Path(asked.output) / "metrics.jsonl")
    assert [line["step"] for line in lines if line["kind"] == "eval"] == [4, 6]
    places = [Path(run.output) / "step-0000006/model.safetensors" for run in (plain, asked)]
    assert far(*map(load_file, places)) == 0.0


def test_evaluation_is_the_cpu_backends(cstorch, cs_settings, cs_records, tmp_path):
    config = cs_settings()
    pretrain(config, CsAdapter())
    found = {}
    for layout, adapter in (
        ("cpu", CpuAdapter()),
        ("padded", CsAdapter()),
        ("packed", CsAdapter()),
    ):
        asked = EvalConfig(
            layout="padded" if layout == "cpu" else layout, batch_size=4,
            cs=CsOptions(device="cpu", artifacts=str(tmp_path / "logs")),
        )  # fmt: skip
        (found[layout],) = evaluate_checkpoints(
            asked, [str(cs_records / "eval.tfrecord")], [config.output + "/step-0000006"], adapter
        ).checkpoints
    for layout in ("padded", "packed"):
        for name in ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"):
            mine, theirs = getattr(found[layout], name), getattr(found["cpu"], name)
            assert mine == pytest.approx(theirs, rel=1e-5), (layout, name)


@pytest.mark.slow
def test_the_next_phase_takes_weights_and_nothing_else(cstorch, cs_settings, tmp_path):
    first = cs_settings(output=str(tmp_path / "first"))
    pretrain(first, CsAdapter())
    second = cs_settings(
        output=str(tmp_path / "second"), init_checkpoint=first.output + "/step-0000006",
        learning_rate=0.0, max_steps=2,
    )  # fmt: skip
    result = pretrain(second, CsAdapter())
    assert (result.resumed_from, result.step) == (0, 2)
    places = [first.output + "/step-0000006", second.output + "/step-0000002"]
    assert far(*(load_file(place + "/model.safetensors") for place in places)) == 0.0
    (moments,) = [
        values for name, values in
        checkpoint.load_stepper_state(places[1])["optimizer"].items()
        if name == "bert.pooler.dense.weight"
    ]  # fmt: skip
    assert float(moments["beta1_power"]) == pytest.approx(0.9**3)


# Lowering


@pytest.mark.parametrize("layout", ["padded", "bucketed", "packed"])
def test_the_compiler_takes_the_tiny_step(cs_command, cs_records, tmp_path, layout):
    half = {"padded": "bf16", "bucketed": "bf16", "packed": "fp16"}[layout]
    done = cs_command(
        *lowering(cs_records, layout),
        "--precision",
        half,
        "--optimizer",
        "no_debias_clamp10",
        *tiny(),
    )
    assert done.status == 0, done.err
    assert "nothing was trained" in done.err
    assert not list((tmp_path / "run").glob("step-*"))
    lowered = tmp_path / "logs/executors/000001/cirh.mlir"
    assert lowered.stat().st_size > 1000


@pytest.mark.skipif(not REAL, reason="the stand-in has no compiler to show this with")
@pytest.mark.parametrize("layout", ["padded", "packed"])
def test_the_compiler_takes_the_base_step(cs_command, tmp_path, layout):
    synthetic.write(tmp_path / "train.tfrecord", 16, length=128, predictions=20, seed=1)
    done = cs_command(
        *lowering(tmp_path, layout), "--precision", "bf16", "--set", "cs.half=cbfloat16",
        "--set", "model.vocab_size=30528", "--schedule", "polynomial", "--power", "0.5",
    )  # fmt: skip
    assert done.status == 0, done.err
    lowered = tmp_path / "logs/executors/000001/cirh.mlir"
    assert lowered.stat().st_size > 1_000_000


def lowering(cs_records, layout):
    return [
        "pretrain", "--backend", "cs", "--input", cs_records / "train.tfrecord", "--output", "run",
        "--layout", layout, "--gbs", 8, "--micro-batch-size", 4, "--max-steps", 6,
        "--warmup-steps", 2, "--set", "cs.validate_only=true", "--set", "cs.artifacts=logs",
    ]  # fmt: skip


def test_an_evaluation_is_only_compiled_where_that_is_wanted(
    cs_command, cs_records, cs_settings, tmp_path
):
    pretrain(cs_settings(max_steps=1, save_every=0), CpuAdapter())
    done = cs_command(
        "eval", "--backend", "cs", "--input", cs_records / "eval.tfrecord", "--checkpoint",
        tmp_path / "run", "--precision", "bf16", "--set", "cs.validate_only=true",
        "--set", "cs.artifacts=logs", "--min-mlm-accuracy", 0.9,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "nothing was evaluated" in done.err and "Traceback" not in done.err


def test_without_the_package_it_says_what_to_install(bertkit, cs_records, tmp_path):
    if REAL:
        pytest.skip("the package is here")
    with pytest.raises(MissingDependencyError) as caught:
        registry.get("cs")
    assert "pip install 'cerebras-pytorch==2.10.0'" in caught.value.hint
    done = bertkit("pretrain", "--backend", "cs", "--input", cs_records / "train.tfrecord",
                   "--output", tmp_path / "run")  # fmt: skip
    assert done.status == 4
    assert done.err.strip().count("\n") == 1


def test_it_is_found_where_it_is(cstorch):
    probe = registry.get("cs").probe()
    assert probe.present and "cerebras-pytorch" in probe.reason
    if REAL:
        assert probe.version == "2.10.0"


def test_it_runs_alone(cstorch, cs_records, tmp_path, monkeypatch):
    adapter = CsAdapter()
    with pytest.raises(ConfigError, match="measure-peak"):
        adapter.peak_flops("bf16")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match="one process"):
        adapter.start(CsOptions(device="cpu"))


def test_end_to_end_through_the_command_line(cs_command, cs_records, tmp_path):
    words = [
        "pretrain", "--backend", "cs", "--input", cs_records / "train.tfrecord", "--eval-input",
        cs_records / "eval.tfrecord", "--output", "run", "--gbs", 8, "--micro-batch-size", 4,
        "--max-steps", 4, "--set", "cs.device=cpu", *tiny(),
    ]  # fmt: skip
    planned = cs_command(*words, "--dry-run")
    assert planned.status == 0, planned.err
    assert "cs.device" in planned.out and not (tmp_path / "run").exists()
    refused = cs_command(*words, "--dry-run", "--mock")
    assert refused.status == 3 and "--mock does not work on cs" in refused.err
    done = cs_command(*words, "--json")
    assert done.status == 0, done.err
    result = json.loads(done.out.splitlines()[-1])
    assert result["step"] == 4 and math.isfinite(result["evaluation"]["mlm_loss"])
    asked = cs_command(
        "eval", "--backend", "cs", "--set", "cs.device=cpu", "--input",
        cs_records / "eval.tfrecord", "--checkpoint", "run", "--json",
    )  # fmt: skip
    assert asked.status == 0, asked.err
    (quality,) = json.loads(asked.out.splitlines()[-1])["checkpoints"]
    assert quality["mlm_loss"] == pytest.approx(result["evaluation"]["mlm_loss"], rel=1e-5)
