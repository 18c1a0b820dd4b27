"""Recorded steps whose update is one kernel: the bits of those that are run."""

from __future__ import annotations

import pytest
import torch
from slow_cases import slow

pytest.importorskip("triton", reason="Triton is only made for Linux")

from train.optimization.gpu_rounding import as_gpus_do, same

from backends.torch.graphs.replaying import ReplayingRecorder
from backends.torch.graphs.test_step import RATE, SHAPE, as_on_a_gpu, batches
from backends.torch.operators import Operators
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.fused.one_pass_update import OnePassUpdate
from bertkit.backends.torch.graphs.step import GraphedStepper
from bertkit.backends.torch.step import TorchStepper
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.pretraining.objective import PretrainingObjective
from bertkit.train.checkpoints.background_save import copied
from bertkit.train.optimization import one_pass
from bertkit.train.optimization.optimizers import make_optimizer

assert as_on_a_gpu  # a fixture, which all tests here use
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="in Triton's interpreter")


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    as_gpus_do(monkeypatch)
    monkeypatch.setattr(one_pass, "_BLOCK", 1024)


def stepper(kind=GraphedStepper):
    torch.manual_seed(1)
    model = BertForPreTraining(SHAPE)
    more = {"recorder": ReplayingRecorder()} if kind is GraphedStepper else {}
    made = kind(
        model=model, task=PretrainingObjective(), plan=StepPlan("bf16", max_grad_norm=0.5),
        device=torch.device("cpu"), optimizer=make_optimizer(model, OptimizerSpec()),
        schedule=lambda step: RATE / (1 + step % 2), working=WorkingWeights(model), pins=False,
        **more,
    )  # fmt: skip
    made.one_pass = OnePassUpdate(made.optimizer, made.working)
    return made


def numbers(step):
    """Weights, moments and counts of steps."""
    states = [value for state in step.optimizer.state.values() for value in state.values()]
    return [*(value.detach() for value in step.model.parameters()), *states]


@pytest.mark.parametrize("micro", [16, *slow(8)])
def test_replayed_updates_are_those_that_are_run(monkeypatch, micro):
    """With weights and a state that are loaded meanwhile, and a step that is left out."""
    # Recorded gradients are float32, whose sum a CPU takes in another order.
    monkeypatch.setattr(OnePassUpdate, "begin", lambda *_: None)
    both = replayed, _ = stepper(), stepper(TorchStepper)
    for number, each in enumerate(batches("padded", micro)):
        if number == 4:
            for step in both:
                step.load_state(copied(step.state()))
                content = copied(step.model.state_dict())
                content["cls.predictions.bias"] += 0.25
                content["bert.encoder.layer.0.output.dense.weight"] *= 0.5
                step.model.load_state_dict(content)
        if number == 3:
            weights = each.micro_batches[0].arrays["mlm_weights"]
            weights[weights > 0] = float("inf")
        found, exact = (step.read([step.train(each, number)])[0] for step in both)
        assert found == pytest.approx(exact, rel=0, nan_ok=True)
        assert same(*map(numbers, both)), number
        for weight, copy in replayed.working.places().items():
            assert torch.equal(copy, weight.bfloat16()), number
        if number == 5:
            assert len({str(step.read([step.evaluate(each)])[0]) for step in both}) == 1
    # The first pass and the update, a pass that adds, and the update with other moments.
    assert replayed.recorder.records >= 16 // micro + 2


def test_no_pass_makes_copies():
    step, counts = stepper(), []
    steps = batches("padded")
    for number in range(4):
        with Operators() as seen:
            step.train(steps[number], number)
        counts.append(seen.counts["_foreach_copy_"])
    layers = len(step.working._groups)
    # Of gradients in all steps, and of weights in the first; then the recorder computes, too.
    assert counts == [2 * layers, 2 * layers, layers, layers]
