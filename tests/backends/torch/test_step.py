"""The step that cpu and cuda share, with the loss scaling of fp16 played on the CPU."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from backends.torch.operators import Operators
from bertkit.backends.base import OptimizerSpec, StepPlan, Ticket
from bertkit.backends.process_group import ProcessGroup, Topology
from bertkit.backends.torch.step import (
    TorchStepper,
    make_scaler,
    plain_weights,
    read_tickets,
    step_seed,
)
from bertkit.data.step_batch import MicroBatch, StepBatch
from bertkit.train.optimization.optimizers import make_optimizer


class Line(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))

    def forward(self, x):
        return x @ self.weight.t()


class Squares:
    """Loss (w x)^2, scaled; notes what it saw."""

    def __init__(self) -> None:
        self.drawn: list[float] = []
        self.training: list[bool] = []
        self.dtypes: list[torch.dtype] = []

    def losses(self, model, tensors, batch):
        self.drawn.append(float(torch.rand(())))
        self.training.append(model.training)
        out = model(tensors["x"])
        self.dtypes.append(out.dtype)
        loss = (out.float() ** 2).sum()
        return loss * batch.scales["all"], {"loss_sum": loss.detach()}


def step_batch(*rows, scale=1.0):
    micro = [
        MicroBatch({"x": np.array([row], np.float32)}, np.array([2]), scales={"all": scale})
        for row in rows
    ]
    return StepBatch(micro, len(rows))


def stepper(task=None, precision="fp32", rank=0, clip=0.0, **more):
    model = Line()
    optimizer = make_optimizer(model, OptimizerSpec("adamw", weight_decay=0.0))
    plan = StepPlan(precision, max_grad_norm=clip)
    return TorchStepper(
        model, task or Squares(), plan, torch.device("cpu"), optimizer,
        lambda step: 0.1 * (step + 1), ProcessGroup(Topology(1, rank)), **more,
    )  # fmt: skip


def test_a_step_is_one_update_with_the_rate_of_its_number():
    step = stepper(clip=1.0)
    before = step.model.weight.detach().clone()
    ticket = step.train(step_batch([1, 2], [3, 4]), 4)
    (numbers,) = step.read([ticket])
    assert numbers["loss"] == pytest.approx(9 + 25)
    assert numbers["loss_sum"] == pytest.approx(34)
    assert numbers["learning_rate"] == pytest.approx(0.5)
    assert (numbers["tokens"], numbers["sequences"]) == (4, 2)
    gradient = 2 * torch.tensor([-3.0 * 1 - 5 * 3, -3.0 * 2 - 5 * 4])
    assert numbers["grad_norm"] == pytest.approx(float(gradient.norm()))
    # Adam's first step is the rate times the sign of the gradient.
    moved = step.model.weight.detach() - before
    assert moved.flatten().tolist() == pytest.approx([0.5, 0.5], rel=1e-5)
    assert step.model.weight.grad is None


def test_random_numbers_depend_on_seed_step_and_rank_alone():
    def drawn(rank, steps):
        task = Squares()
        step = stepper(task, rank=rank)
        for number in steps:
            step.train(step_batch([1, 0]), number)
        return task.drawn

    whole = drawn(0, [0, 1, 2])
    assert drawn(0, [2]) == whole[2:]
    assert len(set(whole)) == 3
    assert drawn(1, [2]) != whole[2:]
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3)
    assert len({step_seed(a, b, c) for a in range(3) for b in range(3) for c in range(3)}) == 27


def test_evaluating_changes_nothing():
    task = Squares()
    step = stepper(task)
    before = step.model.weight.detach().clone()
    ticket = step.evaluate(step_batch([1, 2]))
    assert step.read([ticket])[0]["loss_sum"] == pytest.approx(9)
    assert task.training == [False]
    assert torch.equal(step.model.weight, before)
    step.train(step_batch([1, 2]), 0)
    assert task.training == [False, True]


def test_bf16_is_for_products_only():
    task = Squares()
    step = stepper(task, "bf16")
    step.train(step_batch([1, 2]), 0)
    assert task.dtypes == [torch.bfloat16]
    assert step.model.weight.dtype == torch.float32


def test_loss_scaling_leaves_the_numbers_and_skips_overflows():
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    plain, scaled = stepper(clip=1.0), stepper(clip=1.0, scaler=scaler)
    for number in range(3):
        a = plain.read([plain.train(step_batch([1, 2], [3, 4]), number)])[0]
        b = scaled.read([scaled.train(step_batch([1, 2], [3, 4]), number)])[0]
        assert b.pop("loss_scale") == 2.0**10
        assert a == pytest.approx(b)
    torch.testing.assert_close(plain.model.weight, scaled.model.weight)
    before = scaled.model.weight.detach().clone()
    numbers = scaled.read([scaled.train(step_batch([1e30, 1]), 3)])[0]
    assert not math.isfinite(numbers["grad_norm"])
    assert torch.equal(scaled.model.weight, before), "an overflowing step must be skipped"
    assert scaled.state()["scaler"]["scale"] == 2.0**9


def test_state_goes_to_another_stepper():
    first = stepper(scaler=torch.amp.GradScaler("cpu", init_scale=8.0))
    first.train(step_batch([1, 2]), 0)
    second = stepper(scaler=torch.amp.GradScaler("cpu", init_scale=2.0))
    second.model.load_state_dict(first.model.state_dict())
    second.load_state(first.state())
    for step in (first, second):
        step.train(step_batch([2, 1]), 1)
    assert torch.equal(first.model.weight, second.model.weight)
    assert second.state()["scaler"]["scale"] == 8.0


def test_weights_have_plain_names():
    wrapped = torch.nn.Module()
    wrapped.module = Line()
    assert set(plain_weights(wrapped)) == {"weight"}


def test_a_stepper_without_optimizer_cannot_train():
    step = TorchStepper(Line(), Squares(), StepPlan(), torch.device("cpu"))
    with pytest.raises(RuntimeError, match="built to evaluate"):
        step.train(step_batch([1, 2]), 0)


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled")
def test_a_static_loss_scale_stays_also_after_an_overflow():
    scaler = make_scaler("cpu", StepPlan("fp16", loss_scale=128.0))
    plain, scaled = stepper(clip=1.0), stepper(clip=1.0, scaler=scaler)
    for step in range(3):
        for each in (plain, scaled):
            each.train(step_batch([1.0, 2.0]), step)
    assert torch.allclose(plain.model.weight, scaled.model.weight)
    before = scaled.model.weight.clone()
    scaled.train(step_batch([math.inf, 2.0]), 3)
    assert torch.equal(before, scaled.model.weight)
    assert scaled.state()["scaler"]["scale"] == 128.0


def test_numbers_of_many_steps_come_by_one_copy_of_each_type():
    tickets = [
        Ticket({"loss": torch.tensor(0.5 + step), "right": torch.tensor(3 + step)}, {"tokens": 7.0})
        for step in range(4)
    ]
    tickets[2].sums["scale"] = torch.tensor([2.0**20], dtype=torch.float64)
    with Operators() as seen:
        found = read_tickets(tickets)
    assert found[3] == {"loss": 3.5, "right": 6.0, "tokens": 7.0}
    assert found[2] == {"loss": 2.5, "right": 5.0, "scale": 2.0**20, "tokens": 7.0}
    assert all(type(value) is float for row in found for value in row.values())
    assert seen.counts["stack"] == 3, "one of each type"
    assert not seen.counts["_local_scalar_dense"], "a number by itself"
    assert read_tickets([]) == []
