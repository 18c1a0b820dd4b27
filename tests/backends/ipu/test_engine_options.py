"""The engine's options, from the settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from .conftest import TWO
from .copies import trained, weights


def test_half_precision_trains_and_saves_full_numbers(settings, on_cpu, poptorch):
    config = settings(precision="fp16", loss_scale=128.0)
    result = trained(config)
    assert {value.dtype for value in weights(result.checkpoint).values()} == {torch.float32}
    training, evaluating = poptorch.DEVICE.compiled
    assert {value.dtype for value in training.weights.values()} == {torch.float16}
    assert training.numbers["loss_scaling"] == 128.0
    assert training.numbers["accum_type"] == torch.float16
    assert training.options.Precision.values == {"partials": "half", "stochastic": True}
    assert evaluating.options.Precision.values["stochastic"] is False
    assert result.train["loss"] == pytest.approx(on_cpu.train["loss"], rel=0.02)


def test_options_reach_the_engine(settings, poptorch, tmp_path):
    options = replace(
        TWO, replicas=2, replicated_tensor_sharding=True, half_first_moment=True,
        executable_cache=str(tmp_path / "cache"), synthetic_data=True, auto_round=True,
        accumulation="fp16", recomputation=False, inference_device_iterations=4,
    )  # fmt: skip
    config = settings(
        ipu=options, optimizer="adamw", global_batch_size=20, micro_batch_size=1, max_steps=1
    )
    trained(config)
    training, evaluating = poptorch.DEVICE.compiled
    for found in (training, evaluating):
        values = found.options.values
        assert (values["replication"], values["round"], values["synthetic"]) == (2, True, True)
        assert values["cache"] == str(tmp_path / "cache")
        assert values["memory"] == {0: 0.3, 1: 0.2}
    assert training.options.TensorLocations.values["optimizer"] == {
        "on_chip": False, "sharded": True,
    }  # fmt: skip
    assert training.options.Training.values["accumulation"] == 10
    assert training.options.values["seed"] == config.seed
    assert evaluating.options.values["iterations"] == 4
    assert training.numbers["first_order_momentum_accum_type"] == torch.float16
    assert training.numbers["accum_type"] == torch.float16
    assert training.trace.checkpoints == 0
    assert training.optimizer.constants() >= {"betas", "eps", "weight_decay"}
    assert not training.optimizer.variable_attrs.isConstant("lr")
