from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.torch.adapter import TorchAdapter
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.backends.torch.step import TorchStepper
from bertkit.tasks.pretraining.objective import PretrainingObjective


class Meta(TorchAdapter):
    """A backend of another name, whose device is torch's `meta`: shapes without numbers."""

    device = "meta"
    caps = replace(CpuAdapter.caps, name="shapes")


class Scaling(TorchAdapter):
    """A backend that cannot compute in fp16 without a loss scale."""

    device = "cpu"
    caps = replace(CpuAdapter.caps, name="scaling", loss_scaling=("dynamic",))


def test_the_device_is_not_the_name_of_the_backend():
    adapter = Meta()
    placed = adapter.place(torch.nn.Linear(2, 2))
    assert placed.weight.device.type == "meta"
    stepper = adapter.build(placed, PretrainingObjective(), StepPlan())
    assert isinstance(stepper, TorchStepper) and stepper.device.type == "meta"
    assert stepper.process_group is adapter.process_group


@pytest.mark.parametrize(("precision", "scaled"), [("fp16", True), ("fp32", False)])
def test_fp16_alone_gets_a_loss_scale(precision, scaled):
    adapter = Scaling()
    model = torch.nn.Linear(2, 2)
    optimizer = CpuAdapter().optimizer(model, OptimizerSpec("sgd"))
    stepper = adapter.build(
        model, PretrainingObjective(), StepPlan(precision), optimizer, lambda step: 0.1
    )
    assert (stepper.scaler is not None) == scaled
    plain = adapter.build(model, PretrainingObjective(), StepPlan(precision))
    assert plain.scaler is None, "nothing is trained"


def test_settings_are_checked_against_the_own_caps():
    (problem,) = Meta().validate(StepPlan("int8"), OptimizerSpec())
    assert problem.flag == "--precision" and "does not work on shapes" in problem.text
