"""Losses and gradients that are not finite: stop before the update, or leave the step out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bertkit.backends import registry
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.torch.step import TorchStepper
from bertkit.errors import BertkitError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.pretrain import pretrain
from bertkit.train.checkpoints import checkpoint
from bertkit.train.metrics import read
from bertkit.train.nonfinite import MOST_IN_A_ROW, LeftOut, NonFiniteSteps, warn_of_no_update

GOOD = {"loss": 1.0, "grad_norm": 2.0, "tokens": 10.0}


def guard(policy="stop", group=None, kept=Path("step-3")):
    return NonFiniteSteps(policy, group or ProcessGroup(), LeftOut(), lambda: kept)


class Pair(ProcessGroup):
    """This process, and another one with numbers of its own."""

    def __init__(self, other) -> None:
        super().__init__(Topology(world=2, rank=0))
        self.other = other

    def sum(self, values):
        return [one + other for one, other in zip(values, self.other, strict=True)]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_the_first_step_that_is_not_finite_is_named(name, value):
    steps = [GOOD, {**GOOD, name: value}, {**GOOD, name: value}]
    with pytest.raises(BertkitError) as caught:
        guard().check(steps, last=7)
    what = {"loss": f"the loss is {value}", "grad_norm": f"the gradient norm is {value}"}[name]
    assert caught.value.message.startswith(what)
    assert " at step 6;" in caught.value.message
    assert caught.value.message.endswith("the checkpoint step-3 is intact")
    assert "--learning-rate" in caught.value.hint and "--on-nonfinite skip" in caught.value.hint


def test_the_number_of_another_process_stops_this_one():
    with pytest.raises(BertkitError, match="the loss is nan at step 2"):
        guard(group=Pair([0.5, math.nan, 2.0, 2.0])).check([GOOD, GOOD], last=2)


def test_numbers_are_those_of_all_processes():
    checked = guard(group=Pair([0.5, 2.0])).check([GOOD], last=1)
    assert checked.grad_norm == 2.0 and checked.losses == 1


def test_steps_left_out_do_not_count_in_the_means():
    bad = {"loss": math.nan, "grad_norm": math.nan, "mlm_loss_sum": math.nan, "tokens": 4.0}
    check = guard("skip")
    checked = check.check([GOOD, bad, GOOD], last=3)
    assert checked.losses == 2
    assert [dict(numbers) for numbers in checked.numbers] == [GOOD, {"tokens": 4.0}, GOOD]
    assert check.left_out == LeftOut(overflow_steps=0, skipped_steps=1, in_a_row=0)


def test_overflows_of_the_loss_scale_are_another_thing():
    overflow = {**GOOD, "grad_norm": math.inf, "loss_scale": 1024.0}
    check = guard("stop")
    checked = check.check([overflow, {**GOOD, "loss_scale": 512.0}], last=2)
    assert checked.losses == 2, "the loss of such a step is good"
    assert check.left_out == LeftOut(overflow_steps=1, skipped_steps=0)
    with pytest.raises(BertkitError, match="the loss is nan"):
        check.check([{**overflow, "loss": math.nan}], last=3)


@pytest.mark.parametrize("policy", ["skip", "stop"])
def test_a_run_that_no_longer_learns_ends(policy):
    scale = {} if policy == "skip" else {"loss_scale": 1.0}
    check, bad = guard(policy), {**GOOD, "grad_norm": math.nan, **scale}
    for step in range(1, MOST_IN_A_ROW):
        check.check([bad], last=step)
    with pytest.raises(BertkitError, match=f"{MOST_IN_A_ROW} steps in a row, up to step 50"):
        check.check([bad], last=MOST_IN_A_ROW)


def scaled(place, words, layer, head):
    """A checkpoint whose weights are so large that gradients overflow under a finite loss."""
    tensors = load_file(place / "model.safetensors")
    tensors["bert.embeddings.word_embeddings.weight"] *= words
    tensors["bert.encoder.layer.1.output.LayerNorm.weight"] *= layer
    tensors["cls.predictions.transform.LayerNorm.weight"] *= head
    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    return str(place)


@pytest.fixture
def start(settings, tmp_path):
    def make(*factors):
        torch.manual_seed(1)
        save_pretrained(BertForPreTraining(settings().model), tmp_path / "start")
        return scaled(tmp_path / "start", *factors)

    return make


@pytest.mark.parametrize(
    ("factors", "norm", "clip"),
    [((1e3, 1e20, 1e20), "nan", 1.0), ((1, 1, 1e25), "inf", 1.0), ((1, 1, 1e25), "inf", 0.0)],
)
def test_a_gradient_that_is_not_finite_reaches_no_checkpoint(settings, start, factors, norm, clip):
    """Under a finite loss; as the last step, too, where all weights would be NaN."""
    config = settings(
        init_checkpoint=start(*factors), max_steps=1, save_every=1, warmup_proportion=0.0,
        learning_rate=1e-3, max_grad_norm=clip,
    )  # fmt: skip
    with pytest.raises(BertkitError, match=f"the gradient norm is {norm} .* at step 1; there is"):
        pretrain(config, registry.get("cpu"))
    assert checkpoint.latest(config.output) is None


def break_at(monkeypatch, *steps):
    """Make the loss NaN in these steps, by their number from 1."""
    train = TorchStepper.train

    def broken(self, batch, step):
        if step + 1 in steps:
            weights = batch.micro_batches[0].arrays["mlm_weights"]
            weights[weights > 0] = math.nan
        return train(self, batch, step)

    monkeypatch.setattr(TorchStepper, "train", broken)


def test_older_checkpoints_stay_and_the_same_call_goes_on(settings, monkeypatch):
    config = settings(save_every=2, keep_last=1, max_steps=6)
    with monkeypatch.context() as patch:
        break_at(patch, 4)
        with pytest.raises(BertkitError, match=r"at step 4; the checkpoint .*step-0000002 is"):
            pretrain(config, registry.get("cpu"))
    assert [step for step, _ in checkpoint.in_run(config.output)] == [2]
    assert pretrain(config, registry.get("cpu")).resumed_from == 2


def test_skipping_goes_on_and_counts(settings, monkeypatch, caplog):
    config = settings(on_nonfinite="skip", max_steps=6, log_every=3, save_every=3, keep_last=0)
    break_at(monkeypatch, 2, 5)
    result = pretrain(config, registry.get("cpu"))
    assert result.step == 6 and result.train["skipped_steps"] == 2
    assert "skipped steps" in result.text()
    assert "the loss is nan at step 2: step left out (1 so far)" in caplog.text
    lines = read(Path(config.output) / "metrics.jsonl")
    assert [line["skipped_steps"] for line in lines] == [1, 2]
    assert all(math.isfinite(line["loss"]) for line in lines)


def test_counts_and_bits_survive_a_resume(settings, monkeypatch, tmp_path):
    break_at(monkeypatch, 2, 5)
    config = settings(on_nonfinite="skip", max_steps=6)
    whole = pretrain(replace(config, output=str(tmp_path / "whole")), registry.get("cpu"))
    with pytest.raises(BertkitError):
        pretrain(replace(config, steps_this_run=3), registry.get("cpu"))
    resumed = pretrain(config, registry.get("cpu"))
    assert resumed.train["skipped_steps"] == whole.train["skipped_steps"] == 2
    one, two = (load_file(Path(r.checkpoint) / "model.safetensors") for r in (whole, resumed))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_backends_that_cannot_skip_say_so():
    from bertkit.backends.base import OptimizerSpec, StepPlan

    for name in ("hpu", "ipu", "cs"):
        adapter = registry.make(name)
        plan = StepPlan("bf16", adapter.caps.layouts[0], skip_nonfinite=True)
        texts = [item.text for item in adapter.validate(plan, OptimizerSpec())]
        assert f"--on-nonfinite skip does not work on {name}; leave it out" in texts


def test_the_last_line_of_metrics_is_json_for_everybody(settings, monkeypatch):
    """Also where every step of a line was left out."""
    break_at(monkeypatch, 1, 2)
    config = settings(on_nonfinite="skip", max_steps=3, log_every=1)
    pretrain(config, registry.get("cpu"))
    text = (Path(config.output) / "metrics.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    first = json.loads(text.splitlines()[0])
    assert first["loss"] is None and first["grad_norm"] is None


@pytest.mark.parametrize(("left", "said"), [(6, True), (5, False), (0, False)])
def test_a_run_of_which_every_step_was_left_out_says_so(caplog, left, said):
    warn_of_no_update(LeftOut(overflow_steps=left // 2, skipped_steps=left - left // 2), 6)
    assert ("nothing was learnt" in caplog.text) == said
