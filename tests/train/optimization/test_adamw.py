"""AdamW without bias correction, against Google's own program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bertkit.backends.base import OptimizerSpec
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.optimizers import load_named_state, make_optimizer, named_state

# What `AdamWeightDecayOptimizer` of google-research/bert's optimization.py, unchanged, made of
# three variables in TensorFlow 2.21 (v1 session) in five steps; rates 0.1 / (step + 1), decay
# 0.01 excluding LayerNorm and bias.
AFTER_FIVE = {
    "dense.weight": [
        -1.0047416687011719, -1.2041168212890625, -0.2698078155517578,
        1.7745945453643799, -0.2487446814775467, -1.1910985708236694,
    ],
    "dense.bias": [-0.9881333708763123, -0.32721439003944397, -0.7786203622817993],
    "LayerNorm.weight": [-1.7869937419891357, 2.2984886169433594, -0.32029157876968384],
}  # fmt: skip


def drawn():
    """The gradients of five steps and the values to start from, as that program got them."""
    draw = np.random.RandomState(7)
    shapes = ((2, 3), (3,), (3,))
    steps = [[draw.randn(*shape).astype("f") for shape in shapes] for _ in range(5)]
    return steps, [draw.randn(*shape).astype("f") for shape in shapes]


def small_model():
    model = nn.Module()
    for name in AFTER_FIVE:
        place, part = name.split(".")
        if not hasattr(model, place):
            model.add_module(place, nn.Module())
        _, start = drawn()
        values = torch.from_numpy(start[list(AFTER_FIVE).index(name)])
        getattr(model, place).register_parameter(part, nn.Parameter(values.clone()))
    return model


def train(model, optimizer, steps, first=0):
    for number, gradients in enumerate(steps, start=first):
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (number + 1)
        optimizer.step()


SPEC = OptimizerSpec(UNCORRECTED, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01)


def test_five_steps_are_those_of_googles_program():
    model = small_model()
    train(model, make_optimizer(model, SPEC), drawn()[0])
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.detach().ravel(), AFTER_FIVE[name], rtol=2e-6)


def test_the_corrected_form_is_another_optimizer():
    model = small_model()
    corrected = OptimizerSpec("adamw", SPEC.beta1, SPEC.beta2, SPEC.eps, SPEC.weight_decay)
    train(model, make_optimizer(model, corrected), drawn()[0])
    (weight, *_) = model.parameters()
    assert np.abs(weight.detach().numpy().ravel() - AFTER_FIVE["dense.weight"]).max() > 0.05


def test_its_state_resumes_bit_for_bit():
    steps, _ = drawn()
    whole, first, second = small_model(), small_model(), small_model()
    train(whole, make_optimizer(whole, SPEC), steps)
    optimizer = make_optimizer(first, SPEC)
    train(first, optimizer, steps[:2])
    second.load_state_dict(first.state_dict())
    resumed = make_optimizer(second, SPEC)
    load_named_state(resumed, named_state(optimizer))
    train(second, resumed, steps[2:], first=2)
    for expected, found in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_momentum_is_tensorflows():
    """MomentumOptimizer: the accumulator is momentum times itself plus the gradient."""
    steps, start = drawn()
    model = small_model()
    train(model, make_optimizer(model, OptimizerSpec("momentum", beta1=0.9, weight_decay=0)), steps)
    for index, parameter in enumerate(model.parameters()):
        value, total = start[index].astype("d"), 0.0
        for number, gradients in enumerate(steps):
            total = 0.9 * total + gradients[index]
            value = value - 0.1 / (number + 1) * total
        assert parameter.detach().numpy() == pytest.approx(value, abs=1e-6)
